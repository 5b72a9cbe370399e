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


@pytest.mark.timeout(280)
def test_rounds_of_lessons_print_their_curve(serves: Callable[..., dict[str, str]]) -> None:
    line = ["learn", "toy", "--rounds", "2", "-n", "2", "--json"]
    done = CliRunner().invoke(app, line, env=serves(opens))
    assert done.exit_code == 0, done.output
    *runs, last = [json.loads(one) for one in done.stdout.splitlines()]
    assert len({one["task"] for one in runs}) == 4
    assert [one["played"] for one in last["rounds"]] == [2, 2]


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
