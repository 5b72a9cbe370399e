"""Planted wrong steps were played and broke the outcome; critics are scored on finding them."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from agent.critic import named, sneaky
from agent.models.scripted import PolicyModel, ScriptedModel
from agent.sparring import spar
from distill.bouts import Bout, fell, generator_judgements
from distill.corrupting import (
    Detection,
    Item,
    Planted,
    alike,
    critic_rows,
    detection,
    generations,
    plant,
    planted,
    spots,
    unchanged,
)
from distill.preferring import Exported, preferences
from distill.rows_verifying import Share
from envs.errors import Refused
from envs.household import Household
from envs.toy import Toy
from envs.types import Action, Demonstrates, Env, Episode, Task
from envs.workers import WorkerPool
from memory.types import StepRecord, Trajectory

TOY = Toy()
TRAIN, VAL = TOY.tasks("train"), TOY.tasks("val")
TASKS = {task.id: task for task in (*TRAIN, *VAL)}
HOMES = {t.tags[1]: TOY.open(t).demonstrate()[0].text for t in TRAIN}


def opened(run: Trajectory) -> Episode:
    return TOY.open(TASKS[run.task], seed=run.seed)


def played(env: Env, task: Task, lines: Sequence[str], *, name: str = "r") -> Trajectory:
    episode = env.open(task)
    steps = [
        StepRecord(index=n, action=line, observation=episode.step(Action(text=line)).observation)
        for n, line in enumerate(lines)
    ]
    score, first = episode.score(), episode.first.observation
    episode.close()
    return Trajectory(
        id=f"{name}/{task.id}", env="toy", task=task.id, task_key=task.key, split=task.split,
        goal=task.goal, seed=task.seed, model="m", first_observation=first, steps=tuple(steps),
        score=score,
    )  # fmt: skip


def solved(task: Task, *, aside: bool = False) -> Trajectory:
    """The shortest way, or one that looks into a wrong drawer first."""
    thing = task.tags[1]
    way = [HOMES[thing], f"take {thing}", f"give {thing}"]
    other = next(c for c in TOY.open(task).first.admissible or () if c != HOMES[thing])
    return played(TOY, task, [other, *way] if aside else way)


WON = [solved(task, aside=n % 2 == 0) for n, task in enumerate(TRAIN[:12])]
FROZEN_RUNS = [solved(task) for task in TRAIN[60:72]]


def made(runs: Sequence[Trajectory] = WON, **more: Any) -> Planted:
    return plant(runs, opened, rng=random.Random(3), **more)


def reads(messages: Sequence[dict[str, Any]]) -> list[str]:
    """What came back of each step, out of a critic's question."""
    lines = [line for line in messages[1]["content"].splitlines() if line.startswith("[")]
    return [line.partition("-> ")[2] for line in lines]


def symptom(messages: Sequence[dict[str, Any]], _schema: Any) -> dict[str, Any]:
    """Names the first step at which nothing happened: a symptom, not the cause."""
    seen = reads(messages)
    found = [n for n, text in enumerate(seen) if text == "Nothing happens."]
    return {"step": found[0] if found else None}


NAIVE = [
    Item(**{**one.model_dump(), "wrong": 0, "right": WON[0].steps[0].action})
    for one in unchanged(WON)
]


@pytest.mark.paper("ui-genie")
async def test_negatives_have_known_faults_and_the_verifier_is_scored_on_both_levels(
    mechanism: bool,
) -> None:
    items = list(made(each=3).items) if mechanism else NAIVE
    assert len(items) >= 24
    for item in items:
        episode = TOY.open(TASKS[item.origin.task])
        assert [episode.step(Action(text=s.action)).observation for s in item.steps] == [
            s.observation for s in item.steps
        ]
        assert not episode.score().passed
        run = next(one for one in WON if one.id == item.origin.trajectory)
        assert [n for n, (a, b) in enumerate(zip(item.steps, run.steps, strict=False))
                if a.action != b.action] == [item.wrong]  # fmt: skip
    whole = [*items, *unchanged(WON)]
    said, usage = await named(PolicyModel(symptom), whole)
    report = detection(whole, said)
    assert usage.calls == len(whole)
    assert report.located.rate == 0
    assert report.cleared.rate == 1
    assert report.task.count == sum(
        item.wrong is None or "Nothing happens." in [s.observation for s in item.steps]
        for item in whole
    )
    assert f"step level: 0/{len(items)}" in report.said()
    assert f"task level: {report.task.count}/{len(whole)}" in report.said()


def test_each_generation_tells_which_unsolved_tasks_it_solved() -> None:
    lost = [played(TOY, task, ["open red drawer"]) for task in TRAIN[:4]]
    found = generations([[WON[0], *lost[1:]], [*lost[:2], WON[2]], [WON[0], WON[2]]])
    assert [one.new for one in found] == [(TRAIN[0].key,), (TRAIN[2].key,), ()]
    assert [(one.solved.count, one.solved.total) for one in found] == [(1, 4), (1, 3), (2, 2)]
    assert found[1].said().startswith("generation 2: 1/3")
    assert "1 of them unsolved by every generation before" in found[1].said()


@pytest.mark.paper("spc")
async def test_a_round_that_makes_the_critic_worse_is_discarded(mechanism: bool) -> None:
    items, held = made(each=2).items, made(FROZEN_RUNS, each=2).items
    frozen = [*held, *unchanged(FROZEN_RUNS)]
    critic, blind = PolicyModel(symptom, name="old"), PolicyModel(_silent, name="blind")
    taught: list[Exported] = []

    async def well(pairs: Exported, _others: Exported) -> PolicyModel:
        taught.append(pairs)
        return PolicyModel(_shifted(pairs), name="new")

    async def badly(_pairs: Exported, _others: Exported) -> PolicyModel:
        return blind

    better, first = await spar(critic, items, frozen=frozen, train=well)
    assert better.name == "new"
    assert first.kept
    assert first.before.located.rate == 0
    assert (first.after.located.rate or 0) > 0.5
    assert len(taught[0].pairs) == len(items)
    pair = taught[0].pairs[0]
    assert json.loads(pair.chosen[0]["content"]) == {"step": items[0].wrong}
    assert pair.grounds.by == "environment"
    assert pair.grounds.evidence[0].arguments["place"] == items[0].wrong
    gone, second = await spar(better, items, frozen=frozen, train=badly)
    assert not second.kept
    assert (gone if mechanism else blind) is better
    assert "round discarded: detection on the frozen set fell" in second.said()


def _silent(_messages: Any, _schema: Any) -> dict[str, Any]:
    return {"step": None}


def _shifted(pairs: Exported) -> Any:
    """A critic that learned from its pairs how far from the symptom the cause lies."""
    both = [
        [json.loads(side[0]["content"])["step"] for side in (pair.chosen, pair.rejected)]
        for pair in pairs.pairs
    ]
    shifts = [right - wrong for right, wrong in both if wrong is not None]
    shift = max(set(shifts), key=shifts.count)

    def says(messages: Sequence[dict[str, Any]], schema: Any) -> dict[str, Any]:
        step = symptom(messages, schema)["step"]
        return {"step": step + shift if step is not None else None}

    return says


def test_a_step_that_breaks_nothing_is_not_planted() -> None:
    run = solved(TRAIN[0], aside=True)
    at = {spot.place: spot for spot in spots(run, opened)}
    detour = [one for one in alike(at[0]) if one != run.steps[1].action]
    assert planted(run, at[0], detour[0], opened) is None
    assert planted(run, at[2], at[2].choices[0], opened) is not None
    one = made([run], each=4)
    assert 0 not in {item.wrong for item in one.items}
    assert one.harmless > 0


def test_what_looks_most_like_the_right_step_is_planted_first() -> None:
    run = solved(TRAIN[0])
    take = list(spots(run, opened))[2]
    give = take.model_copy(update={"choices": ("look", "give key", "open red drawer")})
    assert alike(give)[0] == "give key"


async def test_a_model_may_choose_the_step_among_those_that_were_possible() -> None:
    found = list(spots(WON[1], opened))
    last = [sorted(spot.choices)[-1] for spot in found]
    model = ScriptedModel([{"step": one} for one in last])
    sneak, usage = await sneaky(model, found)
    assert [sneak(spot) for spot in found] == [[one] for one in last]
    assert usage.calls == len(found)
    asked = model.requests[0].schema_
    assert asked is not None
    assert set(asked["properties"]["step"]["enum"]) == set(found[0].choices)
    mute, _ = await sneaky(ScriptedModel([]), found)
    assert mute(found[0]) == alike(found[0])
    items = plant([WON[1]], opened, rng=random.Random(0), sneak=sneak, by="model s").items
    assert {item.by for item in items} == {"model s"}


def test_of_two_steps_at_one_place_the_one_that_was_not_found_is_better() -> None:
    one, two = made([WON[1]], rivals=2).items
    assert one.wrong == two.wrong
    bouts = [Bout(item=one, named=one.wrong), Bout(item=two, named=None)]
    (pair,) = preferences(generator_judgements(bouts)).pairs
    step = [json.loads(side[0]["content"])["step"] for side in (pair.chosen, pair.rejected)]
    assert step == [item.steps[item.wrong or 0].action for item in (two, one)]
    assert f"Right next: {one.right}" in pair.prompt[1]["content"]
    assert generator_judgements([bouts[0]]) == []


def test_what_can_not_be_played_again_has_no_places() -> None:
    run = WON[0]
    other = run.model_copy(update={"first_observation": "", "seed": run.seed})
    steps = (run.steps[0].model_copy(update={"observation": "It is gone."}), *run.steps[1:])
    assert made([other.model_copy(update={"steps": steps})]) == Planted(
        items=(), harmless=0, gone=1
    )
    lost = played(TOY, TRAIN[0], ["open red drawer"])
    retried = run.model_copy(update={"attempts": 2})
    test = run.model_copy(update={"split": "test"})
    assert list(made([lost, retried, test]).items) == []


def test_critics_learn_from_train_tasks_that_are_not_held_out() -> None:
    items = [*made().items, *made([solved(VAL[0])]).items, *unchanged(WON[:1])]
    found = list(critic_rows(items, held_out_keys={WON[1].task_key}))
    assert len(found) == 12
    assert {row.metadata.made for row in found} == {"critique"}
    said = [json.loads(row.messages[-1]["content"])["step"] for row in found]
    assert said == [i.wrong for i in items[:12] if i.origin.task_key != WON[1].task_key] + [None]
    assert "first wrong step" in found[0].messages[0]["content"]


async def test_a_frozen_set_has_planted_steps_and_tasks_of_its_own() -> None:
    critic, items = PolicyModel(symptom), made().items

    async def train(_pairs: Exported, _others: Exported) -> PolicyModel:
        return critic

    with pytest.raises(Refused, match="shares 12 tasks with the bouts; plant steps in runs"):
        await spar(critic, items, frozen=items, train=train)
    with pytest.raises(Refused, match="holds no planted step"):
        await spar(critic, items, frozen=list(unchanged(FROZEN_RUNS)), train=train)


def test_naming_a_step_in_every_way_is_no_progress() -> None:
    def rates(located: int, cleared: int) -> Detection:
        ten = [Share(count=n, total=10) for n in (located, cleared)]
        return Detection(located=ten[0], cleared=ten[1], task=Share())

    assert fell(rates(5, 8), rates(6, 1))
    assert fell(rates(5, 8), rates(4, 10))
    assert not fell(rates(5, 8), rates(6, 8))
    assert rates(5, 0).f1 == 0.0
    assert detection([], []).f1 is None


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Household]:
    pool = WorkerPool(1)
    folder: Path = tmp_path_factory.mktemp("houses")
    yield Household(folder, level="nook", per_split=6, pool=pool)
    pool.close()


def test_steps_are_planted_in_a_household_too(house: Household) -> None:
    task = house.tasks("train")[0]
    episode, lines = house.open(task), list[str]()
    assert isinstance(episode, Demonstrates)
    seen = episode.first
    while not seen.terminated:
        lines.append(episode.demonstrate()[0].text)
        seen = episode.step(Action(text=lines[-1]))
    episode.close()
    run = played(house, task, lines)
    found = plant([run], lambda _run: house.open(task), rng=random.Random(1), each=2)
    assert len(found.items) == 2
    for item in found.items:
        assert item.wrong is not None
        assert item.right == lines[item.wrong]
        assert item.steps[item.wrong].action != item.right
