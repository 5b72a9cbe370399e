"""Skills of the arms `voyager` and `asi`: the same programs as ours, let in by other rules.

All are induced from the expert's ways through train tasks (`skills/induction.py`) and played once,
on the task of a way that they were written from; what that has to show is what the arms differ in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from agent.synthesis import ways_of
from bench.lab.given_skills import WAYS, Told
from envs.errors import Refused, UnknownName
from envs.types import Env
from memory.ledger import Ledger
from skills.induction import induce
from skills.library import Library
from skills.sandbox import Sandbox
from skills.trials import Ground, trial
from skills.types import Draft, Origin, Shown, Skill, Trial
from skills.writing import written

Keep = Callable[[Trial], bool]
"""Whether a skill is kept that played like this on a task that it was written from."""


def no_exception(played: Trial) -> bool:
    """It raised nothing; what it came to is not asked."""
    return not played.error


def replays(played: Trial) -> bool:
    """The environment scores the rewritten trajectory as solved."""
    return played.passed


def rival_skills(
    envs: Mapping[str, Env],
    *,
    keep: Keep,
    ways: int = WAYS,
    known: Mapping[str, Any] | None = None,
    told: Told = lambda _text: None,
) -> dict[str, Any]:
    """`{"skills": {environment: [skill, ...]}}`: those that `keep` lets in, and what they call.

    `known` is what an arm kept before the experiment grew: what is there stays as it is.
    """
    given: dict[str, Any] = dict((known or {}).get("skills", {}))
    for name, env in envs.items():
        if name not in given:
            given[name] = _kept(env, keep=keep, ways=ways, told=told)
    return {"skills": given}


def _kept(env: Env, *, keep: Keep, ways: int, told: Told) -> list[dict[str, Any]]:
    with TemporaryDirectory(prefix="journeyman-rivals-") as folder, Sandbox() as sandbox:
        ledger = Ledger(Path(folder) / "ledger.db")
        try:
            shelf = Library(ledger)
            shown = ways_of(env, ledger, whose="expert", most=ways, told=told)
            ground = Ground(env, sandbox, shelf)
            for draft in written(induce(shown), count=len(shown)):
                told(f"{draft.name}: {_tried(ground, draft, shown, keep=keep)}")
            active = reversed(shelf.all(env=env.name, status="active"))
            return [one.model_dump(mode="json", exclude={"effect"}) for one in active]
        finally:
            ledger.close()


def _tried(ground: Ground, draft: Draft, ways: Sequence[Shown], *, keep: Keep) -> str:
    """Adds a draft as a candidate, and makes it active where it is to be kept."""
    library = ground.library
    mine = [ways[number] for number in draft.ways]
    origin = Origin(
        author=mine[0].author,
        by="induction",
        runs=tuple(one.run or one.task.id for one in mine),
        task_keys=tuple(dict.fromkeys(one.task.key for one in mine)),
    )
    fields = {name: getattr(draft, name) for name in ("name", "code", "goals", "requires")}
    try:
        uses = library.uses_of(draft.code, name=draft.name, env=ground.env.name)
        skill = Skill(id="", env=ground.env.name, uses=uses, origin=origin, **fields)
        skill = library.add(skill, reason="induced")
    except (Refused, UnknownName) as error:
        return str(error)
    if not skill.goals:
        return "serves others"
    played = trial(ground, skill, library.source(skill, latest=True), mine[0].task)
    if not keep(played):
        return f"not kept ({played.error or 'not solved'})"
    library.move(skill, "active", reason="kept", trials=(played,), cascade=True)
    return "kept"
