"""Libraries of code that are kept by other rules than ours: Voyager's and ASI's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent.home import home
from bench.arms.asi import ASI
from bench.arms.skills import Skilled
from bench.arms.types import Desk
from bench.arms.voyager import Voyager
from bench.lab.given_rivals import no_exception, replays, rival_skills
from bench.lab.given_skills import starting_skills
from envs.toy import Toy
from memory.embed import HashEmbedder
from memory.index import ListIndex
from memory.ledger import Ledger
from memory.recall import Memory
from skills.types import Skill, Trial

TOY = Toy()


@pytest.mark.parametrize(
    ("trial", "voyager", "asi"),
    [
        ({"passed": True}, True, True),
        ({"passed": False, "claimed": True}, True, False),
        ({"passed": False, "error": "IndexError: list index out of range"}, False, False),
    ],
)
def test_what_is_kept_goes_by_the_rule_of_each(
    trial: dict[str, Any], voyager: bool, asi: bool
) -> None:
    played = Trial(task="t", task_key="k", **trial)
    assert (no_exception(played), replays(played)) == (voyager, asi)


def test_rivals_keep_all_that_trials_admit_and_what_they_were_given_before() -> None:
    told: list[str] = []
    ours = starting_skills({"toy": TOY}, ways=24)
    lax = rival_skills({"toy": TOY}, keep=no_exception, ways=24, told=told.append)
    names = {one["name"] for one in lax["skills"]["toy"]}
    assert "bring" in names
    assert {one["name"] for one in ours["skills"]["toy"]} <= names
    assert any(line.startswith("bring: kept") for line in told)
    again = rival_skills({"toy": TOY}, keep=replays, ways=24, known=lax)
    assert again == lax


@pytest.mark.parametrize("kind", [Voyager, ASI])
async def test_what_was_kept_is_offered(
    kind: type[Skilled], make_desk: Callable[..., Desk], tmp_path: Path
) -> None:
    skills = [
        Skill(
            id=f"S{number}",
            name=name,
            env="toy",
            about=about,
            code=f"def {name}(x: str) -> bool:\n    return act('take ' + x) == '{number}'\n",
            goals=("Bring me the {x}.",),
            status="active",
        )
        for number, (name, about) in enumerate(
            [("look_up", "Reads a book."), ("bring", "Bring me the spoon.")]
        )
    ]
    desk = make_desk()
    arm = kind(desk)
    arm.load({"skills": {"toy": [one.model_dump(mode="json") for one in skills]}})
    memory = Memory(Ledger(tmp_path / "ledger.db"), ListIndex(HashEmbedder()))
    models = {"model": desk.model}
    async with home(desk.settings, memory=memory, models=models) as place:
        crew = arm.crew(await place.crew())
        assert crew.skills is not None
        found = crew.skills.offers("Bring me the spoon.", "toy", ())
        first = "bring" if kind is Voyager else "look_up"
        assert found[0].call.name == first
        assert found[0].call.arguments == {"x": "spoon"}
        arm.close()
