"""Programs as code: readable, sound, and true to what was shown, whatever words it was in."""

from __future__ import annotations

from typing import Any

import pytest

from envs.toy import Toy
from envs.types import Step
from skills.induction import Deed, Induced, Program, induce
from skills.playing import TEXT_STUBS, Stage, play
from skills.program import joined, problems, read
from skills.sandbox import Sandbox
from skills.search import Places, Search
from skills.showing import by_chance, demonstrated
from skills.types import Draft
from skills.writing import written


def drafts(env: Any, most: int = 24) -> list[Draft]:
    ways = [demonstrated(env, task) for task in by_chance(env.tasks("train"), most=most)]
    found = [way for way in ways if way]
    return written(induce(found), count=len(found))


@pytest.mark.parametrize("world", ["toy", "station"])
def test_every_draft_is_a_skill(world: str, station: Any, sandbox: Sandbox) -> None:
    found = drafts(Toy() if world == "toy" else station())
    assert [one.name for one in found[:2]] == ["likely", "reach"]
    seen: list[tuple[str, str]] = []
    for one in found:
        assert problems(one.code, one.name) == []
        assert set(one.uses) == read(one.code, one.name).calls & {name for name, _ in seen}
        result = sandbox.run(joined(one.code, seen), stubs=TEXT_STUBS, functions={"act": str})
        assert result.error == ""
        seen.append((one.name, one.code))


def test_the_name_comes_from_the_goal(station: Any) -> None:
    assert drafts(Toy())[-1].name == "bring"
    assert drafts(station())[-1].name == "bring_over"
    assert drafts(station(goal="{} -> {}"))[-1].name == "do"


def test_it_requires_what_it_does_and_nothing_else(station: Any) -> None:
    likely, reach, bring = drafts(station())
    assert likely.requires == ()
    assert set(reach.requires) == {"float to *", "unlatch *"}
    assert set(bring.requires) == {*reach.requires, "grab *", "beam * to *", "transmit report"}


def test_it_says_whose_ways_it_was_written_from(station: Any) -> None:
    for one in drafts(station()):
        assert one.ways == tuple(range(24))


def test_nothing_comes_from_nothing() -> None:
    assert written(Induced(), count=0) == []


def program(**fields: Any) -> Induced:
    deed = Deed.model_validate({"form": "hold * up", "names": ("{x}",), "numbered": (False,)})
    one = Program.model_validate(
        {"goals": ("hold {x} up",), "parameters": ("x",), "deeds": (deed,), **fields}
    )
    return Induced(programs=(one,), search=Search(forms=("go *",)), places=Places())


NASTY = (
    'say "hi" to *',
    "say 'hi' to *",
    "pay $5 (or {more}) to *",
    "use C:\\new\\temp on *",
    'shout """ at *',
    "ask * [twice]?",
    "point ^ at * | wave",
)


@pytest.mark.parametrize("form", NASTY)
def test_any_wording_of_commands_is_matched_to_the_letter(form: str, sandbox: Sandbox) -> None:
    deed = {"form": form, "names": ("{x}",), "numbered": (False,), "answer": 'Well "done"\\'}
    goals = (f"Please {form.replace('*', '{x+}').replace('{more}', '')}",)
    likely, reach, one = written(program(deeds=(deed,), goals=goals), count=2)
    assert problems(one.code, one.name) == []
    source = joined(one.code, [("likely", likely.code), ("reach", reach.code)])
    command = form.replace("*", "mr. (x)")
    step = Step(observation="", admissible=("wait", f"x{command}", command))
    stage = Stage(step, requires=[form])
    did = 'Well "done"\\ now'
    done = play(
        sandbox,
        source,
        one.name,
        {"x": "mr. (x)"},
        stage=stage,
        do=lambda action: Step(observation=did),
    )
    assert (done.error, done.claimed) == ("", True)
    assert [action.text for action in done.actions] == [command]


def test_two_programs_never_have_one_name() -> None:
    base = program().programs[0]
    other = base.model_copy(update={"deeds": (base.deeds[0], base.deeds[0])})
    helper = base.model_copy(update={"goals": ("reach {x}",)})
    both = Induced(programs=(base, other, helper), search=Search(forms=("go *",)))
    names = [one.name for one in written(both, count=4)]
    assert names == ["likely", "reach", "hold", "hold_2", "reach_2"]


def test_rounds_become_a_loop_and_names_are_not_used_twice(sandbox: Sandbox) -> None:
    deed = {"form": "take *", "names": ("{x}",), "numbered": (True,), "fresh": True}
    likely, reach, one = written(program(deeds=(deed,), rounds=2), count=2)
    source = joined(one.code, [("likely", likely.code), ("reach", reach.code)])
    step = Step(observation="", admissible=("take pen 1", "take pen 2", "take mug 1"))
    stage = Stage(step, requires=["take *"])
    done = play(sandbox, source, one.name, {"x": "pen"}, stage=stage, do=lambda _: step)
    assert [action.text for action in done.actions] == ["take pen 1", "take pen 2"]
    assert done.claimed is True


def test_a_goal_in_strange_letters_has_a_name() -> None:
    for goal in ("Принеси {x}!", "取 {x}", '"""{x}"""', "2 x {x}", "\\N {x}"):
        one = written(program(goals=(goal,)), count=2)[-1]
        assert problems(one.code, one.name) == []


def test_names_that_are_taken_are_no_names_of_skills() -> None:
    for goal in ("print {x}", "act {x}", "open {x}", "class {x}", "import {x}", "x {x}"):
        one = written(program(goals=(goal,)), count=2)[-1]
        assert problems(one.code, one.name) == []
