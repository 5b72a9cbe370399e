"""Shortcuts: from a state to a later one by the one action that led there after a detour."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

from agent.proposers.types import (
    Desk,
    attempt,
    joined,
    place_of,
    source_of,
    stable_id,
    trust_of,
    won,
)
from envs.errors import clip, one_line
from envs.types import Frozen
from memory.essence import essential
from memory.lenses import least, places
from memory.types import Change, Lesson, Scope, StepRecord, Trajectory

ACTOR = "proposer:shortcuts"
SEEN = 120
"""Most characters of an observation in a record."""
MOST = 200
"""Most records of one consolidation."""
BEGINNING = "the beginning"


class Shortcut(Frozen):
    """Two states that a run went a long way between, and the action that joins them."""

    state: str
    """State A: what stood there before the detour; `BEGINNING` before the first action."""
    action: str
    """What led to state C."""
    result: str
    """State C: what the action brought."""
    saves: int
    """Steps of the detour, at least 1."""
    step: StepRecord
    """The step that reached C."""


class Shortcuts:
    """Mines the detours of solved runs, without a model.

    A step is a detour when a rule finds that the goal was reached without what it did
    (`memory.essence.essential`: idle steps, looks, searches that found nothing, what was taken and
    put back). What differs from the paper: there two agents, instructor and assistant, each keep
    shortcuts of their dialogue, and a model says whether a state is worth more than another; here
    one solver keeps records of states and actions, and whether the goal was reached is the score of
    a train run. What the rule overlooks (a step that only seemed to do nothing) shows in a replay.
    """

    paper: ClassVar[str] = "Qian et al. 2023, Experiential Co-Learning, arXiv 2312.17025"
    does: ClassVar[str] = "mines shortcuts past the detours of solved runs; no model"

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def propose(self, trajectories: Sequence[Trajectory]) -> tuple[Change, ...]:
        """Changes that add shortcuts; one that several runs show is one, with all as sources."""
        lessons: dict[str, Lesson] = {}
        for run in trajectories:
            if not won(run):
                continue
            for cut in mined(run):
                lesson = self._lesson(run, cut)
                known = lessons.get(lesson.id) or self._desk.memory.lesson(lesson.id)
                if known is None and len(lessons) < MOST:
                    lessons[lesson.id] = lesson
                elif lesson.id in lessons:
                    old = lessons[lesson.id]
                    both = joined(old, (*places(old), lesson.source))
                    trust = least((old.trust, lesson.trust))
                    lessons[lesson.id] = both.model_copy(update={"trust": trust})
        changes: list[Change] = []
        for lesson in lessons.values():
            evidence = tuple(dict.fromkeys(place.trajectory for place in places(lesson)))
            changes += self._desk.memory.plan(
                [lesson], reason="a shortcut past a detour", evidence=evidence, actor=ACTOR
            )
        return tuple(changes)

    def _lesson(self, run: Trajectory, cut: Shortcut) -> Lesson:
        reader, env = self._desk.memory, place_of(run.env)
        text = (
            f"Shortcut: {one_line(run.goal)} From {cut.state}: {cut.action} "
            f"leads at once to: {cut.result}"
        )
        return Lesson(
            id=stable_id("shortcut", env, text),
            kind="workflow",
            text=text,
            situation=one_line(run.goal if cut.state == BEGINNING else f"{run.goal} {cut.state}"),
            scope=Scope(env=env),
            source=source_of(run, cut.step, reader),
            trust=trust_of([run], reader),
        )


def mined(run: Trajectory) -> Iterator[Shortcut]:
    """The shortcuts of one run, in the order of its steps."""
    steps = attempt(run)
    place = {step.index: number for number, step in enumerate(steps)}
    last = -1
    for step in essential(steps):
        number = place[step.index]
        if number - last > 1:
            before = one_line(steps[last].observation) if last >= 0 else BEGINNING
            yield Shortcut(
                state=clip(before, most=SEEN),
                action=step.action,
                result=clip(one_line(step.observation), most=SEEN),
                saves=number - last - 1,
                step=step,
            )
        last = number
