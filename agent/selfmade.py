"""Tasks that the agent made for itself: kept in the ledger as changes, played as `own:ENV`.

Three kinds: challenges (a verifier as code, `skills/challenges.py`), goals that consist of mastered
ones (`envs/several.py`), states in the middle of episodes (`envs/midway.py`). All are of `train`,
are tagged `own`, and belong to an environment of their own name, so nothing that is reported of
`val`, `test` or the environment itself can count them. Undoing the change takes a task away.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Self

from pydantic import model_validator

from agent.relabel import Goal
from agent.startpoints import Scored
from envs.errors import EnvError, UnknownName
from envs.midway import Midway
from envs.several import Several, SeveralTasks
from envs.types import Action, Env, Episode, Frozen, Split, Step, Task
from memory.ledger import Ledger
from memory.standing import Standing
from memory.types import Change
from skills.challenges import Challenge, Challenges
from skills.library import Library
from skills.playing import Stage, play
from skills.sandbox import Sandbox
from skills.showing import line_of

OWN = "own"
"""First word of the name of environments that hold such tasks."""


class Own(Frozen):
    """One task of the agent's own, with where it comes from. One of the last three is given."""

    id: str
    """The same for the same task."""
    env: str
    """Environment in whose world it takes place."""
    words: str = ""
    """What is asked."""
    by: str = ""
    """Who made it: a model's name, or a rule."""
    source: Literal["self"] = "self"
    """Whose idea it was; never a person's or a page's."""
    proof: tuple[str, ...] = ()
    """Actions that reached it when it was admitted, where that is not part of it."""
    runs: tuple[str, ...] = ()
    """Ids of runs that it was made from."""
    challenge: Challenge | None = None
    """Code with a verifier."""
    several: Several | None = None
    """A goal of several parts."""
    start: Scored | None = None
    """A state in the middle, and how informative it was when it was kept."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        given = [one for one in (self.challenge, self.several, self.start) if one is not None]
        if len(given) != 1:
            raise ValueError("one of challenge, several and start is needed")
        return self

    @property
    def made(self) -> str:
        """Which kind, in a word."""
        if self.challenge is not None:
            return "challenge"
        return "several" if self.several is not None else "start"


def own_challenge(env: str, challenge: Challenge, *, by: str = "") -> Own:
    """An admitted challenge as a task of the agent's own."""
    words = challenge.instruction
    return Own(id=challenge.id, env=env, words=words, by=by, challenge=challenge)


def own_start(env: str, scored: Scored, *, words: str = "") -> Own:
    """A state in the middle of an episode as a task of the agent's own."""
    runs = (scored.start.run,) if scored.start.run else ()
    return Own(
        id=scored.start.id, env=env, words=words, by="rule:undecided", start=scored, runs=runs
    )


def keep(ledger: Ledger, tasks: Sequence[Own], *, reason: str) -> tuple[Change, ...]:
    """Writes tasks down, those that do not stand already; a change each. Raises `StoreError`."""
    known = {one.id for one in _all(ledger)}
    fresh = {one.id: one for one in tasks if one.id not in known}
    return ledger.apply(*(_change(one, reason=reason) for one in fresh.values()))


def refuse(ledger: Ledger, task: Own, *, why: str) -> Change:
    """Writes down that a task was not admitted, and why; it has no effect."""
    refused = _change(task, reason=why).model_copy(update={"decision": "rejected"})
    return ledger.apply(refused)[0]


def standing(ledger: Ledger, env: str, *, made: str = "") -> list[Own]:
    """The tasks of the agent's own in the world of an environment, oldest first."""
    return [one for one in _all(ledger) if one.env == env and made in ("", one.made)]


def standing_at(place: Path | str, env: str, *, made: str = "") -> list[Own]:
    """The same of the ledger at a place, opened and closed for it."""
    ledger = Ledger(place)
    try:
        return standing(ledger, env, made=made)
    finally:
        ledger.close()


def composed(
    env: Env, goals: Sequence[Goal], *, sandbox: Sandbox, library: Library, by: str = ""
) -> list[tuple[Own, str]]:
    """New goals out of mastered ones, each with why it is refused; empty: it is admitted.

    No word for being mastered is taken: the skills that answer to its parts are played, one after
    the other in one episode, and every part has to be reached by its own task's score. Those
    actions are its proof (row `lma3`).
    """
    found: list[tuple[Own, str]] = []
    for goal in goals:
        several = Several(words=goal.words, parts=tuple(part.id for part in goal.parts))
        proof, why = _proof(env, goal, several, sandbox=sandbox, library=library)
        runs = [run for call in goal.calls for run in library.get(call.skill).origin.runs]
        own = Own(
            id=several.id,
            env=env.name,
            words=goal.words,
            by=by or "rule:mastered",
            proof=proof,
            runs=tuple(dict.fromkeys(runs)),
            several=several,
        )
        found.append((own, why))
    return found


class SelfMade:
    """Tasks of the agent's own as an environment; its tasks are those of three others."""

    def __init__(
        self, env: Env, tasks: Sequence[Own], *, sandbox: Sandbox, owned: bool = False
    ) -> None:
        """Raises `Refused` for a challenge that does not hold any more; it is played to see.

        `owned`: world and sandbox are closed with it.
        """
        self.name = f"{OWN}:{env.name}"
        self._env, self._sandbox, self._owned = env, sandbox, owned
        challenges = [one.challenge for one in tasks if one.challenge]
        several = [one.several for one in tasks if one.several]
        starts = [one.start.start for one in tasks if one.start]
        parts: tuple[Env, ...] = (
            Challenges(env, challenges, sandbox=sandbox),
            SeveralTasks(env, several),
            Midway(env, starts),
        )
        self._parts = {task.id: (part, task) for part in parts for task in part.tasks("train")}

    def tasks(self, split: Split) -> Sequence[Task]:
        """All of them are for training."""
        if split != "train":
            return ()
        own = {"env": self.name}
        return tuple(task.model_copy(update=own) for _, task in self._parts.values())

    def open(self, task: Task, *, seed: int | None = None) -> Episode:
        """Begins an attempt in the environment that the task belongs to."""
        if task.id not in self._parts:
            raise UnknownName("task of the agent's own", task.id, self._parts)
        part, inner = self._parts[task.id]
        episode = part.open(inner.model_copy(update={"limits": task.limits}), seed=seed)
        episode.task = task
        return episode

    def close(self) -> None:
        """Leaves the world open for others that use it, unless it is its own."""
        if self._owned:
            self._env.close()
            self._sandbox.close()


def _all(ledger: Ledger) -> list[Own]:
    return list(Standing(ledger, kind="task", type=Own).all().values())


def _change(task: Own, *, reason: str) -> Change:
    return Change(
        id="",
        kind="task",
        target=task.id,
        op="add",
        reason=reason,
        after=task.model_dump(mode="json"),
        evidence=task.runs,
    )


def _proof(
    env: Env, goal: Goal, several: Several, *, sandbox: Sandbox, library: Library
) -> tuple[tuple[str, ...], str]:
    """Actions by which skills reach all parts; or why there are none."""
    world = SeveralTasks(env, [several])
    episode = world.open(world.tasks("train")[0])
    done: list[Action] = []
    seen = episode.first

    def do(action: Action) -> Step:
        nonlocal seen
        seen = episode.step(action)
        done.append(action)
        return seen

    try:
        for part, call in zip(goal.parts, goal.calls, strict=True):
            if seen.terminated or seen.truncated:
                break
            skill = library.get(call.skill)
            stage = Stage(seen, goal=part.goal, requires=skill.requires, tools=episode.tools)
            source = library.source(skill)
            play(sandbox, source, skill.name, call.arguments, stage=stage, do=do)
        score = episode.score()
    except EnvError as error:
        return (), f"its world broke: {error}"
    finally:
        episode.close()
    if score is None or not score.passed:
        share = score.value if score else 0.0
        return (), f"the skills that answer to its parts reach {share:.0%} of them"
    return tuple(line_of(one) for one in done), ""
