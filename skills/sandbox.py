"""Where code that a model wrote runs: pydantic-monty, a Python of its own in a worker process.

The code has no files, network, environment, processes, or host objects; it reaches out only
through the functions it is given. Whatever it does wrong is data in the result, never an exception.
"""

from __future__ import annotations

import hashlib
import math
import re
import sys
import threading
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType, TracebackType
from typing import Any, Self

import pydantic_monty as monty
from pydantic import Field

from envs.errors import Missing, Refused, clip, one_line
from envs.types import Frozen

LONGEST_CODE = 200_000
"""Characters of code; parsing more than that takes longer than running it."""
LONGEST_SHOWN = 10_000
"""Characters of `SandboxResult.shown`."""
LONGEST_ERROR = 500
DEEPEST = 64
MOST_BITS = 14_000
"""Of an integer that is passed on: about the 4,300 digits that Python turns into text."""
TOO_LONG = "<an integer of more than 4,200 digits>"
KNOWN_GOOD = 4096
"""How many pieces of code that passed the type check are remembered."""
RUNS_PER_WORKER = 2000
SPARE_SUSPENSIONS = 16

Functions = Mapping[str, Callable[..., Any]]
NONE: Functions = MappingProxyType({})


class SandboxLimits(Frozen):
    """What one run may use. Exceeding any of them ends it with an error in the result."""

    seconds: float = Field(default=1.0, gt=0, le=60)
    """Seconds of the sandbox's own work; time inside host functions is not counted."""
    memory: int = Field(default=128_000_000, ge=1_000_000)
    """Bytes of heap, result included."""
    depth: int = Field(default=500, ge=1, le=1000)
    """Nested calls."""
    calls: int = Field(default=100, ge=0)
    """Calls of host functions."""
    output: int = Field(default=65_536, ge=1)
    """Bytes printed."""


class Call(Frozen):
    """A host function that the code called."""

    name: str
    """Which one."""
    args: tuple[Any, ...] = ()
    """Positional arguments, as JSON values."""
    kwargs: dict[str, Any] = Field(default_factory=dict)
    """Named arguments, as JSON values."""
    result: Any = None
    """What it returned, as a JSON value."""
    error: str = ""
    """One line, where it raised instead."""


class SandboxResult(Frozen):
    """What became of a piece of code."""

    value: Any = None
    """The last expression as a JSON value: tuples and sets are lists, keys are strings, and what
    JSON does not know (also `nan` and `inf`) is its `repr`."""
    shown: str = ""
    """The last expression as Python would show it; empty where there is none, or it is None."""
    stdout: str = ""
    """What it printed, up to the limit, also when it failed later."""
    error: str = ""
    """One line; empty when it ran to its end."""
    calls: tuple[Call, ...] = ()
    """Host functions it called, in order."""
    seconds: float = 0.0
    """Wall-clock seconds, host functions included."""


class Sandbox:
    """Workers that run code, started by the first run. Several threads may share one sandbox.

    >>> with Sandbox() as sandbox:
    ...     sandbox.run("act('look') + '!'", functions={"act": str.upper}).value
    'LOOK!'
    """

    def __init__(self, *, workers: int = 2, binary: str | None = None) -> None:
        self._workers = workers
        self._binary = binary
        self._lock = threading.Lock()
        self._pool: monty.Monty | None = None
        self._closed = False
        self._checked: dict[str, None] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the workers; may be called twice. A run still going ends by its own limits."""
        with self._lock:
            pool, self._pool, self._closed = self._pool, None, True
        if pool is not None:
            pool.__exit__(None, None, None)

    def run(
        self,
        code: str,
        *,
        functions: Functions = NONE,
        stubs: str = "",
        limits: SandboxLimits = SandboxLimits(),
        seed: int | None = None,
    ) -> SandboxResult:
        """Runs `code` from a clean state; its last expression is the value.

        `functions` are what it may call besides the language; what they raise can be caught by the
        code. `stubs` are their signatures (`def act(command: str) -> str: ...`): with them the code
        is type-checked before anything runs, once for each text. `seed` fixes `random`.

        Raises `Refused` for a closed sandbox or a function whose name is none, `Missing` without
        the worker's program, and whatever a host function raises beyond `Exception` (Ctrl-C).
        """
        began = time.perf_counter()
        pool = self._started()
        desk = _Desk(functions, limits=limits)
        printed = monty.CollectString(limits.output)
        value, error, check = None, "", ""
        if len(code) > LONGEST_CODE:
            error = f"SyntaxError: {len(code)} characters of code, at most {LONGEST_CODE} are read"
        else:
            check = self._unchecked(code, stubs)
            session = pool.checkout(
                limits=_for_monty(limits, desk),
                type_check=bool(check),
                type_check_stubs=stubs if check else None,
                type_check_format="concise",
                os_policy=_policy(seed),
            )
            try:
                with session as opened:
                    value = opened.feed_run(
                        code, external_lookup=desk.functions, print_callback=printed
                    )
                self._passed(check)
            except monty.MontyTypingError as failure:
                error = _type_error(failure)
            except (monty.MontyError, ValueError, RuntimeError, TimeoutError) as failure:
                error = _error(failure, limits=limits)
        if desk.interrupt is not None:
            self._passed(check)  # it ran, so the check was behind it
            raise desk.interrupt
        return SandboxResult(
            value=_as_json(value),
            shown=_shown(value),
            stdout=printed.output,
            error=error,
            calls=tuple(desk.calls),
            seconds=time.perf_counter() - began,
        )

    def _started(self) -> monty.Monty:
        with self._lock:
            if self._closed:
                raise Refused("this sandbox is closed", repair="open a new Sandbox()")
            if self._pool is None:
                pool = monty.Monty(
                    binary_path=self._binary,
                    max_processes=self._workers,
                    checkout_timeout=90.0,
                    request_timeout=90.0,
                    max_checkouts_per_worker=RUNS_PER_WORKER,
                )
                try:
                    pool.__enter__()
                except (RuntimeError, OSError) as error:
                    raise Missing(
                        f"the sandbox does not start: {error}",
                        repair="run `pip install --force-reinstall pydantic-monty`",
                    ) from error
                self._pool = pool
            return self._pool

    def _unchecked(self, code: str, stubs: str) -> str:
        """The fingerprint under which this code has yet to pass a check; empty: nothing to do."""
        if not stubs:
            return ""
        text = f"{len(stubs)}:{stubs}{code}".encode(errors="replace")
        key = hashlib.sha256(text).hexdigest()
        return "" if key in self._checked else key

    def _passed(self, key: str) -> None:
        if key:
            with self._lock:
                self._checked[key] = None
                while len(self._checked) > KNOWN_GOOD:
                    del self._checked[next(iter(self._checked))]


class _Desk:
    """Hands host functions to the code, counts and records what it calls."""

    def __init__(self, functions: Functions, *, limits: SandboxLimits) -> None:
        for name, function in functions.items():
            if not name.isidentifier() or not callable(function):
                raise Refused(
                    f"{clip(str(name))!r} is not a function that code can call",
                    repair="give functions={'name': a_function}, the name a Python name",
                )
        self._most = limits.calls
        self.calls: list[Call] = []
        self.interrupt: BaseException | None = None
        self.functions = {name: self._recorded(name, f) for name, f in functions.items()}

    def _recorded(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if self.interrupt is not None or len(self.calls) >= self._most:
                raise RuntimeError(f"more than {self._most} calls out of the sandbox")
            # Written down before the call, which may alter them.
            told = {"args": _as_json(args), "kwargs": _as_json(kwargs)}
            result, error, returned = None, "", False
            try:
                result = function(*args, **kwargs)
                returned = True
            finally:
                if not returned:
                    error = self._failed(sys.exc_info()[1])
                self.calls.append(Call(name=name, result=_as_json(result), error=error, **told))
            return result

        return call

    def _failed(self, failure: BaseException | None) -> str:
        if not isinstance(failure, Exception):
            # The sandbox would offer it to the code's own `except`.
            self.interrupt = failure
        return clip(f"{type(failure).__name__}: {one_line(str(failure))}", most=LONGEST_ERROR)


def _for_monty(limits: SandboxLimits, desk: _Desk) -> monty.ResourceLimits:
    return {
        "max_feed_duration_secs": limits.seconds,
        "max_memory": limits.memory,
        "max_recursion_depth": limits.depth,
        # Reading a function's name without calling it is a suspension as well.
        "max_suspensions": limits.calls + len(desk.functions) + SPARE_SUSPENSIONS,
    }


def _policy(seed: int | None) -> monty.OSPolicy:
    policy: monty.OSPolicy = {"sleep": "zero"}
    if seed is not None:
        policy["random_start"] = {"seed": seed}
    return policy


def _error(failure: Exception, *, limits: SandboxLimits) -> str:
    if isinstance(failure, monty.MontyCrashedError):
        return f"SandboxError: the worker died and was replaced ({one_line(str(failure))})"
    if not isinstance(failure, monty.MontyRuntimeError | monty.MontySyntaxError):
        return clip(f"{type(failure).__name__}: {one_line(str(failure))}", most=LONGEST_ERROR)
    text = clip(one_line(failure.display("type-msg")), most=LONGEST_ERROR)
    if text.startswith("MemoryError") and text.endswith(f"> {limits.output} bytes"):
        return f"OutputError: printed more than {limits.output} bytes"
    if re.match(r"RuntimeError: suspension limit \d+ exceeded", text):
        return f"RuntimeError: more than {limits.calls} calls out of the sandbox"
    frames = failure.traceback()
    line = frames[-1].line if frames else 0
    return f"{text} (line {line})" if line else text


def _type_error(failure: monty.MontyTypingError) -> str:
    """`main.py:1:5: error[rule] message` of the first finding, and how many there are besides."""
    found = [line for line in failure.display().splitlines() if line.strip()]
    match = re.match(r"\S+?:(\d+):\d+: \w+\[[\w-]+\] (.*)", found[0]) if found else None
    what = f"{match[2]} (line {match[1]})" if match else one_line(str(failure))
    more = f", and {len(found) - 1} more" if len(found) > 1 else ""
    return clip(f"TypeError: before running: {what}", most=LONGEST_ERROR) + more


def _as_json(value: Any, depth: int = 0) -> Any:
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return value if value.bit_length() <= MOST_BITS else TOO_LONG
    if isinstance(value, float):
        return value if math.isfinite(value) else repr(value)
    if depth < DEEPEST and isinstance(value, list | tuple | set | frozenset):
        return [_as_json(item, depth + 1) for item in value]
    if depth < DEEPEST and isinstance(value, dict):
        return {
            key if isinstance(key, str) else repr(key): _as_json(item, depth + 1)
            for key, item in value.items()
        }
    return _shown(value)


def _shown(value: Any, depth: int = 0) -> str:
    if value is None and depth == 0:
        return ""
    if isinstance(value, monty.MontyClassProxy) and depth < DEEPEST:
        inside = [f"{name}={_shown(item, depth + 1)}" for name, item in value.attributes.items()]
        return clip(f"{value.name}({', '.join(inside)})", most=LONGEST_SHOWN)
    if isinstance(value, monty.MontyStdTypeProxy):
        return f"<{value.kind} {value.name}>"
    try:
        return clip(repr(value), most=LONGEST_SHOWN)
    except RecursionError:
        return "<deeply nested>"
    except ValueError:
        return TOO_LONG
