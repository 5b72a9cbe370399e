"""Exchanging a model while it serves, with models that answer when they are told to."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Any

import pytest

from agent.models.resolve import promotion, resolve
from agent.models.swap import Following, Swapping, held
from agent.models.types import Message, Model, Reply, Sampling
from agent.settings import ModelSettings
from envs.errors import ModelError
from envs.types import ToolSpec

HELLO: list[Message] = [{"role": "user", "content": "hello"}]


class Slow(Model):
    """Answers with its name when `go` is set; can fail to start."""

    def __init__(self, name: str, *, starts: bool = True, ready: bool = True) -> None:
        self.name = name
        self.go = asyncio.Event()
        self.began = self.closed = 0
        self._starts = starts
        if ready:
            self.go.set()

    async def start(self) -> None:
        self.began += 1
        await asyncio.sleep(0)
        if not self._starts:
            raise ModelError(f"{self.name} ended at its start", repair="mend it")

    async def reply(
        self,
        messages: Sequence[Message],
        *,
        tools: Sequence[ToolSpec] = (),
        schema: dict[str, Any] | None = None,
        sampling: Sampling = Sampling(),
    ) -> Reply:
        await self.go.wait()
        assert not self.closed, "asked after its end"
        return Reply(text=self.name, model=self.name)

    async def stream(
        self, messages: Sequence[Message], *, sampling: Sampling = Sampling()
    ) -> AsyncGenerator[str, None]:
        for _ in range(3):
            await self.go.wait()
            assert not self.closed, "cut off"
            yield self.name

    async def close(self) -> None:
        self.closed += 1


async def said(model: Model) -> str:
    return (await model.reply(HELLO)).text


async def turns() -> None:
    """Lets all that can go on go on."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_running_requests_finish_on_the_old_one_and_new_ones_go_to_the_new() -> None:
    old, new = Slow("old", ready=False), Slow("new")
    model = Swapping(old)
    running = [asyncio.create_task(said(model)) for _ in range(3)]
    await turns()
    await model.swap(new)
    assert (new.began, old.closed, model.name) == (1, 0, "new")
    assert await said(model) == "new"
    old.go.set()
    assert await asyncio.gather(*running) == ["old"] * 3
    await model.left()
    assert (old.closed, new.closed) == (1, 0)
    await model.close()
    await model.close()
    assert old.closed == 1
    assert new.closed > 0


async def test_a_stream_comes_from_one_model_to_its_end() -> None:
    old, new = Slow("old"), Slow("new")
    model = Swapping(old)
    pieces = list[str]()
    async for piece in model.stream(HELLO):
        pieces.append(piece)
        if len(pieces) == 1:
            await model.swap(new)
            await turns()
            assert not old.closed
    assert pieces == ["old"] * 3
    await model.left()
    assert old.closed == 1
    assert [piece async for piece in model.stream(HELLO)] == ["new"] * 3


async def test_a_run_keeps_its_model_over_many_requests() -> None:
    old, new = Slow("old"), Slow("new")
    model = Swapping(old)
    with held(model) as mine:
        await model.swap(new)
        assert [await said(mine), await said(model), await said(mine)] == ["old", "new", "old"]
        assert not old.closed
    await model.left()
    assert old.closed == 1
    with held(new) as plain:
        assert plain is new


async def test_one_that_will_not_start_leaves_the_old_in_place() -> None:
    old, bad = Slow("old"), Slow("bad", starts=False)
    model = Swapping(old)
    with pytest.raises(ModelError, match="bad ended at its start; mend it"):
        await model.swap(bad)
    assert (model.name, await said(model)) == ("old", "old")
    assert (old.closed, bad.closed) == (0, 1)


async def test_exchanges_one_after_the_other_all_end() -> None:
    models = [Slow(str(number)) for number in range(5)]
    model = Swapping(models[0])
    await asyncio.gather(*(model.swap(one) for one in models[1:]))
    assert await said(model) == "4"
    await model.left()
    assert [one.closed for one in models] == [1, 1, 1, 1, 0]


class World:
    """A promotion that changes, with a clock."""

    def __init__(self) -> None:
        self.stamp, self.seconds, self.looks = "1", 0.0, 0
        self.next: Slow = Slow("new")
        self.old = Slow("old")
        self.model = Following(
            self.old,
            stamp="1",
            stamped=self.stamped,
            fresh=self.fresh,
            clock=lambda: self.seconds,
        )

    def stamped(self) -> str:
        self.looks += 1
        return self.stamp

    async def fresh(self) -> Model:
        return self.next


async def test_a_promotion_is_noticed_with_a_request_after_a_second_at_most() -> None:
    world = World()
    for _ in range(50):
        assert await said(world.model) == "old"
    assert world.looks == 0
    world.stamp, world.seconds = "2", 0.9
    assert await said(world.model) == "old"
    world.seconds = 1.0
    assert await said(world.model) == "old"  # the one that sees it doesn't wait
    await world.model.settled()
    assert (await said(world.model), world.looks) == ("new", 1)
    await world.model.left()
    assert world.old.closed == 1
    world.seconds = 2.5
    assert await said(world.model) == "new"
    assert (world.looks, world.next.began) == (2, 1)


async def test_a_promotion_that_cannot_be_followed_is_told_and_tried_when_it_changes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World()
    world.next, world.stamp, world.seconds = Slow("bad", starts=False), "2", 1.0
    with caplog.at_level(logging.WARNING, logger="agent.models.swap"):
        await said(world.model)
        await world.model.settled()
    assert caplog.messages == ["old goes on answering: bad ended at its start; mend it"]
    world.seconds, world.next = 2.0, Slow("good")
    assert await said(world.model) == "old"
    await turns()
    assert await said(world.model) == "old"
    world.seconds, world.stamp = 3.0, "3"
    await said(world.model)
    await world.model.settled()
    assert await said(world.model) == "good"


async def test_closing_gives_an_exchange_up() -> None:
    world = World()
    world.stamp, world.seconds = "2", 1.0
    await said(world.model)
    await world.model.close()
    assert world.old.closed > 0
    await world.model.close()


def model_file(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"GGUF and more")
    return path


async def test_a_server_follows_the_promotion_of_its_home_where_no_model_is_named(
    tmp_path: Path,
) -> None:
    file = model_file(tmp_path / "models" / "smollm2-135m.gguf")
    named = await resolve(ModelSettings(file=str(file)), home=tmp_path, follow=True)
    assert not isinstance(named, Following)
    model = await resolve(ModelSettings(), home=tmp_path, follow=True)
    assert isinstance(model, Following)
    assert (model.name, promotion(tmp_path)) == ("smollm2-135m (embedded)", "")
    promoted = tmp_path / "models" / "promoted.json"
    promoted.write_text('{"file": "smollm2-135m.gguf", "name": "student 3"}')
    first = promotion(tmp_path)
    assert first
    later = tmp_path / "models" / "later.json"
    later.write_text(promoted.read_text())
    later.replace(promoted)
    assert promotion(tmp_path) not in ("", first)
