"""An episode as a player has it: no score, no reward, no demonstration, no key."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from agent.crossing import off
from envs.errors import EnvError, clip
from envs.types import Action, Episode, Frozen, Score, Step, ToolSpec


class Seen(Frozen):
    """The part of a `Step` that any player sees."""

    observation: str
    """What stands there."""
    admissible: tuple[str, ...] | None = None
    """Commands that would be understood, where they are listed."""
    terminated: bool = False
    """The episode ended by itself."""
    truncated: bool = False
    """The episode was cut off by its limits."""


class Stage:
    """Holds the live episode. The runner has it, the nodes of the graph do not."""

    def __init__(self, open_episode: Callable[[], Episode]) -> None:
        self._open = open_episode
        self.episode: Episode | None = None

    async def begin(self) -> Episode:
        """Opens a fresh episode in place of the one before."""
        await self.close()
        self.episode = await off(self._open)
        return self.episode

    async def score(self) -> Score | None:
        """The score of the episode as it stands; None where there is none."""
        return await off(self.episode.score) if self.episode else None

    async def close(self) -> None:
        """Frees the episode."""
        if self.episode is not None:
            await off(self.episode.close)
            self.episode = None


class Player:
    """What the nodes of a graph are given of an episode."""

    def __init__(self, stage: Stage) -> None:
        async def begin() -> Episode:
            return await stage.begin()

        def live() -> Episode:
            if stage.episode is None:
                raise EnvError("the episode is not open", repair="begin the run again")
            return stage.episode

        self._begin, self._live = begin, live

    async def begin(self) -> Seen:
        """Starts the task from its beginning."""
        return _seen((await self._begin()).first)

    @property
    def tools(self) -> Sequence[ToolSpec]:
        """Tools that may be called."""
        return self._live().tools

    async def act(self, action: Action) -> Seen:
        """Does one action."""
        return _seen(await off(self._live().step, action))

    async def restore(self, past: Sequence[tuple[Action, str]]) -> Seen:
        """Begins again and repeats `past` (action, observation); raises `EnvError` if they part."""
        seen = await self.begin()
        for number, (action, observation) in enumerate(past):
            seen = await self.act(action)
            if seen.observation != observation:
                raise EnvError(
                    f"step {number} now answers {clip(seen.observation)!r}, "
                    f"not {clip(observation)!r}: the episode can't be taken up again",
                    repair="run the task anew",
                )
        return seen


def _seen(step: Step) -> Seen:
    return Seen(
        observation=step.observation,
        admissible=step.admissible,
        terminated=step.terminated,
        truncated=step.truncated,
    )
