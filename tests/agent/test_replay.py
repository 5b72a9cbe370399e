"""Replays: tasks played twice, with a lesson and without; and the gate that goes by them."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from agent.home import Home, home
from agent.models.scripted import PolicyModel
from agent.proposers.consolidate import Plan, apply
from agent.replay import Pair, drawn, forked, gate, measured
from agent.runner import Spec, run
from agent.settings import load
from envs.errors import EnvError, Refused, UnknownName
from envs.toy import Toy
from envs.types import Env, Task
from memory.embed import HashEmbedder
from memory.index import ListIndex
from memory.ledger import Ledger
from memory.recall import Memory
from memory.types import REPLAY, Change, Lesson

SPOON = "Bring me the spoon"


def follows(messages: Sequence[dict[str, Any]], schema: dict[str, Any] | None) -> dict[str, Any]:
    """Opens the drawer that the last note names; without a note it does nothing of use."""
    assert schema is not None
    choices = schema["properties"]["action"]["enum"]
    for wish in ("give spoon", "take spoon"):
        if wish in choices:
            return {"action": wish}
    ways = re.findall(r"- \[\w+\] (open \w+ drawer)", str(messages[-1]["content"]))
    return {"action": ways[0] if ways and ways[0] in choices else choices[-1]}


@asynccontextmanager
async def place(folder: Path) -> AsyncIterator[Home]:
    memory = Memory(Ledger(folder / "ledger.db"), ListIndex(HashEmbedder()))
    settings = load(home=str(folder), memory={"learn": False, "floor": 0.8, "most": 1})
    async with home(settings, memory=memory, models={"model": PolicyModel(follows)}) as opened:
        yield opened


def spoons() -> list[Task]:
    return [task for task in Toy().tasks("train") if task.tags[1] == "spoon"]


def way() -> str:
    task = spoons()[0]
    return Toy().open(task, seed=task.seed).demonstrate()[0].text


def wrong() -> str:
    return next(f"open {c} drawer" for c in ("red", "blue") if f"open {c} drawer" != way())


def lesson(id_: str, text: str, **fields: Any) -> Lesson:
    given = {"id": id_, "kind": "workflow", "text": text, "situation": SPOON, **fields}
    return Lesson.model_validate(given)


def added(one: Lesson, *evidence: str) -> Change:
    after = one.model_dump(mode="json", exclude={"effect"})
    return Change(
        id="", kind="lesson", target=one.id, op="add", reason="new", after=after, evidence=evidence
    )


async def test_replays_measure_a_lesson_in_pairs_on_other_tasks(tmp_path: Path) -> None:
    seen: list[tuple[Pair, int, int]] = []
    async with place(tmp_path) as home_:
        own = spoons()[0].key
        home_.memory.write(added(lesson("good", way(), source={"task_keys": (own,)})))
        home_.memory.write(added(lesson("away", "sing", situation="Sing a long song for me")))
        effect = await measured(
            await home_.crew(), Toy(), "good", most=6, watch=lambda *told: seen.append(told)
        )
        runs = home_.ledger.trajectories(arm=REPLAY)
        lessons = home_.ledger.lessons()
        with pytest.raises(Refused, match="comes up in no train task of toy"):
            await measured(await home_.crew(), Toy(), "away", most=6)
        with pytest.raises(UnknownName):
            await measured(await home_.crew(), Toy(), "nobody", most=6)
    assert effect.replayed is not None
    assert (effect.replayed.shown, effect.replayed.won_shown, effect.replayed.won_withheld) == (
        6,
        sum(pair.won == (True, False) for pair, _, _ in seen),
        0,
    )
    assert all(pair.won[0] for pair, _, _ in seen)
    assert effect.replayed.won_shown >= 4
    assert [(number, of) for _, number, of in seen] == [(n, 6) for n in range(1, 7)]
    assert len(runs) == 12
    assert own not in {done.task_key for done in runs}
    assert {done.split for done in runs} == {"train"}
    assert len(lessons) == 2


async def test_tasks_are_drawn_by_lessons_and_tasks_alone(tmp_path: Path) -> None:
    async with place(tmp_path) as home_:
        home_.memory.write(added(lesson("good", way())))
        crew, found = await home_.crew(), [home_.ledger.lesson("good")]
        tasks = drawn(crew, Toy(), found, most=5)
        again = drawn(crew, Toy(), found, most=3)
        other = drawn(crew, Toy(), [found[0].model_copy(update={"id": "other"})], most=5)
    assert [task.id for task in again] == [task.id for task in tasks[:3]]
    assert all(SPOON in task.goal for task in tasks)
    assert other == []


async def seeded(home_: Home) -> str:
    """A run that a consolidation can rest on."""
    done = await run(await home_.crew(), Toy(), Spec(task=spoons()[0], seed=1, learn=False))
    return done.id


@pytest.mark.parametrize(
    ("before", "after", "kept"),
    [(None, way, True), (wrong, way, True), (way, wrong, False), (way, way, True)],
)
async def test_a_consolidation_is_kept_only_if_a_replay_does_not_lose(
    tmp_path: Path, before: Callable[[], str] | None, after: Callable[[], str], kept: bool
) -> None:
    async with place(tmp_path) as home_:
        base = await seeded(home_)
        if before is not None:
            home_.memory.write(added(lesson("old", before()), base))
        said = lesson("new", f"{after()} now", supersedes=("old",) if before else ())
        plan = Plan(proposer="test", runs=1, changes=(added(said, base),))
        generation = home_.ledger.generation

        async def toy(name: str) -> Env:
            assert name == "toy"
            return Toy()

        judged = await gate(home_.crew, toy, most=5)(plan)
        assert home_.ledger.generation == generation
        (change,) = await apply(plan, home_.memory, gate=gate(home_.crew, toy, most=5))
        standing = home_.memory.standing()
        runs = [home_.ledger.trajectory(id_) for id_ in change.evidence]
    assert (change.decision == "applied") is kept
    assert ("new" in standing) is kept
    assert judged.changes[0].decision == change.decision
    assert "replayed on 5 tasks" in change.reason
    assert base in change.evidence
    assert len(runs) == 11
    assert not any(done.task_key == spoons()[0].key for done in runs[1:])


async def test_nothing_is_let_through_unseen(tmp_path: Path) -> None:
    async def toy(_name: str) -> Env:
        return Toy()

    async with place(tmp_path) as home_:
        base = await seeded(home_)
        away = added(lesson("new", way(), situation="Sing a long song for me"), base)
        judged = await gate(home_.crew, toy, most=5)(Plan(proposer="t", runs=1, changes=(away,)))
        assert judged.changes[0].decision == "rejected"
        assert "it comes up in no task" in judged.changes[0].reason
        nowhere = added(lesson("new", way()), "no-run")
        with pytest.raises(Refused, match="names no run of this ledger"):
            await gate(home_.crew, toy, most=5)(Plan(proposer="t", runs=1, changes=(nowhere,)))
        empty = Plan(proposer="t", runs=1)
        assert await gate(home_.crew, toy, most=5)(empty) == empty


async def test_a_fork_is_as_memory_stands_and_leaves_it_alone(tmp_path: Path) -> None:
    async with place(tmp_path) as home_:
        home_.memory.write(added(lesson("a", way())), added(lesson("b", wrong(), status="retired")))
        before, generation = home_.memory.standing(), home_.ledger.generation
        with forked(home_.memory, [added(lesson("c", "close all drawers"))]) as fork:
            assert fork.standing().keys() == {"a", "b", "c"}
            assert fork.standing()["b"].status == "retired"
            folder = fork.ledger.path.parent
        assert not folder.exists()
        assert (home_.memory.standing(), home_.ledger.generation) == (before, generation)


async def test_a_play_that_breaks_is_a_failure_on_its_side(tmp_path: Path) -> None:
    class Breaks(Toy):
        """Its episodes break after the first action."""

        def open(self, task: Task, *, seed: int | None = None) -> Any:
            episode = super().open(task, seed=seed)

            def step(_action: object) -> Any:
                raise EnvError("the world is gone", repair="begin anew")

            episode.step = step  # type: ignore[method-assign]
            return episode

    async with place(tmp_path) as home_:
        home_.memory.write(added(lesson("good", way())))
        effect = await measured(await home_.crew(), Breaks(), "good", most=2)
    assert effect.replayed is None or effect.replayed.estimate == 0.0
