from __future__ import annotations

import asyncio
import importlib.util
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import psutil
import pytest

from agent.models.contract import Line, replay
from agent.models.types import Model, Reply
from agent.models.vllm import CONTRACT, serve_line
from agent.models.vllm_adapters import Swapping
from agent.models.vllm_server import VllmServer
from agent.settings import ModelSettings
from distill.peft_folder import blank_folder
from envs.errors import Missing, ModelError, Refused

STAND_IN = Path(__file__).with_name("vllm_stand_in.py")
PROGRAM = (sys.executable, str(STAND_IN))
SAY = [{"role": "user", "content": "hello"}]
WAIT = [{"role": "user", "content": "wait"}]


def loaded() -> ModuleType:
    found = importlib.util.spec_from_file_location("vllm_stand_in", STAND_IN)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    sys.modules["vllm_stand_in"] = module
    found.loader.exec_module(module)
    return module


SERVING = loaded().serving


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    return blank_folder("tiny", {"model.layers.0.self_attn.q_proj": (8, 8)}, tmp_path / "put-1")


def failed(lines: tuple[Line, ...]) -> dict[str, str]:
    return {line.name: f"{line.came}; {line.repair}" for line in lines if line.ok is False}


async def test_all_of_the_contract_holds_for_what_is_built_from_the_published_api(
    adapter: Path,
) -> None:
    heard: list[Line] = []
    with SERVING(key="k") as it:
        lines = await replay(CONTRACT, it.url, key="k", adapter=adapter, told=heard.append)
        assert it.adapters == {}
    assert failed(lines) == {}
    assert [line.ok for line in lines] == [True] * len(CONTRACT)
    assert heard == list(lines)
    assert all(line.source for line in lines)


async def test_without_an_adapter_the_rest_is_asked() -> None:
    with SERVING() as it:
        lines = await replay(CONTRACT, it.url.removesuffix("/v1"))
    skipped = [line for line in lines if line.ok is None]
    assert {line.came for line in skipped} == {"not asked: no adapter was given"}
    assert len(skipped) == sum(ask.adapters for ask in CONTRACT) == 9
    assert failed(lines) == {}


@pytest.mark.parametrize(
    ("options", "name", "told"),
    [
        ({"faults": {"sick"}}, "it is ready", "503: status 503, not 200; wait until it is loaded"),
        ({"faults": {"old"}}, "it says its version", "0.11.0 is older than 0.12; update vLLM"),
        ({"faults": {"no-usage"}}, "it answers in full", "without usage"),
        ({"faults": {"no-schema"}}, "it holds a reply to a JSON schema", "not held to the schema"),
        ({"faults": {"no-schema"}}, "it holds a reply to a choice", "before 0.12 this was guided"),
        ({"faults": {"no-unload"}}, "it unloads an adapter", "500 Failed to remove"),
        ({"runtime": False}, "it loads an adapter", "VLLM_ALLOW_RUNTIME_LORA_UPDATING=True"),
        ({"rank": 1}, "it loads an adapter", "is greater than max_lora_rank 1"),
        ({"key": "k"}, "it lists its models", "401.*give its key"),
    ],
)
async def test_what_a_server_lacks_is_a_line_with_its_repair(
    adapter: Path, options: dict[str, Any], name: str, told: str
) -> None:
    with SERVING(**options) as it:
        lines = await replay(CONTRACT, it.url, adapter=adapter)
    wrong = failed(lines)
    assert name in wrong
    assert re.search(told, wrong[name]), wrong[name]


async def test_nobody_there_is_one_line_and_the_end() -> None:
    with SERVING() as it:
        url = it.url
    (line,) = await replay(CONTRACT, url)
    assert line.ok is False
    assert "nobody answers" in line.came
    assert "is it running at" in line.repair


def test_the_line_that_starts_it_binds_to_loopback_and_takes_the_rank() -> None:
    line = serve_line("/models/base", port=8123, rank=20, name="smol", context=4096)
    assert line[:3] == ("vllm", "serve", "/models/base")
    options = dict(zip(line[3::2], line[4::2], strict=False))
    assert options["--host"] == "127.0.0.1"
    assert options["--port"] == "8123"
    assert line[line.index("--max-lora-rank") + 1] == "32"
    assert "--enable-lora" in line
    for rank in (0, 513):
        with pytest.raises(Refused, match=f"no adapters of rank {rank}; use 1 to 512"):
            serve_line("x", rank=rank)


async def test_it_starts_as_a_child_says_what_it_loads_and_ends(adapter: Path) -> None:
    heard: list[str] = []
    server = VllmServer("tiny", rank=8, program=PROGRAM, say=heard.append, wait_s=60)
    url = await server.start()
    try:
        assert await server.start() == url
        assert failed(await replay(CONTRACT, url, adapter=adapter)) == {}
        assert any("Loading weights" in line for line in heard)
    finally:
        await server.stop()
    assert not server.alive
    async with httpx.AsyncClient(trust_env=False) as client:
        with pytest.raises(httpx.ConnectError):
            await client.get(f"{url}/models")
    await server.stop()


@pytest.mark.parametrize(
    ("base", "wait_s", "told"),
    [
        ("no-gpu", 60.0, "ended at its start: RuntimeError: Failed to infer device type; .*GPU"),
        ("slow", 1.5, "was not ready in 1.5 s: .*; give it more time"),
    ],
)
async def test_one_that_will_not_start_is_one_line(base: str, wait_s: float, told: str) -> None:
    server = VllmServer(base, program=PROGRAM, wait_s=wait_s)
    with pytest.raises(ModelError, match=told) as caught:
        await server.start()
    assert "\n" not in str(caught.value)
    assert not server.alive


@pytest.mark.skipif(importlib.util.find_spec("vllm") is not None, reason="vLLM is installed")
async def test_where_it_is_not_installed_the_line_says_how() -> None:
    with pytest.raises(Missing, match=r"not installed; pip install 'journeyman\[vllm\]'"):
        await VllmServer("tiny").start()


def test_a_program_on_the_leash_ends_with_its_parent(tmp_path: Path) -> None:
    told = tmp_path / "pid"
    sleeps = f"import os, time; open({str(told)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    starts = (
        "import subprocess, sys, os, time\n"
        "subprocess.Popen([sys.executable, '-m', 'agent.models.leash', str(os.getpid()), "
        f"sys.executable, '-c', {sleeps!r}], stdin=subprocess.PIPE)\n"
        "time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", starts], cwd=Path(__file__).parents[3])
    child = int(_soon(lambda: told.exists() and told.read_text()))
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    _soon(lambda: not psutil.pid_exists(child))


def _soon(there: Callable[[], Any]) -> Any:
    for _ in range(400):
        if found := there():
            return found
        time.sleep(0.05)
    raise AssertionError("it did not come")


@pytest.fixture
def standing() -> Iterator[Any]:
    with SERVING() as it:
        yield it


def swapping(it: Any) -> Swapping:
    return Swapping(ModelSettings(base_url=it.url, name="tiny", retries=0))


async def begun(it: Any, many: int) -> None:
    while sum(entry[2] == "begun" for entry in it.log) < many:  # noqa: ASYNC110 (another thread)
        await asyncio.sleep(0.01)


async def test_new_requests_go_to_the_new_adapter_and_running_ones_finish_on_the_old(
    standing: Any, adapter: Path
) -> None:
    model = swapping(standing)
    await model.swap("tiny (student a)", adapter)
    running = asyncio.create_task(model.reply(WAIT))
    await begun(standing, 1)
    await model.swap("tiny (student b)", adapter)
    fresh = await model.reply(SAY)
    assert (model.name, fresh.model) == ("tiny (student b)", "tiny (student b)")
    assert set(standing.adapters) == {"tiny (student a)", "tiny (student b)"}
    standing.go.set()
    old: Reply = await running
    assert old.text == "tiny (student a) says hello"
    assert set(standing.adapters) == {"tiny (student b)"}
    order = [entry[1:] for entry in standing.log]
    ended, gone = ("tiny (student a)", "done"), standing.log[-1]
    assert order.index(ended, 2) < len(order) - 1
    assert gone == ("/v1/unload_lora_adapter", "tiny (student a)", "done")
    await model.close()


async def test_a_run_that_holds_an_adapter_keeps_it_to_its_end(
    standing: Any, adapter: Path
) -> None:
    model = swapping(standing)
    await model.swap("a", adapter)
    async with model.held() as mine:
        await model.swap("b", adapter)
        await model.bare()
        assert (await mine.reply(SAY)).model == "a"
        assert (await model.reply(SAY)).model == "tiny"
        assert set(standing.adapters) == {"a"}
        await model.swap("a", adapter)
    assert set(standing.adapters) == {"a"}
    assert [piece async for piece in model.stream(SAY)] == ["a", "says", "hello"]
    await model.close()


async def test_an_adapter_that_is_refused_leaves_the_one_before(
    standing: Any, adapter: Path, tmp_path: Path
) -> None:
    model = swapping(standing)
    await model.swap("a", adapter)
    with pytest.raises(ModelError, match=r"refuses adapter 'b' \(404\): .*No adapter found"):
        await model.swap("b", tmp_path / "none")
    standing.rank = 1
    with pytest.raises(ModelError, match="larger --max-lora-rank"):
        await model.swap("c", adapter)
    assert (await model.reply(SAY)).model == "a"
    standing.runtime = False
    with pytest.raises(ModelError, match="start vLLM with --enable-lora and VLLM_ALLOW"):
        await model.swap("d", adapter)
    await model.close()


async def test_an_adapter_that_can_not_be_unloaded_is_told(standing: Any, adapter: Path) -> None:
    model: Model = swapping(standing)
    assert isinstance(model, Swapping)
    standing.adapters["a"] = str(adapter)
    await model.swap("a", adapter)  # Loaded already, by an earlier process.
    standing.faults = frozenset({"no-unload"})
    await model.swap("b", adapter)
    assert model.left == ["a"]
    assert (await model.reply(SAY)).model == "b"
    await model.close()
