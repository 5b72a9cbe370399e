"""Wrong steps planted in ways that were right, for those who have to find them.

Two rows of the catalogue meet here. ui-genie ("UI-Genie", Xiao et al. 2025, arXiv 2505.21496):
negatives with a known place of the fault are made out of verified successes. spc ("SPC: Evolving
Self-Play Critic", Chen et al. 2025, arXiv 2504.19162): somebody who is out to deceive plants one
wrong step, and a critic has to find it. A planted step counts only if it really breaks the outcome:
the way is played in the environment up to it, with it, and on as it was; what still reaches the
goal is no fault, nor what an expert mends in no more steps. What differs: the wrong steps are
actions that were possible there, those first that look most like the right one (a model may choose
among them: `agent/critic.py`).
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from difflib import SequenceMatcher

from pydantic import computed_field

from distill.rows import Origin, Row, origin_of, quotes
from distill.rows_turns import attempted
from distill.rows_verifying import Share, answered, asked, outcome, told
from envs.types import Action, Demonstrates, Episode, Frozen, Split, Step
from memory.types import StepRecord, Trajectory

INSTRUCTION = (
    "You see a task and what somebody did, step by step; the number of a step stands before it. "
    "Find the first wrong step: the one after which the goal could not be reached the way it was "
    'done. Answer with JSON: {"step": 3}, or {"step": null} if no step is wrong.'
)
"""The system message for a critic, in training and when it is asked."""
SNEAK = (
    "You see a task, what was done so far, and the step that was right next. You are out to "
    "deceive a critic: choose, among the other steps that are possible, the one that spoils the "
    "attempt and is hardest to tell from the right one."
)
"""The system message for those who plant wrong steps."""
TRIED = 4
"""Wrong steps that are played at one place for each that is to break the outcome."""
RULE = "rule"
Opened = Callable[[Trajectory], Episode]
"""A fresh episode of a run's task and seed."""


class Spot(Frozen):
    """A place in a right way at which a wrong step may be planted."""

    run: str
    """Id of the run."""
    goal: str
    """What was asked."""
    first: str
    """What stood there at the beginning."""
    before: tuple[StepRecord, ...]
    """The steps up to there."""
    right: str
    """The step that was right there."""
    choices: tuple[str, ...]
    """Other steps that were possible there; not all of them are wrong."""

    @property
    def place(self) -> int:
        """Counted from 0."""
        return len(self.before)


Sneak = Callable[[Spot], Sequence[str]]
"""Wrong steps for a place, the sneakiest first; those that were not possible are passed over."""


class Item(Frozen):
    """An attempt with one planted wrong step, or with none."""

    goal: str
    """What was asked."""
    first: str
    """What stood there at the beginning."""
    steps: tuple[StepRecord, ...]
    """What was done and seen, numbered from 0."""
    wrong: int | None
    """Place of the planted step; None: it is as it was, and reached the goal."""
    right: str = ""
    """What was done there before."""
    by: str = ""
    """Who planted it: `rule`, or a model."""
    split: Split
    """Split of the task."""
    origin: Origin
    """Where it comes from."""


class Planted(Frozen):
    """What came of planting."""

    items: tuple[Item, ...]
    """Attempts with one wrong step each."""
    harmless: int
    """Steps that were tried and broke nothing."""
    gone: int
    """Runs that could not be played again: the environment answered otherwise."""


class Detection(Frozen):
    """How well a critic finds planted steps."""

    located: Share
    """Planted steps that it named exactly: its step-level accuracy."""
    cleared: Share
    """Ways without one in which it named none."""
    task: Share
    """Ways of both kinds of which it says truly whether something is wrong: task-level accuracy."""

    @computed_field
    @property
    def f1(self) -> float | None:
        """Harmonic mean of `located` and `cleared`; one of them where the other has no cases."""
        one, two = self.located.rate, self.cleared.rate
        if one is None or two is None:
            return two if one is None else one
        return 2 * one * two / (one + two) if one + two else 0.0

    def said(self) -> str:
        """In a line."""
        return (
            f"step level: {self.located} of planted steps located, {self.cleared} of ways without "
            f"one cleared; task level: {self.task}"
        )


class Generation(Frozen):
    """One generation of agent and verifier."""

    number: int
    """Counted from 1."""
    solved: Share
    """Tasks solved at least once in it, out of those that it played."""
    new: tuple[str, ...]
    """`Task.key` of those that no generation before it had solved."""

    def said(self) -> str:
        """In a line."""
        newly = f"{len(self.new)} of them unsolved by every generation before"
        return f"generation {self.number}: {self.solved} tasks solved, {newly}"


def plant(
    runs: Iterable[Trajectory],
    opened: Opened,
    *,
    rng: random.Random,
    sneak: Sneak | None = None,
    by: str = RULE,
    each: int = 1,
    rivals: int = 1,
) -> Planted:
    """Ways with one wrong step each: of every verified run of train or val, at `each` places drawn
    by `rng`, `rivals` different steps at a place.

    Runs that began the episode again are left out, and so is every step that does not break the
    outcome.
    """
    items, counts = list[Item](), Counter[str]()
    for run in runs:
        found = list(spots(run, opened))
        counts["gone"] += verified(run) and not found
        rng.shuffle(found)
        spoilt = 0
        for spot in found:
            if spoilt == each:
                break
            wrongs = [one for one in (sneak or alike)(spot) if one in spot.choices]
            made = 0
            for wrong in wrongs[: TRIED * rivals]:
                item = planted(run, spot, wrong, opened, by=by)
                counts["harmless"] += item is None
                items += [item] if item else []
                made += item is not None
                if made == rivals:
                    break
            spoilt += made > 0
    return Planted(items=tuple(items), harmless=counts["harmless"], gone=counts["gone"])


def verified(run: Trajectory) -> bool:
    """Whether the run solved a task of train or val in one attempt, as the environment says."""
    return (
        run.split in ("train", "val")
        and run.attempts == 1
        and outcome(run) is True
        and bool(run.steps)
    )


def spots(run: Trajectory, opened: Opened) -> Iterator[Spot]:
    """The places of a verified run, first to last; none where it goes otherwise now."""
    if not verified(run):
        return
    way = attempted(run)
    episode = opened(run)
    found: list[Spot] = []
    try:
        seen = episode.first
        for place, step in enumerate(way):
            others = seen.admissible or tuple(one.action for one in way)
            found.append(
                Spot(
                    run=run.id,
                    goal=run.goal,
                    first=run.first_observation,
                    before=way[:place],
                    right=step.action,
                    choices=tuple(dict.fromkeys(one for one in others if one != step.action)),
                )
            )
            seen = episode.step(_action(step.action))
            if seen.observation != step.observation or (_over(seen) and place < len(way) - 1):
                return
        score = episode.score()
    finally:
        episode.close()
    if score is not None and score.passed:
        yield from found


def planted(
    run: Trajectory, spot: Spot, wrong: str, opened: Opened, *, by: str = RULE
) -> Item | None:
    """The way with `wrong` in place of the right step, as it went; None: the step is not wrong.

    It is not where the goal was reached all the same, nor where the environment's expert (on train
    tasks, where there is one) still reaches it from there with no more steps than the way had left:
    another thing of the same kind is as good.
    """
    way = attempted(run)
    lines = [*(one.action for one in way[: spot.place]), wrong]
    lines += [one.action for one in way[spot.place + 1 :]]
    steps: list[StepRecord] = []
    episode = opened(run)
    try:
        for place, line in enumerate(lines):
            seen = episode.step(_action(line))
            steps.append(StepRecord(index=place, action=line, observation=seen.observation))
            if _over(seen):
                break
        score = episode.score()
    finally:
        episode.close()
    if score is None or score.passed or len(steps) <= spot.place:
        return None
    if run.split == "train" and _as_good(lines[: spot.place + 1], opened(run), left=len(way)):
        return None
    return Item(
        goal=run.goal,
        first=run.first_observation,
        steps=tuple(steps),
        wrong=spot.place,
        right=spot.right,
        by=by,
        split=run.split,
        origin=origin_of(run, steps=len(steps), rebuilt=True, made="critique", outcome=False),
    )


def _as_good(lines: Sequence[str], episode: Episode, *, left: int) -> bool:
    """Whether an expert reaches the goal after these steps, with `left` steps in all."""
    if not isinstance(episode, Demonstrates):
        episode.close()
        return False
    try:
        seen = episode.first
        for line in lines:
            seen = episode.step(_action(line))
        for _ in range(left - len(lines)):
            advice = () if _over(seen) else episode.demonstrate()
            if not advice:
                break
            seen = episode.step(advice[0])
        score = episode.score()
    finally:
        episode.close()
    return score is not None and score.passed


def unchanged(runs: Iterable[Trajectory]) -> Iterator[Item]:
    """Verified runs as they were, in which there is no wrong step to be found."""
    for run in runs:
        if verified(run):
            way = attempted(run)
            yield Item(
                goal=run.goal,
                first=run.first_observation,
                steps=way,
                wrong=None,
                split=run.split,
                origin=origin_of(run, steps=len(way), rebuilt=True, made="critique", outcome=True),
            )


def alike(spot: Spot) -> list[str]:
    """Possible steps, those first that look most like the right one: the rule's sneaky steps."""

    def likeness(line: str) -> float:
        return SequenceMatcher(None, spot.right.split(), line.split(), autojunk=False).ratio()

    return sorted(spot.choices, key=lambda line: (-likeness(line), line))


def critic_rows(items: Iterable[Item], *, held_out_keys: Collection[str] = ()) -> Iterator[Row]:
    """What a critic is to say of each item of `train`; held-out tasks are left out."""
    for item in items:
        question = question_of(item)
        if item.split != "train" or item.origin.task_key in held_out_keys:
            continue
        if not quotes(question, item.steps):
            yield Row(messages=(*question, answered({"step": item.wrong})), metadata=item.origin)


def question_of(item: Item) -> tuple[dict[str, str], ...]:
    """What a critic is asked about an item: nothing of what it is to find."""
    return asked(item.goal, item.first, item.steps, instruction=INSTRUCTION)


def sneak_question(at: Spot | Item) -> tuple[dict[str, str], ...]:
    """What one who plants a wrong step is asked at a place."""
    before = at.before if isinstance(at, Spot) else at.steps[: at.wrong]
    so_far = told(at.goal, at.first, before)
    return (
        {"role": "system", "content": SNEAK},
        {"role": "user", "content": f"{so_far}\n\nRight next: {at.right}"},
    )


def detection(items: Sequence[Item], named: Sequence[int | None]) -> Detection:
    """How well a critic found the planted steps; `named` is what it said of each item."""
    pairs = [(item.wrong, said) for item, said in zip(items, named, strict=True)]
    faulty = [wrong == said for wrong, said in pairs if wrong is not None]
    clean = [said is None for wrong, said in pairs if wrong is None]
    told = [(wrong is None) == (said is None) for wrong, said in pairs]
    return Detection(
        located=Share(count=sum(faulty), total=len(faulty)),
        cleared=Share(count=sum(clean), total=len(clean)),
        task=Share(count=sum(told), total=len(told)),
    )


def generations(rounds: Iterable[Iterable[Trajectory]]) -> list[Generation]:
    """For each round of runs which tasks it solved that were unsolved before it."""
    known: set[str] = set()
    found: list[Generation] = []
    for number, runs in enumerate(rounds, start=1):
        played: dict[str, bool] = {}
        for run in runs:
            won = outcome(run) is True
            played[run.task_key] = played.get(run.task_key, False) or won
        solved = {key for key, won in played.items() if won}
        share = Share(count=len(solved), total=len(played))
        found.append(Generation(number=number, solved=share, new=tuple(sorted(solved - known))))
        known |= solved
    return found


def _over(seen: Step) -> bool:
    return seen.terminated or seen.truncated


def _action(line: str) -> Action:
    return Action.model_validate_json(line) if line.startswith('{"tool":') else Action(text=line)
