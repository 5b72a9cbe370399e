"""PostgreSQL and Chroma servers of one's own, for tests and measurements: begun, used, gone.

They listen to this machine alone, keep their files in a folder that goes with them, and end when
the process that began them ends, however it ends.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

import httpx

from envs.errors import StoreError

PLACES = ("/usr/lib/postgresql/*/bin", "/opt/homebrew/opt/postgresql*/bin", "/usr/pgsql-*/bin")
"""Where systems put PostgreSQL's programs, outside of the path."""
INSTALL = "`make postgres`; Debian: apt-get install postgresql, macOS: brew install postgresql"
START = 30.0
"""Most seconds that a server takes to answer."""
QUICK = ("fsync=off", "shared_buffers=32MB", "listen_addresses=", "max_connections=60")
"""Settings of the tests' server, which need not survive a loss of power."""
WATCHED = '"$@" & server=$!; cat > /dev/null; kill -INT $server; wait $server; rm -rf "$FOLDER"'
"""Ends the server and its folder when the other end of the pipe is closed, or its holder killed."""


@contextmanager
def postgres(*, settings: Sequence[str] = QUICK) -> Iterator[str]:
    """The address of a new, empty server. Raises `StoreError` where PostgreSQL isn't installed."""
    programs = _programs()
    folder = Path(tempfile.mkdtemp(prefix="journeyman-pg-", dir="/tmp"))
    as_user = "nobody" if os.getuid() == 0 else None
    if as_user:  # PostgreSQL refuses to run as root
        shutil.chown(folder, as_user)
    data, log = folder / "data", folder / "log"
    fill = [programs / "initdb", "-D", data, "-U", "journeyman", "-A", "trust", "-E", "UTF8"]
    made = subprocess.run(
        [*fill, "--no-sync", "--locale=C"],
        user=as_user,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        shutil.rmtree(folder, ignore_errors=True)
        raise StoreError(f"initdb failed: {made.stderr.strip()[-200:]}", repair=INSTALL)
    serve = [programs / "postgres", "-D", data, "-k", folder]
    for setting in settings:
        serve += ["-c", setting]
    url = f"postgresql://journeyman@/postgres?host={quote(str(folder), safe='')}"
    with _serving(serve, folder, log, lambda: _takes(url), user=as_user):
        yield url


@contextmanager
def schema(url: str) -> Iterator[str]:
    """The address of an empty place of its own on a PostgreSQL server."""
    import psycopg

    name = f"t{time.time_ns():x}"
    with psycopg.connect(url, autocommit=True) as db:
        db.execute(f"CREATE SCHEMA {name}".encode())
        try:
            yield f"{url}{'&' if '?' in url else '?'}options=-csearch_path%3D{name}"
        finally:
            db.execute("SET client_min_messages = warning")
            db.execute("SET lock_timeout = '10s'")
            db.execute(f"DROP SCHEMA {name} CASCADE".encode())


@contextmanager
def chroma() -> Iterator[str]:
    """The address of a new, empty Chroma server."""
    folder = Path(tempfile.mkdtemp(prefix="journeyman-chroma-"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = Path(sys.executable).with_name("chroma")
    serve = [program, "run", "--path", folder / "data", "--host", "127.0.0.1", "--port", port]
    url = f"http://127.0.0.1:{port}"
    still = {"ANONYMIZED_TELEMETRY": "False"}
    with _serving(serve, folder, folder / "log", lambda: _beats(url), more=still):
        yield url


@contextmanager
def _serving(
    command: Sequence[object],
    folder: Path,
    log: Path,
    answers: Callable[[], bool],
    *,
    user: str | None = None,
    more: Mapping[str, str] | None = None,
) -> Iterator[None]:
    environ = {"PATH": "/usr/bin:/bin", "FOLDER": str(folder), "HOME": str(folder), **(more or {})}
    with log.open("w") as told:
        watched = subprocess.Popen(
            ["sh", "-c", WATCHED, "sh", *map(str, command)],
            stdin=subprocess.PIPE,
            stdout=told,
            stderr=told,
            cwd=folder,
            user=user,
            env=environ,
            start_new_session=True,
        )
    try:
        until = time.monotonic() + START
        while not answers():
            if time.monotonic() > until:
                said = log.read_text("utf-8", "replace").strip()[-300:]
                raise StoreError(f"{command[0]} does not answer: {said}", repair="look at its log")
            time.sleep(0.05)
        yield
    finally:
        assert watched.stdin is not None  # noqa: S101
        watched.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            watched.wait(20)
        shutil.rmtree(folder, ignore_errors=True)


def _programs() -> Path:
    """The folder with `initdb` and `postgres`, the newest version first."""
    found = [shutil.which("initdb")]
    for place in PLACES:
        found += sorted(map(str, Path("/").glob(f"{place[1:]}/initdb")), reverse=True)
    for path in found:
        if path and (Path(path).resolve().parent / "postgres").exists():
            return Path(path).resolve().parent
    raise StoreError("PostgreSQL is not installed", repair=INSTALL)


def _takes(url: str) -> bool:
    import psycopg

    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def _beats(url: str) -> bool:
    try:
        return httpx.get(f"{url}/api/v2/heartbeat", timeout=2).is_success
    except httpx.HTTPError:
        return False
