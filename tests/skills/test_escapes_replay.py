"""Escapes by replay: catching the pause before an action, taking another way than before."""

from __future__ import annotations

import pytest

from envs.types import Action, Step
from skills.playing import Played, Stage, advance
from skills.program import problems
from skills.sandbox import Sandbox

REQUIRES = ("open * drawer",)
FIRST = Step(observation="A cabinet.", admissible=("open red drawer", "burn it"))


CATCHES = (
    "    try:\n        act('open red drawer')\n    except BaseException:\n        return True\n"
    "    return False\n",
    "    try:\n        act('open red drawer')\n    finally:\n        return True\n",
    "    for _ in range(3):\n        try:\n            act('open red drawer')\n"
    "        except BaseException:\n            pass\n    return True\n",
    "    try:\n        act('open red drawer')\n    except BaseException:\n"
    "        while True:\n            pass\n    return False\n",
)


@pytest.mark.parametrize("body", CATCHES)
def test_the_pause_before_an_action_can_not_be_caught(sandbox: Sandbox, body: str) -> None:
    stage = Stage(FIRST, requires=REQUIRES)
    code = f"def f() -> bool:\n{body}"
    then = advance(sandbox, code, "f", {}, stage=stage, past=[])
    assert then == Action(text="open red drawer")
    assert stage.actions == []


def test_an_action_behind_a_caught_pause_is_not_done(sandbox: Sandbox) -> None:
    body = "    try:\n        act('open red drawer')\n    except BaseException:\n"
    body += "        act('open blue drawer')\n    return False\n"
    stage = Stage(FIRST, requires=REQUIRES)
    then = advance(sandbox, f"def f() -> bool:\n{body}", "f", {}, stage=stage, past=[])
    assert then == Action(text="open red drawer")


CHANCE = (
    "import random\n    n = random.randrange(1000)",
    "n = hash(seen()) % 1000",
    "n = id(seen()) % 1000",
    "n = len(str({'a', 'b', 'c', 'd'}).split('c')[0])",
    "import random\n    random.seed()\n    n = random.randrange(1000)",
)


@pytest.mark.parametrize("how", CHANCE)
def test_chance_takes_the_same_way_again(how: str) -> None:
    code = f"def f() -> bool:\n    {how}\n    act(f'open {{n}} drawer')\n    return False\n"
    taken = []
    for _ in range(3):
        with Sandbox(workers=1) as fresh:
            stage = Stage(FIRST, requires=REQUIRES)
            taken.append(advance(fresh, code, "f", {}, stage=stage, past=[]))
    assert isinstance(taken[0], Action)
    assert taken[0] == taken[1] == taken[2]


def test_the_clock_is_not_there(sandbox: Sandbox) -> None:
    for body in (
        "import time\nreturn time.time() > 0",
        "import datetime\nreturn str(datetime.datetime.now()) != ''",
    ):
        lines = body.replace("\n", "\n    ")
        assert "it imports" in problems(f"def f() -> bool:\n    {lines}\n", "f")[0]


def test_a_replay_that_differs_ends_the_skill(sandbox: Sandbox) -> None:
    """Even if the first door were open: what differs is told, and nothing is done on top."""
    code = (
        "import time\n\ndef f() -> bool:\n"
        "    act(f'open {time.perf_counter()} drawer')\n    return True\n"
    )
    stage = Stage(FIRST, requires=REQUIRES)
    first = advance(sandbox, code, "f", {}, stage=stage, past=[])
    if isinstance(first, Played):  # no clock at all
        assert first.claimed is None
        return
    past = [(first, FIRST)]
    stage = Stage(FIRST, requires=REQUIRES)
    then = advance(sandbox, code, "f", {}, stage=stage, past=past)
    assert isinstance(then, Played)
    assert (then.claimed, then.error) == (None, "it took another way than before at action 1")
