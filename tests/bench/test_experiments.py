"""The experiments that have a name."""

from __future__ import annotations

import pytest

from bench.experiments import NAMED, named
from bench.experiments_full import EPISODES, FULL
from bench.lab.plan import asked_for, check
from envs.errors import UnknownName


@pytest.mark.parametrize("name", sorted(NAMED))
def test_each_fits_together(name: str) -> None:
    check(named(name))
    assert named(name).name == name
    assert len({arm.name for arm in NAMED[name].arms}) == len(NAMED[name].arms)
    assert asked_for(NAMED[name])


def test_an_unknown_one_names_those_there_are() -> None:
    with pytest.raises(UnknownName, match="houses"):
        named("housess")


def test_the_full_size_has_what_was_promised() -> None:
    for one in FULL:
        assert one.learn is not None
        assert (one.learn.n, len(one.seeds), one.checkpoints[-1]) == (EPISODES, 5, EPISODES)
        assert {"135M", "1.5B"} <= set(one.models)
        assert {claim.against for claim in one.claims} <= {arm.name for arm in one.arms}
