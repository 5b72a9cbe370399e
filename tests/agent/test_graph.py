"""The graph over the toy environment with a scripted model; store and checkpoints are real."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from agent.home import Home, home
from agent.models.scripted import PolicyModel
from agent.player import Player, Stage
from agent.runner import Spec, interrupted, resume, run
from agent.settings import load
from envs.errors import EnvError, ModelError
from envs.toy import Toy
from envs.types import Action, Env, Score, Split, Step, Task
from memory.embed import HashEmbedder
from memory.index import ListIndex
from memory.ledger import Ledger
from memory.recall import Memory
from memory.types import Run

Policy = Callable[[Sequence[dict[str, Any]], dict[str, Any] | None], str | dict[str, Any]]


def seeks(messages: Sequence[dict[str, Any]], schema: dict[str, Any] | None) -> dict[str, Any]:
    """Takes what it needs when it sees it, follows a recalled way, else opens the next drawer."""
    assert schema is not None
    choices = schema["properties"]["action"]["enum"]
    goal = re.search(r"Bring me the (\w+)", " ".join(str(m["content"]) for m in messages))
    assert goal is not None
    for wish in (f"give {goal[1]}", f"take {goal[1]}"):
        if wish in choices:
            return {"action": wish}
    last = str(messages[-1]["content"])
    way = re.search(rf"Bring me the {goal[1]}.*?(open \w+ drawer)", last.partition("Possible")[2])
    fresh = [choice for choice in choices if choice.startswith("open ")]
    return {"action": way[1] if way and way[1] in fresh else min(fresh)}


def opened_drawers(messages: Sequence[dict[str, Any]]) -> set[str]:
    return {
        json.loads(m["content"])["action"]
        for m in messages
        if m["role"] == "assistant" and m["content"].startswith("{")
    }


def wanders(messages: Sequence[dict[str, Any]], schema: dict[str, Any] | None) -> dict[str, Any]:
    """As `seeks`, but never opens a drawer twice."""
    assert schema is not None
    found = seeks(messages, schema)
    done = opened_drawers(messages)
    if found["action"] not in done:
        return found
    choices = schema["properties"]["action"]["enum"]
    fresh = [c for c in choices if c.startswith("open ") and c not in done]
    return {"action": fresh[0] if fresh else choices[0]}


@asynccontextmanager
async def place(folder: Path, policy: Policy = wanders, **settings: Any) -> AsyncIterator[Home]:
    memory = Memory(Ledger(folder / "ledger.db"), ListIndex(HashEmbedder()))
    model = PolicyModel(policy)
    settings["memory"] = {"drafts": "plain", **settings.get("memory", {})}
    options = load(home=str(folder), **settings)
    async with home(options, memory=memory, models={"model": model}) as opened:
        yield opened


def spec(task: Task, **fields: Any) -> Spec:
    return Spec(task=task, seed=task.seed, **fields)


def task_for(thing: str, *, split: Split = "train", number: int = 0) -> Task:
    return [task for task in Toy().tasks(split) if task.tags[1] == thing][number]


async def test_a_solved_run_is_recorded_whole_with_a_lesson_that_quotes_its_steps(
    tmp_path: Path,
) -> None:
    async with place(tmp_path) as home_:
        done = None
        for number in range(6):
            for thing in ("spoon", "key", "candle"):
                task = task_for(thing, number=number)
                done = await run(await home_.crew(), Toy(), spec(task))
                if done.lessons:
                    break
            if done is not None and done.lessons:
                break
        assert done is not None
        stored = home_.ledger.trajectory(done.id)
        lesson = home_.ledger.lesson(done.lessons[0])
        row = home_.ledger.run(done.id)
    assert stored.score == Score(value=1.0, passed=True)
    assert stored.stop == "done"
    assert [s.index for s in stored.steps] == list(range(len(stored.steps)))
    source = lesson.source
    assert source.trajectory == done.id
    assert source.quote == stored.steps[source.last_step].observation
    assert source.task_keys == (stored.task_key,)
    assert lesson.kind == "workflow"
    assert row.status == "done"


async def test_memory_makes_the_difference_where_it_can(tmp_path: Path) -> None:
    async with place(tmp_path, memory={"floor": 0.3, "most": 2}) as home_:
        crew, env = await home_.crew(), Toy()
        for task in env.tasks("train")[:36]:
            await run(crew, env, spec(task, guard=True))
        unseen = env.tasks("val")[:24]
        off = [await run(crew, env, spec(t, recall=False, guard=True)) for t in unseen]
        on = [await run(crew, env, spec(t, guard=True)) for t in unseen]
    won = [sum(bool(t.score and t.score.passed) for t in arm) for arm in (off, on)]
    assert won[0] < won[1]
    assert not any(step.recalled for t in off for step in t.steps)
    assert any(step.recalled for t in on for step in t.steps)


async def test_val_and_test_tasks_leave_no_lessons(tmp_path: Path) -> None:
    async with place(tmp_path) as home_:
        for split in ("val", "test"):
            for task in Toy().tasks(split)[:6]:
                assert (await run(await home_.crew(), Toy(), spec(task))).lessons == ()
        assert home_.ledger.lessons() == []


async def test_in_experiments_a_task_never_sees_what_an_attempt_at_it_left(tmp_path: Path) -> None:
    async with place(tmp_path, memory={"floor": -1.0}) as home_:
        crew, env = await home_.crew(), Toy()
        first = None
        for task in env.tasks("train"):
            first = await run(crew, env, spec(task))
            if first.lessons:
                break
        assert first is not None
        same = next(t for t in env.tasks("train") if t.id == first.task)
        guarded = await run(crew, env, spec(same, guard=True, learn=False))
        daily = await run(crew, env, spec(same, learn=False))
        exposures = home_.ledger.exposures(episode=daily.id)
    assert all(not step.recalled for step in guarded.steps)
    assert daily.steps[0].recalled[0].same_task
    assert [exposure.same_task for exposure in exposures] == [True]


async def test_recalled_text_is_never_learned_again(tmp_path: Path) -> None:
    async with place(tmp_path, memory={"floor": -1.0}) as home_:
        crew, env = await home_.crew(), Toy()
        for task in env.tasks("train")[:30]:
            await run(crew, env, spec(task))
        texts = [lesson.text for lesson in home_.ledger.lessons()]
    assert len(texts) == len(set(texts))
    assert not any("recalled" in text.lower() for text in texts)


async def test_a_budget_ends_a_run_cleanly(tmp_path: Path) -> None:
    async with place(tmp_path, budget={"steps": 2}) as home_:
        done = await run(await home_.crew(), Toy(), spec(task_for("ribbon")))
    assert (done.stop, len(done.steps), done.error) == ("budget:steps", 2, "")
    assert done.score is not None


async def test_a_retry_is_marked_and_carries_its_reflection_in_the_run(tmp_path: Path) -> None:
    def only_red(messages: Any, schema: Any) -> dict[str, Any]:
        return {"action": schema["properties"]["action"]["enum"][0]}

    async with place(tmp_path, only_red, solver={"retries": 1}) as home_:
        model = await home_.model()
        done = await run(await home_.crew(), Toy(), spec(task_for("key")))
        assert isinstance(model, PolicyModel)
        seen = " ".join(str(m["content"]) for m in model.requests[-1].messages)
    assert done.attempts == 2
    assert [v.accepted for v in done.verdicts] == [False, False]
    assert {s.attempt for s in done.steps} == {0, 1}
    assert "Advice from failed attempt 1" in seen


async def test_a_model_that_fails_ends_the_run_as_a_recorded_failure(tmp_path: Path) -> None:
    calls = 0

    def breaks(messages: Any, schema: Any) -> dict[str, Any]:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise ModelError("the server went away", repair="start it again")
        return wanders(messages, schema)

    async with place(tmp_path, breaks) as home_:
        done = await run(await home_.crew(), Toy(), spec(task_for("ribbon")))
        row = home_.ledger.run(done.id)
    assert done.stop == "error"
    assert done.error == "the server went away; start it again"
    assert len(done.steps) == 2
    assert (row.status, row.error) == ("failed", done.error)
    assert done.score is None


class Forbidden:
    """A toy episode that cries out when a score is looked at before the end."""

    def __init__(self, env: Toy, task: Task) -> None:
        self._episode = env.open(task)
        self.task, self.first = task, self._episode.first
        self.over = False
        self.looked_early = False

    @property
    def tools(self) -> Sequence[Any]:
        return ()

    def step(self, action: Action) -> Step:
        step = self._episode.step(action)
        self.over = step.terminated or step.truncated
        return step

    def score(self) -> Score:
        self.looked_early |= not self.over
        return self._episode.score()

    def close(self) -> None:
        self._episode.close()

    def demonstrate(self) -> tuple[Action, ...]:
        raise AssertionError("a node asked for a demonstration")


async def test_the_score_is_read_after_the_run_and_not_before(tmp_path: Path) -> None:
    opened: list[Forbidden] = []

    class Watched(Toy):
        def open(self, task: Task, *, seed: int | None = None) -> Any:
            opened.append(Forbidden(Toy(), task))
            return opened[-1]

    env: Env = Watched()
    async with place(tmp_path) as home_:
        done = await run(await home_.crew(), env, spec(task_for("stamp")))
    assert done.score is not None
    assert [episode.looked_early for episode in opened] == [False]
    prompts = json.dumps(list(done.messages))
    assert "reward" not in prompts
    assert "score" not in prompts


def kill_in_the_middle(folder: Path, at_call: int) -> None:
    """Runs a task in a process of its own that kills itself in the middle of a step."""
    command = [sys.executable, __file__, str(folder), str(at_call)]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], timeout=60)
    assert done.returncode == -signal.SIGKILL


def victim(folder: str, at_call: int) -> None:
    """What the other process does."""
    calls = 0

    def suicidal(messages: Any, schema: Any) -> dict[str, Any]:
        nonlocal calls
        calls += 1
        if calls == at_call:
            os.kill(os.getpid(), signal.SIGKILL)
        return wanders(messages, schema)

    async def go() -> None:
        async with place(Path(folder), suicidal) as home_:
            await run(await home_.crew(), Toy(), spec(task_for("ribbon")), run_id="victim")

    asyncio.run(go())


@pytest.mark.parametrize("at_call", [1, 3])
async def test_a_run_killed_in_the_middle_resumes_where_it_was(
    tmp_path: Path, at_call: int
) -> None:
    kill_in_the_middle(tmp_path, at_call)
    async with place(tmp_path) as home_:
        left = interrupted(home_.ledger.runs(status="running"))
        assert [row.id for row in left] == ["victim"]
        done = await resume(await home_.crew(), Toy(), "victim")
        assert interrupted(home_.ledger.runs(status="running")) == []
        model = await home_.model()
        assert isinstance(model, PolicyModel)
        asked = len(model.requests)
    whole = await undisturbed(tmp_path / "other")
    assert [s.action for s in done.steps] == [s.action for s in whole.steps]
    assert asked == len(done.steps) - (at_call - 1)
    assert done.score == whole.score


async def undisturbed(folder: Path) -> Any:
    async with place(folder) as home_:
        return await run(await home_.crew(), Toy(), spec(task_for("ribbon")))


async def test_a_run_whose_world_changed_meanwhile_ends_as_a_failure(tmp_path: Path) -> None:
    kill_in_the_middle(tmp_path, 3)
    async with place(tmp_path) as home_:
        done = await resume(await home_.crew(), Toy(secret=5), "victim")
    assert "can't be taken up again" in done.error
    assert "run the task anew" in done.error


def test_a_live_run_of_another_process_is_not_taken_for_interrupted(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.db")
    task = task_for("key")
    own = spec(task, config="", started=psutil.Process().create_time())
    ledger.begin_run(
        Run(
            id="mine",
            env="toy",
            task=task.id,
            goal=task.goal,
            status="running",
            pid=os.getpid(),
            spec=own.model_dump(mode="json"),
        )
    )
    assert interrupted(ledger.runs(status="running")) == []
    ledger.close()


async def test_a_player_cannot_act_before_the_episode_is_open() -> None:
    with pytest.raises(EnvError, match="not open"):
        await Player(Stage(lambda: Toy().open(task_for("key")))).act(Action(text="look"))


if __name__ == "__main__":
    victim(sys.argv[1], int(sys.argv[2]))
