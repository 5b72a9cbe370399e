"""The one loop in a real home: what lowers held-out success is refused, what raises it is kept."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from agent.applied import applied, proposed
from agent.curriculum import InOrder
from agent.evolve import Loop, evolve, measure
from agent.evolving import Bounds, Capacity, Evolution, Proposal
from agent.evolving_desk import Desk
from agent.evolving_gates import Arena, judge
from agent.home import Home, home
from agent.models.scripted import PolicyModel
from agent.models.types import Message
from agent.settings import load
from envs.errors import Refused
from envs.toy import THINGS, Toy
from memory.embed import HashEmbedder
from memory.index import ListIndex
from memory.ledger import Ledger
from memory.recall import Memory
from memory.types import Change, Lesson, Scope, Source, Trajectory

TOY = Toy()
TASKS = {task.tags[1]: task for task in TOY.tasks("train")}
HOMES = {thing: TOY.open(TASKS[thing]).demonstrate()[0].text for thing in THINGS}
BOUNDS = Bounds(tasks=2, judged=12, least=8, held=6, episodes=12)
MAP = "Every thing has its drawer, and you know which."
MAZE = "Open the first drawer again and again."


def player(messages: Sequence[Message], schema: dict[str, Any] | None) -> dict[str, Any]:
    """Knows where things are if it is told so, or that one is by a lesson; half of them anyway."""
    assert schema is not None
    said = json.dumps([one["content"] for one in messages])
    choices = schema["properties"]["action"]["enum"]
    asked = re.search(r"Bring me the (\w+)", said)
    thing = asked[1] if asked else ""
    known = MAP in said or THINGS.index(thing) % 2 == 0 or f"{thing} lies behind" in said
    if MAZE in said or not known:
        return {"action": sorted(choices)[0]}
    wishes = (f"give {thing}", f"take {thing}", HOMES[thing])
    return {"action": next(one for one in wishes if one in choices)}


@asynccontextmanager
async def place(folder: Path, **settings: Any) -> AsyncIterator[Home]:
    memory = Memory(Ledger(folder / "ledger.db"), ListIndex(HashEmbedder()))
    chosen = load(home=str(folder), **settings)
    async with home(chosen, memory=memory, models={"model": PolicyModel(player)}) as opened:
        yield opened


class Says:
    """Proposes the instructions that it was made with, once."""

    def __init__(self, desk: Desk, text: str) -> None:
        self._desk = desk
        self._text = text

    async def propose(self, trajectories: Sequence[Trajectory]) -> tuple[Change, ...]:
        assert trajectories
        ledger = self._desk.crew.memory.ledger
        given = {"env": "toy", "ledger": ledger, "reason": "tried"}
        return (proposed("prompt", "solver", self._text, **given),)


def loop(here: Home, text: str, *, name: str = "toy", bounds: Bounds = BOUNDS) -> Loop:
    return Loop(
        name=name,
        env=TOY,
        crew=here.crew,
        proposers={"says": lambda desk: Says(desk, text)},
        curriculum=InOrder(TOY.tasks("train")),
        folder=here.settings.home / "learning" / name,
        bounds=bounds,
        lessons=False,
    )


async def test_what_raises_held_out_success_is_kept_then_undone_and_success_falls_back(
    tmp_path: Path,
) -> None:
    async with place(tmp_path) as here:
        done = await evolve(loop(here, MAP), most=1)
        (first,) = done.rounds
        (decided,) = first.decided
        assert decided.decision.promote, decided.decision
        assert decided.about == (f"learn the prompt solver: “{MAP}”",)
        assert done.start.won == 4
        assert first.held.share == 1.0
        assert applied(here.settings, here.ledger, "toy").prompts == {"solver": MAP}
        assert applied(here.settings, here.ledger, "household:tiny").prompts == {}
        (change,) = here.ledger.changes(kind="prompt")
        assert (change.decision, change.batch, change.actor) == (
            "applied", decided.batch, "rule:evolve",
        )  # fmt: skip
        assert "target: toy:" in change.reason
        assert set(change.evidence) == set(decided.decision.evidence.runs)
        here.memory.take_back(decided.batch, reason="asked for")
        assert applied(here.settings, here.ledger, "toy").prompts == {}
        assert (await measure(loop(here, MAP), 9)).won == 4


async def test_what_lowers_held_out_success_is_refused_and_noted(tmp_path: Path) -> None:
    async with place(tmp_path) as here:
        done = await evolve(loop(here, MAZE), most=1)
        (decided,) = done.rounds[0].decided
        assert decided.decision.failed == ("target",)
        assert done.kept() == ()
        assert done.rounds[0].held.share == done.start.share
        assert applied(here.settings, here.ledger, "toy").prompts == {}
        (change,) = here.ledger.changes(kind="prompt")
        assert change.decision == "rejected"
        pairs = decided.decision.evidence.target
        assert pairs is not None
        assert pairs.n < BOUNDS.judged, "a clear case ends early"
        with pytest.raises(Refused, match="was rejected and had no effect"):
            here.memory.take_back(change.id, reason="asked for")


@pytest.mark.parametrize(
    ("text", "tokens", "failed"),
    [(MAP, 600, ()), (MAP, 5, ("capacity",)), ("Be good.", 600, ("target",))],
    ids=["neither", "capacity alone", "held-out alone"],
)
async def test_each_gate_refuses_by_itself(
    tmp_path: Path, text: str, tokens: int, failed: tuple[str, ...]
) -> None:
    bounds = BOUNDS.model_copy(update={"capacity": Capacity(prompt_tokens=tokens)})
    async with place(tmp_path) as here:
        done = await evolve(loop(here, text, bounds=bounds), most=1)
        (decided,) = done.rounds[0].decided
        assert decided.decision.failed == failed
        played = bool(decided.decision.evidence.runs)
        assert played is (failed != ("capacity",)), "capacity costs no episode"


def lesson(thing: str, text: str) -> Change:
    made = Lesson(
        id=f"L{thing}",
        kind="fact",
        text=text,
        situation=f"Bring me the {thing}.",
        scope=Scope(env="toy"),
        source=Source(quote="x"),
        status="active",
    )
    body = made.model_dump(mode="json", exclude={"effect"})
    return Change(id="", kind="lesson", target=made.id, op="add", reason="written", after=body)


@pytest.mark.parametrize("useful", [True, False])
async def test_many_lessons_at_once_are_recalled_from_a_fork_until_they_are_kept(
    tmp_path: Path, useful: bool
) -> None:
    words = "lies behind" if useful else "is nice beside"
    changes = tuple(lesson(one, f"the {one} {words} the {HOMES[one]}") for one in THINGS)
    async with place(tmp_path, memory={"floor": 0.0, "budget_tokens": 200}) as here:
        arena = Arena(await here.crew(), TOY, BOUNDS)
        decision = await judge(arena, Proposal(by="notes", changes=changes), name="toy/1/notes")
        assert decision.promote is useful, decision
        assert here.ledger.lessons() == []
        few = BOUNDS.model_copy(update={"capacity": Capacity(lessons=2)})
        full = await judge(
            Arena(await here.crew(), TOY, few), Proposal(by="notes", changes=changes), name="x"
        )
        assert full.reasons == ("capacity: 6 lessons, at most 2",)


async def test_rounds_go_on_with_what_is_there_and_refuse_other_settings(tmp_path: Path) -> None:
    heard: list[Evolution] = []
    async with place(tmp_path) as here:
        first = await evolve(loop(here, MAP), most=1)
        runs = len(here.ledger.trajectories(limit=-1))
        again = await evolve(loop(here, MAP), most=1, seen=heard.append)
        assert again == first
        assert len(here.ledger.trajectories(limit=-1)) == runs
        assert [len(one.rounds) for one in heard] == [0, 1]
        longer = await evolve(loop(here, MAP), most=2)
        assert longer.rounds[0] == first.rounds[0]
        assert longer.rounds[1].episodes == 4
        other = BOUNDS.model_copy(update={"judged": 30})
        with pytest.raises(Refused, match=r"toy were begun with other settings \(bounds\)"):
            await evolve(loop(here, MAP, bounds=other), most=2)


async def test_what_a_person_wrote_is_never_overruled(tmp_path: Path) -> None:
    async with place(tmp_path, prompts={"solver": "Mine."}, memory={"most": 3}) as here:
        given = {"env": "toy", "ledger": here.ledger, "reason": "tried"}
        here.ledger.apply(proposed("prompt", "solver", MAP, **given))
        here.ledger.apply(proposed("setting", "memory.most", 1, **given))
        learned = applied(here.settings, here.ledger, "toy")
        assert learned.prompts == {"solver": "Mine."}
        assert learned.memory.most == 3
