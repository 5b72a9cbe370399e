"""Starts and stops the server: the address is taken before anything is opened, streams end first.

`python -m server.serving` serves with the settings that it reads as JSON from standard input: that
is how `detach` hands them on, keys included, without showing them to other users of the machine.
"""

from __future__ import annotations

import asyncio
import errno
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

import httpx
import psutil
import uvicorn
from fastapi import FastAPI
from pydantic import ValidationError

from agent.home import home
from agent.settings import ServerSettings, Settings
from envs.errors import JourneymanError, Refused, StoreError, UserError, boundary, one_line
from envs.types import Frozen
from server.app import DRAIN_S, create_app
from server.auth import check_binding

GRACE_S = 30.0
"""Seconds that open streams have to end when the server is told to stop."""
START_S = 120.0
"""Seconds that a server in the background has to answer."""
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Record(Frozen):
    """The server of a home, as `HOME/server.json` names it."""

    pid: int
    """Its process."""
    started: float
    """When that process was started (seconds since 1970): tells it from a later one of its id."""
    url: str
    """Where it answers."""
    settings: str
    """Hash of the settings that it serves with."""


async def serve(settings: Settings, *, on_ready: Callable[[str], None]) -> None:
    """Serves until SIGINT or SIGTERM; open streams may end first, a second signal cuts them off.

    `on_ready` gets the URL when requests are answered. Raises `Refused` for an address that needs
    a key, `UserError` for one that can't be had, and what opening the home raises.
    """
    check_binding(settings.server)
    with bind(settings.server) as listener:
        url = _url(settings.server.host, listener.getsockname()[1])
        async with home(settings, follow=True) as place:
            app = create_app(place)
            with _recorded(settings, url):
                server = Server(app, ready=lambda: on_ready(url))
                await server.serve(sockets=[listener])
            await app.state.turns.drain(seconds=0.0 if server.force_exit else DRAIN_S)


class Server(uvicorn.Server):
    """Serves an application whose home is open; says when it answers.

    uvicorn raises a captured signal again after its shutdown, which would kill this process before
    the home is closed. Here the signal has done its work with the shutdown.
    """

    def __init__(self, app: FastAPI, *, ready: Callable[[], None]) -> None:
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="off",
            ws="none",
            timeout_graceful_shutdown=int(GRACE_S),
        )
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Announces the address when it is listened at."""
        await super().startup(sockets)
        self._ready()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Takes SIGINT and SIGTERM, where this is the main thread."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self._told) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _told(self, _number: int, _frame: FrameType | None) -> None:
        self.force_exit = self.should_exit
        self.should_exit = True


def bind(server: ServerSettings) -> socket.socket:
    """A socket at the address. Raises `UserError` that says who has it, or what is wrong."""
    try:
        found = socket.getaddrinfo(server.host or None, server.port, type=socket.SOCK_STREAM)
        family, kind, protocol, _name, address = found[0]
    except (socket.gaierror, UnicodeError) as error:
        raise UserError(
            f"no address is named {server.host!r}", repair="choose another with --host"
        ) from error
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        listener.listen(2048)
    except OSError as error:
        listener.close()
        raise _untaken(server, error) from error
    return listener


def _untaken(server: ServerSettings, error: OSError) -> UserError:
    if error.errno == errno.EADDRINUSE:
        return UserError(
            f"port {server.port} is in use{_holder(server.port)}",
            repair="choose another with --port, or --port 0 for any that is free",
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return UserError(
            f"port {server.port} needs rights that this process lacks",
            repair="choose one above 1023 with --port",
        )
    return UserError(
        f"{server.host!r} can't be listened at ({error.strerror})",
        repair="choose an address of this machine with --host",
    )


def _holder(port: int) -> str:
    """Who listens at `port`, as far as this user may know."""
    try:
        for connection in psutil.net_connections(kind="tcp"):
            at = connection.laddr
            if connection.status == psutil.CONN_LISTEN and at and at.port == port:
                if connection.pid is None:
                    return " by another user's process"
                name = psutil.Process(connection.pid).name()
                return f" by {name} (process {connection.pid})"
    except psutil.Error:
        pass
    return ""


def detach(settings: Settings) -> tuple[str, int]:
    """Serves in the background; returns URL and process id as soon as it answers.

    A server of this home that runs with the same settings already is named instead. Raises
    `Refused` when it has other settings, `UserError` with the last line of `HOME/server.log` when
    the new one does not come up.
    """
    check_binding(settings.server)
    running = _running(settings)
    if running is not None:
        if running.settings == _hash(settings):
            return running.url, running.pid
        raise Refused(
            f"a server with other settings runs at {running.url} (process {running.pid})",
            repair="end it with `journeyman serve --stop`",
        )
    log = settings.home / "server.log"
    try:
        settings.home.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as out:
            start = out.tell()
            child = subprocess.Popen(
                [sys.executable, "-m", "server.serving"],
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
    except OSError as error:
        raise StoreError(
            f"{log} can't be written: {error.strerror}", repair="make the folder writable"
        ) from error
    if child.stdin is not None:
        with suppress(BrokenPipeError), child.stdin:  # one that has died says why in its log
            child.stdin.write(settings.model_dump_json().encode())
    # Whoever started a process has to fetch its end, or it stays a zombie that looks alive.
    threading.Thread(target=child.wait, daemon=True).start()
    return _awaited(settings, child, log, start), child.pid


def _awaited(settings: Settings, child: subprocess.Popen[bytes], log: Path, start: int) -> str:
    late = time.monotonic() + START_S
    while time.monotonic() < late and child.poll() is None:
        record = _read(settings)
        if record is not None and record.pid == child.pid and _answers(record.url):
            return record.url
        time.sleep(0.05)
    if child.poll() is None:
        child.terminate()
    tail = log.read_bytes()[start:].decode("utf-8", "replace").strip().splitlines()
    why = one_line(tail[-1]) if tail else f"no answer within {START_S:g} s"
    raise UserError(f"the server did not start: {why}", repair=f"its log is {log}")


def stop(settings: Settings) -> bool:
    """Ends the server of this home and waits for it; False when none runs."""
    record = _running(settings)
    if record is None:
        return False
    try:
        process = psutil.Process(record.pid)
        process.terminate()
        try:
            process.wait(GRACE_S + DRAIN_S + 5)
        except psutil.TimeoutExpired:
            process.kill()
            process.wait(5)
    except psutil.NoSuchProcess:
        pass
    except psutil.AccessDenied as error:
        raise Refused(
            f"process {record.pid} is another user's", repair="end it as that user"
        ) from error
    _file(settings).unlink(missing_ok=True)
    return True


def _file(settings: Settings) -> Path:
    return settings.home / "server.json"


def _read(settings: Settings) -> Record | None:
    try:
        return Record.model_validate_json(_file(settings).read_bytes())
    except (OSError, ValidationError):
        return None


def _running(settings: Settings) -> Record | None:
    """The server of this home, if it still lives."""
    record = _read(settings)
    try:
        alive = record and abs(psutil.Process(record.pid).create_time() - record.started) < 2.0
    except psutil.Error:
        return None
    return record if alive else None


@contextmanager
def _recorded(settings: Settings, url: str) -> Iterator[None]:
    """Names this process in `HOME/server.json`, unless another server is named there."""
    me = psutil.Process()
    if _running(settings) is not None:
        yield
        return
    record = Record(pid=me.pid, started=me.create_time(), url=url, settings=_hash(settings))
    file = _file(settings)
    fresh = file.with_suffix(f".{me.pid}")
    fresh.write_text(record.model_dump_json(), "utf-8")
    fresh.replace(file)
    try:
        yield
    finally:
        if _read(settings) == record:
            file.unlink(missing_ok=True)


def _hash(settings: Settings) -> str:
    server = settings.server
    return f"{settings.hash()}/{server.host}:{server.port}/{server.verify}/{bool(server.api_key)}"


def _url(host: str, port: int) -> str:
    """Where this machine reaches the server."""
    here = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    return f"http://[{here}]:{port}" if ":" in here else f"http://{here}:{port}"


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz", timeout=2.0, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def main() -> None:
    """Serves with the settings on standard input; a mistake is one line."""
    try:
        with boundary("reading the settings"):
            settings = Settings.model_validate(json.loads(sys.stdin.buffer.read()))
        sys.stdin.close()
        asyncio.run(serve(settings, on_ready=lambda url: say(f"serving at {url}")))
    except JourneymanError as error:
        say(str(error))
        sys.exit(error.exit_code)


def say(line: str) -> None:
    """One line for the log."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
