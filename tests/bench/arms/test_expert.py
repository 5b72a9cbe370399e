"""The ceiling: the environment's own expert."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent.graph import opened
from agent.models.scripted import ScriptedModel
from agent.reflector import Plain
from agent.runner import Crew, Spec, run
from agent.solver import Greedy
from agent.verifier import Shown
from bench.arms.expert import Expert
from bench.arms.types import Desk
from envs.toy import Toy, ToyEpisode
from envs.types import Action, Env, Episode, Split, Task
from memory.embed import HashEmbedder
from memory.index import ListIndex
from memory.ledger import Ledger
from memory.recall import Memory
from memory.types import Trajectory

Desks = Callable[..., Desk]


class Wordy(ToyEpisode):
    """Its expert says what the game does not understand."""

    def demonstrate(self) -> tuple[Action, ...]:
        return (Action(text="put spoon on table"),)


class Mute(Toy):
    """Episodes of one class; None: without an expert."""

    def __init__(self, kind: type[ToyEpisode] | None) -> None:
        super().__init__()
        self._kind = kind

    def open(self, task: Task, *, seed: int | None = None) -> Any:
        if self._kind is None:
            return Plainly(super().open(task, seed=seed))
        return self._kind(task, homes=self._homes, seed=0)


class Plainly:
    """An episode that can't demonstrate."""

    def __init__(self, inner: Episode) -> None:
        self.task, self.first, self.tools = inner.task, inner.first, ()
        self.step, self.score, self.close = inner.step, inner.score, inner.close


async def play(desk: Desk, env: Env, folder: Path, split: Split = "val") -> Trajectory:
    memory = Memory(Ledger(folder / "ledger.db"), ListIndex(HashEmbedder()))
    arm = Expert(desk)
    async with opened(folder / "checkpoints.db") as graph:
        crew = Crew(
            settings=desk.settings, graph=graph, memory=memory, model=ScriptedModel([]),
            strategy=Greedy(), verifier=Shown(), reflector=Plain(),
        )  # fmt: skip
        task = env.tasks(split)[0]
        found = await run(arm.crew(crew), arm.env(env), Spec(task=task, recall=False))
    memory.close()
    return found


@pytest.mark.parametrize("split", ["train", "val", "test"])
async def test_the_expert_plays_on_any_split_and_asks_no_model(
    make_desk: Desks, tmp_path: Path, split: Split
) -> None:
    found = await play(make_desk(), Toy(), tmp_path, split)
    assert (found.error, found.usage.calls) == ("", 0)
    assert found.score is not None
    assert found.score.passed
    assert [step.action.split()[0] for step in found.steps] == ["open", "take", "give"]
    assert found.split == split


async def test_what_the_game_does_not_understand_is_replaced(
    make_desk: Desks, tmp_path: Path
) -> None:
    found = await play(make_desk(), Mute(Wordy), tmp_path)
    assert found.error == ""
    assert {step.action.split()[0] for step in found.steps} == {"open"}


async def test_without_an_expert_it_says_so(make_desk: Desks, tmp_path: Path) -> None:
    found = await play(make_desk(), Mute(None), tmp_path)
    assert found.error == "toy has no expert; play without it"


def test_it_learns_nothing_and_is_the_only_one_that_knows(make_desk: Desks) -> None:
    arm = Expert(make_desk())
    assert (arm.learns, arm.knows_key, arm.chance) == (False, True, False)
