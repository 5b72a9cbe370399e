"""Failed runs under goals that they did reach; new goals out of mastered ones."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from agent.models.scripted import ScriptedModel
from agent.relabel import Goal, Relabeller, candidates, holds, mastered, new_goals
from envs.toy import Toy
from envs.types import Action, Limits, Score, Split, Step, Task
from memory.types import StepRecord, Trajectory
from skills.types import Skill

TOY = Toy()
ROOM = [task for task in TOY.tasks("train") if task.seed == 0]
SPOON = next(task for task in ROOM if task.tags[1] == "spoon")
KEY = next(task for task in ROOM if task.tags[1] == "key")
CANDLE = next(task for task in ROOM if task.tags[1] == "candle")


def played(task: Task, lines: Sequence[str]) -> Trajectory:
    """A run as the ledger keeps it."""
    episode = TOY.open(task)
    steps = [
        StepRecord(index=n, action=line, observation=episode.step(Action(text=line)).observation)
        for n, line in enumerate(lines)
    ]
    return Trajectory(
        id="r1",
        env="toy",
        task=task.id,
        task_key=task.key,
        split="train",
        goal=task.goal,
        steps=tuple(steps),
        score=episode.score(),
    )


def way_to(task: Task) -> list[str]:
    return [one.text for one in TOY.open(task).demonstrate()]


MISTAKEN = played(SPOON, way_to(KEY))
"""Asked for a spoon, gave a key."""


def skill(goal: str, *, status: str = "active") -> Skill:
    fields = {"id": f"S {goal}", "name": "bring", "code": "", "goals": (goal,), "status": status}
    return Skill.model_validate(fields)


@pytest.mark.paper("lma3")
async def test_a_failed_run_is_kept_under_the_goal_that_it_reached(mechanism: bool) -> None:
    assert MISTAKEN.score is not None
    assert not MISTAKEN.score.passed
    ways, usage = await Relabeller(TOY).relabel(MISTAKEN) if mechanism else ([], None)
    assert [way.task.goal for way in ways] == ["Bring me the key."]
    assert usage is not None
    assert usage.calls == 0
    episode = TOY.open(ways[0].task)
    for line in ways[0].actions:
        episode.step(Action(text=line))
    assert episode.score().passed
    assert (ways[0].run, ways[0].author) == ("r1", "own")


@pytest.mark.paper("lma3")
async def test_new_goals_consist_of_mastered_ones_and_can_be_checked(mechanism: bool) -> None:
    shelf = Shelf()
    tasks = shelf.tasks("train")
    skills = [skill("Place {x} red."), skill("Place {x} blue.", status="candidate")]
    if not mechanism:  # any goal that is known may be a part
        skills = [one.model_copy(update={"status": "active"}) for one in skills]
    goals, _ = await new_goals(tasks, skills)
    assert [one.words for one in goals] == ["Place a red, then Place b red."]
    assert all("red" in part.goal for goal in goals for part in goal.parts)
    (goal,) = goals
    assert [call.arguments for call in goal.calls] == [{"x": "a"}, {"x": "b"}]
    assert holds(shelf, goal, ["a red", "b blue", "b red"])
    assert not holds(shelf, goal, ["a red", "b blue"])
    assert mastered(goal, skills)
    assert not mastered(goal, skills[1:])


async def test_a_model_says_which_goals_to_try_and_none_of_them_is_believed() -> None:
    said = {"goals": ["Bring me the candle.", "Bring me the key.", "Bring me the key."]}
    model = ScriptedModel([said])
    run = played(SPOON, [*way_to(CANDLE)[:2], *way_to(KEY)])
    ways, usage = await Relabeller(TOY, model=model).relabel(run)
    assert [way.task.goal for way in ways] == ["Bring me the key."]
    assert usage.calls == 1
    assert "give key" in str(model.requests[0].messages)


@pytest.mark.parametrize(
    "run",
    [
        played(KEY, way_to(KEY)),
        played(SPOON, way_to(KEY)[:2]),
        MISTAKEN.model_copy(update={"split": "val"}),
        MISTAKEN.model_copy(update={"task_key": "bring spoon | room 77"}),
        MISTAKEN.model_copy(update={"steps": ()}),
    ],
)
async def test_what_reached_nothing_else_is_not_relabelled(run: Trajectory) -> None:
    assert (await Relabeller(TOY).relabel(run))[0] == []


async def test_a_world_that_answers_otherwise_is_another_one() -> None:
    steps = list(MISTAKEN.steps)
    steps[0] = steps[0].model_copy(update={"observation": "You hear a bird."})
    run = MISTAKEN.model_copy(update={"steps": tuple(steps)})
    assert (await Relabeller(TOY).relabel(run))[0] == []


def test_goals_that_were_acted_on_come_first() -> None:
    first, *_ = candidates(TOY, MISTAKEN)
    assert first.goal == "Bring me the key."
    assert all(task.key.endswith("| room 0") for task in candidates(TOY, MISTAKEN))
    assert SPOON.key not in {task.key for task in candidates(TOY, MISTAKEN)}


async def test_a_model_words_new_goals_and_may_name_no_part_that_is_not_mastered() -> None:
    said = {"parts": ["Place b red.", "Place a red."], "goal": "Make all of it red."}
    model = ScriptedModel([said])
    goals, usage = await new_goals(Shelf().tasks("train"), [skill("Place {x} red.")], model=model)
    assert goals[0].words == "Make all of it red."
    assert [part.goal for part in goals[0].parts] == said["parts"]
    assert usage.calls == 1
    parts = (model.requests[0].schema_ or {})["properties"]["parts"]
    assert parts["items"]["enum"] == ["Place a red.", "Place b red."]
    lone = Goal(words="x", parts=goals[0].parts[:1], calls=goals[0].calls[:1])
    assert not mastered(lone, [skill("Place {x} red.")])


class ShelfEpisode:
    """Things have colours; `a red` makes a thing red."""

    tools = ()

    def __init__(self, task: Task) -> None:
        self.task = task
        self.first = Step(observation=task.goal)
        self._is: dict[str, str] = {}

    def step(self, action: Action) -> Step:
        thing, colour = action.text.split()
        self._is[thing] = colour
        return Step(observation=f"{thing} is {colour}.")

    def score(self) -> Score:
        _, thing, colour = self.task.goal.rstrip(".").split()
        good = self._is.get(thing) == colour
        return Score(value=float(good), passed=good)

    def close(self) -> None:
        pass


class Shelf:
    name = "shelf"

    def tasks(self, split: Split) -> Sequence[Task]:
        goals = ("Place a red.", "Place a blue.", "Place b red.")
        fields = {"env": "shelf", "split": "train", "limits": Limits(steps=9)}
        return [Task(id=g, goal=g, key=f"{g} | shelf", **fields) for g in goals if split == "train"]

    def open(self, task: Task, *, seed: int | None = None) -> ShelfEpisode:
        return ShelfEpisode(task)

    def close(self) -> None:
        pass
