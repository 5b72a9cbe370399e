"""What is to be played: order, seeds, checkpoints, and what does not fit together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import pytest

from agent.settings import ModelSettings
from bench.lab.plan import asked_for, check, ordered, planned, points_of
from bench.lab.types import ArmSpec, Experiment, Tasks
from envs.errors import Missing, UnknownName, UserError
from envs.toy import Toy
from envs.types import Split, Task

Small = Callable[..., Experiment]


class Families(Toy):
    """The toy, whose types are the things that are asked for."""

    def tasks(self, split: Split) -> Sequence[Task]:
        return tuple(
            task.model_copy(update={"tags": (task.tags[1], task.tags[1])})
            for task in super().tasks(split)
        )


def test_all_arms_learn_from_the_same_tasks_in_the_same_order_by_seed(small: Small) -> None:
    experiment = small("brought:Learns", "brought:Memory", "random", learn=8, seeds=(0, 1))
    plan = planned(experiment, {"toy": Toy()})
    orders = {(s.arm.name, s.seed): [c.task.id for c in s.learn] for s in plan.streams}
    assert orders["Learns", 0] == orders["Memory", 0]
    assert orders["Learns", 0] != orders["Learns", 1]
    assert sorted(orders["Learns", 0]) == sorted(orders["Learns", 1])
    assert orders["random", 0] == []
    again = planned(experiment, {"toy": Toy()})
    assert [cell.id for cell in plan.cells] == [cell.id for cell in again.cells]
    assert len({cell.id for cell in plan.cells}) == len(plan.cells)


def test_arms_without_chance_play_the_first_seed_alone(small: Small) -> None:
    plan = planned(
        small("expert", "brought:Still", "random", "brought:Learns", learn=2, seeds=(3, 4)),
        {"toy": Toy()},
    )
    seeds: dict[str, list[int]] = {}
    for stream in plan.streams:
        seeds.setdefault(stream.arm.name, []).append(stream.seed)
    assert seeds == {"expert": [3], "Still": [3], "random": [3, 4], "Learns": [3, 4]}


def test_an_experiment_that_grows_keeps_the_cells_that_it_had(small: Small) -> None:
    few = planned(small("random", n=2), {"toy": Toy()})
    more = planned(small("random", "expert", n=5, seeds=(0, 1)), {"toy": Toy()})
    assert {cell.id for cell in few.cells} < {cell.id for cell in more.cells}


def test_checkpoints_are_those_asked_for_and_no_later_than_the_end(small: Small) -> None:
    experiment = small("brought:Learns", learn=4, n=1, checkpoints=(9, 2, 0, 2))
    (stream,) = planned(experiment, {"toy": Toy()}).streams
    assert [cell.learned for cell in stream.measure] == [0, 2, 4]
    assert [cell.learned for cell in stream.learn] == [0, 1, 2, 3]
    (stream,) = planned(small("brought:Learns", learn=4, n=1), {"toy": Toy()}).streams
    assert [cell.learned for cell in stream.measure] == [4]


def test_types_come_one_after_the_other_in_an_order_of_the_seed(small: Small) -> None:
    experiment = small("brought:Learns", learn=12, n=6, order="types", seeds=(0, 1, 2, 3))
    plan = planned(experiment, {"toy": Families()})
    orders = []
    for stream in plan.streams:
        types = [cell.task.tags[0] for cell in stream.learn]
        starts = [n for n in range(12) if n == 0 or types[n] != types[n - 1]]
        assert len(starts) == len(set(types)) == 6
        assert sorted({cell.learned for cell in stream.measure}) == [*starts, 12]
        orders.append(tuple(types[start] for start in starts))
    assert len(set(orders)) > 1
    mixed = small("brought:Learns", learn=12, n=6)
    types = [task.tags[0] for task in ordered(mixed, Families().tasks("train")[:12], 0)]
    assert sum(one != two for one, two in pairwise(types)) > 5
    given = experiment.model_copy(update={"checkpoints": (0, 12)})
    assert points_of(given, Families().tasks("train")[:12]) == [0, 12]


def test_each_arm_has_its_share_of_tasks_and_sets(small: Small) -> None:
    sets = (Tasks(env="toy", split="val", n=3), Tasks(env="toy", split="test", n=3))
    arms = (ArmSpec(name="r", kind="random", n=1, sets=("toy/test",)), "expert")
    plan = planned(small(*arms, measure=sets), {"toy": Toy()})
    assert [cell.task.split for cell in plan.streams[0].measure] == ["test"]
    assert len(plan.streams[1].measure) == 6
    assert len(plan.tasks) == 6


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": ".."}, "an experiment named '..'; its name becomes that of a folder"),
        ({"name": ""}, "an experiment named ''"),
        ({"name": "a/b"}, "an experiment named 'a/b'"),
        ({"seeds": ()}, "has no seed; give it one"),
        ({"seeds": (1, 1)}, "has seed 1 twice"),
        ({"arms": ()}, "has no arm"),
        ({"arms": (ArmSpec(name="a", kind="random"),) * 2}, "has arm 'a' twice"),
        ({"measure": (Tasks(env="toy", split="val", n=1),) * 2}, "has task set 'toy/val' twice"),
        ({"measure": (Tasks(env="toy", split="unseen", n=1),)}, "toy has no unseen tasks"),
        ({"compare": (("random", "me"),)}, "no arm of a comparison, .* named 'me'"),
        ({"baseline": "me"}, "named 'me'; choose from: random"),
        ({"arms": (ArmSpec(name="b", kind="bare", model="m"),)}, "no model of arm 'b' named 'm'"),
        ({"arms": (ArmSpec(name="b", kind="bare"),)}, "no model of arm 'b'"),
        ({"arms": (ArmSpec(name="b", kind="random", sets=("x",)),)}, "no task set of arm 'b'"),
        ({"arms": (ArmSpec(name="l", kind="brought:Learns"),)}, "'l' learns, and there is noth"),
        (
            {"arms": (ArmSpec(name="r", kind="random", options={"deep": 1}),)},
            "'r': options {'deep': 1} don't fit: .*'deep'; 'random' takes none",
        ),
        (
            {"arms": (ArmSpec(name="r", kind="brought:Learns", options={"deep": 1}),)},
            "'brought:Learns' takes room",
        ),
    ],
)
def test_what_does_not_fit_together_is_refused(
    small: Small, change: dict[str, Any], said: str
) -> None:
    with pytest.raises(UserError, match=said.replace("{", r"\{")):
        planned(small("random").model_copy(update=change), {"toy": Toy()})


@pytest.mark.parametrize(
    ("kind", "error", "said"),
    [
        ("rando", UnknownName, r"no arm \(or package\.module:Class\) named 'rando'; .* random"),
        ("nowhere:Arm", Missing, "'nowhere:Arm' can't be imported .*PYTHONPATH=. journeyman"),
        ("brought:Nobody", Missing, "'brought:Nobody' can't be imported"),
        ("brought:NoArm", UserError, "'brought:NoArm' is no arm; name a subclass of"),
        (":", Missing, "can't be imported"),
    ],
)
def test_an_arm_that_is_not_there_is_told(
    small: Small, kind: str, error: type[UserError], said: str
) -> None:
    with pytest.raises(error, match=said):
        check(small(ArmSpec(name="mine", kind=kind)))


def test_what_is_asked_for_is_what_is_planned() -> None:
    experiment = Experiment(
        name="counted",
        title="How many cells?",
        learn=Tasks(env="toy", split="train", n=4),
        measure=(Tasks(env="toy", split="val", n=3), Tasks(env="toy", split="test", n=2)),
        arms=(
            ArmSpec(name="luck", kind="random", n=2),
            ArmSpec(name="ours", kind="full-context", model="any", sets=("toy/val",)),
        ),
        models={"any": ModelSettings()},
        seeds=(0, 1),
        checkpoints=(0, 2, 4),
    )
    assert asked_for(experiment) == len(planned(experiment, {"toy": Toy()}).cells)
