"""A guideline for correcting oneself, written from batches of failures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

from agent.proposers.types import Desk, joined, place_of, source_of, trust_of
from agent.reflectors.guideline import PROJECT, id_of, numbered, rules_of
from agent.reflectors.types import line, lines, object_of, room
from distill.attempts import Tried, attempts, story
from envs.errors import one_line
from envs.types import Frozen
from memory.admission import addition, edition
from memory.lenses import places
from memory.types import Change, Lesson, Scope, Trajectory

ACTOR = "proposer:guideline"
BATCH = 4
"""Failures that go into one version."""
MOST = 12
"""Failures of an environment that one proposal looks at: the latest that are new to it."""
RULES = 8
"""Most rules of a guideline."""
RULE = 160
"""Most characters of a rule."""
MISTAKE = object_of(mistake=line())
DOCUMENT = object_of(rules=lines(1, RULES, chars=RULE))
OUTCOMES = {True: "corrected by a retry", False: "the retry failed too", None: "not retried"}


class Failure(Frozen):
    """A rejected attempt, and what became of its correction."""

    run: Trajectory
    """The run."""
    attempt: Tried
    """The attempt."""
    corrected: bool | None
    """Whether the retry was accepted; None where there was none."""


class Guideline:
    """Feedback on each failure, then the guideline anew, batch after batch; each is a version.

    One call a failure and one a batch: 15 for the most failures of one environment. What people
    have changed in the guideline is what the next batch starts from. What differs from the paper:
    it knows the right query, and has corrections run until they give its result; here failure and
    correction are what the verifier said of recorded attempts (the retry after a failure is its
    correction), and who gives feedback sees what a player sees. Used in corrections by
    `agent/reflectors/guideline.py`; catalogue row magic.
    """

    paper: ClassVar[str] = "Askari et al. 2024, MAGIC, arXiv 2406.12692"
    does: ClassVar[str] = "writes a guideline for corrections from batches of failures"

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def propose(self, trajectories: Sequence[Trajectory]) -> tuple[Change, ...]:
        """For each environment one change a batch of new failures, in order."""
        changes: list[Change] = []
        for env in dict.fromkeys(place_of(run.env) for run in trajectories):
            current = self._desk.memory.lesson(id_of(env))
            known = {place.trajectory for place in places(current)} if current else set[str]()
            found = [f for f in failures(trajectories, env=env) if f.run.id not in known][-MOST:]
            for start in range(0, len(found), BATCH):
                batch = found[start : start + BATCH]
                self._desk.progress(f"guideline of {env}: {len(batch)} failures")
                lesson = await self._version(env, current, batch)
                if lesson is not None:
                    changes.append(_change(lesson, current, batch))
                    current = lesson
        return tuple(changes)

    async def _version(
        self, env: str, current: Lesson | None, batch: Sequence[Failure]
    ) -> Lesson | None:
        """The guideline after a batch; None where it says what it said, or no calls are left."""
        told: list[str] = []
        for failure in batch:
            run, one = failure.run, failure.attempt
            text = story(run.goal, run.first_observation, one.steps, one.verdict)
            said = await self._desk.ask("feedback", text, MISTAKE, tokens=room(MISTAKE))
            if said is not None:
                mistake = one_line(str(said.get("mistake", "")))
                told.append(f"- {mistake} ({OUTCOMES[failure.corrected]})")
        before = rules_of(current.text) if current else []
        content = f"The guideline so far:\n{numbered(before) or '(none)'}\n\nMistakes:\n"
        said = await self._desk.ask(
            "guideline", content + "\n".join(told), DOCUMENT, tokens=room(DOCUMENT)
        )
        written = [one_line(str(rule)) for rule in (said or {}).get("rules", ())]
        rules = list(dict.fromkeys(rule for rule in written if rule))
        if not rules or rules == before:
            return None
        return self._guideline(env, current, rules, batch)

    def _guideline(
        self, env: str, current: Lesson | None, rules: Sequence[str], batch: Sequence[Failure]
    ) -> Lesson:
        reader = self._desk.memory
        new = [source_of(f.run, f.attempt.steps[-1], reader) for f in batch]
        lesson = current or Lesson(
            id=id_of(env),
            kind="strategy",
            text=numbered(rules),
            situation=f"correcting a failed attempt in {env}",
            scope=Scope(env=env, project=PROJECT),
            trust=trust_of([failure.run for failure in batch], reader),
        )
        old = places(current) if current else ()
        return joined(lesson.model_copy(update={"text": numbered(rules)}), (*old, *new))


def failures(trajectories: Sequence[Trajectory], *, env: str) -> Iterator[Failure]:
    """One for each train run in an environment that had a rejected attempt, in order.

    The latest rejected attempt that was tried again; where none was, the latest.
    """
    for run in trajectories:
        if run.split != "train" or place_of(run.env) != env:
            continue
        tried = list(attempts(run))
        found = [
            Failure(run=run, attempt=one, corrected=then.verdict.accepted if then else None)
            for one, then in zip(tried, [*tried[1:], None], strict=True)
            if one.verdict.accepted is False and one.steps
        ]
        yield from ([one for one in found if one.corrected is not None] or found)[-1:]


def _change(lesson: Lesson, current: Lesson | None, batch: Sequence[Failure]) -> Change:
    evidence = tuple(dict.fromkeys(failure.run.id for failure in batch))
    reason = f"guideline from {len(batch)} failures"
    if current is None:
        return addition(lesson, reason, evidence, ACTOR)
    return edition(lesson, None, reason, evidence, ACTOR)
