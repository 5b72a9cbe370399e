"""Eight kinds of reflection by a setting, and what each is worth on the same failed tasks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from agent.home import home
from agent.models.scripted import PolicyModel
from agent.player import Seen
from agent.reflector import Plain
from agent.reflectors.kinds import FIELDS, RETRY, Kinds, instruction
from agent.runner import Spec, run
from agent.settings import Reflection, load
from agent.state import Attempt
from bench.evals.reflection import KINDS, Report, compare
from envs.errors import ModelError, UnknownName, UserError
from envs.toy import Toy
from envs.types import Task
from memory.embed import HashEmbedder
from memory.index import ListIndex
from memory.ledger import Ledger
from memory.recall import Memory
from memory.types import StepRecord, Verdict

ALL: tuple[Reflection, ...] = ("retry", *KINDS)
TOY = Toy()
TASKS: tuple[Task, ...] = tuple(TOY.tasks("train")[:12])
ATTEMPT = Attempt(
    task=TASKS[0],
    number=0,
    first="A cabinet.",
    steps=(StepRecord(index=0, action="open red drawer", observation="Nothing is in it."),),
    last=Seen(observation="Nothing is in it."),
)
LOST = Verdict(accepted=False, confidence=1.0, critique="not reached", evidence=("step 0",))


def way(goal: str) -> list[str]:
    task = next(one for one in TASKS if one.goal in goal)
    return [action.text for action in TOY.open(task).demonstrate()]


def plays(messages: Sequence[dict[str, Any]], schema: dict[str, Any] | None) -> dict[str, Any]:
    """Goes wrong at first; the second time right where it has instructions.

    It solves a third of its tasks at once, and one more by chance when it tries again.
    """
    assert schema is not None
    fields, story = schema["properties"], str(messages)
    if "action" not in fields:
        return {name: f"{name.upper()} OF IT" for name in fields}
    right = way(story)
    number = next(n for n, one in enumerate(TASKS) if one.goal in story)
    again = "Advice from failed attempt 1" in story
    known = number % 3 == 0 or "INSTRUCTIONS OF IT" in story or (again and number == 1)
    choices = fields["action"]["enum"]
    wish = next((one for one in reversed(right) if one in choices), choices[0])
    wrong = next(one for one in choices if one.startswith("open ") and one != right[0])
    return {"action": wish if known else wrong}


async def measured(folder: Path, *, kinds: Sequence[Reflection]) -> tuple[Report, int]:
    memory = Memory(Ledger(folder / "ledger.db"), ListIndex(HashEmbedder()))
    model = PolicyModel(plays)
    settings = load(home=str(folder), memory={"drafts": "plain"}, solver={"break_loops": False})
    async with home(settings, memory=memory, models={"model": model}) as place:
        report = await compare(await place.crew(), TOY, one_of_each(), kinds=kinds)
        return report, len(place.ledger.lessons())


def one_of_each() -> list[Task]:
    """One task for each thing, so that a goal names its task."""
    return list({task.goal: task for task in reversed(TASKS)}.values())


@pytest.mark.paper("self-reflection-types")
async def test_the_gain_of_each_kind_over_a_bare_retry_on_the_same_failed_tasks(
    tmp_path: Path, mechanism: bool
) -> None:
    report, lessons = await measured(tmp_path, kinds=KINDS if mechanism else ())
    gains = {one.kind: one for one in report.gains}
    assert set(gains) == set(KINDS)
    assert lessons == 0
    assert {one.n for one in report.gains} == {report.failed}
    assert {one.dropped for one in report.gains} == {0}
    helpful = {kind for kind, one in gains.items() if one.gain}
    assert helpful == {"instructions", "composite", "unredacted"}
    best = gains["instructions"]
    assert best.solved == report.failed > best.without
    assert best.gained == best.solved - best.without
    assert best.p == pytest.approx(2 * 0.5**best.gained)
    assert best.p <= best.p_holm <= 1
    assert gains["keywords"].p == 1.0


@pytest.mark.paper("self-reflection-types")
@pytest.mark.parametrize("kind", ALL)
async def test_the_kind_that_is_set_is_what_the_retry_reads(
    tmp_path: Path, kind: Reflection, mechanism: bool
) -> None:
    memory = Memory(Ledger(tmp_path / "ledger.db"), ListIndex(HashEmbedder()))
    model = PolicyModel(plays)
    settings = load(
        home=str(tmp_path),
        memory={"drafts": "plain", "recall": False},
        solver={"break_loops": False, "retries": 1},
        learning={"reflection": kind if mechanism else "default"},
    )
    task = next(task for n, task in enumerate(TASKS) if n % 3 and n != 1)
    async with home(settings, memory=memory, models={"model": model}) as place:
        done = await run(await place.crew(), TOY, Spec(task=task, seed=task.seed, learn=False))
    (advice,) = done.reflections
    names = [name for name in FIELDS if kind in (name, "composite", "unredacted")]
    expected = " ".join(f"{name.capitalize()}: {name.upper()} OF IT" for name in names)
    assert advice.startswith(expected or RETRY)
    assert ("What was done:" in advice) == (kind == "unredacted")
    assert f"Advice from failed attempt 1: {advice[:40]}" in str(model.requests[-1].messages)


async def test_a_model_that_fails_leaves_the_bare_retry() -> None:
    def breaks(_messages: Any, _schema: Any) -> Any:
        raise ModelError("gone", repair="start it")

    said, usage = await Kinds(PolicyModel(breaks), "advice", inner=Plain()).reflect(ATTEMPT, LOST)
    assert (said, usage.calls) == (RETRY, 0)


async def test_one_call_for_any_kind_and_none_for_a_bare_retry() -> None:
    for kind in ALL:
        model = PolicyModel(lambda _m, schema: dict.fromkeys((schema or {})["properties"], "x"))
        _, usage = await Kinds(model, kind, inner=Plain()).reflect(ATTEMPT, LOST)
        assert usage.calls == len(model.requests) == int(kind != "retry")


async def test_a_kind_that_there_is_not_is_named(tmp_path: Path) -> None:
    wrong: Any = "advise"
    with pytest.raises(UnknownName, match="advice"):
        Kinds(PolicyModel(plays), wrong, inner=Plain())
    with pytest.raises(UnknownName, match="advice"):
        await measured(tmp_path, kinds=(wrong,))
    memory = Memory(Ledger(tmp_path / "other.db"), ListIndex(HashEmbedder()))
    async with home(
        load(home=str(tmp_path)), memory=memory, models={"model": PolicyModel(plays)}
    ) as place:
        with pytest.raises(UserError, match="no tasks"):
            await compare(await place.crew(), TOY, [])


def test_an_instruction_asks_for_the_fields_of_its_kind() -> None:
    assert "- advice:" in instruction("advice")
    assert "- keywords:" not in instruction("advice")
    assert all(f"- {name}:" in instruction("composite") for name in FIELDS)
