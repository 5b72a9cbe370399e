"""`python -m bench.distill.curve [--rows FILE --out docs/pictures/curve.png]`: the README's curve.

Success of the embedded model in rooms that no train task has, before and after each round of
training, against the minutes that the trainings took; from the rows of the experiment `distill`
and the records of the trainings, which both lie in docs/.
"""

from __future__ import annotations

import argparse
import gzip
import json
from pathlib import Path

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from scipy.stats import binomtest

from envs.types import Frozen

DOCS = Path(__file__).resolve().parents[2] / "docs"
INK, SOFT, GREEN, WARM = "#22302c", "#6c7a75", "#1f6f54", "#b0643a"
SETS = {
    "test": "rooms that no train task has",
    "seen": "valid_seen, the official split",
}


class Point(Frozen):
    """What an arm reached on a set."""

    solved: int
    """Tasks."""
    n: int
    """Tasks in all."""

    @property
    def share(self) -> float:
        """From 0 to 1."""
        return self.solved / self.n

    @property
    def bounds(self) -> tuple[float, float]:
        """Wilson's 95 % interval."""
        found = binomtest(self.solved, self.n).proportion_ci(method="wilson")
        return float(found.low), float(found.high)


def points(rows: Path) -> dict[tuple[str, str], Point]:
    """By arm and split, of ALFWorld, first attempts, crashes counted as failures."""
    counted: dict[tuple[str, str], list[bool]] = {}
    with gzip.open(rows, "rt", encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            if row["env"] == "alfworld" and row["phase"] == "measure":
                counted.setdefault((row["arm"], row["split"]), []).append(bool(row["passed"]))
    return {key: Point(solved=sum(won), n=len(won)) for key, won in counted.items()}


class Spent(Frozen):
    """What all trainings until a round's end took."""

    episodes: int
    """Train episodes that rows were made of."""
    tokens: int
    """Tokens that were trained on, each as often as it was."""
    minutes: float
    """Of training, on two cores."""


def spent(folder: Path) -> list[Spent]:
    """After each round, from the records of the trainings; the first round had two parts."""
    found: dict[int, Spent] = {}
    runs: set[str] = set()
    tokens, took = 0.0, 0.0
    for path in sorted(folder.glob("alfworld-*.json")):
        record = json.loads(path.read_text("utf-8"))
        runs.update(run for run in record["sources"] if run.startswith("r"))
        tokens += record["tokens"] * record["plan"]["epochs"]
        took += record["seconds"] / 60
        number = int("".join(c for c in path.stem.partition("-")[2] if c.isdigit()))
        found[number] = Spent(episodes=len(runs), tokens=round(tokens), minutes=took)
    return [found[number] for number in sorted(found)]


def table(found: dict[tuple[str, str], Point], took: list[Spent]) -> list[str]:
    """Success against train episodes and against tokens, in Markdown."""
    lines = ["| weights alone | train episodes | tokens trained on | minutes | val | test | seen |"]
    lines.append("|---" * 7 + "|")
    nothing = Spent(episodes=0, tokens=0, minutes=0)
    for arm, one in [("base", nothing), *((f"round {n}", one) for n, one in enumerate(took))]:
        solved = (found.get((arm, split)) for split in ("val", "test", "seen"))
        cells = " | ".join(f"{one.solved} of {one.n}" if one else "" for one in solved)
        told = f"{one.episodes:,} | {one.tokens:,} | {one.minutes:.0f}"
        lines.append(f"| {arm} | {told} | {cells} |")
    return lines


def draw(found: dict[tuple[str, str], Point], took: list[Spent], out: Path) -> None:
    """The picture; arms that are not measured yet are left out."""
    with mpl.rc_context({"font.family": "DejaVu Sans", "font.size": 10.5, "text.color": INK}):
        figure = Figure(figsize=(8.6, 3.7), layout="constrained", facecolor="white")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        for split, colour in (("test", GREEN), ("seen", WARM)):
            arms = [("base", 0.0), *((f"round {n}", one.minutes) for n, one in enumerate(took))]
            line = [(at, found[arm, split]) for arm, at in arms if (arm, split) in found]
            if not line:
                continue
            xs, ys = [at for at, _ in line], [point.share for _, point in line]
            low = [y - point.bounds[0] for y, (_, point) in zip(ys, line, strict=True)]
            high = [point.bounds[1] - y for y, (_, point) in zip(ys, line, strict=True)]
            axes.errorbar(
                xs,
                ys,
                yerr=(low, high),
                color=colour,
                marker="o",
                linewidth=2,
                capsize=3,
                label=f"{SETS[split]}: {max(point.n for _, point in line)} games",
            )
            whole = max(point.n for _, point in line)
            for (_, point), x, y in zip(line, xs, ys, strict=True):
                axes.annotate(
                    f"{point.solved}" + (f" of {point.n}" if point.n < whole else ""),
                    (x, y),
                    color=colour,
                    fontsize=9,
                    xytext=(6, -13 if split == "test" and y > 0.1 else 8),
                    textcoords="offset points",
                )
            if expert := found.get(("expert", split)):
                axes.axhline(expert.share, color=colour, linestyle=":", linewidth=1.4, alpha=0.8)
        axes.plot([], [], ":", color=SOFT, label="ALFWorld's hand-coded expert")
        axes.set_ylim(-0.04, 1.09)
        axes.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", "25 %", "50 %", "75 %", "100 %"])
        axes.set_xlabel("minutes of training, 2 CPU cores", color=SOFT)
        axes.set_ylabel("games solved", color=SOFT)
        axes.tick_params(colors=SOFT)
        axes.grid(axis="y", linewidth=0.6, alpha=0.5)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, loc="lower right")
        out.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(out, dpi=130)


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.distill.curve", description=__doc__)
    parser.add_argument("--rows", type=Path, default=DOCS / "experiments" / "distill.rows.jsonl.gz")
    parser.add_argument("--students", type=Path, default=DOCS / "students")
    parser.add_argument("--out", type=Path, default=DOCS / "pictures" / "curve.png")
    asked = parser.parse_args()
    found, took = points(asked.rows), spent(asked.students)
    draw(found, took, asked.out)
    for (arm, split), point in sorted(found.items()):
        low, high = point.bounds
        print(
            f"{arm}, {split}: {point.solved} of {point.n} ({low * 100:.0f} to {high * 100:.0f} %)"
        )
    print("\n".join(table(found, took)))
    print(asked.out)


if __name__ == "__main__":
    main()
