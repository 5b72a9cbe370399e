"""What it costs: tokens, seconds and money for each task and for each solved task."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bench.lab.types import Row
from bench.report import words
from bench.report.charts import Spot, scatter
from bench.report.results import Results
from bench.report.view import NONE, Block, Cell, Chart, Section, Table, Text, count, name
from bench.stats.cost import Cost, Price, cost
from bench.stats.rates import rate


def section(results: Results) -> Section:
    """Cost against success, and a table for each task set."""
    blocks: list[Block] = []
    for within in results.sets:
        blocks += _set(results, within)
    learning = _learning(results)
    note = (
        "What is spent on failures counts too: for each solved task stands all that was spent over"
        " what was solved, and nothing where nothing was. What learning took is paid once, and"
        " told apart."
    )
    return Section(
        id="costs", title="Cost against success", blocks=(Text(text=note), *blocks, *learning)
    )


def _set(results: Results, within: str) -> list[Block]:
    found = [(arm, rows) for arm in results.arms if (rows := results.of(arm, within=within))]
    costs = [(arm, rows, cost(rows)) for arm, rows in found]
    blocks: list[Block] = []
    groups = ((results.single, "one episode"), (results.again, "with retries"))
    for arms, title in groups:
        group = [entry for entry in costs if entry[0] in arms]
        if len(group) > 1:
            blocks += _charts(results, within, group, title=title)
    money = any(spent.money.total for _, _, spent in costs)
    table = Table(
        name=f"Cost, {within}",
        head=("arm", "tokens a task", "tokens a solved task", "95 %", "time a task",
              "time a solved task", "calls a task", "steps a task",
              *(("money a solved task",) if money else ())),
        rows=tuple(_row(results, arm, spent, money=money) for arm, _, spent in costs),
        note="Times are those of the machine named below, and of what else ran on it.",
    )  # fmt: skip
    return [*blocks, table]


def _charts(
    results: Results, within: str, group: Sequence[tuple[str, list[Row], Cost]], *, title: str
) -> list[Chart]:
    measures: tuple[tuple[str, str, Callable[[Cost], Price]], ...] = (
        ("Tokens", "tokens a task", lambda spent: spent.tokens),
        ("Seconds", "seconds a task", lambda spent: spent.seconds),
    )
    charts = []
    for unit, label, measure in measures:
        spots = []
        for arm, rows, spent in group:
            figure, each = rate(rows), measure(spent).per_row
            if figure.rate is not None and each:
                at = results.arms.index(arm)
                named = results.label(arm)
                spots.append(Spot(named, each, figure.rate, figure.low, figure.high, at))
        if spots:
            alt = "; ".join(f"{s.name}: {words.amount(s.x)}, {words.percent(s.at)}" for s in spots)
            whole = f"{unit} against success, {within}, {title}"
            charts.append(scatter(spots, name=whole, alt=alt, label=label))
    return charts


def _row(results: Results, arm: str, spent: Cost, *, money: bool) -> tuple[Cell, ...]:
    label = results.label(arm)
    tokens = spent.tokens
    return (
        name(f"{label}, with retries" if arm in results.retried else label),
        figure(tokens.per_row, words.amount),
        figure(tokens.per_solved, words.amount),
        spread(tokens, few=spent.few_clusters),
        figure(spent.seconds.per_row, words.seconds),
        figure(spent.seconds.per_solved, words.seconds),
        figure(spent.calls.per_row, words.amount),
        figure(spent.steps.per_row, words.amount),
        *((figure(spent.money.per_solved, words.money),) if money else ()),
    )


def figure(value: float | None, tell: Callable[[float | None], str]) -> Cell:
    """What each took; nothing where nothing was solved."""
    if value is None:
        return Cell(text=NONE, sort=float("1e300"), title="nothing was solved", tone="dim")
    return Cell(text=tell(value), sort=value)


def spread(price: Price, *, few: bool, tell: Callable[[float | None], str] = words.amount) -> Cell:
    """The interval of what a solved task took."""
    if price.low is None or not price.total:
        return Cell(text=NONE, sort=float("1e300"), tone="dim")
    end = "no bound" if price.high is None else tell(price.high)
    title = "too few places: tasks are resampled, and this is too narrow" if few else ""
    mark = " *" if few else ""
    return Cell(text=f"{tell(price.low)} to {end}{mark}", sort=price.low, title=title)


def _learning(results: Results) -> list[Block]:
    rows = []
    for spec in results.experiment.arms:
        learned = [r for r in results.rows if r.arm == spec.name and r.phase == "learn"]
        if learned:
            spent = cost(learned, samples=2)
            rows.append(
                (
                    name(results.label(spec.name)),
                    count(len(learned)),
                    Cell(text=words.amount(spent.tokens.total), sort=spent.tokens.total),
                    Cell(text=words.seconds(spent.seconds.total), sort=spent.seconds.total),
                    count(sum(len(row.wrote) for row in learned)),
                )
            )
    if not rows:
        return []
    head = ("arm", "train tasks", "tokens", "time", "lessons written")
    return [Table(name="What learning took, all seeds", head=head, rows=tuple(rows))]
