"""The library: what may come in, what rests on what, and the way back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from envs.errors import Refused, StoreError, UnknownName
from memory.ledger import Ledger
from memory.types import Change
from skills.library import Library
from skills.sandbox import Sandbox
from skills.types import Origin, Skill, Trial

PASSED = Trial(task="t1", task_key="k1", passed=True, claimed=True, steps=3, actions=("look",))


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger(tmp_path / "ledger.db")
    yield opened
    opened.close()


@pytest.fixture
def library(ledger: Ledger) -> Library:
    return Library(ledger)


def skill(
    name: str, body: str = "", *, uses: tuple[str, ...] = (), env: str = "household"
) -> Skill:
    body = body or f"return '{name}' in act('{name} ' + thing)"
    code = f'def {name}(thing: str) -> bool:\n    """Does {name}."""\n    {body}\n'
    goals = (f"{name} the {{thing}}.",)
    origin = Origin(runs=("r1",), task_keys=("key of r1",))
    return Skill(id="", name=name, env=env, code=code, goals=goals, uses=uses, origin=origin)


def active(library: Library, one: Skill) -> Skill:
    added = library.add(one, reason="found")
    return library.move(added, "active", reason="3 of 3 trials", trials=[PASSED])[-1]


def test_a_skill_comes_in_as_a_candidate_told_by_its_code(library: Library) -> None:
    given = skill("clean").model_copy(update={"status": "active", "about": "lies"})
    added = library.add(given, reason="from two runs", evidence=("r1", "r2"))
    assert added.id.startswith("S")
    assert (added.status, added.version) == ("candidate", 1)
    assert (added.signature, added.about) == ("clean(thing: str) -> bool", "Does clean.")
    assert library.all() == [added]
    assert library.get("clean") == library.get(added.id)
    (change,) = library.history("clean")
    assert (change.reason, change.evidence) == ("from two runs", ("r1", "r2"))


def test_another_process_sees_it(library: Library, tmp_path: Path) -> None:
    assert library.all() == []
    other = Ledger(tmp_path / "ledger.db")
    added = Library(other).add(skill("clean"), reason="found")
    other.close()
    assert library.all(env="household:tiny") == [added]
    assert library.all(env="alfworld") == []
    assert library.all(status="active") == []


@pytest.mark.parametrize(
    ("fresh", "why"),
    [
        (skill("clean", "return True"), "clean exists already"),
        (skill("wash", "return 'clean' in act('clean ' + thing)"), "wash does what clean"),
        (skill("wash", "return clean(thing)"), "calls clean and does not name it"),
        (skill("wash", "return eval(thing)"), "uses eval"),
        (skill("wash").model_copy(update={"goals": ("wash {it}",)}), "'it', which is no parameter"),
    ],
)
def test_what_does_not_fit_is_refused(library: Library, fresh: Skill, why: str) -> None:
    library.add(skill("clean"), reason="found")
    assert why in library.refusal(fresh)
    with pytest.raises(Refused, match=why):
        library.add(fresh, reason="found")
    assert len(library.all()) == 1


def test_what_fits_elsewhere(library: Library) -> None:
    first = library.add(skill("clean"), reason="found")
    assert library.refusal(skill("clean", env="alfworld")) == ""
    library.retire(first.id, reason="not needed")
    assert library.refusal(skill("clean")) == ""


def test_skills_that_it_uses_must_exist_and_be_called(library: Library) -> None:
    with pytest.raises(UnknownName, match="no skill named 'S1'"):
        library.add(skill("wash", uses=("S1",)), reason="found")
    low = library.add(skill("clean"), reason="found")
    with pytest.raises(Refused, match="names clean and does not call it"):
        library.add(skill("wash", uses=(low.id,)), reason="found")
    calls = skill("wash", "return clean(thing) and act('look') != ''")
    assert library.uses_of(calls.code, name="wash", env="household") == (low.id,)


def test_a_composed_skill_runs(library: Library) -> None:
    low = library.add(skill("clean"), reason="found")
    mid = library.add(skill("wash", "return clean(thing)", uses=(low.id,)), reason="found")
    both = ("return wash(thing) and clean(thing)", (mid.id, low.id))
    top = library.add(skill("tidy", both[0], uses=both[1]), reason="found")
    assert [one.name for one in library.closure("tidy")] == ["clean", "wash", "tidy"]
    assert [one.name for one in library.callers("clean")] == ["wash", "tidy"]
    asked: list[str] = []

    def act(command: str) -> str:
        asked.append(command)
        return f"You {command}"

    with Sandbox(workers=1) as sandbox:
        code = f"{library.source(top.id)}\ntidy('cup')"
        result = sandbox.run(code, functions={"act": act})
    assert (result.error, result.value, asked) == ("", True, ["clean cup", "clean cup"])


def test_a_new_version_is_a_candidate_and_the_old_one_is_kept(library: Library) -> None:
    old = active(library, skill("clean"))
    code = old.code.replace("in act", "in 'so: ' + act")
    origin = Origin(task_keys=("another key",))
    changed = old.model_copy(update={"code": code, "origin": origin})
    fresh = library.revise(changed, reason="it failed on mugs")
    assert (fresh.version, fresh.status, fresh.trials) == (2, "candidate", ())
    assert fresh.origin.task_keys == ("key of r1", "another key")
    assert [one.code for one in library.versions("clean")] == [old.code, code]
    assert library.versions("clean")[0].trials == (PASSED,)
    with pytest.raises(Refused, match="version 2 stands"):
        library.revise(changed, reason="again")
    with pytest.raises(Refused, match="version 2 stands"):
        library.move(old, "active", reason="its trials were of version 1")
    with pytest.raises(Refused, match="like that already"):
        library.revise(fresh, reason="nothing")
    with pytest.raises(Refused, match="can't be renamed"):
        library.revise(fresh.model_copy(update={"name": "wash"}), reason="a better name")


def test_undo_brings_back_the_old_version_with_its_trials(library: Library) -> None:
    old = active(library, skill("clean"))
    changed = old.model_copy(update={"code": old.code.replace("clean ", "rinse ")})
    library.revise(changed, reason="other words")
    library.undo(library.history("clean")[-1].id, reason="worse")
    back = library.get("clean")
    assert (back.version, back.status, back.trials, back.code) == (1, "active", (PASSED,), old.code)
    third = library.revise(changed, reason="once more")
    assert third.version == 3


def test_undoing_an_added_skill_takes_what_is_built_on_it(library: Library) -> None:
    low = library.add(skill("clean"), reason="found")
    library.add(skill("wash", "return clean(thing)", uses=(low.id,)), reason="found")
    change = library.history("clean")[0].id
    with pytest.raises(Refused, match="later changes build on"):
        library.undo(change, reason="wrong")
    library.undo(change, reason="wrong", cascade=True)
    assert library.all() == []


def test_a_name_that_was_taken_meanwhile_keeps_a_skill_from_coming_back(library: Library) -> None:
    first = library.add(skill("clean"), reason="found")
    library.retire(first.id, reason="not needed")
    second = library.add(skill("clean", "return True"), reason="found")
    retired = library.history(first.id)[-1].id
    with pytest.raises(Refused, match="clean exists already"):
        library.undo(retired, reason="needed")
    assert library.get("clean").id == second.id
    assert library.get(first.id).status == "retired"
    with pytest.raises(UnknownName, match="no change named 'C0'"):
        library.undo("C0", reason="?")


def test_what_active_skills_call_stays_active(library: Library) -> None:
    low = library.add(skill("clean"), reason="found")
    high = library.add(skill("wash", "return clean(thing)", uses=(low.id,)), reason="found")
    with pytest.raises(Refused, match="calls what is not active: clean"):
        library.move(high, "active", reason="passed")
    moved = library.move(high, "active", reason="passed", trials=[PASSED], cascade=True)
    assert [(one.name, one.status) for one in moved] == [("clean", "active"), ("wash", "active")]
    for status in ("retired", "quarantined", "candidate"):
        with pytest.raises(Refused, match="clean is called by: wash"):
            library.move(low, status, reason="worse")
    gone = library.retire("clean", reason="worse", cascade=True)
    assert [one.name for one in gone] == ["wash", "clean"]
    batch = library.history("clean")[-1].batch
    library.undo(batch, reason="not worse")
    assert {one.status for one in library.all()} == {"active"}


def test_what_is_on_trial_does_not_reach_active_callers(library: Library) -> None:
    low = active(library, skill("clean"))
    active(library, skill("wash", "return clean(thing)", uses=(low.id,)))
    code = low.code.replace("clean ", "rinse ")
    fresh = library.revise(low.model_copy(update={"code": code}), reason="other words")
    assert "'clean ' +" in library.source("wash")
    assert "'rinse ' +" in library.source("wash", latest=True)
    assert "'rinse ' +" in library.source("clean")
    library.move(fresh, "active", reason="passed")
    assert "'rinse ' +" in library.source("wash")


def test_a_circle_is_refused(library: Library) -> None:
    low = library.add(skill("clean"), reason="found")
    high = library.add(skill("wash", "return clean(thing)", uses=(low.id,)), reason="found")
    update = {"code": skill("clean", "return wash(thing)").code, "uses": (high.id,)}
    with pytest.raises(Refused, match="calls itself by way of others"):
        library.revise(low.model_copy(update=update), reason="circle")


def test_the_least_useful_makes_room(ledger: Ledger) -> None:
    library = Library(ledger, capacity=3)
    low = library.add(skill("clean"), reason="found")
    user = library.add(skill("wash", "return clean(thing)", uses=(low.id,)), reason="found")
    library.move(user, "active", reason="passed", cascade=True)
    library.add(skill("look"), reason="found")
    library.add(skill("heat"), reason="found")
    assert library.get("look").status == "retired"
    assert library.history("look")[-1].actor == "rule:capacity"
    assert {one.name for one in library.all() if one.status != "retired"} == {
        "clean",
        "wash",
        "heat",
    }
    library.undo(library.history("heat")[-1].batch, reason="heat was nothing")
    assert library.get("look").status == "candidate"


def test_a_skill_that_is_unreadable_says_so(ledger: Ledger) -> None:
    after = {"id": "S1", "name": "clean", "code": "", "colour": "red"}
    ledger.apply(Change(id="", kind="skill", target="S1", op="add", reason="new", after=after))
    with pytest.raises(StoreError, match="skill S1 can't be read: colour"):
        Library(ledger).all()


def test_every_error_is_one_line(library: Library) -> None:
    library.add(skill("clean"), reason="found")
    with pytest.raises(UnknownName, match="no skill named 'cleen'; choose from: clean"):
        library.get("cleen")
    with pytest.raises(Refused, match="retired already"):
        library.retire("clean", reason="once")
        library.retire("clean", reason="twice")
