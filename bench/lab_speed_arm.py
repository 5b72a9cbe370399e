"""An arm that plays a script: what an experiment costs when its model costs nothing."""

from __future__ import annotations

from dataclasses import replace

from agent.models.scripted import PolicyModel
from agent.runner import Crew
from agent.settings import ModelSettings
from bench.arms.registry import KINDS
from bench.arms.simple import with_solver
from bench.arms.types import Arm
from bench.overhead import policy

KIND = "scripted"
NOBODY = ModelSettings(base_url="http://127.0.0.1:9/v1", name="a script")
"""The laboratory wants a model for each arm that is not the floor; this one is never asked."""


class Scripted(Arm):
    """The house's solver over `bench.overhead.policy`."""

    paper = "none: a measuring device"
    chance = True

    def crew(self, crew: Crew) -> Crew:
        """With the script in the model's place."""
        return with_solver(replace(crew, model=PolicyModel(policy)), think=False)


KINDS[KIND] = Scripted
