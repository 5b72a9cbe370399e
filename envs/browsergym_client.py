"""The process in which BrowserGym runs: started, asked line by line with a time limit, ended."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import threading
from pathlib import Path
from typing import IO, Any

from envs.errors import EnvError, Missing, clip, one_line

SERVE = Path(__file__).with_name("browsergym_serve.py")
GRACE_S = 3.0
"""Seconds in which it may end by itself."""
MANUAL = "see docs/browsergym.md"


class Served:
    """One process with one suite, and at most one episode at a time.

    `python` is the interpreter of the environment that has BrowserGym. Raises `Missing` where that
    or the suite is not there, `EnvError` where it breaks or takes longer than `patience_s`.
    """

    def __init__(self, python: Path, suite: str, *, patience_s: float = 180.0) -> None:
        if not python.is_file():
            raise Missing(f"BrowserGym is not set up at {python}", repair=set_up(python, suite))
        self._patience = patience_s
        self._count = 0
        self._lines: queue.Queue[bytes] = queue.Queue()
        self._process = subprocess.Popen(  # noqa: S603 - an environment that its user made
            [str(python), "-I", str(SERVE)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        assert self._process.stdout  # noqa: S101 - a pipe
        source = self._process.stdout
        threading.Thread(target=self._read, args=(source,), daemon=True).start()
        told = self.ask("hello", suite=suite)
        self.tasks: list[dict[str, str]] = told["tasks"]
        """`id` and `goal` of each task."""
        if not self.tasks:
            self.close()
            raise Missing(f"BrowserGym has no suite {suite!r}", repair=set_up(python, suite))

    @property
    def alive(self) -> bool:
        """Whether it can be asked."""
        return self._process.poll() is None

    def ask(self, do: str, **more: Any) -> dict[str, Any]:
        """One question and its answer; after an error that is not the task's own it is ended."""
        self._count += 1
        line = json.dumps({"id": self._count, "do": do, **more}) + "\n"
        try:
            assert self._process.stdin  # noqa: S101 - a pipe
            self._process.stdin.write(line.encode())
            self._process.stdin.flush()
            answer = json.loads(self._lines.get(timeout=self._patience) or b"{}")
        except (OSError, ValueError, queue.Empty) as error:
            late = isinstance(error, queue.Empty)
            self._end()
            why = f"did not answer in {self._patience:g} s" if late else "has ended"
            raise EnvError(f"BrowserGym {why} ({do})", repair=f"begin anew; {MANUAL}") from error
        if answer.get("id") == self._count and "ok" in answer:
            return answer["ok"]
        self.close()
        why = clip(one_line(str(answer.get("error", "no answer"))), most=300)
        if "missing" in answer:
            repair = f"install {answer['missing'] or 'it'} in its environment; {MANUAL}"
            raise Missing(f"BrowserGym's environment lacks something: {why}", repair=repair)
        raise EnvError(f"BrowserGym failed ({do}): {why}", repair=f"is its site up? {MANUAL}")

    def close(self) -> None:
        """Ends the process and what it started; may be called twice."""
        with contextlib.suppress(OSError):
            if self._process.stdin:
                self._process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(GRACE_S)
        self._end()

    def _end(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        with contextlib.suppress(OSError):
            if self._process.stdin:
                self._process.stdin.close()

    def _read(self, source: IO[bytes]) -> None:
        with contextlib.suppress(ValueError, OSError):
            for line in source:
                self._lines.put(line)
            source.close()
        self._lines.put(b"")


def set_up(python: Path, suite: str) -> str:
    """The commands that install it."""
    folder = python.parents[1]
    return (
        f"python3 -m venv {folder} && {python} -m pip install browsergym-{suite} && "
        f"{python} -m playwright install chromium; {MANUAL}"
    )
