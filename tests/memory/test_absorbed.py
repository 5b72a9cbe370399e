"""Which lessons a student can do without: pairs, the rule, and how far it is to knowing."""

from __future__ import annotations

import random

import pytest

from memory.absorbed import (
    AHEAD,
    Contrast,
    Unit,
    arms,
    contrasts,
    counted,
    decide,
    judged,
    margin_of,
    missing,
    together,
    trained_under,
)
from memory.measuring import Setting
from memory.types import Exposure, Measured, Recalled, Source, StepRecord, Trajectory

HERE = Setting(model="tiny (student s1)", adapter="s1", policy="p")
A, B = Unit(members=("a",), tokens=40), Unit(members=("b", "c"), tokens=70)


def came_up(episode: str, lesson: str, *, shown: bool, won: bool, **fields: object) -> Exposure:
    given = {"version": 1, "first_step": 0, "pair": episode[:2], "time": episode, "outcome": won}
    setting = {"model": HERE.model, "adapter": HERE.adapter, "policy": HERE.policy}
    return Exposure.model_validate(
        {"episode": episode, "lesson": lesson, "shown": shown, **given, **setting, **fields}
    )


def pairs(*differences: int) -> list[Contrast]:
    return [
        Contrast(pair=f"P{n}", shown=f"s{n}", withheld=f"w{n}", difference=one)
        for n, one in enumerate(differences)
    ]


def test_lessons_are_those_shown_in_the_runs() -> None:
    def told(*ids: str) -> StepRecord:
        found = tuple(
            Recalled(lesson=i, version=1, text="t", similarity=1.0, tokens=3, source=Source())
            for i in ids
        )
        return StepRecord(index=0, action="look", observation="", recalled=found)

    def run(id_: str, *steps: StepRecord) -> Trajectory:
        task = {"env": "toy", "task": "t", "task_key": "k", "split": "train", "goal": "g"}
        return Trajectory.model_validate({"id": id_, "steps": steps, **task})

    assert trained_under([run("r1", told("a"), told("a", "b")), run("r2", told())]) == {"a", "b"}


def test_a_longer_lesson_has_to_add_more_within_bounds() -> None:
    assert margin_of(1) == 0.02
    assert margin_of(40) == pytest.approx(0.06)
    assert margin_of(1000) == 0.1


def test_near_duplicates_are_tossed_as_one_and_half_of_the_pairs_toss_all_alike() -> None:
    made = [arms([A, B], pair=f"P{n}") for n in range(2000)]
    assert all(one["b"] == one["c"] for one in made)
    alike = sum(one["a"] == one["b"] for one in made) / len(made)
    assert alike == pytest.approx(0.75, abs=0.04)
    assert sum(one["a"] for one in made) / len(made) == pytest.approx(0.5, abs=0.04)
    assert made[0] == arms([B, A], pair="P0")


def test_only_pairs_of_this_student_and_of_lessons_as_they_stand_count() -> None:
    good = came_up("P1x", "a", shown=True, won=True)
    others = [
        came_up("P1y", "a", shown=False, won=True, **{field: value})
        for field, value in (
            ("adapter", "s2"),
            ("model", "tiny"),
            ("policy", "q"),
            ("version", 2),
            ("pair", ""),
            ("split", "val"),
            ("same_task", True),
            ("outcome", None),
        )
    ]
    gone = came_up("P1z", "gone", shown=True, won=True)
    assert counted([good, *others, gone], setting=HERE, versions={"a": 1}) == [good]


def test_a_pair_tells_of_several_only_where_one_play_showed_all_of_them() -> None:
    both = [
        came_up("P1x", "a", shown=True, won=False),
        came_up("P1x", "b", shown=True, won=False),
        came_up("P1y", "a", shown=False, won=True),
        came_up("P2x", "a", shown=True, won=True),
        came_up("P2x", "b", shown=False, won=True),
        came_up("P2y", "a", shown=False, won=False),
        came_up("P2y", "b", shown=True, won=False),
        came_up("P3x", "a", shown=True, won=True),
    ]
    assert [(one.pair, one.difference) for one in contrasts(both)] == [("P1", -1)]
    alone = contrasts(one for one in both if one.lesson == "a")
    assert [(one.pair, one.difference) for one in alone] == [("P1", -1), ("P2", 1)]
    assert (alone[1].shown, alone[1].withheld) == ("P2x", "P2y")


def test_the_rule() -> None:
    def said(low: float, high: float) -> str:
        return decide(Measured(low=low, high=high), margin=0.05)

    assert said(-0.2, 0.04) == "retire"
    assert said(0.01, 0.04) == "retire"
    assert said(0.01, 0.3) == "keep"
    assert said(-0.2, 0.06) == "open"
    assert decide(Measured(), margin=0.05) == "open"


def test_what_does_nothing_goes_what_helps_stays_and_a_few_pairs_tell_nothing() -> None:
    assert judged(B, pairs(*[0] * 75)).decision == "retire"
    assert judged(A, pairs(*[0] * 75)).decision == "open"
    assert judged(A, pairs(*[1] * 12)).decision == "keep"
    few = judged(A, pairs(0, 0, 1), ahead=True)
    assert (few.decision, few.measured.shown) == ("open", 3)
    assert few.more is not None
    assert few.more > 100


def test_how_far_it_is_comes_true_where_it_goes_on_like_this() -> None:
    for so_far in ([0] * 20, [1, 0] * 6, [0] * 30 + [-1]):
        more = missing(so_far, margin=0.1)
        assert more is not None
        later = [so_far[at % len(so_far)] for at in range(len(so_far) + more)]
        assert judged(B, pairs(*later)).decision != "open"
        assert judged(B, pairs(*later[: -max(3, more // 8)])).decision == "open"
    assert missing([1, -1] * 6, margin=0.02) is None
    assert AHEAD >= 1000


def test_a_lesson_that_helps_is_retired_in_few_of_many_trials() -> None:
    rng, wrong = random.Random(4), 0
    for _ in range(25):
        series: list[Contrast] = []
        for number in range(160):
            series += pairs(int(rng.random() < 0.12))
            done = judged(B, series).decision if number % 20 == 19 else "open"
            if done != "open":
                wrong += done == "retire"
                break
    assert wrong <= 1


def test_several_as_one_are_asked_for_the_sum_of_their_tokens() -> None:
    assert together([B, A]) == Unit(members=("a", "b", "c"), tokens=110)
