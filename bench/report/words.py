"""Numbers in words: rates, intervals, differences, amounts."""

from __future__ import annotations

from bench.report.view import NONE

GAP = "\N{NO-BREAK SPACE}"
MINUS = "\N{MINUS SIGN}"


def percent(rate: float) -> str:
    r"""`0.2` as `20 %`; a figure after the point only where it says something.

    >>> percent(0.2), percent(0.022)
    ('20\xa0%', '2.2\xa0%')
    """
    return f"{_hundredths(rate)}{GAP}%"


def between(low: float, high: float) -> str:
    """An interval of rates: `7 to 45 %`."""
    return f"{_hundredths(low)} to {_hundredths(high)}{GAP}%"


def points(difference: float) -> str:
    """A difference of rates: `+20 points`."""
    return f"{signed(difference)}{GAP}points"


def signed(difference: float) -> str:
    """A difference of rates in hundredths, with its sign: `+20`, `−6.7`."""
    figure = _hundredths(abs(difference))
    return figure if figure == "0" else f"{'+' if difference > 0 else MINUS}{figure}"


def span(low: float, high: float) -> str:
    """An interval of differences: `−5 to +40`."""
    return f"{signed(low)} to {signed(high)}"


def amount(value: float | None) -> str:
    """A count or a mean with about three figures: `12,300`, `4.2`."""
    if value is None:
        return NONE
    if value == int(value) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2g}"


def seconds(value: float | None) -> str:
    """A time: `0.4 s`, `12 s`, `3 min`, `2.1 h`."""
    if value is None:
        return NONE
    if value < 120:
        return f"{value:.2g}{GAP}s" if value < 10 else f"{value:.0f}{GAP}s"
    if value < 7200:
        return f"{value / 60:.0f}{GAP}min"
    return f"{value / 3600:.1f}{GAP}h"


def money(value: float | None) -> str:
    """US dollars: `$0.0042`."""
    if value is None:
        return NONE
    return "$0" if value == 0 else f"${value:,.4f}" if value < 1 else f"${value:,.2f}"


def listed(names: list[str]) -> str:
    """`a, b and c`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def plural(number: int, noun: str) -> str:
    """`1 task`, `2,000 tasks`."""
    return f"{number:,}{GAP}{noun}{'' if number == 1 else 's'}"


def _hundredths(rate: float) -> str:
    figure = rate * 100
    few = figure < 9.95 or 99 < figure < 100
    return f"{figure:.1f}".removesuffix(".0") if few else f"{figure:.0f}"
