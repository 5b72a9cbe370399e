"""The same error in the model's own message and in somebody else's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from statsmodels.stats.proportion import confint_proportions_2indep

from agent.models.scripted import PolicyModel
from agent.player import Seen
from agent.state import Attempt
from agent.verifier import Judge
from bench.evals.blindspot import Spot, as_others, as_own, blindspot
from bench.evals.items import items
from envs.types import Task
from memory.types import StepRecord

N = 18
ITEMS = items(N, seed=2)


def blind(messages: Sequence[dict[str, Any]], schema: dict[str, Any] | None) -> Any:
    """Corrects others; itself only on the first level, or when its message ends in "Wait"."""
    whole = "\n".join(str(message["content"]) for message in messages)
    item = next(item for item in ITEMS if item.question in whole)
    own = [str(m["content"]) for m in messages if m["role"] == "assistant"]
    sees = not own or own[-1].endswith("Wait") or item.level == 1
    said = item.expected if sees else item.wrong.rpartition("Answer: ")[2]
    return {"work": "Let me see.", "answer": said}


def test_the_very_same_error_is_put_both_ways() -> None:
    for item in ITEMS:
        own, others = as_own(item), as_others(item)
        assert [m["role"] for m in own] == ["user", "assistant", "user"]
        assert [m["role"] for m in others] == ["user"]
        assert own[1]["content"] == item.wrong
        assert item.wrong in others[0]["content"]
        assert others[0]["content"].endswith(own[2]["content"])
        assert own[0]["content"] == item.question
        assert item.question in others[0]["content"]


async def test_rates_and_blind_spot_are_counted_by_level() -> None:
    report = await blindspot(PolicyModel(blind), n=N, seed=2)
    assert report.levels == {
        1: Spot(errors=6, own=6, other=6),
        2: Spot(errors=6, own=0, other=6),
        3: Spot(errors=6, own=0, other=6),
    }
    assert report.all == Spot(errors=18, own=6, other=18)
    assert report.all.blind == pytest.approx(2 / 3)
    assert report.usage.calls == 2 * N


async def test_wait_is_appended_to_the_own_message_only() -> None:
    report = await blindspot(PolicyModel(blind), n=N, seed=2, wait=True)
    assert (report.all.own, report.all.other, report.all.blind) == (18, 18, 0.0)
    assert as_own(ITEMS[0], wait=True)[1]["content"].endswith("\n\nWait")


@pytest.mark.parametrize(("n", "own", "other"), [(100, 60, 61), (40, 12, 30), (200, 20, 90)])
def test_the_interval_is_near_that_of_the_score_method(n: int, own: int, other: int) -> None:
    low, high = confint_proportions_2indep(own, n, other, n, compare="ratio", method="score")
    found = Spot(errors=n, own=own, other=other).blind_interval
    assert found == pytest.approx((1 - float(high), 1 - float(low)), abs=0.03)


def test_the_interval_holds_the_estimate_and_never_pretends_certainty() -> None:
    for n in range(1, 25):
        for own in range(n + 1):
            for other in range(1, n + 1):
                spot = Spot(errors=n, own=own, other=other)
                assert spot.blind is not None
                assert spot.blind_interval is not None
                low, high = spot.blind_interval
                assert low - 1e-9 <= spot.blind <= high + 1e-9 <= 1 + 2e-9
                assert high - low > 0.05


def test_where_nobody_is_corrected_there_is_no_blind_spot_to_measure() -> None:
    spot = Spot(errors=5, own=2, other=0)
    assert (spot.blind, spot.blind_interval) == (None, None)


@pytest.mark.paper("self-correction-bench")
async def test_a_model_with_a_blind_spot_still_judges_rightly_as_it_reads_others_answers(
    mechanism: bool,
) -> None:
    report = await blindspot(PolicyModel(blind), n=N, seed=2)
    assert (report.all.own, report.all.other, report.all.errors) == (6, 18, 18)

    def judges(messages: Sequence[dict[str, Any]], schema: dict[str, Any] | None) -> Any:
        own = any(message["role"] == "assistant" for message in messages)
        verdict = {"critique": "6*7 is 42.", "evidence": ["step 0"]}
        return {**verdict, "accepted": own}

    attempt = Attempt(
        task=Task(id="t", env="chat", goal="How much is 6*7?", key="k", split="train"),
        number=0,
        first="",
        steps=(StepRecord(index=0, action="look it up", observation="6*7 is 42"),),
        last=Seen(observation=""),
        answer="It is 41.",
    )
    judge = PolicyModel(judges)
    default = Judge(judge) if mechanism else Judge(judge, third_party=False)
    verdict, _ = await default.verify(attempt)
    assert "Somebody's answer: It is 41." in str(judge.requests[0].messages[-1]["content"])
    assert verdict.accepted is False
