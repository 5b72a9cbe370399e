"""Arms by name: ours, and those that users bring along."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.arms.registry import KINDS, kind_of, made, needs_model
from bench.arms.types import Arm, Desk
from bench.lab.types import ArmSpec
from envs.errors import Missing, UnknownName, UserError


@pytest.fixture
def module(tmp_path: Path) -> Callable[[str, str], None]:
    """Writes a module that can be imported."""
    folder = tmp_path / "modules"
    folder.mkdir()
    sys.path.append(str(folder))

    def written(name: str, source: str) -> None:
        (folder / f"{name}.py").write_text(source)

    return written


@pytest.mark.parametrize("name", sorted(KINDS))
def test_each_arm_says_what_it_follows_and_can_be_made(
    name: str, make_desk: Callable[..., Desk]
) -> None:
    kind = kind_of(ArmSpec(name="a", kind=name))
    assert kind is KINDS[name]
    assert kind.paper
    assert kind.paper == "none: the floor" or kind.differs
    assert kind.knows_key == (name == "expert")
    arm = made(ArmSpec(name="a", kind=name), make_desk())
    assert type(arm) is kind
    assert arm.dump() is not None
    arm.close()
    arm.close()


def test_a_class_of_ones_own_is_named_by_module(
    module: Callable[[str, str], None], make_desk: Callable[..., Desk]
) -> None:
    module("own_arm", "from bench.arms.types import Arm\n\nclass Mine(Arm):\n    chance = True\n")
    spec = ArmSpec(name="mine", kind="own_arm:Mine")
    assert isinstance(made(spec, make_desk()), Arm)
    assert (kind_of(spec).chance, needs_model(spec)) == (True, False)
    assert not needs_model(ArmSpec(name="r", kind="random"))
    assert needs_model(ArmSpec(name="r", kind="react"))


def test_a_module_with_a_fault_is_told(module: Callable[[str, str], None]) -> None:
    module("own_fault", "def f(:\n")
    with pytest.raises(Missing, match=r"'own_fault:Mine' can't be imported .*invalid syntax"):
        kind_of(ArmSpec(name="mine", kind="own_fault:Mine"))


def test_names_that_are_not_there_are_told(make_desk: Callable[..., Desk]) -> None:
    with pytest.raises(UnknownName, match="named 'reakt'; choose from: react"):
        kind_of(ArmSpec(name="a", kind="reakt"))
    with pytest.raises(UserError, match="is no arm; name a subclass"):
        kind_of(ArmSpec(name="a", kind="pathlib:Path"))
    with pytest.raises(UserError, match="drafts is `plain` or `written`"):
        made(ArmSpec(name="a", kind="journeyman", options={"drafts": "no"}), make_desk())
