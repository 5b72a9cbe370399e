"""What a player without a mind and ALFWorld's handcoded expert win in generated households.

    python -m bench.household_floor --level real --games 100

The random player picks one of the admissible commands, the expert is the wheel's. Each plays the
first train tasks of the level, within the level's own number of steps; 95% intervals are Wilson's.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Literal

from envs.household import Household
from envs.houses import LEVELS, TASK_TYPES
from envs.types import Action, Demonstrates, Episode, Frozen, Step, Task
from memory.intervals import wilson

Player = Literal["random", "expert"]
PLAYERS: tuple[Player, ...] = ("random", "expert")


class Outcome(Frozen):
    """How one episode ended."""

    task_type: str
    """Type of task."""
    won: bool
    """Whether the goal was reached."""
    steps: int
    """Actions taken."""
    commands: float
    """Mean number of admissible commands."""
    opening_s: float
    """Seconds to write and start the game."""


def play(env: Household, task: Task, *, player: Player, seed: int = 0) -> Outcome:
    """One episode of one player."""
    began = time.perf_counter()
    episode = env.open(task)
    opening_s = time.perf_counter() - began
    rng = random.Random(f"{seed}/{task.id}")
    choices: list[int] = []
    step = episode.first
    try:
        while not (step.terminated or step.truncated):
            choices.append(len(step.admissible or ()))
            step = episode.step(_choose(player, episode, step, rng))
    finally:
        episode.close()
    return Outcome(
        task_type=task.tags[0],
        won=step.terminated,
        steps=len(choices),
        commands=sum(choices) / len(choices),
        opening_s=opening_s,
    )


def _choose(player: Player, episode: Episode, step: Step, rng: random.Random) -> Action:
    if player == "expert" and isinstance(episode, Demonstrates):
        return next(iter(episode.demonstrate()), Action(text="look"))
    return Action(text=rng.choice(step.admissible or ("look",)))


def row(name: str, outcomes: list[Outcome]) -> str:
    """One line of the table."""
    won = sum(outcome.won for outcome in outcomes)
    low, high = wilson(won, len(outcomes))
    steps = sum(outcome.steps for outcome in outcomes) / len(outcomes)
    commands = sum(outcome.commands for outcome in outcomes) / len(outcomes)
    return (
        f"  {name:<32}{won:>4}/{len(outcomes):<4}{won / len(outcomes):>7.1%}"
        f"  [{low:>6.1%}, {high:>6.1%}]{steps:>8.1f}{commands:>10.1f}"
    )


def table(level: str, *, games: int, players: tuple[Player, ...], workers: int, seed: int) -> None:
    """Plays and prints one level."""
    with tempfile.TemporaryDirectory() as folder:
        env = Household(Path(folder), level=level, per_split=games, workers=workers)
        tasks = env.tasks("train")
        for player in players:
            began = time.perf_counter()
            with ThreadPoolExecutor(max(1, workers)) as threads:
                one = partial(play, env, player=player, seed=seed)
                outcomes = list(threads.map(one, tasks))
            seconds = time.perf_counter() - began
            print(f"{env.name}, {player}, {env.level.steps} steps, seed {seed}")
            print(
                f"  {'task type':<32}{'won':>9}{'rate':>7}  {'95% interval':<16}   steps  commands"
            )
            for kind in TASK_TYPES:
                some = [outcome for outcome in outcomes if outcome.task_type == kind]
                if some:
                    print(row(kind, some))
            print(row("all", outcomes))
            opening = sorted(outcome.opening_s for outcome in outcomes)[len(outcomes) // 2]
            print(f"  {seconds:.0f} s with {workers} workers, {opening:.2f} s to open (median)\n")
        env.close()


def main() -> int:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--level", choices=[*LEVELS, "all"], default="real")
    parser.add_argument("--games", type=int, default=100)
    parser.add_argument("--player", choices=[*PLAYERS, "both"], default="both")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    players: tuple[Player, ...] = tuple(
        player for player in PLAYERS if given.player in (player, "both")
    )
    for level in LEVELS if given.level == "all" else (given.level,):
        table(level, games=given.games, players=players, workers=given.workers, seed=given.seed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
