"""What is said of claims, against rows whose verdicts are known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from bench.lab.types import Claim, Due, Experiment, Row
from bench.report.claims import evidence, headline, lines, tell, withdrawn
from bench.report.claims_page import drawing, section
from bench.report.markdown import told as markdown
from bench.report.page import index, page
from bench.report.results import Results
from bench.report.view import Chart, Table, Text

VAL = "alfworld/val"
GAIN = Claim(says="an example helps", arm="ReAct + example", against="bare (1.5B)", sets=(VAL,))
SAME = Claim(
    says="chance does not beat the bare model", arm="random", against="bare (1.5B)", sets=(VAL,),
    expects="no better", margin=10,
)  # fmt: skip
KEPT = Claim(
    says="lessons lose nothing", arm="lessons", against="ReAct + example", sets=(VAL,),
    expects="no worse", margin=10,
)  # fmt: skip
ARMS = ("random", "bare (1.5B)", "ReAct + example", "lessons")


def results(
    invented: Any, won: Mapping[str, Sequence[bool]], claims: Sequence[Claim], *, rooms: int = 20
) -> Results:
    """Rows of alfworld/val, one a task, solved as `won` says."""
    exp: Experiment = invented.experiment.model_copy(update={"claims": tuple(claims)})
    rows: list[Row] = []
    for arm, outcomes in won.items():
        like = next(row for row in invented.rows if row.arm == arm)
        rows += [
            like.model_copy(
                update={
                    "cell": f"{arm}{at}", "env": "alfworld", "split": "val", "task": f"t{at}",
                    "task_key": f"k{at}", "room": f"room{at % rooms}", "passed": solved,
                    "first_passed": solved, "attempts": 1, "learned": 0, "seed": 0,
                    "prompt_tokens": 900, "completion_tokens": 100, "model_s": 2.0,
                }
            )
            for at, solved in enumerate(outcomes)
        ]  # fmt: skip
    return Results(exp, tuple(rows))


def shares(**won: int) -> dict[str, list[bool]]:
    """Of sixty tasks the first so many solved."""
    names = {"random": "random", "bare": "bare (1.5B)", "react": "ReAct + example",
             "lessons": "lessons"}  # fmt: skip
    return {names[arm]: [at < n for at in range(60)] for arm, n in won.items()}


def plain(text: str) -> str:
    return text.replace("\N{NO-BREAK SPACE}", " ")


def test_one_line_tells_what_became_of_all_claims(invented: Any) -> None:
    found = results(invented, shares(random=2, bare=10, react=50), [GAIN, SAME, KEPT])
    told = tell(found)
    assert [one.verdict for one in told] == ["holds", "holds", "waits"]
    assert plain(headline(told)) == (
        "2 of 3 claims hold; not all played yet: “lessons lose nothing”."
    )


def test_what_does_not_hold_comes_before_what_cannot_be_told(invented: Any) -> None:
    found = results(invented, shares(random=40, bare=10, react=12, lessons=9), [GAIN, SAME, KEPT])
    assert plain(headline(tell(found))) == (
        "0 of 3 claims hold; does not hold: “chance does not beat the bare model”; "
        "can't tell: “an example helps”, “lessons lose nothing”."
    )


def test_a_claim_alone_holds(invented: Any) -> None:
    assert plain(headline(tell(results(invented, shares(bare=1, react=50), [GAIN])))) == (
        "1 of 1 claim holds."
    )


def test_evidence_names_rates_interval_level_pairs_places_and_power(invented: Any) -> None:
    (gain, _) = tell(results(invented, shares(random=2, bare=10, react=50), [GAIN, SAME]))
    text = plain(evidence(gain))
    assert text.startswith(
        "“ReAct + example” solved 50 of 60, “bare (1.5B)” solved 10 of 60: +67 points (from +"
    )
    assert "; 60 pairs in 20 places). All of the interval lies above 0." in text
    assert "So many pairs tell a true difference of" in text
    assert text.endswith("in 80 of 100 experiments.")


def test_a_margin_is_told_with_what_it_could_cost(invented: Any) -> None:
    won = {"ReAct + example": [at % 2 == 0 for at in range(60)],
           "lessons": [at % 3 == 0 for at in range(60)]}  # fmt: skip
    (kept,) = tell(results(invented, won, [KEPT]))
    text = plain(evidence(kept))
    assert "It may lose up to " in text
    assert "more than the margin of 10 points" in text
    assert "10 points would take about" in text


def test_a_small_loss_within_the_margin_is_called_one(invented: Any) -> None:
    won = [True] * 380 + [False] * 20
    found = results(invented, {"ReAct + example": [True] * 400, "lessons": won}, [KEPT], rooms=400)
    (kept,) = tell(found)
    assert kept.verdict == "holds"
    assert "less than the margin of 10 points, though it loses something for sure." in plain(
        evidence(kept)
    )


def test_few_places_speak_for_themselves(invented: Any) -> None:
    (gain,) = tell(results(invented, shares(bare=1, react=50), [GAIN], rooms=3))
    assert gain.verdict == "can't tell"
    assert "In these very places it holds. 3 places are too few" in plain(evidence(gain))


def test_a_claim_waits_for_the_cells_that_are_left(invented: Any) -> None:
    won = shares(bare=10, react=50)
    won["ReAct + example"] = won["ReAct + example"][:58]
    due = {(arm, VAL): Due(tasks=60, seeds=1, learned=0) for arm in ARMS}
    found = results(invented, won, [GAIN, KEPT])
    (gain, kept) = tell(found, due=due)
    assert gain.waits == (("ReAct + example", 2),)
    assert plain(evidence(gain)).startswith("Waits for 2 cells of “ReAct + example”. So far +")
    assert dict(kept.waits) == {"ReAct + example": 2, "lessons": 60}
    said = [plain(line) for line in lines(found, due=due)]
    assert said[0].startswith("0 of 2 claims hold; not all played yet:")
    assert said[2] == (
        "2. lessons lose nothing: Waits for 60 cells of “lessons” and 2 cells of “ReAct + example”."
    )


def test_tasks_that_the_other_arm_never_plays_are_not_waited_for(invented: Any) -> None:
    won = shares(bare=10, react=50)
    won["bare (1.5B)"] = won["bare (1.5B)"][:30]
    won["ReAct + example"] = won["ReAct + example"][:58]
    due = {
        ("bare (1.5B)", VAL): Due(tasks=30, seeds=1, learned=0),
        ("ReAct + example", VAL): Due(tasks=60, seeds=1, learned=0),
    }
    (gain,) = tell(results(invented, won, [GAIN]), due=due)
    assert gain.waits == ()
    assert gain.plain is not None
    assert (gain.plain.n, len(gain.arm)) == (30, 30)


def test_a_curve_is_not_the_end_of_learning(invented: Any) -> None:
    found = results(invented, shares(react=12, lessons=30), [KEPT])
    due = {
        ("lessons", VAL): Due(tasks=60, seeds=1, learned=20),
        ("ReAct + example", VAL): Due(tasks=60, seeds=1, learned=0),
    }
    (kept,) = tell(found, due=due)
    assert kept.waits == (("lessons", 60),)


def test_a_claim_that_was_stated_after_its_cells_is_no_test(invented: Any) -> None:
    found = results(invented, shares(bare=10, react=50), [GAIN])
    late = [{"id": "s1"}, {"id": "s2", "claims": [GAIN.model_dump()]}]
    (gain,) = tell(found, sessions=late)
    assert "Stated when 120 cells of it were already played" in plain(evidence(gain))
    assert "stated after cells of them were played: number 1" in headline([gain])
    early = [{"id": "s1", "claims": [GAIN.model_dump()]}]
    assert tell(found, sessions=early)[0].early == 0


def test_a_claim_that_was_given_up_is_named(invented: Any) -> None:
    found = results(invented, shares(bare=10, react=50), [GAIN])
    known = [{"id": "s1", "claims": [GAIN.model_dump(), SAME.model_dump()]}]
    assert "“chance does not beat the bare model”" in withdrawn(found, known)
    reworded = GAIN.model_copy(update={"says": "examples help"})
    assert withdrawn(found, [{"id": "s1", "claims": [reworded.model_dump()]}]) == ""


def test_the_page_begins_with_the_line_for_all(invented: Any) -> None:
    found = results(invented, shares(bare=10, react=50), [GAIN])
    html = plain(page(found.experiment, found.rows, [], lambda _: None))
    assert html.index("1 of 1 claim holds") < html.index(found.experiment.note)
    assert html.index('id="claims"') < html.index('id="answer"')
    text = plain(markdown(found.experiment, found.rows, []))
    assert text.splitlines()[2] == "**1 of 1 claim holds.**"
    assert "1. **an example helps: holds.** “ReAct + example” solved 50 of 60" in text
    assert "| 1 | ReAct + example (1.5B) | 50 of 60 | 1,200 |" in text
    assert "| 1 | bare (1.5B) | 10 of 60 | 6,000 |" in text
    overview = plain(index([(found.experiment, found.rows)], leads={"floors": "2 of 2 hold."}))
    assert "2 of 2 hold." in overview


def test_the_section_draws_every_claim_with_its_margin_and_cost(invented: Any) -> None:
    found = results(invented, shares(random=2, bare=10, react=50), [GAIN, SAME, KEPT])
    made = section(found, tell(found))
    assert made is not None
    chart = next(block for block in made.blocks if isinstance(block, Chart))
    assert "an example helps" in chart.alt
    assert "lessons" not in chart.alt
    figures, costs = (block for block in made.blocks if isinstance(block, Table))
    assert [row[2].text for row in figures.rows] == ["holds", "holds", "waits"]
    assert [plain(row[5].text) for row in costs.rows][:2] == ["2.4 s", "12 s"]
    tags = [block.tag for block in made.blocks if isinstance(block, Text) and block.tag]
    assert tags == ["holds", "holds", "waits"]


def test_task_sets_of_a_claim_stand_below_it_without_a_verdict(invented: Any) -> None:
    whole = GAIN.model_copy(update={"sets": ()})
    exp = invented.experiment.model_copy(update={"claims": (whole,)})
    found = Results(exp, tuple(invented.rows))
    (told,) = tell(found)
    assert told.sets == (VAL, "household/val")
    made = section(found, [told])
    assert made is not None
    table = next(block for block in made.blocks if isinstance(block, Table))
    assert [(row[1].text, row[2].text) for row in table.rows[1:]] == [
        (VAL, "–"), ("household/val", "–"),
    ]  # fmt: skip


@pytest.mark.parametrize("won", [0, 60])
def test_ties_are_drawn_in_the_middle(invented: Any, won: int) -> None:
    told = tell(results(invented, shares(bare=won, react=won), [GAIN]))
    first = drawing(told).splitlines()[1]
    assert first[4 + 24] == "●"
    assert first.endswith("can't tell")


def test_without_claims_nothing_is_said(invented: Any) -> None:
    found = results(invented, shares(bare=10, react=50), [])
    assert (headline(tell(found)), lines(found), section(found, [])) == ("", [], None)
    text = markdown(found.experiment, found.rows, [])
    assert "claim" not in text


def test_retries_meet_one_attempt_by_first_attempts(invented: Any) -> None:
    claim = Claim(says="trying again helps", arm="Reflexion", against="bare (1.5B)", sets=(VAL,))
    exp = invented.experiment.model_copy(update={"claims": (claim,)})
    found = Results(exp, tuple(invented.rows))
    (told,) = tell(found)
    assert told.first
    assert "by first attempts" in evidence(told)
    rows = [row for row in invented.rows if row.arm == "Reflexion" and row.env == "alfworld"]
    assert sum(row.won for row in told.arm) == sum(row.first_passed is True for row in rows)
