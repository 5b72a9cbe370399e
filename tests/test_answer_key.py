"""Attempts to get at the answer key, each by one who would profit, through what it is handed.

A run on the toy is made to tell: its score, rewards, `info` and demonstration all carry `KEY`.
Whoever comes away with it, or with something that gives it, has found a leak. Python hides nothing
from code that digs in private parts; `tests/bench/lab/test_sealed.py` is about that.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from agent.home import Home, checkpoints, home
from agent.kit import Event, Kit, Reflector, Strategy, Verifier
from agent.models.scripted import PolicyModel
from agent.reflector import Plain
from agent.runner import Crew, Spec, run
from agent.settings import load
from agent.solver import Greedy
from agent.state import Attempt, State
from agent.verifier import Shown
from envs.toy import Toy, ToyEpisode
from envs.types import Action, Demonstrates, Env, Episode, Score, Split, Step, Task
from memory.embed import HashEmbedder
from memory.index import ListIndex
from memory.ledger import Ledger
from memory.recall import Memory
from memory.types import Lesson, Trajectory, Usage, Verdict
from skills.sandbox import Sandbox

KEY = "xyzzy-the-answer"
WORTH = 0.7350119
"""The reward, so that it is known again as a number."""
KEYHOLDERS = (Score, Step, Trajectory, Episode, Demonstrates, Env, Ledger, Memory)
FORBIDDEN = {"score", "reward", "rewards", "won", "info", "demonstrate", "walkthrough", "passed"}
FORBIDDEN |= {"episode", "expert", "plan", "stage", "ledger", "game"}


class Telling(ToyEpisode):
    """Tells the key with everything that a player must not see."""

    def _step(self, observation: str) -> Step:
        return (
            super()
            ._step(observation)
            .model_copy(update={"reward": WORTH, "info": {"won": KEY, "walkthrough": [KEY]}})
        )

    def score(self) -> Score:
        return super().score().model_copy(update={"note": KEY, "parts": {KEY: 1.0}})

    def demonstrate(self) -> tuple[Action, ...]:
        return (Action(text=KEY),)


class Telltale(Toy):
    """The toy with telling episodes."""

    def open(self, task: Task, *, seed: int | None = None) -> Telling:
        return Telling(task, homes=self._homes, seed=task.seed if seed is None else seed)


@dataclass
class Thief:
    """What somebody came away with."""

    loot: list[str] = field(default_factory=list)
    looked: int = 0

    def search(self, what: str, handed: object) -> None:
        """Goes through all that is public in what was handed over."""
        for path, value in walk(handed, path=what):
            self.looked += 1
            if isinstance(value, KEYHOLDERS) or KEY in str(value) or value == WORTH:
                self.loot.append(path)
            if path.rpartition(".")[2] in FORBIDDEN and value != "":  # an address that was blanked
                self.loot.append(path)

    def ask(self, **ways: Callable[[], object]) -> None:
        """Tries each way; one that leads to nothing raises, or gives None."""
        for name, way in ways.items():
            self.looked += 1
            try:
                found = way()
            except (AttributeError, KeyError, TypeError):
                continue
            if found is not None:
                self.loot.append(name)


def walk(thing: object, *, path: str, depth: int = 7) -> Iterator[tuple[str, object]]:
    """Every public part of a thing, with the way to it."""
    yield path, thing
    if depth == 0 or isinstance(thing, (str, bytes, int, float, type(None), type, Path)):
        return
    parts: Iterator[tuple[str, object]]
    if isinstance(thing, dict):
        parts = ((str(name), value) for name, value in thing.items())
    elif isinstance(thing, (list, tuple, set, frozenset)):
        parts = ((str(number), value) for number, value in enumerate(thing))
    elif isinstance(thing, BaseModel):
        parts = ((name, getattr(thing, name)) for name in type(thing).model_fields)
    elif is_dataclass(thing):
        parts = ((one.name, getattr(thing, one.name)) for one in fields(thing))
    elif type(thing).__module__.partition(".")[0] in ("agent", "envs", "memory", "skills"):
        names = [name for name in dir(thing) if not name.startswith("_")]
        parts = ((name, getattr(thing, name)) for name in names)
    else:
        return
    for name, value in parts:
        yield from walk(value, path=f"{path}.{name}", depth=depth - 1)


class ThievingSolver(Strategy):
    """Looks for the key before each action."""

    def __init__(self, thief: Thief) -> None:
        self.thief = thief

    async def choose(self, state: State, kit: Kit) -> State:
        given: Any = kit
        bare: Any = dict(state)
        self.thief.search("state", bare)
        self.thief.search("kit", replace(kit, model=PolicyModel(seeks)))
        self.thief.ask(
            score_of_the_player=lambda: given.player.score(),
            episode_of_the_player=lambda: given.player.episode,
            demonstration_by_the_player=lambda: given.player.demonstrate(),
            env_of_the_kit=lambda: given.env,
            answer_on_the_task=lambda: given.task.answer,
            reward_of_the_last_step=lambda: bare["seen"]["reward"],
            info_of_the_last_step=lambda: bare["seen"]["info"],
            ledger_behind_memory=lambda: given.memory.ledger.trajectories(limit=5),
            export_of_memory=lambda: list(given.memory.export()),
            bound_method_of_memory=lambda: given.memory.recall.__self__.ledger,
        )
        return await Greedy().choose(state, kit)


class ThievingVerifier(Verifier):
    """Would like to judge by the score."""

    def __init__(self, thief: Thief) -> None:
        self.thief = thief

    async def verify(self, attempt: Attempt) -> tuple[Verdict, Usage]:
        handed: Any = attempt
        self.thief.search("attempt", handed)
        self.thief.ask(
            score=lambda: handed.score,
            reward=lambda: handed.last.reward,
            info=lambda: handed.last.info["won"],
            reward_of_a_step=lambda: handed.steps[-1].reward,
            answer_on_the_task=lambda: handed.task.answer,
        )
        verdict = Verdict(accepted=False, confidence=1.0, critique="no")
        return (verdict, Usage()) if attempt.number == 0 else await Shown().verify(attempt)


class ThievingReflector(Reflector):
    """Would like to write the answer into a lesson."""

    def __init__(self, thief: Thief) -> None:
        self.thief = thief

    async def reflect(self, attempt: Attempt, verdict: Verdict) -> tuple[str, Usage]:
        self.thief.search("attempt", attempt)
        self.thief.search("verdict", verdict)
        return await Plain().reflect(attempt, verdict)

    async def draft(self, attempt: Attempt, verdict: Verdict) -> tuple[list[Lesson], Usage]:
        self.thief.search("attempt", attempt)
        self.thief.search("verdict", verdict)
        return await Plain().draft(attempt, verdict)


def seeks(messages: Sequence[dict[str, Any]], schema: dict[str, Any] | None) -> dict[str, Any]:
    """Opens drawers in turn until it can take and give what is asked for."""
    assert schema is not None
    choices = schema["properties"]["action"]["enum"]
    goal = re.search(r"Bring me the (\w+)", str(messages))
    assert goal is not None
    for wish in (f"give {goal[1]}", f"take {goal[1]}"):
        if wish in choices:
            return {"action": wish}
    done = {json.loads(m["content"])["action"] for m in messages if m["role"] == "assistant"}
    fresh = [choice for choice in choices if choice not in done]
    return {"action": min(fresh or choices)}


@asynccontextmanager
async def place(folder: Path, **changes: Any) -> AsyncIterator[tuple[Home, Crew, PolicyModel]]:
    memory = Memory(Ledger(folder / "ledger.db"), ListIndex(HashEmbedder()))
    model = PolicyModel(seeks)
    store = {"ledger": f"postgresql://user:{KEY}@host/scores"}
    settings = load(
        home=str(folder), memory={"drafts": "plain"}, solver={"retries": 1}, store=store
    )
    async with home(settings, memory=memory, models={"model": model}) as opened:
        yield opened, replace(await opened.crew(), **changes), model


async def played(folder: Path, *, split: Split = "train", **changes: Any) -> Trajectory:
    """Two runs of the same task, so that the second finds a scored one before it."""
    async with place(folder, **changes) as (_, crew, _model):
        task = Telltale().tasks(split)[0]
        await run(crew, Telltale(), Spec(task=task, seed=1))
        trajectory = await run(crew, Telltale(), Spec(task=task, seed=1))
        assert trajectory.error == ""
        assert trajectory.score is not None
        assert trajectory.score.note == KEY, "the runner is told the score, when all is over"
        return trajectory


@pytest.mark.parametrize("split", ["train", "val", "test"])
async def test_a_solver_finds_no_key_in_kit_player_task_state_or_memory(
    tmp_path: Path, split: Split
) -> None:
    thief = Thief()
    await played(tmp_path, split=split, strategy=ThievingSolver(thief))
    assert thief.looked > 100
    assert sorted(set(thief.loot)) == []


async def test_a_verifier_finds_no_key_in_an_attempt(tmp_path: Path) -> None:
    thief = Thief()
    await played(tmp_path, verifier=ThievingVerifier(thief))
    assert thief.looked > 100
    assert sorted(set(thief.loot)) == []


async def test_a_reflector_finds_no_key_in_an_attempt_or_verdict(tmp_path: Path) -> None:
    thief = Thief()
    verifier = ThievingVerifier(Thief())
    await played(tmp_path, verifier=verifier, reflector=ThievingReflector(thief))
    assert thief.looked > 100
    assert sorted(set(thief.loot)) == []


async def test_the_thief_would_know_the_key_if_it_were_there(tmp_path: Path) -> None:
    episode = Telltale().open(Telltale().tasks("train")[0])
    thief = Thief()
    thief.search("step", episode.first)
    assert {"step", "step.reward", "step.info", "step.info.won"} <= set(thief.loot)
    thief = Thief()
    thief.search("crew", {"memory": Memory(Ledger(tmp_path / "l.db"), ListIndex(HashEmbedder()))})
    assert "crew.memory" in thief.loot
    thief.ask(score=episode.score)
    assert "score" in thief.loot


async def test_a_model_is_told_no_key_and_neither_is_who_watches(tmp_path: Path) -> None:
    told: list[Event] = []
    async with place(tmp_path, emit=told.append) as (_, crew, model):
        for _ in range(2):
            await run(crew, Telltale(), Spec(task=Telltale().tasks("train")[0], seed=1))
        asked = repr(model.requests) + repr([event.model_dump() for event in told])
    assert told
    assert model.requests
    assert not [word for word in (KEY, str(WORTH), "reward", "walkthrough") if word in asked]


async def test_no_checkpoint_holds_a_score_a_reward_or_whether_it_was_won(tmp_path: Path) -> None:
    kept: list[bytes] = []

    class Copying(Plain):
        """Copies the checkpoints while the run goes on; they are dropped when it is over."""

        async def draft(self, attempt: Attempt, verdict: Verdict) -> tuple[list[Lesson], Usage]:
            with sqlite3.connect(checkpoints(load(home=str(tmp_path)))) as database:
                for table in ("checkpoints", "writes"):
                    rows = database.execute(f"select * from {table}").fetchall()
                    kept.extend(bytes(c) for row in rows for c in row if isinstance(c, bytes))
            database.close()
            return await super().draft(attempt, verdict)

    await played(tmp_path, verifier=ThievingVerifier(Thief()), reflector=Copying())
    blob = b"\n".join(kept)
    assert b"You stand before a cabinet" in blob, "what any player sees is there"
    words = (KEY.encode(), b"reward", b"won", b"score", b"passed", b"walkthrough", b"info")
    assert [word for word in words if word in blob] == []


async def test_a_lesson_written_from_a_run_holds_no_key(tmp_path: Path) -> None:
    async with place(tmp_path, reflector=Plain()) as (opened, crew, _):
        for task in Telltale().tasks("train")[:6]:
            await run(crew, Telltale(), Spec(task=task, seed=1))
        lessons = opened.ledger.lessons(limit=-1)
    assert lessons
    assert KEY not in repr(lessons)


SKILLS = {
    "reads the game file": "open('{folder}/game.tw-pddl').read()",
    "reads it by path": "from pathlib import Path\nPath('{folder}/game.tw-pddl').read_text()",
    "lists the folder": "import os\nos.listdir('{folder}')",
    "makes the house from its seed": "from envs.household import generate\ngenerate(3)",
    "imports the toy": "import envs.toy\nenvs.toy.Toy().open",
    "opens the ledger": "import sqlite3\nsqlite3.connect('{folder}/ledger.db')",
    "asks the function for its owner": "act.__self__.score()",
    "looks into the closure": "act.__closure__[0].cell_contents",
    "looks into the globals": "act.__globals__",
    "asks the function for a score": "act.score()",
    "calls score": "score()",
    "calls demonstrate": "demonstrate()",
    "climbs the frames": "import sys\nsys._getframe(1).f_locals",
    "counts all objects": "import gc\ngc.get_objects()",
    "climbs the classes": "().__class__.__base__.__subclasses__()",
    "starts a shell": "import subprocess\nsubprocess.run(['cat', '{folder}/game.tw-pddl'])",
    "evaluates": "eval(\"__import__('os').listdir('/')\")",
}


@pytest.mark.parametrize("attack", SKILLS, ids=list(SKILLS))
def test_a_skill_in_the_sandbox_comes_away_with_nothing(attack: str, tmp_path: Path) -> None:
    (tmp_path / "game.tw-pddl").write_text(json.dumps({"walkthrough": [KEY]}))
    episode = Telltale().open(Telltale().tasks("train")[0])

    def act(command: str) -> str:
        return episode.step(Action(text=command)).observation

    with Sandbox(workers=1) as sandbox:
        code = SKILLS[attack].format(folder=tmp_path)
        result = sandbox.run(code, functions={"act": act})
        assert result.error != ""
        assert result.value is None
        assert KEY not in result.model_dump_json()
        works = sandbox.run("act('look around')", functions={"act": act})
        assert works.value == "Nothing happens."
