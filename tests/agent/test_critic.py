"""A critic of its own: its advice names a step, and its calls count like the solver's."""

from __future__ import annotations

import random
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.critic import STEPS, Critic
from agent.home import home
from agent.models.scripted import PolicyModel, ScriptedModel
from agent.player import Seen
from agent.reflector import Plain
from agent.runner import Crew, Spec, run
from agent.settings import load
from agent.sparring import Search, sampled
from agent.state import Attempt
from distill.corrupting import INSTRUCTION
from envs.errors import Refused
from envs.toy import Toy
from envs.types import Task
from memory.embed import HashEmbedder
from memory.index import ListIndex
from memory.ledger import Ledger
from memory.recall import Memory
from memory.types import StepRecord, Verdict

TOY = Toy()
HOME = {t.tags[1]: TOY.open(t).demonstrate()[0].text for t in TOY.tasks("train")}
FAILED = Verdict(accepted=False, confidence=1.0, evidence=("step 4",))


def solver() -> PolicyModel:
    """Opens drawers by chance, mostly one of the first two; keeps from those it is warned of."""

    def plays(messages: Sequence[dict[str, Any]], schema: dict[str, Any] | None) -> Any:
        assert schema is not None
        choices: list[str] = schema["properties"]["action"]["enum"]
        thing = re.search(r"Bring me the (\w+)", str(messages))
        assert thing is not None
        for wanted in (f"give {thing[1]}", f"take {thing[1]}"):
            if wanted in choices:
                return {"action": wanted}
        warned = re.findall(r"not the (\w+) drawer", str(messages[0]["content"]))
        left = [c for c in choices if c.startswith("open") and c.split()[1] not in warned]
        rng = random.Random(model.requests[-1].sampling.seed)
        usual = [c for c in left if c.startswith(("open red", "open blue"))]
        return {"action": rng.choice(usual if usual and rng.random() < 0.9 else left)}

    model = PolicyModel(plays, name="solver")
    return model


def reading(messages: Sequence[dict[str, Any]], schema: dict[str, Any] | None) -> Any:
    """Warns of the drawers in which the attempt, as it stands there, found nothing to take."""
    assert schema is not None
    text = str(messages[1]["content"])
    thing = text.partition("Bring me the ")[2].partition(".")[0]
    opened = re.findall(r"\[(\d+)\] open (\w+) drawer -> .* you see (.*)\.", text)
    vain = [(int(place), colour) for place, colour, seen in opened if thing not in seen]
    advice = "; ".join(dict.fromkeys(f"not the {colour} drawer" for _, colour in vain))
    return {"step": vain[0][0] if vain else None, "advice": advice}


@asynccontextmanager
async def crew_of(folder: Path, *, critic: PolicyModel, **solving: Any) -> AsyncIterator[Crew]:
    memory = Memory(Ledger(folder / "ledger.db"), ListIndex(HashEmbedder()))
    settings = load(
        home=str(folder),
        memory={"drafts": "plain", "recall": False, "learn": False},
        solver={"break_loops": False, "temperature": 1.0, **solving},
        reflector={"name": critic.name},
    )
    models = {"model": solver(), "reflector": critic}
    async with home(settings, memory=memory, models=models) as place:
        assert (await place.model("reflector")).name != (await place.model()).name
        yield await place.crew()


def hard() -> list[Task]:
    """Tasks whose thing lies in none of the drawers that the solver likes to open."""
    return [t for t in TOY.tasks("train") if not re.search("red|blue", HOME[t.tags[1]])][:4]


@pytest.mark.paper("critique-in-the-loop")
async def test_critiques_solve_more_hard_tasks_than_resampling_with_as_many_calls(
    tmp_path: Path, mechanism: bool
) -> None:
    critic = PolicyModel(reading, name="critic")
    found: list[Search] = []
    for number, other in enumerate([None, critic if mechanism else None]):
        async with crew_of(tmp_path / str(number), critic=critic) as crew:
            found.append(await sampled(crew, TOY, hard(), calls=24, critic=other))
    plain, helped = found
    assert [one.calls for one in plain.tasks] == [one.calls for one in helped.tasks] == [24] * 4
    assert helped.solved.count > plain.solved.count
    assert helped.distinct > plain.distinct
    assert (plain.arm, helped.arm) == ("resampled", "critique-in-the-loop")
    assert (plain.critic, helped.critic) == ("", "critic")
    asked = len(critic.requests)
    assert asked > 0
    assert "96 calls" in helped.said()


async def test_an_attempt_that_was_criticised_says_that_it_is_a_retry(tmp_path: Path) -> None:
    critic = PolicyModel(reading, name="critic")
    async with crew_of(tmp_path, critic=critic, retries=3) as crew:
        mine = replace(crew, reflector=Critic(critic, inner=crew.reflector))
        done = await run(mine, TOY, Spec(task=hard()[0], seed=0, learn=False))
    assert done.attempts == len(done.reflections) + 1 > 1
    assert re.match(r"Step \d \(open \w+ drawer\) was wrong: not the ", done.reflections[0])
    shown = str(critic.requests[0].messages)
    assert "accepted" not in shown
    assert "Advice" not in shown


async def test_what_is_solved_with_more_calls_than_are_left_does_not_count(tmp_path: Path) -> None:
    task = TOY.tasks("train")[0]
    way = [action.text for action in TOY.open(task).demonstrate()]
    async with crew_of(tmp_path, critic=PolicyModel(reading)) as crew:
        for calls, solved in ((2, 0), (3, 1)):
            model = ScriptedModel([{"action": line} for line in way])
            found = await sampled(replace(crew, model=model), TOY, [task], calls=calls)
            assert (found.solved.count, found.tasks[0].calls) == (solved, calls)


async def test_only_train_tasks_and_only_a_solver_with_chance_are_sampled(tmp_path: Path) -> None:
    critic = PolicyModel(reading)
    async with crew_of(tmp_path, critic=critic) as crew:
        with pytest.raises(Refused, match="only train tasks are sampled; choose tasks"):
            await sampled(crew, TOY, TOY.tasks("val")[:1], calls=5)
    async with crew_of(tmp_path / "b", critic=critic, temperature=0.0) as crew:
        with pytest.raises(Refused, match=r"does the same each time; set solver\.temperature"):
            await sampled(crew, TOY, hard(), calls=5)


def attempt(count: int) -> Attempt:
    steps = [StepRecord(index=n, action=f"do {n}", observation="Hm.") for n in range(count)]
    return Attempt(
        task=TOY.tasks("train")[0], number=0, first="A cabinet.", steps=tuple(steps),
        last=Seen(observation="Hm."),
    )  # fmt: skip


async def test_a_step_is_named_among_those_that_there_are_or_none() -> None:
    model = ScriptedModel([{"step": 1}, {"step": None}])
    critic, one = Critic(model, inner=Plain()), attempt(3)
    found = [(await critic.locate("Do it.", "A room.", one.steps))[0] for _ in range(2)]
    assert found == [1, None]
    schema = model.requests[0].schema_
    assert schema is not None
    assert schema["properties"]["step"]["enum"] == [0, 1, 2, None]
    assert model.requests[0].messages[0]["content"] == INSTRUCTION


async def test_without_a_critique_the_inner_reflector_speaks() -> None:
    one = attempt(3)
    plain, _ = await Plain().reflect(one, FAILED)
    for script in ([], [{"step": 1, "advice": " "}]):
        critic = Critic(ScriptedModel(script), inner=Plain())
        assert (await critic.reflect(one, FAILED))[0] == plain
    unsure = Critic(ScriptedModel([{"step": None, "advice": "Look."}]), inner=Plain())
    assert (await unsure.reflect(one, FAILED))[0] == "Look."


async def test_of_a_long_attempt_the_last_steps_are_criticised() -> None:
    model = ScriptedModel([{"step": STEPS - 1, "advice": "Stop."}])
    said, _ = await Critic(model, inner=Plain()).reflect(attempt(STEPS + 5), FAILED)
    assert said == f"Step {STEPS + 4} (do {STEPS + 4}) was wrong: Stop."
