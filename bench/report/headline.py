"""The answer in words, computed: what each arm solved, and whether they differ."""

from __future__ import annotations

from bench.report import words
from bench.report.comparisons import TONES, Compared, exploratory, label, planned, told
from bench.report.rates import told as solved
from bench.report.results import Results
from bench.report.view import Section, Text
from bench.stats.differences import Difference, paired
from bench.stats.rates import rate

ASKED = 0.2
"""The difference that the answer plans for, where it can't tell."""


def section(results: Results, *, whole: bool = True) -> Section:
    """For each task set its comparisons, then the arms that are in none.

    Where none were planned, all arms stand against the baseline, and that is said.
    """
    compared = Compared(results)
    asked = bool(results.experiment.compare)
    pairs = planned(results) if asked else list(exploratory(results))
    blocks = [b for within in results.sets for b in _set(compared, pairs, within)]
    nothing = Text(text="Nothing is measured yet.", tone="lead")
    if not whole and blocks:
        blocks.insert(0, Text(text="Not all is played yet: this may change.", tone="bad"))
    return Section(id="answer", title="The answer", blocks=tuple(blocks) or (nothing,))


def sentences(results: Results) -> list[str]:
    """The answer as plain lines."""
    lines, within = [], ""
    for block in section(results).blocks:
        if not isinstance(block, Text):
            continue
        if block.tone == "head":
            within = f"{block.text}: "
        else:
            lines.append(f"{within}{block.text}")
    return lines


def verdict(d: Difference, *, plan: int | None) -> str:
    """Whether two arms differ, in words."""
    spread = f"{words.points(d.estimate or 0.0)}, {words.span(d.low, d.high)}"
    pairs = words.plural(d.n, "pair")
    if d.verdict != "can't tell":
        return f"{told(d)} on {pairs} ({spread})"
    if d.here != "can't tell":
        return f"{d.here} in these very places ({spread}), can't tell for others: {d.reason}"
    size = words.points(ASKED).removeprefix("+")
    ask = f"; to see one of {size} takes about {words.plural(plan, 'pair')}" if plan else ""
    return f"can't tell whether they differ ({spread}, {pairs}){ask}"


def _set(compared: Compared, pairs: list[tuple[str, str]], within: str) -> list[Text]:
    results = compared.results
    blocks = [Text(text=within, tone="head")]
    blocks += [text for pair in pairs if (text := _compared(compared, *pair, within))]
    met = {arm for pair in pairs for arm in pair} if len(blocks) > 1 else set()
    rest = [arm for arm in results.arms if arm not in met]
    parts = [
        f"{label(results, arm, first=False)} {solved(rate(rows))}"
        for arm in rest
        if (rows := results.of(arm, within=within))
    ]
    if parts:
        start = "Besides, these were solved" if met else "Solved"
        blocks.append(Text(text=f"{start}: {'; '.join(parts)}.", tone="dim" if met else "lead"))
    return blocks


def _compared(compared: Compared, arm: str, against: str, within: str) -> Text | None:
    results = compared.results
    found = compared.of(arm, against, within)
    if not found or not found[0].n:
        return None
    difference, first = found
    sides = [results.of(a, within=within, first=first) for a in (arm, against)]
    plan = paired(*sides, seed=0, difference=ASKED, samples=10, checked=True).needed
    one, other = (
        f"{label(results, a, first=first)} solved {solved(rate(rows))}"
        for a, rows in zip((arm, against), sides, strict=True)
    )
    said = difference.verdict
    aside = "" if results.experiment.compare else " This comparison was not planned."
    text = f"{one}; {other}; {verdict(difference, plan=plan)}.{aside}"
    return Text(text=text, tone="lead", tag=said, tagged=TONES[said])
