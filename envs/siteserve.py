"""Runs an app's `server.py` on a free port of the loopback, until standard input ends.

A program of its own: `python -I siteserve.py server.py ARGUMENTS`. Whatever address and port the
app asks for, it listens on 127.0.0.1 and a port that nobody uses, told on standard output as
`PORT n`. The first line of standard input is the app's; its end, when whoever started this is gone,
ends this too, so that no server is left behind.
"""

from __future__ import annotations

import io
import os
import runpy
import socketserver
import sys
import threading
from pathlib import Path
from typing import TextIO


def end_with(pipe: TextIO) -> None:
    """Ends this process when the pipe does."""
    while pipe.readline():
        pass
    os._exit(0)


def bind_to_loopback(told: TextIO) -> None:
    """Makes every server of this process take a free port of the loopback, and tell it."""
    bind, activate = socketserver.TCPServer.server_bind, socketserver.TCPServer.server_activate

    def bound(self: socketserver.TCPServer) -> None:
        self.server_address = ("127.0.0.1", 0)
        bind(self)

    def activated(self: socketserver.TCPServer) -> None:
        activate(self)
        told.write(f"PORT {self.server_address[1]}\n")
        told.flush()

    socketserver.TCPServer.server_bind = bound
    socketserver.TCPServer.server_activate = activated


def main() -> None:
    """Serves; does not return while the app runs."""
    script = Path(sys.argv[1]).resolve()
    first = sys.stdin.readline()
    threading.Thread(target=end_with, args=(sys.stdin,), daemon=True).start()
    bind_to_loopback(sys.stdout)
    sys.stdin, sys.stdout = io.StringIO(first), sys.stderr
    sys.argv = [script.name, *sys.argv[2:]]
    sys.path.insert(0, str(script.parent))
    runpy.run_path(str(script), run_name="__main__")


if __name__ == "__main__":
    main()
