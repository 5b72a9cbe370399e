"""A whole learn with fakes: rounds rise, turn, stop, go back, and go on after a kill."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from agent.gate import Decision
from agent.gathering import Batch, Course, drawn
from agent.roundlog import Bounds, Held, Learned
from agent.rounds import rounds
from distill import rows as recipe
from distill.mixing import Shares
from distill.monitor import Tuning
from distill.rows import Pair, Row
from envs.errors import Refused, StoreError
from envs.types import Score, Task
from memory.types import StepRecord, Trajectory, Verdict

BOUNDS = Bounds(
    tasks=20, anchors=5, tuning=Tuning(samples=2), explore=2, shares=Shares(least=4), patience=2
)
HELD = 200


class Killed(BaseException):
    """The process is gone."""


class School:
    """Students whose success is written down, and who reach a task by its number.

    `skill` has the share of train tasks that each student solves, and `held` what it wins of the
    held-out ones. All calls are kept; the ledger outlives a killed process.
    """

    def __init__(
        self,
        skill: dict[str, float],
        held: dict[str, float] | None = None,
        *,
        gate: Callable[[str, str], bool] | None = None,
        kill: str = "",
    ) -> None:
        self.skill, self.held = skill, held or skill
        self.gate = gate or (lambda champion, new: self.held[new] > self.held[champion])
        self.kill = kill
        self.ledger: dict[tuple[str, str, int], Trajectory] = {}
        self.batches: list[Batch] = []
        self.trained: dict[str, list[Row | Pair]] = {}
        self.parents: dict[str, str] = {}
        self.changes: list[tuple[str, bool, str]] = []
        self.answers: list[str] = [""]
        self.calls: list[str] = []
        self.name = "tiny (student {})"

    def call(self, name: str) -> None:
        self.calls.append(name)
        if name == self.kill:
            self.kill = ""
            raise Killed

    async def play(self, batch: Batch) -> Sequence[Trajectory]:
        self.batches.append(batch)
        cells = [(task, sample) for task in batch.tasks for sample in range(batch.samples)]
        for task, sample in cells:
            key = (batch.arm, task.id, sample)
            if key not in self.ledger:
                self.call(f"play {batch.arm}")
                self.ledger[key] = self.run(batch, task, sample)
        return [self.ledger[batch.arm, task.id, sample] for task, sample in cells]

    def run(self, batch: Batch, task: Task, sample: int) -> Trajectory:
        luck = random.Random(f"{task.id}/{sample}/{batch.temperature}").random()
        won = luck < self.skill[batch.student]
        name = f"{batch.arm}/{task.id}/{sample}"
        way = "take the short way" if sample % 2 else "take the long way"
        return Trajectory(
            id=name, env="toy", task=task.id, task_key=task.key, task_type="bring", split="train",
            goal=task.goal, arm=batch.arm, first_observation="A room.",
            model=self.name.format(batch.student) if batch.student else "tiny",
            steps=(StepRecord(index=0, action=f"{way} to {task.id}", observation="There."),),
            verdicts=(Verdict(accepted=won, confidence=1.0),),
            score=Score(value=float(won), passed=won),
        )  # fmt: skip

    def rows(self, runs: Sequence[Trajectory]) -> Iterable[Row]:
        return recipe.rows(runs)

    async def train(self, rows: Sequence[Row | Pair], *, parent: str, name: str, out: Path) -> str:
        self.call(f"train {name}")
        self.trained[name], self.parents[name] = list(rows), parent
        return name

    async def judge(self, champion: str, challenger: str) -> Decision:
        self.call(f"judge {challenger}")
        promote = self.gate(champion, challenger)
        failed = () if promote else ("target",)
        return Decision(promote=promote, failed=failed, reasons=("target: no clear gain",))

    async def measure(self, student: str) -> Held:
        self.call(f"measure {student}")
        return Held(student=student, won=round(HELD * self.held[student]), total=HELD)

    async def promote(self, challenger: str, decision: Decision) -> None:
        self.call(f"promote {challenger}")
        change = (challenger, decision.promote, str(decision))
        if change not in self.changes:
            self.changes.append(change)
            self.answers += [challenger] if decision.promote else []

    async def back(self, student: str, *, reason: str) -> None:
        self.call(f"back {student}")
        while self.answers[-1] != student:
            self.answers.pop()


def tasks(count: int = 60, split: Any = "train") -> list[Task]:
    return [
        Task(id=f"t{n}", env="toy", goal=f"Fetch {n}.", key=f"k{n}", split=split)
        for n in range(count)
    ]  # fmt: skip


def course(school: School, folder: Path, **more: Any) -> Course:
    fields: dict[str, Any] = {"name": "s", "tasks": tasks(), "seams": school, "folder": folder}
    return Course(**{**fields, "bounds": BOUNDS, **more})


RISING = {"": 0.3, "s-1": 0.5, "s-2": 0.7, "s-3": 0.9}


async def test_three_rounds_rise_and_each_is_promoted(tmp_path: Path) -> None:
    school, told = School(RISING), list[str]()
    learned = await rounds(course(school, tmp_path, told=told.append), most=3)
    assert [one.outcome for one in learned.rounds] == ["promoted"] * 3
    assert school.parents == {"s-1": "", "s-2": "s-1", "s-3": "s-2"}
    assert learned.best.student == school.answers[-1] == "s-3"
    assert learned.said() == (
        "held-out: s-3 180/200, 90.0% (85.1% to 93.4%), before 60/200, 30.0% (24.1% to 36.7%); "
        "3 rounds are over"
    )
    assert told[-1] == learned.said()
    assert any("coverage" in line for line in told)
    for one in learned.rounds:
        assert one.gathered.figures is not None
        assert one.gathered.figures.exploitation == 1.0


@pytest.mark.paper("rest-meets-react")
async def test_the_second_rounds_data_is_of_the_first_rounds_served_student(
    tmp_path: Path, mechanism: bool
) -> None:
    teacher = Held(student="", won=120, total=HELD)
    # Without the mechanism no student is handed on to the next round.
    school, told = School(RISING, gate=lambda _champion, _new: mechanism), list[str]()
    this = course(school, tmp_path, teacher=teacher, told=told.append)
    await rounds(this, most=2)
    players = {run.id: run.model for run in school.ledger.values()}
    sources = {
        name: {players[row.metadata.trajectory] for row in made if row.metadata.round == number}
        for number, (name, made) in enumerate(school.trained.items(), start=1)
    }
    assert sources == {"s-1": {"tiny"}, "s-2": {"tiny (student s-1)"}}
    # The small served model beside the prompted teacher, in the summary.
    assert "held-out: s-2 140/200, 70.0%" in told[-1]
    assert "prompted teacher 120/200, 60.0%" in told[-1]


async def test_another_model_that_answers_for_the_student_is_refused(tmp_path: Path) -> None:
    school = School(RISING)
    school.name = "gpt-9"
    with pytest.raises(Refused, match="student s-1 was to play, and gpt-9 answered; unset"):
        await rounds(course(school, tmp_path), most=2)


async def test_when_held_out_success_turns_it_is_over_and_the_student_is_not_promoted(
    tmp_path: Path,
) -> None:
    """The gate is fooled: it lets everything in. Train success rises, held-out success falls."""
    held = {"": 0.3, "s-1": 0.6, "s-2": 0.4}
    school = School(RISING, held, gate=lambda _champion, _new: True)
    learned = await rounds(course(school, tmp_path), most=3)
    assert [one.outcome for one in learned.rounds] == ["promoted", "turned"]
    assert learned.stopped == "held-out success turned in round 2"
    assert school.answers == ["", "s-1"]
    name, promoted, why = school.changes[-1]
    assert (name, promoted) == ("s-2", False)
    assert why == (
        "held-out: 80/200, 40.0% (33.5% to 46.9%), and the best so far "
        "120/200, 60.0% (53.1% to 66.5%); it may fall by 2.0%"
    )
    assert "s-3" not in school.trained


async def test_a_slow_slide_is_rolled_back_to_the_best_student(tmp_path: Path) -> None:
    """Each fall is within the slack; when their sum is not, the best one answers again."""
    held = {"": 0.3, "s-1": 0.600, "s-2": 0.590, "s-3": 0.575}
    school = School(RISING, held, gate=lambda _champion, _new: True)
    learned = await rounds(course(school, tmp_path), most=4)
    assert [one.outcome for one in learned.rounds] == ["promoted", "promoted", "turned"]
    assert school.answers == ["", "s-1"]
    assert learned.best.student == "s-1"
    assert school.calls[-1] == "back s-1"


async def test_the_gates_refusal_keeps_the_champion_and_patience_ends(tmp_path: Path) -> None:
    school = School({**RISING, "": 0.5}, gate=lambda _champion, _new: False)
    learned = await rounds(course(school, tmp_path), most=5)
    assert [one.outcome for one in learned.rounds] == ["refused", "refused"]
    assert learned.stopped == "no student was promoted in 2 rounds"
    assert school.answers == [""]
    assert [change[1] for change in school.changes] == [False, False]
    assert set(school.parents.values()) == {""}


STAGES = (
    "play s/round-1",
    "play s/round-2/explore",
    "train s-2",
    "judge s-1",
    "measure ",
    "measure s-2",
    "promote s-2",
    "back s-1",
)


@pytest.mark.parametrize("stage", STAGES)
async def test_a_killed_process_goes_on_where_it_was(tmp_path: Path, stage: str) -> None:
    held = {"": 0.3, "s-1": 0.600, "s-2": 0.590, "s-3": 0.575}

    def pupils(kill: str = "") -> School:
        return School(RISING, held, gate=lambda _champion, _new: True, kill=kill)

    whole, broken = pupils(), pupils(kill=stage)
    expected = await rounds(course(whole, tmp_path / "whole"), most=4)
    with pytest.raises(Killed):
        await rounds(course(broken, tmp_path / "broken"), most=4)
    found = await rounds(course(broken, tmp_path / "broken"), most=4)
    assert found == expected
    assert (broken.changes, broken.answers) == (whole.changes, whole.answers)
    # Nothing but the stage in which it was killed was done twice (settling is idempotent).
    broken.calls.remove(stage)
    again = [one for one in broken.calls if not one.startswith("promote")]
    assert again == [one for one in whole.calls if not one.startswith("promote")]


async def test_more_rounds_may_be_asked_for_later(tmp_path: Path) -> None:
    school = School(RISING)
    await rounds(course(school, tmp_path), most=1)
    calls = len(school.calls)
    learned = await rounds(course(school, tmp_path), most=2)
    assert len(learned.rounds) == 2
    assert "train s-1" not in school.calls[calls:]


async def test_the_same_name_with_other_settings_is_refused(tmp_path: Path) -> None:
    await rounds(course(School(RISING), tmp_path), most=1)
    other = BOUNDS.model_copy(update={"tasks": 9})
    with pytest.raises(Refused, match=r"rounds s were begun with other settings \(bounds\)"):
        await rounds(course(School(RISING), tmp_path, bounds=other), most=1)


async def test_a_damaged_stage_says_what_to_do(tmp_path: Path) -> None:
    await rounds(course(School(RISING), tmp_path), most=1)
    (tmp_path / "round-1" / "round.json").write_text("{}", "utf-8")
    with pytest.raises(StoreError, match=r"round.json can't be read; remove its folder"):
        await rounds(course(School(RISING), tmp_path), most=1)


@pytest.mark.parametrize("split", ["val", "test", "seen", "unseen"])
async def test_only_train_tasks_are_played(tmp_path: Path, split: str) -> None:
    strays = [*tasks(3), *tasks(1, split)]
    with pytest.raises(Refused, match=f"rounds play train tasks, and t0 is of {split}"):
        await rounds(course(School(RISING), tmp_path, tasks=strays), most=1)


async def test_demonstrations_make_round_zero(tmp_path: Path) -> None:
    skill = {"": 0.0, "s-0": 0.6, "s-1": 0.8}
    shown = [
        row.model_copy(update={"metadata": row.metadata.model_copy(update={"teacher": "expert"})})
        for row in await solved(12)
    ]
    school = School(skill)
    learned = await rounds(course(school, tmp_path, demonstrations=shown), most=1)
    assert [(one.number, one.outcome) for one in learned.rounds] == [
        (0, "promoted"),
        (1, "promoted"),
    ]
    assert len(school.trained["s-0"]) == 12
    assert school.parents["s-1"] == "s-0"
    assert {batch.student for batch in school.batches} == {"s-0"}
    replayed = [row for row in school.trained["s-1"] if row.metadata.teacher == "expert"]
    assert len(replayed) == learned.rounds[1].gathered.replayed > 0


async def solved(count: int) -> list[Row]:
    batch = Batch(tasks=tuple(tasks(count)), student="", arm="demo", samples=1, temperature=0.0)
    return list(recipe.rows(await School({"": 1.0}).play(batch)))


async def test_each_round_keeps_a_least_share_of_fresh_verified_rows(tmp_path: Path) -> None:
    bounds = BOUNDS.model_copy(update={"shares": Shares(fresh=0.8, replay=0.5, least=4)})
    school = School(RISING)
    learned = await rounds(course(school, tmp_path, bounds=bounds), most=3)
    for one in learned.rounds:
        made = school.trained[one.adapter]
        fresh = [row for row in made if row.metadata.round == one.number]
        assert len(made) == one.gathered.rows
        assert len(fresh) == one.gathered.fresh
        assert len(fresh) >= 0.8 * len(made)
    assert [one.gathered.replayed > 0 for one in learned.rounds] == [False, True, True]


async def test_too_few_fresh_rows_train_nothing(tmp_path: Path) -> None:
    school = School({"": 0.0})
    learned = await rounds(course(school, tmp_path), most=3)
    assert [one.why for one in learned.rounds] == ["0 fresh rows, fewer than 4"] * 2
    assert school.trained == {}
    assert learned.stopped == "no student was promoted in 2 rounds"


async def test_uncovered_tasks_are_explored_hotter_and_come_again(tmp_path: Path) -> None:
    school = School({"": 0.3, "s-1": 0.35, "s-2": 0.4})
    learned = await rounds(course(school, tmp_path), most=2)
    first, explored, second = school.batches[:3]
    cover = learned.rounds[0].gathered.coverage
    assert {task.key for task in explored.tasks} == cover.uncovered
    assert explored.temperature == pytest.approx(first.temperature + 0.3)
    left = learned.rounds[0].gathered.uncovered
    assert left < cover.uncovered
    anchors = {task.key for task in first.tasks[:5]}
    assert len((left - anchors) & {task.key for task in second.tasks}) == min(
        7, len(left - anchors)
    )
    trained = {row.metadata.task_key for row in school.trained["s-1"]}
    assert not trained & left


async def test_falling_exploration_makes_the_next_round_draw_more_and_hotter(
    tmp_path: Path,
) -> None:
    """The first student finds two ways to each task; the next ones hardly any."""
    school = School(
        {"": 0.9, "s-1": 0.3, "s-2": 0.3}, {"": 0.1, "s-1": 0.2, "s-2": 0.3, "s-3": 0.4}
    )
    await rounds(course(school, tmp_path), most=3)
    main = {batch.arm: batch for batch in school.batches if "explore" not in batch.arm}
    assert main["s/round-2"].samples == 2
    assert (main["s/round-3"].samples, main["s/round-3"].temperature) == (4, pytest.approx(0.9))


async def test_anchors_tell_how_far_a_sample_has_come_to_best_of_n(tmp_path: Path) -> None:
    bounds = BOUNDS.model_copy(update={"tasks": 30, "anchors": 30, "explore": 0})
    school = School({"": 0.4, "s-1": 1.0, "s-2": 1.0}, {"": 0.4, "s-1": 0.9, "s-2": 0.95})
    learned = await rounds(course(school, tmp_path, bounds=bounds), most=2)
    assert learned.rounds[0].gathered.sharpened is None
    told = learned.rounds[1].gathered.sharpened
    assert told is not None
    assert told > 1.0


def test_tasks_of_rounds_differ_but_for_the_anchors_and_repeat_by_seed() -> None:
    one, two = (drawn(tasks(), number=n, bounds=BOUNDS) for n in (1, 2))
    assert one[:5] == two[:5]
    assert not {task.id for task in one[5:]} & {task.id for task in two[5:]}
    assert one == drawn(list(reversed(tasks())), number=1, bounds=BOUNDS)
    twins = [task.model_copy(update={"key": "same"}) for task in tasks(9)]
    assert len(drawn(twins, number=1, bounds=BOUNDS)) == 1


async def test_rows_on_disk_are_those_that_were_trained_on(tmp_path: Path) -> None:
    school = School(RISING)
    learned = await rounds(course(school, tmp_path), most=1)
    lines = (tmp_path / "round-1" / "rows.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line)["metadata"]["trajectory"] for line in lines] == [
        row.metadata.trajectory for row in school.trained["s-1"]
    ]
    assert Learned.model_validate_json(learned.model_dump_json()) == learned
