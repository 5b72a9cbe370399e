"""A model makes up tasks: what it is shown, what goes back to it, what comes out."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from agent.challenger import Challenger, explored, read_challenge
from agent.models.scripted import ScriptedModel
from agent.skillwriter import ROUNDS
from envs.toy import Toy
from skills.challenges import Challenges
from skills.sandbox import Sandbox

TOY = Toy()
WORLD = TOY.tasks("train")[0]
REPLY = """\
**Instruction:** Hold anything.

```python
def verify(done: list[str], answers: list[str], offered: list[str]) -> bool:
    return any(one.startswith("give ") for one in offered)
```
```python
def solve() -> bool:
    for command in offered():
        if command.startswith("open "):
            act(command)
            for other in offered():
                if other.startswith("take "):
                    act(other)
                    return True
    return False
```
```python
def solve() -> bool:
    act(offered()[0])
    return True
```
"""
ALWAYS = REPLY.replace('any(one.startswith("give ") for one in offered)', "True")


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(workers=1) as opened:
        yield opened


@pytest.mark.paper("self-challenging")
async def test_a_made_up_task_is_admitted_when_it_can_tell_and_then_played(
    sandbox: Sandbox, mechanism: bool
) -> None:
    model = ScriptedModel([ALWAYS, REPLY])
    maker = Challenger(TOY, model, sandbox=sandbox, rng=random.Random(0))
    if mechanism:
        made, why, usage = await maker.challenge(WORLD)
    else:
        made, why, usage = read_challenge(ALWAYS, world=WORLD.id), "", None
    assert made is not None
    assert usage is not None  # without checks the first reply would have been taken
    assert (why, usage.calls) == ("", 2)
    assert "does not reject doing nothing" in str(model.requests[1].messages)
    assert Challenges(TOY, [made], sandbox=sandbox).tasks("train")[0].goal == "Hold anything."


async def test_a_model_that_never_makes_one_ends_within_its_bound(sandbox: Sandbox) -> None:
    model = ScriptedModel([ALWAYS, "I can't think of any.", ALWAYS, REPLY])
    maker = Challenger(TOY, model, sandbox=sandbox, rng=random.Random(0))
    made, why, usage = await maker.challenge(WORLD)
    assert made is None
    assert usage.calls == ROUNDS
    assert "does not reject doing nothing" in why
    assert "three blocks of code" in str(model.requests[2].messages)


def test_it_looks_round_by_chance_before_and_the_same_again() -> None:
    told = explored(TOY, WORLD, rng=random.Random(3))
    assert told == explored(TOY, WORLD, rng=random.Random(3))
    assert told != explored(TOY, WORLD, rng=random.Random(4))
    assert "> open " in told
    assert "def act(command: str) -> str" in told


@pytest.mark.parametrize("part", ["Instruction:", "```python"])
def test_half_a_challenge_is_none(part: str) -> None:
    assert read_challenge(REPLY, world="w") is not None
    assert read_challenge(REPLY.replace(part, "", 1), world="w") is None
