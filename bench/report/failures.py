"""Why tasks were not solved: kinds of failure by arm, with links to transcripts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from bench.report.charts import OUTCOMES, bars
from bench.report.results import Results
from bench.report.transcripts import outcome
from bench.report.view import NOTHING, Cell, Section, Table, Text, name

MEANING = {
    "solved": "the goal was reached",
    "unfinished": "it took or changed things and did not get there",
    "searching": "it never took or changed anything",
    "looping": "the same action with the same answer three times in its last 20 steps",
    "idle": "most of its last 20 steps were not understood or only looked",
    "budget": "stopped by a budget other than the task's own limit of steps",
    "crashed": "it broke; counts as not solved",
    "leak": "stopped by a guard",
}


def section(results: Results, links: Mapping[tuple[str, str], Sequence[str]]) -> Section:
    """A bar for each arm, and the counts; `links` are ids of transcripts by arm and outcome."""
    counts = {arm: Counter(outcome(row) for row in results.of(arm)) for arm in results.arms}
    named = {_label(results, arm): found for arm, found in counts.items()}
    alt = "; ".join(
        f"{label}: {', '.join(f'{n} {what}' for what, n in found.most_common())}"
        for label, found in named.items()
    )
    seen = [what for what in OUTCOMES if any(found[what] for found in counts.values())]
    table = Table(
        name="Tasks by outcome",
        head=("arm", *seen),
        rows=tuple(
            (
                name(_label(results, arm)),
                *(_cell(found[what], links.get((arm, what), ())) for what in seen),
            )
            for arm, found in counts.items()
        ),
        note="Numbers in brackets open transcripts. "
        + "; ".join(f"{what}: {MEANING[what]}" for what in seen)
        + ".",
    )
    intro = "All task sets together. The kind is told from the transcript alone, by rules."
    chart = bars(named, name="Outcomes by arm", alt=alt)
    return Section(
        id="failures", title="Why tasks were not solved", blocks=(Text(text=intro), chart, table)
    )


def _label(results: Results, arm: str) -> str:
    label = results.label(arm)
    return f"{label}, with retries" if arm in results.retried else label


def _cell(number: int, ids: Sequence[str]) -> Cell:
    if not number:
        return NOTHING
    links = tuple((f"[{at}]", f"#{one}") for at, one in enumerate(ids, 1))
    return Cell(text=str(number), sort=number, links=links)
