from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil
import pytest

from agent.models.local import LocalModel, LocalServer
from agent.models.pull import EMBEDDED, find
from agent.models.types import Message, Sampling
from agent.settings import ModelSettings
from envs.errors import Missing, ModelError

FILE = find(EMBEDDED, home=Path("/nonexistent"))
ACTIONS = [f"go to cabinet {n}" for n in range(1, 30)] + ['put "mug" in/on café table 1']
CHOICE: dict[str, Any] = {
    "type": "object",
    "properties": {"action": {"type": "string", "enum": ACTIONS}},
    "required": ["action"],
    "additionalProperties": False,
}

embedded = pytest.mark.skipif(
    FILE is None or find_spec("xllamacpp") is None,
    reason="pip install 'journeyman[local]' && journeyman models pull smollm2-135m",
)


@pytest.fixture
async def model() -> AsyncIterator[LocalModel]:
    settings = ModelSettings(context=4096, parallel=2)
    model = LocalModel(settings, file=FILE or Path(), name="SmolLM2")
    yield model
    await model.close()


def ask(text: str) -> list[Message]:
    return [{"role": "user", "content": text}]


@embedded
async def test_a_choice_is_always_one_of_those_offered(model: LocalModel) -> None:
    for want in ("cabinet 7", "the mug", "bananas"):
        reply = await model.reply(ask(f"Do something about {want}."), schema=CHOICE)
        assert reply.data is not None
        assert reply.data["action"] in ACTIONS
        assert not reply.guessed
        assert reply.usage.calls == 1
    assert reply.model == "SmolLM2"


@embedded
async def test_a_choice_with_quotes_and_accents_comes_whole(model: LocalModel) -> None:
    only = {**CHOICE, "properties": {"action": {"enum": [ACTIONS[-1]]}}}
    assert (await model.reply(ask("Go."), schema=only)).data == {"action": ACTIONS[-1]}


@embedded
async def test_a_schema_of_several_fields_is_held_to(model: LocalModel) -> None:
    schema = {
        "type": "object",
        "properties": {
            "thought": {"type": "string", "maxLength": 40},
            "calm": {"type": "boolean"},
            **CHOICE["properties"],
        },
        "required": ["thought", "calm", "action"],
        "additionalProperties": False,
    }
    reply = await model.reply(ask("Find the mug."), schema=schema)
    assert reply.usage.calls == 1
    assert reply.data is not None
    assert list(reply.data) == ["thought", "calm", "action"]


@embedded
async def test_the_prompt_tokens_processed_per_step_stay_flat(model: LocalModel) -> None:
    talk = ask("You are in a kitchen with 29 cabinets. Find the mug.")
    processed, length = list[int](), 0
    for step in range(8):
        reply = await model.reply(talk, schema=CHOICE)
        length = reply.usage.prompt_tokens
        processed.append(length - reply.usage.cached_tokens)
        talk.append({"role": "assistant", "content": reply.text})
        talk.append({"role": "user", "content": f"Step {step}: the cabinet is closed. And now?"})
    assert length > 200
    assert max(processed[1:]) < 60


@embedded
async def test_one_server_answers_several_at_once(model: LocalModel) -> None:
    replies = await asyncio.gather(
        *(model.reply(ask(f"Cabinet {n}?"), schema=CHOICE) for n in range(4))
    )
    assert all(reply.data and reply.data["action"] in ACTIONS for reply in replies)


@embedded
async def test_a_server_that_was_killed_is_started_again(model: LocalModel) -> None:
    await model.reply(ask("hello"), sampling=Sampling(max_tokens=4))
    first = model.server.pid
    assert first is not None
    psutil.Process(first).kill()
    assert (await model.reply(ask("hello"), sampling=Sampling(max_tokens=4))).text
    assert model.server.pid != first
    pieces = [piece async for piece in model.stream(ask("hi"), sampling=Sampling(max_tokens=4))]
    assert "".join(pieces)


@embedded
async def test_closing_ends_the_child(model: LocalModel) -> None:
    await model.reply(ask("hello"), sampling=Sampling(max_tokens=2))
    pid = model.server.pid
    assert pid is not None
    await model.close()
    await model.close()
    assert not psutil.pid_exists(pid)
    assert not model.server.alive


@embedded
def test_the_child_ends_with_a_parent_that_is_killed() -> None:
    code = f"""
        import asyncio, time
        from pathlib import Path
        from agent.models.local import LocalServer
        server = LocalServer(Path({str(FILE)!r}), context=512)
        asyncio.run(server.start())
        print(server.pid, flush=True)
        time.sleep(60)
    """
    root = Path(__file__).parents[3]
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, cwd=root
    ) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        parent.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 10
    while child.is_running() and child.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "the child outlived its parent"
        time.sleep(0.05)


class DeadServer(LocalServer):
    """Has an address and nobody behind it."""

    async def start(self) -> str:
        return "http://127.0.0.1:9/v1"

    def tail(self, *, lines: int = 3, most: int = 300) -> str:
        return "out of memory"


async def test_a_server_that_dies_twice_is_an_error() -> None:
    model = LocalModel(ModelSettings(), file=Path("x.gguf"), name="x")
    model.server = DeadServer(Path("x.gguf"))
    with pytest.raises(ModelError, match=r"died twice on one request: out of memory; lower model"):
        await model.reply(ask("hello"))
    await model.close()


async def test_a_missing_file_names_the_command_that_gets_one(tmp_path: Path) -> None:
    with pytest.raises(Missing, match=r"No such file.*journeyman models pull"):
        await LocalServer(tmp_path / "none.gguf").start()


async def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "page.gguf").write_text("<html>")
    with pytest.raises(Missing, match=r"page\.gguf is not a GGUF model"):
        await LocalServer(tmp_path / "page.gguf").start()


@embedded
async def test_a_damaged_file_says_what_the_server_said(tmp_path: Path) -> None:
    (tmp_path / "half.gguf").write_bytes(b"GGUF" + b"\x03\x00\x00\x00" + b"\x07" * 200)
    server = LocalServer(tmp_path / "half.gguf")
    with pytest.raises(ModelError, match=r"half\.gguf ended at its start: .+; fetch the file"):
        await server.start()
    assert not server.alive


@embedded
async def test_a_start_that_takes_too_long_is_given_up() -> None:
    server = LocalServer(FILE or Path(), wait_s=0.01)
    with pytest.raises(ModelError, match=r"not ready in 0\.01 s"):
        await server.start()
    assert server.pid is None
