"""Paths from abstract to concrete: each says its guideline, and other families must not be lost."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from agent.abilities import SETS
from agent.gate import Bounds, Compared, Evidence, decide
from agent.guiding import guidance, guidelines
from agent.home import Home, home
from agent.models.scripted import PolicyModel
from agent.pairing import Played, paired
from agent.runner import Spec, run
from agent.settings import load
from distill.guidelines import Guidance, GuidedRow, guided
from distill.rows import Row, rows, write_jsonl
from envs.errors import ModelError
from envs.toy import Toy
from memory.embed import HashEmbedder
from memory.index import ListIndex
from memory.ledger import Ledger
from memory.recall import Memory

TASK = Toy().tasks("train")[0]
WAY = [action.text for action in Toy().open(TASK).demonstrate()]


def writes_and_follows(messages: Sequence[dict[str, Any]], schema: dict[str, Any] | None) -> Any:
    """Writes guidance when it is asked for words; acts by the steps that stand before it."""
    if schema is None:
        steps = "write the steps" in str(messages[0]["content"]).lower()
        return "\n".join(WAY) if steps else "Think of the drawer first."
    choices = schema["properties"]["action"]["enum"]
    told = str(messages[0]["content"])
    known = [line for line in WAY if line in told and line in choices]
    return {"action": known[-1] if known else choices[-1]}


@asynccontextmanager
async def place(folder: Path) -> AsyncIterator[Home]:
    memory = Memory(Ledger(folder / "ledger.db"), ListIndex(HashEmbedder()))
    settings = load(home=str(folder), memory={"learn": False}, skills={"use": False})
    models = {"model": PolicyModel(writes_and_follows)}
    async with home(settings, memory=memory, models=models) as opened:
        yield opened


async def made(folder: Path) -> tuple[list[Row], dict[str, Guidance]]:
    """Rows of a run with guidance and of one without, and the guidance by run."""
    async with place(folder) as here:
        crew = await here.crew()
        found, usage = await guidance(crew.model, TASK, guideline=guidelines()[0])
        assert usage.calls == 2
        with_it = await run(crew, Toy(), Spec(task=TASK, seed=TASK.seed, brief=found.brief()))
        assert with_it.score is not None
        assert with_it.score.passed
        other = with_it.model_copy(update={"id": "plain", "task_key": "another"})
        return list(rows([with_it, other])), {with_it.id: found}


@pytest.mark.paper("regenesis")
async def test_paths_say_their_guidance_and_a_fall_elsewhere_refuses_the_student(
    tmp_path: Path, mechanism: bool
) -> None:
    plain, by = await made(tmp_path)
    exported = list(guided(plain, by)) if mechanism else plain
    file = write_jsonl(tmp_path / "rows.jsonl", exported)
    assert file.rows == 1
    for line in (tmp_path / "rows.jsonl").read_text("utf-8").splitlines():
        told = json.loads(line).get("guidance", {})
        assert told.get("guideline") == guidelines()[0]
        assert told["adapted"] == "Think of the drawer first."
        assert told["structure"].splitlines() == WAY
    assert not decide(elsewhere(lost=6)).promote


def elsewhere(*, lost: int) -> Evidence:
    """A clear gain on the target, and so many of 20 tasks lost in a held-out family."""

    def pairs(name: str, *won: tuple[bool, bool]) -> Any:
        return paired(
            name,
            [Played(task=str(n), runs=("a", "b"), won=one) for n, one in enumerate(won)],
        )

    chat = tuple(Compared(name=name, n=10, champion=5, challenger=5) for name in SETS)
    target = pairs("toy", *[(False, True)] * 20, *[(True, True)] * 10)
    family = pairs("household", *[(True, False)] * lost, *[(True, True)] * (20 - lost))
    return Evidence(abilities=chat, target=target, families=(family,))


def test_the_gate_refuses_by_the_other_family_alone() -> None:
    assert decide(elsewhere(lost=6)).failed == ("families",)
    assert decide(elsewhere(lost=1)).promote
    assert decide(elsewhere(lost=6), bounds=Bounds(families=0.5)).promote


async def test_the_guidance_is_not_in_the_row(tmp_path: Path) -> None:
    plain, by = await made(tmp_path)
    (row,) = guided(plain, by)
    assert isinstance(row, GuidedRow)
    assert row.guidance.adapted not in str(row.messages)
    (found,) = by.values()
    quoted = row.messages[0] | {"content": found.brief()}
    spoiled = Row(messages=(quoted, *row.messages[1:]), metadata=plain[0].metadata)
    assert list(guided([spoiled], by)) == []


async def test_a_model_without_words_gives_no_guidance() -> None:
    with pytest.raises(ModelError, match="scripted wrote no guidance; take a larger model"):
        await guidance(PolicyModel(lambda _m, _s: " "), TASK, guideline="Think.")


def test_guidelines_are_general() -> None:
    assert len(guidelines()) >= 5
    assert not any(word in " ".join(guidelines()) for word in ("drawer", "spoon", "fridge"))
