"""Rounds in a real home: the toy environment, the graph, the gate, the ledger; scripted models."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from agent.contest import Seen
from agent.gathering import Batch, Course
from agent.home import Home, home
from agent.models.scripted import PolicyModel
from agent.promotion import current, students
from agent.roundlog import Bounds
from agent.rounds import began, rounds
from agent.schooling import School, Ways
from agent.settings import load
from agent.transcript import prompt
from distill.mixing import Shares
from distill.monitor import Tuning
from distill.plan import Manifest, Plan
from distill.rows import Pair, Row
from distill.training import Stopped, Trained, never
from envs.errors import Refused
from envs.toy import Toy
from memory.embed import HashEmbedder
from memory.index import ListIndex
from memory.ledger import Ledger
from memory.recall import Memory
from memory.types import Change
from tests.distill import tiny

BOUNDS = Bounds(
    tasks=8, anchors=2, tuning=Tuning(samples=1), explore=0, shares=Shares(least=1), patience=1
)


def anything(schema: dict[str, Any]) -> dict[str, Any]:
    """What fits a schema and says nothing."""
    blank = {"integer": 0, "number": 0, "boolean": False, "array": []}
    return {
        name: one["enum"][0] if "enum" in one else blank.get(one.get("type", ""), "x")
        for name, one in schema["properties"].items()
    }


class Pupil:
    """Knows where some things are kept; for the others it opens the first drawer."""

    def __init__(self, known: dict[str, str]) -> None:
        self.known = known

    def __call__(self, messages: Sequence[dict[str, Any]], schema: dict[str, Any] | None) -> Any:
        actions = (schema or {}).get("properties", {}).get("action", {})
        if "enum" not in actions:
            return "I do not know." if schema is None else anything(schema)
        told = " ".join(str(message["content"]) for message in messages)
        thing = told.rpartition("Bring me the ")[2].partition(".")[0]
        wanted = [f"give {thing}", f"take {thing}", self.known.get(thing, "")]
        return {
            "action": next((one for one in wanted if one in actions["enum"]), actions["enum"][0])
        }


class Lessons:
    """A trainer: what the rows open before they take a thing is what their student knows."""

    def __init__(self, *, forgets: bool = False) -> None:
        self.known: list[dict[str, str]] = [{}]
        self.parents: list[bytes] = []
        self.forgets = forgets

    def train(
        self,
        rows: Sequence[Row | Pair],
        *,
        out: Path,
        parent: bytes = b"",
        stop: Callable[[], bool] = never,
    ) -> Trained:
        known: dict[str, str] = {}
        for row in rows:
            said = [m["content"] for m in row.messages if m["role"] == "assistant"]
            taken = next(n for n, one in enumerate(said) if "take " in one)
            thing = said[taken].rpartition("take ")[2].partition('"')[0]
            known[thing] = said[taken - 1].partition('": "')[2].partition('"')[0]
        self.known.append({} if self.forgets else known)
        self.parents.append(parent)
        head = b'{"a":{"dtype":"F16","shape":[2,2],"data_offsets":[0,8]}}'
        weights = len(head).to_bytes(8, "little") + head + bytes([len(self.known)] * 8)
        manifest = Manifest(
            plan=Plan(), rows=len(rows), rows_sha256="0" * 64, tokens=1, trained_tokens=1, steps=1,
            loss=0.1, seconds=0.1, base_sha256="1" * 64,
        )  # fmt: skip
        return Trained(weights=weights, manifest=manifest)


@asynccontextmanager
async def place(folder: Path) -> AsyncIterator[Home]:
    memory = Memory(Ledger(folder / "ledger.db"), ListIndex(HashEmbedder()))
    settings = load(home=str(folder), memory={"learn": False}, skills={"use": False})
    (folder / "models").mkdir()
    (folder / "models" / "smollm2-135m.gguf").write_bytes(b"GGUF")
    async with home(settings, memory=memory, models={"model": PolicyModel(Pupil({}))}) as opened:
        yield opened


def school(here: Home, lessons: Lessons, seen: list[Seen] | None = None) -> School:
    async def open_(student: str) -> PolicyModel:
        number = 0 if student == "base" else int(student.rpartition("-")[2])
        name = "tiny (embedded)" if student == "base" else f"tiny (student {student})"
        return PolicyModel(Pupil(lessons.known[number]), name=name)

    ways = Ways(
        open=open_, trainer=lambda _parent: lessons, base="smollm2-135m", licence="Apache-2.0",
        judged=20, held=8, watch=(seen if seen is not None else []).append,
    )  # fmt: skip
    return School(here, Toy(), ways)


def course(here: Home, seams: School) -> Course:
    return Course(
        name="toy",
        tasks=Toy().tasks("train"),
        seams=seams,
        folder=here.settings.home / "learning" / "toy",
        bounds=BOUNDS,
    )


async def test_own_successes_are_trained_on_gated_promoted_and_taken_back(
    tmp_path: Path,
) -> None:
    async with place(tmp_path) as here:
        lessons = Lessons()
        seams = school(here, lessons)
        learned = await rounds(course(here, seams), most=2)
        first, second = learned.rounds
        assert (first.outcome, first.adapter) == ("promoted", "toy-1"), first.why
        assert learned.best.share > learned.start.share
        assert set(learned.start.kinds) == {"bring"}
        answering = current(here.ledger)
        assert answering is not None
        assert answering.id == "toy-1"
        assert answering.runs
        assert {here.ledger.trajectory(run).arm for run in answering.runs} == {"toy/round-1/0"}
        # The next round is played by the student and begins from its weights.
        assert second.gathered.models == ("tiny (student toy-1)",)
        assert lessons.parents[0] == b""
        assert lessons.parents[1].endswith(bytes([2] * 8))
        # The gate's tasks are not those that are held out.
        assert first.decision is not None
        assert first.held is not None
        judged = {here.ledger.trajectory(run).task_key for run in first.decision.evidence.runs}
        held = {here.ledger.trajectory(run).task_key for run in first.held.runs}
        assert not judged & held
        assert began(course(here, seams).folder) == ""
        # A process that was killed right after the promotion promotes nobody twice.
        changes = here.ledger.changes(kind="adapter", limit=-1)
        await seams.promote("toy-1", first.decision)
        assert here.ledger.changes(kind="adapter", limit=-1) == changes
        await seams.back("", reason="asked for")
        assert current(here.ledger) is None


async def test_every_play_is_seen_as_it_ends(tmp_path: Path) -> None:
    async with place(tmp_path) as here:
        seen: list[Seen] = []
        await school(here, Lessons(), seen).measure("")
        assert [(one.done, one.most) for one in seen] == [(n, 8) for n in range(1, 9)]
        assert {one.stage for one in seen} == {"held-out/base"}
        await school(here, Lessons(), seen).measure("")
        assert len(seen) == 8, "runs that are there are not told again"


class Endless(Lessons):
    """A trainer that goes on until it is told to stop."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.ended = threading.Event(), threading.Event()

    def train(
        self,
        rows: Sequence[Row | Pair],
        *,
        out: Path,
        parent: bytes = b"",
        stop: Callable[[], bool] = never,
    ) -> Trained:
        self.begun.set()
        while not stop():
            time.sleep(0.01)
        self.ended.set()
        raise Stopped("training was stopped")


class Keeps(Lessons):
    """A trainer that keeps the rows it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Sequence[Row | Pair]] = []

    def train(
        self,
        rows: Sequence[Row | Pair],
        *,
        out: Path,
        parent: bytes = b"",
        stop: Callable[[], bool] = never,
    ) -> Trained:
        self.seen.append(rows)
        taken = [tiny.row("where?", 'open "drawer 1"\ntake "cup"')]
        return super().train(taken, out=out, parent=parent)


@pytest.mark.parametrize(
    ("recipe", "rows", "learnt"),
    [("sft", 8, 8), ("sft", 300, 300), ("sft", 900, 561), ("dpo", 8, 0)],
)
async def test_answers_of_the_base_are_learnt_along_never_more_than_other_rows(
    tmp_path: Path, recipe: str, rows: int, learnt: int
) -> None:
    async with place(tmp_path) as here:
        lessons, base = Keeps(), PolicyModel(Pupil({}))

        async def open_(_student: str) -> PolicyModel:
            return base

        for _ in range(2):
            ways = Ways(
                open=open_, trainer=lambda _parent: lessons,
                base="smollm2-135m", licence="Apache-2.0", recipe=recipe, rehearse=True,
            )  # fmt: skip
            seams = School(here, Toy(), ways)
            given = [tiny.row("say", "left", number=number) for number in range(rows)]
            name = f"toy-{len(lessons.seen)}"
            await seams.train(given, parent="", name=name, out=tmp_path / name)
        for seen in lessons.seen:
            spoken = [one for one in seen if one.metadata.arm == "rehearsal"]
            assert len(spoken) == learnt
            assert len(seen) - len(spoken) == rows
            assert {one.metadata.teacher for one in spoken} <= {f"model {base.name}"}
        questions = len(prompt("rehearsal").splitlines())
        assert len(base.requests) == (questions if learnt else 0), "asked once, in all rounds"


async def test_ctrl_c_ends_a_training_in_its_thread(tmp_path: Path) -> None:
    async with place(tmp_path) as here:
        lessons = Endless()
        work = asyncio.create_task(
            school(here, lessons).train([], parent="", name="toy-1", out=tmp_path / "out")
        )
        await asyncio.to_thread(lessons.begun.wait, 10)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        assert await asyncio.to_thread(lessons.ended.wait, 10)
        assert students(here.ledger) == {}


async def test_a_student_that_forgot_is_refused_in_the_ledger_and_the_base_answers(
    tmp_path: Path,
) -> None:
    async with place(tmp_path) as here:
        seams = school(here, Lessons(forgets=True))
        learned = await rounds(course(here, seams), most=2)
        assert [one.outcome for one in learned.rounds] == ["refused"]
        assert current(here.ledger) is None
        assert students(here.ledger)["toy-1"].status == "candidate"
        changes: list[Change] = here.ledger.changes(kind="adapter", limit=-1)
        assert [one.decision for one in changes] == ["rejected", "applied"]
        assert "target" in changes[0].reason


async def test_runs_that_are_there_are_not_played_again(tmp_path: Path) -> None:
    async with place(tmp_path) as here:
        batch = Batch(
            tasks=tuple(Toy().tasks("train")[:4]), student="", arm="a", samples=2, temperature=0.5
        )
        first = await school(here, Lessons()).play(batch)
        again = await school(here, Lessons()).play(batch)
        assert [run.id for run in again] == [run.id for run in first]
        assert len({run.id for run in first}) == 8


async def test_who_never_answered_can_not_be_gone_back_to(tmp_path: Path) -> None:
    async with place(tmp_path) as here:
        with pytest.raises(Refused, match="no promotion of toy-7 is left to go back to"):
            await school(here, Lessons()).back("toy-7", reason="")
