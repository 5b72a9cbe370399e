"""Skills that arms are given before an experiment: from the expert's ways through train tasks.

They are written without a model and admitted by trials, all on `train`, as `journeyman skills
learn` does it. What an arm is given is plain data, kept in the table like all that arms keep.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from agent.synthesis import ways_of
from envs.types import Env
from memory.ledger import Ledger
from skills.admitting import admit
from skills.induction import induce
from skills.library import Library
from skills.sandbox import Sandbox
from skills.trials import Ground
from skills.writing import written

WAYS = 120
"""Train tasks that the expert is asked for, in each environment."""
Told = Callable[[str], None]


def starting_skills(
    envs: Mapping[str, Env],
    *,
    ways: int = WAYS,
    known: Mapping[str, Any] | None = None,
    told: Told = lambda _text: None,
) -> dict[str, Any]:
    """`{"skills": {environment: [skill, ...]}}`: those that were admitted, and what they call.

    `known` is what an arm kept before the experiment grew: what is there stays as it is.
    """
    given: dict[str, Any] = dict((known or {}).get("skills", {}))
    for name, env in envs.items():
        if name not in given:
            given[name] = _learned(env, ways=ways, told=told)
    return {"skills": given}


def _learned(env: Env, *, ways: int, told: Told) -> list[dict[str, Any]]:
    with TemporaryDirectory(prefix="journeyman-skills-") as folder, Sandbox() as sandbox:
        ledger = Ledger(Path(folder) / "ledger.db")
        try:
            shelf = Library(ledger)
            shown = ways_of(env, ledger, whose="expert", most=ways, told=told)
            drafts = written(induce(shown), count=len(shown))
            ground = Ground(env, sandbox, shelf)
            admit(ground, drafts, shown, by="induction", told=lambda line: told(f"skill {line}"))
            active = reversed(shelf.all(env=env.name, status="active"))
            return [one.model_dump(mode="json", exclude={"effect"}) for one in active]
        finally:
            ledger.close()
