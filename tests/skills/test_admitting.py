"""From drafts to a library: tried, moved by what was shown, taken back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from envs.toy import Toy
from envs.types import Env, Task
from skills.admitting import Outcome, admit, verify
from skills.induction import induce
from skills.library import Library
from skills.sandbox import Sandbox
from skills.showing import by_chance, demonstrated
from skills.trials import Bounds, Ground, trial
from skills.types import Draft, Shown, Skill
from skills.writing import written

Grounds = Callable[[Env], Ground]
FEW = Bounds(solve=8, mutants=6, mutant_tasks=2, keep=6)


def shown(env: Env, most: int = 24) -> list[Shown]:
    ways = [demonstrated(env, task) for task in by_chance(env.tasks("train"), most=most)]
    return [way for way in ways if way]


def learn(there: Ground, ways: Sequence[Shown]) -> list[Outcome]:
    drafts = written(induce(ways), count=len(ways))
    return admit(there, drafts, ways, by="induction", bounds=FEW)


def statuses(library: Library) -> dict[str, tuple[str, int]]:
    return {one.name: (one.status, one.version) for one in library.all()}


def solves(there: Ground, name: str, *, number: int = 0) -> bool:
    """Whether the skill of this name solves a train task, as it would be played in a run."""
    one = there.library.get(name)
    task = there.env.tasks("train")[number]
    return trial(there, one, there.library.source(one), task).passed


def test_ways_become_skills_that_solve(ground: Grounds, library: Library, station: Any) -> None:
    there = ground(station())
    ways = shown(there.env)
    told: list[str] = []
    drafts = written(induce(ways), count=len(ways))
    outcomes = admit(there, drafts, ways, by="induction", bounds=FEW, told=told.append)
    assert [one.name for one in outcomes] == ["likely", "reach", "bring_over"]
    assert [one.admitted for one in outcomes] == [False, False, True]
    assert statuses(library) == dict.fromkeys(("likely", "reach", "bring_over"), ("active", 1))
    assert told[-1].startswith("bring_over: active, it solved 8 of 8 fresh tasks")
    bring = library.get("bring_over")
    assert (bring.origin.author, bring.origin.by) == ("expert", "induction")
    assert bring.origin.task_keys == tuple(way.task.key for way in ways)
    assert len([one for one in bring.trials if one.purpose == "solve"]) == 8
    assert bring.note == outcomes[-1].reason
    assert solves(there, "bring_over", number=7)


def test_learning_again_from_the_same_changes_nothing(ground: Grounds, library: Library) -> None:
    there = ground(Toy())
    ways = shown(there.env)
    learn(there, ways)
    before = library.all()
    again = learn(there, ways)
    assert library.all() == before
    assert all("is like that already" in one.reason for one in again)


def test_whose_ways_they_were(ground: Grounds, library: Library) -> None:
    ways = shown(Toy())
    mixed = [
        way.model_copy(update={"author": "own", "run": f"r{n}"}) if n % 2 else way
        for n, way in enumerate(ways)
    ]
    learn(ground(Toy()), mixed)
    origin = library.get("bring").origin
    assert origin.author == "own"
    assert origin.runs[:2] == (ways[0].task.id, "r1")


LIAR = Draft(
    name="liar",
    code="def liar(x: str) -> bool:\n    act(offered()[0])\n    return True\n",
    goals=("Bring me the {x}.",),
    requires=("open * drawer",),
    ways=(0, 1),
)


def test_a_refused_draft_is_kept_with_what_speaks_against_it(
    ground: Grounds, library: Library
) -> None:
    there = ground(Toy())
    (outcome,) = admit(there, [LIAR], shown(Toy()), by="somebody", bounds=FEW)
    assert not outcome.admitted
    liar = library.get("liar")
    assert liar.status == "quarantined"
    assert liar.note.startswith("it said that it was done")
    assert any(one.claimed and not one.passed for one in liar.trials)
    assert library.all(status="active") == []


def test_nothing_is_built_on_what_is_quarantined(ground: Grounds, library: Library) -> None:
    there = ground(Toy())
    admit(there, [LIAR], shown(Toy()), by="somebody", bounds=FEW)
    code = "def calls_it(x: str) -> bool:\n    return liar(x)\n"
    caller = Draft(name="calls_it", code=code, goals=("Bring {x}!",), uses=("liar",))
    (outcome,) = admit(there, [caller], shown(Toy()), by="somebody", bounds=FEW)
    assert outcome.reason == "it calls liar, which was refused"
    assert statuses(library) == {"liar": ("quarantined", 1)}


def test_a_draft_that_is_no_skill_is_told(ground: Grounds, library: Library) -> None:
    drafts = [
        Draft(name="reads", code="def reads() -> str:\n    return open('/etc/passwd').read()\n"),
        Draft(name="climbs", code="def climbs() -> str:\n    return str(act.__globals__)\n"),
        Draft(name="calls", code="def calls() -> bool:\n    return nobody()\n", uses=("nobody",)),
    ]
    told = admit(ground(Toy()), drafts, shown(Toy()), by="somebody", bounds=FEW)
    assert [one.admitted for one in told] == [False] * 3
    assert "it uses open" in told[0].reason
    assert "it uses __globals__" in told[1].reason
    assert told[2].reason == "it calls nobody, which was refused"
    assert library.all() == []


def rewritten(drafts: Sequence[Draft], name: str, old: str, new: str) -> list[Draft]:
    """One of the drafts with other code."""
    (one,) = [one for one in drafts if one.name == name]
    assert old in one.code
    return [one.model_copy(update={"code": one.code.replace(old, new)})]


def told_of(library: Library, name: str) -> list[str]:
    """What its versions were told by their trials, those that gave way included."""
    return [str((one.after or {}).get("note")) for one in library.history(name)]


def test_a_new_version_of_a_helper_that_breaks_a_caller_is_refused(
    ground: Grounds, library: Library
) -> None:
    there = ground(Toy())
    ways = shown(Toy())
    learn(there, ways)
    drafts = written(induce(ways), count=len(ways))
    before = statuses(library)
    broken = rewritten(
        drafts, "reach", "        if found:\n            return found", "        pass"
    )
    (outcome,) = admit(there, broken, ways, by="somebody", bounds=FEW)
    assert not outcome.admitted
    assert outcome.reason == "0 of 6 tasks solved by its callers stay solved"
    assert outcome.version == 2
    assert statuses(library) == before
    assert outcome.reason in told_of(library, "reach")
    assert solves(there, "bring")


def test_a_new_version_of_a_helper_that_breaks_nothing_is_taken(
    ground: Grounds, library: Library
) -> None:
    there = ground(Toy())
    ways = shown(Toy())
    learn(there, ways)
    drafts = written(induce(ways), count=len(ways))
    better = rewritten(drafts, "likely", "0.05", "0.04")
    (outcome,) = admit(there, better, ways, by="somebody", bounds=FEW)
    assert outcome.reason == "6 of 6 tasks solved by its callers stay solved"
    assert statuses(library)["likely"] == ("active", 2)
    assert "0.04" in library.source("bring")
    (change,) = [one for one in library.history("likely") if one.op == "edit"]
    library.undo(change.id, reason="as before", cascade=True)
    assert statuses(library) == dict.fromkeys(("likely", "reach", "bring"), ("active", 1))
    assert "0.05" in library.source("bring")
    assert solves(there, "bring")


def test_a_new_version_that_falls_short_gives_way(ground: Grounds, library: Library) -> None:
    there = ground(Toy())
    ways = shown(Toy())
    learn(there, ways)
    worse = rewritten(written(induce(ways), count=len(ways)), "bring", 'rf"give', 'rf"hand')
    (outcome,) = admit(there, worse, ways, by="somebody", bounds=FEW)
    assert (outcome.admitted, outcome.version) == (False, 2)
    assert statuses(library)["bring"] == ("active", 1)
    assert solves(there, "bring")
    assert outcome.reason in told_of(library, "bring")
    drafts = written(induce(ways), count=len(ways))
    for number in (3, 4):
        worse = rewritten(drafts, "bring", 'rf"give', f'rf"hand{number}')
        (outcome,) = admit(there, worse, ways, by="somebody", bounds=FEW)
        assert (outcome.admitted, outcome.version) == (False, number)
        assert statuses(library) == dict.fromkeys(("likely", "reach", "bring"), ("active", 1))
    assert solves(there, "bring")


def test_a_drop_takes_a_skill_out_of_use_with_its_callers(
    ground: Grounds, library: Library
) -> None:
    learn(ground(Toy()), shown(Toy()))

    class Sealed(Toy):
        """Drawers do not open any more."""

        def open(self, task: Task, *, seed: int | None = None) -> Any:
            episode = super().open(task, seed=seed)
            episode._admissible = lambda: ("wait",)
            return episode

    sealed = ground(Sealed())
    outcome = verify(sealed, library.get("bring"), bounds=FEW)
    assert not outcome.admitted
    assert library.get("bring").status == "retired"
    assert not [one for one in library.all(status="active") if one.goals]
    (change, *_) = reversed(library.history("bring"))
    library.undo(change.id, reason="the drawers were oiled")
    assert library.get("bring").status == "active"
    assert solves(ground(Toy()), "bring")


class Polite(Toy):
    """The same in two wordings; the second is never shown."""

    def tasks(self, split: Any) -> Sequence[Task]:
        return tuple(
            task.model_copy(update={"goal": f"Could I have the {task.tags[1]}?"})
            if number % 3 == 0
            else task
            for number, task in enumerate(super().tasks(split))
        )


def test_a_wording_that_nobody_showed_is_tried_and_answered(
    ground: Grounds, library: Library
) -> None:
    there = ground(Polite())
    ways = [way for way in shown(Polite(), 40) if way.task.goal.startswith("Bring")]
    outcomes = learn(there, ways)
    assert (outcomes[-1].name, outcomes[-1].admitted) == ("bring", True)
    bring = library.get("bring")
    assert (bring.version, bring.status) == (2, "active")
    assert bring.goals == ("Bring me the {x}.", "Could I have the {x}?")


class Contrary(Polite):
    """Who asks politely wants it left alone: any `give` spoils it."""

    def open(self, task: Task, *, seed: int | None = None) -> Any:
        episode = super().open(task, seed=seed)
        if task.goal.startswith("Could"):
            episode.score = lambda: Toy().open(task).score()
        return episode


def test_a_wording_that_means_something_else_leaves_the_skill_as_it_was(
    ground: Grounds, library: Library
) -> None:
    there = ground(Contrary())
    ways = [way for way in shown(Contrary(), 40) if way.task.goal.startswith("Bring")]
    learn(there, ways)
    bring = library.get("bring")
    assert (bring.version, bring.status, bring.goals) == (1, "active", ("Bring me the {x}.",))


def test_skills_of_one_library_never_share_what_they_keep(
    sandbox: Sandbox, library: Library, ground: Grounds
) -> None:
    """A list at the top is as new in every run and in every skill."""
    there = ground(Toy())
    low = "SEEN: list[str] = []\n\n\ndef noted(x: str) -> int:\n    SEEN.append(x)\n"
    low += "    return len(SEEN)\n"
    first = library.add(Skill(id="", name="noted", env="toy", code=low), reason="written")
    high = "SEEN: list[str] = ['mine']\n\n\ndef f(x: str) -> bool:\n"
    high += "    return noted(x) == 1 and noted(x) == 2 and SEEN == ['mine']\n"
    one = library.add(
        Skill(
            id="", name="f", env="toy", code=high, uses=(first.id,), goals=("Bring me the {x}.",)
        ),
        reason="written",
    )
    for number in range(3):
        task = there.env.tasks("train")[number]
        assert trial(there, one, library.source(one), task).claimed is True


def test_a_task_of_another_split_is_never_opened(ground: Grounds, station: Any) -> None:
    asked: list[str] = []
    env = station()

    class Watched(station):
        def open(self, task: Task, *, seed: int | None = None) -> Any:
            asked.append(task.split)
            return super().open(task, seed=seed)

    learn(ground(Watched()), shown(env))
    assert set(asked) == {"train"}
