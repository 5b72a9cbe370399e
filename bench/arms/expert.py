"""The environment's own expert as an arm: the ceiling. The only arm that reads the key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from agent.kit import Kit
from agent.runner import Crew
from agent.state import State, seen_of
from bench.arms.types import Arm, Desk
from envs.errors import UserError
from envs.types import Action, Demonstrates, Env, Episode, Split, Task


class Expert(Arm):
    """ALFWorld's handcoded expert: what the environment itself knows to do. The ceiling.

    The only arm that reads an expert, on any split; nothing that it does is learned from.
    """

    paper = "Shridhar et al. 2021, ALFWorld, arXiv 2010.03768: its handcoded expert"
    knows_key = True
    differs = "as published: it looks for `put` where the game says `move`, and misses pick_two"

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._opened = _Watched()

    def env(self, env: Env) -> Env:
        """Episodes whose expert may be asked."""
        self._opened.inner = env
        return self._opened

    def crew(self, crew: Crew) -> Crew:
        """The expert chooses."""
        return replace(crew, strategy=_Expert(self._opened))


class _Watched(Env):
    """Remembers the live episode, and lets its expert speak whatever the split."""

    def __init__(self) -> None:
        self.inner: Env | None = None
        self.live: Episode | None = None
        self.name = "expert"

    def tasks(self, split: Split) -> Sequence[Task]:
        return self.inner.tasks(split) if self.inner else ()

    def open(self, task: Task, *, seed: int | None = None) -> Episode:
        if self.inner is None:
            raise UserError("the expert has no environment", repair="call Arm.env first")
        self.live = self.inner.open(task, seed=seed)
        self.live.task = task.model_copy(update={"split": "train"})
        return self.live

    def close(self) -> None:
        """The worker closes the environment."""


class _Expert:
    """Does what the expert would; looks around where it knows nothing."""

    def __init__(self, opened: _Watched) -> None:
        self._opened = opened

    async def choose(self, state: State, kit: Kit) -> State:
        """The expert's next command."""
        episode = self._opened.live
        if not isinstance(episode, Demonstrates):
            raise UserError(
                f"{kit.task.env} has no expert", repair="leave the arm `expert` out there"
            )
        shown = episode.demonstrate()
        choices = seen_of(state).admissible or ()
        text = shown[0].text if shown else "look"
        if choices and text not in choices:
            text = "look" if "look" in choices else choices[0]
        return {"action": Action(text=text).model_dump(), "thought": "", "said": [text]}
