"""Our memory as an arm, and the controls that tell whether it matters what is recalled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.graph import opened
from agent.models.scripted import ScriptedModel
from agent.reflector import Plain, Written
from agent.runner import Crew
from agent.settings import Settings
from agent.solver import Greedy
from agent.verifier import Shown
from bench.arms.controls import FullContext, Journeyman, RandomMemory, ShuffledMemory
from bench.arms.types import Desk, Played
from envs.errors import UserError
from envs.toy import Toy
from memory.admission import addition
from memory.embed import HashEmbedder
from memory.index import ListIndex
from memory.ledger import Ledger
from memory.query import Query
from memory.recall import Memory, render
from memory.text import estimate_tokens
from memory.types import Lesson, Recalled, Scope, Source

Desks = Callable[..., Desk]
QUERY = Query(
    goal="bring me the spoon", env="toy", task_type="bring", task_key="bring spoon | room 60"
)
ASKED: dict[str, Any] = {"budget_tokens": 200, "floor": -1.0, "most": 3, "guard": True}


def lesson(number: int, *, key: str = "") -> Lesson:
    return Lesson(
        id=f"L{number}",
        kind="strategy",
        text=f"Lesson {number}: bring the spoon from drawer {number}.",
        situation="bring me the spoon",
        scope=Scope(env="toy"),
        source=Source(
            trajectory=f"r{number}", quote="q", task_keys=(key or f"bring {number} | room 1",)
        ),
        status="active",
    )


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Memory]:
    """Five lessons that may be shown, one of the task that is asked about, one of another place."""
    made = Memory(Ledger(tmp_path / "memory.db"), ListIndex(HashEmbedder()))
    own, away = lesson(9, key=QUERY.task_key), lesson(8)
    elsewhere = away.model_copy(update={"scope": Scope(env="alfworld")})
    for one in (*(lesson(number) for number in range(5)), own, elsewhere):
        made.write(addition(one, "for a test", (), "test"))
    yield made
    made.close()


def recalled(arm: Journeyman, memory: Memory, **asked: Any) -> tuple[Recalled, ...]:
    return arm.opened(memory).recall(QUERY, **{**ASKED, **asked})


def test_our_memory_is_recalled_as_it_is(make_desk: Desks, memory: Memory) -> None:
    arm = Journeyman(make_desk())
    assert arm.opened(memory) is memory


def test_random_memory_shows_as_many_of_any_and_none_of_the_task(
    make_desk: Desks, memory: Memory
) -> None:
    found = memory.recall(QUERY, **ASKED)
    seen: set[str] = set()
    for seed in range(20):
        drawn = recalled(RandomMemory(make_desk(seed=seed)), memory)
        assert len(drawn) == len(found)
        seen |= {one.lesson for one in drawn}
    assert seen == {f"L{number}" for number in range(5)}
    one, other = (recalled(RandomMemory(make_desk(seed=7)), memory) for _ in range(2))
    assert one == other


def test_shuffled_memory_never_shows_a_lesson_where_it_belongs(
    make_desk: Desks, memory: Memory
) -> None:
    found = memory.recall(QUERY, **ASKED)
    shown = recalled(ShuffledMemory(make_desk()), memory)
    assert found
    assert len(shown) == len(found)
    assert all(one.lesson != other.lesson for one, other in zip(found, shown, strict=True))
    texts = {one.id: one.text for one in memory.ledger.lessons(limit=-1)}
    assert all(texts[one.lesson] == one.text for one in shown)
    assert not {one.lesson for one in shown} & {"L8", "L9"}
    assert recalled(ShuffledMemory(make_desk()), memory, guard=False)
    assert recalled(ShuffledMemory(make_desk()), memory) == shown


def test_controls_keep_to_the_budget(make_desk: Desks, memory: Memory) -> None:
    for kind in (RandomMemory, ShuffledMemory):
        shown = recalled(kind(make_desk()), memory, budget_tokens=60)
        assert 0 < estimate_tokens(render(shown)) <= 60
        assert recalled(kind(make_desk()), memory, budget_tokens=0) == ()


async def test_what_it_keeps_is_the_ledger_whole(
    make_desk: Desks, settings: Settings, tmp_path: Path
) -> None:
    scratch = Memory(Ledger(tmp_path / "scratch.db"), ListIndex(HashEmbedder()))
    async with opened(tmp_path / "checkpoints.db") as graph:
        crew = Crew(
            settings=settings, graph=graph, memory=scratch, model=ScriptedModel([]),
            strategy=Greedy(), verifier=Shown(), reflector=Plain(),
        )  # fmt: skip
        arm = Journeyman(make_desk(note_tokens=77), think=False)
        assert arm.dump() == {}
        ready = arm.crew(crew)
        assert ready.memory is not scratch
        assert ready.settings.memory.budget_tokens == 77
        ready.memory.add(lesson(1), reason="for a test")
        kept = arm.dump()
        arm.close()
        again = Journeyman(make_desk(), drafts="written")
        again.load(kept)
        assert again.dump() == kept
        ready = again.crew(crew)
        assert isinstance(ready.reflector, Written)
        (found,) = again.lessons()
        assert found.text == lesson(1).text
        folder = ready.memory.ledger.path.parent
        again.close()
        again.close()
        assert not folder.exists()
        assert tuple(again.lessons()) == ()
    scratch.close()


def test_who_drafts_is_one_of_two(make_desk: Desks) -> None:
    with pytest.raises(UserError, match="drafts='auto'; drafts is `plain` or `written`"):
        Journeyman(make_desk(), drafts="auto")


async def test_full_context_shows_whole_episodes_the_latest_first(
    make_desk: Desks, make_played: Callable[..., Played]
) -> None:
    arm = FullContext(make_desk())
    for number, passed in enumerate((True, False, True)):
        await arm.learn(make_played(number, passed=passed))
    task = Toy().tasks("val")[0]
    notes = await arm.notes(task)
    assert [note.id for note in notes] == ["episode:r2", "episode:r0"]
    assert notes[0].runs == ("r2",)
    assert notes[0].task_keys == (Toy().tasks("train")[2].key,)
    assert "> open red drawer\nYou open the red drawer." in notes[0].text
    other = FullContext(make_desk(), failures=True)
    other.load(arm.dump())
    assert await other.notes(task) == notes
    await other.learn(make_played(3, passed=False))
    assert "(not solved)" in (await other.notes(task))[0].text
