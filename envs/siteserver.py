"""The server of one app: a process of its own on a free port, with its state behind a token."""

from __future__ import annotations

import contextlib
import json
import secrets
import selectors
import subprocess
import sys
import tempfile
import time
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

from envs.errors import EnvError, Missing, clip, one_line
from envs.siteapps import App, AppTask
from envs.types import Score

HERE = Path(__file__).parent
START_S, ANSWER_S, VERIFY_S = 20.0, 10.0, 20.0
"""Seconds that a server may take to start and to answer, and a verifier to judge."""
TOLD_MOST = 300
OPENER = build_opener(ProxyHandler({}))
"""Goes straight to the loopback, whatever proxy the machine uses."""


class AppServer:
    """A running app. `folder` is the copy to be served; close it, or it ends with this process.

    Raises `EnvError` when it does not start.
    """

    def __init__(self, app: App, *, folder: Path) -> None:
        self.app = app
        self._token = secrets.token_hex(16) if app.guarded else ""
        more = ["--token-stdin"] if app.guarded else []
        self._said = tempfile.TemporaryFile()  # noqa: SIM115
        self._process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-I", str(HERE / "siteserve.py"), "server.py", "--port", "0", *more],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
        )
        try:
            self.url = f"http://127.0.0.1:{self._begin()}"
        except (OSError, EnvError):
            self.close()
            raise

    @property
    def alive(self) -> bool:
        """Whether its process runs."""
        return self._process.poll() is None

    @property
    def pid(self) -> int:
        """Number of its process."""
        return self._process.pid

    def reset(self, start: dict[str, Any]) -> None:
        """The first state again. Raises `EnvError` when the server is gone."""
        self._ask("POST", "/api/reset", json.dumps(start).encode())

    def state(self) -> Any:
        """The state; None before an app whose pages hold it has been opened."""
        return self._ask("GET", "/api/state")

    def close(self) -> None:
        """Ends the process; may be called twice."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                with contextlib.suppress(OSError):
                    pipe.close()
        if self.alive:
            self._process.kill()
        self._process.wait()
        self._said.close()

    def _begin(self) -> int:
        pipe, out = self._process.stdin, self._process.stdout
        assert pipe is not None and out is not None  # noqa: S101
        with contextlib.suppress(BrokenPipeError):
            pipe.write(f"{self._token}\n")
            pipe.flush()
        with selectors.DefaultSelector() as ready:
            ready.register(out, selectors.EVENT_READ)
            line = out.readline() if ready.select(START_S) else ""
        word, _, number = line.strip().partition(" ")
        if word != "PORT" or not number.isdecimal():
            why = self._last_words()
            raise EnvError(
                f"the server of {self.app.name} does not start" + (f" ({why})" if why else ""),
                repair=f"run `python server.py --port 8000` in {self.app.folder} to see why; it has"
                " to be a server of the standard library",
            )
        return int(number)

    def _last_words(self) -> str:
        self._said.seek(max(self._said.seek(0, 2) - 2000, 0))
        lines = self._said.read().decode("utf-8", "replace").strip().rpartition("\n")
        return clip(one_line(lines[2]), most=160)

    def _ask(self, method: str, path: str, body: bytes | None = None) -> Any:
        headers = {"X-Token": self._token} if self._token else {}
        headers |= {"Content-Type": "application/json"} if body else {}
        request = Request(self.url + path, data=body, headers=headers, method=method)  # noqa: S310
        try:
            with OPENER.open(request, timeout=ANSWER_S) as answer:
                return json.loads(answer.read() or b"null")
        except HTTPError as error:
            error.close()
            if error.code == 404 and method == "GET":
                return None
            raise EnvError(
                f"the server of {self.app.name} answers {error.code} to {method} {path}",
                repair="have server.py answer it as docs/web-sites.md says",
            ) from error
        except ValueError as error:
            raise EnvError(
                f"the server of {self.app.name} answers {method} {path} with what is no JSON",
                repair="have server.py answer it as docs/web-sites.md says",
            ) from error
        except (HTTPException, OSError) as error:
            told = clip(one_line(str(error))) or type(error).__name__
            raise EnvError(
                f"the server of {self.app.name} does not answer ({told})",
                repair="open the task again",
            ) from error


def judge(server: AppServer, task: AppTask, *, state: Any, patience_s: float = VERIFY_S) -> Score:
    """What the task's verifier says of a state, in a process of its own with a time limit.

    Raises `EnvError` when the verifier fails, and `Missing` when it lacks a package.
    """
    path = server.app.folder / task.verify
    if not path.is_file():
        raise EnvError(
            f"the verifier {path} of {task.id} is not there", repair="write it, or mend `verify`"
        )
    try:
        done = subprocess.run(  # noqa: S603
            [sys.executable, "-IB", str(HERE / "siteverify.py"), str(path)],
            input=json.dumps({"state": state, "expect": task.expect, "url": server.url}),
            capture_output=True,
            text=True,
            timeout=patience_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise EnvError(
            f"the verifier {path} takes longer than {patience_s:.0f} s", repair="mend it"
        ) from error
    told = one_line(done.stderr.strip().rpartition("\n")[2])
    if done.returncode and "ModuleNotFoundError" in told:
        package = told.rpartition(" ")[2].strip("'")
        raise Missing(
            f"the verifier {path} needs a package that is not here ({told})",
            repair=f"pip install {package}",
        )
    try:
        found = json.loads(done.stdout)
        return Score(value=found["value"], passed=found["value"] >= 1.0, note=found["note"])
    except (ValueError, KeyError, TypeError) as error:
        raise EnvError(
            f"the verifier {path} failed: {clip(told, most=TOLD_MOST)}",
            repair="mend it: it answers with a truth value, a number, or one of these and a note",
        ) from error


def settled(server: AppServer, *, patience_s: float = 1.0) -> Any:
    """The state once two readings agree: pages that hold it send it a moment after an action."""
    state = server.state()
    if server.app.guarded:
        return state
    end = time.monotonic() + patience_s
    while time.monotonic() < end:
        time.sleep(0.05)
        if (again := server.state()) == state and state is not None:
            break
        state = again
    return state
