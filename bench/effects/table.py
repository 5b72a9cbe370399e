"""The tables of `docs/effects.md`, from pieces; every figure with its Monte-Carlo error."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from bench.effects.judging import LOOKS, Look, Play
from bench.effects.rivals import RULES, Ours
from bench.effects.scenarios import SCENARIOS
from envs.types import Frozen

BEGIN, END = "<!-- tables: begin -->", "<!-- tables: end -->"
"""Between these the page's tables stand."""
SAID = ("helps", "harms", "useless", "can't tell")


class Piece(Frozen):
    """All rules in one world."""

    scenario: str
    """Name of the scenario."""
    seed: int
    """Which draw of it."""
    digest: str
    """Hash of the code that made it."""
    plays: dict[str, Play]
    """By rule."""
    looks: dict[str, tuple[Look, ...]]
    """By rule, for those that measure effects."""


def tables(pieces: Sequence[Piece]) -> str:
    """All tables as Markdown."""
    whole = [
        f"{len({piece.seed for piece in pieces})} worlds of each scenario, "
        "± is one Monte-Carlo standard error over worlds.",
        "\n### Intervals\n",
        *_intervals(pieces),
        "\n### What is said of a lesson in the end\n",
        *_verdicts(pieces),
        "\n### Rules\n",
        *_rules(pieces),
    ]
    return "\n".join(whole)


def put(page: str, text: str) -> str:
    """`page` with `text` between its marks; raises `ValueError` where it has none."""
    before, _, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise ValueError(f"the page lacks the marks {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{text}\n\n{END}{after}"


def _intervals(pieces: Sequence[Piece]) -> list[str]:
    head = ("scenario", "tosses", "sequences", "ever missed, always-valid", "asymptotic")
    widths = tuple(f"± at {n}: valid / asympt. / single" for n in LOOKS)
    lines = _head((*head, "single look", *widths))
    for scenario, rule in _both(pieces, measured=True):
        worlds = [piece.looks[rule] for piece in pieces if piece.scenario == scenario]
        found = [look for looks in worlds for look in looks]
        shares = [
            _percent([[float(getattr(look, name)) for look in looks] for looks in worlds])
            for name in ("exact", "late", "naive")
        ]
        sizes = [
            " / ".join(f"{100 * width:.0f}" for width in np.mean(rows, axis=0)) if rows else "–"
            for place in range(len(LOOKS))
            if (rows := [look.widths[place] for look in found if len(look.widths) > place])
            is not None
        ]
        lines.append(_row([scenario, _tosses(rule), str(len(found)), *shares, *sizes]))
    return lines


def _verdicts(pieces: Sequence[Piece]) -> list[str]:
    lines = _head(("scenario", "tosses", "kind", "lessons", "mean effect", "episodes", *SAID))
    for scenario, rule in _both(pieces, measured=True):
        found = [
            look for piece in pieces if piece.scenario == scenario for look in piece.looks[rule]
        ]
        for kind in dict.fromkeys(look.kind for look in found):
            mine = [look for look in found if look.kind == kind]
            shares = [100 * np.mean([look.verdict == said for look in mine]) for said in SAID]
            lines.append(
                _row(
                    [
                        scenario,
                        _tosses(rule),
                        kind,
                        str(len(mine)),
                        f"{100 * np.mean([look.truth for look in mine]):+.1f}",
                        f"{np.mean([look.episodes for look in mine]):.0f}",
                        *(f"{share:.0f} %" for share in shares),
                    ]
                )
            )
    return lines


def _rules(pieces: Sequence[Piece]) -> list[str]:
    columns: tuple[tuple[str, Callable[[list[Play]], str]], ...] = (
        ("regret, points", lambda plays: _points([play.regret for play in plays])),
        ("last quarter", lambda plays: _points([play.late for play in plays])),
        ("false retirements", lambda plays: _share(plays, "lost", "good")),
        ("missed", lambda plays: _share(plays, "missed", "bad")),
        ("useless retired", lambda plays: _share(plays, "idle", "useless")),
        ("bad shown", lambda plays: _mean([play.bad_shown for play in plays])),
        ("good shown", lambda plays: _mean([play.good_shown for play in plays])),
        ("replays", lambda plays: f"{np.mean([play.replays for play in plays]):.0f}"),
    )
    lines = _head(("scenario", "rule", *(name for name, _ in columns)))
    for scenario, rule in _both(pieces, measured=False):
        plays = [piece.plays[rule] for piece in pieces if piece.scenario == scenario]
        lines.append(_row([scenario, rule, *(show(plays) for _, show in columns)]))
    return lines


def _both(pieces: Sequence[Piece], *, measured: bool) -> Iterable[tuple[str, str]]:
    for scenario in SCENARIOS:
        for rule in RULES:
            here = [piece for piece in pieces if piece.scenario == scenario]
            if here and (rule in here[0].looks if measured else rule in here[0].plays):
                yield scenario, rule


def _tosses(rule: str) -> str:
    return "even" if rule == Ours.name else "adaptive"


def _percent(worlds: Sequence[Sequence[float]]) -> str:
    """Share over all, in percent, with its error over worlds."""
    rates = [float(np.mean(world)) for world in worlds if world]
    if not any(rates):
        return f"0 %, surely < {300 / max(1, sum(map(len, worlds))):.1f} %"
    return f"{100 * np.mean(rates):.1f} ± {100 * _error(rates):.1f} %"


def _points(values: Sequence[float]) -> str:
    return f"{100 * np.mean(values):.1f} ± {100 * _error(values):.1f}"


def _share(plays: Sequence[Play], part: str, whole: str) -> str:
    rates = [getattr(play, part) / getattr(play, whole) for play in plays if getattr(play, whole)]
    return f"{100 * np.mean(rates):.0f} ± {100 * _error(rates):.0f} %" if rates else "–"


def _mean(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{100 * np.mean(known):.0f} %" if known else "–"


def _error(values: Sequence[float]) -> float:
    return float(np.std(values, ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0


def _head(names: Sequence[str]) -> list[str]:
    return [_row(names), _row(["---"] * len(names))]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
