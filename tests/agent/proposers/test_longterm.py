"""One memory, two processes, two agents, two environments: what one learned serves the other."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from agent.home import home
from agent.models.scripted import PolicyModel
from agent.runner import Spec, run
from agent.settings import load
from envs.toy import Toy
from memory.embed import HashEmbedder
from memory.index import ListIndex
from memory.ledger import Ledger
from memory.recall import Memory
from server.app import create_app
from server.cli import app as commands

ROOT = Path(__file__).parents[3]
THING, HOME = "spoon", "white"


class Annex(Toy):
    """Another environment, with things kept as in the first."""

    name = "annex"


def memory_at(folder: Path) -> Memory:
    return Memory(Ledger(folder / "ledger.db"), ListIndex(HashEmbedder()))


def follows(messages: Any, schema: Any) -> dict[str, Any]:
    """Takes and gives what it sees; opens what a note names, else the first drawer."""
    choices = schema["properties"]["action"]["enum"]
    last = str(messages[-1]["content"])
    wishes = [f"give {THING}", f"take {THING}"]
    wishes += [f"open {HOME} drawer"] if HOME in last.partition("<recalled-memory>")[2] else []
    return {"action": next((wish for wish in wishes if wish in choices), choices[0])}


def knows(_messages: Any, schema: Any) -> dict[str, Any]:
    choices = schema["properties"]["action"]["enum"]
    wishes = (f"give {THING}", f"take {THING}", f"open {HOME} drawer")
    return {"action": next(wish for wish in wishes if wish in choices)}


async def play(folder: Path, env: str, agent: str, *, on: bool) -> str:
    """One run of an agent in an environment; its id."""
    world, policy = (Toy(), knows) if env == "toy" else (Annex(), follows)
    learning = {"agent": agent, "use": ["across"]} if on else {}
    settings = load(
        home=str(folder),
        learning=learning,
        memory={"drafts": "plain", "withhold": False, "sway": 0},
    )
    task = next(task for task in world.tasks("train") if task.tags[1] == THING)
    models = {"model": PolicyModel(policy)}
    async with home(settings, memory=memory_at(folder), models=models) as place:
        done = await run(await place.crew(), world, Spec(task=task, seed=task.seed))
    return done.id


def in_another_process(folder: Path, env: str, agent: str, *, on: bool) -> str:
    command = [sys.executable, __file__, str(folder), env, agent, str(int(on))]
    done = subprocess.run(command, cwd=ROOT, timeout=60, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.paper("long-term-memory")
def test_what_one_agent_learned_another_uses_elsewhere_after_a_restart(
    tmp_path: Path, mechanism: bool
) -> None:
    first = in_another_process(tmp_path, "toy", "ada", on=mechanism)
    second = in_another_process(tmp_path, "annex", "bob", on=mechanism)
    with_memory = memory_at(tmp_path)
    try:
        ledger = with_memory.ledger
        one, two = ledger.trajectory(first), ledger.trajectory(second)
        (id_,) = one.lessons
        entry = ledger.lesson(id_)
        (added, *_) = ledger.history(id_)
        exposures = ledger.exposures(episode=second)
    finally:
        with_memory.close()
    assert (one.env, two.env) == ("toy", "annex")
    assert (entry.scope.env, entry.scope.user) == ("toy", "")
    used = [item for step in two.steps for item in step.recalled]
    assert {item.lesson for item in used} == {id_}
    assert used[0].source.trajectory == first
    assert [exposure.lesson for exposure in exposures] == [id_]
    assert two.score is not None
    assert two.score.passed
    assert (entry.source.origin, added.actor) == ("agent:ada", "agent:ada")


async def test_entries_are_listed_edited_exported_and_pruned_by_command_and_over_http(
    tmp_path: Path,
) -> None:
    await play(tmp_path, "toy", "ada", on=True)
    variables = {"JOURNEYMAN_HOME": str(tmp_path)}

    def command(*words: str) -> str:
        done = CliRunner().invoke(commands, ["memory", *words], env=variables)
        assert done.exit_code == 0, done.output
        return done.stdout

    (entry,) = json.loads(command("list", "--json"))
    assert (entry["scope"]["env"], entry["source"]["origin"]) == ("toy", "agent:ada")
    command("export", str(tmp_path / "out.jsonl"))
    assert entry["id"] in (tmp_path / "out.jsonl").read_text("utf-8")
    settings = load(home=str(tmp_path))
    async with home(settings, memory=memory_at(tmp_path), models={}) as place:
        transport = httpx.ASGITransport(app=create_app(place))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            found = (await client.get("/api/memory", params={"env": "toy"})).json()["items"]
            assert [one["id"] for one in found] == [entry["id"]]
            edited = await client.patch(
                f"/api/memory/{entry['id']}",
                json={"text": "Spoons are kept in the white drawer."},
                headers={"If-Match": "*"},
            )
            assert edited.status_code == 200, edited.text
            pruned = await client.post("/api/memory/prune", json={"env": "toy", "apply": True})
            assert [i["lesson"]["id"] for i in pruned.json()["items"]] == [entry["id"]]
    assert "retired" in command("list", "--status", "retired")


if __name__ == "__main__":
    place, env, agent, on = sys.argv[1:]
    print(asyncio.run(play(Path(place), env, agent, on=on == "1")))  # noqa: T201
