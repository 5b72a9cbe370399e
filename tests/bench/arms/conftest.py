"""Desks with scripted models, and runs as a laboratory hands them in."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from agent.models.scripted import PolicyModel, ScriptedModel
from agent.settings import Settings, load
from bench.arms.types import Desk, Played
from envs.toy import Toy
from envs.types import Score, Task
from memory.embed import HashEmbedder
from memory.types import StepRecord, Trajectory, Verdict

GOOD = (("open red drawer", "You open the red drawer. In it you see a key."),)


@pytest.fixture
def settings(tmp_path: Any) -> Settings:
    return load(home=str(tmp_path))


@pytest.fixture
def make_desk(settings: Settings) -> Callable[..., Desk]:
    """A desk whose model answers `replies` in order, or by `policy`."""

    def made(
        *replies: Any, policy: Any = None, note_tokens: int = 256, seed: int = 0, **model: Any
    ) -> Desk:
        chosen = settings.model_copy(
            update={"model": settings.model.model_copy(update=model)} if model else {}
        )
        embedder = HashEmbedder()
        return Desk(
            settings=chosen,
            model=PolicyModel(policy) if policy else ScriptedModel(replies),
            rng=random.Random(seed),
            embedder=lambda: embedder,
            note_tokens=note_tokens,
        )

    return made


@pytest.fixture
def make_played() -> Callable[..., Played]:
    """A finished run on train task `number` of the toy environment."""

    def made(
        number: int = 0,
        *,
        passed: bool | Sequence[bool] = True,
        steps: Sequence[tuple[str, str]] = GOOD,
        task: Task | None = None,
        run: str = "",
        error: str = "",
    ) -> Played:
        task = task or Toy().tasks("train")[number]
        ends = [passed] if isinstance(passed, bool) else list(passed)
        records = [
            StepRecord(
                index=attempt * len(steps) + place,
                attempt=attempt,
                action=action,
                observation=seen,
                thought="I look for it.",
            )
            for attempt in range(len(ends))
            for place, (action, seen) in enumerate(steps)
        ]
        trajectory = Trajectory(
            id=run or f"r{number}",
            env=task.env,
            task=task.id,
            task_key=task.key,
            task_type=task.tags[0],
            split=task.split,
            goal=task.goal,
            first_observation=f"You stand before a cabinet. {task.goal}",
            steps=tuple(records),
            verdicts=tuple(Verdict(accepted=end, confidence=1.0) for end in ends),
            score=None if error else Score(value=float(ends[-1]), passed=ends[-1]),
            stop="error" if error else "done" if ends[-1] else "limit",
            error=error,
            attempts=len(ends),
        )
        return Played(task=task, trajectory=trajectory, passed=ends[-1] and not error)

    return made
