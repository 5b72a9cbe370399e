"""Stands between the agent and an MCP server that it started: bounds what comes, leaves no orphan.

Run by path, with the most bytes and the command; needs nothing but the standard library. A server
may say so many bytes to standard output for each thing that it is asked; then it is ended. It is
ended as well, with what it started, when the agent closes this process's standard input or dies.
Lines that are no JSON object (banners, stray prints) go to standard error, of which the end is
kept. A server that makes itself a daemon of its own session escapes.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from typing import IO

GRACE_S = 1.0
"""Seconds that a server has to end after its input ended."""
KEPT = 64 * 1024
"""Bytes of standard error after which what was kept is thrown away."""
PIECE = 64 * 1024
"""Bytes read at once."""


class Relay:
    """Hands lines on between standard input and output and a server's."""

    def __init__(self, server: subprocess.Popen[bytes], *, most: int) -> None:
        self._server = server
        self._most = most
        self._said = 0
        self._logged = 0
        self._log = threading.Lock()

    def work(self) -> None:
        """Goes on until the server has ended and all that it said is handed on."""
        server = self._server
        assert server.stdin and server.stdout and server.stderr  # noqa: S101 - all three are pipes
        threads = [
            threading.Thread(target=self._answers, args=(server.stdout,), daemon=True),
            threading.Thread(target=self._errors, args=(server.stderr,), daemon=True),
        ]
        for thread in threads:
            thread.start()
        threading.Thread(target=self._requests, args=(server.stdin,), daemon=True).start()
        server.wait()
        for thread in threads:
            thread.join(GRACE_S / 4)  # what it started may hold them open for ever

    def _requests(self, sink: IO[bytes]) -> None:
        with suppress(OSError):
            while piece := os.read(0, PIECE):
                self._said = 0
                sink.write(piece)
                sink.flush()
        with suppress(OSError):
            sink.close()
        try:
            self._server.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            end_group()

    def _answers(self, source: IO[bytes]) -> None:
        with suppress(OSError):
            while line := source.readline(self._most + 1):
                self._said += len(line)
                if self._said > self._most:
                    self._note(b"it said more than %d bytes to one request\n" % self._most)
                    end_group()
                if line.lstrip()[:1] == b"{":
                    sys.stdout.buffer.write(line)
                    sys.stdout.buffer.flush()
                else:
                    self._note(line)

    def _errors(self, source: IO[bytes]) -> None:
        with suppress(OSError):
            while piece := os.read(source.fileno(), PIECE):
                self._note(piece)

    def _note(self, piece: bytes) -> None:
        """To standard error, which is a file: it starts over when it gets long."""
        with self._log, suppress(OSError):
            if self._logged + len(piece) > KEPT:
                os.ftruncate(2, 0)
                os.lseek(2, 0, os.SEEK_SET)
                self._logged = 0
            self._logged += os.write(2, piece[-KEPT:])


def end_group() -> None:
    """Ends this process and all of its group, which is the server and what it started."""
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


def main() -> None:
    """Starts the server that the arguments name, and works until it ends."""
    most, *command = sys.argv[1:]
    pipe = subprocess.PIPE
    try:
        server = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe)  # noqa: S603 - the settings name it
    except OSError as error:
        sys.exit(f"{command[0]} can't be started: {error.strerror}")
    Relay(server, most=int(most)).work()
    end_group()


if __name__ == "__main__":
    main()
