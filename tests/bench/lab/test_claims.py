"""Claims that don't fit their experiment are refused in one line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bench.lab.plan import check
from bench.lab.types import ArmSpec, Claim, Experiment, Tasks
from envs.errors import UnknownName, UserError

Small = Callable[..., Experiment]


def claim(**changed: Any) -> Claim:
    given = {"says": "the expert wins more", "arm": "expert", "against": "random"}
    return Claim.model_validate({**given, **changed})


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"arm": "exprt"}, "arm of the claim 'the expert wins more'.*exprt"),
        ({"against": "nobody"}, "arm of the claim.*nobody"),
        ({"sets": ("toy/seen",)}, "task set of the claim.*toy/seen"),
    ],
)
def test_names_that_are_not_there(small: Small, changed: dict[str, Any], told: str) -> None:
    with pytest.raises(UnknownName, match=told):
        check(small("expert", "random", claims=(claim(**changed),)))


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"against": "expert"}, "against itself"),
        ({"expects": "no worse"}, "without a margin.*set margin, in points"),
        ({"expects": "no better"}, "without a margin"),
        ({"expects": "no worse", "margin": 0.1}, "give points: 10, not 0.1"),
    ],
)
def test_claims_that_no_rows_can_show(small: Small, changed: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError, match=told):
        check(small("expert", "random", claims=(claim(**changed),)))


def test_one_claim_in_other_words_is_no_second_one(small: Small) -> None:
    with pytest.raises(UserError, match="is there twice"):
        check(small("expert", "random", claims=(claim(), claim(says="again"))))


def test_arms_that_share_no_tasks(small: Small) -> None:
    arms = (
        ArmSpec(name="expert", kind="expert", sets=("toy/val",)),
        ArmSpec(name="random", kind="random", sets=("toy/test",)),
    )
    sets = (Tasks(env="toy", split="val", n=1), Tasks(env="toy", split="test", n=1))
    with pytest.raises(UserError, match="tasks that only one arm plays"):
        check(small(*arms, measure=sets, claims=(claim(),)))


def test_one_arm_may_be_played_without_the_other(small: Small, play: Any) -> None:
    done = play(small("expert", "random", n=1, claims=(claim(),)), arms=("expert",))
    assert done.played == 1
