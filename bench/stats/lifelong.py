"""What learning one family of tasks does to the others: transfer, forgetting, efficiency.

Lopez-Paz & Ranzato 2017, "Gradient Episodic Memory" (arXiv 1706.08840), for transfer; Chaudhry et
al. 2018 (arXiv 1801.10112) for forgetting; New et al. 2022 (arXiv 2201.08278) and Baker et al. 2023
(arXiv 2301.07799) for the names and for performance maintenance and sample efficiency; catalogue
row lifelong-metrics.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from statistics import fmean

import numpy as np

from bench.lab.types import Row
from envs.errors import UserError
from envs.types import Frozen

WINDOW = 5
"""Train tasks over which success is averaged to see when it is at its height."""
Matrix = Sequence[Sequence[float]]


class Block(Frozen):
    """A stretch of train tasks of one family."""

    family: str
    """Type of task."""
    learned: int
    """Train tasks learned from when it has ended."""


class Lifelong(Frozen):
    """Metrics of a sequence of families; means over seeds where there are several."""

    families: tuple[str, ...]
    """Families in the order of learning (of the first seed)."""
    seeds: int
    """Seeds averaged over."""
    accuracy: float
    """Mean over families at the end."""
    forward: float | None
    """Forward transfer: success on a family just before it is learned, less that at the very start.
    None for one family."""
    backward: float | None
    """Backward transfer: success on a family at the end, less that just after it was learned;
    negative where it was forgotten. None for one family."""
    forgetting: float | None
    """How far families fell from their best since they were learned; 0 is best, None for one."""
    maintenance: float | None
    """Performance maintenance: like `backward`, on average over all checkpoints since and not at
    the end alone. None for one family."""
    sample_efficiency: float | None
    """Height of success while learning against the reference's, times how much sooner it was
    reached; above 1 is better than the reference. None where either never succeeded, or where
    there is no reference."""


def lifelong(matrix: Matrix, *, families: Sequence[str] = ()) -> Lifelong:
    """Metrics from R, shape (families + 1, families).

    R[i][j] is success on family j after learning the first i families, so R[0] is before any; the
    families stand in the order of learning. Raises `UserError` for another shape.
    """
    table = np.asarray(matrix, dtype=float)
    count = table.shape[1] if table.ndim == 2 else 0
    if count == 0 or table.shape[0] != count + 1:
        raise UserError(
            f"a matrix of shape {table.shape} is no sequence of families",
            repair="give one row before learning and one after each family",
        )
    ahead = [table[j, j] - table[0, j] for j in range(1, count)]
    behind = [table[count, j] - table[j + 1, j] for j in range(count - 1)]
    fallen = [table[j + 1 : count, j].max() - table[count, j] for j in range(count - 1)]
    since = [
        table[i, j] - table[j + 1, j] for j in range(count - 1) for i in range(j + 2, count + 1)
    ]
    return Lifelong(
        families=tuple(families) or tuple(map(str, range(count))),
        seeds=1,
        accuracy=float(table[count].mean()),
        forward=_mean(ahead),
        backward=_mean(behind),
        forgetting=_mean(fallen),
        maintenance=_mean(since),
        sample_efficiency=None,
    )


def efficiency(
    won: Sequence[bool], reference: Sequence[bool], *, window: int = WINDOW
) -> float | None:
    """(height / height of the reference) x (tasks until the reference's height / until its own).

    Both are what happened on the train tasks of one family, in order; the height is the best mean
    over `window` tasks in a row. None where either is empty or never succeeded.
    """
    mine, other = _height(won, window), _height(reference, window)
    if mine is None or other is None:
        return None
    return (mine[0] / other[0]) * (other[1] / mine[1])


def blocks(rows: Sequence[Row]) -> tuple[Block, ...]:
    """The families that one seed of an arm learned, from its learning rows.

    Raises `UserError` where a family comes back after another one.
    """
    learning = sorted((row for row in rows if row.phase == "learn"), key=lambda row: row.learned)
    found = [
        Block(family=family, learned=[row.learned for row in group][-1] + 1)
        for family, group in groupby(learning, key=lambda row: row.task_type)
    ]
    names = [block.family for block in found]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UserError(
            f"train tasks of {twice[0]!r} come in several stretches",
            repair="order them so that one family is learned after the other",
        )
    return tuple(found)


def from_rows(
    rows: Sequence[Row],
    *,
    reference: Sequence[Row] = (),
    sequence: Sequence[Block] = (),
    window: int = WINDOW,
) -> Lifelong:
    """Metrics of one arm, learning and measuring rows of all its seeds.

    It has to be measured before learning and after each family. An arm that keeps nothing is the
    same after each, so it may have been measured at 0 alone; `sequence` then gives the order.
    `reference` is what sample efficiency is held against: the rows of the arm without memory.
    Seeds may learn in different orders; the metrics of each are averaged.
    """
    metrics = []
    for seed in sorted({row.seed for row in rows}):
        mine = [row for row in rows if row.seed == seed]
        order = blocks(mine) or tuple(sequence)
        if not order:
            raise UserError(
                f"nothing says in which order families were learned (seed {seed})",
                repair="pass the learning rows too, or the sequence of blocks",
            )
        table = [
            [_success(mine, learned, block.family) for block in order]
            for learned in (0, *(block.learned for block in order))
        ]
        found = lifelong(table, families=[block.family for block in order])
        others = [row for row in reference if row.seed == seed] or list(reference)
        ratios = [
            efficiency(_stream(mine, block), _stream(others, block), window=window)
            for block in order
        ]
        ratio = _mean([value for value in ratios if value is not None])
        metrics.append(found.model_copy(update={"sample_efficiency": ratio}))
    if not metrics:
        raise UserError("no rows, no metrics", repair="pass the rows of one arm")
    return _average(metrics)


def lines(on: Lifelong, off: Lifelong) -> tuple[str, ...]:
    """What an evaluation prints: the metrics with memory and without it."""
    names = {
        "accuracy": "accuracy at the end",
        "forward": "forward transfer",
        "backward": "backward transfer",
        "forgetting": "forgetting",
        "maintenance": "maintenance",
        "sample_efficiency": "sample efficiency",
    }
    head = f"{'':22}{'memory on':>12}{'memory off':>12}"
    told = [
        f"{words:22}{_figure(getattr(on, name)):>12}{_figure(getattr(off, name)):>12}"
        for name, words in names.items()
    ]
    return (head, *told)


def _success(rows: Sequence[Row], learned: int, family: str) -> float:
    measured = [row for row in rows if row.phase == "measure"]
    keeps = any(row.learned for row in measured)
    won = [
        row.won
        for row in measured
        if row.task_type == family and row.learned == (learned if keeps else 0)
    ]
    if not won:
        raise UserError(
            f"{family!r} was not measured after {learned} train tasks",
            repair="measure every family at 0 and after each family (`checkpoints`)",
        )
    return fmean(won)


def _stream(rows: Sequence[Row], block: Block) -> list[bool]:
    learning = [row for row in rows if row.phase == "learn" and row.task_type == block.family]
    return [row.won for row in sorted(learning, key=lambda row: (row.seed, row.learned))]


def _height(won: Sequence[bool], window: int) -> tuple[float, int] | None:
    """Best mean over `window` tasks in a row, and after how many tasks it was first reached."""
    if not any(won):
        return None
    width = min(window, len(won))
    means = np.convolve(np.asarray(won, dtype=float), np.ones(width), mode="valid") / width
    best = int(np.argmax(np.round(means, 9)))
    return float(means[best]), best + width


def _average(metrics: Sequence[Lifelong]) -> Lifelong:
    def over(name: str) -> float | None:
        return _mean([value for one in metrics if (value := getattr(one, name)) is not None])

    names = ("forward", "backward", "forgetting", "maintenance", "sample_efficiency")
    return metrics[0].model_copy(
        update={
            "seeds": len(metrics),
            "accuracy": fmean(one.accuracy for one in metrics),
            **{name: over(name) for name in names},
        }
    )


def _mean(values: Sequence[float]) -> float | None:
    return float(fmean(values)) if values else None


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
