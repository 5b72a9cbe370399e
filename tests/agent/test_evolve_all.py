"""Rounds with all proposers: died at every boundary of a stage they come to the same, once."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from agent.curriculum import InOrder
from agent.evolve import Loop, evolve
from agent.evolving import Bounds, Evolution
from agent.evolving_desk import Desk, specs
from agent.home import Home, home
from agent.models.scripted import Answer, PolicyModel
from agent.models.types import Message, Model
from agent.once import once
from agent.promotion import current, students
from agent.proposers.evolving import LEAST, Distillation, Staff, chosen
from agent.runner import Crew
from agent.schooling import School, Ways
from agent.settings import load
from distill.plan import Manifest, Plan
from distill.rows import Pair, Row
from distill.training import Trained, never
from envs.toy import THINGS, Toy
from memory.embed import HashEmbedder
from memory.index import ListIndex
from memory.ledger import Ledger
from memory.recall import Memory
from memory.types import Trajectory

TOY = Toy()
TASKS = {task.tags[1]: task for task in TOY.tasks("train")}
HOMES = {thing: TOY.open(TASKS[thing]).demonstrate()[0].text for thing in THINGS}
BOUNDS = Bounds(tasks=4, judged=8, least=8, held=2, episodes=6)
ALL = ("lessons", "skills", "settings", "prompts", "shortcuts", "distill")


class Dies(BaseException):
    """What a process does that is killed."""


class Pupil:
    """Knows where half of the things are, or all; more than a word fits any other schema."""

    def __init__(self, *, all_: bool = False) -> None:
        self._all = all_

    def __call__(self, messages: Sequence[Message], schema: dict[str, Any] | None) -> Answer:
        fields = (schema or {}).get("properties", {})
        actions = fields.get("action", {})
        if "enum" not in actions:
            return "I do not know." if schema is None else _anything(schema)
        asked = re.search(r"Bring me the (\w+)", json.dumps([one["content"] for one in messages]))
        thing = asked[1] if asked else ""
        knows = self._all or (thing in THINGS and THINGS.index(thing) % 2 == 0)
        wishes = [f"give {thing}", f"take {thing}", HOMES.get(thing, "") if knows else ""]
        first = next((one for one in wishes if one in actions["enum"]), actions["enum"][0])
        return {**({"thought": "hm"} if "thought" in fields else {}), "action": first}


def _anything(schema: dict[str, Any]) -> dict[str, Any]:
    blank = {"integer": 0, "number": 0, "boolean": False, "array": []}
    return {
        name: one["enum"][0] if "enum" in one else blank.get(one.get("type", ""), "x")
        for name, one in schema["properties"].items()
    }


class Trainer:
    """Trains nothing, and counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    def train(
        self,
        rows: Sequence[Row | Pair],
        *,
        out: Path,
        parent: bytes = b"",
        stop: Callable[[], bool] = never,
    ) -> Trained:
        self.asked += 1
        head = b'{"a":{"dtype":"F16","shape":[2,2],"data_offsets":[0,8]}}'
        manifest = Manifest(
            plan=Plan(), rows=len(rows), rows_sha256="0" * 64, tokens=1, trained_tokens=1, steps=1,
            loss=0.1, seconds=0.1, base_sha256="1" * 64,
        )  # fmt: skip
        weights = len(head).to_bytes(8, "little") + head + bytes(8)
        return Trained(weights=weights, manifest=manifest)


@asynccontextmanager
async def place(folder: Path, *, all_: bool = False) -> AsyncIterator[Home]:
    (folder / "models").mkdir(parents=True, exist_ok=True)
    (folder / "models" / "smollm2-135m.gguf").write_bytes(b"GGUF")
    memory = Memory(Ledger(folder / "ledger.db"), ListIndex(HashEmbedder()))
    models = {"model": PolicyModel(Pupil(all_=all_))}
    options = load(home=str(folder), memory={"withhold": False})  # its tosses go by random ids
    async with home(options, memory=memory, models=models) as opened:
        yield opened


def school(here: Home, trainer: Trainer) -> School:
    async def open_(student: str) -> Model:
        name = "tiny (embedded)" if student == "base" else f"tiny (student {student})"
        return PolicyModel(Pupil(all_=student != "base"), name=name)

    ways = Ways(
        open=open_, trainer=lambda _parent: trainer, base="smollm2-135m", licence="Apache-2.0",
        judged=8, held=2,
    )  # fmt: skip
    return School(here, TOY, ways)


def loop(here: Home, trainer: Trainer, *, dies: int = 0) -> Loop:
    """Rounds with everybody; `dies`: at the how many-th boundary, 0: never."""
    asked = count(1)

    async def crew() -> Crew:
        if next(asked) == dies:
            raise Dies
        return await here.crew()

    teachers = school(here, trainer)
    return Loop(
        name="toy",
        env=TOY,
        crew=crew,
        proposers=chosen(ALL, Staff(model=here.model, school=teachers)),
        curriculum=InOrder(TOY.tasks("train")),
        folder=here.settings.home / "learning" / "toy",
        bounds=BOUNDS,
        school=teachers,
    )


def told(done: Evolution) -> list[Any]:
    """What does not depend on ids and times."""
    return [
        (
            one.won,
            one.episodes,
            (one.held.won, one.held.total),
            [(made.by, made.episodes, made.note) for made in one.proposals],
            [(what.by, what.about, what.decision.promote) for what in one.decided],
        )
        for one in done.rounds
    ]


@pytest.mark.timeout(280)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_rounds_that_died_at_every_boundary_come_to_the_same_and_play_nothing_twice(
    tmp_path: Path,
) -> None:
    calm, wild, trainer = tmp_path / "calm", tmp_path / "wild", Trainer()
    async with place(calm) as here:
        await evolve(loop(here, trainer), most=0)
    tagged(calm, "a")
    shutil.copytree(calm, wild)
    async with place(calm) as here:
        wanted = told(await evolve(loop(here, trainer), most=1))
        kinds = Counter(one.kind for one in here.ledger.changes(limit=-1))
    deaths, dies, trained, reached = 0, 1, trainer.asked, 0
    while True:
        async with place(wild) as here:
            try:
                done = await evolve(loop(here, trainer, dies=dies), most=1)
            except Dies:
                deaths += 1
                was, reached = reached, progress(here)
                dies = 1 if reached > was else dies + 1
                continue
            assert told(done) == wanted
            played = here.ledger.trajectories(limit=-1)
            twice = Counter((run.arm, run.task, run.seed) for run in played)
            assert [cell for cell, times in twice.items() if times > 1] == []
            assert Counter(one.kind for one in here.ledger.changes(limit=-1)) == kinds
            assert here.ledger.runs(status="running") == []
            break
    assert deaths > 10
    assert trainer.asked <= trained + 1


def progress(here: Home) -> int:
    """Grows with every stage that ended, and every run."""
    stages = len(list((here.settings.home / "learning").rglob("*.json")))
    return stages + len(here.ledger.trajectories(limit=-1)) + len(here.ledger.changes(limit=-1))


def tagged(folder: Path, tag: str) -> None:
    """Has rounds that were begun go by a name that is the same in each test."""
    path = folder / "learning" / "toy" / "loop.json"
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), "tag": tag}), "utf-8")


async def desk(here: Home, *, tasks: int) -> tuple[Desk, list[Trajectory]]:
    crew = await here.crew()
    folder = here.settings.home / "r1"
    made = Desk(crew=crew, env=TOY, name="toy/round-1/distill", folder=folder, bounds=BOUNDS)
    return made, await once(crew, TOY, specs(TOY.tasks("train")[:tasks], "toy/round-1"))


async def test_distill_proposes_a_student_that_does_not_answer_yet_and_trains_it_once(
    tmp_path: Path,
) -> None:
    trainer = Trainer()
    async with place(tmp_path, all_=True) as here:
        at, runs = await desk(here, tasks=LEAST)
        (change,) = await Distillation(at, school=school(here, trainer)).propose(runs)
        again = await Distillation(at, school=school(here, trainer)).propose(runs)
        assert again == (change,)
        assert trainer.asked == 1
        assert (change.kind, change.target, change.decision) == (
            "adapter", "toy-round-1-distill", "applied",
        )  # fmt: skip
        assert set(change.evidence) | set((change.after or {})["runs"]) == {run.id for run in runs}
        assert students(here.ledger)["toy-round-1-distill"].status == "candidate"
        assert current(here.ledger) is None


async def test_distill_says_how_many_rows_are_missing(tmp_path: Path) -> None:
    trainer = Trainer()
    async with place(tmp_path, all_=True) as here:
        at, runs = await desk(here, tasks=LEAST - 1)
        assert await Distillation(at, school=school(here, trainer)).propose(runs) == ()
        assert at.note == f"{LEAST - 1} rows to train on, fewer than {LEAST}"
        assert (trainer.asked, students(here.ledger)) == (0, {})
