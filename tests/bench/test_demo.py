"""The demonstration: its curve as it is measured and told, and a student beside its model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from agent.home import Home, home
from agent.models.scripted import Policy, PolicyModel
from agent.models.types import Message
from agent.settings import ModelSettings, Settings
from agent.synthesis import Learned
from bench.demo import (
    BARE,
    MOST,
    STUDENT,
    Alone,
    Arm,
    Point,
    School,
    Taught,
    alone_in,
    merged,
    practised,
    served,
    taught,
)
from distill.adapters import WEIGHTS, Adapter
from distill.plan import Manifest, Plan
from envs.toy import Toy
from envs.types import Score
from memory.embed import HashEmbedder
from memory.index import ListIndex
from memory.ledger import Ledger
from memory.recall import Memory
from memory.types import StepRecord, Trajectory, Usage
from server.commands.demo import WIDE, bar, tell_curve, tell_student
from skills.admitting import Outcome
from skills.library import Library
from skills.types import Skill

HOMES = {t.tags[1]: Toy().open(t, seed=t.seed).demonstrate()[0].text for t in Toy().tasks("train")}
"""Which drawer to open for a thing."""


def lost(_messages: Sequence[Message], schema: dict[str, Any] | None) -> dict[str, Any]:
    """Always does what comes first."""
    assert schema is not None
    return {"action": schema["properties"]["action"]["enum"][0]}


def able(messages: Sequence[Message], schema: dict[str, Any] | None) -> dict[str, Any]:
    """Knows where things are kept."""
    assert schema is not None
    offered = schema["properties"]["action"]["enum"]
    thing = next(one for one in HOMES if f"Bring me the {one}" in str(messages))
    ways = (f"give {thing}", f"take {thing}", HOMES[thing])
    return {"action": next(way for way in ways if way in offered)}


class Played:
    """Both arms, and what they left."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bare = PolicyModel(lost, name="tiny (embedded)")
        self.student = PolicyModel(able, name="tiny (student s)")
        self.told: list[str] = []
        self.lessons: list[Any] = []

    async def arms(self, *, level: str, count: int, student: Policy = able) -> tuple[Arm, Arm]:
        self.student = PolicyModel(student, name=self.student.name)
        settings = Settings(home=self.folder)
        memory = Memory(Ledger(self.folder / "ledger.db"), ListIndex(HashEmbedder()))
        async with home(settings, memory=memory, models={"model": self.bare}) as place:
            both = await alone_in(
                place,
                self.student,
                settings=served(settings),
                count=count,
                progress=lambda name, at, total, _run: self.told.append(f"{name} {at}/{total}"),
                level=level,
            )
            self.lessons = place.ledger.lessons()
        return both


async def test_both_play_the_same_houses_and_only_the_student_is_asked_as_one(
    tmp_path: Path,
) -> None:
    played = Played(tmp_path)
    bare, student = await played.arms(level="toy", count=3)
    assert [run.task for run in bare.runs] == [run.task for run in student.runs][:BARE]
    assert {run.split for run in (*bare.runs, *student.runs)} == {"val"}
    assert (bare.won, student.won) == (0, 3)
    first = [model.requests[0].messages[0]["content"] for model in (played.bare, played.student)]
    assert first[0] != first[1]
    assert first[1].startswith("You act in a text world")
    assert played.told == ["bare 1/2", "bare 2/2", *(f"student {n}/3" for n in (1, 2, 3))]


async def test_weights_are_alone_nothing_is_recalled_called_or_learnt(tmp_path: Path) -> None:
    played = Played(tmp_path)
    both = await played.arms(level="toy", count=2)
    runs = [run for arm in both for run in arm.runs]
    assert not any(step.recalled or step.skill for run in runs for step in run.steps)
    assert played.lessons == []


async def test_a_model_that_gets_lost_is_soon_done(tmp_path: Path) -> None:
    bare, _ = await Played(tmp_path).arms(level="household:small", count=1, student=lost)
    (run,) = bare.runs
    assert (run.stop, len(run.steps)) == ("budget:steps", MOST)


def test_the_student_is_served_whatever_model_was_set() -> None:
    chosen = Settings(model=ModelSettings(file="other.gguf", name="other", context=4096))
    assert served(chosen).model == ModelSettings(adapter=STUDENT, context=4096)


def test_what_is_told_of_a_student_is_read_from_its_folder(tmp_path: Path) -> None:
    (tmp_path / WEIGHTS).write_bytes(b"x" * 1234)
    manifest = Manifest(
        plan=Plan(), rows=40, rows_sha256="a" * 64, tokens=9000, trained_tokens=900, steps=20,
        loss=0.1, seconds=600.0, base_sha256="b" * 64, envs=("alfworld",),
    )  # fmt: skip
    adapter = Adapter(id="s", base="tiny", licence="Apache-2.0", rows="a" * 64, path=tmp_path)
    assert taught(adapter) is None
    told = taught(adapter.model_copy(update={"manifest": manifest}))
    assert told == Taught(name=STUDENT, rows=40, envs=("alfworld",), seconds=600.0, size=1234)


def arm(name: str, *, won: int, seconds: float) -> Arm:
    def run(number: int) -> Trajectory:
        return Trajectory(
            id=f"{name}{number}", env="toy", task=f"t{number}", task_key="k", task_type="bring",
            split="val", goal="Bring it.", first_observation="A room.", model=f"tiny ({name})",
            steps=(StepRecord(index=0, action="look", observation="There."),),
            usage=Usage(prompt_tokens=90, completion_tokens=10, seconds=seconds),
            score=Score(value=float(number < won), passed=number < won),
        )  # fmt: skip

    return Arm(name=name, runs=tuple(run(number) for number in range(4)))


def test_the_act_is_told_with_what_it_cost(capsys: pytest.CaptureFixture[str]) -> None:
    both = (arm("bare", won=0, seconds=10.0), arm("student", won=3, seconds=1.5))
    how = Taught(name=STUDENT, rows=451, envs=("alfworld",), seconds=1168, size=9_838_896)
    tell_student(Alone(arms=both, taught=how))
    told = capsys.readouterr().out
    assert (
        "The student solved 3 of 4 in 6 s of model time, the bare model 0 of the first 4 in 40 s"
        in told
    )
    assert "10 MB beside it, trained in 19 minutes on 451 rows (alfworld)" in told
    assert "generated houses are new to it" in told
    known = how.model_copy(update={"envs": ("alfworld", "household:real")})
    tell_student(Alone(arms=both, taught=known))
    assert "new to it" not in capsys.readouterr().out


def test_a_student_that_is_not_there_is_told_of_and_costs_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    tell_student(Alone(absent="no adapter named 'shipped:alfworld'"))
    assert "No student was played: no adapter named" in capsys.readouterr().out


async def test_the_curve_is_what_was_played_with_the_skills_of_each_round(tmp_path: Path) -> None:
    memory = Memory(Ledger(tmp_path / "ledger.db"), ListIndex(HashEmbedder()))
    models = {"model": PolicyModel(able, name="tiny (embedded)")}
    told: list[str] = []
    async with home(Settings(home=tmp_path), memory=memory, models=models) as place:
        env, crew = await place.env("toy"), await place.crew()
        school = School(
            home=place,
            env=env,
            crew=crew,
            luck=crew,
            unseen=env.tasks("val")[:2],
            progress=lambda phase, at, total, _run: told.append(f"{phase} {at}/{total}"),
        )
        behind = Point(houses=5, skills=0, arm=arm("off", won=0, seconds=1), seconds=9, tokens=70)
        train = env.tasks("train")
        points, written = await practised(school, behind, [train[:1], train[1:12]])
        skills = len(school_skills(place))
    assert [one.houses for one in points] == [6, 5 + len(train[:12])]
    assert 9 < points[0].seconds < points[1].seconds
    assert 70 < points[0].tokens < points[1].tokens, "what playing train houses took is counted"
    assert points[0].arm is behind.arm, "no skill, so nothing to be played anew"
    assert [one.skills for one in points] == [0, skills]
    assert written is not None
    assert written.ways == len(train[:12]), written
    assert skills > 0
    assert points[1].arm.name == "skills, round 2"
    assert {run.split for run in points[1].arm.runs} == {"val"}
    assert told[-1] == "skills, round 2 2/2"


def school_skills(place: Home) -> list[Skill]:
    return Library(place.ledger, effects=place.memory.effects).all(env="toy", status="active")


def test_a_skill_that_was_admitted_is_told_of_though_a_later_version_fell_short() -> None:
    def made(*outcomes: tuple[str, bool]) -> Learned:
        some = tuple(Outcome(name=name, admitted=good, trials=3) for name, good in outcomes)
        return Learned(ways=len(some), drafts=len(some), outcomes=some)

    both = merged(made(("put", True), ("look", False)), made(("put", False), ("look", True)))
    assert [(one.name, one.admitted) for one in both.outcomes] == [("put", True), ("look", True)]
    assert merged(None, both) is both


def test_the_curve_is_told_with_intervals_and_costs(capsys: pytest.CaptureFixture[str]) -> None:
    start = Point(houses=0, skills=0, arm=arm("off", won=1, seconds=1), seconds=0, tokens=0)
    end = Point(houses=70, skills=3, arm=arm("on", won=4, seconds=1), seconds=83.2, tokens=9_500)
    tell_curve((start, end))
    told = capsys.readouterr().out
    first, last = (line for line in told.splitlines() if "|" in line)
    assert first.endswith("1/4      5% to 70%       0   0 s, 0 tokens")
    assert last.endswith("4/4    51% to 100%       3   83 s, 9,500 tokens")
    assert first.split("|")[1].index("o") < last.split("|")[1].index("o")
    assert "3 were solved only at the end, 0 only at the start" in told
    assert "a house took 100 tokens at the start, 100 at the end" in told.replace("\n", " ")
    tell_curve((start,))
    assert capsys.readouterr().out == "", "one point is no curve"


@pytest.mark.parametrize(("share", "low", "high"), [(0.0, 0.0, 0.2), (1.0, 0.7, 1.0), (0.5, 0, 1)])
def test_a_bar_has_both_ends_and_the_share(share: float, low: float, high: float) -> None:
    drawn = bar(share, low, high)
    assert len(drawn) == WIDE + 2
    assert drawn.index("o") == 1 + round(share * (WIDE - 1))
    assert drawn.count("o") == 1
