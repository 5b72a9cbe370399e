"""Lenses over a real ledger: other environments, scales, budgets, who signs what."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memory.across import ENVIRONMENTS, Across
from memory.consensus import Path as Way
from memory.consensus import agree, path_of
from memory.embed import HashEmbedder
from memory.games import OwnGame, project_of
from memory.index import ListIndex
from memory.ledger import Ledger
from memory.lenses import Bounds, Lensed, Table, least, within
from memory.query import Query
from memory.recall import Memory, render
from memory.scales import Scales
from memory.text import estimate_tokens
from memory.types import Lesson, Recalled, Scope, Source, Trust

ALL: dict[str, Any] = {"budget_tokens": 400, "floor": 0.2, "most": 5, "guard": False}
MUG = Query(goal="put a mug on the desk", env="home", task_type="put")


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Memory]:
    made = Memory(Ledger(tmp_path / "ledger.db"), ListIndex(HashEmbedder()))
    yield made
    made.close()


def stored(memory: Memory, text: str, **fields: Any) -> Lesson:
    scope = Scope(**{name: fields.pop(name) for name in Scope.model_fields if name in fields})
    fields = {"kind": "strategy", "situation": "put a mug on the desk", **fields}
    change = memory.add(Lesson(id="", text=text, scope=scope, **fields), reason="test")
    return memory.ledger.lesson(change.target)


def shown(memory: Memory, query: Query = MUG, **bounds: Any) -> list[str]:
    return [item.text for item in memory.recall(query, **{**ALL, **bounds})]


def test_other_environments_fill_what_is_left_but_not_their_tasks_nor_other_users(
    memory: Memory,
) -> None:
    stored(memory, "Own: look on shelves.", env="home")
    stored(memory, "Other: mugs stand near sinks.", env="office")
    stored(memory, "Other task's: mugs lie in boxes.", env="office", task_type="put")
    stored(memory, "Ann's: mugs are mine.", env="office", user="ann")
    seen = Lensed(memory, lenses=[Across])
    assert shown(memory) == ["Own: look on shelves."]
    assert shown(seen) == ["Own: look on shelves.", "Other: mugs stand near sinks."]
    assert shown(seen, most=1) == ["Own: look on shelves."]
    asked = MUG.model_copy(update={"user": "ann"})
    assert "Ann's: mugs are mine." in shown(seen, asked)


def test_the_guard_holds_across_environments(memory: Memory) -> None:
    stored(memory, "Mugs stand near sinks.", env="office", source=Source(task_keys=("k",)))
    seen = Lensed(memory, lenses=[Across])
    query = MUG.model_copy(update={"task_key": "k"})
    assert shown(seen, query, guard=True) == []
    assert shown(seen, query) == ["Mugs stand near sinks."]


def test_only_so_many_environments_are_asked(memory: Memory) -> None:
    words = ("red", "blue", "green", "white", "black", "grey")
    for number, word in enumerate(words):
        stored(memory, f"Mugs are {word}.", env=f"e{number}")
    assert len(shown(Lensed(memory, lenses=[Across]), most=9)) == ENVIRONMENTS


def test_each_scale_has_its_share_and_the_budget_is_kept(memory: Memory) -> None:
    for word in ("shelf", "table", "cabinet"):
        stored(memory, f"Look at the {word} for the mug.", env="home", task_type="put")
    general = "Do not try twice what had no effect."
    stored(memory, general, situation="put any thing on any place")
    seen = Lensed(memory, lenses=[Scales])
    assert general not in shown(memory, most=2)
    assert general in shown(seen, most=2)
    assert len(shown(seen, most=1)) == 1
    for budget in range(1, 120, 5):
        found = seen.recall(MUG, **{**ALL, "budget_tokens": budget})
        assert estimate_tokens(render(found)) <= budget


def test_tips_of_one_game_come_up_in_that_game(memory: Memory) -> None:
    stored(memory, "The mug is in the fridge.", env="home", project=project_of("mug | 1"))
    seen = Lensed(memory, lenses=[OwnGame])
    assert shown(seen, MUG.model_copy(update={"task_key": "mug | 1"})) != []
    assert shown(seen, MUG.model_copy(update={"task_key": "mug | 2"})) == []
    assert shown(memory, MUG.model_copy(update={"task_key": "mug | 1"})) == []


def test_an_agent_signs_what_it_learned_itself_and_nothing_else(memory: Memory) -> None:
    seen = Lensed(memory, agent="ada")

    def planned(trust: Trust, origin: str = "") -> tuple[str, str]:
        lesson = Lesson(
            id="", kind="fact", text="Mugs are round.", trust=trust, source=Source(origin=origin)
        )
        (change,) = seen.plan([lesson], reason="test")
        return (change.after or {})["source"]["origin"], change.actor

    assert planned("self") == ("agent:ada", "agent:ada")
    assert planned("user", "user:bob")[0] == "user:bob"
    assert planned("web", "https://x.example/")[0] == "https://x.example/"
    assert planned("user")[0] == ""


def test_a_table_follows_edits_and_removals(memory: Memory) -> None:
    table = Table(memory.ledger)
    one = stored(memory, "Mugs are round.")
    assert [lesson.text for lesson in table.showable()] == ["Mugs are round."]
    memory.edit(one.model_copy(update={"text": "Mugs are hollow."}), reason="test")
    assert table.lessons()[one.id].text == "Mugs are hollow."
    memory.take_back(memory.ledger.history(one.id)[0].id, reason="test", cascade=True)
    assert table.lessons() == {}


def test_what_is_derived_has_the_least_trust_of_its_sources() -> None:
    assert least(["self", "user"]) == "user"
    assert least(["tool", "web", "self"]) == "web"
    assert least([]) == "self"


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.text(min_size=1, max_size=80), max_size=8), st.integers(0, 120), st.integers(0, 5)
)
def test_what_is_shown_fits_and_stands_once(texts: list[str], budget: int, most: int) -> None:
    items = [
        Recalled(lesson=f"L{n % 3}", version=1, text=t, similarity=1.0, tokens=1, source=Source())
        for n, t in enumerate(texts)
    ]
    kept = within(items, Bounds(budget, floor=0.0, most=most, guard=False))
    assert len(kept) <= most
    assert len({one.lesson for one in kept}) == len(kept)
    assert not kept or estimate_tokens(render(kept)) <= budget


KNOWN = frozenset(path_of("The way: open red drawer > take spoon > open blue drawer").words)
CLEAN = path_of("Solved before: Bring me it. The way: open red drawer > take spoon > give spoon")


@pytest.mark.parametrize(
    ("text", "agrees"),
    [
        ("The way: open red drawer > take spoon > give spoon", True),
        ("The way: open red drawer > look > take spoon > give spoon", True),
        ("The way: open blue drawer > take spoon > give spoon", False),
        ("The way: give spoon > take spoon > open red drawer", False),
        ("open blue drawer > take spoon", False),
        ("Spoons are kept in the red drawer.", True),
        ("Keep calm and think.", True),
        ("Open the blue drawer, not the red one; take and give the spoon.", False),
        ("Never open the red drawer.", False),
        ("It is not in the blue drawer.", True),
    ],
)
def test_what_departs_from_a_path(text: str, agrees: bool) -> None:
    assert agree(CLEAN, path_of(text), known=KNOWN, asked=frozenset({"spoon"})) is agrees
    assert agree(path_of(text), CLEAN, known=KNOWN, asked=frozenset({"spoon"})) is agrees


def test_a_path_is_what_stands_after_the_way() -> None:
    assert CLEAN.steps == ("open red drawer", "take spoon", "give spoon")
    assert path_of("Wash it, do not dry it.") == Way(
        does=(frozenset({"wash"}),), denies=(frozenset({"dry"}),)
    )
