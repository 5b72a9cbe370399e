"""Processes that play text games: several at once, recycled, ended with their parent.

TextWorld keeps some memory of every game that it loads, so a worker takes no new games after
`recycle_after` and ends when its last one is closed. A worker that dies takes its games with it
(`EnvError`); the next game is opened in a fresh one.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from itertools import count as counter
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from envs.errors import (
    EnvError,
    InternalError,
    JourneymanError,
    Missing,
    Refused,
    UserError,
    boundary,
    clip,
    one_line,
)
from envs.textgames import GameState, TextGame, why_stock

PATIENCE_S = 120.0
"""Seconds after which a worker that does not answer is given up."""
CODE = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[2]); "
    "from envs.workers import serve; serve(int(sys.argv[1]), parent=int(sys.argv[3]))"
)
KINDS = {kind.__name__: kind for kind in (EnvError, InternalError, Missing, Refused, UserError)}

log = logging.getLogger(__name__)


class WorkerPool:
    """`count` worker processes, begun when they are needed; 0 plays in this process.

    Thread-safe. Games in different workers run at the same time, games in one take turns.
    `cache` keeps translations between processes and runs; `fast=False` takes the stock path.
    """

    def __init__(
        self,
        count: int,
        *,
        recycle_after: int = 64,
        fast: bool = True,
        cache: Path | None = None,
        patience_s: float = PATIENCE_S,
    ) -> None:
        if count < 0 or recycle_after < 1:
            raise UserError(
                f"{count} workers, recycled after {recycle_after} games",
                repair="workers are 0 or more, games 1 or more",
            )
        self._count = count
        self._recycle_after = recycle_after
        self._options = {"fast": fast, "cache": cache}
        self._patience_s = patience_s
        self._lock = threading.Lock()
        self._workers: list[_Worker] = []
        self._here = _Here()
        self._warned: set[str] = set()
        self._ended = weakref.finalize(self, _end_all, self._workers)

    def open(self, path: Path, *, expert: bool = False) -> PooledGame:
        """Loads and begins a game in the worker that has the fewest.

        Raises what `TextGame` raises, and `EnvError` when the worker dies or the pool is closed.
        """
        worker = self._seat()
        try:
            number, state, note = worker.ask("open", path, {**self._options, "expert": expert})
        except JourneymanError:
            self.leave(worker)
            raise
        if note and note not in self._warned:
            self._warned.add(note)
            log.warning("%s", note)
        return PooledGame(number, pool=self, worker=worker, state=state)

    def pids(self) -> tuple[int, ...]:
        """Processes that are alive now."""
        with self._lock:
            return tuple(worker.pid for worker in self._workers if worker.alive())

    def close(self) -> None:
        """Ends all workers, and with them their games; may be called twice."""
        self._ended()

    def _seat(self) -> _Worker | _Here:
        with self._lock:
            if not self._ended.alive:
                raise EnvError("the pool of workers is closed", repair="open the environment again")
            if not self._count:
                return self._here
            for dead in [worker for worker in self._workers if not worker.alive()]:
                self._workers.remove(dead)
                dead.end()
            fresh = [w for w in self._workers if w.loaded < self._recycle_after]
            best = min(fresh, key=lambda worker: worker.live, default=None)
            if best is None or (best.live and len(fresh) < self._count):
                best = _Worker(patience_s=self._patience_s)
                self._workers.append(best)
            best.live += 1
            best.loaded += 1
            return best

    def leave(self, worker: _Worker | _Here) -> None:
        """A game of this worker is over."""
        if isinstance(worker, _Here):
            return
        with self._lock:
            worker.live -= 1
            if worker.live or worker not in self._workers:
                return
            if worker.loaded < self._recycle_after and worker.alive():
                return
            self._workers.remove(worker)
        worker.end()


class PooledGame:
    """A game that is played by a worker."""

    def __init__(
        self, number: int, *, pool: WorkerPool, worker: _Worker | _Here, state: GameState
    ) -> None:
        self.state = state
        """What it showed last."""
        self._number = number
        self._pool = pool
        self._worker = worker
        self._closed = False

    def step(self, command: str) -> GameState:
        """Does one command. Raises `EnvError` when the worker is gone."""
        self.state = self._worker.ask("step", self._number, command)
        return self.state

    def close(self) -> None:
        """Frees the game; may be called twice, and when the worker is gone."""
        if self._closed:
            return
        self._closed = True
        if self._worker.alive():
            try:
                self._worker.ask("close", self._number)
            except EnvError:
                log.debug("a worker was gone before its game was closed")
        self._pool.leave(self._worker)


class _Desk:
    """The games of one process."""

    def __init__(self) -> None:
        self._games: dict[int, TextGame] = {}
        self._numbers = counter()

    def do(self, verb: str, *args: Any) -> Any:
        if verb == "open":
            path, options = args
            game = TextGame(path, **options)
            state = game.reset()
            number = next(self._numbers)
            self._games[number] = game
            return number, state, why_stock() if options["fast"] else ""
        if verb == "step":
            number, command = args
            return self._games[number].step(command)
        game = self._games.pop(args[0], None)
        if game is not None:
            game.close()
        return None


class _Here:
    """This process as a worker; one game at a time, since the vendors keep global state."""

    def __init__(self) -> None:
        self._desk = _Desk()
        self._lock = threading.Lock()

    def alive(self) -> bool:
        return True

    def ask(self, verb: str, *args: Any) -> Any:
        with self._lock, boundary(f"{verb} of a text game"):
            return self._desk.do(verb, *args)


class _Worker:
    """A process and our end of its line. `live` and `loaded` count games; the pool keeps them."""

    def __init__(self, *, patience_s: float) -> None:
        self.live = 0
        self.loaded = 0
        self._patience_s = patience_s
        self._lock = threading.Lock()
        self._words = tempfile.TemporaryFile()  # noqa: SIM115 (closed in `end`)
        ours, theirs = socket.socketpair()
        with theirs:
            line = str(theirs.fileno())
            try:
                self._process = subprocess.Popen(  # noqa: S603 (our own interpreter and code)
                    [sys.executable, "-c", CODE, line, json.dumps(sys.path), str(os.getpid())],
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=self._words,
                )
            except OSError as error:
                ours.close()
                self._words.close()
                raise EnvError(
                    f"no worker process can be started: {error}",
                    repair="free memory or processes, or use fewer workers",
                ) from error
        self._line = Connection(ours.detach())
        self.pid = self._process.pid

    def alive(self) -> bool:
        return not self._line.closed and self._process.poll() is None

    def ask(self, verb: str, *args: Any) -> Any:
        with self._lock:
            try:
                self._line.send((verb, args))
                if not self._line.poll(self._patience_s):
                    self._process.kill()
                    raise EnvError(
                        f"a worker did not answer for {self._patience_s:g} s",
                        repair="run the task again",
                    )
                kind, answer = self._line.recv()
            except (EOFError, OSError) as error:
                raise self._gone() from error
        if kind:
            message, repair = answer
            raise KINDS.get(kind, EnvError)(message, repair=repair)
        return answer

    def end(self) -> None:
        """Closes the line, at which the process ends by itself, or is killed."""
        self._line.close()
        try:
            self._process.wait(timeout=2.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._words.close()

    def _gone(self) -> EnvError:
        try:
            code: int | None = self._process.wait(timeout=2.0)
        except subprocess.TimeoutExpired:
            code = None
        words = ""
        if not self._words.closed:
            self._words.seek(0)
            lines = self._words.read()[-4000:].decode(errors="replace").split("\n")
            words = next((one_line(line) for line in reversed(lines) if line.strip()), "")
        why = f" ({clip(words, most=160)})" if words else ""
        return EnvError(
            f"a worker process has ended, code {code}{why}",
            repair="run the task again; if it recurs, free memory or use fewer workers",
        )


def serve(line: int, *, parent: int) -> None:
    """The life of a worker: answers on the socket `line` until it is closed. Never returns."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow, args=(parent,), daemon=True).start()
    desk = _Desk()
    with Connection(line) as wire:
        while True:
            try:
                verb, args = wire.recv()
            except (EOFError, OSError):
                os._exit(0)
            try:
                with boundary(f"{verb} of a text game"):
                    answer = ("", desk.do(verb, *args))
            except JourneymanError as error:
                answer = (type(error).__name__, (error.message, error.repair))
            try:
                wire.send(answer)
            except OSError:
                os._exit(0)


def _follow(parent: int) -> None:
    """Ends this process soon after its parent, even in the middle of a long command."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def _end_all(workers: list[_Worker]) -> None:
    while workers:
        workers.pop().end()
