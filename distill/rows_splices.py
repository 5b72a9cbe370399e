"""Failed ways cut at their first wrong step and spliced onto a way that led to the goal.

The data of "Agent-R: Training Language Model Agents to Reflect via Iterative Self-Training" (Yuan
et al. 2025, arXiv 2501.11425; catalogue row agent-r), from which a model learns to turn back in the
middle of an attempt. Recorded attempts at the same task and seed are a tree: where two have the
same beginning, its end is their parent. A failed child and a successful one of one parent make a
splice: the failed one up to its first wrong step, a signal to turn back, and the successful one
from the parent on. Who says which step is the first wrong one is an argument: the acting model does
(`agent/reflectors/firstwrong.py`).

What differs: the tree is what was recorded (runs, retries, best-of-n), not grown by Monte Carlo
search. And a splice is played in the environment before it is a row, with what came back then: what
was done in the wrong part may stand in the way of the right one. The loop is left to the recipes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any

from distill.attempts import Tried, attempts
from distill.rows import Row, origin_of, quotes
from envs.types import Action, Episode, Frozen
from memory.types import StepRecord, Trajectory

SIGNAL = "This does not lead to the goal: I was wrong at step {step}. I take another way."
"""What the spliced way says where it turns back."""
Judge = Callable[[Trajectory, Tried, int], int | None]
"""Run, failed attempt and index of the parent in; place in the attempt of its first wrong step."""


class Splice(Frozen):
    """A failed way, cut, and the way out."""

    failed: str
    """Id of the run that failed."""
    succeeded: str
    """Id of the run that did not; may be the same, where it was a retry."""
    parent: int
    """Steps that both have in common."""
    cut: int
    """Place of the first wrong step, from 0; it is the last one that is kept."""
    actions: tuple[str, ...]
    """All actions, first to last."""
    signal: str
    """What is said before action number `cut + 1`."""


def pairs(
    trajectories: Iterable[Trajectory],
) -> Iterator[tuple[Trajectory, Tried, Trajectory, Tried]]:
    """Each failed attempt with the successful one at the same task that parts from it last.

    Only train tasks; success and failure go by the verdict, and by the score where there is one.
    Of successful ones that part at the same step the shortest counts. An attempt that is the whole
    beginning of the other is no sibling.
    """
    tree: dict[tuple[str, str, int], list[tuple[Trajectory, Tried]]] = {}
    for run in trajectories:
        if run.split == "train":
            found = [(run, one) for one in attempts(run) if one.steps]
            tree.setdefault((run.env, run.task, run.seed), []).extend(found)
    for children in tree.values():
        good = [(run, one) for run, one in children if one.verdict.accepted and _passed(run, one)]
        for run, bad in children:
            if bad.verdict.accepted is not False:
                continue
            siblings = [
                (common(bad.steps, one.steps), -len(one.steps), other, one)
                for other, one in good
                if common(bad.steps, one.steps) < min(len(bad.steps), len(one.steps))
            ]
            if siblings:
                _, _, other, best = max(siblings, key=lambda each: each[:2])
                yield run, bad, other, best


def common(one: Sequence[StepRecord], two: Sequence[StepRecord]) -> int:
    """How many first steps did the same and saw the same."""
    count = 0
    for a, b in zip(one, two, strict=False):
        if (a.action, a.observation) != (b.action, b.observation):
            break
        count += 1
    return count


def splices(trajectories: Iterable[Trajectory], *, first_wrong: Judge) -> Iterator[Splice]:
    """A splice of every pair in which the judge finds a first wrong step after the parent."""
    for run, bad, other, good in pairs(trajectories):
        parent = common(bad.steps, good.steps)
        cut = first_wrong(run, bad, parent)
        if cut is None or not parent <= cut < len(bad.steps):
            continue
        kept, way = bad.steps[: cut + 1], good.steps[parent:]
        yield Splice(
            failed=run.id,
            succeeded=other.id,
            parent=parent,
            cut=cut,
            actions=tuple(step.action for step in (*kept, *way)),
            signal=SIGNAL.format(step=cut + 1),
        )


def replayed(splice: Splice, episode: Episode, *, run: Trajectory) -> Row | None:
    """The splice played in a fresh episode of its train task, as a row; None: it does not succeed.

    `run` is the one that failed. Weighted are the turns after the cut, the first of them with the
    signal as its thought: the wrong steps are seen, not taught.
    """
    seen, messages = episode.first.observation, list[dict[str, Any]]()
    ended = False
    for place, line in enumerate(splice.actions):
        if ended:
            break
        back = {"thought": splice.signal} if place == splice.cut + 1 else {}
        content = json.dumps({**back, "action": line}, ensure_ascii=False)
        messages.append({"role": "user", "content": seen})
        weight = int(place > splice.cut)
        messages.append({"role": "assistant", "content": content, "weight": weight})
        step = episode.step(_action(line))
        seen, ended = step.observation, step.terminated or step.truncated
    score = episode.score()
    if score is None or not score.passed or quotes(messages, run.steps):
        return None
    origin = origin_of(run, steps=len(messages) // 2, rebuilt=True, made="spliced")
    made = origin.model_copy(update={"score": score.value})
    return Row(messages=tuple(messages), metadata=made)


def loop_rate(trajectories: Iterable[Trajectory]) -> float | None:
    """Share of steps that repeat an action of the same attempt and see the same again.

    None without steps. Reported before and after training, over the same tasks.
    """
    steps = repeats = 0
    for run in trajectories:
        known: set[tuple[int, str, str]] = set()
        for step in run.steps:
            what = (step.attempt, step.action, step.observation)
            steps += 1
            repeats += what in known
            known.add(what)
    return repeats / steps if steps else None


class Loops(Frozen):
    """Loops before and after training, over the tasks that both played."""

    tasks: int
    """Tasks that were played before and after."""
    before: float | None
    """Share of steps that repeat; None for no steps."""
    after: float | None
    """The same after training."""


def loops(before: Collection[Trajectory], after: Collection[Trajectory]) -> Loops:
    """The loop rate of both over their common tasks (`Task.key` and seed)."""
    keys = {(run.task_key, run.seed) for run in before} & {(r.task_key, r.seed) for r in after}

    def shared(runs: Collection[Trajectory]) -> list[Trajectory]:
        return [run for run in runs if (run.task_key, run.seed) in keys]

    return Loops(tasks=len(keys), before=loop_rate(shared(before)), after=loop_rate(shared(after)))


def _passed(run: Trajectory, one: Tried) -> bool:
    last = one.number == run.attempts - 1
    return not last or run.score is None or run.score.passed


def _action(line: str) -> Action:
    return Action.model_validate_json(line) if line.startswith('{"tool":') else Action(text=line)
