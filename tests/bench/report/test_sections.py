"""Curves, failures, recalls, calibration, seeds: counts that can be checked by eye."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from bench.arms.types import Note
from bench.report import calibration, curves, failures, provenance, recalls, retries, words
from bench.report.charts import Dot, whiskers
from bench.report.results import Results
from bench.report.view import Section, Table


@pytest.fixture(scope="module")
def results(invented: Any) -> Results:
    return Results(invented.experiment, tuple(invented.rows))


def tables(section: Section | None) -> list[Table]:
    assert section is not None
    return [block for block in section.blocks if isinstance(block, Table)]


def column(table: Table, head: str) -> dict[str, str]:
    at = table.head.index(head)
    return {row[0].text: row[at].text.replace("\xa0", " ") for row in table.rows}


def test_learning_arms_count_after_the_last_checkpoint(results: Results) -> None:
    assert {row.learned for row in results.of("lessons")} == {20}
    assert len(results.of("lessons", within="alfworld/val")) == 45


def test_a_curve_has_a_point_for_every_checkpoint(results: Results) -> None:
    table = tables(curves.section(results))[0]
    assert table.head[1:4] == ("after 0", "after 10", "after 20")
    rows = [r for r in results.rows if r.arm == "lessons" and r.env == "alfworld" and r.learned]
    won = sum(row.won for row in rows if row.learned == 10)
    assert column(table, "after 10")["lessons (1.5B)"] == words.percent(won / 45).replace(
        "\xa0", " "
    )


def test_without_a_sequence_of_families_there_are_no_lifelong_metrics(results: Results) -> None:
    assert curves.lifelong(results) is None


def test_lifelong_metrics_are_told_with_memory_and_without(invented: Any) -> None:
    exp = invented.experiment
    one = next(row for row in invented.rows if row.arm == "lessons")
    rows = [
        one.model_copy(
            update={"phase": "learn", "learned": at, "task_type": kind, "task": f"t{at}",
                    "split": "train", "seed": 0}
        )
        for at, kind in enumerate(("look", "look", "pick", "pick"))
    ]  # fmt: skip
    for learned, look, pick in ((0, False, False), (2, True, False), (4, False, True)):
        for kind, won in (("look", look), ("pick", pick)):
            changed = {"learned": learned, "task_type": kind, "task": kind, "passed": won}
            rows.append(one.model_copy(update={**changed, "seed": 0, "arm": "lessons"}))
    base = [row.model_copy(update={"arm": exp.baseline, "passed": False}) for row in rows[4:6]]
    (table,) = tables(curves.lifelong(Results(exp, (*rows, *base))))
    backward = {row[1].text: row[table.head.index("backward transfer")].text for row in table.rows}
    assert backward == {"lessons (1.5B)": "−100", "bare (1.5B) (without)": "0"}


def test_outcomes_add_up_to_the_tasks(results: Results) -> None:
    (table,) = tables(failures.section(results, {("expert", "solved"): ["c1"]}))
    for arm, row in zip(results.arms, table.rows, strict=True):
        assert sum(int(cell.text) for cell in row[1:] if cell.links or cell.text.isdigit()) == len(
            results.of(arm)
        )
    solved = column(table, "solved")
    assert solved["expert"] == str(sum(row.won for row in results.of("expert")))
    assert table.rows[1][1].links == (("[1]", "#c1"),)


def test_notes_are_counted_by_episode_and_step(invented: Any, results: Results) -> None:
    def notes(_: str) -> tuple[Note, ...]:
        return (Note(id="n03", text="never read, the step's text wins"),)

    (table,) = tables(recalls.section(results, invented.transcript, notes))
    used = Counter(note for row in results.of("lessons") for note in row.notes)
    assert column(table, "episodes") == {note: str(n) for note, n in used.items()}
    assert column(table, "times before a step") == {note: str(2 * n) for note, n in used.items()}
    assert column(table, "text")["n03"].startswith("n03: shelves hold mugs.")
    assert set(column(table, "first at step").values()) == {"1"}


def test_texts_of_notes_that_stood_throughout_are_told(invented: Any, results: Results) -> None:
    def notes(_: str) -> tuple[Note, ...]:
        return (Note(id="n03", text="look before you leap"),)

    (table,) = tables(recalls.section(results, lambda _: None, notes))
    assert column(table, "text")["n03"] == "look before you leap"
    assert column(table, "times before a step")["n03"] == "–"


def test_verdicts_are_counted_by_source(results: Results) -> None:
    table = tables(calibration.section(results))[0]
    said = Counter(row.verified_by for row in results.measured)
    assert column(table, "verdicts") == {source: str(n) for source, n in said.items()}


def test_seeds_that_changed_nothing_are_told(results: Results) -> None:
    (table,) = tables(provenance.varied(results))
    meaning = column(table, "what that means")
    assert meaning["random"] == "seeds changed nothing: they count as one play"
    assert meaning["expert"] == "nothing varied: one play of each task"
    assert meaning["lessons (1.5B)"] == "order of learning, and sampling"


def test_second_tries_keep_what_the_first_solved(results: Results) -> None:
    table = tables(retries.section(results))[0]
    first = sum(row.first_passed is True for row in results.of("Reflexion"))
    assert column(table, "kept right")["Reflexion (1.5B)"] == f"{first} of {first} (100 %)"


def test_colours_and_fonts_of_charts_come_from_the_page() -> None:
    chart = whiskers([Dot("a <b> $c$", 0.2, 0.1, 0.4, "1/5")], name="n", alt="t")
    for svg in (chart.wide, chart.narrow):
        assert "var(--s0)" in svg
        assert "#a000" not in svg
        assert "DejaVu" not in svg
        assert "a &lt;b&gt; $c$" in svg
    assert chart.wide != chart.narrow


@pytest.mark.parametrize(
    ("value", "told"),
    [(0.0, "0 %"), (0.022, "2.2 %"), (0.2, "20 %"), (0.995, "99.5 %"), (1.0, "100 %")],
)
def test_rates_in_words(value: float, told: str) -> None:
    assert words.percent(value).replace("\xa0", " ") == told


def test_amounts_in_words() -> None:
    assert [words.amount(x) for x in (0, 12300.4, 4.25, 42.5, None)] == [
        "0", "12,300", "4.2", "42.5", "–",
    ]  # fmt: skip
    assert [words.seconds(x).replace("\xa0", " ") for x in (0.42, 61, 180, 9000)] == [
        "0.42 s", "61 s", "3 min", "2.5 h",
    ]  # fmt: skip
    assert words.span(-0.05, 0.4) == "−5 to +40"
    assert words.money(0.00421) == "$0.0042"
