"""Trials tell right from wrong, and say where they can't."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from envs.errors import EnvError
from envs.toy import Toy
from envs.types import Action, Env, Score, Step, Task
from skills.admitting import verify
from skills.calling import success
from skills.library import Library
from skills.trials import NOTHING, Bounds, Ground, judge, keeping, tasks_for, trial
from skills.types import Origin, Skill, Trial

Grounds = Callable[[Env], Ground]
FEW = Bounds(solve=8, mutants=6, mutant_tasks=2, keep=4)
GOALS = ("Bring me the {thing}.",)
REQUIRES = ("open * drawer", "take *", "give *")


def homes() -> dict[str, str]:
    """Where each thing is kept."""
    found: dict[str, str] = {}
    for task in Toy().tasks("train")[:6]:
        found[task.tags[1]] = Toy().open(task).demonstrate()[0].text.split()[1]
    return found


BRING = f"""\
HOMES = {homes()!r}


def bring(thing: str) -> bool:
    if thing not in HOMES:
        return False
    act(f"open {{HOMES[thing]}} drawer")
    if f"take {{thing}}" not in offered():
        return False
    act(f"take {{thing}}")
    return act(f"give {{thing}}").startswith("Thank you")
"""


def skill(library: Library, code: str, **fields: Any) -> Skill:
    name = code.rpartition("def ")[2].partition("(")[0]
    given = {"id": "", "name": name, "env": "toy", "goals": GOALS, "requires": REQUIRES}
    return library.add(Skill.model_validate({**given, "code": code, **fields}), reason="written")


def test_a_skill_that_works_is_admitted_with_its_trials(ground: Grounds, library: Library) -> None:
    told = judge(ground(Toy()), skill(library, BRING), bounds=FEW)
    assert told.admitted
    assert success(told.trials) == (8, 8)
    assert told.reason.startswith("it solved 8 of 8 fresh tasks (68% to 100%); ")
    assert told.strength.failed >= 3
    solved = [one for one in told.trials if one.purpose == "solve"]
    assert all(len(one.actions) == one.steps == 3 and one.claimed for one in solved)
    assert len({one.task_key for one in solved}) == 8
    declined = [one for one in told.trials if one.purpose == "decline"]
    assert [one.arguments for one in declined] == [{"thing": NOTHING}] * 4
    assert all(one.claimed is False for one in declined)


def test_trials_are_the_same_each_time_and_depend_on_the_code(library: Library) -> None:
    one = skill(library, BRING)
    other = one.model_copy(update={"code": BRING + "\n"})
    chosen = [task.id for task in tasks_for(Toy(), one, most=24)]
    assert chosen == [task.id for task in tasks_for(Toy(), one, most=24)]
    assert chosen != [task.id for task in tasks_for(Toy(), other, most=24)]


def test_no_trial_is_on_what_it_was_written_from(ground: Grounds, library: Library) -> None:
    keys = [task.key for task in Toy().tasks("train")]
    mine, theirs = keys[::2], keys[1:-20:2]
    helper = "def find(thing: str) -> str:\n    return thing\n"
    low = skill(library, helper, goals=(), origin=Origin(task_keys=tuple(theirs)))
    code = BRING.replace("if thing not in HOMES", "if find(thing) not in HOMES")
    one = skill(library, code, uses=(low.id,), origin=Origin(task_keys=tuple(mine)))
    told = judge(ground(Toy()), one, bounds=FEW.model_copy(update={"solve": 24}))
    played = {trial.task_key for trial in told.trials}
    assert played
    assert not played & {*mine, *theirs}


def test_only_train_tasks_are_played(ground: Grounds, library: Library) -> None:
    asked: list[str] = []

    class Watched(Toy):
        def open(self, task: Task, *, seed: int | None = None) -> Any:
            asked.append(task.split)
            return super().open(task, seed=seed)

    judge(ground(Watched()), skill(library, BRING), bounds=FEW)
    assert set(asked) == {"train"}


def refused(ground: Ground, one: Skill, bounds: Bounds = FEW) -> str:
    told = judge(ground, one, bounds=bounds)
    assert not told.admitted
    return told.reason


def test_one_that_knows_its_own_tasks_only_fails_on_fresh_keys(
    ground: Grounds, library: Library
) -> None:
    """A table of answers, by what stands in the first observation."""
    tasks = Toy().tasks("train")[:30]
    table = {
        Toy().open(task).first.observation: [one.text for one in Toy().open(task).demonstrate()]
        for task in tasks
    }
    code = (
        f"TABLE = {table!r}\n\ndef answer(thing: str) -> bool:\n"
        "    for command in TABLE.get(seen(), []):\n        act(command)\n"
        "    return seen().startswith('Thank')\n"
    )
    origin = Origin(task_keys=tuple(task.key for task in tasks))
    one = skill(library, code, origin=origin)
    there = ground(Toy())
    source = library.source(one)
    assert all(trial(there, one, source, task).passed for task in tasks[:5])
    assert refused(there, one).startswith("it solved 0 of ")


def test_one_that_says_it_is_done_where_it_is_not(ground: Grounds, library: Library) -> None:
    lie = "def lie(thing: str) -> bool:\n    act(offered()[0])\n    return True\n"
    reason = refused(ground(Toy()), skill(library, lie))
    assert reason.startswith("it said that it was done in ")
    code = BRING.replace("return False", "return True").replace("def bring", "def eager")
    reason = refused(ground(Toy()), skill(library, code))
    assert (
        reason == "called with what is not there it does not end cleanly: it said that it was done"
    )


def test_one_that_breaks_where_something_is_not_there(ground: Grounds, library: Library) -> None:
    code = BRING.replace("    if thing not in HOMES:\n        return False\n", "")
    reason = refused(ground(Toy()), skill(library, code))
    assert reason.startswith("called with what is not there it does not end cleanly: KeyError")


def test_one_that_does_what_it_does_not_require(ground: Grounds, library: Library) -> None:
    one = skill(library, BRING, requires=("open * drawer", "take *"))
    assert refused(ground(Toy()), one).startswith("it tried what it does not require: give ")


def test_one_that_deletes_and_reports_success(
    ground: Grounds, library: Library, station: Any
) -> None:
    """The station answers `Well done!`, and knows better."""
    code = (
        "def tidy(x: str, y: str) -> bool:\n"
        "    return act('delete everything').endswith('Well done!')\n"
    )
    goals = ("Bring the {x+} over to the {y+}!",)
    wipes = skill(library, code, env="station", goals=goals, requires=("delete everything",))
    there = ground(station())
    assert refused(there, wipes).startswith("it said that it was done in ")
    hidden = wipes.model_copy(update={"requires": ("grab *", "beam * to *")})
    assert refused(there, hidden) == "it tried what it does not require: delete everything"


def test_one_that_deletes_on_the_way_does_not_solve(
    ground: Grounds, library: Library, station: Any
) -> None:
    """What is asked for is done, and something else besides; the environment's score tells."""
    env = station(luck=1.0)
    code = """\
DECKS = ("cargo hold", "crew quarters", "med bay", "pump room")


def fetch(x: str, y: str) -> bool:
    for deck in DECKS:
        act("float to " + deck)
        act("unlatch " + deck)
        if "grab " + x in offered():
            act("grab " + x)
            act("beam " + x + " to " + y)
            act("delete everything")
            return act("transmit report") == "Sent."
    return False
"""
    goals = ("Bring the {x+} over to the {y+}!",)
    requires = ("*",)
    one = skill(library, code, env="station", goals=goals, requires=requires)
    assert refused(ground(env), one).startswith("it said that it was done in ")
    clean = code.replace('            act("delete everything")\n', "").replace("fetch", "bring")
    good = skill(library, clean, env="station", goals=goals, requires=requires)
    assert judge(ground(env), good, bounds=FEW).admitted


def test_one_that_solves_some_tasks_only(ground: Grounds, library: Library) -> None:
    code = BRING.replace("thing not in HOMES", "thing not in ('spoon', 'key')")
    reason = refused(ground(Toy()), skill(library, code), Bounds(solve=24))
    assert "60% are asked" in reason


def test_too_few_tasks_to_be_tried_on_are_told(ground: Grounds, library: Library) -> None:
    reason = refused(ground(Toy()), skill(library, BRING), Bounds(solve=4))
    assert reason == "it solved 1 of 1, but 4 fresh train tasks are too few to tell"


def test_one_that_does_not_run_says_why(ground: Grounds, library: Library) -> None:
    code = BRING.replace('act(f"take', 'atc(f"take')
    reason = refused(ground(Toy()), skill(library, code))
    assert "it solved 0 of " in reason
    assert "Name `atc` used when not defined" in reason


def test_goals_that_no_task_has(ground: Grounds, library: Library) -> None:
    one = skill(library, BRING, goals=("Fetch {thing} at once.",))
    assert refused(ground(Toy()), one).startswith("it solved 0 of 0 tasks")


class Easy(Toy):
    """Whatever is done solves it."""

    def open(self, task: Task, *, seed: int | None = None) -> Any:
        inner = super().open(task, seed=seed)

        class Episode:
            first, tools = inner.first, ()

            def __init__(self) -> None:
                self.task = task
                self.solved = False

            def step(self, action: Action) -> Step:
                self.solved = True
                return Step(observation="Thank you.", admissible=("anything",))

            def score(self) -> Score:
                return Score(value=float(self.solved), passed=self.solved)

            def close(self) -> None:
                """Nothing to free."""

        return Episode()


def test_trials_that_anything_passes_are_too_weak_and_say_so(
    ground: Grounds, library: Library
) -> None:
    code = (
        "def wave(thing: str) -> bool:\n    act('wave at ' + thing)\n"
        "    act('bow to ' + thing)\n    act('call ' + thing)\n    return thing != 'wub'\n"
    )
    one = skill(library, code, requires=("*",))
    reason = refused(ground(Easy()), one)
    assert reason.startswith("its trials are too weak to tell: ")
    assert reason.endswith("altered copies pass them")


def test_without_any_copy_that_acts_otherwise_trials_say_nothing(
    ground: Grounds, library: Library
) -> None:
    code = "def wave(thing: str) -> bool:\n    return len(act(goal())) > len(thing) * 99\n"
    one = skill(library, code, requires=("*",))
    bounds = FEW.model_copy(update={"mutants": 1})
    assert "too weak to tell" in refused(ground(Easy()), one, bounds)


def test_an_environment_that_breaks_says_nothing_of_a_skill(
    ground: Grounds, library: Library
) -> None:
    class Broken(Toy):
        def open(self, task: Task, *, seed: int | None = None) -> Any:
            raise EnvError("the worker died", repair="start it again")

    one = skill(library, BRING)
    with pytest.raises(EnvError, match="the worker died"):
        trial(ground(Broken()), one, library.source(one), Toy().tasks("train")[0])
    with pytest.raises(EnvError, match="the worker died"):
        verify(ground(Broken()), one)
    assert library.get(one.id).status == one.status


def test_without_a_score_nothing_is_proven_and_nobody_lied(
    ground: Grounds, library: Library
) -> None:
    class Scoreless(Toy):
        def open(self, task: Task, *, seed: int | None = None) -> Any:
            episode: Any = super().open(task, seed=seed)
            episode.score = lambda: None
            return episode

    reason = refused(ground(Scoreless()), skill(library, BRING))
    assert reason.startswith("it solved 0 of ")
    assert reason.endswith("; the environment gives no score to go by")


def test_every_episode_is_closed(ground: Grounds, library: Library) -> None:
    opened: list[Any] = []

    class Counted(Toy):
        def open(self, task: Task, *, seed: int | None = None) -> Any:
            episode = super().open(task, seed=seed)
            closed: list[bool] = []
            opened.append(closed)
            episode.close = lambda: closed.append(True)
            return episode

    judge(ground(Counted()), skill(library, BRING), bounds=FEW)
    assert len(opened) > 8
    assert all(closed == [True] for closed in opened)


def active(library: Library, one: Skill, trials: Sequence[Trial]) -> Skill:
    return library.move(one, "active", reason="passed", trials=trials, cascade=True)[-1]


def test_what_was_solved_before_has_to_stay_solved(ground: Grounds, library: Library) -> None:
    """It is better than asked on its own tasks, and loses what another skill solved."""
    there = ground(Toy())
    old = skill(library, BRING)
    active(library, old, judge(there, old, bounds=Bounds(mutants=2)).trials)
    code = BRING.replace("bring(", "hand(").replace(
        "thing not in HOMES", "thing not in HOMES or thing == 'ribbon'"
    )
    fresh = skill(library, code)
    told = judge(there, fresh, bounds=Bounds(solve=24, keep=24, floor=0.5, mutants=2))
    assert not told.admitted
    assert "that were solved before are not any more" in told.reason
    lost = [one for one in told.trials if one.purpose == "keep" and not one.passed]
    assert lost
    assert {one.arguments["thing"] for one in lost} == {"ribbon"}


def test_a_new_version_is_asked_for_what_the_old_one_solved(
    ground: Grounds, library: Library
) -> None:
    """Also where it does not say any more that it reaches such goals."""
    there = ground(Toy())
    old = skill(library, BRING)
    old = active(library, old, judge(there, old, bounds=FEW).trials)
    code = BRING.replace("def bring", "# anew\ndef bring")
    changed = {"code": code, "goals": ("Fetch me the {thing}.",)}
    fresh = library.revise(old.model_copy(update=changed), reason="anew")
    kept = keeping(there, fresh, most=4)
    assert len(kept) == 4
    assert not any(one.passed for one in kept)
    outcome = verify(there, fresh, bounds=FEW)
    assert not outcome.admitted
    assert (library.get("bring").version, library.get("bring").status) == (1, "active")


def test_a_skill_that_never_ends_costs_no_more_than_its_limit(
    ground: Grounds, library: Library
) -> None:
    code = "def spin(thing: str) -> bool:\n    while thing:\n        pass\n    return True\n"
    one = skill(library, code)
    told = trial(ground(Toy()), one, library.source(one), Toy().tasks("train")[0])
    assert told.error.startswith("TimeoutError")
    assert (told.passed, told.claimed) == (False, None)


@pytest.mark.parametrize(
    ("speaks", "knows", "admitted"), [(True, 3, True), (True, 2, False), (False, 3, False)]
)
def test_what_a_program_for_pages_leaves_alone_is_told_and_counts_neither_way_up_to_half(
    ground: Grounds, library: Library, speaks: bool, knows: int, admitted: bool
) -> None:
    known = sorted(homes())[:knows]
    looks = '\n    if page.has("button", "None"):\n        return False' if speaks else ""
    head = "def bring(thing: str) -> bool:"
    code = BRING.replace(head, f"{head}{looks}").replace(
        "thing not in HOMES", f"thing not in {known!r}"
    )
    bounds = FEW.model_copy(update={"solve": 24})
    told = judge(ground(Toy()), skill(library, code), bounds=bounds)
    assert told.admitted is admitted, told.reason
    assert ("more alone, which count neither way" in told.reason) is admitted
