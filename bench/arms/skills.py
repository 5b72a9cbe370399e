"""Skills as an arm: proven programs that the solver may call in place of a single action."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from agent.runner import Crew
from agent.settings import SkillSettings
from agent.skilled import Toolbox
from bench.arms.simple import Bare
from bench.arms.types import Desk
from envs.errors import UserError
from memory.ledger import Ledger
from memory.types import Change
from skills.library import Library
from skills.sandbox import Sandbox


class Skilled(Bare):
    """The bare model with skills that were written and tried on train tasks before.

    `choose` is `model` (it picks a call among its actions) or `first` (the best proven skill for
    the goal is called without asking; the model is asked where none is left).
    """

    paper = "none: this project (skills/induction.py, skills/trials.py)"
    differs = "skills come from the environment's expert on train tasks; each action counts a step"

    def __init__(self, desk: Desk, *, choose: str = "model") -> None:
        super().__init__(desk)
        if choose not in ("model", "first"):
            raise UserError(f"choose={choose!r}", repair="choose is `model` or `first`")
        self._choose = choose
        self._kept: dict[str, Any] = {}
        self._folder: Path | None = None
        self._ledger: Ledger | None = None
        self._sandbox: Sandbox | None = None

    def load(self, kept: dict[str, Any]) -> None:
        """Takes up skills: `{"skills": {environment: [skill, ...]}}`."""
        self._kept = kept

    def dump(self) -> dict[str, Any]:
        """What it was given."""
        return self._kept

    def crew(self, crew: Crew) -> Crew:
        """With its skills in a ledger of their own."""
        self.close()
        self._folder = Path(tempfile.mkdtemp(prefix="journeyman-arm-"))
        self._ledger, self._sandbox = Ledger(self._folder / "skills.db"), Sandbox()
        given = [one for some in self._kept.get("skills", {}).values() for one in some]
        known: dict[str, Change] = {}
        for one in given:
            change = Change(
                id="", kind="skill", target=one["id"], op="add", reason="given", after=one
            )
            known.setdefault(one["id"], change)
        self._ledger.apply(*known.values())
        crew = super().crew(crew)
        chosen = SkillSettings(choose="first" if self._choose == "first" else "model")
        return replace(
            crew,
            skills=Toolbox(Library(self._ledger), self._sandbox),
            settings=crew.settings.model_copy(update={"skills": chosen}),
        )

    def fixed(self) -> frozenset[str]:
        """The demonstrations that its skills were written from."""
        given = [one for some in self._kept.get("skills", {}).values() for one in some]
        return frozenset(run for one in given for run in one["origin"]["runs"])

    def close(self) -> None:
        """Closes its ledger and sandbox, and throws the folder away."""
        if self._sandbox is not None:
            self._sandbox.close()
            self._sandbox = None
        if self._ledger is not None:
            self._ledger.close()
            self._ledger = None
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None
