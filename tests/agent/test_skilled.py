"""Skills in runs: chosen like actions, played step by step, counted, withheld, taken up again."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from agent.home import Home, home
from agent.models.scripted import PolicyModel
from agent.runner import Spec, run
from agent.settings import load
from envs.toy import Toy
from envs.types import Task
from memory.embed import HashEmbedder
from memory.index import ListIndex
from memory.ledger import Ledger
from memory.recall import Memory
from memory.types import Trajectory
from skills.library import Library
from skills.types import Origin, Skill, Trial

Messages = Sequence[dict[str, Any]]
Schema = dict[str, Any] | None
Policy = Callable[[Messages, Schema], dict[str, Any]]
SPOON = next(task for task in Toy().tasks("train") if task.tags[1] == "spoon")
HOME = Toy().open(SPOON).demonstrate()[0].text
GOALS = ("Bring me the {x}.",)
REQUIRES = ("open * drawer", "take *", "give *")
BRING = f'''\
def bring(x: str) -> bool:
    """Brings what lies where spoons lie."""
    act("{HOME}")
    if "take " + x not in offered():
        return False
    act("take " + x)
    return act("give " + x).startswith("Thank you")
'''
FAILS = 'def fails(x: str) -> bool:\n    act("open red drawer")\n    return False\n'
GIVES_UP = "def gives_up(x: str) -> bool:\n    return False\n"
BREAKS = 'def breaks(x: str) -> bool:\n    act("open red drawer")\n    return 1 // 0 > 0\n'


LATE = """\
def late(x: str) -> bool:
    if "give " + x not in offered():
        return False
    return act("give " + x).startswith("Thank you")
"""


def choices(schema: Schema) -> list[str]:
    assert schema is not None
    return schema["properties"]["action"]["enum"]


def plain(messages: Messages, schema: Schema) -> dict[str, Any]:
    """Does what has to be done, one action after the other."""
    offered = choices(schema)
    return {"action": next(w for w in ("give spoon", "take spoon", HOME) if w in offered)}


def calls_first(messages: Messages, schema: Schema) -> dict[str, Any]:
    """Calls what is offered, else does it itself."""
    found = [one for one in choices(schema) if "(x=" in one]
    return {"action": found[0]} if found else plain(messages, schema)


@asynccontextmanager
async def place(
    folder: Path, policy: Policy = calls_first, *, name: str = "scripted", **settings: Any
) -> AsyncIterator[Home]:
    memory = Memory(Ledger(folder / "ledger.db"), ListIndex(HashEmbedder()))
    given = {"learn": False, "drafts": "plain", "withhold": False}
    settings["memory"] = {**given, **settings.get("memory", {})}
    options = load(home=str(folder), **settings)
    models = {"model": PolicyModel(policy, name=name)}
    async with home(options, memory=memory, models=models) as opened:
        yield opened


def add(home_: Home, code: str, **fields: Any) -> Skill:
    """An active skill; it solved as many tasks as its name is long, so names tell the order."""
    library = Library(home_.ledger)
    name = code.partition("def ")[2].partition("(")[0]
    given = {"id": f"S-{name}", "name": name, "env": "toy", "goals": GOALS, "requires": REQUIRES}
    skill = Skill.model_validate({**given, "code": code, **fields})
    added = library.add(skill, reason="written")
    trials = [Trial(task=f"t{n}", task_key=f"k{n}", passed=True) for n in range(len(name))]
    return library.move(added, "active", reason="passed", trials=trials, cascade=True)[-1]


def spec(task: Task = SPOON, **fields: Any) -> Spec:
    return Spec(task=task, seed=task.seed, learn=False, **fields)


async def played(home_: Home, task: Task = SPOON, **fields: Any) -> Trajectory:
    done = await run(await home_.crew(), Toy(), spec(task, **fields))
    assert done.error == ""
    return done


async def requests(home_: Home) -> list[list[str]]:
    """What the model could choose from, each time it was asked."""
    model = await home_.model()
    assert isinstance(model, PolicyModel)
    return [choices(one.schema_) for one in model.requests]


def actions(done: Trajectory) -> list[str]:
    return [step.action for step in done.steps]


async def test_a_model_calls_a_skill_and_each_of_its_actions_is_a_step(tmp_path: Path) -> None:
    async with place(tmp_path) as home_:
        add(home_, BRING)
        done = await played(home_)
        asked = await requests(home_)
    assert actions(done) == [HOME, "take spoon", "give spoon"]
    assert [step.skill for step in done.steps] == ["bring(x='spoon')"] * 3
    assert [step.index for step in done.steps] == [0, 1, 2]
    assert done.score is not None
    assert done.score.passed
    assert len(asked) == 1
    (call,) = done.calls
    assert call["call"] == {
        "skill": "S-bring",
        "version": 1,
        "name": "bring",
        "arguments": {"x": "spoon"},
    }
    assert (call["steps"], call["attempt"], call["error"]) == (3, 0, "")


async def test_what_is_offered_is_told_and_may_be_left(tmp_path: Path) -> None:
    told: list[str] = []

    def listens(messages: Messages, schema: Schema) -> dict[str, Any]:
        told.append(str(messages[-1]["content"]))
        return plain(messages, schema)

    async with place(tmp_path, listens) as home_:
        add(home_, BRING)
        done = await played(home_)
        asked = await requests(home_)
    assert done.calls == ()
    assert [step.skill for step in done.steps] == ["", "", ""]
    assert [one[0] for one in asked] == ["bring(x='spoon')"] * 3
    line = "- bring(x='spoon'): Brings what lies where spoons lie. (solved 5 of 5 tasks)"
    assert all(line in one for one in told)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("scripted", {"skills": {"choose": "first"}}),
        ("small-135M", {}),
        ("any (student 7f)", {}),
    ],
)
async def test_the_first_is_called_without_asking_where_that_is_set_or_the_model_is_small(
    tmp_path: Path, name: str, settings: dict[str, Any]
) -> None:
    async with place(tmp_path, name=name, **settings) as home_:
        add(home_, BRING)
        done = await played(home_)
        asked = await requests(home_)
    assert actions(done) == [HOME, "take spoon", "give spoon"]
    assert asked == []
    assert (done.usage.calls, done.usage.completion_tokens) == (0, 0)


@pytest.mark.parametrize(
    ("code", "steps", "claimed", "error"),
    [
        (FAILS, 1, False, ""),
        (GIVES_UP, 0, False, ""),
        (BREAKS, 1, None, "ZeroDivisionError"),
        (FAILS.replace("open red drawer", "burn it"), 0, None, "not allowed: 'burn it'"),
        (FAILS.replace("return False", "return True"), 1, True, ""),
    ],
)
async def test_a_call_that_does_not_solve_leaves_the_solver_free(
    tmp_path: Path, code: str, steps: int, claimed: bool | None, error: str
) -> None:
    async with place(tmp_path) as home_:
        add(home_, code)
        done = await played(home_)
        asked = await requests(home_)
    (call,) = done.calls
    assert (call["steps"], call["claimed"]) == (steps, claimed)
    assert error in call["error"]
    assert actions(done)[steps:] == [HOME, "take spoon", "give spoon"]
    assert [bool(step.skill) for step in done.steps] == [True] * steps + [False] * 3
    assert [any("(x=" in one for one in listed) for listed in asked] == [True, *[False] * 3]
    said = [one for one in done.messages if one["role"] == "assistant"]
    assert len(said) == len(done.steps)
    assert [json.loads(one["content"])["action"] for one in said][steps:] == actions(done)[steps:]


async def test_calls_that_end_at_once_do_not_go_round_for_ever(tmp_path: Path) -> None:
    async with place(tmp_path, skills={"choose": "first"}) as home_:
        for number in range(3):
            add(home_, GIVES_UP.replace("False", f"{number} > 9").replace("_up", f"_up{number}"))
        done = await played(home_)
    assert len(done.calls) == 3
    assert actions(done) == [HOME, "take spoon", "give spoon"]


async def test_the_next_best_is_offered_when_one_failed(tmp_path: Path) -> None:
    async with place(tmp_path, skills={"most": 1}) as home_:
        add(home_, FAILS.replace("fails", "fails_with_a_long_name"))
        add(home_, BRING)
        done = await played(home_)
        asked = await requests(home_)
    called = [one["call"]["name"] for one in done.calls]
    assert called == ["fails_with_a_long_name", "bring"]
    assert all(sum("(x=" in one for one in listed) < 2 for listed in asked)


async def test_the_budget_counts_what_a_skill_does(tmp_path: Path) -> None:
    async with place(tmp_path, budget={"steps": 2}) as home_:
        add(home_, BRING)
        done = await played(home_)
    assert (done.stop, actions(done)) == ("budget:steps", [HOME, "take spoon"])


async def test_the_limit_of_an_episode_ends_a_call(tmp_path: Path) -> None:
    code = 'def loops(x: str) -> bool:\n    while True:\n        act("open red drawer")\n'
    async with place(tmp_path) as home_:
        add(home_, code)
        done = await played(home_)
    assert len(done.steps) == 5
    assert done.stop == "limit"
    assert [(one["steps"], one["claimed"]) for one in done.calls] == [(5, None)]


async def test_in_a_new_attempt_a_call_may_be_made_again(tmp_path: Path) -> None:
    def stubborn(messages: Messages, schema: Schema) -> dict[str, Any]:
        found = [one for one in choices(schema) if "(x=" in one]
        return {"action": (found or choices(schema))[0]}

    async with place(tmp_path, stubborn, solver={"retries": 1}) as home_:
        add(home_, FAILS)
        done = await played(home_)
    assert done.attempts == 2
    assert [one["attempt"] for one in done.calls] == [0, 1]
    assert sum(bool(step.skill) for step in done.steps) == 2


@pytest.mark.parametrize("status", ["candidate", "quarantined", "retired"])
async def test_only_what_is_active_is_offered(tmp_path: Path, status: Any) -> None:
    async with place(tmp_path) as home_:
        Library(home_.ledger).move(add(home_, BRING), status, reason="test")
        done = await played(home_)
        asked = await requests(home_)
    assert (done.calls, len(asked)) == ((), 3)


async def test_skills_can_be_switched_off(tmp_path: Path) -> None:
    async with place(tmp_path / "a") as home_:
        add(home_, BRING)
        assert (await played(home_, skills=False)).calls == ()
    async with place(tmp_path / "b", skills={"use": False}) as home_:
        add(home_, BRING)
        assert (await played(home_)).calls == ()
    async with place(tmp_path / "c", skills={"most": 0}) as home_:
        add(home_, BRING)
        assert (await played(home_)).calls == ()


async def test_skills_of_another_environment_are_not_offered(tmp_path: Path) -> None:
    async with place(tmp_path) as home_:
        add(home_, BRING, env="household:tiny")
        assert (await played(home_)).calls == ()


async def test_that_a_skill_came_up_is_noted_like_a_lesson(tmp_path: Path) -> None:
    async with place(tmp_path) as home_:
        add(home_, BRING, origin=Origin(task_keys=("another",)))
        add(home_, FAILS, origin=Origin(task_keys=(SPOON.key,)))
        done = await played(home_)
        noted = {one.lesson: one for one in home_.ledger.exposures(episode=done.id)}
    assert set(noted) == {"S-bring", "S-fails"}
    assert all(one.shown and one.probability == 1.0 for one in noted.values())
    assert [noted[name].same_task for name in ("S-bring", "S-fails")] == [False, True]
    assert noted["S-bring"].first_step == 0


async def test_in_experiments_a_task_is_offered_nothing_that_was_written_from_it(
    tmp_path: Path,
) -> None:
    other = next(t for t in Toy().tasks("train") if t.tags[1] == "spoon" and t.key != SPOON.key)
    async with place(tmp_path) as home_:
        add(home_, BRING, origin=Origin(task_keys=(SPOON.key,)))
        guarded = await played(home_, guard=True)
        elsewhere = await played(home_, other, guard=True)
        daily = await played(home_)
    assert [len(one.calls) for one in (guarded, elsewhere, daily)] == [0, 1, 1]


CALLER = '''\
def fetch(x: str) -> bool:
    """Has it brought."""
    return bring(x)
'''


async def test_withheld_for_a_whole_run_a_skill_still_serves_others(tmp_path: Path) -> None:
    tasks = [task for task in Toy().tasks("train") if task.tags[1] == "spoon"][:24]
    async with place(tmp_path, memory={"withhold": True}) as home_:
        low = add(home_, BRING)
        add(home_, CALLER, uses=(low.id,))
        crew = await home_.crew()
        done = [
            await run(crew, Toy(), spec(task), run_id=f"r{number}")
            for number, task in enumerate(tasks)
        ]
        shown = {
            (one.episode, one.lesson): one.shown
            for name in ("S-bring", "S-fetch")
            for one in home_.ledger.exposures(lesson=name)
        }
        effect = home_.memory.effects.of("S-bring")
        asked = await requests(home_)
    assert len(shown) == 48
    assert effect.shown + effect.withheld == 24
    named = [{step.skill.partition("(")[0] for step in one.steps} for one in done]
    for one, names in zip(done, named, strict=True):
        told = {name for name in ("bring", "fetch") if shown[one.id, f"S-{name}"]}
        assert names <= told or (not told and names == {""})
        assert bool(told) == ("" not in names)
    served = [n for n, one in enumerate(done) if not shown[one.id, "S-bring"]]
    assert any(named[n] == {"fetch"} for n in served)
    assert all(one.score and one.score.passed for one in done)
    assert len(asked) == sum(3 if names == {""} else 1 for names in named)


async def test_nothing_is_withheld_from_other_splits(tmp_path: Path) -> None:
    tasks = [task for task in Toy().tasks("val") if task.tags[1] == "spoon"][:8]
    async with place(tmp_path, memory={"withhold": True}) as home_:
        add(home_, BRING)
        done = [await played(home_, task) for task in tasks]
    assert all(len(one.calls) == 1 for one in done)


async def test_a_replay_forces_a_skill_in_or_out(tmp_path: Path) -> None:
    async with place(tmp_path) as home_:
        add(home_, BRING)
        both = [
            await played(home_, forced={"S-bring": forced}, pair="p") for forced in (True, False)
        ]
    assert [len(one.calls) for one in both] == [1, 0]


async def test_one_that_works_until_it_is_admitted_falls_in_use(tmp_path: Path) -> None:
    """Its trials were fine; in runs it takes and never gives. Val runs leave it alone."""
    trials = tuple(Trial(task=f"t{n}", task_key=f"k{n}", passed=True) for n in range(24))
    code = BRING.replace('return act("give " + x).startswith("Thank you")', "return True")
    train = [task for task in Toy().tasks("train") if task.tags[1] == "spoon"][:8]
    val = [task for task in Toy().tasks("val") if task.tags[1] == "spoon"][:8]
    async with place(tmp_path, gives_nothing, memory={"learn": True}) as home_:
        added = add(home_, code)
        library = Library(home_.ledger)
        library.move(added, "active", reason="passed", trials=trials)
        crew = await home_.crew()
        for task in val:
            await run(crew, Toy(), Spec(task=task, seed=task.seed))
        assert library.get("bring").status == "active"
        for task in train:
            await run(crew, Toy(), Spec(task=task, seed=task.seed))
        fallen = library.get("bring")
        change = library.history("bring")[-1]
    assert fallen.status == "probation"
    assert "runs that called it were solved" in change.reason
    assert change.actor == "rule:use"


def gives_nothing(messages: Messages, schema: Schema) -> dict[str, Any]:
    """Calls what is offered, and then does nothing of use."""
    found = [one for one in choices(schema) if "(x=" in one]
    rest = [one for one in choices(schema) if one.startswith("open ")]
    return {"action": (found or rest)[0]}


async def test_a_skill_for_a_part_of_the_goal_waits_until_it_can_do_something(
    tmp_path: Path,
) -> None:
    task = SPOON.model_copy(update={"goal": "Bring me the spoon. But before that: say hello."})
    async with place(tmp_path, skills={"choose": "first"}) as home_:
        add(home_, LATE)
        done = await played(home_, task)
    assert [step.skill for step in done.steps] == ["", "", "late(x='spoon')"]
    assert [(one["steps"], one.get("at")) for one in done.calls] == [(0, 0), (0, 1), (1, None)]
    assert done.score is not None
    assert done.score.passed
