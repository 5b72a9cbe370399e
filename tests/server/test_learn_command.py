"""`journeyman learn`: rounds from the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from typer.testing import CliRunner

from envs.errors import UnknownName, UserError
from server.cli import app


def opens(schema: dict[str, Any]) -> dict[str, Any]:
    """Takes the last of the actions that there are."""
    return {"action": schema["properties"]["action"]["enum"][-1]}


LOOP = ["learn", "toy", "--proposers", "lessons,shortcuts", "-n", "2", "--held", "2"]


@pytest.mark.timeout(280)
def test_the_loop_prints_its_curve_round_by_round_and_goes_on(
    serves: Callable[..., dict[str, str]],
) -> None:
    env = serves(opens)
    done = CliRunner().invoke(app, [*LOOP, "--rounds", "1", "--json"], env=env)
    assert done.exit_code == 0, done.output
    start, first, last = [json.loads(one) for one in done.stdout.splitlines()]
    assert (start["round"], first["round"]) == (0, 1)
    assert start["held_out"]["played"] == first["held_out"]["played"] == 2
    assert first["episodes"] == 2
    assert first["tokens"] > 0
    assert last["rounds"][0]["proposals"][0]["by"] == "shortcuts"
    told = CliRunner().invoke(app, [*LOOP, "--rounds", "2"], env=env)
    assert told.exit_code == 0, told.output
    assert "round 0: val 0/2" in told.stdout
    assert "4 train episodes" in told.stdout
    assert "kept: nothing" in told.stdout
    assert "round 2, shortcuts: nothing new" in told.stdout


def test_proposers_that_there_are_not_are_refused_at_once(
    serves: Callable[..., dict[str, str]],
) -> None:
    env = serves(opens)
    done = CliRunner().invoke(app, ["learn", "toy", "--proposers", "wishes"], env=env)
    assert isinstance(done.exception, UnknownName)
    assert "no proposer named 'wishes'" in str(done.exception)


@pytest.mark.parametrize(
    ("recipe", "error", "why"),
    [
        ("dpo", UserError, "rows of recipe dpo are no rounds' rows; take sft, nft or steps"),
        ("nonsense", UnknownName, "no recipe named 'nonsense'"),
    ],
)
def test_recipes_that_no_round_can_train_on_are_refused(
    recipe: str, error: type[Exception], why: str
) -> None:
    done = CliRunner().invoke(app, ["learn", "toy", "--distill", "--recipe", recipe])
    assert isinstance(done.exception, error)
    with pytest.raises(error, match=why):
        raise done.exception
