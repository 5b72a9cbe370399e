"""`journeyman explore` learns kind by kind."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.settings import load
from agent.synthesis import Learned
from memory.ledger import Ledger
from server.commands import explore
from skills.library import Library
from skills.trials import Bounds

ENV = "household:nook"
FEW = Bounds(solve=6, decline=1, keep=1, mutants=1, mutant_tasks=1)


async def test_what_a_kind_taught_stays_when_the_next_one_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = load(home=str(tmp_path))
    calls = 0
    learn = explore.learned

    async def once(*given: object, **more: object) -> Learned:
        nonlocal calls
        calls += 1
        if calls > 1:
            raise KeyboardInterrupt
        return await learn(*given, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(explore, "learned", once)
    asking = explore.Asking(
        env=ENV, whose="expert", guide="relevance", only=(), kinds=2, effort=explore.Effort(ways=2)
    )
    with pytest.raises(KeyboardInterrupt):
        await explore._explored(settings, asking, bounds=FEW)
    assert calls == 2
    ledger = Ledger(tmp_path / "ledger.db")
    try:
        assert Library(ledger).all(env=ENV, status="active")
    finally:
        ledger.close()
