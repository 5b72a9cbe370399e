"""`journeyman eval secondlook | reflection`: what is asked of a model, and what is printed."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from agent.reflectors.registry import PLAIN
from agent.strategies import KINDS, LOOKS
from bench.evals.reflection import KINDS as COMPARED
from envs.errors import UnknownName
from server.cli import app


def least(schema: dict[str, Any]) -> Any:
    """The first thing that fits a schema."""
    if "enum" in schema:
        return schema["enum"][0]
    if schema.get("type") == "object":
        return {name: least(rule) for name, rule in schema["properties"].items()}
    if schema.get("type") == "array":
        return [least(schema["items"])] * schema.get("minItems", 1)
    return "1"


@pytest.fixture
def model(serves: Callable[..., dict[str, str]]) -> dict[str, str]:
    """A model that says the first thing that fits."""
    return serves(least)


def ask(env: dict[str, str], *arguments: str) -> Result:
    return CliRunner().invoke(app, ["eval", *arguments], env=env)


def test_all_second_looks_can_be_held_against_the_plain_review(model: dict[str, str]) -> None:
    looks = ",".join(PLAIN)
    done = ask(model, "secondlook", "-n", "3", "--looks", looks, "--json")
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert [one["name"] for one in report["looks"]] == list(PLAIN)
    assert {one["failed"] for one in report["looks"]} == {0}
    told = ask(model, "secondlook", "-n", "3")
    assert "right to wrong" in told.output
    assert "if-or-else" in told.output


def test_the_gain_of_each_kind_is_printed_with_its_paired_test(model: dict[str, str]) -> None:
    done = ask(model, "reflection", "toy", "-n", "2", "--kinds", "advice,solution")
    assert done.exit_code == 0, done.output
    for words in ("p (McNemar)", "advice", "solution", "oracle_retry"):
        assert words in done.output
    counted = ask(model, "reflection", "toy", "-n", "2", "--kinds", "advice", "--json")
    report = json.loads(counted.stdout)
    assert [one["kind"] for one in report["gains"]] == ["advice"]
    assert report["tasks"] == 2


def test_names_that_there_are_not_are_told(model: dict[str, str]) -> None:
    for words in (("secondlook", "--looks", "rewiev"), ("reflection", "toy", "--kinds", "advise")):
        assert isinstance(ask(model, *words).exception, UnknownName)


def test_what_is_listed_is_what_can_be_chosen() -> None:
    assert set(LOOKS) == {*PLAIN, "mistakes"}
    assert set(KINDS) == {*COMPARED, "retry"}
