"""Consolidation: planned without writing, gated, written as one batch, undone as one."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from agent.proposers.consolidate import Plan, apply, plan, train_runs
from agent.proposers.registry import PROPOSERS
from envs.errors import Refused, UnknownName
from server.cli import app


async def nobody() -> Any:
    raise AssertionError("no model is needed")


async def shortcuts(home_: Any) -> Plan:
    return await plan("shortcuts", home_.memory, home_.settings, model=nobody)


async def test_a_plan_writes_nothing_and_applying_it_is_one_batch(
    opens: Any, plays: Any, tasks: Any
) -> None:
    async with opens() as home_:
        await plays(
            home_, [t for x in ("stamp", "battery") for t in tasks(thing=x, most=1)], learn=False
        )
        before = home_.ledger.generation
        planned = await shortcuts(home_)
        assert home_.ledger.generation == before
        assert len(planned.changes) == 2
        done = await apply(planned, home_.memory)
        assert len({one.batch for one in done}) == 1
        assert len(home_.ledger.lessons()) == 2
        home_.memory.take_back(done[0].batch, reason="not wanted")
        assert home_.ledger.lessons() == []
        assert (await shortcuts(home_)).runs == 2


async def test_what_a_gate_rejects_is_kept_without_effect(
    opens: Any, plays: Any, tasks: Any
) -> None:
    async def strict(planned: Plan) -> Plan:
        changes = tuple(
            one.model_copy(
                update={"decision": "rejected", "reason": f"{one.reason}: lost a replay"}
            )
            for one in planned.changes
        )
        return planned.model_copy(update={"changes": changes})

    async with opens() as home_:
        await plays(home_, tasks(thing="stamp", most=1), learn=False)
        (done,) = await apply(await shortcuts(home_), home_.memory, gate=strict)
        assert home_.ledger.lessons() == []
        assert home_.ledger.change(done.id).reason.endswith("lost a replay")


async def test_a_lesson_altered_meanwhile_refuses_the_whole_plan(
    opens: Any, plays: Any, tasks: Any
) -> None:
    async with opens() as home_:
        await plays(home_, tasks(thing="stamp", most=1), learn=False)
        planned = await shortcuts(home_)
        await apply(planned, home_.memory)
        with pytest.raises(Refused, match="exists already"):
            await apply(planned, home_.memory)


async def test_only_finished_train_runs_are_looked_at(opens: Any, plays: Any, tasks: Any) -> None:
    async with opens() as home_:
        await plays(home_, tasks("val", thing="stamp", most=2))
        (run,) = await plays(home_, tasks(thing="stamp", most=1))
        assert [one.id for one in train_runs(home_.memory)] == [run.id]
        assert train_runs(home_.memory, env="household:tiny") == []
        with pytest.raises(UnknownName, match="shortcuts"):
            await plan("shortcut", home_.memory, home_.settings, model=nobody)


@pytest.mark.parametrize("name", sorted(PROPOSERS))
async def test_no_proposer_minds_an_empty_memory(opens: Any, name: str) -> None:
    async with opens() as home_:
        planned = await plan(name, home_.memory, home_.settings, model=nobody)
    assert (planned.runs, planned.changes, planned.usage.calls) == (0, (), 0)


def test_on_the_command_line_it_is_previewed_done_and_undone(
    opens: Any, plays: Any, tasks: Any, tmp_path: Path
) -> None:
    async def prepare() -> None:
        async with opens() as home_:
            await plays(home_, tasks(thing="stamp", most=1), learn=False)

    asyncio.run(prepare())

    def command(*words: str) -> Any:
        done = CliRunner().invoke(app, ["memory", *words], env={"JOURNEYMAN_HOME": str(tmp_path)})
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    seen = CliRunner().invoke(
        app,
        ["memory", "consolidate", "--with", "shortcuts", "--preview"],
        env={"JOURNEYMAN_HOME": str(tmp_path), "COLUMNS": "200"},
    )
    assert "would change 1 lesson" in seen.output
    assert "nothing was changed" in seen.output
    assert command("list", "--json") == []
    done = command("consolidate", "--with", "shortcuts", "--replays", "0", "--json")
    assert [one["id"] for one in command("list", "--json")] == [done["changes"][0]["target"]]
    command("undo", done["changes"][0]["batch"], "--json")
    assert command("list", "--json") == []
    wrong = CliRunner().invoke(
        app, ["memory", "consolidate", "--with", "x"], env={"JOURNEYMAN_HOME": str(tmp_path)}
    )
    assert isinstance(wrong.exception, UnknownName)
