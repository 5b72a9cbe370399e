"""A home whose memory is kept elsewhere: the same runs, on servers that several machines share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from agent.home import home, open_memory
from agent.models.scripted import PolicyModel
from agent.runner import Spec, interrupted, run
from agent.settings import Settings, load
from agent.worker import worker
from bench import servers
from envs.errors import StoreError, UserError
from envs.toy import Toy
from memory.embed import HashEmbedder
from memory.ledger import Ledger
from memory.recall import Memory
from memory.served import ServedIndex
from memory.types import Lesson

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:chromadb.*")


@pytest.fixture(scope="module")
def stores() -> Iterator[dict[str, str]]:
    """Addresses of a ledger's server and an index's."""
    named = os.environ.get("JOURNEYMAN_TEST_POSTGRES")
    with ExitStack() as running:
        try:
            server = named or running.enter_context(servers.postgres())
        except StoreError as error:
            pytest.skip(str(error))
        ledger = running.enter_context(servers.schema(server))
        yield {"ledger": ledger, "index": running.enter_context(servers.chroma())}


def memory_of(settings: Settings) -> Memory:
    """As `open_memory` makes it, with vectors that need no model."""
    ledger = Ledger(settings.store.ledger)
    return Memory(ledger, ServedIndex(settings.store.index, HashEmbedder(), ledger=ledger))


async def test_two_machines_learn_into_one_memory(tmp_path: Path, stores: dict[str, str]) -> None:
    def policy(messages: Any, schema: Any) -> Any:
        return {"action": "open drawer"}

    runs = []
    for machine in ("one", "two"):
        settings = load(home=str(tmp_path / machine), store=stores)
        memory = memory_of(settings)
        models = {"model": PolicyModel(policy)}
        async with home(settings, memory=memory, models=models) as place:
            crew = await place.crew()
            task = Toy().tasks("train")[0]
            done = await run(crew, Toy(), Spec(task=task))
            runs.append(done.id)
            lesson = Lesson(id=machine, kind="fact", text=f"machine {machine} was here")
            memory.add(lesson.model_copy(update={"status": "active"}), reason="test")
    memory = memory_of(settings)
    assert {one.id for one in memory.ledger.trajectories()} == set(runs)
    assert {memory.ledger.run(id_).spec["worker"] for id_ in runs} == {
        (tmp_path / machine / "worker").read_text() for machine in ("one", "two")
    }
    found = {lesson.id for lesson, _ in memory.search("machine was here")}
    assert {"one", "two"} <= found
    memory.close()
    left = {path.name for path in (tmp_path / "one").iterdir()}
    assert left <= {"worker", "checkpoints.db", "checkpoints.db-wal", "checkpoints.db-shm"}


def test_a_run_of_another_worker_is_not_taken_for_an_interrupted_one(
    tmp_path: Path, stores: dict[str, str]
) -> None:
    here = worker(load(home=str(tmp_path / "here"), store=stores))
    there = worker(load(home=str(tmp_path / "there"), store=stores))
    assert here
    assert here != there
    assert worker(load(home=str(tmp_path / "here"), store=stores)) == here
    ledger = Ledger(stores["ledger"])
    row = ledger.runs(limit=1)[0].model_copy(
        update={"id": "gone", "status": "running", "pid": 2**22 - 1, "spec": {"worker": there}}
    )
    ledger.begin_run(row)
    running = ledger.runs(status="running")
    assert interrupted(running, here=here) == []
    assert [one.id for one in interrupted(running, here=there)] == ["gone"]
    ledger.end_run("gone", status="failed", error="test")
    ledger.close()


def test_one_with_a_ledger_of_its_own_has_no_name(tmp_path: Path) -> None:
    assert worker(load(home=str(tmp_path))) == ""
    assert list(tmp_path.iterdir()) == []


def test_an_address_that_is_none_is_the_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"store\.ledger is no address .*; write postgresql://"):
        open_memory(load(home=str(tmp_path), store={"ledger": "mysql://db/j"}))
    with pytest.raises(UserError, match=r"store\.index is no address .*; write http://"):
        open_memory(load(home=str(tmp_path), store={"index": "db:8000"}))


def test_addresses_are_not_shown_with_the_settings(tmp_path: Path) -> None:
    settings = load(home=str(tmp_path), store={"ledger": "postgresql://a:s3cret@db/j"})
    assert "s3cret" not in repr(settings)
    assert settings.hash() == load(home=str(tmp_path)).hash()
