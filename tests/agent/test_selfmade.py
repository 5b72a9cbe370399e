"""Tasks of the agent's own: what is admitted, kept, played, and taken away."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.relabel import new_goals
from agent.selfmade import (
    Own,
    SelfMade,
    composed,
    keep,
    own_challenge,
    own_start,
    refuse,
    standing,
)
from agent.settings import load
from agent.startpoints import Scored
from agent.worlds import open_env
from envs.check import check
from envs.errors import Missing, Refused, UnknownName
from envs.midway import met
from envs.several import Several
from envs.toy import Toy
from envs.types import SPLITS, Action
from memory.ledger import Ledger
from skills.challenges import Challenge
from skills.library import Library
from skills.sandbox import Sandbox
from skills.types import Skill, Trial

TOY = Toy()
ROOM = [task for task in TOY.tasks("train") if task.seed == 0]
VERIFY = '''\
def verify(done: list[str], answers: list[str], offered: list[str]) -> bool:
    """Something is held: it can be given."""
    return any(one.startswith("give ") for one in offered)
'''
SOLVE = '''\
def solve() -> bool:
    """Opens drawers until something can be taken."""
    for command in offered():
        if command.startswith("open "):
            act(command)
            for other in offered():
                if other.startswith("take "):
                    act(other)
                    return True
    return False
'''
OPENS = 'def solve() -> bool:\n    """Only opens."""\n    act(offered()[0])\n    return True\n'
HOMES = {task.tags[1]: TOY.open(task).demonstrate()[0].text for task in ROOM}
BRING = f'''\
HOMES = {HOMES!r}


def bring(thing: str) -> bool:
    """Opens the drawer where the thing is kept, takes and gives it."""
    act(HOMES[thing])
    act("take " + thing)
    act("give " + thing)
    return True
'''
LIES = BRING.replace('act("give " + thing)', "pass")


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(workers=1) as opened_:
        yield opened_


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    found = Ledger(tmp_path / "ledger.db")
    yield found
    found.close()


def challenge(**other: object) -> Challenge:
    given: dict[str, object] = {
        "world": ROOM[0].id,
        "instruction": "Hold anything in your hands.",
        "verifier": VERIFY,
        "solution": SOLVE,
        "failures": (OPENS,),
    }
    return Challenge.model_validate({**given, **other})


def all_three() -> list[Own]:
    way = TOY.open(ROOM[0]).demonstrate()[:1]
    start = Scored(start=met(TOY, ROOM[0], way, seed=0, run="r1"), won=1, played=2)
    several = Several(words="Bring me both.", parts=(ROOM[0].id, ROOM[1].id))
    return [
        own_challenge("toy", challenge(), by="a model"),
        own_start("toy", start, words=ROOM[0].goal),
        Own(id=several.id, env="toy", words=several.words, by="rule:mastered", several=several),
    ]


def skilled(ledger: Ledger, code: str) -> tuple[Library, list[Skill]]:
    """A library with one active skill of that code."""
    library = Library(ledger)
    skill = Skill(
        id="", name="bring", env="toy", code=code, goals=("Bring me the {thing}.",), requires=("*",)
    )
    added = library.add(skill, reason="for the test")
    passed = Trial(task="t", task_key="k", passed=True, claimed=True, steps=3)
    library.move(added, "active", reason="for the test", trials=[passed])
    return library, library.all(env="toy", status="active")


@pytest.mark.paper("lma3")
async def test_a_goal_of_mastered_parts_is_admitted_only_when_its_skills_reach_all_of_them(
    tmp_path: Path, sandbox: Sandbox, mechanism: bool
) -> None:
    admitted: list[Own] = []
    for name, code in (("lies", LIES), ("brings", BRING)):
        ledger = Ledger(tmp_path / f"{name}.db")
        library, skills = skilled(ledger, code)
        goals, _ = await new_goals(ROOM, skills, most=1)
        judged = composed(TOY, goals, sandbox=sandbox, library=library)
        admitted += [own for own, why in judged if not (mechanism and why)]
        assert {part.id for part in goals[0].parts} == set(judged[0][0].several.parts)  # type: ignore[union-attr]
        ledger.close()
    assert len(admitted) == 1
    (own,) = admitted
    world = SelfMade(TOY, [own], sandbox=sandbox)
    episode = world.open(world.tasks("train")[0])
    for line in own.proof:
        assert not episode.score().passed  # type: ignore[union-attr]
        episode.step(Action(text=line))
    assert episode.score().passed  # type: ignore[union-attr]


async def test_a_skill_that_only_says_so_proves_nothing(ledger: Ledger, sandbox: Sandbox) -> None:
    library, skills = skilled(ledger, LIES)
    goals, _ = await new_goals(ROOM, skills, most=1)
    ((own, why),) = composed(TOY, goals, sandbox=sandbox, library=library)
    assert (own.proof, why) == ((), "the skills that answer to its parts reach 0% of them")
    kept = refuse(ledger, own, why=why)
    assert (kept.kind, kept.decision) == ("task", "rejected")
    assert standing(ledger, "toy") == []


def test_all_kinds_are_kept_once_played_as_one_environment_and_undone(
    ledger: Ledger, sandbox: Sandbox, tmp_path: Path
) -> None:
    changes = keep(ledger, all_three(), reason="a test")
    assert keep(ledger, all_three(), reason="again") == ()
    assert [(one.kind, one.op, one.target) for one in changes] == [
        ("task", "add", own.id) for own in all_three()
    ]
    assert changes[1].evidence == ("r1",)
    again = Ledger(tmp_path / "ledger.db")
    assert standing(again, "toy") == all_three()
    again.close()
    assert [one.made for one in standing(ledger, "toy")] == ["challenge", "start", "several"]
    assert [one.made for one in standing(ledger, "toy", made="start")] == ["start"]
    assert {one.source for one in standing(ledger, "toy")} == {"self"}
    assert standing(ledger, "household") == []

    world = SelfMade(TOY, standing(ledger, "toy"), sandbox=sandbox)
    for task in world.tasks("train"):
        assert "own" in task.tags
        assert world.open(task).task == task

    ledger.undo(changes[0].id, reason="not wanted")
    assert [one.made for one in standing(ledger, "toy")] == ["start", "several"]


def test_it_keeps_the_rules_of_environments(sandbox: Sandbox) -> None:
    world = SelfMade(TOY, all_three()[1:], sandbox=sandbox)
    assert [one for one in check(world) if not one.holds] == []


def test_they_count_nowhere_but_in_training(sandbox: Sandbox) -> None:
    world = SelfMade(TOY, all_three(), sandbox=sandbox)
    assert [len(world.tasks(split)) for split in SPLITS] == [3, 0, 0, 0, 0]
    assert {task.env for task in world.tasks("train")} == {"own:toy"}
    ids = {task.id for split in SPLITS for task in TOY.tasks(split)}
    assert not ids & {task.id for task in world.tasks("train")}
    with pytest.raises(UnknownName, match="no task of the agent's own"):
        world.open(ROOM[0])


@pytest.mark.paper("self-challenging")
def test_a_task_whose_verifier_cannot_tell_is_never_played(
    sandbox: Sandbox, mechanism: bool
) -> None:
    always = VERIFY.replace('any(one.startswith("give ") for one in offered)', "True")
    never = VERIFY.replace('any(one.startswith("give ") for one in offered)', "False")
    for verifier in (always, never):
        own = own_challenge("toy", challenge(verifier=verifier))
        with pytest.raises(Refused, match="its verifier does not"):
            _ = SelfMade(TOY, [own], sandbox=sandbox) if mechanism else [own]


def test_a_task_is_of_one_kind() -> None:
    with pytest.raises(ValueError, match="one of challenge, several and start"):
        Own(id="x", env="toy")


def test_without_such_tasks_it_says_how_to_make_some(tmp_path: Path) -> None:
    settings = load(home=str(tmp_path))
    with pytest.raises(Missing, match="journeyman tasks make toy"):
        open_env("own:toy", settings)
    with pytest.raises(Missing, match="journeyman skills challenge toy"):
        open_env("challenges:toy", settings)
    ledger = Ledger(tmp_path / "ledger.db")
    keep(ledger, all_three()[1:], reason="a test")
    ledger.close()
    world = open_env("own:toy", settings)
    assert [task.tags[-1] for task in world.tasks("train")] == ["own", "midway"]
    world.close()
