"""`python -m bench.growth [--episodes 10000]`: how ledger, index and prompt grow with experience.

Ten thousand scripted episodes of ALFWorld's train games (`bench/memory/growth.py`), kept by the
rule that ships: lessons are admitted, promoted and retired after each episode. A run that was
stopped goes on from its folder, and the page is written anew from what is there.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from agent.settings import load
from agent.worlds import alfworld_data
from bench.loop_costs import taken
from bench.memory.growth import Point, grow, lived, script
from bench.memory.rows import read
from memory.embed import Embedder, HashEmbedder, MiniLM
from memory.life import Bounds

EPISODES = 10_000
FROM = 1000
"""Episodes from which growth is read: before, everything is new."""
INK = "#22302c"
COLOURS = ("#1f6f54", "#b0643a", "#2f6db3", "#8a4fa3")
Measure = tuple[str, str, Callable[[Point], float]]
MEASURES: tuple[Measure, ...] = (
    ("lessons that may be shown", "", lambda point: point.entries),
    ("recalled tokens in a prompt", "", lambda point: point.recalled[0]),
    ("index", "MB", lambda point: point.index / 1e6),
    ("ledger", "MB", lambda point: point.ledger / 1e6),
)


def exponent(points: Sequence[Point], measure: Callable[[Point], float]) -> float | None:
    """The power of episodes with which something grew from `FROM` on: 0 is flat, 1 is linear.

    The slope of a straight line through the logarithms; None for fewer than two points.
    """
    some = [(math.log(p.episodes), measure(p)) for p in points if p.episodes >= FROM]
    pairs = [(x, math.log(y)) for x, y in some if y > 0]
    if len(pairs) < 2:
        return None
    mean_x, mean_y = (sum(side) / len(pairs) for side in zip(*pairs, strict=True))
    across = sum((x - mean_x) ** 2 for x, _ in pairs)
    return sum((x - mean_x) * (y - mean_y) for x, y in pairs) / across


def table(points: Sequence[Point]) -> str:
    """The points as Markdown."""
    head = (
        "episodes", "tasks", "drafted", "may be shown", "retired", "duplicates",
        "recalled tokens (most)", "recall p50 ms", "index MB", "ledger MB", "ledger kB an episode",
    )  # fmt: skip
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for one in points:
        mean, most = one.recalled
        cells = (
            f"{one.episodes:,}", f"{one.tasks:,}", f"{one.drafted:,}", f"{one.entries:,}",
            f"{one.retired:,}", str(one.duplicates), f"{mean:.0f} ({most})",
            f"{one.recall.p50:.1f}",
            f"{one.index / 1e6:.1f}", f"{one.ledger / 1e6:.1f}",
            f"{one.ledger / one.episodes / 1e3:.1f}",
        )  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def verdicts(points: Sequence[Point]) -> list[str]:
    """What grows how, in words."""
    told: list[str] = []
    for name, _, measure in MEASURES:
        power = exponent(points, measure)
        if power is not None:
            word = "falls" if power < -0.1 else "is flat" if power < 0.1 else "grows"
            slower = ", slower than episodes" if 0.1 <= power < 0.9 else ""
            told.append(f"{name}: {word} (episodes^{power:.2f}{slower})")
    return told


def draw(points: Sequence[Point], out: Path) -> None:
    """The curves as a picture, each in a frame of its own, with episodes across."""
    with mpl.rc_context({"font.family": "DejaVu Sans", "font.size": 10, "text.color": INK}):
        figure = Figure(figsize=(9.6, 5.2), layout="constrained", facecolor="white")
        FigureCanvasAgg(figure)
        for at, (name, unit, measure) in enumerate(MEASURES):
            axes = figure.add_subplot(2, 2, at + 1)
            x, y = [one.episodes for one in points], [measure(one) for one in points]
            axes.plot(x, y, marker="o", markersize=4, color=COLOURS[at], linewidth=2)
            axes.set_title(f"{name}, {unit}" if unit else name, fontsize=11, loc="left")
            axes.set_ylim(0, max(y, default=1) * 1.15 or 1)
            axes.grid(axis="y", linewidth=0.6, alpha=0.5)
            axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
            axes.spines[["top", "right"]].set_visible(False)
            if at >= 2:
                axes.set_xlabel("episodes")
        out.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(out, dpi=130)


def page(points: Sequence[Point], *, picture: str, costs: str = "") -> str:
    """What is told of it, as Markdown; `costs` is the section of `bench/loop_costs.py`."""
    told = "\n".join(f"- {line}" for line in verdicts(points))
    reached = max((one.episodes for one in points), default=0)
    return (
        f"""# What {EPISODES:,} episodes leave behind

`python -m bench.growth` plays scripted episodes of ALFWorld's train games: tasks come back as work
does (few often, many seldom), each episode drafts two lessons, and after each the rule that ships
admits, promotes and retires. It has played {reached:,} of {EPISODES:,}; a run that was stopped goes
on. Written by that command; nothing here is typed.

![Growth]({picture})

{table(points)}

From {FROM:,} episodes on (0 is flat, 1 is linear):

{told}

What a prompt carries is bounded by `memory.budget_tokens`, what may be shown by
`memory.capacity`. The ledger keeps every run whole, so it grows with every episode; lessons that
were retired stay in it, and can be brought back. Recalled tokens are the mean and the most over 50
tasks that come next; the rest of a prompt does not depend on memory. Duplicates are lessons that
say what another says, by the rule of admission. Recall is wall clock without the embedding, on a
machine with other work: `python -m bench.memory` measures it alone.

{costs}""".rstrip()
        + "\n"
    )


def main() -> None:
    """Plays on to as many episodes as are asked for, and writes page and picture."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument(
        "--episodes", type=int, default=EPISODES, help="0: the page of what was played so far"
    )
    asked.add_argument("--out", type=Path, default=load().home / "bench" / "growth")
    asked.add_argument("--page", type=Path, default=None, help="default: growth.md in --out")
    asked.add_argument("--no-model", action="store_true", help="vectors by hashing")
    given = asked.parse_args()
    began = time.monotonic()

    def told(text: str) -> None:
        sys.stderr.write(f"{time.monotonic() - began:6.0f} s  {text}\n")

    points = _points(given.out / "life")
    if given.episodes > 0:
        embedder: Embedder = HashEmbedder() if given.no_model else MiniLM()
        points = grow(
            "life",
            script(alfworld_data(load()), cache=given.out / "cache"),
            given.out / "life",
            embedder=embedder,
            episodes=given.episodes,
            rule=lived(Bounds()),
            told=told,
            listed=True,
        )
    target = given.page or given.out / "growth.md"
    picture = target.parent / "pictures" / f"{target.stem}.png"
    costs = taken(target.read_text("utf-8")) if target.is_file() else ""
    draw(points, picture)
    shown = picture.relative_to(target.parent)
    target.write_text(page(points, picture=shown.as_posix(), costs=costs), "utf-8")
    told(f"wrote {target}")


def _points(folder: Path) -> list[Point]:
    """Those of a run that was stopped."""
    found = (read(Point, path) for path in folder.glob("point-*.json"))
    return sorted((one for one in found if one), key=lambda one: one.episodes)


if __name__ == "__main__":
    main()
