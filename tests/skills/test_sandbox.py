"""The sandbox keeps what it promises, and every escape tried here fails."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from skills.sandbox import Sandbox, SandboxLimits

SECRET = "the host's secret"
QUICK = SandboxLimits(seconds=0.2)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as opened:
        yield opened


def test_the_last_expression_is_the_value(sandbox: Sandbox) -> None:
    result = sandbox.run("x = 20\ndef double(n):\n    return n * 2\ndouble(x) + 2")
    assert (result.value, result.shown, result.error) == (42, "42", "")


def test_without_a_last_expression_there_is_no_value(sandbox: Sandbox) -> None:
    result = sandbox.run("x = 1")
    assert (result.value, result.shown, result.error) == (None, "", "")


def test_what_is_printed_is_kept_also_before_an_error(sandbox: Sandbox) -> None:
    result = sandbox.run("print('one')\nprint('two')\n1 / 0")
    assert result.stdout == "one\ntwo\n"
    assert result.error == "ZeroDivisionError: division by zero (line 3)"


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("(1, 'a', None)", [1, "a", None]),
        ("{'a': [1.5, True], 2: {3}}", {"a": [1.5, True], "2": [3]}),
        ("float('nan')", "nan"),
        ("b'x'", "b'x'"),
        ("from dataclasses import dataclass\n@dataclass\nclass P:\n    x: int\nP(3)", "P(x=3)"),
        ("print", "<function print>"),
        ("[10 ** 5000]", ["<an integer of more than 4,200 digits>"]),
        ("10 ** 4000", 10**4000),
        ("a = []\na.append(a)\na", ["[...]"]),
    ],
)
def test_values_are_json(sandbox: Sandbox, code: str, value: object) -> None:
    result = sandbox.run(code)
    assert result.value == value
    json.dumps(result.model_dump(), allow_nan=False)


def test_a_value_nested_too_deeply_is_cut(sandbox: Sandbox) -> None:
    result = sandbox.run("a = []\nfor i in range(100000):\n    a = [a]\na")
    assert result.error == ""
    assert "deeply nested" in result.shown
    json.dumps(result.value)


def test_a_linked_list_of_objects_is_cut(sandbox: Sandbox) -> None:
    code = (
        "class N:\n    def __init__(self, n):\n        self.n = n\n"
        "a = None\nfor i in range(900):\n    a = N(a)\na"
    )
    assert sandbox.run(code).shown.startswith("N(n=N(n=")


def test_host_functions_are_called_and_recorded(sandbox: Sandbox) -> None:
    def act(command: str, *, times: int = 1) -> str:
        return f"did {command} {times}"

    result = sandbox.run("act('look')\nact('go', times=2)", functions={"act": act})
    assert result.value == "did go 2"
    assert [(c.name, c.args, c.kwargs, c.result) for c in result.calls] == [
        ("act", ("look",), {}, "did look 1"),
        ("act", ("go",), {"times": 2}, "did go 2"),
    ]


def test_a_host_function_that_raises_can_be_caught_by_the_code(sandbox: Sandbox) -> None:
    def act() -> None:
        raise ValueError("no such door")

    caught = sandbox.run(
        "try:\n    act()\nexcept ValueError as e:\n    print(e)", functions={"act": act}
    )
    assert (caught.error, caught.stdout) == ("", "no such door\n")
    assert caught.calls[0].error == "ValueError: no such door"
    assert sandbox.run("act()", functions={"act": act}).error.startswith("ValueError: no such")


def test_arguments_are_recorded_as_they_were_before_the_call(sandbox: Sandbox) -> None:
    result = sandbox.run("empty([1, 2])", functions={"empty": lambda items: items.clear()})
    assert result.calls[0].args == ([1, 2],)


def test_ctrl_c_in_a_host_function_is_not_swallowed_by_the_code(sandbox: Sandbox) -> None:
    def act() -> None:
        raise KeyboardInterrupt

    code = "while True:\n    try:\n        act()\n    except BaseException:\n        pass"
    with pytest.raises(KeyboardInterrupt):
        sandbox.run(code, functions={"act": act}, limits=QUICK)


STUBS = "def act(command: str) -> str: ..."


def test_stubs_catch_a_wrong_call_before_anything_runs(sandbox: Sandbox) -> None:
    done: list[str] = []
    code = "act('a')\nact(1)"
    result = sandbox.run(code, functions={"act": done.append}, stubs=STUBS)
    assert result.error.startswith("TypeError: before running: Argument to function `act`")
    assert "line 2" in result.error
    assert done == []


def test_code_that_passed_the_check_runs_again_without_it(sandbox: Sandbox) -> None:
    code = "act('checked once')"
    first = sandbox.run(code, functions={"act": str.upper}, stubs=STUBS)
    again = sandbox.run(code, functions={"act": str.upper}, stubs=STUBS)
    assert first.value == again.value == "CHECKED ONCE"
    other = sandbox.run(code, functions={"act": str.upper}, stubs="def act(n: int) -> int: ...")
    assert "TypeError: before running" in other.error


def test_a_seed_fixes_chance(sandbox: Sandbox) -> None:
    code = "import random\n[random.random() for _ in range(3)]"
    assert sandbox.run(code, seed=7).value == sandbox.run(code, seed=7).value
    assert sandbox.run(code, seed=7).value != sandbox.run(code, seed=8).value


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("1 +", "SyntaxError: Expected an expression (line 1)"),
        ("x\0y", "SyntaxError:"),
        ("x = '\ud800'", "SyntaxError: source code is not valid UTF-8"),
        ("(" * 100_000, "SyntaxError: Source is too deeply nested"),
        ("raise ValueError('two\\nlines')", "ValueError: two lines (line 1)"),
        (" " * 200_001, "SyntaxError: 200001 characters of code, at most 200000 are read"),
    ],
)
def test_errors_are_one_line_of_data(sandbox: Sandbox, code: str, error: str) -> None:
    result = sandbox.run(code)
    assert result.error.startswith(error)
    assert "\n" not in result.error


def test_nothing_stays_from_one_run_to_the_next(sandbox: Sandbox) -> None:
    sandbox.run("import math\nleft = 1\nprint = 5\nlen = None")
    assert "NameError" in sandbox.run("left").error
    assert sandbox.run("print(len('ab'))").stdout == "2\n"


# Escapes, one each.


def _escape(sandbox: Sandbox, code: str) -> str:
    """The error it ends with; a host function is at hand to climb out by."""

    def helper() -> str:
        return SECRET

    result = sandbox.run(code, functions={"helper": helper}, limits=QUICK)
    assert SECRET not in result.stdout + result.shown
    assert result.value is None
    return result.error


@pytest.mark.parametrize(
    "code",
    [
        "open('/etc/passwd').read()",
        "import pathlib\npathlib.Path('/etc/passwd').read_text()",
        "import os\nos.listdir('/')",
        "import os\nos.open('/etc/passwd', 0)",
        "eval(\"open('/etc/passwd').read()\")",
        "import io\nio.open('/etc/passwd')",
    ],
)
def test_escape_read_a_file(sandbox: Sandbox, code: str) -> None:
    assert _escape(sandbox, code).split(":")[0] in (
        "PermissionError",
        "AttributeError",
        "ModuleNotFoundError",
    )


def test_escape_write_a_file(sandbox: Sandbox, tmp_path: Path) -> None:
    target = tmp_path / "x.txt"
    assert "Permission denied" in _escape(sandbox, f"open({str(target)!r}, 'w').write('a')")
    assert not target.exists()


@pytest.mark.parametrize("call", ["system('id')", "popen('id')", "fork()", "kill(1, 9)"])
def test_escape_os_system(sandbox: Sandbox, call: str) -> None:
    assert "AttributeError: module 'os' has no attribute" in _escape(
        sandbox, f"import os\nos.{call}"
    )


@pytest.mark.parametrize("code", ["os.environ['PATH']", "os.getenv('PATH')", "os.urandom(8)"])
def test_escape_read_the_environment(sandbox: Sandbox, code: str) -> None:
    assert "not supported in this environment" in _escape(sandbox, f"import os\n{code}")


@pytest.mark.parametrize(
    "name",
    [
        "socket",
        "subprocess",
        "ctypes",
        "importlib",
        "builtins",
        "gc",
        "inspect",
        "pickle",
        "threading",
        "http",
    ],
)
def test_escape_import(sandbox: Sandbox, name: str) -> None:
    assert "ModuleNotFoundError" in _escape(sandbox, f"import {name}")


@pytest.mark.parametrize("name", ["__import__('os')", "compile('1', '', 'eval')", "breakpoint()"])
def test_escape_import_by_builtin(sandbox: Sandbox, name: str) -> None:
    assert "NameError" in _escape(sandbox, name)


@pytest.mark.parametrize(
    "code",
    [
        "().__class__.__bases__[0].__subclasses__()",
        "type(1).__subclasses__()",
        "type(1).mro()",
        "'{0.__class__}'.format(1)",
        "getattr(1, '__cl' + 'ass__')",
    ],
)
def test_escape_class_chain(sandbox: Sandbox, code: str) -> None:
    assert "AttributeError" in _escape(sandbox, code)


@pytest.mark.parametrize(
    "code",
    [
        "globals()",
        "vars()",
        "helper.__globals__",
        "helper.__code__",
        "helper.__closure__",
        "f'{helper.__globals__}'",
        "(lambda: 0).__globals__",
        "import sys\nsys.modules",
        "import sys\nsys._getframe()",
        "try:\n    1 / 0\nexcept Exception as e:\n    e.__traceback__.tb_frame",
        "SECRET",
    ],
)
def test_escape_reading_host_globals(sandbox: Sandbox, code: str) -> None:
    assert _escape(sandbox, code).split(":")[0] in ("NameError", "AttributeError")


@pytest.mark.parametrize(
    "code",
    [
        "while True: pass",
        "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
        "sum(range(10 ** 12))",
        "import time\nwhile True: time.sleep(1000)",
    ],
)
def test_escape_endless_loop(sandbox: Sandbox, code: str) -> None:
    began = time.perf_counter()
    assert "TimeoutError" in _escape(sandbox, code)
    assert time.perf_counter() - began < 5


@pytest.mark.parametrize(
    "code",
    [
        "[0] * 10 ** 10",
        "x = 'a'\nwhile True: x += x",
        "2 ** 10 ** 10",
        "[[0] for _ in range(10**8)]",
    ],
)
def test_escape_huge_list(sandbox: Sandbox, code: str) -> None:
    assert _escape(sandbox, code).startswith(("MemoryError", "TimeoutError", "SandboxError"))
    assert sandbox.run("1 + 1").value == 2


def test_escape_huge_result(sandbox: Sandbox) -> None:
    result = sandbox.run("list(range(10 ** 6))", limits=SandboxLimits(memory=20_000_000))
    assert result.error.startswith(("MemoryError", "SandboxError"))


def test_escape_deep_recursion(sandbox: Sandbox) -> None:
    assert "RecursionError" in _escape(sandbox, "def f(n):\n    return f(n + 1)\nf(0)")


def test_escape_host_call_flood(sandbox: Sandbox) -> None:
    count = 0

    def act() -> None:
        nonlocal count
        count += 1

    code = "while True:\n    try:\n        act()\n    except BaseException: pass"
    result = sandbox.run(code, functions={"act": act}, limits=SandboxLimits(calls=20))
    assert result.error == "RuntimeError: more than 20 calls out of the sandbox"
    assert count == len(result.calls) == 20


def test_escape_printing_100_mb(sandbox: Sandbox) -> None:
    result = sandbox.run("for _ in range(100_000):\n    print('x' * 1000)")
    assert result.error == "OutputError: printed more than 65536 bytes"
    assert 0 < len(result.stdout) <= 65_536
