"""The poisoned skills of `docs/poisoned` are refused, each for what it does."""

from __future__ import annotations

from pathlib import Path

import pytest

from envs.errors import Refused
from envs.toy import Toy
from memory.ledger import Ledger
from skills.admitting import verify
from skills.folders import take_in
from skills.library import Library
from skills.sandbox import Sandbox
from skills.trials import Ground

FOLDER = Path(__file__).parents[2] / "docs" / "poisoned"


@pytest.fixture
def library(tmp_path: Path):
    ledger = Ledger(tmp_path / "ledger.db")
    yield Library(ledger)
    ledger.close()


def test_one_that_reads_a_file_is_not_let_in(library: Library):
    with pytest.raises(Refused, match="it uses open, which skills don't have"):
        take_in(library, FOLDER / "peek")
    assert library.all() == []


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("yes-man", "it said that it was done in 5 of 5 tasks where it was not"),
        ("overreach", "it tried what it does not require: delete everything"),
    ],
)
def test_one_that_lies_or_oversteps_is_quarantined(library: Library, name: str, why: str):
    skill = take_in(library, FOLDER / name)[-1]
    assert "24 of 24" in skill.note  # what its exporter claims counts for nothing
    with Sandbox() as sandbox:
        outcome = verify(Ground(Toy(), sandbox, library), skill)
    assert (outcome.admitted, outcome.reason) == (False, why)
    assert library.get(skill.id).status == "quarantined"
