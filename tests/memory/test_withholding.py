"""Tosses: one for each run and lesson, noted, kept, and only where they may be."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from envs.types import Score
from memory.admission import addition
from memory.effects import FLOOR, SPREAD, toss
from memory.embed import HashEmbedder
from memory.families import ALIKE
from memory.index import ListIndex
from memory.ledger import Ledger
from memory.measuring import Effects, Setting, differences
from memory.recall import Memory
from memory.types import Lesson, Recalled, Run, Source, Trajectory
from memory.withholding import FAMILY, Occasion, decide, unit_of

DRAWER = "open the red drawer on your left hand before you look under any old table or chair"
HERE = Setting(model="m", policy="p")


@pytest.fixture
def memory(place: Path | str) -> Iterator[Memory]:
    opened = Memory(Ledger(place), ListIndex(HashEmbedder()))
    yield opened
    opened.close()


def put(memory: Memory, id_: str, text: str, **fields: Any) -> Lesson:
    given = {"id": id_, "text": text, "kind": "strategy", "situation": text, **fields}
    memory.write(addition(Lesson.model_validate(given), "test", (), "user"))
    return memory.ledger.lesson(id_)


def up(*ids: str, same_task: bool = False) -> list[Recalled]:
    """Lessons as recall finds them."""
    return [
        Recalled(
            lesson=id_,
            version=1,
            text=id_,
            similarity=0.9,
            tokens=3,
            source=Source(),
            same_task=same_task,
        )
        for id_ in ids
    ]


def at(run: str, **fields: Any) -> Occasion:
    return Occasion.model_validate({"run": run, "tosses": True, "setting": HERE, **fields})


def play(memory: Memory, run: str, ids: tuple[str, ...], *, won: Any, **fields: Any) -> list[bool]:
    """A finished run in which these lessons came up; `won` says how it ended by what was shown."""
    made = decide(memory, up(*ids), at(run, **fields))
    shown = [one.shown for one in made]
    ended = {"format": 1, "id": run, "env": "toy", "task": run, "task_key": run, "goal": "g"}
    score = Score(value=float(won(shown)), passed=won(shown))
    memory.ledger.add_trajectory(
        Trajectory.model_validate({**ended, "split": "train", "score": score})
    )
    return shown


def test_a_toss_is_by_run_and_lesson_and_noted_with_its_chance(memory: Memory) -> None:
    put(memory, "a", "open the red drawer")
    put(memory, "b", "count all windows twice")
    shown = [play(memory, f"r{n}", ("a", "b"), won=lambda _s: True) for n in range(60)]
    assert any(one[0] != one[1] for one in shown)
    noted = memory.ledger.exposures(lesson="a")
    assert [one.shown for one in noted] == [one[0] for one in shown]
    assert [one.shown for one in noted] == [toss(o.episode, "a", o.probability) for o in noted]
    assert 0 < sum(one.shown for one in noted) < 60
    assert all(FLOOR <= one.probability <= 1 - FLOOR for one in noted)
    assert noted[0].probability == 0.5
    assert {(one.model, one.policy, one.split) for one in noted} == {("m", "p", "train")}


def test_a_run_that_is_taken_up_again_keeps_its_toss(memory: Memory) -> None:
    put(memory, "a", "open the red drawer")
    (first,) = decide(memory, up("a"), at("r"))
    for n in range(40):
        play(memory, f"x{n}", ("a",), won=lambda shown: shown[0])
    assert memory.effects.chance(("a",), setting=HERE) > 0.6
    put(memory, "b", "sing aloud")
    again = decide(memory, up("a", "b"), at("r"))
    assert (again[0].shown, again[0].probability) == (first.shown, 0.5)
    assert len(memory.ledger.exposures(episode="r")) == 2


def test_what_is_settled_without_a_toss(memory: Memory) -> None:
    put(memory, "a", "open the red drawer")
    put(memory, "p", "count all windows twice", pinned=True)
    for n in range(20):
        free = {"val": {"split": "val"}, "off": {"tosses": False}}
        for name, fields in free.items():
            (one,) = decide(memory, up("a"), at(f"{name}{n}", **fields))
            assert (one.shown, one.probability) == (True, 1.0)
        (own,) = decide(memory, up("a", same_task=True), at(f"own{n}"))
        assert (own.shown, own.probability, own.same_task) == (True, 1.0, True)
        (pinned,) = decide(memory, up("p"), at(f"pin{n}"))
        assert (pinned.shown, pinned.probability) == (True, 1.0)
    out = decide(memory, up("a"), at("out", forced={"a": False}, pair="q", tosses=False))
    assert [(one.shown, one.probability, one.pair) for one in out] == [(False, 0.0, "q")]
    assert memory.effects.of("a").shown == memory.effects.of("a").withheld == 0
    assert decide(memory, (), at("none")) == ()


def test_near_duplicates_are_tossed_together_and_others_are_not(memory: Memory) -> None:
    one = put(memory, "a", DRAWER, situation="find a key")
    put(memory, "b", f"{DRAWER} always", situation="find a key")
    put(memory, "c", DRAWER, situation="find a key", scope={"env": "toy"})
    other = put(memory, "d", "count all windows twice", situation="find a key")
    vectors = memory.index.embedder.embed([DRAWER, f"{DRAWER} always"])
    assert vectors[0] @ vectors[1] >= ALIKE
    assert unit_of(memory, one) == ("a", "b")
    assert unit_of(memory, other) == ("d",)
    shown = [[e.shown for e in decide(memory, up("a", "b"), at(f"r{n}"))] for n in range(30)]
    assert {tuple(pair) for pair in shown} == {(True, True), (False, False)}
    assert {e.unit for e in memory.ledger.exposures(lesson="b")} == {"a+b"}


def test_the_family_of_a_lesson_has_an_end(memory: Memory) -> None:
    for n in range(FAMILY + 4):
        put(memory, f"L{n:02}", f"{DRAWER} {n}")
    assert len(unit_of(memory, memory.ledger.lesson("L00"))) <= FAMILY


@pytest.mark.parametrize(
    ("won", "verdict"), [(lambda s: s[0], "helps"), (lambda s: not s[0], "harms")]
)
def test_a_course_of_episodes_tells_what_a_lesson_does(
    memory: Memory, won: Any, verdict: str
) -> None:
    put(memory, "a", "open the red drawer")
    put(memory, "idle", "count all windows twice")
    for n in range(150):
        play(memory, f"r{n}", ("a", "idle"), won=won)
    effect, idle = memory.effects.of("a"), memory.effects.of("idle")
    assert effect.verdict == verdict
    assert idle.verdict == "can't tell"
    assert idle.needed is not None
    assert effect.needed is None
    assert effect.low <= (1 if verdict == "helps" else -1) <= effect.high
    assert effect.shown + effect.withheld == 150
    assert (effect.chance > 0.85) if verdict == "helps" else (effect.chance < 0.15)
    assert (effect.unit, effect.version, effect.model, effect.policy) == ("a", 1, "m", "p")
    assert effect.since == memory.ledger.exposures(lesson="a")[0].time
    without = idle.model_copy(update={"needed": None})
    assert memory.effects.all() == {"a": effect, "idle": without}
    mean, spread = memory.effects.worth(["a", "nobody"])["a"]
    assert abs(mean) > 2 * spread
    assert memory.effects.worth(["nobody"]) == {"nobody": (0.0, SPREAD)}


def test_an_effect_holds_for_its_model_policy_and_version(memory: Memory) -> None:
    put(memory, "a", "open the red drawer")
    for n in range(60):
        play(memory, f"r{n}", ("a",), won=lambda shown: shown[0])
    assert memory.effects.chance(("a",), setting=HERE) > 0.7
    other = Setting(model="m2", policy="p")
    assert memory.effects.chance(("a",), setting=other) == 0.5
    assert memory.effects.chance(("a", "twin"), setting=HERE) == 0.5
    play(memory, "new", ("a",), won=lambda _s: True, setting=other)
    assert memory.effects.of("a").model == "m2"
    assert memory.effects.of("a").shown + memory.effects.of("a").withheld == 1
    assert memory.effects.of("a", setting=HERE).shown > 10


def test_a_crash_counts_as_failure_and_a_run_going_on_does_not_count(memory: Memory) -> None:
    put(memory, "a", "open the red drawer")
    decide(memory, up("a"), at("going"))
    memory.ledger.begin_run(Run(id="broke", env="toy", task="t", goal="g", status="running"))
    (one,) = decide(memory, up("a"), at("broke"))
    memory.ledger.end_run("broke", status="failed", error="crash")
    effect = memory.effects.of("a")
    assert (effect.shown + effect.withheld, effect.won_shown + effect.won_withheld) == (1, 0)
    assert effect.shown == int(one.shown)


def test_replays_are_read_in_pairs_and_kept_apart_from_tosses(memory: Memory) -> None:
    put(memory, "a", "open the red drawer")
    for n in range(40):
        for forced in (True, False):
            fields = {"forced": {"a": forced}, "pair": f"q{n}", "tosses": False}
            play(
                memory,
                f"q{n}{forced}",
                ("a",),
                won=lambda s, even=n % 2 == 0: s[0] or even,
                **fields,
            )
    decide(memory, up("a"), at("half", forced={"a": True}, pair="half", tosses=False))
    effect = memory.effects.of("a")
    assert (effect.shown, effect.withheld, effect.estimate) == (0, 0, None)
    assert effect.replayed is not None
    assert (effect.replayed.shown, effect.replayed.won_shown) == (40, 20)
    assert effect.replayed.estimate == 0.5
    assert effect.replayed.verdict == "helps"
    assert differences(memory.ledger.exposures(lesson="a")) == [0, 1] * 20
    assert effect.chance > 0.8


def test_forecasts_come_from_earlier_episodes_alone(memory: Memory) -> None:
    put(memory, "a", "open the red drawer")
    for n in range(30):
        play(memory, f"r{n}", ("a",), won=lambda _s, early=n < 15: early)
    expected = memory.effects.expected()
    assert expected["r0"] == 0.5
    assert expected["r14"] > 0.8
    assert expected["r29"] < expected["r15"]
    fresh = Effects(memory.ledger)
    assert fresh.expected() == expected
