"""The environment's own expert as an arm: the ceiling. The only arm that reads the key."""

from __future__ import annotations

from dataclasses import replace

from agent.runner import Crew
from agent.tutor import Shows, Watched
from bench.arms.types import Arm, Desk
from envs.types import Env, Episode, Task


class Expert(Arm):
    """ALFWorld's handcoded expert: what the environment itself knows to do. The ceiling.

    The only arm that reads an expert on any split; nothing that it does is learned from.
    """

    paper = "Shridhar et al. 2021, ALFWorld, arXiv 2010.03768: its handcoded expert"
    knows_key = True
    differs = "as published: it looks for `put` where the game says `move`, and misses pick_two"

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._opened: _Watched | None = None

    def env(self, env: Env) -> Env:
        """Episodes whose expert may be asked."""
        self._opened = _Watched(env)
        return self._opened

    def crew(self, crew: Crew) -> Crew:
        """The expert chooses."""
        return replace(crew, strategy=Shows(lambda: self._opened and self._opened.live))


class _Watched(Watched):
    """Lets the expert speak whatever the split."""

    def open(self, task: Task, *, seed: int | None = None) -> Episode:
        live = super().open(task, seed=seed)
        live.task = task.model_copy(update={"split": "train"})
        return live
