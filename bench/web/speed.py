"""MiniWoB++ here, in BrowserGym and in the Selenium environment: times and sizes on the same pages.

    python -m bench.web.speed [--python PYTHON] [--rounds 5]

PYTHON is the interpreter of an environment with `browsergym-miniwob`, `miniwob` and `selenium`
(and chromedriver on the path); without it only ours is played. All ways begin the same pages with
the same seeds and click the first button, in turn, each in a process of its own; what is printed
are medians, and their ratio to ours. BrowserGym's own pause of 100 ms before each thing that it
does is left as it is; its time limit of 5 s is lifted.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.web import speed_play
from envs.errors import EnvError
from envs.types import Frozen
from memory.text import estimate_tokens

PAGES = ("click-test", "login-user", "enter-text", "click-checkboxes")
RIVALS = ("browsergym", "selenium")
TURN = 3
"""Seeds of a page that a way plays before the next way has its turn."""


class Figures(Frozen):
    """What a way of playing costs."""

    first_s: float
    """Seconds from nothing to the first page shown: imports, browser, page."""
    begin_s: float
    """Median seconds until a further episode's first sight of its page."""
    step_s: float
    """Median seconds of one click and the sight after it."""
    per_s: float
    """Episodes of one click a second, one after the other."""
    tokens: float
    """Median tokens (estimated) of what a player is shown of a page."""
    characters: float
    """The same in characters."""
    episodes: int
    """Episodes that this was worked out from."""


class Player:
    """A process that plays in one way."""

    def __init__(self, name: str, python: str) -> None:
        ours = name not in RIVALS
        what = ["-m", speed_play.__name__] if ours else [str(Path(speed_play.__file__))]
        self.name = name
        self._begun = time.perf_counter()
        self._process = subprocess.Popen(
            [python, *what, name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def first(self) -> float:
        """Seconds from its start to its first page, which it is given right after its start."""
        told = self.play(PAGES[0], 0)
        return time.perf_counter() - self._begun - (told["whole_s"] - told["begin_s"])

    def play(self, page: str, seed: int) -> dict[str, Any]:
        """One episode. Raises `EnvError` with the last line of what the process complained of."""
        assert self._process.stdin  # noqa: S101 - pipes
        assert self._process.stdout  # noqa: S101
        assert self._process.stderr  # noqa: S101
        try:
            self._process.stdin.write(json.dumps({"page": page, "seed": seed}) + "\n")
            self._process.stdin.flush()
            if line := self._process.stdout.readline():
                return json.loads(line)
        except OSError:
            pass  # it ended; what it said last follows
        told = self._process.stderr.read().strip().splitlines() or ["nothing was said"]
        raise EnvError(f"{self.name} ended: {told[-1]}", repair="mend its environment, or leave it")

    def close(self) -> None:
        """Ends it."""
        try:
            self._process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()


def measured(python: Mapping[str, str], *, rounds: int) -> dict[str, Figures]:
    """Figures of each way, by its name; `python` names the interpreter of each."""
    players: list[Player] = []
    first: list[float] = []
    played: dict[str, list[dict[str, Any]]] = {name: [] for name in python}
    try:
        for name, path in python.items():
            players.append(Player(name, path))
            first.append(players[-1].first())
        for number in range(rounds):
            for page in PAGES:
                for player in players:
                    for seed in range(TURN):
                        told = player.play(page, number * TURN + seed)
                        played[player.name].append(told | {"again": seed > 0})
    finally:
        for player in players:
            player.close()
    times = dict(zip(python, first, strict=True))
    return {name: figures(rows, first_s=times[name]) for name, rows in played.items()}


def figures(rows: Sequence[Mapping[str, Any]], *, first_s: float) -> Figures:
    """Medians of episodes; beginnings and rate of those whose page was played right before."""
    again = [row for row in rows if row["again"]]
    sizes = [row["text"] for row in rows]
    return Figures(
        first_s=first_s,
        begin_s=statistics.median(row["begin_s"] for row in again),
        step_s=statistics.median(row["step_s"] for row in rows),
        per_s=1 / statistics.median(row["whole_s"] for row in again),
        tokens=statistics.median(map(estimate_tokens, sizes)),
        characters=statistics.median(map(len, sizes)),
        episodes=len(rows),
    )


def table(found: Mapping[str, Figures]) -> str:
    """Rows for Markdown: each figure, and how many times ours it is."""
    head = ("", "first page s", "begin ms", "click ms", "episodes/s", "tokens shown", "episodes")
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    ours = next(iter(found.values()))
    for name, one in found.items():
        cells = [
            _cell(one.first_s, ours.first_s, ".1f"),
            _cell(one.begin_s * 1000, ours.begin_s * 1000, ".0f"),
            _cell(one.step_s * 1000, ours.step_s * 1000, ".0f"),
            _cell(one.per_s, ours.per_s, ".2f"),
            _cell(one.tokens, ours.tokens, ".0f"),
            str(one.episodes),
        ]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(value: float, ours: float, form: str) -> str:
    ratio = "" if value == ours else f" (x {value / ours:.2f})"
    return f"{value:{form}}{ratio}"


def main() -> None:
    """Plays and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", default="", help="interpreter that has the others")
    parser.add_argument("--rivals", default=",".join(RIVALS), help="which, with commas between")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    rivals = given.rivals.split(",") if given.python else []
    python = {"journeyman": sys.executable} | dict.fromkeys(rivals, given.python)
    sys.stdout.write(table(measured(python, rounds=given.rounds)) + "\n")


if __name__ == "__main__":
    main()
