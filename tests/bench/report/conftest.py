"""An invented experiment: five arms, two task sets, three seeds, checkpoints."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from agent.settings import ModelSettings
from bench.lab.types import ArmSpec, Cell, Experiment, Row, Tasks
from envs.types import Score, Split, Task
from memory.types import Recalled, Source, StepRecord, Trajectory, Verdict

TYPES = ("look", "pick", "clean", "heat")
CHANCES = {
    "random": 0.03, "expert": 0.92, "bare (1.5B)": 0.08, "ReAct + example": 0.34,
    "Reflexion": 0.3, "lessons": 0.25,
}  # fmt: skip
HOSTILE = "<script>alert('x')</script> \"quoted\" & <img src=x onerror=alert(1)>"


class Played(NamedTuple):
    experiment: Experiment
    rows: list[Row]
    sessions: list[dict[str, Any]]
    transcript: Callable[[str], Trajectory | None]


def experiment() -> Experiment:
    small = "1.5B"
    return Experiment(
        name="floors",
        title="Floors and baselines: what does a small model solve without any memory?",
        note="Scaled down: 15 tasks a set for the arms with the 1.5B model.",
        models={small: ModelSettings(name="coder-1.5b")},
        learn=Tasks(env="alfworld", split="train", n=20),
        measure=(
            Tasks(env="alfworld", split="val", n=40),
            Tasks(env="household", split="val", n=30),
        ),
        arms=(
            ArmSpec(name="random", kind="random"),
            ArmSpec(name="expert", kind="expert"),
            ArmSpec(name="bare (1.5B)", kind="bare", model=small, n=15),
            ArmSpec(name="ReAct + example", kind="react", model=small, n=15),
            ArmSpec(name="Reflexion", kind="reflexion", model=small, n=15),
            ArmSpec(name="lessons", kind="expel", model=small, n=15),
        ),
        seeds=(0, 1, 2),
        checkpoints=(0, 10, 20),
        compare=(
            ("ReAct + example", "bare (1.5B)"),
            ("Reflexion", "bare (1.5B)"),
            ("lessons", "ReAct + example"),
        ),
        baseline="bare (1.5B)",
    )


def task_of(env: str, split: Split, at: int) -> Task:
    kind, room = TYPES[at % 4], f"room{at % 7}"
    goal = f"{kind} a thing of sort {at // 4} and put it in the box"
    return Task(
        id=f"{env}-{split}-{at}", env=env, goal=goal, key=f"{goal}|{room}", split=split,
        tags=(kind,),
    )  # fmt: skip


def play(
    exp: Experiment, arm: ArmSpec, task: Task, *, seed: int, learned: int
) -> tuple[Row, Trajectory]:
    cell = Cell(
        experiment=exp.name, arm=arm.name, seed=seed, phase="measure", learned=learned, task=task
    )
    learns, again = arm.kind == "expel", arm.kind == "reflexion"
    rng = random.Random(f"{arm.name}{task.id}{learned if learns else 0}{seed if learns else 0}")
    chance = CHANCES[arm.name] + (0.02 * learned if learns else 0) + 0.04 * (hash_of(task) % 3)
    first = rng.random() < chance
    won = first or (again and rng.random() < 0.25)
    attempts = 1 if first or not again else 2 if won else 3
    broke = not won and rng.random() < 0.04
    failure = "" if won else rng.choice(("looping", "looping", "idle", "searching", "unfinished"))
    model = bool(arm.model)
    notes = tuple(f"n{rng.randrange(12):02d}" for _ in range(2)) if learns and learned else ()
    row = Row(
        cell=cell.id, arm=arm.name, kind=arm.kind, model=arm.model, seed=seed, phase="measure",
        learned=learned, env=task.env, split=task.split, task=task.id, task_key=task.key,
        task_type=task.tags[0], room=task.key.partition("|")[2], passed=None if broke else won,
        first_passed=first, attempts=attempts, steps=rng.randrange(8, 50) * attempts,
        stop="done" if won else "error" if broke else "limit",
        failure="crashed" if broke else failure, error="the game died" if broke else "",
        accepted=rng.random() < (0.8 if won else 0.3), confidence=rng.choice((0.5, 0.7, 0.9)),
        verified_by="judge" if model else "environment", notes=tuple(dict.fromkeys(notes)),
        note_tokens=40 * len(notes), calls=40 * attempts if model else 0,
        prompt_tokens=rng.randrange(8000, 30000) * attempts if model else 0,
        completion_tokens=rng.randrange(300, 1500) if model else 0,
        digest=f"{rng.random()}", model_s=60.0 if model else 0.0,
        wall_s=rng.uniform(40, 90) if model else rng.uniform(0.2, 1), session="s1",
        ended=f"2026-11-20T10:{at_of(task):02d}:00+00:00",
    )  # fmt: skip
    return row, told(row, task, rng)


def told(row: Row, task: Task, rng: random.Random) -> Trajectory:
    steps = tuple(
        StepRecord(
            index=at,
            attempt=attempt,
            action=f"go to shelf {at % 5}",
            observation=f"You see a mug. {HOSTILE if at == 2 else ''}",
            thought="The mug may stand on a shelf." if at % 3 == 0 and row.model else "",
            recalled=tuple(
                Recalled(
                    lesson=note, version=1, text=f"{note}: shelves hold mugs. {HOSTILE}",
                    similarity=0.61, tokens=12, source=Source(),
                )
                for note in row.notes
            )
            if at in (0, 4)
            else (),
        )
        for attempt in range(row.attempts)
        for at in range(rng.randrange(5, 16))
    )  # fmt: skip
    return Trajectory(
        id=row.cell, env=task.env, task=task.id, task_key=task.key, task_type=task.tags[0],
        split=task.split, goal=task.goal, seed=row.seed, arm=row.arm, model=row.model,
        first_observation="You are in a room.", steps=steps,
        messages=(
            {"role": "system", "content": f"You act in a house. {HOSTILE}"},
            {"role": "user", "content": f"Goal: {task.goal}\nNotes:\n- shelves hold mugs"},
            {"role": "assistant", "content": "go to shelf 0"},
        ),
        verdicts=(Verdict(accepted=row.accepted, confidence=row.confidence, source="judge"),),
        score=None if row.passed is None else Score(value=float(row.won), passed=row.won),
        stop=row.stop, error=row.error, attempts=row.attempts,
    )  # fmt: skip


def hash_of(task: Task) -> int:
    return sum(task.key.encode())


def at_of(task: Task) -> int:
    return int(task.id.rpartition("-")[2]) % 60


def played() -> Played:
    exp = experiment()
    rows: list[Row] = []
    runs: dict[str, Trajectory] = {}
    for tasks in exp.measure:
        for arm in exp.arms:
            learns = arm.kind == "expel"
            for seed in exp.seeds if learns or arm.kind == "random" else exp.seeds[:1]:
                for learned in exp.checkpoints if learns else (0,):
                    for at in range(min(arm.n or tasks.n, tasks.n)):
                        task = task_of(tasks.env, tasks.split, at)
                        row, run = play(exp, arm, task, seed=seed, learned=learned)
                        rows.append(row)
                        runs[row.cell] = run
    session = {
        "id": "s1", "began": "2026-11-20T10:00:00+00:00", "code": "a1b2c3d4", "dirty": False,
        "lock": "99aa88bb", "models": {"1.5B": {"name": "coder-1.5b", "sha256": "ab" * 32}},
        "settings": {"solver": {"think": True, "temperature": 0.0}},
        "machine": {"cores": 2, "memory_gib": 8, "processor": "a processor", "system": "Linux"},
        "packages": {"torch": "2.13.0"},
    }  # fmt: skip
    return Played(exp, rows, [session], runs.get)


@pytest.fixture(scope="session")
def invented() -> Played:
    return played()
