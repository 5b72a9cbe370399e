"""Which tasks come next: what nobody solved, then what varies; and a bandit that follows."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from agent.curricula import CURRICULA, curriculum
from agent.curriculum import Bounds, Frontier, Tried, history, kind_of, shared, told, tried
from agent.curriculum_bandit import Bandit, Learning
from envs.errors import Refused, UnknownName
from envs.toy import Toy
from envs.types import Score, Task
from memory.ledger import Ledger
from memory.types import Run, Trajectory

KINDS = ("cool", "heat", "clean")


def task(kind: str, number: int, *, split: str = "train") -> Task:
    name = f"{kind} {number}"
    return Task.model_validate(
        {"id": name, "env": "e", "goal": name, "key": name, "split": split, "tags": (kind,)}
    )


TASKS = [task(kind, number) for kind in KINDS for number in range(40)]


def ended(kind: str, outcomes: str) -> list[Tried]:
    """One run for each letter: `+` was solved."""
    return [
        Tried(kind=kind, key=f"{kind} {number % 40}", won=letter == "+")
        for number, letter in enumerate(outcomes)
    ]


def kinds(tasks: Sequence[Task]) -> Counter[str]:
    return Counter(kind_of(one) for one in tasks)


def test_types_that_were_never_tried_come_first() -> None:
    known = ended("cool", "+-+-+-")
    first = Frontier(TASKS).next(6, known)
    assert kinds(first[:3]) in ({"heat": 2, "clean": 1}, {"heat": 1, "clean": 2})
    assert kinds(Frontier(TASKS).next(6, [])) == {"cool": 2, "heat": 2, "clean": 2}


def test_types_that_were_never_solved_come_before_others_until_patience_ends() -> None:
    known = [*ended("cool", "++++++++"), *ended("heat", "----"), *ended("clean", "+-+-")]
    assert kinds(Frontier(TASKS).next(8, known))["heat"] == 4
    lost = [*known, *ended("heat", "-" * 40)]
    assert kinds(Frontier(TASKS).next(8, lost))["heat"] < 3


def test_then_types_get_room_by_how_much_their_outcomes_vary() -> None:
    known = [
        *ended("cool", "+" * 38 + "-+"),
        *ended("heat", "+-" * 20),
        *ended("clean", "--+-" * 9),
    ]
    found = kinds(Frontier(TASKS).next(20, known))
    assert found["heat"] > found["clean"] > found["cool"] > 0


def test_what_was_long_ago_counts_less() -> None:
    mastered = [*ended("heat", "-" * 40 + "+" * 60), *ended("cool", "+-" * 20)]
    by_name = {one.name: one for one in Frontier(TASKS).kinds(mastered)}
    assert by_name["heat"].chance > 0.85
    assert (by_name["heat"].won, by_name["heat"].tried) == (60, 100)
    forgetful = Frontier(TASKS, bounds=Bounds(half=1000)).kinds(mastered)
    assert 0.5 < next(one.chance for one in forgetful if one.name == "heat") < 0.7


def test_few_tries_are_drawn_towards_the_success_over_all_types() -> None:
    known = [*ended("cool", "+" * 30), *ended("heat", "-" * 30), *ended("clean", "+")]
    by_name = {one.name: one for one in Frontier(TASKS).kinds(known)}
    assert 0.5 < by_name["clean"].chance < 0.95


@pytest.mark.parametrize("name", CURRICULA)
def test_the_same_seed_and_history_choose_the_same_and_no_key_twice(name: str) -> None:
    known = [*ended("cool", "+-+"), *ended("heat", "++")]
    first = curriculum(name, TASKS, seed=3).next(30, known)
    assert first == curriculum(name, list(reversed(TASKS)), seed=3).next(30, known)
    assert first != curriculum(name, TASKS, seed=4).next(30, known)
    assert len({one.key for one in first}) == 30
    assert [one.task for one in curriculum(name, TASKS, seed=3).explain(30, known)] == first


@pytest.mark.parametrize("name", CURRICULA)
def test_held_out_tasks_are_never_chosen(name: str) -> None:
    with pytest.raises(Refused, match="takes train tasks, and cool 1 is of val"):
        curriculum(name, [*TASKS, task("cool", 1, split="val")])
    toy = curriculum(name, Toy().tasks("train"))
    assert {one.split for one in toy.next(400, [])} == {"train"}
    assert len(toy.next(400, [])) == 360
    assert curriculum(name, []).next(3, []) == []


def test_what_was_tried_least_comes_first_within_a_type() -> None:
    tasks = [task("cool", number) for number in range(4)]
    known = [Tried(kind="cool", key=f"cool {n}", won=n == 1) for n in (0, 1, 2, 0)]
    order = [one.id for one in Frontier(tasks).next(4, known)]
    assert (order[0], order[2:]) == ("cool 3", ["cool 1", "cool 0"])


def test_a_choice_is_told_in_words() -> None:
    known = [*ended("cool", "+-+-"), *ended("clean", "--")]
    line = told(Frontier(TASKS).explain(6, known))
    assert "heat: never tried" in line
    assert "1 clean: never solved in 2 tries" in line
    assert "cool: 2 of 4 solved, about 45% by now; outcomes vary by 0.50 of 0.50" in line
    assert "drawn with" in told(Bandit(TASKS).explain(2, known))
    assert told([]) == "no tasks are left to choose from"


def test_an_unknown_name_lists_those_there_are() -> None:
    with pytest.raises(UnknownName, match="choose from"):
        curriculum("frontiers", TASKS)


def test_parts_are_whole_and_add_up() -> None:
    assert shared(7, {"a": 1.0, "b": 1.0, "c": 1.0}) == {"a": 3, "b": 2, "c": 2}
    assert shared(3, {}) == {}


def test_runs_count_as_the_ledger_has_them(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.db")
    for number, (won, broke) in enumerate([(True, ""), (False, ""), (True, "dead worker")]):
        kept = run(number, won=won, error=broke)
        ledger.begin_run(Run(id=kept.id, env="e", task=kept.task, goal="g", status="running"))
        ledger.add_trajectory(kept)
    ledger.close()
    known = history(Ledger(tmp_path / "ledger.db"), "e")
    assert [one.won for one in known] == [True, False, False]
    assert tried([run(0, won=True), run(1, won=False)]) == [
        Tried(kind="cool", key=f"cool {n}", won=n == 0, task=f"cool {n}", run=f"r{n}")
        for n in (0, 1)
    ]
    assert tried([run(0, won=True).model_copy(update={"split": "val"})]) == []


def run(number: int, *, won: bool, error: str = "", kind: str = "cool") -> Trajectory:
    name = f"{kind} {number}"
    return Trajectory(
        id=f"r{number}",
        env="e",
        task=name,
        task_key=name,
        task_type=kind,
        split="train",
        goal=name,
        score=None if error else Score(value=float(won), passed=won),
        error=error,
    )


PHASE = 80
SOON = 40
"""Draws after a change within which the bandit has to have followed."""


def season(kind: str, moment: int) -> float:
    """Success: in each phase one type is learnable, the others are too easy or too hard."""
    apart = (KINDS.index(kind) - moment // PHASE) % len(KINDS)
    return (0.5, 0.02, 0.98)[apart]


def lived(*, seed: int, rate: float) -> tuple[float, list[float]]:
    """What was there to learn in three phases, and the share of the learnable type in each."""
    bandit = Bandit(TASKS, seed=seed, learning=Learning(rate=rate))
    rng = random.Random(seed)
    known: list[Tried] = []
    gain, shares = 0.0, list[float]()
    for moment in range(3 * PHASE):
        (chosen,) = bandit.next(1, known)
        chance = season(kind_of(chosen), moment)
        gain += chance * (1 - chance)
        known.append(Tried(kind=kind_of(chosen), key=chosen.key, won=rng.random() < chance))
        if moment % PHASE == SOON:
            shares.append(bandit.shares(known)[KINDS[moment // PHASE]])
    return gain, shares


@pytest.mark.paper("sec")
def test_the_share_moves_to_what_is_learnable_now(mechanism: bool) -> None:
    uniform = sum(lived(seed=seed, rate=0)[0] for seed in range(3))
    total, late = 0.0, list[float]()
    for seed in range(3):
        gain, shares = lived(seed=seed, rate=0.2 if mechanism else 0)
        total += gain
        late += shares
    assert sum(share > 0.45 for share in late) == 9  # of 9 changes, within `SOON` draws each
    assert total > 1.5 * uniform


@pytest.mark.paper("sec")
def test_what_the_bandit_knows_survives_a_restart(tmp_path: Path, mechanism: bool) -> None:
    before = Ledger(tmp_path / "ledger.db")
    for number in range(24):
        kind = KINDS[number % 3]
        kept = run(number, won=(kind == "heat" and number % 2 == 0) or kind == "cool", kind=kind)
        before.begin_run(Run(id=kept.id, env="e", task=kept.task, goal="g", status="running"))
        before.add_trajectory(kept)
    shares = Bandit(TASKS, seed=1).shares(history(before, "e"))
    before.close()
    after = Ledger(tmp_path / "ledger.db")
    known = history(after, "e") if mechanism else []
    assert Bandit(TASKS, seed=1).shares(known) == shares
    assert max(shares, key=lambda kind: shares[kind]) == "heat"
    assert Bandit(TASKS, seed=1).next(5, known) == Bandit(TASKS, seed=1).next(5, known)
    after.close()
