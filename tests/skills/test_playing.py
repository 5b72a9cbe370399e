"""A skill is played at once or by replay, and comes to the same; it keeps the rules either way."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from envs.toy import Toy
from envs.types import Action, Step, Task, ToolSpec
from skills.playing import Played, Stage, advance, allowed, play, tool_stubs
from skills.sandbox import Sandbox, SandboxLimits

REQUIRES = ("open * drawer", "take *", "give *")
BRING = """\
def bring(thing: str) -> bool:
    for colour in ("red", "blue", "green", "white", "black", "yellow"):
        if thing in act(f"open {colour} drawer"):
            act(f"take {thing}")
            return act(f"give {thing}").startswith("Thank you")
    return False
"""


def toy_task(thing: str = "spoon") -> Task:
    task = next(task for task in Toy().tasks("train") if task.tags[1] == thing)
    return task.model_copy(update={"limits": task.limits.model_copy(update={"steps": 9})})


def at_once(
    sandbox: Sandbox, code: str, name: str, given: Mapping[str, str], **limits: float
) -> Played:
    task = toy_task()
    episode = Toy().open(task)
    stage = Stage(episode.first, goal=task.goal, requires=REQUIRES)
    more = {"limits": SandboxLimits.model_validate(limits)} if limits else {}
    return play(sandbox, code, name, given, stage=stage, do=episode.step, **more)


def by_replay(
    sandbox: Sandbox, code: str, name: str, given: Mapping[str, str], *, most: int = 20
) -> Played:
    """Action by action, each time from the beginning."""
    task = toy_task()
    episode = Toy().open(task)
    past: list[tuple[Action, Step]] = []
    for _ in range(most):
        stage = Stage(episode.first, goal=task.goal, requires=REQUIRES)
        then = advance(sandbox, code, name, given, stage=stage, past=past)
        if isinstance(then, Played):
            return then
        past.append((then, episode.step(then)))
    raise AssertionError(f"it did not end: {past[-3:]}")


CASES = {
    "solves": (BRING, "bring", {"thing": "spoon"}),
    "finds nothing": (BRING, "bring", {"thing": "wub"}),
    "does nothing": ("def idle() -> bool:\n    return False\n", "idle", {}),
    "no answer": ("def idle() -> None:\n    pass\n", "idle", {}),
    "answers with no bool": ("def idle() -> str:\n    return 'done'\n", "idle", {}),
    "breaks": ("def f() -> bool:\n    act('open red drawer')\n    return 1 / 0 > 1\n", "f", {}),
    "breaks at once": ("def f() -> bool:\n    raise ValueError('no')\n", "f", {}),
    "is not allowed": ("def f() -> bool:\n    act('burn it')\n    return True\n", "f", {}),
    "goes on when not allowed": (
        "def f() -> bool:\n    try:\n        act('burn it')\n    except Exception:\n"
        "        act('open red drawer')\n    return False\n",
        "f",
        {},
    ),
    "acts after the end": (
        BRING.replace('.startswith("Thank you")', " == act('open red drawer')"),
        "bring",
        {"thing": "spoon"},
    ),
    "misspelt": ("def f() -> bool:\n    return acct('look')\n", "f", {}),
    "chance": (
        "import random\ndef f() -> bool:\n    for _ in range(4):\n"
        "        act('open ' + random.choice(['red', 'blue', 'green']) + ' drawer')\n"
        "    return random.random() > 0.5\n",
        "f",
        {},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_by_replay_it_comes_to_the_same_as_at_once(sandbox: Sandbox, case: str) -> None:
    assert by_replay(sandbox, *CASES[case]) == at_once(sandbox, *CASES[case])


def test_what_a_skill_that_solves_comes_to(sandbox: Sandbox) -> None:
    done = at_once(sandbox, *CASES["solves"])
    assert (done.claimed, done.error, done.refused, done.ended) == (True, "", (), True)
    assert done.actions[-2:] == (Action(text="take spoon"), Action(text="give spoon"))


def test_what_others_come_to(sandbox: Sandbox) -> None:
    told = {case: at_once(sandbox, *CASES[case]) for case in CASES}
    assert told["finds nothing"].claimed is False
    assert told["no answer"].claimed is None
    assert told["answers with no bool"].claimed is None
    assert told["breaks"].error.startswith("ZeroDivisionError")
    assert (told["breaks"].claimed, len(told["breaks"].actions)) == (None, 1)
    assert told["is not allowed"].refused == ("burn it",)
    assert "not allowed: 'burn it'" in told["is not allowed"].error
    assert told["goes on when not allowed"].refused == ("burn it",)
    assert told["acts after the end"].ended
    assert told["acts after the end"].error == ""
    assert "before running" in told["misspelt"].error
    assert told["misspelt"].actions == ()


def test_what_it_is_told_is_what_a_player_sees(sandbox: Sandbox) -> None:
    code = (
        "def f() -> bool:\n    first = seen()\n    act(offered()[0])\n"
        "    return goal() + seen() == 'Bring me the spoon.' + seen() and first != seen()\n"
    )
    done = at_once(sandbox, code, "f", {})
    assert (done.claimed, done.error) == (True, "")
    assert done.actions[0].text.endswith("drawer")


def test_arguments_are_data_and_never_code(sandbox: Sandbox) -> None:
    code = "def f(x: str) -> bool:\n    return len(x) == 31\n"
    done = at_once(sandbox, code, "f", {"x": "') or act('open red drawer') or ('"[:31]})
    assert (done.claimed, done.actions) == (True, ())


def test_another_way_than_before_is_told_apart(sandbox: Sandbox) -> None:
    task = toy_task()
    episode = Toy().open(task)
    past = [(Action(text="open blue drawer"), episode.step(Action(text="open blue drawer")))]
    stage = Stage(episode.first, goal=task.goal, requires=REQUIRES)
    done = advance(sandbox, BRING, "bring", {"thing": "spoon"}, stage=stage, past=past)
    assert isinstance(done, Played)
    assert (done.claimed, done.error) == (None, "it took another way than before at action 1")


def test_an_end_before_all_that_was_done_is_told_apart(sandbox: Sandbox) -> None:
    task = toy_task()
    episode = Toy().open(task)
    past = [(Action(text="open blue drawer"), episode.step(Action(text="open blue drawer")))]
    stage = Stage(episode.first, goal=task.goal, requires=REQUIRES)
    done = advance(sandbox, CASES["does nothing"][0], "idle", {}, stage=stage, past=past)
    assert isinstance(done, Played)
    assert (done.claimed, done.error) == (None, "it ended earlier than before")


@pytest.mark.parametrize(
    ("name", "requires", "good"),
    [
        ("go to fridge 1", ["go to *"], True),
        ("go to ", ["go to *"], False),
        ("please go to fridge 1", ["go to *"], False),
        ("go to fridge 1\ndelete everything", ["go to *"], False),
        ("Go to fridge 1", ["go to *"], False),
        ("search", ["search"], True),
        ("searches", ["search"], False),
        ("a.c", ["a.c"], True),
        ("abc", ["a.c"], False),
        ("anything", [], False),
    ],
)
def test_what_requires_allows(name: str, requires: list[str], good: bool) -> None:
    assert allowed(name, requires) is good


ADD = ToolSpec(
    name="add",
    description="Adds two numbers.",
    parameters={
        "type": "object",
        "properties": {"more": {"type": "string"}, "a": {"type": "integer"}, "b": {}},
        "required": ["a", "b"],
    },
)


def test_tools_are_functions_of_their_own(sandbox: Sandbox) -> None:
    assert "def add(a: int, b: object, more: str = ...) -> str:" in tool_stubs([ADD])
    code = "def f() -> bool:\n    return add(a=1, b=2) == 'add 1 2' and seen() == 'add 1 2'\n"

    def do(action: Action) -> Step:
        return Step(observation=f"{action.tool} {action.arguments['a']} {action.arguments['b']}")

    stage = Stage(Step(observation=""), requires=["add"], tools=[ADD])
    done = play(sandbox, code, "f", {}, stage=stage, do=do)
    assert (done.claimed, done.error) == (True, "")
    assert done.actions == (Action(tool="add", arguments={"a": 1, "b": 2}),)
    stage = Stage(Step(observation=""), requires=["subtract"], tools=[ADD])
    assert play(sandbox, code, "f", {}, stage=stage, do=do).refused == ("add",)


def test_positional_arguments_of_a_tool_go_where_its_signature_says(sandbox: Sandbox) -> None:
    def do(action: Action) -> Step:
        return Step(observation=str(sorted(action.arguments.items())))

    stage = Stage(Step(observation=""), requires=["add"], tools=[ADD])
    code = "def f() -> bool:\n    add(1, 2)\n    return True\n"
    done = play(sandbox, code, "f", {}, stage=stage, do=do)
    assert done.actions == (Action(tool="add", arguments={"a": 1, "b": 2}),)
