"""Each filter drops what it should, and says how many and why."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from distill import filters
from distill.filters import Held, held_out, is_fresh, sifted
from distill.rows import Line, Origin, Row, content_of
from distill.rows_near import near_duplicates
from distill.rows_taint import Stains, stains, untainted
from envs.errors import Refused
from memory.episodes import withdrawal
from memory.ledger import Ledger
from memory.types import Change, Lesson

ORIGIN = Origin(
    trajectory="r1",
    env="toy",
    task="toy/1",
    task_key="spoon",
    task_type="fetch",
    model="tiny",
    config="",
    arm="",
    score=1.0,
    steps=1,
    attempts=1,
    recalled=(),
    rebuilt=False,
    outcome=True,
)


def row(name: str = "r1", said: str = "open", seen: str = "Drawers.", **more: Any) -> Row:
    messages = (
        {"role": "system", "content": "You play."},
        {"role": "user", "content": seen},
        {"role": "assistant", "content": said, "weight": 1},
    )
    return Row(messages=messages, metadata=ORIGIN.model_copy(update={"trajectory": name, **more}))


def left(lines: list[Line], *chosen: filters.Filter) -> tuple[list[str], list[dict[str, int]]]:
    kept, report = sifted(lines, chosen)
    return [line.metadata.trajectory for line in kept], [one.reasons for one in report]


def test_filters_work_in_their_order_and_count() -> None:
    lines: list[Line] = [row("r1"), row("r2", score=0.5), row("r3", "look", steps=9)]
    kept, report = sifted(lines, [filters.scored(), filters.lengths(steps=5)])
    assert [line.metadata.trajectory for line in kept] == ["r1"]
    told = [(one.name, one.before, one.after, one.reasons) for one in report]
    assert told == [
        ("score", 3, 2, {"score below 1": 1}),
        ("length", 2, 1, {"more than 5 steps": 1}),
    ]


def test_failed_solutions_go_and_checks_of_failures_stay() -> None:
    lines: list[Line] = [
        row("r1", outcome=False),
        row("r2", outcome=False, made="verification", score=0.0),
        row("r3", outcome=False, made="attempt", score=0.0),
    ]
    assert left(lines, filters.scored()) == (["r2", "r3"], [{"failed": 1}])


def test_the_same_way_at_the_same_task_stays_once() -> None:
    lines: list[Line] = [row("r1"), row("r2"), row("r3", task_key="key"), row("r4", "look")]
    assert left(lines, filters.distinct(near=None))[0] == ["r1", "r3", "r4"]
    tried: list[Line] = [row("r1", made="attempt"), row("r2", made="attempt")]
    assert left(tried, filters.distinct())[0] == ["r1", "r2"]


def test_near_duplicates_of_long_texts_are_found() -> None:
    rng = random.Random(0)
    words = [f"w{rng.randrange(500)}" for _ in range(400)]
    close = [*words[:399], "other"]
    far = [f"w{rng.randrange(500)}" for _ in range(400)]
    texts = [" ".join(one) for one in (words, close, far, words[:200])]
    assert near_duplicates(texts, least=0.9) == {1}
    assert near_duplicates(texts, least=0.999) == set()
    assert near_duplicates(["", "", "a"], least=0.9) == {1}
    lines: list[Line] = [
        row(f"r{n}", task_key=f"key {n}", seen=text) for n, text in enumerate(texts)
    ]
    names, reasons = left(lines, filters.distinct(near=0.9))
    assert (names, reasons) == (["r0", "r2", "r3"], [{"near-duplicate": 1}])


def test_length_is_counted_in_tokens_where_somebody_counts() -> None:
    lines: list[Line] = [row("r1"), row("r2", "a b c d")]
    count = filters.lengths(tokens=3, count=lambda line: len(line.messages[-1]["content"].split()))
    assert left(lines, count) == (["r1"], [{"more than 3 tokens": 1}])
    assert left(lines, filters.lengths(tokens=3))[0] == ["r1", "r2"]


@pytest.mark.paper("head-tail-rebalancing")
def test_easy_tasks_are_capped_and_rarely_solved_ones_repeated(mechanism: bool) -> None:
    easy: list[Line] = [row(f"e{n}", f"go {n}", rate=0.9) for n in range(8)]
    hard: list[Line] = [row("h", task_key="candle", rate=0.1)]
    known: list[Line] = [row("k", task_key="ribbon", rate=1.0)]
    bounds: dict[str, Any] = {"most": 3, "least": 3} if mechanism else {}
    kept, (told,) = sifted([*easy, *hard, *known], [filters.balanced(**bounds)])
    keys = [line.metadata.task_key for line in kept]
    assert [keys.count(key) for key in ("spoon", "candle", "ribbon")] == [3, 3, 1]
    assert told.reasons == {"over the most of a task": 5, "repeated, rarely solved": 2}
    assert (
        told.figures["gini after"] < told.figures["gini before"] == pytest.approx(0.4667, abs=1e-3)
    )


def test_rare_types_are_repeated_up_to_a_share_of_the_largest() -> None:
    lines: list[Line] = [row(f"r{n}", f"go {n}") for n in range(6)]
    lines.append(row("x", task_type="heat"))
    kept, (told,) = sifted(lines, [filters.balanced_types(least=0.5)])
    assert [line.metadata.task_type for line in kept].count("heat") == 3
    assert told.reasons == {"repeated, heat": 2}


def test_gini_is_that_of_the_books() -> None:
    assert filters.gini([]) == 0.0
    assert filters.gini([1, 1, 1, 1]) == 0.0
    assert filters.gini([1, 3]) == 0.25


HELD = held_out(
    ["room 9"],
    [("Give me the spoon.", "You stand before a cabinet with a red, a blue and a green drawer.")],
)


def test_held_out_tasks_are_found_by_key_and_by_content() -> None:
    same = content_of("give me the SPOON", next(iter(HELD.words))[1])
    lines: list[Line] = [row("r1"), row("r2", task_key="room 9"), row("r3", content=same)]
    assert left(lines, filters.unheld(HELD)) == (
        ["r1"],
        [{"held out, by its key": 1, "held out, by its content": 1}],
    )


def test_held_out_tasks_are_found_in_the_words_of_imported_rows() -> None:
    seen = (
        "Once more: you stand before a cabinet  with a red, a blue and a green drawer!\n"
        "Give me the spoon."
    )
    lines: list[Line] = [
        row("r1", seen=seen, source="bought.jsonl", task_key=""),
        row("r2", seen=seen.replace("spoon", "stamp"), source="bought.jsonl", task_key=""),
    ]
    assert left(lines, filters.unheld(HELD)) == (["r2"], [{"held out, by its words": 1}])
    assert left(lines, filters.unheld(Held()))[0] == ["r1", "r2"]


def test_imported_rows_need_a_licence() -> None:
    lines: list[Line] = [
        row("r1"),
        row("r2", source="a.jsonl"),
        row("r3", source="a.jsonl", licence="mit"),
    ]
    assert left(lines, filters.licensed()) == (["r1", "r3"], [{"no licence": 1}])
    assert left(lines, filters.licensed(allowed=["apache-2.0"]))[0] == ["r1"]


def test_a_share_of_rows_must_be_fresh_and_judged_here() -> None:
    old = row("r1", ended="2026-01-01", round=1)
    new = row("r2", ended="2026-02-01", round=2)
    bought = row("r3", source="a.jsonl", ended="2026-02-01", round=2)
    unjudged = row("r4", outcome=None, ended="2026-02-01", round=2)
    lines: list[Line] = [old, new, bought, unjudged]
    assert [is_fresh(line, since="2026-01-15") for line in lines] == [False, True, False, False]
    assert [is_fresh(line, round=1) for line in lines] == [True, False, False, False]
    _, (told,) = sifted(lines, [filters.fresh(least=0.5)])
    assert told.figures == {"share": 0.5}
    with pytest.raises(Refused, match=r"1 of 4 rows \(25%\) are fresh .* at least 50% must be"):
        sifted(lines, [filters.fresh(least=0.5, round=2)])
    with pytest.raises(Refused, match="0 of 0 rows"):
        sifted([], [filters.fresh(least=0.1)])


def _lesson(name: str, **more: Any) -> Change:
    text = f"Lesson {name} says something."
    lesson = Lesson(**{"id": name, "kind": "fact", "text": text, "status": "active", **more})
    after = lesson.model_dump(mode="json", exclude={"effect"})
    return Change(id="", kind="lesson", target=name, op="add", reason="test", after=after)


def _status(ledger: Ledger, name: str, status: str) -> Change:
    before = ledger.lesson(name).model_dump(mode="json", exclude={"effect"})
    return Change(
        id="",
        kind="lesson",
        target=name,
        op="status",
        reason="test",
        before=before,
        after={**before, "status": status},
    )


def test_what_goes_back_to_the_quarantined_and_forgotten_is_tainted(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.db")
    ledger.apply(*(_lesson(name) for name in ("good", "bad", "gone", "old")))
    ledger.apply(_lesson("page", trust="web"))
    ledger.apply(_status(ledger, "bad", "quarantined"), _status(ledger, "old", "retired"))
    ledger.undo(ledger.history("gone")[0].id, reason="it lied")
    ledger.apply(withdrawal("r6", reason="forgotten", actor="user"))
    found = stains(ledger)
    ledger.close()
    lines: list[Line] = [
        row("r1", recalled=("good", "old")),
        row("r2", recalled=("good", "bad")),
        row("r3", recalled=("gone",)),
        row("r4", recalled=("page",)),
        row("r5", source="a.jsonl", trust="web"),
        row("r6"),
        row("r7", others=("r6",)),
    ]
    names, reasons = left(lines, untainted(found))
    assert names == ["r1"]
    assert reasons == [
        {
            "quarantined lesson": 1,
            "forgotten lesson": 1,
            "web page's lesson": 1,
            "from a web page": 1,
            "forgotten run": 2,
        }
    ]


def test_rows_of_a_quarantined_skill_are_tainted() -> None:
    lines: list[Line] = [row("r1", skills=("S1",)), row("r2", skills=("S2",))]
    stained = Stains(skills={"S1": "quarantined skill"})
    assert left(lines, untainted(stained)) == (["r2"], [{"quarantined skill": 1}])
