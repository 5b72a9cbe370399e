"""Runs a program that ends with this process: `python -m agent.models.leash PARENT PROGRAM ...`.

For servers that know nothing of us. The program and all that it starts is one group of processes,
which is asked to end when standard input closes or the parent is gone, and made to after a while.
The exit code is the program's.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys

GRACE_S = 10.0
"""Seconds that the program gets to end by itself."""


def main() -> int:
    """Runs the program to its end."""
    parent, *command = sys.argv[1:]
    child = subprocess.Popen(  # noqa: S603 (what our own process asked for)
        command, stdin=subprocess.DEVNULL, start_new_session=True
    )
    while child.poll() is None:
        readable, _, _ = select.select([0], [], [], 0.2)
        if (readable and not os.read(0, 4096)) or os.getppid() != int(parent):
            end(child)
    return child.returncode


def end(child: subprocess.Popen[bytes]) -> None:
    """Ends a group of processes by its leader."""
    for what, wait in ((signal.SIGTERM, GRACE_S), (signal.SIGKILL, None)):
        try:
            os.killpg(child.pid, what)
            child.wait(wait)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


if __name__ == "__main__":
    sys.exit(main())
