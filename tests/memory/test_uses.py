"""When lessons were last of use: what is kept up says the same as the whole log read anew."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from memory.admission import addition
from memory.embed import HashEmbedder
from memory.ledger import Ledger
from memory.recall import Memory
from memory.types import Exposure, Lesson
from memory.uses import Uses
from memory.vectors import ListIndex

Clock = list[float]


@pytest.fixture
def clock() -> Clock:
    return [1_800_000_000.0]


@pytest.fixture
def memory(tmp_path: Path, clock: Clock) -> Iterator[Memory]:
    opened = Memory(
        Ledger(tmp_path / "ledger.db", clock=lambda: clock[0]), ListIndex(HashEmbedder())
    )
    yield opened
    opened.close()


def happen(memory: Memory, rng: random.Random, number: int) -> None:
    """A lesson is written or comes up."""
    if rng.random() < 0.5:
        lesson = Lesson(id=f"L{number}", kind="fact", text=f"thing {number}")
        memory.write(addition(lesson, "test", (), "agent"))
    else:
        name, shown = f"L{rng.randrange(number + 1)}", rng.random() < 0.5
        given = {"episode": f"e{number}", "lesson": name, "version": 1, "first_step": 0}
        more = {"shown": shown, "same_task": False, "similarity": 0.5}
        memory.ledger.expose(Exposure.model_validate({**given, **more}))


@pytest.mark.parametrize("steps", [(60.0,), (60.0, 60.0, 60.0, -400.0)])
def test_it_says_what_the_whole_log_says(
    memory: Memory, clock: Clock, steps: tuple[float, ...]
) -> None:
    rng = random.Random(len(steps))
    for number in range(120):
        clock[0] += rng.choice(steps)
        happen(memory, rng, number)
        whole = memory.ledger.last_used()
        assert {id_: memory.uses.last()[id_] for id_ in whole} == whole
    whole, late = memory.ledger.last_used(), Uses(memory.ledger)
    assert {id_: late.last()[id_] for id_ in whole} == whole
    assert len(whole) > 40
