"""Overthinking against runs that were labelled by hand, and the choice between runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from agent.home import home
from agent.models.scripted import PolicyModel
from agent.overthinking import overthinking
from agent.runner import Spec
from agent.selection import best, best_of
from agent.settings import load
from bench.evals.overthinking import report
from envs.errors import UserError
from envs.toy import Toy
from memory.embed import HashEmbedder
from memory.index import ListIndex
from memory.ledger import Ledger
from memory.recall import Memory
from memory.types import StepRecord, Trajectory, Verdict

Line = tuple[str, str, str]
"""Thought, action, observation."""
PONDER = (
    "The mug could be on the countertop, since mugs are used there, but it could just as well be "
    "in a cabinet, and there are six cabinets, of which the first might hold plates and the second "
    "glasses, while the third is next to the sink and therefore a likely place, unless the mug "
    "was washed, in which case it would stand in the rack, which I have not seen mentioned; then "
    "again the coffee machine is where a mug is wanted, so that the table beside it deserves to "
    "be thought of before I open anything, and if it is dirty it would be in the sink itself. "
)
CALL = '{"tool":"%s","arguments":{%s}}'
GOOD = Verdict(accepted=True, confidence=1.0, evidence=("step 3",))
BAD = Verdict(accepted=False, confidence=1.0, critique="not reached", evidence=("step 5",))
AGAINST = Verdict(
    accepted=False, confidence=0.9, critique="no", evidence=("step 0",), source="tool"
)


def run(
    *lines: Line, verdict: Verdict | None = None, name: str = "r", error: str = ""
) -> Trajectory:
    steps = tuple(
        StepRecord(index=index, thought=thought, action=action, observation=observation)
        for index, (thought, action, observation) in enumerate(lines)
    )
    return Trajectory(
        id=name,
        env="household",
        task="t",
        task_key="k",
        split="train",
        goal="Put a mug on the table.",
        steps=steps,
        verdicts=(verdict,) if verdict else (),
        error=error,
    )


BRISK: tuple[Line, ...] = (
    ("Mugs are often on countertops.", "go to countertop 1", "You see a mug 1, and a plate 2."),
    ("There it is.", "take mug 1 from countertop 1", "You pick up the mug 1."),
    ("Now to the table.", "go to table 1", "You see nothing."),
    ("", "move mug 1 to table 1", "You move the mug 1 to the table 1."),
)
LABELLED: dict[str, tuple[Trajectory, tuple[bool, bool, bool]]] = {
    "acts and looks": (run(*BRISK, verdict=GOOD), (False, False, False)),
    "never thinks aloud": (
        run(*((("", action, seen)) for _, action, seen in BRISK), verdict=GOOD),
        (False, False, False),
    ),
    "thinks a page, each time before something new": (
        run(*((PONDER[:400], action, seen) for _, action, seen in BRISK), verdict=GOOD),
        (False, False, False),
    ),
    "searches for long and fails": (
        run(
            *(
                (f"Not yet in {n}.", f"open drawer {n}", f"The drawer {n} is empty.")
                for n in range(8)
            ),
            verdict=BAD,
        ),
        (False, False, False),
    ),
    "ponders while only looking": (
        run(
            (PONDER, "look", "You are in the middle of a room."),
            (PONDER, "inventory", "You are not carrying anything."),
            (PONDER, "look", "You are in the middle of a room."),
            (PONDER, "go to cabinet 1", "The cabinet 1 is closed."),
            verdict=BAD,
        ),
        (True, False, False),
    ),
    "walks in a circle with long plans": (
        run(
            (PONDER, "go to cabinet 1", "The cabinet 1 is closed."),
            (PONDER, "go to cabinet 2", "The cabinet 2 is closed."),
            (PONDER, "go to cabinet 1", "The cabinet 1 is closed."),
            (PONDER, "go to cabinet 2", "The cabinet 2 is closed."),
            (PONDER, "go to cabinet 1", "The cabinet 1 is closed."),
            (PONDER, "go to cabinet 2", "The cabinet 2 is closed."),
            verdict=BAD,
        ),
        (True, False, False),
    ),
    "does several things at once": (
        run(
            BRISK[0],
            (
                "All in one go.",
                "take mug 1 from countertop 1\ngo to table 1\nmove mug 1 to table 1",
                "Nothing happens.",
            ),
            verdict=BAD,
        ),
        (False, True, False),
    ),
    "plays the environment's part": (
        run(
            (
                "Action: go to countertop 1\nObservation: You see a mug 1.\nAction: take mug 1",
                "go to table 1",
                "You see nothing.",
            ),
            verdict=BAD,
        ),
        (False, True, False),
    ),
    "carries on with its plan whatever comes back": (
        run(
            ("", "take mug 1 from table 1", "Nothing happens."),
            ("", "clean mug 1 with sink 1", "Nothing happens."),
            ("", "move mug 1 to table 1", "Nothing happens."),
            ("", "go to table 1", "You see nothing."),
            verdict=BAD,
        ),
        (False, True, False),
    ),
    "answers upon an error": (
        run(
            ("", CALL % ("python", '"code":"x"'), "[r1] error: name 'x' is not defined"),
            ("It would have been 42.", CALL % ("reply", '"text":"42"'), "42"),
        ),
        (False, False, True),
    ),
    "answers against what the tool said": (
        run(
            ("", CALL % ("calculator", '"expression":"6*7"'), "[r1] 42"),
            ("", CALL % ("reply", '"text":"It is 41."'), "It is 41."),
            verdict=AGAINST,
        ),
        (False, False, True),
    ),
    "answers with what the tool said": (
        run(
            ("", CALL % ("calculator", '"expression":"6*7"'), "[r1] 42"),
            ("", CALL % ("reply", '"text":"It is 42."'), "It is 42."),
        ),
        (False, False, False),
    ),
    "greets": (run(("", CALL % ("reply", '"text":"Hello."'), "Hello.")), (False, False, False)),
    "believes it is done and looks on": (
        run(
            *BRISK[:2],
            *(("The mug is on the table.", "look", f"You hold the mug. ({n})") for n in range(5)),
            verdict=BAD,
        ),
        (False, False, True),
    ),
    "ponders at once and then gives up": (
        run((PONDER + PONDER, "give up", "You gave up."), verdict=BAD),
        (True, False, True),
    ),
}


@pytest.mark.parametrize("name", LABELLED)
def test_flags_are_those_of_the_label(name: str) -> None:
    labelled, flags = LABELLED[name]
    found = overthinking(labelled)
    assert (found.paralysis, found.rogue, found.premature) == flags
    assert len(found.reasons) == sum(flags)


def test_runs_with_a_pattern_score_above_those_without() -> None:
    scores = {name: overthinking(labelled).score for name, (labelled, _) in LABELLED.items()}
    bad = [scores[name] for name, (_, flags) in LABELLED.items() if any(flags)]
    good = [scores[name] for name, (_, flags) in LABELLED.items() if not any(flags)]
    assert max(good) < 3 < min(bad)
    assert scores["acts and looks"] == 0.0


def test_the_score_is_what_the_docstring_says() -> None:
    lines = (("one two three " * 20, "look", "A room."), ("four " * 20, "go to bed 1", "A bed."))
    assert overthinking(run(*lines)).score == 7.5
    assert overthinking(run()).score == 0.0


def test_an_attempt_that_begins_anew_sees_its_places_afresh() -> None:
    thought = "I go to the cabinet and look whether the mug is in there. " * 4
    first = StepRecord(index=0, action="go to c 1", observation="A closed c.", thought=thought)
    again = first.model_copy(update={"index": 1, "attempt": 1})
    circle = first.model_copy(update={"index": 1})
    base = run()
    retried = base.model_copy(update={"steps": (first, again)})
    circled = base.model_copy(update={"steps": (first, circle)})
    assert (overthinking(retried).paralysis, overthinking(circled).paralysis) == (False, True)


def test_verdicts_come_before_thoughts_and_broken_runs_last() -> None:
    calm = run(*BRISK, verdict=BAD, name="calm and rejected")
    wordy = run((PONDER, "look", "A room."), verdict=GOOD, name="wordy and accepted")
    open_ = run(*BRISK, name="undecided")
    broken = run(*BRISK, verdict=GOOD, name="broken", error="the game is gone")
    assert best([calm, open_, broken, wordy]).id == "wordy and accepted"
    assert best([broken, calm, open_]).id == "undecided"
    assert best([broken, calm]).id == "calm and rejected"


def test_of_equals_the_first_is_kept_and_of_none_nothing() -> None:
    assert best([run(*BRISK, name="a"), run(*BRISK, name="b")]).id == "a"
    with pytest.raises(UserError, match="no run to choose from; give at least one"):
        best([])


def test_the_choice_reads_no_score() -> None:
    won = run(*BRISK, name="a").model_copy(update={"score": {"value": 1, "passed": True}})
    assert best([run(*BRISK, name="b"), won]).id == "b"


def test_the_report_counts_patterns_and_marks_what_it_would_keep() -> None:
    runs = [
        run((PONDER, "look", "A room."), verdict=GOOD, name="wordy"),
        run(*BRISK, verdict=GOOD, name="calm"),
        run(*BRISK, verdict=GOOD, name="alone").model_copy(update={"task_key": "other"}),
    ]
    found = report(runs)
    assert [(one.run, one.chosen) for one in found.runs] == [
        ("wordy", False),
        ("calm", True),
        ("alone", None),
    ]
    assert (found.paralysis, found.rogue, found.premature) == (1, 0, 0)
    assert report([]).mean is None


@pytest.mark.paper("overthinking")
def test_of_equally_verified_runs_the_one_that_thinks_least_is_kept(mechanism: bool) -> None:
    for labelled, flags in LABELLED.values():
        found = overthinking(labelled)
        assert (found.paralysis, found.rogue, found.premature) == flags
    wordy = run(*((PONDER, *line[1:]) for line in BRISK), *BRISK, verdict=GOOD, name="wordy")
    stuck = run((PONDER, "look", "A room."), *BRISK, verdict=GOOD, name="stuck")
    calm = run(*BRISK, verdict=GOOD, name="calm")
    rejected = run(*BRISK[:1], verdict=BAD, name="rejected")
    assert best([wordy, stuck, rejected, calm], weigh=mechanism).id == "calm"


@pytest.mark.paper("overthinking")
async def test_played_twice_the_run_without_vain_thought_is_kept(
    tmp_path: Path, mechanism: bool
) -> None:
    toy = Toy()
    task = toy.tasks("train")[0]
    way = [action.text for action in toy.open(task).demonstrate()]
    begun: list[str] = []

    def plays(messages: Sequence[dict[str, Any]], _schema: dict[str, Any] | None) -> Any:
        """Opens the drawer again and again in its first run, pondering; goes straight after."""
        step = sum(message["role"] == "assistant" for message in messages)
        if step == 0:
            begun.append(task.id)
        wordy = len(begun) == 1
        actions = [way[0], way[0], *way] if wordy else way
        return {"thought": PONDER[:200] if wordy else "", "action": actions[step]}

    memory = Memory(Ledger(tmp_path / "ledger.db"), ListIndex(HashEmbedder()))
    solver = {"think": True, "break_loops": False}
    settings = load(home=str(tmp_path), solver=solver, memory={"drafts": "plain", "recall": False})
    async with home(settings, memory=memory, models={"model": PolicyModel(plays)}) as place:
        spec = Spec(task=task, seed=task.seed, learn=False)
        kept = await best_of(await place.crew(), toy, spec, n=2, weigh=mechanism)
        runs = place.ledger.trajectories()
    assert [one.verdicts[-1].accepted for one in runs] == [True, True]
    assert sorted(len(one.steps) for one in runs) == [3, 5]
    assert len(kept.steps) == 3
