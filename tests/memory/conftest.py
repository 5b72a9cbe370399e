"""Places for a ledger: every test that takes one runs over a file and over a PostgreSQL server.

The server is the one that JOURNEYMAN_TEST_POSTGRES names, or is begun here.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from bench import servers
from envs.errors import StoreError


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    named = os.environ.get("JOURNEYMAN_TEST_POSTGRES")
    if named:
        yield named
        return
    with ExitStack() as running:
        try:
            url = running.enter_context(servers.postgres())
        except StoreError as error:
            pytest.skip(str(error))
        yield url


@pytest.fixture(params=["file", "postgres"])
def places(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[str], Path | str]]:
    """Places for several ledgers, by name; a name stands for one place."""
    if request.param == "file":
        yield lambda name: tmp_path / name / "ledger.db"
        return
    server = request.getfixturevalue("postgres")
    made: dict[str, str] = {}
    with ExitStack() as open_:

        def place(name: str) -> str:
            if name not in made:
                made[name] = open_.enter_context(servers.schema(server))
            return made[name]

        yield place


@pytest.fixture
def place(places: Callable[[str], Path | str]) -> Path | str:
    return places("one")
