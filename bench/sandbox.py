"""What running code in the sandbox costs, against a Python process for each piece of code.

`python -m bench.sandbox [--runs N]` prints one table. In-process `exec`, which protects from
nothing, is the floor.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

from skills.sandbox import Sandbox

EXPRESSION = "sum(range(10)) + 1"
SKILL = """
found = ''
for place in ['shelf 1', 'shelf 2', 'drawer 1', 'drawer 2', 'desk 1']:
    seen = act('go to ' + place)
    if 'mug 1' in seen and not found:
        found = place
found
"""
STUBS = "def act(command: str) -> str: ..."


def _act(command: str) -> str:
    return f"You are at {command}. You see a mug {len(command)}."


def _times(call: Callable[[], object], *, runs: int) -> list[float]:
    """Milliseconds of each call, sorted; the first one, a warm-up, is left out."""
    call()
    times = []
    for _ in range(runs):
        began = time.perf_counter()
        call()
        times.append((time.perf_counter() - began) * 1000)
    return sorted(times)


def _row(name: str, times: list[float], *, floor: float) -> None:
    p50, p99 = statistics.median(times), times[int(len(times) * 0.99) - 1]
    print(f"{name:<44}{p50:>10.3f}{p99:>10.3f}{floor / p50:>12.1f}x")


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=2000)
    runs = parser.parse_args().runs
    command = [sys.executable, "-I", "-c", f"print({EXPRESSION})"]
    process = _times(
        lambda: subprocess.run(command, capture_output=True, check=True), runs=max(20, runs // 50)
    )
    instead = statistics.median(process)
    functions = {"act": _act}
    print(f"{'milliseconds':<44}{'p50':>10}{'p99':>10}{'faster than':>13}")
    print(f"{'':<44}{'':>10}{'':>10}{'python -c':>13}")
    _row("python -I -c, a process each", process, floor=instead)
    with Sandbox() as sandbox:
        began = time.perf_counter()
        sandbox.run(EXPRESSION)
        first = (time.perf_counter() - began) * 1000
        _row(
            "sandbox, an expression",
            _times(lambda: sandbox.run(EXPRESSION), runs=runs),
            floor=instead,
        )
        skill = _times(lambda: sandbox.run(SKILL, functions=functions), runs=runs)
        _row("sandbox, a skill with 5 host calls", skill, floor=instead)
        checked = _times(lambda: sandbox.run(SKILL, functions=functions, stubs=STUBS), runs=runs)
        _row("the same, type-checked (once)", checked, floor=instead)
        numbers = iter(range(10**9))
        fresh = _times(
            lambda: sandbox.run(f"# {next(numbers)}\n{SKILL}", functions=functions, stubs=STUBS),
            runs=max(20, runs // 20),
        )
        _row("the same, code never seen before", fresh, floor=instead)
    bare = _times(lambda: exec(SKILL, {"act": _act}), runs=runs)  # noqa: S102
    _row("exec() in this process, unprotected", bare, floor=instead)
    print(f"first run of a new sandbox: {first:.1f} ms")


if __name__ == "__main__":
    main()
