"""Plays `EXPERIMENT` in the folder that is named; run as a script, to be killed."""

from __future__ import annotations

import sys

from agent.settings import load
from bench.lab.session import Call, conduct
from bench.lab.types import ArmSpec, Experiment, Tasks

EXPERIMENT = Experiment(
    name="killed",
    title="Does it survive?",
    learn=Tasks(env="toy", split="train", n=6),
    measure=(Tasks(env="toy", split="val", n=4),),
    arms=(
        ArmSpec(name="seeks", kind="brought:Wanders"),
        ArmSpec(name="learns", kind="brought:Learns"),
        ArmSpec(name="memory", kind="brought:Memory"),
    ),
    seeds=(0, 1),
    checkpoints=(0, 3, 6),
)

if __name__ == "__main__":
    conduct(EXPERIMENT, load(home=sys.argv[1]), Call(workers=2))
