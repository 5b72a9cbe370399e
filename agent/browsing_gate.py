"""The way that all traffic of a conversation's pages takes: a proxy that checks each connection.

The browser resolves nothing itself. For every connection, redirects, scripts and sockets of a page
included, the name is resolved here, all its addresses are checked, and the connection goes to one
of those that were checked, so a name cannot mean something else a moment later.
"""

from __future__ import annotations

import re
import selectors
import socket
import threading
import time
from contextlib import suppress

from agent.browsing_addresses import Atlas, Place
from envs.errors import EnvError, JourneymanError, Refused

HEAD_MOST = 64 * 1024
"""Bytes of a request's head."""
CONNECT_S = 8.0
IDLE_S = 60.0
"""Seconds that a connection may be silent."""
BYTES_MOST = 64 * 1024 * 1024
"""What one connection may carry."""
NOTES_MOST = 3
CONNECTIONS_MOST = 64
_FIRST = re.compile(rb"([A-Z]{3,10}) (\S+) HTTP/1\.[01]")
_HOST = re.compile(r"\[?([0-9A-Za-z_.:-]+?)\]?(?::(\d{1,5}))?")
_DROPPED = re.compile(rb"(?im)^(?:proxy-[a-z-]+|connection|keep-alive):[^\r\n]*\r\n")


class Gate:
    """A proxy on a free port of the loopback, for one conversation. Close it."""

    def __init__(self, atlas: Atlas) -> None:
        self._atlas = atlas
        self._notes: list[str] = []
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._room = threading.BoundedSemaphore(CONNECTIONS_MOST)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        """Where it listens."""
        threading.Thread(target=self._serve, name="journeyman-gate", daemon=True).start()

    def notes(self) -> list[str]:
        """What was refused since this was last asked."""
        with self._lock:
            notes, self._notes = self._notes, []
        return notes

    def close(self) -> None:
        """Ends it with all its connections; may be called twice."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            ending = list(self._open)
        for one in ending:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                self._room.acquire()
                connection, _ = self._listener.accept()
                threading.Thread(target=self._handle, args=(connection,), daemon=True).start()

    def _handle(self, browser: socket.socket) -> None:
        try:
            with browser, suppress(OSError):
                self._keep(browser)
                browser.settimeout(CONNECT_S)
                self._pass(browser)
        finally:
            with self._lock:
                self._open.discard(browser)
            self._room.release()

    def _pass(self, browser: socket.socket) -> None:
        head, rest = _head(browser)
        asked = _asked(head)
        if asked is None:
            return
        place, tunnel, rewritten = asked
        try:
            server = self._connected(place)
        except JourneymanError as error:
            self._note(error)
            if tunnel:
                browser.sendall(b"HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n")
            return
        with server:
            self._keep(server)
            if tunnel:
                browser.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                server.sendall(rest)
            else:
                server.sendall(rewritten + rest)
            _relay(browser, server)
        with self._lock:
            self._open.discard(server)

    def _keep(self, one: socket.socket) -> None:
        with self._lock:
            self._open.add(one)

    def _connected(self, place: Place) -> socket.socket:
        for address in self._atlas.addresses(place):
            with suppress(OSError):
                return socket.create_connection((address, place.port), timeout=CONNECT_S)
        raise EnvError(f"{place.host}:{place.port} does not answer", repair="try another page")

    def _note(self, error: JourneymanError) -> None:
        text = error.message if isinstance(error, Refused) else str(error)
        with self._lock:
            if text not in self._notes and len(self._notes) < NOTES_MOST:
                self._notes.append(text)


def _head(browser: socket.socket) -> tuple[bytes, bytes]:
    """The head of a request with its empty line, and what came after it; empty if there is none."""
    read = b""
    late = time.monotonic() + CONNECT_S
    while b"\r\n\r\n" not in read and len(read) < HEAD_MOST and time.monotonic() < late:
        piece = browser.recv(8192)
        if not piece:
            return b"", b""
        read += piece
    head, end, rest = read.partition(b"\r\n\r\n")
    return (head + end, rest) if end else (b"", b"")


def _asked(head: bytes) -> tuple[Place, bool, bytes] | None:
    """Where a request wants to go, whether as a tunnel, and its head for the server."""
    line, _, fields = head.partition(b"\r\n")
    found = _FIRST.fullmatch(line)
    if not found:
        return None
    method, target = found[1].decode(), found[2].decode("latin-1")
    tunnel = method == "CONNECT"
    if not tunnel and not target.lower().startswith("http://"):
        return None
    where, slash, path = (target if tunnel else target[7:]).partition("/")
    host, query, tail = where.partition("?")
    named = _HOST.fullmatch(host)
    if not named or int(named[2] or 0) > 65535:
        return None
    place = Place(named[1].lower(), int(named[2] or (443 if tunnel else 80)))
    asked = f"{slash or '/'}{query}{tail}{path}".encode("latin-1")
    kept = _DROPPED.sub(b"", fields)
    return (
        place,
        tunnel,
        method.encode() + b" " + asked + b" HTTP/1.1\r\nConnection: close\r\n" + kept,
    )


def _relay(browser: socket.socket, server: socket.socket) -> None:
    """Carries bytes both ways until one side ends, is silent for long, or it was enough."""
    other = {browser: server, server: browser}
    carried = 0
    with selectors.DefaultSelector() as ready:
        for one in other:
            ready.register(one, selectors.EVENT_READ)
        while carried < BYTES_MOST and (found := ready.select(IDLE_S)):
            for key, _ in found:
                source = browser if key.fileobj is browser else server
                piece = source.recv(65536)
                if not piece:
                    return
                other[source].sendall(piece)
                carried += len(piece)
