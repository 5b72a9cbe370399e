"""The course that makes students: what it opens to play does not close what it writes to."""

from __future__ import annotations

from pathlib import Path

from agent.home import home
from agent.settings import ModelSettings, Settings
from bench.distill.course import Course, played
from envs.toy import Toy


async def test_the_ledger_is_open_after_students_have_played(tmp_path: Path) -> None:
    async with home(Settings(home=tmp_path)) as place:
        course = Course(
            place=place, env=Toy(), folder=tmp_path, base=tmp_path, sha256="", workers=1
        )
        for _ in range(2):
            runs = await played(course, [], model=ModelSettings(), skills=False, arm="own")
            assert runs == []
        assert place.ledger.count()["trajectories"] == 0
