"""What a second try changed, and what several seeds bring: kept, fixed, any of k, all of k."""

from __future__ import annotations

from bench.report import words
from bench.report.results import Results
from bench.report.view import NOTHING, Block, Cell, Section, Table, count, name
from bench.stats.flips import Flips, from_rows
from bench.stats.passk import PassK, pass_k


def section(results: Results) -> Section | None:
    """Flips of arms with retries, pass@k and pass^k of arms with seeds; None without either."""
    blocks: list[Block] = []
    if results.again:
        head = ("arm", "right before", "right after", "kept right", "wrong to right", "overall")
        blocks.append(
            Table(
                name="From the first attempt to the last",
                head=head,
                rows=tuple(_flips(results, arm) for arm in results.again),
                note="Kept right: of what the first attempt solved. Overall: 0 keeps as much and"
                " mends nothing, 1 keeps all and mends as many as were right before (RSS, Yang et"
                " al. 2025).",
            )
        )
    seeds = {arm: len({row.seed for row in results.of(arm)}) for arm in results.arms}
    several = [(arm, pass_k(results.of(arm), k=k)) for arm, k in seeds.items() if k > 1]
    rows = tuple(_several(results, arm, found) for arm, found in several if found.tasks)
    if rows:
        head = ("arm", "seeds", "solved by any (pass@k)", "solved by all (pass^k)", "tasks")
        note = "Over tasks that were played with every seed."
        blocks.append(Table(name="Over seeds", head=head, rows=rows, note=note))
    if not blocks:
        return None
    return Section(id="retries", title="Second tries and seeds", blocks=tuple(blocks))


def _flips(results: Results, arm: str) -> tuple[Cell, ...]:
    found: Flips = from_rows(results.of(arm))
    right = found.stayed_right + found.right_to_wrong
    wrong = found.wrong_to_right + found.stayed_wrong
    return (
        name(results.label(arm)),
        _share(found.before, right, found.n),
        _share(found.after, found.stayed_right + found.wrong_to_right, found.n),
        _share(found.kept, found.stayed_right, right),
        _share(found.fixed, found.wrong_to_right, wrong),
        NOTHING
        if found.relative is None
        else Cell(text=f"{found.relative:.2f}", sort=found.relative),
    )


def _share(value: float | None, part: int, whole: int) -> Cell:
    if value is None:
        return NOTHING
    return Cell(text=f"{part} of {whole} ({words.percent(value)})", sort=value)


def _several(results: Results, arm: str, found: PassK) -> tuple[Cell, ...]:
    return (
        name(results.label(arm)),
        count(found.k),
        NOTHING if found.any is None else Cell(text=words.percent(found.any), sort=found.any),
        NOTHING if found.all is None else Cell(text=words.percent(found.all), sort=found.all),
        count(found.tasks),
    )
