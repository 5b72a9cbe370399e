"""Workers of the sandbox: killed, shared, closed, missing, and ended with their parent."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from envs.errors import Missing, Refused
from skills.sandbox import Sandbox, SandboxLimits

QUICK = SandboxLimits(seconds=0.2)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as opened:
        yield opened


def test_a_killed_worker_is_an_error_and_the_next_run_has_a_new_one(sandbox: Sandbox) -> None:
    def kill_worker() -> None:
        for child in psutil.Process().children():
            if child.name().startswith("monty"):
                child.kill()

    dead = sandbox.run("kill()\n1", functions={"kill": kill_worker})
    assert dead.error.startswith("SandboxError: the worker died and was replaced")
    assert sandbox.run("1 + 1").value == 2


def test_threads_share_a_sandbox(sandbox: Sandbox) -> None:
    with ThreadPoolExecutor(8) as threads:
        values = threads.map(lambda n: sandbox.run(f"{n} * 2").value, range(100))
        assert list(values) == [n * 2 for n in range(100)]


def test_a_closed_sandbox_is_refused() -> None:
    sandbox = Sandbox()
    assert sandbox.run("1").value == 1
    sandbox.close()
    sandbox.close()
    with pytest.raises(Refused, match="closed; open a new"):
        sandbox.run("1")


def test_closing_during_a_run_leaves_the_run_its_result() -> None:
    sandbox = Sandbox(workers=1)
    sandbox.run("1")
    closer = threading.Timer(0.1, sandbox.close)
    closer.start()
    result = sandbox.run("while True: pass", limits=QUICK)
    closer.join()
    assert result.error


def test_a_name_that_is_none_is_refused(sandbox: Sandbox) -> None:
    with pytest.raises(Refused, match=r"'a b' is not a function .*; give functions="):
        sandbox.run("1", functions={"a b": len})


def test_a_missing_worker_program_says_how_to_get_it(tmp_path: Path) -> None:
    sandbox = Sandbox(binary=str(tmp_path / "none"))
    with pytest.raises(Missing, match="pip install --force-reinstall pydantic-monty"):
        sandbox.run("1")


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_workers_end_with_a_killed_parent() -> None:
    code = (
        "from skills.sandbox import Sandbox\nimport psutil, time\n"
        "sandbox = Sandbox()\nsandbox.run('1')\n"
        "print(psutil.Process().children()[0].pid, flush=True)\ntime.sleep(60)"
    )
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=root
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        os.kill(parent.pid, 9)
    deadline = time.monotonic() + 5
    while _alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not _alive(pid)


def _alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
