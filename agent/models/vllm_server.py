"""vLLM as a child process that ends with this one: started, waited for, ended.

What it is started with and asked for is the contract in `agent/models/vllm.py`.
"""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from os import getpid
from pathlib import Path

import httpx

from agent.models.vllm import RUNTIME_LORA, serve_line
from envs.errors import Missing, ModelError, clip, one_line

PROGRAM = "vllm"
LOOK_S = 0.25
"""Seconds between looks at a server that is loading."""
TOLD = 300
"""Most characters of its log in an error."""
KNOWN_TROUBLE = (
    ("failed to infer device type", "vLLM wants a GPU: serve from the CPU with llama.cpp instead"),
    ("libcuda", "vLLM wants a GPU and its driver: serve from the CPU with llama.cpp instead"),
    ("no cuda gpus", "vLLM wants a GPU: serve from the CPU with llama.cpp instead"),
    ("out of memory", "close what else uses the GPU, or give a smaller --context"),
    ("free memory on device", "close what else uses the GPU, or give a smaller --context"),
    ("address already in use", "give another --port, or 0 for a free one"),
    ("unrecognized arguments", "update vLLM: pip install -U 'journeyman[vllm]'"),
    ("repository not found", "give a folder of a model in transformers' format"),
    ("not a valid model identifier", "give a folder of a model in transformers' format"),
    ("no module named", "pip install 'journeyman[vllm]'"),
)
"""What its log says when it won't start (in lower case), and what mends that."""


class VllmServer:
    """One vLLM server with LoRA, on loopback. Belongs to one event loop.

    `base` and the sizes are `vllm.serve_line`'s; `port` 0 picks a free one. `say` hears a line now
    and then while it loads, which takes from seconds to minutes: `wait_s` bounds it. `program`
    stands for `vllm` where that is not on the path.
    """

    def __init__(
        self,
        base: str,
        *,
        port: int = 0,
        rank: int = 32,
        name: str = "",
        context: int = 0,
        program: Sequence[str] = (),
        wait_s: float = 900.0,
        say: Callable[[str], None] = lambda _text: None,
    ) -> None:
        self.base = base
        self.url = ""
        self._port = port
        self._rank, self._context = rank, context
        self._name = name
        self._program = tuple(program)
        self._wait_s = wait_s
        self._say = say
        self._child: subprocess.Popen[bytes] | None = None
        self._log: tempfile._TemporaryFileWrapper[bytes] | None = None

    @property
    def alive(self) -> bool:
        """Whether the child runs."""
        return self._child is not None and self._child.poll() is None

    async def start(self) -> str:
        """Starts it unless it runs; returns its base URL (`http://127.0.0.1:PORT/v1`).

        Raises `Missing` where vLLM is not installed, `ModelError` when it won't start in time.
        """
        if self.alive:
            return self.url
        await self.stop()
        program = self._program or found()
        port = self._port or free_port()
        line = serve_line(
            self.base, port=port, name=self._name, rank=self._rank, context=self._context
        )
        command = ["env", RUNTIME_LORA, *program, *line[1:]]
        self._log = tempfile.NamedTemporaryFile()  # noqa: SIM115 (lives as long as the child)
        self._child = subprocess.Popen(  # noqa: S603, ASYNC220 (takes milliseconds)
            [sys.executable, "-m", "agent.models.leash", str(getpid()), *command],
            stdin=subprocess.PIPE,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # a Ctrl-C in the terminal is the parent's to handle
        )
        try:
            await self._ready(f"http://127.0.0.1:{port}")
        except (ModelError, asyncio.CancelledError):
            await self.stop()
            raise
        self.url = f"http://127.0.0.1:{port}/v1"
        return self.url

    async def stop(self) -> None:
        """Ends it and all that it started; may be called twice."""
        child, self._child = self._child, None
        if child is not None:
            if child.stdin is not None:
                child.stdin.close()
            await asyncio.to_thread(child.wait)
        if self._log is not None:
            self._log.close()
            self._log = None
        self.url = ""

    def tail(self, *, lines: int = 3) -> str:
        """The last lines of its log, as one."""
        return clip(one_line(" / ".join(self._lines()[-lines:])), most=TOLD)

    def _lines(self) -> list[str]:
        if self._log is None:
            return []
        # Opened anew: reading from what the child writes to would move where it writes.
        written = Path(self._log.name).read_bytes()
        return written.decode("utf-8", "replace").strip().splitlines()

    async def _ready(self, root: str) -> None:
        began, heard = time.monotonic(), ""
        async with httpx.AsyncClient(base_url=root, trust_env=False, timeout=5.0) as client:
            while not await _up(client):
                waited = time.monotonic() - began
                if not self.alive or waited > self._wait_s:
                    raise self._failed(late=self.alive)
                last = self.tail(lines=1)
                if last and last != heard:
                    heard = last
                    self._say(f"{waited:4.0f} s  {clip(last, most=100)}")
                await asyncio.sleep(LOOK_S)

    def _failed(self, *, late: bool) -> ModelError:
        lines = self._lines()
        whole = "\n".join(lines).lower()
        repair = next((mends for sign, mends in KNOWN_TROUBLE if sign in whole), "")
        raised = [line for line in lines if "Error" in line] or lines[-1:]
        why = clip(one_line(raised[-1]), most=TOLD) if raised else "it said nothing"
        what = f"was not ready in {self._wait_s:g} s" if late else "ended at its start"
        later = "give it more time, or a smaller model" if late else "look at what it says"
        return ModelError(f"vLLM with {clip(self.base)} {what}: {why}", repair=repair or later)


def found() -> tuple[str, ...]:
    """The program: beside this Python, or on the path. Raises `Missing`."""
    beside = Path(sys.executable).parent / PROGRAM
    place = str(beside) if beside.is_file() else shutil.which(PROGRAM)
    if place is None:
        raise Missing(
            "vLLM, which serves models on a GPU, is not installed",
            repair="pip install 'journeyman[vllm]' (Linux)",
        )
    return (place,)


def free_port() -> int:
    """A port of loopback that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def _up(client: httpx.AsyncClient) -> bool:
    """Ready is: healthy, and it lists a model."""
    try:
        if (await client.get("/health")).status_code != httpx.codes.OK:
            return False
        listed = await client.get("/v1/models")
        # Behind a key it can't be looked at, and it is up.
        return listed.status_code == httpx.codes.UNAUTHORIZED or bool(listed.json().get("data"))
    except (httpx.HTTPError, ValueError, AttributeError):
        return False
