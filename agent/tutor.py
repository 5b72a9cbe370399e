"""The environment's expert at work in the agent's place, on train tasks: what it shows is a run.

Such a run is kept like any other and leaves lessons, rows and ways behind; it names the expert as
its model. An environment shows nothing on other splits (`Demonstrates.demonstrate` refuses).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import replace
from typing import Any

from agent.kit import Kit
from agent.models.types import Message, Reply, Sampling
from agent.reflector import Plain
from agent.runner import Crew
from agent.state import State, seen_of
from agent.steering import acting
from envs.errors import InternalError, UserError
from envs.types import Demonstrates, Env, Episode, Split, Task, ToolSpec

EXPERT = "expert"


def taught(crew: Crew, env: Env) -> tuple[Crew, Env]:
    """The same crew and environment with the expert in the solver's place."""
    watched = Watched(env)
    ready = replace(
        crew,
        model=Nobody(f"{EXPERT} of {env.name}"),
        strategy=Shows(lambda: watched.live),
        reflector=Plain(),
        skills=None,
        fork=None,
    )
    return ready, watched


class Watched(Env):
    """Remembers the live episode, so that its expert can be asked."""

    def __init__(self, inner: Env) -> None:
        self.inner, self.name = inner, inner.name
        self.live: Episode | None = None

    def tasks(self, split: Split) -> Sequence[Task]:
        """Those of the environment."""
        return self.inner.tasks(split)

    def open(self, task: Task, *, seed: int | None = None) -> Episode:
        """An episode of the environment."""
        self.live = self.inner.open(task, seed=seed)
        return self.live

    def close(self) -> None:
        """Who opened the environment closes it."""


class Shows:
    """Does what the expert would; looks around where it knows nothing."""

    def __init__(self, live: Callable[[], Episode | None]) -> None:
        self._live = live

    async def choose(self, state: State, kit: Kit) -> State:
        """The expert's next command."""
        episode = self._live()
        if not isinstance(episode, Demonstrates):
            raise UserError(f"{kit.task.env} has no expert", repair="play without it")
        shown = episode.demonstrate()
        choices = seen_of(state).admissible or ()
        text = shown[0].text if shown else "look"
        if choices and text not in choices:
            text = "look" if "look" in choices else choices[0]
        return acting(text)


class Nobody:
    """Stands where no model is asked."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def reply(
        self,
        messages: Sequence[Message],  # noqa: ARG002
        *,
        tools: Sequence[ToolSpec] = (),  # noqa: ARG002
        schema: dict[str, Any] | None = None,  # noqa: ARG002
        sampling: Sampling = Sampling(),  # noqa: ARG002
    ) -> Reply:
        """Nothing: asking it is a fault of ours."""
        raise InternalError(f"{self.name} was asked for words", repair="report this line")

    def stream(
        self,
        messages: Sequence[Message],  # noqa: ARG002
        *,
        sampling: Sampling = Sampling(),  # noqa: ARG002
    ) -> AsyncGenerator[str, None]:
        """As `reply`."""
        raise InternalError(f"{self.name} was asked for words", repair="report this line")

    async def close(self) -> None:
        """Nothing to free."""
