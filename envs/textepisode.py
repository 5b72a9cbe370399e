"""One attempt at a text game, as every environment of text games offers it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from envs.errors import EnvError, Refused
from envs.textgames import GameState
from envs.types import Action, Score, Step, Task, ToolSpec
from envs.workers import PooledGame, WorkerPool

NOTHING = "Nothing happens."
LONGEST = 300
"""Characters of the longest command that is looked at; real ones have under 80."""
BANNER = re.compile(r"\A\s*-=.*?=-\s*")
PUT = re.compile(r"(?:put|place) (?P<what>.+?) (?:in/on|into|onto|in|on) (?P<where>.+)")


class TextEpisode:
    """Made by `open_text_episode`. Steps count commands, understood or not."""

    def __init__(
        self,
        task: Task,
        *,
        game: Path,
        pool: WorkerPool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.task = task
        self._path = game
        self._pool = pool
        self._clock = clock
        self._began = clock()
        self._done: list[str] = []
        self._game: PooledGame | None = pool.open(game)
        self._state: GameState = self._game.state
        self._expert: PooledGame | None = None
        self._shown = 0
        self.first = self._step(BANNER.sub("", self._state.feedback, count=1))

    @property
    def tools(self) -> Sequence[ToolSpec]:
        """None: actions are text."""
        return ()

    def step(self, action: Action) -> Step:
        """Does one command; what is not understood answers `Nothing happens.` and counts."""
        if self._game is None or self._over():
            raise EnvError("the episode is over", repair="open the task again")
        command = understood(action.text, commands=self._state.commands)
        self._done.append(command)
        if command not in self._state.commands:
            return self._step(NOTHING)
        self._state = self._game.step(command)
        return self._step(self._state.feedback)

    def score(self) -> Score:
        """1 when the goal is reached."""
        return Score(value=float(self._state.won), passed=self._state.won)

    def demonstrate(self) -> tuple[Action, ...]:
        """The handcoded expert's next command (one) from here; it can be wrong.

        Raises `Refused` unless the task is of `train`.
        """
        if self.task.split != "train":
            raise Refused(f"no demonstration on {self.task.split}", repair="use a train task")
        if self._game is None:
            raise EnvError("the episode is closed", repair="open the task again")
        if self._expert is None:
            self._expert = self._pool.open(self._path, expert=True)
            self._shown = 0
        while self._shown < len(self._done):
            self._expert.step(self._done[self._shown])
            self._shown += 1
        return tuple(Action(text=command) for command in self._expert.state.expert)

    def close(self) -> None:
        """Frees the game and the expert's; may be called twice."""
        for game in (self._game, self._expert):
            if game is not None:
                game.close()
        self._game = self._expert = None

    def _over(self) -> bool:
        return self._state.won or self._late()

    def _late(self) -> bool:
        limits = self.task.limits
        seconds = self._clock() - self._began
        return len(self._done) >= limits.steps or (
            limits.seconds is not None and seconds > limits.seconds
        )

    def _step(self, observation: str) -> Step:
        won = self._state.won
        return Step(
            observation=observation.strip(),
            admissible=self._state.commands,
            terminated=won,
            truncated=not won and self._late(),
            reward=float(won),
            info={"won": won},
        )


def open_text_episode(task: Task, game: Path, *, pool: WorkerPool) -> TextEpisode:
    """Begins an attempt at the game in this file, played by the pool.

    Raises `Missing` without the packages, `EnvError` for a game that can't be loaded.
    """
    return TextEpisode(task, game=game, pool=pool)


def understood(text: str, *, commands: Sequence[str]) -> str:
    """The command meant by `text`: one of `commands` where possible, else `text`, cut short.

    Older prompts, demonstrations and models say `put X in/on Y`; since ALFWorld 0.4 the game says
    `move X to Y`.
    """
    text = text.strip() if len(text) <= LONGEST else text[:LONGEST] + "…"
    if text in commands:
        return text
    put = PUT.fullmatch(text)
    moved = f"move {put['what']} to {put['where']}" if put else ""
    return moved if moved in commands else text
