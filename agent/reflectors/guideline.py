"""A guideline for correcting oneself, written from batches of failures, used in later corrections.

After "MAGIC: Generating Self-Correction Guideline for In-Context Text-to-SQL" (Askari et al. 2024,
arXiv 2406.12692; catalogue row magic). A feedback agent says of each failure what the mistake was,
the correction is tried, and a manager writes all that into a guideline, batch after batch. The
guideline is a lesson of its own (`guideline-ENV`, one for each environment): every batch is a new
version of it, people read and edit it like any lesson (`/api/memory/guideline-ENV`, `journeyman
memory edit`), what they change is what the next batch starts from, and it can be undone. It is for
corrections alone: recall never shows it, since its scope is a project of its own.

What differs: the paper knows the right query and has corrections run until they give its result.
Here failure and correction are what the verifier said of recorded attempts (the retry after a
failure is its correction), and the feedback agent sees what a player sees. A guideline is not shown
in tasks with a key that it was written from.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from agent.crossing import off
from agent.kit import Reflector
from agent.models.types import Model
from agent.reflectors.types import Asker, line, lines, one_of
from agent.state import Attempt
from agent.transcript import prompt
from distill.attempts import Tried, attempts, story
from envs.errors import ModelError, UnknownName, one_line
from envs.types import Frozen, Task
from memory.admission import addition, edition
from memory.ledger import Ledger
from memory.recall import strip_marked
from memory.types import SHOWABLE, Change, Lesson, Scope, Source, Trajectory, Usage, Verdict

PROJECT = "guideline"
"""Scope that keeps guidelines out of recall."""
BATCH = 4
"""Failures that go into one version."""
MOST = 12
"""Failures of an environment that one call looks at, the latest."""
RULES = 8
"""Most rules of a guideline."""
RULE = 160
"""Most characters of a rule."""
KEPT = 32
"""Sources that are kept beside the first."""
NUMBERED = re.compile(r"^\s*\d+[.)]\s*(.+)$", re.MULTILINE)
Reader = Callable[[str], Lesson | None]
"""Environment in, its guideline out."""


class Failure(Frozen):
    """A rejected attempt, and what became of its correction."""

    run: Trajectory
    """The run."""
    attempt: Tried
    """The attempt."""
    corrected: bool | None
    """Whether the retry was accepted; None where there was none."""


class Guided:
    """Another reflector; where there is a guideline the advice is the rule that fits, applied."""

    def __init__(self, inner: Reflector, *, model: Model, read: Reader) -> None:
        self._inner = inner
        self._model = model
        self._read = read

    async def reflect(self, attempt: Attempt, verdict: Verdict) -> tuple[str, Usage]:
        """One question; where the model fails, the whole guideline."""
        rules = await off(self._rules, attempt.task)
        if not rules:
            return await self._inner.reflect(attempt, verdict)
        listed = numbered(rules)
        told = story(attempt.task.goal, attempt.first, attempt.steps, verdict)
        asked = [
            {"role": "system", "content": prompt("guided")},
            {"role": "user", "content": f"{told}\n\nThe guideline:\n{listed}"},
        ]
        ask = Asker(self._model, most=1)
        try:
            names = [str(number) for number in range(1, len(rules) + 1)]
            said = await ask.ask(asked, rule=one_of(names), instead=line())
        except ModelError:
            return one_line(listed), ask.usage
        rule = rules[int(said.get("rule", 1)) - 1]
        return f"{rule} {one_line(strip_marked(str(said.get('instead', ''))))}".strip(), ask.usage

    async def draft(self, attempt: Attempt, verdict: Verdict) -> tuple[list[Lesson], Usage]:
        """As the inner reflector does."""
        return await self._inner.draft(attempt, verdict)

    def _rules(self, task: Task) -> list[str]:
        found = self._read(place_of(task.env))
        if found is None or found.status not in SHOWABLE or task.key in found.source.task_keys:
            return []
        return rules_of(found.text)


class Manager:
    """Writes the guideline; a proposer of changes from train runs."""

    name = "guideline"

    def __init__(self, model: Model, *, read: Reader) -> None:
        self._model = model
        self._read = read
        self.usage = Usage()
        """What was consumed so far."""

    async def propose(self, trajectories: Sequence[Trajectory]) -> tuple[Change, ...]:
        """For each environment one change a batch of failures, in order.

        At most one question a failure and one a batch: 15 for `MOST` failures. Where the model
        fails, the changes so far are what there is.
        """
        changes: list[Change] = []
        for env in dict.fromkeys(place_of(run.env) for run in trajectories):
            current = await off(self._read, env)
            known = {one.trajectory for one in _sources(current)}
            found = [f for f in failures(trajectories, env=env) if f.run.id not in known][-MOST:]
            for start in range(0, len(found), BATCH):
                batch = found[start : start + BATCH]
                try:
                    lesson = await self._version(env, current, batch)
                except ModelError:
                    break
                if lesson is None:
                    continue
                changes.append(_change(lesson, current, batch))
                current = lesson
        return tuple(changes)

    async def _version(
        self, env: str, current: Lesson | None, batch: Sequence[Failure]
    ) -> Lesson | None:
        """The guideline after a batch; None where it says what it said."""
        ask = Asker(self._model, most=len(batch) + 1)
        try:
            feedback = [await _feedback(failure, ask) for failure in batch]
            before = rules_of(current.text) if current else []
            told = [f"- {text} ({OUTCOMES[f.corrected]})" for f, text in feedback]
            content = "\n\n".join(
                [f"The guideline so far:\n{numbered(before) or '(none)'}", "\n".join(told)]
            )
            asked = [
                {"role": "system", "content": prompt("guideline")},
                {"role": "user", "content": content},
            ]
            said = await ask.ask(asked, rules=lines(1, RULES, chars=RULE))
        finally:
            self.usage += ask.usage
        rules = [one_line(strip_marked(str(rule))) for rule in said.get("rules", ())]
        rules = list(dict.fromkeys(rule for rule in rules if rule))
        if not rules or rules == before:
            return None
        return _guideline(env, current, rules, batch)


OUTCOMES = {True: "corrected by a retry", False: "the retry failed too", None: "not retried"}


def failures(trajectories: Sequence[Trajectory], *, env: str) -> Iterator[Failure]:
    """Rejected attempts of train runs in an environment, in order."""
    for run in trajectories:
        if run.split != "train" or place_of(run.env) != env:
            continue
        tried = list(attempts(run))
        for one, then in zip(tried, [*tried[1:], None], strict=True):
            if one.verdict.accepted is False and one.steps:
                corrected = then.verdict.accepted if then else None
                yield Failure(run=run, attempt=one, corrected=corrected)


def guidelines_of(ledger: Ledger) -> Reader:
    """Reads guidelines out of a ledger, and nothing else."""

    def read(env: str) -> Lesson | None:
        try:
            return ledger.lesson(id_of(env))
        except UnknownName:
            return None

    return read


def id_of(env: str) -> str:
    """Id of the guideline of an environment."""
    return f"guideline-{env}"


def place_of(env: str) -> str:
    """The environment without its level."""
    return env.partition(":")[0]


def rules_of(text: str) -> list[str]:
    """The rules of a guideline: its numbered lines, else all its lines."""
    found = NUMBERED.findall(text) or [line for line in text.splitlines() if line.strip()]
    return [one_line(rule) for rule in found]


def numbered(rules: Sequence[str]) -> str:
    """Rules as a guideline's text."""
    return "\n".join(f"{number}. {rule}" for number, rule in enumerate(rules, start=1))


async def _feedback(failure: Failure, ask: Asker) -> tuple[Failure, str]:
    run, one = failure.run, failure.attempt
    asked = [
        {"role": "system", "content": prompt("feedback")},
        {
            "role": "user",
            "content": story(run.goal, run.first_observation, one.steps, one.verdict),
        },
    ]
    said = await ask.ask(asked, mistake=line())
    return failure, one_line(strip_marked(str(said.get("mistake", ""))))


def _guideline(
    env: str, current: Lesson | None, rules: Sequence[str], batch: Sequence[Failure]
) -> Lesson:
    fresh = [
        Source(
            trajectory=failure.run.id,
            first_step=failure.attempt.steps[-1].index,
            last_step=failure.attempt.steps[-1].index,
            quote=failure.attempt.steps[-1].observation[:300],
            task_keys=(failure.run.task_key,),
        )
        for failure in batch
    ]
    sources = [*_sources(current), *fresh]
    keys = dict.fromkeys(key for source in sources for key in source.task_keys)
    first = sources[0].model_copy(update={"task_keys": tuple(keys)})
    update = {"text": numbered(rules), "source": first, "sources": (first, *sources[1:][-KEPT:])}
    if current is not None:
        return current.model_copy(update=update)
    situation = f"correcting a failed attempt in {env}"
    scope = Scope(env=env, project=PROJECT)
    return Lesson(id=id_of(env), kind="strategy", situation=situation, scope=scope, **update)


def _sources(lesson: Lesson | None) -> tuple[Source, ...]:
    return (lesson.sources or (lesson.source,)) if lesson else ()


def _change(lesson: Lesson, current: Lesson | None, batch: Sequence[Failure]) -> Change:
    evidence = tuple(dict.fromkeys(failure.run.id for failure in batch))
    reason = f"guideline from {len(batch)} failures"
    if current is None:
        return addition(lesson, reason, evidence, "agent")
    return edition(lesson, None, reason, evidence, "agent")
