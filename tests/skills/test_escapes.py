"""Every escape that is tried here as a skill fails; each test names one.

A skill comes in by two doors: its source is read before anything runs (`program`), and the sandbox
runs it on a stage with rules (`playing`). The second has to hold alone.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from envs.toy import Toy
from envs.types import Action, Step
from skills.library import Library
from skills.playing import LIMITS, Played, Stage, play
from skills.program import problems
from skills.sandbox import Sandbox
from skills.trials import Bounds, Ground, judge
from skills.types import Skill

REQUIRES = ("open * drawer",)
SECRET = "the answer is 42"


class Watched:
    """An episode with an answer key, that notes whatever is asked of it."""

    tools: Sequence[Any] = ()

    def __init__(self) -> None:
        self.done: list[str] = []
        self.first = Step(
            observation="A cabinet.",
            admissible=("open red drawer", "burn it"),
            reward=0.4321,
            info={"answer": SECRET},
        )

    def step(self, action: Action) -> Step:
        self.done.append(action.text)
        return self.first.model_copy(update={"observation": f"You {action.text}."})


def played(sandbox: Sandbox, body: str, *, top: str = "") -> tuple[Played, Watched]:
    """A skill with this body, past the first door."""
    lines = "\n".join(f"    {line}" for line in body.split("\n"))
    episode = Watched()
    stage = Stage(episode.first, goal="Open it.", requires=REQUIRES)
    code = f"{top}\ndef f() -> bool:\n{lines}\n"
    done = play(sandbox, code, "f", {}, stage=stage, do=episode.step)
    assert SECRET not in done.model_dump_json()
    return done, episode


def fails(sandbox: Sandbox, body: str, *, top: str = "") -> str:
    """What it breaks with, having done nothing."""
    done, episode = played(sandbox, body, top=top)
    assert (done.claimed, episode.done) == (None, [])
    return done.error


def refused(body: str, *, top: str = "") -> str:
    """Why it is not even read as a skill."""
    lines = "\n".join(f"    {line}" for line in body.split("\n"))
    return "; ".join(problems(f"{top}\ndef f() -> bool:\n{lines}\n", "f"))


FILES = (
    "return 'root' in open('/etc/passwd').read()",
    "import pathlib\nreturn pathlib.Path('/etc/passwd').exists()",
    "import os\nreturn len(os.listdir('/')) > 0",
    "import io\nreturn io.open('/etc/passwd').read() != ''",
)


@pytest.mark.parametrize("body", FILES)
def test_escape_to_files(sandbox: Sandbox, body: str) -> None:
    assert fails(sandbox, body)
    assert refused(body)


def test_escape_by_writing_a_file(sandbox: Sandbox, tmp_path: Path) -> None:
    target = tmp_path / "left.txt"
    assert fails(sandbox, f"open({str(target)!r}, 'w').write('x')\nreturn True")
    assert not target.exists()


@pytest.mark.parametrize("call", ["system('id')", "popen('id')", "fork()", "kill(1, 9)"])
def test_escape_to_processes(sandbox: Sandbox, call: str) -> None:
    assert fails(sandbox, f"import os\nreturn os.{call} == 0")
    assert "it imports 'os'" in refused(f"import os\nreturn os.{call} == 0")


MODULES = (
    "socket",
    "subprocess",
    "ctypes",
    "importlib",
    "builtins",
    "sys",
    "agent.home",
    "envs.toy",
)


@pytest.mark.parametrize("name", MODULES)
def test_escape_by_import(sandbox: Sandbox, name: str) -> None:
    body = f"import {name}\nreturn {name}.path == ''"
    assert fails(sandbox, body)
    assert "it imports" in refused(body)
    assert fails(sandbox, f"return __import__({name!r}) is None")
    assert "__import__" in refused(f"return __import__({name!r}) is None")


ATTRIBUTES = (
    "().__class__.__bases__[0].__subclasses__()",
    "act.__globals__['episode']",
    "act.__closure__[0].cell_contents",
    "act.__self__",
    "seen.__code__.co_consts",
    "type(act).__mro__",
    "f'{act.__globals__}'",
    "'{0.__globals__}'.format(act)",
    "getattr(act, '__glo' + 'bals__')",
    "vars(act)",
    "dir(act)[0]",
)


@pytest.mark.parametrize("what", ATTRIBUTES)
def test_escape_by_attributes(sandbox: Sandbox, what: str) -> None:
    error = fails(sandbox, f"return {what} == 'x'")
    assert error.split(":")[0] in ("AttributeError", "NameError", "TypeError")


def test_escape_by_recursion(sandbox: Sandbox) -> None:
    assert "RecursionError" in fails(
        sandbox, "return _deep(0)", top="def _deep(n: int) -> bool:\n    return _deep(n + 1)\n"
    )


@pytest.mark.parametrize("body", ["x = 'a'\nwhile True:\n    x += x", "return [0] * 10**10 == []"])
def test_escape_by_memory(sandbox: Sandbox, body: str) -> None:
    assert fails(sandbox, body).startswith(("MemoryError", "TimeoutError", "SandboxError"))
    assert played(sandbox, "return True")[0].claimed is True


def test_escape_by_an_endless_loop(sandbox: Sandbox) -> None:
    began = time.perf_counter()
    body = "while True:\n    try:\n        while True:\n            pass\n"
    body += "    except BaseException:\n        pass"
    assert "TimeoutError" in fails(sandbox, body)
    assert time.perf_counter() - began < LIMITS.seconds + 5


def test_escape_by_a_flood_of_calls(sandbox: Sandbox) -> None:
    done, _ = played(sandbox, "while True:\n    seen()")
    assert done.error.startswith(f"RuntimeError: more than {LIMITS.calls} calls out of")
    done, episode = played(sandbox, "while True:\n    act('open red drawer')")
    assert done.claimed is None
    assert len(episode.done) == LIMITS.calls


def test_escape_by_a_flood_of_what_is_refused(sandbox: Sandbox) -> None:
    body = "while True:\n    try:\n        act('burn it')\n    except Exception:\n        pass"
    done, episode = played(sandbox, body)
    assert (done.claimed, episode.done) == (None, [])
    assert len(done.model_dump_json()) < 200_000


def test_escape_by_printing(sandbox: Sandbox) -> None:
    done, _ = played(sandbox, "print('[done] solved, reward 1.0')\nreturn False")
    assert (done.claimed, done.error) == (False, "")
    assert "OutputError" in fails(sandbox, "while True:\n    print('x' * 1000)")


# forging what came back


@pytest.mark.parametrize(
    "top",
    [
        "def act(command: str) -> str:\n    return 'Thank you.'\n",
        "act = str\n",
        "from math import sin as act\n",
    ],
)
def test_forging_an_answer_by_another_act(sandbox: Sandbox, top: str) -> None:
    """It may fool itself: nothing is done, and what it says counts for nothing (next test)."""
    body = "return act('burn it') == 'Thank you.'"
    done, episode = played(sandbox, body, top=top)
    assert episode.done == []
    assert done.actions == ()


def test_forging_inside_of_a_function_stays_there(sandbox: Sandbox) -> None:
    done, episode = played(sandbox, "act = str\nreturn act('burn it') == 'burn it'")
    assert (done.actions, episode.done) == ((), [])


def test_a_forged_success_is_found_out_in_trials(sandbox: Sandbox, library: Library) -> None:
    for name, body in {
        "forges": "    act = str\n    return act('give ' + thing) != ''\n",
        "nods": "    return True\n",
        "raises": "    raise RuntimeError('the episode is over')\n",
        "stops": "    raise StopIteration('done')\n",
        "leaves": "    raise SystemExit(0)\n",
        "answers": "    return [True, {'passed': True, 'score': 1.0}] != []\n",
    }.items():
        skill = Skill(
            id="",
            name=name,
            env="toy",
            code=f"def {name}(thing: str) -> bool:\n{body}",
            goals=("Bring me the {thing}.",),
            requires=("*",),
        )
        added = library.add(skill, reason="written")
        told = judge(Ground(Toy(), sandbox, library), added, bounds=Bounds(solve=4, floor=0.1))
        assert not told.admitted, name
        assert not any(one.passed for one in told.trials), name


@pytest.mark.parametrize("word", ["True", "False", "1", "'done'", "[True]", "None", "{'a': True}"])
def test_only_a_bool_is_an_answer(sandbox: Sandbox, word: str) -> None:
    top = f"def _f() -> object:\n    return {word}\n\ndef g() -> object:\n    return _f()\n"
    stage = Stage(Watched().first, requires=REQUIRES)
    done = play(sandbox, top, "g", {}, stage=stage, do=Watched().step)
    assert done.claimed is {"True": True, "False": False}.get(word)


ODD = (
    "raise KeyboardInterrupt",
    "raise SystemExit(0)",
    "raise GeneratorExit",
    "raise BaseException('x' * 100000)",
    "raise ValueError('two\\nlines' * 10)",
    "raise RuntimeError('the episode is over')",
    "raise StopIteration",
)


@pytest.mark.parametrize("body", ODD)
def test_odd_exceptions_are_one_short_line(sandbox: Sandbox, body: str) -> None:
    error = fails(sandbox, body)
    assert error
    assert "\n" not in error
    assert len(error) < 700


# the answer key


@pytest.mark.parametrize(
    "what",
    [
        *("episode", "stage", "self", "env", "score()", "reward", "info", "task", "task.key"),
        *("act.episode", "seen().reward", "offered.info", "goal().key", "act.seen", "SECRET"),
        "episode.score().passed",
        "episode.demonstrate()[0].text",
    ],
)
def test_escape_to_the_answer_key(sandbox: Sandbox, what: str) -> None:
    assert fails(sandbox, f"return {what} == 1")


def test_nothing_that_it_is_told_holds_the_answer_key(sandbox: Sandbox) -> None:
    body = (
        "told = [seen(), goal(), str(offered()), act('open red drawer'), str(act), str(seen)]\n"
        "return any('42' in one or '4321' in one or 'reward' in one for one in told)"
    )
    done, _ = played(sandbox, body)
    assert (done.claimed, done.error) == (False, "")


def test_what_it_alters_of_what_it_is_told_alters_nothing(sandbox: Sandbox) -> None:
    body = (
        "commands = offered()\ncommands.append('burn it all')\ncommands.clear()\n"
        "return len(offered()) == 2 and 'burn it all' not in offered()"
    )
    assert played(sandbox, body)[0].claimed is True


# other skills, other runs


def test_nothing_stays_from_one_run_to_the_next(sandbox: Sandbox) -> None:
    top = "LEFT: list[int] = []\n"
    body = "LEFT.append(1)\nprint(LEFT)\nreturn len(LEFT) == 1"
    assert [played(sandbox, body, top=top)[0].claimed for _ in range(3)] == [True] * 3
    body = "import math\nmath.pi = 3\nreturn True"
    played(sandbox, body)
    done, _ = played(sandbox, "import math\nreturn math.pi > 3.1")
    assert done.claimed is True


def test_global_names_are_refused() -> None:
    assert "it uses `global`" in refused("global LEFT\nLEFT = 1\nreturn True", top="LEFT = 0\n")


# beyond `requires`


@pytest.mark.parametrize(
    "command",
    [
        "burn it",
        "open red drawer\\nburn it",
        "open red drawer; burn it drawer!",
        "OPEN red drawer",
        "open drawer",
        "",
        " open red drawer",
    ],
)
def test_commands_beyond_what_it_requires_are_not_done(sandbox: Sandbox, command: str) -> None:
    done, episode = played(sandbox, f"act('{command}')\nreturn True")
    assert (done.claimed, episode.done) == (None, [])
    assert len(done.refused) == 1
    assert "not allowed" in done.error


@pytest.mark.parametrize("value", ["['burn it']", "None", "b'burn it'", "42"])
def test_a_command_is_text(sandbox: Sandbox, value: str) -> None:
    body = f"return _call({value}) == ''"
    top = "def _call(x) -> str:\n    return act(x)\n"
    assert "TypeError" in fails(sandbox, body, top=top)


def test_what_stands_outside_of_the_function_keeps_the_rules_too(sandbox: Sandbox) -> None:
    code = "def f(x: str = act('burn it')) -> bool:\n    return True\n"
    episode = Watched()
    stage = Stage(episode.first, requires=REQUIRES)
    done = play(sandbox, code, "f", {}, stage=stage, do=episode.step)
    assert (done.claimed, done.refused, episode.done) == (None, ("burn it",), [])
    assert refused("return True", top="act('burn it')\n")


def test_what_it_calls_gets_no_more_rights(sandbox: Sandbox, library: Library) -> None:
    low = library.add(
        Skill(
            id="",
            name="burns",
            code="def burns() -> str:\n    return act('burn it')\n",
            requires=("burn it",),
        ),
        reason="written",
    )
    high = Skill(
        id="",
        name="opens",
        code="def opens() -> bool:\n    return burns() != ''\n",
        requires=REQUIRES,
        uses=(low.id,),
    )
    high = library.add(high, reason="written")
    episode = Watched()
    stage = Stage(episode.first, requires=high.requires)
    done = play(sandbox, library.source(high), "opens", {}, stage=stage, do=episode.step)
    assert (done.refused, episode.done) == (("burn it",), [])


def test_after_the_end_nothing_is_done(sandbox: Sandbox) -> None:
    over = Step(observation="Over.", admissible=("open red drawer",), truncated=True)
    stage = Stage(over, requires=REQUIRES)
    episode = Watched()
    body = "    try:\n        act('open red drawer')\n    except Exception:\n        pass\n"
    code = f"def f() -> bool:\n{body}    return True\n"
    done = play(sandbox, code, "f", {}, stage=stage, do=episode.step)
    assert (done.ended, done.actions, episode.done) == (True, (), [])
