"""Right for a wrong reason: a way that solved its task, tried on follow-ups of that task.

Source: Lee et al. 2024, Self-Training Meets Consistency (CREST), arXiv 2411.06387 (catalogue row
`crest`): a rationale counts by whether it also leads to right answers on follow-up questions; those
that often fail are dropped, and pairs for preference training come out of the same ratings. Here
the reasons are a run's actions, and the follow-ups the same task with other seeds and its siblings:
a run that was lucky fails them. Default check: the very same actions again. Where a way has to
search, and so can't be the same elsewhere, hand in a check that knows what it stands for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import combinations

from distill.rows_turns import attempted
from envs.errors import EnvError
from envs.types import Action, Env, Frozen, Task
from memory.types import Trajectory

FLOOR = 0.75
"""Least share of follow-ups that a way has to pass."""
Check = Callable[[Trajectory, Task, int], bool]
"""Whether the way of a run solves a task when it begins with that seed."""


class Rated(Frozen):
    """A solved run, and how its way did on follow-ups."""

    trajectory: str
    """Id of the run."""
    task_key: str
    """`Task.key`."""
    tried: int
    """Follow-ups."""
    passed: int
    """Of those, passed ones."""

    @property
    def rate(self) -> float | None:
        """Share that passed; None where there was no follow-up."""
        return self.passed / self.tried if self.tried else None


class Sifted(Frozen):
    """Solved runs, by whether they hold."""

    kept: tuple[Rated, ...]
    """Those that passed enough, and those without a follow-up."""
    dropped: tuple[Rated, ...]
    """Those that failed too often."""

    def of(self, runs: Iterable[Trajectory]) -> Iterator[Trajectory]:
        """`runs` without those that were dropped."""
        gone = {one.trajectory for one in self.dropped}
        return (run for run in runs if run.id not in gone)

    def said(self) -> str:
        """In words."""
        untried = sum(not one.tried for one in self.kept)
        return (
            f"{len(self.dropped)} dropped by follow-ups, {len(self.kept)} kept, {untried} untried"
        )


def sifted(
    runs: Iterable[Trajectory],
    check: Check,
    *,
    siblings: Callable[[Trajectory], Sequence[tuple[Task, int]]],
    floor: float = FLOOR,
) -> Sifted:
    """Tries each solved run on `siblings` (tasks with seeds) of its task.

    Runs that were not solved are neither kept nor dropped here: they are no successes.
    """
    kept: list[Rated] = []
    dropped: list[Rated] = []
    for run in runs:
        if run.error or run.score is None or not run.score.passed:
            continue
        found = [check(run, task, seed) for task, seed in siblings(run)]
        rated = Rated(trajectory=run.id, task_key=run.task_key, tried=len(found), passed=sum(found))
        holds = rated.rate is None or rated.rate >= floor
        (kept if holds else dropped).append(rated)
    return Sifted(kept=tuple(kept), dropped=tuple(dropped))


def preferred(found: Sifted) -> Iterator[tuple[str, str]]:
    """Pairs (better, worse) of runs at one task whose rates differ: the paper's second signal."""
    rated = [one for one in (*found.kept, *found.dropped) if one.rate is not None]
    for one, other in combinations(sorted(rated, key=lambda r: (-(r.rate or 0), r.trajectory)), 2):
        if one.task_key == other.task_key and (one.rate or 0) > (other.rate or 0):
            yield one.trajectory, other.trajectory


def again(env: Env) -> Check:
    """The default check: the same actions, letter by letter, and the environment's score."""

    def check(run: Trajectory, task: Task, seed: int) -> bool:
        try:
            episode = env.open(task, seed=seed)
        except EnvError:
            return False
        try:
            step = episode.first
            for action in (done.action for done in attempted(run)):
                if step.terminated or step.truncated:
                    break
                step = episode.step(_action(action))
            score = episode.score()
        except EnvError:
            return False
        finally:
            episode.close()
        return score is not None and score.passed

    return check


def _action(line: str) -> Action:
    """As steps keep it: a command, or the call of a tool as JSON."""
    if line.startswith('{"tool":'):
        return Action.model_validate_json(line)
    return Action(text=line)


def nearby(
    tasks: Iterable[Task], *, most: int = 4, seeds: int = 4
) -> Callable[[Trajectory], list[tuple[Task, int]]]:
    """Follow-ups of a run among train tasks: its own with other seeds, then others with its goal.

    At most `seeds` of the first and `most` of the second kind; tasks of other splits are passed
    over, since what decides what is trained on may not look at them.
    """
    train = [task for task in tasks if task.split == "train"]
    by_id = {task.id: task for task in train}

    def of(run: Trajectory) -> list[tuple[Task, int]]:
        own = by_id.get(run.task)
        same = [(own, run.seed + n) for n in range(1, seeds + 1)] if own else []
        others = [t for t in train if t.goal == run.goal and t.id != run.task][:most]
        return [*same, *((task, task.seed) for task in others)]

    return of
