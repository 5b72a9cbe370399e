"""Models of this machine: a GGUF file served by llama.cpp in a child process."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
from collections.abc import AsyncGenerator, Sequence
from importlib.util import find_spec
from os import getpid
from pathlib import Path
from typing import IO, Any

import httpx
from pydantic import Field

from agent.models.client import OpenAIModel
from agent.models.errors import Unreachable
from agent.models.types import Message, Model, Reply, Sampling
from agent.settings import ModelSettings
from envs.errors import Missing, ModelError, clip, one_line
from envs.types import Frozen, ToolSpec

MAGIC = b"GGUF"
STOP_S = 5.0
"""Seconds that a child gets to end by itself."""


class Address(Frozen):
    """Where a server listens, and who may ask it."""

    host: str = "127.0.0.1"
    """Name or number of this machine's."""
    port: int = 0
    """0: any that is free."""
    key: str = Field(default="", repr=False)
    """Key that clients must send; empty: none."""


class LocalServer:
    """One llama.cpp server, in a child process that ends with this one. Belongs to one event loop.

    `adapter` is a LoRA file for the model, `context` is in tokens per stream, `parallel` counts
    streams, `wait_s` bounds the start.
    """

    def __init__(
        self,
        file: Path,
        *,
        name: str = "",
        context: int = 8192,
        parallel: int = 1,
        threads: int = 0,
        wait_s: float = 120.0,
        adapter: Path | None = None,
        address: Address = Address(),
    ) -> None:
        self.file = file
        self.adapter = adapter
        self._address = address
        self.name = name or file.stem
        self._sizes = {"context": context, "parallel": parallel, "threads": threads}
        self._wait_s = wait_s
        self._starting = asyncio.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None
        self._url = ""

    @property
    def alive(self) -> bool:
        """Whether the child runs."""
        return self._child is not None and self._child.poll() is None

    @property
    def pid(self) -> int | None:
        """Process id of the child, or None."""
        return self._child.pid if self._child else None

    async def start(self) -> str:
        """Starts the child unless it runs; returns its base URL (`http://127.0.0.1:PORT/v1`).

        Raises `Missing` for a file or package that is not there, `ModelError` when it won't start.
        """
        async with self._starting:
            if not self.alive:
                await self._end()
                check_file(self.file)
                if self.adapter is not None:
                    check_file(self.adapter)
                if find_spec("xllamacpp") is None:
                    raise Missing(
                        "xllamacpp, which runs local models, is not installed",
                        repair="pip install 'journeyman[local]'",
                    )
                await self._begin()
            return self._url

    async def stop(self) -> None:
        """Ends the child; may be called twice."""
        async with self._starting:
            await self._end()

    def tail(self, *, lines: int = 3, most: int = 300) -> str:
        """The last lines that the child wrote on stderr, as one of at most so many letters."""
        if self._log is None:
            return ""
        self._log.seek(0)
        written = self._log.read().decode("utf-8", "replace").strip().splitlines()
        return clip(one_line(" / ".join(written[-lines:])), most=most)

    async def _begin(self) -> None:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 (lives as long as the child)
        command = [sys.executable, "-m", "agent.models.llama", "--file", str(self.file)]
        command += ["--name", self.name, "--parent", str(getpid())]
        for option, value in self._sizes.items():
            command += [f"--{option}", str(value)]
        command += ["--host", self._address.host, "--port", str(self._address.port)]
        command += ["--adapter", str(self.adapter)] if self.adapter else []
        command += ["--keyed"] if self._address.key else []
        child = subprocess.Popen(  # noqa: S603, ASYNC220 (our own module; takes milliseconds)
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            start_new_session=True,  # a Ctrl-C in the terminal is the parent's to handle
        )
        self._child = child
        if self._address.key and child.stdin is not None:
            child.stdin.write(f"{self._address.key}\n".encode())
            child.stdin.flush()
        reading = asyncio.create_task(asyncio.to_thread(_first_line, child))
        try:
            line = await asyncio.wait_for(asyncio.shield(reading), self._wait_s)
            url = json.loads(line)["url"]
            async with httpx.AsyncClient(trust_env=False, timeout=self._wait_s) as client:
                (await client.get(f"{url}/health")).raise_for_status()
        except (TimeoutError, ValueError, KeyError, httpx.HTTPError) as error:
            late = isinstance(error, TimeoutError)
            what = f"was not ready in {self._wait_s:g} s" if late else "ended at its start"
            child.kill()
            await reading
            tail, more = self.tail(), self.tail(lines=12, most=4000)
            await self._end()
            raise ModelError(
                f"the local server of {self.file.name} {what}: {tail or 'it said nothing'}",
                repair=_repair(more, name=self.name, late=late, adapter=self.adapter),
            ) from error
        except asyncio.CancelledError:
            child.kill()
            raise
        self._url = f"{url}/v1"

    async def _end(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            if child.stdin is not None:
                child.stdin.close()
            try:
                await asyncio.to_thread(child.wait, STOP_S)
            except subprocess.TimeoutExpired:
                child.kill()
                await asyncio.to_thread(child.wait)
            if child.stdout is not None:
                child.stdout.close()
        if self._log is not None:
            self._log.close()
            self._log = None


class LocalModel(Model):
    """A GGUF file as a `Model`: its server starts with the first request.

    A server that dies during a request is started again once; if it dies again, `ModelError`.
    """

    def __init__(
        self, settings: ModelSettings, *, file: Path, name: str, adapter: Path | None = None
    ) -> None:
        self.name = name
        self.server = LocalServer(
            file,
            name=name,
            context=settings.context,
            parallel=settings.parallel,
            threads=settings.threads,
            adapter=adapter,
        )
        self._settings = settings.model_copy(update={"name": name, "retries": 0})
        self._client: OpenAIModel | None = None

    async def reply(
        self,
        messages: Sequence[Message],
        *,
        tools: Sequence[ToolSpec] = (),
        schema: dict[str, Any] | None = None,
        sampling: Sampling = Sampling(),
    ) -> Reply:
        """One answer; see `OpenAIModel.reply`."""
        try:
            client = await self._up()
            return await client.reply(messages, tools=tools, schema=schema, sampling=sampling)
        except Unreachable:
            if await self._lives():
                raise
        try:
            client = await self._up()
            return await client.reply(messages, tools=tools, schema=schema, sampling=sampling)
        except Unreachable as error:
            raise self._died_twice() from error

    async def stream(
        self, messages: Sequence[Message], *, sampling: Sampling = Sampling()
    ) -> AsyncGenerator[str, None]:
        """The answer in pieces; started again only if nothing had come yet."""
        begun = False
        try:
            client = await self._up()
            async for piece in client.stream(messages, sampling=sampling):
                begun = True
                yield piece
        except Unreachable:
            if begun or await self._lives():
                raise
        else:
            return
        client = await self._up()
        async for piece in client.stream(messages, sampling=sampling):
            yield piece

    async def start(self) -> None:
        """Starts the server now, not with the first request. Raises like `LocalServer.start`."""
        await self._up()

    async def close(self) -> None:
        """Ends the server; may be called twice."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()
        await self.server.stop()

    async def _up(self) -> OpenAIModel:
        url = await self.server.start()
        if self._client is None or self._client.settings.base_url != url:
            old = self._client
            settings = self._settings.model_copy(update={"base_url": url})
            client = self._client = OpenAIModel(settings, llama_cpp=True)
            if old is not None:
                await old.close()
            return client
        return self._client

    async def _lives(self) -> bool:
        for _ in range(20):  # a connection breaks a moment before its process is gone
            await asyncio.sleep(0.05)
            if not self.server.alive:
                return False
        return True

    def _died_twice(self) -> ModelError:
        tail = self.server.tail()
        return ModelError(
            f"the local server of {self.name} died twice on one request"
            + (f": {tail}" if tail else ""),
            repair="lower model.context or model.parallel, or set a smaller model.file",
        )


def _first_line(child: subprocess.Popen[bytes]) -> bytes:
    return child.stdout.readline() if child.stdout else b""


def check_file(file: Path) -> None:
    """Raises `Missing` unless `file` can be read and begins like a GGUF file."""
    try:
        with file.open("rb") as stream:
            head = stream.read(len(MAGIC))
    except OSError as error:
        raise Missing(
            f"the model file {file} can't be read ({error.strerror})",
            repair="mend model.file, or fetch one: journeyman models pull smollm2-135m",
        ) from error
    if head != MAGIC:
        raise Missing(
            f"{file} is not a GGUF model",
            repair="remove it and fetch it again: journeyman models pull NAME",
        )


def _repair(tail: str, *, name: str, late: bool, adapter: Path | None) -> str:
    if "libgomp" in tail:
        return "install it: apt-get install libgomp1 (Debian, Ubuntu) or dnf install libgomp"
    if "No module named" in tail:
        return "pip install 'journeyman[local]'"
    if late:
        return "close other programs, or set a smaller model.file"
    if adapter is not None and "lora" in tail.lower():
        return f"remove {adapter}: it is made anew"
    return f"fetch the file again ({name} may be damaged), or lower model.context"
