"""Adapters on vLLM changed while it answers: new requests go to the new one, running ones finish.

Source: vLLM's documentation, "LoRA Adapters", section "Dynamically serving LoRA Adapters". An
adapter is a model by its name there. Each gets a name of its own, so that no answer comes half
from one and half from another, as replacing weights under a name in use (`load_inplace`) would.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from agent.models.client import OpenAIModel
from agent.models.types import Message, Model, Reply, Sampling
from agent.models.vllm import LOAD, RUNTIME_LORA, UNLOAD
from agent.settings import ModelSettings
from envs.errors import ModelError, clip, one_line
from envs.types import ToolSpec


@dataclass(eq=False)
class _Served:
    """One name at the server, and how many use it."""

    client: OpenAIModel
    adapter: bool
    users: int = 0


class Swapping(Model):
    """A base on vLLM, and the adapter that answers on it now. Belongs to one event loop.

    `settings.base_url` is the server, `settings.name` its base model. Begins with the bare base.
    """

    def __init__(self, settings: ModelSettings) -> None:
        self.name = settings.name
        self.left: list[str] = []
        """Names that the server did not unload; they take memory there until it ends."""
        self._settings = settings
        self._now = _Served(OpenAIModel(settings), adapter=False)
        self._old: list[_Served] = []
        self._swapping = asyncio.Lock()

    async def swap(self, name: str, folder: Path) -> None:
        """Loads the adapter in `folder` (PEFT's format) and has it answer from now on as `name`.

        The one before is unloaded when its last running request has ended. Raises `ModelError`
        when it can't be loaded; the one before goes on answering then.
        """
        async with self._swapping:
            if name == self._now.client.name:
                return
            known = next((one for one in self._old if one.client.name == name), None)
            if known is None:
                await self._load(name, folder)
                settings = self._settings.model_copy(update={"name": name})
                known = _Served(OpenAIModel(settings), adapter=True)
            else:
                self._old.remove(known)  # Somebody still holds it: it never left.
            await self._turn(known)

    async def bare(self) -> None:
        """Has the base itself answer from now on."""
        async with self._swapping:
            if self._now.adapter:
                await self._turn(_Served(OpenAIModel(self._settings), adapter=False))

    @asynccontextmanager
    async def held(self) -> AsyncIterator[Model]:
        """The model as it is now, for as long as the block lasts, whatever is swapped meanwhile.

        For a run that is to be played to its end by one adapter.
        """
        mine = self._now
        mine.users += 1
        try:
            yield mine.client
        finally:
            mine.users -= 1
            await self._leave(mine)

    async def reply(
        self,
        messages: Sequence[Message],
        *,
        tools: Sequence[ToolSpec] = (),
        schema: dict[str, Any] | None = None,
        sampling: Sampling = Sampling(),
    ) -> Reply:
        """One answer; see `OpenAIModel.reply`."""
        async with self.held() as model:
            return await model.reply(messages, tools=tools, schema=schema, sampling=sampling)

    async def stream(
        self, messages: Sequence[Message], *, sampling: Sampling = Sampling()
    ) -> AsyncGenerator[str, None]:
        """The answer in pieces, all from one adapter."""
        async with self.held() as model:
            async for piece in model.stream(messages, sampling=sampling):
                yield piece

    async def close(self) -> None:
        """Frees connections and leaves the server as it is; may be called twice."""
        for one in (self._now, *self._old):
            await one.client.close()

    async def _turn(self, new: _Served) -> None:
        old, self._now = self._now, new
        self.name = new.client.name
        self._old.append(old)
        await self._leave(old)

    async def _leave(self, one: _Served) -> None:
        """Unloads what is neither in use nor to be used again."""
        if one.users or one is self._now or one not in self._old:
            return
        self._old.remove(one)
        await one.client.close()
        if one.adapter:
            try:
                await self._post(UNLOAD, {"lora_name": one.client.name})
            except ModelError:
                self.left.append(one.client.name)

    async def _load(self, name: str, folder: Path) -> None:
        body = {"lora_name": name, "lora_path": str(folder)}
        try:
            await self._post(LOAD, body)
        except ModelError as error:
            # What an earlier process of ours loaded under this name has the same weights: an
            # adapter's id is given once.
            if "already" not in error.message:
                raise

    async def _post(self, path: str, body: dict[str, str]) -> None:
        root = self._settings.base_url.rstrip("/").removesuffix("/v1")
        key = self._settings.api_key
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        wait = self._settings.timeout_s
        try:
            async with httpx.AsyncClient(trust_env=False, timeout=wait) as client:
                got = await client.post(f"{root}{path}", json=body, headers=headers)
        except httpx.HTTPError as error:
            why = one_line(str(error)) or type(error).__name__
            raise ModelError(
                f"{root}{path} did not answer ({clip(why)})", repair=f"is vLLM running at {root}?"
            ) from error
        if got.status_code != httpx.codes.OK:
            raise _refused(got, name=body["lora_name"], root=root)


def _refused(got: httpx.Response, *, name: str, root: str) -> ModelError:
    try:
        told = str(got.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        told = ""
    said = clip(one_line(told or got.text), most=200)
    if got.status_code == httpx.codes.NOT_FOUND and not told:
        repair = f"start vLLM with --enable-lora and {RUNTIME_LORA}"
    elif "max_lora_rank" in told:
        repair = "start vLLM with a larger --max-lora-rank"
    else:
        repair = "journeyman models check URL shows what that server can do"
    return ModelError(
        f"{root} refuses adapter {clip(name)!r} ({got.status_code}): {said}", repair=repair
    )
