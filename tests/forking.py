"""Stands ready with `journeyman` imported, and forks for each command.

A command has a process of its own, with its own variables, output and exit code, as from a shell;
only the seconds of imports are spent once. A line of JSON comes in for each: its words, variables,
folder and the files for its output; its exit code goes out.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import sys

import chromadb  # noqa: F401 - what most commands import later
import openai  # noqa: F401
import sentence_transformers  # noqa: F401

from server.cli import main

LONGEST = 120
"""Seconds after which a command is ended by a signal."""


def takes_orders() -> bool:
    """Serves until nobody asks; True in a child, which is to go on as its command."""
    gc.freeze()  # else each child spends seconds on looking through what it never made
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if child == 0:
            become(order)
            return True
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        sys.stdout.write(f"{code}\n")
        sys.stdout.flush()
    return False


def become(order: dict) -> None:
    """What a shell does for a command."""
    signal.alarm(LONGEST)
    for number, path in enumerate((os.devnull, order["out"], order["err"])):
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        os.dup2(file, number)
        os.close(file)
    os.environ.clear()
    os.environ.update(order["variables"])
    os.chdir(order["folder"])
    sys.argv = ["journeyman", *order["words"]]


if __name__ == "__main__" and takes_orders():
    main()
