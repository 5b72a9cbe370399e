"""`journeyman learn`: rounds from the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from typer.testing import CliRunner

from agent.evolving import Evolution
from envs.errors import UnknownName, UserError
from server.cli import app
from server.commands.learning import told


def opens(schema: dict[str, Any]) -> dict[str, Any]:
    """Takes the last of the actions that there are."""
    return {"action": schema["properties"]["action"]["enum"][-1]}


@pytest.mark.timeout(280)
def test_the_loop_prints_its_curve_round_by_round_then_what_was_kept_and_why(
    serves: Callable[..., dict[str, str]], capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["learn", "toy", "--proposers", "lessons,shortcuts", "-n", "2", "--held", "2"]
    done = CliRunner().invoke(app, [*line, "--rounds", "2", "--json"], env=serves(opens))
    assert done.exit_code == 0, done.output
    start, first, second, last = [json.loads(one) for one in done.stdout.splitlines()]
    assert [one["round"] for one in (start, first, second)] == [0, 1, 2]
    assert start["held_out"] == first["held_out"] == {"won": 0, "played": 2}
    assert [one["episodes"] for one in (start, first, second)] == [0, 2, 4]
    assert second["tokens"] > first["tokens"] > 0
    told(Evolution.model_validate(last))
    said = capsys.readouterr().out
    assert "0/2, 0.0% (0.0% to 65.8%)" in said
    assert "kept: nothing" in said
    assert "round 2, shortcuts: nothing new" in said


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
        ("values", UserError, "recipe values are no rounds' rows; take sft, nft, dpo or steps"),
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


@pytest.mark.parametrize("name", ["../../elsewhere", "/tmp/x", "..", ".hidden", "a b", "x" * 61])
def test_rounds_lie_in_the_home_whatever_they_are_called(name: str) -> None:
    done = CliRunner().invoke(app, ["learn", "toy", "--name", name])
    assert isinstance(done.exception, UserError)
    assert "can't name rounds; take at most 60 letters" in str(done.exception)


def test_somebody_has_to_propose() -> None:
    done = CliRunner().invoke(app, ["learn", "toy", "--proposers", " ,"])
    assert isinstance(done.exception, UserError)
    assert "nobody proposes anything; name some of lessons, skills" in str(done.exception)
