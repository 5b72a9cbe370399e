"""Lessons under a promoted student: what it needs stays, what it does not goes, and comes back."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from agent.absorbing import Absorbed, absorb, in_words
from agent.applied import policy, proposed
from agent.gate import Compared, Decision, Evidence, decide
from agent.home import Home, home
from agent.models.scripted import Policy, PolicyModel
from agent.pairing import Played, paired
from agent.promotion import BASE, current, enlist, promote, rollback
from agent.runner import Spec, run
from agent.settings import load
from agent.trained import trained_on
from agent.transcript import prompt, student_in
from distill.adapters import Adapter, Registry
from envs.errors import Refused, UnknownName, UserError
from envs.toy import COLOURS, Toy
from envs.types import Split, Task
from memory.embed import HashEmbedder
from memory.index import ListIndex
from memory.ledger import Ledger
from memory.recall import Memory
from memory.types import REPLAY, Change, Lesson, Recalled, Source, StepRecord, Trajectory

SPOON = "Bring me the spoon"
NAME = "toy (student s1)"


class House(Toy):
    """One where only spoons are asked for: two tasks in each room."""

    def tasks(self, split: Split) -> tuple[Task, ...]:
        """Each with two seeds."""
        found = [task for task in super().tasks(split) if task.tags[1] == "spoon"]
        again = [{"id": f"{task.id}/again", "seed": 1000 + task.seed} for task in found]
        more = [task.model_copy(update=one) for task, one in zip(found, again, strict=True)]
        return (*found, *more)


def way() -> str:
    task = House().tasks("train")[0]
    return House().open(task, seed=task.seed).demonstrate()[0].text


def wrong() -> str:
    return next(f"open {c} drawer" for c in COLOURS if f"open {c} drawer" != way())


def choices(schema: dict[str, Any] | None) -> list[str]:
    assert schema is not None
    return schema["properties"]["action"]["enum"]


def knows(_messages: Sequence[dict[str, Any]], schema: dict[str, Any] | None) -> dict[str, Any]:
    """Has learned where spoons are, whatever it is told."""
    for wish in ("give spoon", "take spoon"):
        if wish in choices(schema):
            return {"action": wish}
    return {"action": way()}


def follows(messages: Sequence[dict[str, Any]], schema: dict[str, Any] | None) -> dict[str, Any]:
    """Opens the drawer that a note names; without one it does nothing of use."""
    for wish in ("give spoon", "take spoon"):
        if wish in choices(schema):
            return {"action": wish}
    notes = re.findall(r"- \[\w+\].* (open \w+ drawer)", str(messages[-1]["content"]))
    return {"action": notes[0] if notes else wrong()}


LONG = "first of all, before you do anything else in there, go straight to the cabinet and " * 3


def lesson(id_: str, text: str = "", **fields: Any) -> Lesson:
    text = text or f"For a spoon: {LONG} {way()}"
    given = {"id": id_, "kind": "workflow", "text": text, "situation": SPOON, **fields}
    return Lesson.model_validate(given)


def added(one: Lesson) -> Change:
    after = one.model_dump(mode="json", exclude={"effect"})
    return Change(id="", kind="lesson", target=one.id, op="add", reason="new", after=after)


def trained(id_: str, *lessons: str) -> Trajectory:
    """A run of the student's training, in which these lessons were shown."""
    shown = tuple(
        Recalled(lesson=one, version=1, text="t", similarity=1.0, tokens=5, source=Source())
        for one in lessons
    )
    step = StepRecord(index=0, action="look", observation="", recalled=shown)
    return Trajectory(
        id=id_, env="toy", task="t", task_key="k", split="train", goal="g", steps=(step,)
    )


def passed() -> Decision:
    played = [
        Played(task=f"t{k}", place=f"r{k}", runs=(f"a{k}", f"b{k}"), won=(False, True))
        for k in range(30)
    ]
    sets = tuple(Compared(name=n, n=30, champion=28, challenger=29) for n in ("chat", "safety"))
    return decide(Evidence(abilities=sets, target=paired("toy", played), families=()))


@asynccontextmanager
async def place(
    folder: Path, policy: Policy, *lessons: Lesson, promoted: bool = True, **memory: Any
) -> AsyncIterator[Home]:
    """A home in which the student s1 was trained under the lessons, and answers."""
    (folder / "models").mkdir(parents=True, exist_ok=True)
    (folder / "models" / "smollm2-135m.gguf").write_bytes(b"GGUF")
    ledger = Ledger(folder / "ledger.db")
    kept = Memory(ledger, ListIndex(HashEmbedder()))
    registry = Registry(folder / "adapters")
    if lessons:
        kept.write(*map(added, lessons))
        ledger.add_trajectory(trained("r1", *(one.id for one in lessons)))
        for name, parents in (("s1", ()), ("s2", ("s1",))):
            wanted = Adapter(
                id=name, base="smollm2-135m", licence="Apache-2.0", rows="0" * 64, parents=parents
            )
            registry.add(wanted, weights=name.encode())
        enlist(ledger, registry.get("s1"), runs=["r1"])
    if promoted:
        promote(ledger, registry.get("s1"), passed(), home=folder)
    given = {"learn": False, "floor": 0.8, "most": 2, "budget_tokens": 600, **memory}
    settings = load(home=str(folder), memory=given)
    model = PolicyModel(policy, name=NAME)
    async with home(settings, memory=kept, models={"model": model}) as opened:
        yield opened


async def tried(home_: Home, *, most: int) -> Absorbed:
    return await absorb(await home_.crew(), House(), most=most)


TWIN = lesson("twin", f"For a spoon: {LONG} {way()} now")
"""Near enough to the other to be tossed and judged with it."""


def as_if(ledger: Ledger, *, times: int) -> None:
    """The pairs that were played count for so many more, of tasks of other names."""
    done = {run.id: run for run in ledger.trajectories(arm=REPLAY, limit=-1)}
    for number in range(times):
        for id_, play in done.items():
            name, tag = f"{id_}x{number}", f"x{number}"
            task = {"task": f"{play.task}{tag}"}
            ledger.begin_run(ledger.run(id_).model_copy(update={"id": name, **task}))
            seen = [
                one.model_copy(update={"episode": name, "pair": one.pair + tag})
                for one in ledger.exposures(episode=id_)
            ]
            ledger.expose(*seen)
            ledger.add_trajectory(play.model_copy(update={"id": name, **task}))


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Absorbed, Absorbed]:
    """A home in which s1, not promoted, showed that it knows; what was said after 8 tasks, and
    at the end, after these again and again.
    """
    folder = tmp_path_factory.mktemp("played")

    async def play() -> tuple[Absorbed, Absorbed]:
        async with place(folder, knows, lesson("way"), TWIN, promoted=False) as home_:
            first = await tried(home_, most=8)
            as_if(home_.ledger, times=7)
            return first, await tried(home_, most=100)

    first, last = asyncio.run(play())
    return folder, first, last


@pytest.fixture
def folder(played: tuple[Path, Absorbed, Absorbed], tmp_path: Path) -> Path:
    """That home, to go on with."""
    return Path(shutil.copytree(played[0], tmp_path / "home"))


async def shown_now(home_: Home) -> set[str]:
    done = await run(await home_.crew(), House(), Spec(task=House().tasks("val")[0], learn=False))
    return {item.lesson for step in done.steps for item in step.recalled}


def test_the_name_of_a_model_tells_its_student() -> None:
    assert student_in("smollm2-135m (student put-1)") == "put-1"
    assert student_in("SmolLM2-135M (embedded)") == ""


async def test_exposures_name_the_student_that_was_told(tmp_path: Path) -> None:
    async with place(tmp_path, knows, lesson("way")) as home_:
        task = House().tasks("train")[0]
        done = await run(await home_.crew(), House(), Spec(task=task, learn=False))
        (found,) = home_.ledger.exposures(episode=done.id)
        effect = home_.memory.effects.of("way")
    assert (found.adapter, found.model) == ("s1", NAME)
    assert found.policy == done.config
    assert effect.adapter == "s1"


def test_evidence_adds_up_and_nothing_is_retired_for_one_that_was_not_promoted(
    played: tuple[Path, Absorbed, Absorbed],
) -> None:
    _, first, last = played
    assert (first.played, first.ids("open"), first.tokens) == (8, ("twin", "way"), None)
    assert first.judged[0].more is not None
    assert last.judged[0].measured.shown == 64 + last.played
    assert abs(64 + last.played - 8 - first.judged[0].more) <= 4
    assert 0 < last.played < 12
    assert (last.ids("retire"), last.retired, last.batch) == (("twin", "way"), (), "")
    assert in_words(last)[-1] == "nothing was changed: s1 does not answer by a promotion"
    ahead = f"about {first.judged[0].more} more tasks in which they come up"
    assert ahead in in_words(first)[-1]


async def test_what_a_student_does_without_leaves_the_prompt_and_comes_back(folder: Path) -> None:
    async with place(folder, knows) as home_:
        assert await shown_now(home_) == {"way", "twin"}
        found = await tried(home_, most=0)
        gone = await shown_now(home_)
        (change,) = home_.ledger.changes(target="way", limit=1)
        plays = home_.ledger.trajectories(arm=REPLAY, limit=-1)
        home_.ledger.take_back(found.batch, reason="needed elsewhere")
        back = await shown_now(home_)
        again = await tried(home_, most=5)
    assert [one.unit.members for one in found.judged] == [("twin", "way")]
    assert (found.retired, gone, back) == (("twin", "way"), set(), {"way", "twin"})
    assert change.reason.startswith("absorbed by s1: +0 points (95% interval ")
    assert set(change.evidence) <= {play.id for play in plays}
    assert len(change.evidence) == 20
    assert {play.split for play in plays} == {"train"}
    assert found.tokens is not None
    assert found.tokens.before - found.tokens.after >= 100
    assert found.tokens.own > 100
    assert f"2 left the prompt: journeyman undo {found.batch}" in in_words(found)
    assert (again.judged, again.played) == ((), 0)


async def test_what_a_student_needs_stays(tmp_path: Path) -> None:
    async with place(tmp_path, follows, lesson("way")) as home_:
        found = await tried(home_, most=100)
        status = home_.ledger.lesson("way").status
    assert (found.ids("keep"), found.retired, found.joint) == (("way",), (), None)
    assert found.played < 15
    assert found.tokens is None
    assert status != "retired"
    assert "0 lessons can go, 1 stay, of 0 it is not known yet" in in_words(found)[0]


async def test_two_that_stand_in_for_each_other_do_not_both_go(tmp_path: Path) -> None:
    both = (lesson("one"), lesson("two", f"Spoons are kept there. {LONG[::-1]} {way()}"))
    async with place(tmp_path, follows, *both) as home_:
        found = await tried(home_, most=100)
    assert (found.retired, set(found.ids("keep"))) == ((), {"one", "two"})


async def test_rolling_the_student_back_brings_its_lessons_back(folder: Path) -> None:
    async with place(folder, knows) as home_:
        assert (await tried(home_, most=0)).retired == ("twin", "way")
        rolled = rollback(home_.ledger, home=folder)
        assert (rolled.now, await shown_now(home_)) == (BASE, {"way", "twin"})
        home_.ledger.take_back(rolled.changes[-1].batch, reason="it was right")
        answering = current(home_.ledger)
        assert (answering and answering.id, await shown_now(home_)) == ("s1", set())
    assert {change.kind for change in rolled.changes} == {"adapter", "lesson"}


async def test_lessons_that_are_out_for_another_student_are_told(folder: Path) -> None:
    async with place(folder, knows) as home_:
        found = await tried(home_, most=0)
        other = Registry(folder / "adapters").get("s2")
        promote(home_.ledger, other, passed(), home=folder, over="s1")
        crew = await home_.crew()
        crew.model.name = "toy (student s2)"
        later = await absorb(crew, House(), most=5)
    assert later.judged == ()
    assert [(one.student, one.lessons, one.undo) for one in later.left] == [
        ("s1", ("twin", "way"), found.batch)
    ]


async def test_pinned_lessons_and_those_of_other_rooms_are_left_alone(tmp_path: Path) -> None:
    pinned, other = lesson("pin", pinned=True), lesson("away", "x y z", scope={"env": "alfworld"})
    async with place(tmp_path, knows, pinned, other) as home_:
        found = await tried(home_, most=5)
    assert (found.judged, found.played) == ((), 0)
    assert in_words(found) == ("s1 was trained under no lesson that may be shown in toy",)


async def test_a_student_goes_back_to_the_runs_of_its_parents(folder: Path) -> None:
    async with place(folder, knows) as home_:
        assert trained_on(home_.ledger, "s2", home=folder) == {"r1"}
        with pytest.raises(UnknownName, match="student"):
            trained_on(home_.ledger, "s9", home=folder)


async def test_evidence_is_that_of_the_settings_that_were_learned(tmp_path: Path) -> None:
    async def pairs(home_: Home, *, most: int) -> int:
        return (await tried(home_, most=most)).judged[0].measured.shown

    async with place(tmp_path, knows, lesson("way"), promoted=False) as home_:
        given = {"env": "toy", "ledger": home_.ledger, "reason": "tried"}
        assert await pairs(home_, most=1) == 1
        home_.ledger.apply(proposed("prompt", "solver", "Not what a student is told.", **given))
        assert await pairs(home_, most=0) == 1, "the prompt of others alters no student"
        (learned,) = home_.ledger.apply(proposed("setting", "memory.episodes", 1, **given))
        assert await pairs(home_, most=0) == 0, "shown what it was not shown before"
        assert await pairs(home_, most=2) == 2, "plays under what was learned count"
        assert await pairs(home_, most=0) == 2
        home_.ledger.undo(learned.id, reason="no")
        assert await pairs(home_, most=0) == 1, "and the earlier ones when that is undone"
        home_.ledger.apply(proposed("setting", "solver.break_loops", True, **given))
        assert await pairs(home_, most=0) == 1, "as it was by default"


def test_only_prompts_that_are_used_and_are_others_make_a_policy(tmp_path: Path) -> None:
    plain = load(home=str(tmp_path))
    same = plain.model_copy(update={"prompts": {"solver": prompt("solver") + "\n"}})
    other = plain.model_copy(update={"prompts": {"solver": "Sing.", "solver_think": "Hum."}})
    assert policy(plain, model="m") == plain.hash() == policy(same, model="m")
    assert policy(other, model="m") == policy(
        other.model_copy(update={"prompts": {"solver": "Sing."}}), model="m"
    )
    assert policy(other, model="m") != plain.hash()
    assert policy(other, model=NAME) == plain.hash()


async def test_only_a_student_is_asked_and_only_with_memory(tmp_path: Path) -> None:
    async with place(tmp_path / "a", knows, lesson("way"), recall=False) as home_:
        with pytest.raises(UserError, match="memory is not consulted"):
            await tried(home_, most=5)
        crew = await home_.crew()
        crew.model.name = "SmolLM2-135M (embedded)"
        with pytest.raises(Refused, match="is no student"):
            await absorb(crew, House(), most=5)
