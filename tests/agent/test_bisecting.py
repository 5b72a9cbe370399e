"""Which change broke a task: planted changes of every kind, found by replays in older states."""

from __future__ import annotations

import random
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from agent.bisecting import Played, bisect, last_solved
from agent.bisecting_past import Past
from agent.home import Home, home
from agent.models.scripted import PolicyModel
from agent.models.types import Model
from agent.runner import Spec, run
from agent.settings import load
from envs.errors import EnvError, Refused
from envs.toy import Toy
from envs.types import Action, Episode, Score, Split, Step, Task, ToolSpec
from memory.embed import HashEmbedder
from memory.index import ListIndex
from memory.ledger import Ledger
from memory.recall import Memory
from memory.types import Change, Lesson

SPOON = "Bring me the spoon."
BAD = "Trust the cellar: sing before you open anything."


class Obeys(PolicyModel):
    """Does what solves the task, nine times out of ten; where the bad note is shown, twice."""

    def __init__(self, *, noisy: bool = True) -> None:
        super().__init__(self._choose)
        self._rng = random.Random(7)
        self._noisy = noisy

    def _choose(
        self, messages: Sequence[dict[str, Any]], schema: dict[str, Any] | None
    ) -> dict[str, Any]:
        assert schema is not None
        shown = "sing before" in str(messages)
        tries = self._rng.random() < (0.2 if shown else 0.9) if self._noisy else not shown
        return {"action": "knock" if tries else "push"}


class Door:
    """A door that opens to those who knock. One action, one task."""

    name = "door"

    def tasks(self, split: Split) -> Sequence[Task]:
        """One train task."""
        one = {"id": "front", "env": "door", "goal": SPOON, "key": "front | door", "split": "train"}
        return (Task.model_validate(one),) if split == "train" else ()

    def open(self, task: Task, *, seed: int | None = None) -> Episode:
        """Begins before the door."""
        return Knock(task)

    def close(self) -> None:
        """Nothing to free."""


class Knock:
    """One try."""

    tools: Sequence[ToolSpec] = ()

    def __init__(self, task: Task) -> None:
        self.task = task
        self.first = Step(observation="A door.", admissible=("knock", "push"))
        self._won = False

    def step(self, action: Action) -> Step:
        """Whatever is done, it is over."""
        self._won = action.text == "knock"
        return Step(observation="Ah.", terminated=True)

    def score(self) -> Score:
        """1 for who knocked."""
        return Score(value=float(self._won), passed=self._won)

    def close(self) -> None:
        """Nothing to free."""

    def demonstrate(self) -> Sequence[Action]:
        """The way in."""
        return (Action(text="knock"),)


DOOR = Door().tasks("train")[0]


def task() -> Task:
    return next(one for one in Toy().tasks("train") if one.tags[1] == "spoon")


def way() -> str:
    return Toy().open(task(), seed=task().seed).demonstrate()[0].text


@asynccontextmanager
async def place(folder: Path, model: Model) -> AsyncIterator[Home]:
    memory = Memory(Ledger(folder / "ledger.db"), ListIndex(HashEmbedder()))
    settings = load(
        home=str(folder),
        memory={"learn": False, "floor": 0.8, "most": 2, "withhold": False},
    )
    async with home(settings, memory=memory, models={"model": model}) as opened:
        yield opened


def lesson(number: int, text: str, **fields: Any) -> Change:
    one = Lesson.model_validate(
        {"id": f"L{number:03d}", "kind": "fact", "text": text, "situation": SPOON, **fields}
    )
    after = one.model_dump(mode="json", exclude={"effect"})
    return Change(
        id="", kind="lesson", target=one.id, op="add", reason=f"reason {number}", after=after
    )


def harmless(number: int) -> Change:
    word = "".join(chr(97 + int(digit)) for digit in f"{number:03d}")
    text = f"The {word}tile in the hall is number {number}."
    return lesson(number, text, situation="Count the tiles")


def planted(ledger: Ledger, *, of: int, at: int) -> list[Change]:
    """So many lessons, a bad one among them; a change each."""
    made: list[Change] = []
    for number in range(1, of + 1):
        change = lesson(number, BAD) if number == at else harmless(number)
        made += ledger.apply(change)
    return made


async def test_a_bad_lesson_among_fifty_is_found_with_a_noisy_model(tmp_path: Path) -> None:
    seen: list[Played] = []
    async with place(tmp_path, Obeys()) as here:
        first = here.ledger.apply(harmless(900))[0]
        made = planted(here.ledger, of=50, at=31)
        before, generation = here.memory.standing(), here.ledger.generation
        past = Past(here.ledger, good=first.id, bad=made[-1].id, env="door")
        found = await bisect(
            here, Door(), DOOR, past, watch=lambda play, _search: seen.append(play)
        )
        standing, now = here.memory.standing(), here.ledger.generation
        count, runs = here.ledger.count(), len(found.plays)
        kept = {one.id for one in here.ledger.trajectories(limit=-1)}
        again = await bisect(here, Door(), DOOR, past)
        after = here.ledger.count()
    assert found.verdict == "found"
    assert found.change is not None
    assert found.change.id == made[30].id
    assert found.change.reason == "reason 31"
    assert (found.steps, found.all) == (50, 50)
    assert runs <= 60
    assert found.before[0] / found.before[1] > 0.6 > 0.5 > found.after[0] / found.after[1]
    assert set(found.evidence) <= kept
    assert len(found.evidence) >= 4
    assert "names a wrong change in 5% of all cases at most" in found.bound()
    assert list(found.plays) == seen
    assert (standing, now) == (before, generation)
    assert count["changes"] == after["changes"] == 51
    assert again == found
    assert after["trajectories"] == count["trajectories"] == runs


async def test_where_nothing_broke_no_change_is_named(tmp_path: Path) -> None:
    async with place(tmp_path, Obeys()) as here:
        first = here.ledger.apply(harmless(900))[0]
        made = [here.ledger.apply(harmless(n))[0] for n in range(1, 9)]
        past = Past(here.ledger, good=first.id, bad=made[-1].id, env="door")
        found = await bisect(here, Door(), DOOR, past, most=8)
        with pytest.raises(Refused, match="no change between these moments can matter to door"):
            await bisect(
                here, Door(), DOOR, Past(here.ledger, good=made[-1].id, bad=made[-1].id, env="door")
            )
    assert (found.verdict, found.change, found.left, found.evidence) == ("nothing", None, (), ())
    assert len(found.plays) <= 16


async def test_without_chance_one_play_of_each_state_is_enough(tmp_path: Path) -> None:
    async with place(tmp_path, Obeys(noisy=False)) as here:
        first = here.ledger.apply(harmless(900))[0]
        made = planted(here.ledger, of=20, at=4)
        past = Past(here.ledger, good=first.id, bad=made[-1].id, env="door")
        found = await bisect(here, Door(), DOOR, past, certain=True)
    assert found.change is not None
    assert found.change.id == made[3].id
    assert len(found.plays) <= 7
    assert found.bound().startswith("each state was played once")


@pytest.mark.parametrize("how", ["retired", "reworded", "removed", "undone"])
async def test_changes_of_a_good_lesson_are_found_too(tmp_path: Path, how: str) -> None:
    """A task that hangs on one note breaks when the note goes, in whichever way."""

    def follows(messages: Any, schema: dict[str, Any] | None) -> dict[str, Any]:
        assert schema is not None
        choices = schema["properties"]["action"]["enum"]
        told = re.findall(r"- \[L777\] (open \w+ drawer)", str(messages[-1]["content"]))
        wishes = ["give spoon", "take spoon", *told]
        return {"action": next((one for one in wishes if one in choices), choices[-1])}

    async with place(tmp_path, PolicyModel(follows)) as here:
        ledger = here.ledger
        good = ledger.apply(lesson(777, way()))[0]
        done = await run(await here.crew(), Toy(), Spec(task=task(), seed=1, learn=False))
        assert done.score is not None
        assert done.score.passed
        ledger.apply(harmless(1), harmless(2), harmless(3))
        state = good.after or {}
        if how == "undone":
            broke = ledger.take_back(good.id, reason="by mistake")[0]
        else:
            op: Any = {"retired": "status", "reworded": "edit", "removed": "remove"}[how]
            after = {"retired": {**state, "status": "retired"}, "reworded": {**state, "text": "x"}}
            raw = {"id": "", "kind": "lesson", "target": good.target, "op": op, "reason": how}
            broke = ledger.apply(Change.model_validate({**raw, "after": after.get(how)}))[0]
        ledger.apply(harmless(4), harmless(5))
        solved = last_solved(ledger, task())
        assert solved is not None
        assert solved.id == done.id
        now = ledger.changes(limit=1)[0].id
        past = Past(ledger, good=solved.began, bad=now, env="toy")
        found = await bisect(here, Toy(), task(), past, certain=True)
    assert found.change is not None
    assert found.change.id == broke.id


async def test_settings_and_prompts_are_as_they_were(tmp_path: Path) -> None:
    def reads(messages: Any, schema: dict[str, Any] | None) -> dict[str, Any]:
        assert schema is not None
        choices = schema["properties"]["action"]["enum"]
        fine = "Take care of the spoon." not in str(messages)
        for wish in ("give spoon", "take spoon", way()) if fine else ():
            if wish in choices:
                return {"action": wish}
        return {"action": choices[-1] if choices[-1] != way() else choices[0]}

    def learned(kind: Any, name: str, value: Any, env: str = "toy") -> Change:
        after = {"name": name, "value": value}
        return Change(
            id="", kind=kind, target=f"{env}/{name}", op="add", reason="it did well", after=after
        )

    async with place(tmp_path, PolicyModel(reads)) as here:
        first = here.ledger.apply(harmless(1))[0]
        here.ledger.apply(learned("setting", "solver.break_loops", True))
        here.ledger.apply(learned("prompt", "solver", "Take care of the spoon.", env="household"))
        bad = here.ledger.apply(learned("prompt", "solver", "Take care of the spoon."))[0]
        last = here.ledger.apply(harmless(2))[0]
        past = Past(here.ledger, good=first.id, bad=last.id, env="toy")
        found = await bisect(here, Toy(), task(), past, certain=True)
    assert found.change is not None
    assert found.change.id == bad.id
    assert (found.steps, found.all) == (3, 4)


async def test_what_cannot_matter_here_is_left_out(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.db")
    first = ledger.apply(harmless(1))[0]
    ledger.apply(
        lesson(2, "In houses look in the fridge first.", scope={"env": "household"}),
        lesson(3, "Nobody is shown this one.", status="retired"),
        Change(id="", kind="skill", target="S1", op="add", reason="r", after={"env": "household"}),
        Change(id="", kind="adapter", target="a", op="add", reason="r", after={"status": "x"}),
    )
    last = ledger.apply(lesson(4, "In toys everything has its home.", scope={"env": "toy"}))[0]
    past = Past(ledger, good=first.id, bad=last.id, env="toy:any")
    assert [one.id for one in past.steps] == [last.id]
    assert past.all == 5
    assert set(past.at(0)) == {("lesson", "L001")}
    assert len(past.at(1)) == 6
    assert past.digest(0) != past.digest(1)
    ledger.close()


async def test_a_play_that_breaks_ends_the_search_and_counts_for_nothing(tmp_path: Path) -> None:
    class Breaks(Toy):
        """Its episodes break after the first action."""

        def open(self, task: Task, *, seed: int | None = None) -> Any:
            episode = super().open(task, seed=seed)

            def step(_action: object) -> Any:
                raise EnvError("the world is gone", repair="begin anew")

            episode.step = step  # type: ignore[method-assign]
            return episode

    def first_of(_messages: Any, schema: dict[str, Any] | None) -> dict[str, Any]:
        assert schema is not None
        return {"action": schema["properties"]["action"]["enum"][0]}

    async with place(tmp_path, PolicyModel(first_of)) as here:
        first = here.ledger.apply(harmless(1))[0]
        last = here.ledger.apply(harmless(2))[0]
        past = Past(here.ledger, good=first.id, bad=last.id, env="toy")
        with pytest.raises(Refused, match=r"broke: .*the world is gone"):
            await bisect(here, Breaks(), task(), past)
        assert here.ledger.count()["trajectories"] == 0
