"""What was measured of a lesson, in words and as a line to look at."""

from __future__ import annotations

from memory.families import JOIN
from memory.types import Effect, Measured

WIDTH = 41
"""Characters of the line; odd, so that zero has one of its own."""
MEANS = {
    "helps": "it helps",
    "harms": "it does harm",
    "useless": "it makes no difference that would matter (less than 5 points)",
    "can't tell": "can't tell yet",
}


def in_words(effect: Effect) -> tuple[str, ...]:
    """The effect, how sure it is, what it rests on and what it holds for; a few lines."""
    lines: list[str] = []
    if effect.shown or effect.withheld:
        lines += [
            f"effect {points(effect)}: {MEANS[effect.verdict]}{_ahead(effect)}",
            drawn(effect),
            f"shown in {effect.shown} training episodes, {effect.won_shown} of them solved; "
            f"withheld in {effect.withheld}, {effect.won_withheld} solved",
        ]
    if effect.replayed is not None:
        pairs = effect.replayed
        lines.append(
            f"replayed on {pairs.shown} tasks, with and without it: {points(pairs)}, "
            f"{pairs.won_shown} solved only with it, {pairs.won_withheld} only without: "
            f"{MEANS[pairs.verdict]}"
        )
    if not lines:
        return ("effect not measured yet: no training episode tossed whether to show it",)
    family = effect.unit.split(JOIN)
    if len(family) > 1:
        lines.append(f"tossed together with its near-duplicates: {', '.join(family)}")
    if effect.shown or effect.withheld:
        lines.append(f"shown next with probability {effect.chance:.2f}")
    where = f"holds for version {effect.version}, model {effect.model or 'unknown'}"
    adapter = f", adapter {effect.adapter}" if effect.adapter else ""
    return (*lines, f"{where}{adapter}, settings {effect.policy}, since {effect.since[:19]}")


def points(measured: Measured) -> str:
    """Estimate and interval in points of success."""
    if measured.estimate is None:
        return "unknown"
    low, high = 100 * measured.low, 100 * measured.high
    best = 100 * max(-1.0, min(1.0, measured.estimate))  # weights may carry it beyond
    return f"{best:+.0f} points (95% interval {low:+.0f} to {high:+.0f}, however often one looks)"


def drawn(measured: Measured) -> str:
    """The interval on a line from -100 to +100 points; `|` is zero, `o` the estimate."""
    line = ["·"] * WIDTH
    first, last = place(measured.low), place(measured.high)
    line[first : last + 1] = "─" * (last + 1 - first)
    line[first], line[last] = "├", "┤"
    line[place(0.0)] = "|"
    if measured.estimate is not None:
        line[place(measured.estimate)] = "o"
    return f"-100 {''.join(line)} +100"


def place(value: float) -> int:
    """Where an effect from -1 to 1 stands on the line."""
    return round((max(-1.0, min(1.0, value)) + 1) / 2 * (WIDTH - 1))


def _ahead(effect: Effect) -> str:
    if effect.verdict != "can't tell":
        return ""
    if effect.needed is None:
        return "; training episodes alone won't, replays might"
    return f"; about {effect.needed:,} training episodes would tell to within 5 points"
