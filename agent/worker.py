"""Which worker this is, where several share a ledger.

Checkpoints of runs lie in the home folder, so what was interrupted is taken up again from there and
from nowhere else; process numbers mean nothing on another machine either.
"""

from __future__ import annotations

import secrets
from contextlib import suppress

from agent.settings import Settings
from envs.errors import StoreError

FILE = "worker"
"""Name of the file in the home folder that holds its random name."""


def worker(settings: Settings) -> str:
    """Random name of this home folder; empty where the ledger is a file of its own."""
    if not settings.store.ledger:
        return ""
    path = settings.home / FILE
    try:
        settings.home.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError), path.open("x") as new:
            new.write(secrets.token_hex(4))
        return path.read_text("utf-8").strip()
    except OSError as error:
        raise StoreError(
            f"{path} can't be read or made ({error.strerror})",
            repair="choose a folder that can be written with JOURNEYMAN_HOME or --home",
        ) from error
