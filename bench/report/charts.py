"""Pictures, by matplotlib: SVG that takes its colours and its font from the page.

Every picture is drawn twice, for wide and for narrow screens. Colours are drawn as place-holders
that become CSS variables, so that one file serves light and dark.
"""

from __future__ import annotations

import io
import re
import textwrap
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from matplotlib.typing import RcKeyType

from bench.report.view import Chart

SERIES = 10
INK, MUTED, GRID, PAPER = "#b00001", "#b00002", "#b00003", "#b00004"
COLOURS = {INK: "ink", MUTED: "muted", GRID: "grid", PAPER: "paper"}
COLOURS |= {f"#a000{at:02x}": f"s{at}" for at in range(SERIES)}
OUTCOMES = {
    "solved": "#c00001",
    "unfinished": "#c00002",
    "searching": "#c00003",
    "looping": "#c00004",
    "idle": "#c00005",
    "budget": "#c00006",
    "crashed": "#c00007",
    "leak": "#c00008",
}
COLOURS |= {colour: f"o-{outcome}" for outcome, colour in OUTCOMES.items()}
SHAPES = "osD^vPX<>h"
"""Markers, so that a series is known without its colour."""
WIDE, NARROW = 9.6, 3.8
"""Inches."""
LETTERS, FEW_LETTERS = 34, 17
"""Where the names of arms break, on wide and on narrow pictures."""
STYLE: dict[RcKeyType, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "journeyman",
    "text.parse_math": False,
    "axes.formatter.use_mathtext": False,
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": GRID,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "xtick.color": GRID,
    "ytick.color": GRID,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": INK,
    "grid.color": GRID,
    "legend.frameon": False,
    "legend.labelcolor": INK,
}


class Dot(NamedTuple):
    """A figure with its interval and a wider one; `series` gives colour and shape.

    `bar`: where a line of its own stands for it, such as a margin.
    """

    name: str
    at: float
    low: float
    high: float
    note: str = ""
    series: int = 0
    outer: tuple[float, float] | None = None
    bar: float | None = None


class Spot(NamedTuple):
    """What something costs against what it brings."""

    name: str
    x: float
    at: float
    low: float
    high: float
    series: int = 0


class Mark(NamedTuple):
    """Something that happened; marks of one sort look alike."""

    x: float
    lane: str
    sort: str
    series: int = 0
    hollow: bool = False


class Line(NamedTuple):
    """A curve with its band; a line with one point is drawn across, as something to compare."""

    name: str
    x: Sequence[float]
    at: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]
    series: int = 0


def whiskers(
    dots: Sequence[Dot], *, name: str, alt: str, differences: bool = False, label: str = ""
) -> Chart:
    """Dots with whiskers, one below the other; of rates (0 to 1) or of differences (-1 to 1)."""

    def paint(axes: Axes, wide: bool) -> None:
        names = [_wrapped(dot.name, wide=wide) for dot in dots]
        for at, dot in enumerate(dots):
            colour = _colour(dot.series)
            if dot.outer:
                axes.hlines(at, *dot.outer, color=colour, linewidth=1.2)
            axes.hlines(at, dot.low, dot.high, color=colour, linewidth=3.4 if dot.outer else 2.2)
            if dot.bar is not None:
                axes.vlines(dot.bar, at - 0.32, at + 0.32, color=INK, linewidth=1.6)
            shape = SHAPES[dot.series % SERIES]
            axes.plot(dot.at, at, shape, color=colour, markersize=7, clip_on=False)
            axes.text(1.02, at, dot.note, transform=axes.get_yaxis_transform(), va="center")
        axes.set_yticks(range(len(dots)), names)
        axes.set_ylim(len(dots) - 0.5, -0.5)
        axes.tick_params(axis="y", length=0)
        if differences:
            edge = max(0.2, *(abs(end) for dot in dots for end in _reach(dot))) * 1.05
            axes.set_xlim(-min(edge, 1.05), min(edge, 1.05))
            axes.axvline(0, color=MUTED, linewidth=1)
            axes.xaxis.set_major_formatter(_points)
        else:
            _rates(axes, which="x")
        axes.grid(axis="x", linewidth=0.7)
        axes.set_xlabel(label or ("points" if differences else "solved"))

    return _chart(paint, name=name, alt=alt, height=_rows([dot.name for dot in dots]))


def scatter(spots: Sequence[Spot], *, name: str, alt: str, label: str) -> Chart:
    """Rates against a cost, on a logarithmic scale where costs differ more than tenfold."""

    def paint(axes: Axes, wide: bool) -> None:
        for spot in spots:
            colour, shape = _colour(spot.series), SHAPES[spot.series % SERIES]
            axes.vlines(spot.x, spot.low, spot.high, color=colour, linewidth=1.6, alpha=0.6)
            named = _wrapped(spot.name, wide=wide, most=30)
            axes.plot(
                spot.x, spot.at, shape, color=colour, markersize=8, label=named, ls="none",
                clip_on=False,
            )  # fmt: skip
        costs = [spot.x for spot in spots]
        if min(costs) > 0 and max(costs) > 10 * min(costs):
            axes.set_xscale("log")
            axes.margins(x=0.12)
            axes.minorticks_off()
        else:
            axes.set_xlim(0, max(costs) * 1.15 or 1)
            axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.xaxis.set_major_formatter(lambda x, _: f"{x:,.0f}" if x >= 10 or x == 0 else f"{x:g}")
        _rates(axes, which="y")
        axes.grid(linewidth=0.7)
        axes.set_xlabel(label)
        axes.set_ylabel("solved")
        _legend(axes, wide=wide)

    return _chart(paint, name=name, alt=alt, height=_legended(3.2, len(spots)))


def curves(lines: Sequence[Line], *, name: str, alt: str, label: str) -> Chart:
    """Learning curves with bands; what does not learn is a dotted line across."""

    def paint(axes: Axes, wide: bool) -> None:
        for line in lines:
            colour, named = _colour(line.series), _wrapped(line.name, wide=wide, most=30)
            if len(line.x) == 1:
                axes.axhline(line.at[0], color=colour, linestyle=":", linewidth=2, label=named)
                continue
            shape = SHAPES[line.series % SERIES]
            axes.fill_between(line.x, line.low, line.high, color=colour, alpha=0.15, linewidth=0)
            axes.plot(line.x, line.at, marker=shape, color=colour, label=named, linewidth=2)
        where = sorted({x for line in lines if len(line.x) > 1 for x in line.x})
        axes.set_xticks(where, [f"{x:g}" for x in where])
        _rates(axes, which="y")
        axes.grid(linewidth=0.7)
        axes.set_xlabel(label)
        axes.set_ylabel("solved")
        _legend(axes, wide=wide)

    return _chart(paint, name=name, alt=alt, height=_legended(3.6, len(lines)))


def bars(parts: Mapping[str, Mapping[str, int]], *, name: str, alt: str) -> Chart:
    """For each name the shares of outcomes, one bar each, in the order of `OUTCOMES`."""

    def paint(axes: Axes, wide: bool) -> None:
        totals = [sum(counts.values()) for counts in parts.values()]
        left = [0.0] * len(parts)
        for outcome, colour in OUTCOMES.items():
            shares = [
                counts.get(outcome, 0) / total if total else 0.0
                for counts, total in zip(parts.values(), totals, strict=True)
            ]
            if any(shares):
                axes.barh(
                    range(len(parts)), shares, left=left, color=colour, label=outcome, height=0.66,
                    edgecolor=PAPER, linewidth=0.8,
                )  # fmt: skip
            left = [a + b for a, b in zip(left, shares, strict=True)]
        axes.set_yticks(range(len(parts)), [_wrapped(name, wide=wide) for name in parts])
        axes.set_ylim(len(parts) - 0.5, -0.5)
        axes.tick_params(axis="y", length=0)
        for at, total in enumerate(totals):
            axes.text(1.02, at, str(total), transform=axes.get_yaxis_transform(), va="center")
        _rates(axes, which="x")
        axes.set_xlim(0, 1)
        axes.set_xlabel("share of tasks")
        _legend(axes, wide=wide)

    (wide, narrow), below = _rows(list(parts)), _legended(0.0, len(OUTCOMES))[1]
    return _chart(paint, name=name, alt=alt, height=(max(wide, 2.2), narrow + below))


def events(marks: Sequence[Mark], *, lanes: Sequence[str], name: str, alt: str) -> Chart:
    """What happened, in order from left to right, in a lane for each sort of thing."""

    def paint(axes: Axes, wide: bool) -> None:
        for at, sort in enumerate(dict.fromkeys(mark.sort for mark in marks)):
            some = [mark for mark in marks if mark.sort == sort]
            series = next(mark.series for mark in some)
            axes.plot(
                [mark.x for mark in some], [lanes.index(mark.lane) for mark in some],
                SHAPES[series % SERIES], color=_colour(series), label=sort, ls="none",
                markersize=7 if wide else 5, clip_on=False, zorder=3 + at,
                markerfacecolor="none" if some[0].hollow else _colour(series),
            )  # fmt: skip
        axes.set_yticks(range(len(lanes)), list(lanes))
        axes.set_ylim(len(lanes) - 0.5, -0.5)
        axes.tick_params(axis="y", length=0)
        axes.xaxis.set_major_locator(MaxNLocator(6 if wide else 4, integer=True))
        axes.grid(axis="y", linewidth=0.7)
        axes.set_xlabel("changes, oldest first")
        _legend(axes, wide=wide)

    (wide, narrow), below = _rows(list(lanes)), _legended(0.0, 4)[1]
    return _chart(paint, name=name, alt=alt, height=(max(wide, 2.0), narrow + below))


def reliability(lines: Sequence[Line], *, name: str, alt: str) -> Chart:
    """What was promised against what came true; the diagonal is a perfect verifier."""

    def paint(axes: Axes, wide: bool) -> None:
        axes.plot([0, 1], [0, 1], color=MUTED, linestyle=":", linewidth=1.5, label="perfect")
        for line in lines:
            colour = _colour(line.series)
            axes.vlines(line.x, line.low, line.high, color=colour, linewidth=1.6, alpha=0.6)
            shape, named = SHAPES[line.series % SERIES], _wrapped(line.name, wide=wide, most=30)
            axes.plot(line.x, line.at, marker=shape, color=colour, label=named, linewidth=1.4)
        _rates(axes, which="y")
        _rates(axes, which="x")
        axes.grid(linewidth=0.7)
        axes.set_xlabel("the verifier's probability of success")
        axes.set_ylabel("came true")
        _legend(axes, wide=wide)

    return _chart(paint, name=name, alt=alt, height=_legended(3.6, len(lines) + 1))


def _reach(dot: Dot) -> tuple[float, ...]:
    """All ends that have to be seen."""
    return (dot.low, dot.high, *(dot.outer or ()), *(() if dot.bar is None else (dot.bar,)))


def _chart(
    paint: Callable[[Axes, bool], None], *, name: str, alt: str, height: tuple[float, float]
) -> Chart:
    """`paint` on a wide and on a narrow figure, so many inches high."""
    pictures = []
    for wide, tall in zip((True, False), height, strict=True):
        with mpl.rc_context(STYLE):
            figure = Figure(figsize=(WIDE if wide else NARROW, tall), layout="constrained")
            FigureCanvasSVG(figure)
            axes = figure.add_subplot()
            paint(axes, wide)
            out = io.StringIO()
            figure.savefig(out, format="svg", transparent=True, metadata={"Date": None})
            pictures.append(_inline(out.getvalue(), key=f"{name}|{wide}"))
    return Chart(name=name, alt=alt, wide=pictures[0], narrow=pictures[1])


def _rows(names: Sequence[str]) -> tuple[float, float]:
    """Heights of a wide and of a narrow picture with a line for each name."""
    lines = [[len(textwrap.wrap(n, most)) or 1 for n in names] for most in (LETTERS, FEW_LETTERS)]
    wide, narrow = (0.75 + len(names) * (0.22 + 0.17 * max(some, default=1)) for some in lines)
    return wide, narrow


def _legended(height: float, names: int) -> tuple[float, float]:
    """The same for a picture whose legend stands below it where it is narrow."""
    return height, height * 0.85 + 0.24 * names


def _inline(svg: str, *, key: str) -> str:
    """The `svg` element alone, with the page's colours and font, and ids of its own."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = re.sub(r"\s*<style type=\"text/css\">.*?</style>", "", svg, flags=re.DOTALL)
    mark = f"f{zlib.crc32(key.encode()):x}-"
    svg = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{mark}", svg)
    svg = re.sub(r"(font: [^']*?)'DejaVu Sans'[^;\"]*", r"\g<1>var(--sans)", svg)
    svg = re.sub(r"font-family: [^;\"]*", "font-family: var(--sans)", svg)
    for colour, variable in COLOURS.items():
        svg = svg.replace(colour, f"var(--{variable})")
    head, rest = svg.split(">", 1)
    width = re.search(r'viewBox="0 0 ([\d.]+)', head)
    style = f'style="max-width:{float(width[1]) * 4 / 3:.0f}px"' if width else ""
    head = re.sub(r' (width|height)="[\d.]+pt"', "", head)
    return f'{head} {style} aria-hidden="true" focusable="false">{rest}'


def _rates(axes: Axes, *, which: str) -> None:
    axis = axes.xaxis if which == "x" else axes.yaxis
    (axes.set_xlim if which == "x" else axes.set_ylim)(-0.02, 1.02)
    axis.set_ticks([0, 0.25, 0.5, 0.75, 1.0])
    axis.set_major_formatter(lambda x, _: f"{x * 100:.0f} %")
    axis.set_tick_params(labelcolor=MUTED)


def _points(x: float, _: float) -> str:
    return f"{x * 100:+.0f}".replace("-", "−") if abs(x) > 1e-9 else "0"


def _legend(axes: Axes, *, wide: bool) -> None:
    if wide:
        axes.legend(loc="center left", bbox_to_anchor=(1.05, 0.5))
    elif axes.figure is not None:
        axes.legend(loc="upper left", bbox_to_anchor=(0, -0.18), ncols=1)


def _colour(series: int) -> str:
    return f"#a000{series % SERIES:02x}"


def _wrapped(name: str, *, wide: bool, most: int = FEW_LETTERS) -> str:
    return "\n".join(textwrap.wrap(name, LETTERS if wide else most)) or name
