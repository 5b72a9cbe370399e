"""Tasks as code: which are admitted, and how they are played."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from envs.check import check
from envs.errors import EnvError, Refused, UnknownName
from envs.toy import Toy
from envs.types import Action
from skills.challenges import Challenge, Challenges, refusal
from skills.sandbox import Sandbox

TOY = Toy()
WORLD = TOY.tasks("train")[0]
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
ALWAYS = (
    "def verify(done: list[str], answers: list[str], offered: list[str]) -> bool:\n"
    "    return True\n"
)


def challenge(**other: object) -> Challenge:
    given: dict[str, object] = {
        "world": WORLD.id,
        "instruction": "Hold anything in your hands.",
        "verifier": VERIFY,
        "solution": SOLVE,
        "failures": (OPENS,),
    }
    return Challenge.model_validate({**given, **other})


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(workers=1) as opened:
        yield opened


@pytest.mark.paper("self-challenging")
def test_a_task_is_admitted_only_if_its_verifier_can_tell(
    sandbox: Sandbox, mechanism: bool
) -> None:
    def refused(one: Challenge) -> str:
        return refusal(TOY, sandbox, one) if mechanism else ""

    assert refused(challenge()) == ""
    assert "does not reject doing nothing" in refused(challenge(verifier=ALWAYS))
    takes = SOLVE.replace("Opens drawers until", "Anyhow")
    late = takes.replace("act(other)", "act(other)\n                    act(offered()[0])")
    assert "does not reject failure 1" in refused(challenge(failures=(late,)))


@pytest.mark.parametrize(
    ("other", "why"),
    [
        ({"failures": ()}, "brings no failure"),
        ({"failures": (SOLVE,)}, "failure 1 does the same as the solution"),
        ({"solution": OPENS}, "does not accept the solution"),
        ({"solution": "def solve() -> bool:\n    return True\n"}, "does nothing"),
        ({"solution": "def solve() -> bool:\n    return act(3)\n"}, "solution breaks"),
        ({"verifier": VERIFY.replace("offered)", "offered")}, "verify: it does not parse"),
        ({"verifier": ALWAYS.replace("True", "1 / 0 > 1")}, "ZeroDivisionError"),
        ({"verifier": ALWAYS.replace("return True", "return act('x') == ''")}, "'act' is not def"),
        ({"verifier": ALWAYS.replace("return True", "return len(done)")}, "returns no bool"),
        (
            {"verifier": ALWAYS.replace("return True", "return bool(offered)")},
            "does not reject doing nothing",
        ),
        (
            {"verifier": ALWAYS.replace("return True", "return len(done) > 0")},
            "without the last action",
        ),
        ({"verifier": "import os\n\n\n" + ALWAYS}, "verify: it imports 'os'"),
    ],
)
def test_what_is_wrong_with_a_challenge_is_told(
    sandbox: Sandbox, other: dict[str, object], why: str
) -> None:
    assert why in refusal(TOY, sandbox, challenge(**other))


def test_admitted_tasks_run_through_the_seam_of_environments(sandbox: Sandbox) -> None:
    world = Challenges(TOY, [challenge()], sandbox=sandbox)
    (task,) = world.tasks("train")
    assert (task.goal, world.tasks("val")) == ("Hold anything in your hands.", ())
    episode = world.open(task)
    assert task.goal in episode.first.observation
    assert WORLD.goal not in episode.first.observation
    assert episode.score() is not None
    assert not episode.score().passed  # type: ignore[union-attr]
    step = episode.first
    for command in episode.first.admissible or ():
        step = episode.step(Action(text=command))
        takes = [one for one in step.admissible or () if one.startswith("take ")]
        if takes:
            step = episode.step(Action(text=takes[0]))
            break
    assert (step.terminated, step.reward) == (True, 1.0)
    assert episode.score().passed  # type: ignore[union-attr]
    with pytest.raises(EnvError, match="over"):
        episode.step(Action(text="open red drawer"))
    episode.close()


def test_it_keeps_the_rules_of_environments(sandbox: Sandbox) -> None:
    world = Challenges(TOY, [challenge()], sandbox=sandbox)
    assert [one for one in check(world) if not one.holds] == []


def test_what_is_not_admitted_is_no_environment(sandbox: Sandbox) -> None:
    with pytest.raises(Refused, match="does not reject doing nothing"):
        Challenges(TOY, [challenge(verifier=ALWAYS)], sandbox=sandbox)
    with pytest.raises(UnknownName, match="no train task"):
        Challenges(TOY, [challenge(world="nowhere")], sandbox=sandbox)
    with pytest.raises(UnknownName, match="no challenge"):
        Challenges(TOY, [], sandbox=sandbox).open(WORLD)
