"""The environment's expert plays train tasks in the agent's place, and leaves what a run leaves."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from agent.graph import opened
from agent.models.scripted import ScriptedModel
from agent.reflector import Plain
from agent.runner import Crew, Spec, run
from agent.settings import Settings
from agent.solver import Greedy
from agent.tutor import Nobody, taught
from agent.verifier import Shown
from envs.errors import InternalError
from envs.toy import Toy
from envs.types import Split
from memory.embed import HashEmbedder
from memory.index import ListIndex
from memory.ledger import Ledger
from memory.recall import Memory
from memory.types import Trajectory


async def play(folder: Path, split: Split) -> tuple[Trajectory, Memory]:
    memory = Memory(Ledger(folder / "ledger.db"), ListIndex(HashEmbedder()))
    async with opened(folder / "checkpoints.db") as graph:
        crew = Crew(
            settings=Settings(home=folder), graph=graph, memory=memory, model=ScriptedModel([]),
            strategy=Greedy(), verifier=Shown(), reflector=Plain(),
        )  # fmt: skip
        env = Toy()
        who, where = taught(replace(crew), env)
        found = await run(who, where, Spec(task=env.tasks(split)[0], arm="expert", recall=False))
    return found, memory


async def test_its_run_is_kept_and_leaves_a_lesson_that_names_it(tmp_path: Path) -> None:
    found, memory = await play(tmp_path, "train")
    assert found.score is not None
    assert (found.error, found.score.passed, found.usage.calls) == ("", True, 0)
    assert found.model == "expert of toy"
    (lesson,) = memory.ledger.lessons(limit=-1)
    assert lesson.text.startswith(f"Solved before: {found.goal} The way: open ")
    assert (lesson.source.trajectory, found.lessons) == (found.id, (lesson.id,))
    memory.close()


async def test_on_other_splits_nothing_is_shown(tmp_path: Path) -> None:
    found, memory = await play(tmp_path, "val")
    assert "train" in found.error
    assert (found.steps, list(memory.ledger.lessons(limit=-1))) == ((), [])
    memory.close()


async def test_nobody_has_no_words() -> None:
    with pytest.raises(InternalError, match="was asked for words"):
        await Nobody("expert of toy").reply([])
    with pytest.raises(InternalError, match="was asked for words"):
        Nobody("expert of toy").stream([])
