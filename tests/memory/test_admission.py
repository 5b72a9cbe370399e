"""What happens to a lesson that memory knows, or denies."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from envs.errors import Refused, UnknownName
from memory.admission import SOURCES, disputes, kin, merged
from memory.embed import Embedder, HashEmbedder, MiniLM
from memory.index import ListIndex
from memory.ledger import Ledger
from memory.recall import Memory, Query
from memory.types import Lesson, Trajectory


@pytest.fixture
def memory(place: Path | str) -> Iterator[Memory]:
    opened = Memory(Ledger(place), ListIndex(HashEmbedder()))
    yield opened
    opened.close()


def lesson(text: str, **fields: Any) -> Lesson:
    given = {"id": "", "kind": "strategy", "situation": "eggs are needed", **fields}
    return Lesson.model_validate({"text": text, **given})


def ran(memory: Memory, id: str, key: str) -> None:  # noqa: A002
    run = Trajectory(id=id, env="e", task="t", task_key=key, split="train", goal="g")
    memory.ledger.add_trajectory(run)


CHECK, AGAIN = "Always check the fridge first for eggs", "Check the fridge first for eggs, always."


def test_a_near_duplicate_adds_its_source_and_can_be_undone(memory: Memory) -> None:
    ran(memory, "r1", "k1")
    ran(memory, "r2", "k2")
    first = memory.add(lesson(CHECK, source={"trajectory": "r1"}), reason="one", evidence=("r1",))
    again = lesson(AGAIN, source={"trajectory": "r2"})
    second = memory.add(again, reason="two", evidence=("r2",))
    assert (second.op, second.target, second.evidence) == ("edit", first.target, ("r1", "r2"))
    (stored,) = memory.ledger.lessons()
    assert stored.text == CHECK
    assert stored.source.task_keys == ("k1", "k2")
    assert [(one.trajectory, one.task_keys, one.said) for one in stored.sources] == [
        ("r1", ("k1",), ""),
        ("r2", ("k2",), AGAIN),
    ]
    guarded = memory.recall(
        Query(goal="eggs are needed", task_key="k2"),
        budget_tokens=500,
        floor=0.3,
        most=3,
        guard=True,
    )
    assert guarded == ()
    memory.undo(second.id, reason="not the same")
    assert memory.ledger.lessons()[0].source.task_keys == ("k1",)
    assert memory.ledger.lessons()[0].sources == ()


def test_a_run_that_learns_what_is_known_becomes_one_more_source(memory: Memory) -> None:
    for number in range(3):
        ran(memory, f"r{number}", f"k{number}")
    learned = [lesson(CHECK, source={"trajectory": f"r{n}"}) for n in range(3)]
    for one in learned:
        changes = memory.plan([one], reason="drafted", evidence=(one.source.trajectory,))
        memory.ledger.apply(*changes)
    assert memory.plan([learned[1]], reason="drafted", evidence=("r1",)) == ()
    (stored,) = memory.ledger.lessons()
    assert stored.source.task_keys == ("k0", "k1", "k2")
    assert len(memory.ledger.history(stored.id)) == 3


def test_sources_of_a_lesson_are_bounded() -> None:
    old: Lesson | None = lesson(CHECK, id="a", source={"trajectory": "r0"})
    for number in range(1, SOURCES):
        assert old is not None
        old = merged(old, lesson(CHECK, source={"trajectory": f"r{number}"}))
    assert old is not None
    assert len(old.sources) == SOURCES
    assert merged(old, lesson(CHECK, source={"trajectory": "one more"})) is None


@pytest.mark.parametrize(
    "fields",
    [{"trust": "web"}, {"scope": {"env": "toy"}}, {"valid_to": "2040-01-01"}, {"situation": "tea"}],
)
def test_what_applies_elsewhere_or_comes_from_others_stays_apart(
    memory: Memory, fields: dict[str, Any]
) -> None:
    memory.add(lesson(CHECK), reason="one")
    memory.add(lesson(AGAIN, **fields), reason="two")
    assert len(memory.ledger.lessons()) == 2


def test_a_successor_is_not_merged_into_what_it_replaces(memory: Memory) -> None:
    first = memory.add(lesson(CHECK), reason="one")
    memory.add(lesson(AGAIN, supersedes=(first.target,)), reason="worded better")
    assert len(memory.ledger.lessons()) == 2


def test_a_contradiction_is_refused_until_it_is_declared(memory: Memory) -> None:
    first = memory.add(lesson("Always check the fridge first for eggs"), reason="one")
    never = "Never check the fridge first for eggs"
    with pytest.raises(Refused, match=f"contradict lesson {first.target} .*; declare that"):
        memory.add(lesson(never), reason="two")
    second = memory.add(lesson(never, contradicts=(first.target,)), reason="it was empty")
    one, two = (memory.ledger.lesson(change.target) for change in (first, second))
    assert [o.id for o in disputes(memory.ledger, one)] == [two.id]
    assert [o.id for o in disputes(memory.ledger, two)] == [one.id]
    shown = memory.recall(
        Query(goal="eggs are needed"), budget_tokens=500, floor=0.3, most=5, guard=True
    )
    assert {item.lesson for item in shown} == {one.id, two.id}
    with pytest.raises(UnknownName, match="no lesson named 'nobody'"):
        memory.add(lesson("Eggs break", contradicts=("nobody",)), reason="three")


def test_a_run_declares_its_contradictions_by_itself(memory: Memory) -> None:
    first = memory.add(lesson("The microwave has to be opened for eggs"), reason="one")
    (change,) = memory.plan(
        [lesson("The microwave doesn't have to be opened for eggs")], reason="r"
    )
    assert (change.after or {})["contradicts"] == [first.target]


def test_many_unrelated_lessons_leave_each_other_alone(memory: Memory) -> None:
    rng = random.Random(1)
    words = [
        f"{a}{b}" for a in ("bal", "cor", "din", "fel", "gar") for b in ("do", "mi", "sa", "tu")
    ]
    texts = {" ".join(rng.sample(words, 6)) for _ in range(400)}
    for number, text in enumerate(sorted(texts)):
        say = f"never {text}" if number % 3 == 0 else text
        memory.add(lesson(say, situation=f"about {text.split()[0]}"), reason="r")
    stored = memory.ledger.lessons(limit=-1)
    assert len(stored) == len(texts)
    assert {one.status for one in stored} == {"candidate"}
    assert not any(one.contradicts or one.sources or one.supersedes for one in stored)


SAME = [
    ("Mugs are usually in the cabinet", "Mugs are often found in the cabinet"),
    (CHECK, AGAIN),
    ("Ada prefers tea in the morning", "In the morning Ada prefers to drink tea"),
    ("When looking for a knife, check the drawers", "Check the drawers when looking for a knife"),
]
APART = [
    ("the mug is in drawer 3", "the mug is in drawer 4"),
    ("Open the drawer before leaving", "Close the drawer before leaving"),
    ("To heat an egg, open the microwave first", "To heat a potato, open the microwave first"),
    ("Ada calls Bob", "Bob calls Ada"),
    ("turn the lamp on", "turn the lamp off"),
    ("Close the drawer after taking the key", "Take the key after closing the drawer"),
    ("look in the fridge", "look in the fridge, then in the microwave"),
]
CONTRARY = [
    ("Always open the fridge first", "Never open the fridge first"),
    ("The microwave needs to be opened", "The microwave does not need to be opened"),
]


@pytest.fixture(scope="module")
def minilm() -> Embedder:
    return MiniLM()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("one", "two"), [*SAME, *APART, *CONTRARY])
def test_numbers_negations_and_exchanged_words_decide(minilm: Embedder, one: str, two: str) -> None:
    found = kin(lesson(one), [lesson(two, id="old")], minilm)
    assert (found.twin is not None) == ((one, two) in SAME)
    assert bool(found.against) == ((one, two) in CONTRARY)
