"""An arm that plays a script: what an experiment costs when its model costs nothing."""

from __future__ import annotations

from dataclasses import replace

from agent.models.scripted import PolicyModel
from agent.runner import Crew
from bench.arms.simple import with_solver
from bench.arms.types import Arm
from bench.overhead import policy

KIND = "bench.lab_speed_arm:Scripted"
"""What an experiment calls it."""


class Scripted(Arm):
    """The house's solver over `bench.overhead.policy`."""

    paper = "none: a measuring device"
    chance = True

    def crew(self, crew: Crew) -> Crew:
        """With the script in the model's place."""
        return with_solver(replace(crew, model=PolicyModel(policy)), think=False)
