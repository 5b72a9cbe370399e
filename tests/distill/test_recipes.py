"""Each recipe makes of the same runs what its paper trains on."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from agent.transcript import _calls
from distill.guidelines import Guidance, GuidedRow, read
from distill.recipes import RECIPES, Given, lines
from distill.rows import Pair, Row, Valued
from distill.rows_calls import OFFERED
from distill.rows_groups import tries
from distill.rows_turns import said
from distill.rows_values import Tree
from envs.errors import Refused, UnknownName
from envs.toy import Toy
from envs.types import Action, Score
from memory.types import StepRecord, Trajectory, Verdict

CALL = "fetch(x='spoon')"


def attempt(name: str, *actions: str, won: bool, **more: Any) -> Trajectory:
    """A run of one attempt; what is seen after an action is said by the action alone."""
    messages: list[dict[str, Any]] = [{"role": "system", "content": "You play."}]
    seen = "You see drawers."
    for action in actions:
        messages.append({"role": "user", "content": seen})
        messages.append({"role": "assistant", "content": said(action)})
        seen = f"After {action}."
    fields: dict[str, Any] = {
        "id": name,
        "env": "toy",
        "task": "toy/1",
        "task_key": "spoon",
        "task_type": "fetch",
        "split": "train",
        "goal": "Give me the spoon.",
        "model": "tiny",
        "first_observation": "You see drawers.",
        "steps": tuple(
            StepRecord(index=n, action=action, observation=f"After {action}.")
            for n, action in enumerate(actions)
        ),
        "messages": (*messages, {"role": "user", "content": seen}),
        "verdicts": (Verdict(accepted=won),),
        "score": Score(value=float(won), passed=won),
    }
    return Trajectory(**{**fields, **more})


RUNS = [
    attempt("r1", "a", "b", "c", won=True),
    attempt("r2", "a", "b", "d", won=False),
    attempt("r3", "a", "e", won=False),
    attempt("r4", "f", "c", won=True),
]
"""A tree: through `a` 1 of 3 succeed, through `a b` 1 of 2, through `f` 1 of 1."""


def test_every_recipe_says_what_it_does_and_what_it_trains() -> None:
    assert all(
        one.does and one.trains in ("sft", "nft", "dpo", "value") for one in RECIPES.values()
    )
    assert {"sft", "calls", "dpo", "nft", "agent-r", "steps", "values", "verify"} <= set(RECIPES)
    with pytest.raises(UnknownName, match="no recipe named 'stf'; choose from: sft"):
        lines("stf", RUNS)


def test_rows_say_how_often_their_task_was_solved() -> None:
    found = lines("sft", RUNS)
    assert [(one.metadata.trajectory, one.metadata.rate) for one in found] == [
        ("r1", 0.5),
        ("r4", 0.5),
    ]


@pytest.mark.paper("nft")
def test_failures_are_rows_too_with_outcome_and_rate(mechanism: bool) -> None:
    found = lines(
        "nft" if mechanism else "sft", [*RUNS, attempt("r5", "z", won=False, task_key="k")]
    )
    told = [(one.metadata.trajectory, one.metadata.outcome, one.metadata.rate) for one in found]
    assert told == [
        ("r1", True, 0.5),
        ("r2", False, 0.5),
        ("r3", False, 0.5),
        ("r4", True, 0.5),
        ("r5", False, 0.0),
    ]
    turns = [m for one in found for m in one.messages if m["role"] == "assistant"]
    assert {turn["weight"] for turn in turns} == {1}
    assert {one.metadata.made for one in found} == {"attempt"}


def test_an_attempt_that_was_begun_again_had_failed() -> None:
    steps = (
        StepRecord(index=0, attempt=0, action="x", observation="After x."),
        StepRecord(index=1, attempt=1, action="a", observation="After a."),
    )
    verdicts = (Verdict(accepted=False), Verdict(accepted=True))
    run = attempt("r1", "a", won=True, steps=steps, attempts=2, verdicts=verdicts)
    found = lines("nft", [run])
    assert [(one.metadata.outcome, one.metadata.rate) for one in found] == [
        (False, 0.5),
        (True, 0.5),
    ]
    assert json.loads(found[0].messages[-1]["content"]) == {"action": "x"}


def test_a_pair_is_the_first_different_action_after_a_common_beginning() -> None:
    found = [one for one in lines("dpo", RUNS) if isinstance(one, Pair)]
    told = [
        (len(one.prompt), one.chosen[0]["content"], one.rejected[0]["content"]) for one in found
    ]
    assert told == [(6, said("c"), said("d")), (4, said("b"), said("e"))]
    assert found[0].prompt[-1] == {"role": "user", "content": "After b."}
    assert (found[0].metadata.trajectory, found[0].metadata.others) == ("r1", ("r2",))


def test_attempts_that_stood_elsewhere_are_no_pair() -> None:
    away = attempt("r2", "z", won=False, first_observation="You see a shelf.")
    beginning = attempt("r3", "a", "b", won=False)
    assert lines("dpo", [RUNS[0], away, beginning]) == []


def test_the_same_game_comes_before_a_sibling() -> None:
    sibling = attempt("r0", "a", "b", "q", won=True, task="toy/2")
    (pair,) = lines("dpo", [sibling, *RUNS[1:2], RUNS[3]])
    assert isinstance(pair, Pair)
    assert pair.metadata.trajectory == "r4"


@pytest.mark.paper("rest-mcts")
def test_values_of_a_tree_are_shares_of_success(mechanism: bool) -> None:
    tree, found = Tree(tries(RUNS)), tries(RUNS)
    assert [tree.values(one) for one in found] == [
        [1 / 2, 1 / 3, 1 / 2, 1.0],
        [1 / 2, 1 / 3, 1 / 2, 0.0],
        [1 / 2, 1 / 3, 0.0],
        [1 / 2, 1.0, 1.0],
    ]
    policy = lines("steps", RUNS, given=Given(high=0.5 if mechanism else 0.0))
    assert [one.metadata.trajectory for one in policy] == ["r4"]


def test_each_beginning_is_a_row_of_a_value_model_once() -> None:
    found = [one for one in lines("values", RUNS) if isinstance(one, Valued)]
    told = {(one.messages[-1]["content"], one.visits): one.value for one in found}
    assert told == {
        ("You see drawers.", 4): 1 / 2,
        ("After a.", 3): 1 / 3,
        ("After b.", 2): 1 / 2,
        ("After c.", 1): 1.0,
        ("After d.", 1): 0.0,
        ("After e.", 1): 0.0,
        ("After f.", 1): 1.0,
    } | {("After c.", 1): 1.0}
    assert len(found) == 8
    assert all("weight" not in message for one in found for message in one.messages)
    assert found[1].metadata.others == ("r2", "r3")


def test_as_many_checks_say_yes_as_no() -> None:
    checks = [one for one in lines("verify", RUNS) if one.metadata.made == "verification"]
    assert sorted(one.metadata.outcome is True for one in checks) == [False, False, True, True]


def called(name: str, **more: Any) -> Trajectory:
    """The solver looks, calls a skill that does two things, and gives."""
    run = attempt(name, "look", "open", "take", "give", won=True, **more)
    steps = [
        step.model_copy(update={"skill": CALL}) if step.action in ("open", "take") else step
        for step in run.steps
    ]
    call = {"skill": "S1", "version": 2, "name": "fetch", "arguments": {"x": "spoon"}}
    messages = [dict(message) for message in run.messages]
    messages[4]["content"] = said(CALL)
    return run.model_copy(
        update={
            "steps": tuple(steps),
            "messages": tuple(messages),
            "calls": ({"call": call, "attempt": 0, "steps": 2},),
        }
    )


def test_a_call_is_learned_where_it_was_offered() -> None:
    given = Given(about={("S1", 2): "Fetches a thing."})
    (row,) = lines("calls", [called("r1"), RUNS[0]], given=given)
    assert row.messages[-1] == {"role": "assistant", "content": said(CALL), "weight": 1}
    assert row.messages[-2]["content"] == f"After look.\n\n{OFFERED}\n- {CALL}: Fetches a thing."
    assert [m.get("weight") for m in row.messages if m["role"] == "assistant"] == [0, 1]
    assert (row.metadata.made, row.metadata.skills) == ("call", ("S1",))


def test_a_call_is_offered_in_the_words_of_the_solver() -> None:
    call = {"skill": "S1", "version": 2, "name": "fetch", "arguments": {"x": "spoon"}}
    asked = _calls({"offers": [{"call": call, "about": "Fetches a thing."}]})
    (row,) = lines("calls", [called("r1")], given=Given(about={("S1", 2): "Fetches a thing."}))
    assert row.messages[-2]["content"] == f"After look.\n\n{asked}"


def test_a_skill_of_which_nothing_is_known_is_not_offered() -> None:
    (row,) = lines("calls", [called("r1")])
    assert row.messages[-2]["content"] == "After look."


def test_without_the_mechanism_a_call_is_what_it_did() -> None:
    (row,) = lines("sft", [called("r1")])
    turns = [m["content"] for m in row.messages if m["role"] == "assistant"]
    assert turns == [said(action) for action in ("look", "open", "take", "give")]


def test_splices_are_played_where_failure_and_success_part() -> None:
    task = Toy().tasks("train")[0]
    way = [action.text for action in Toy().open(task).demonstrate()]
    wrong = next(
        choice
        for choice in Toy().open(task).first.admissible or ()
        if choice.startswith("open ") and choice != way[0]
    )

    def play(name: str, *actions: str) -> Trajectory:
        episode = Toy().open(task)
        steps, seen = [], episode.first
        for n, line in enumerate(actions):
            seen = episode.step(Action(text=line))
            steps.append(StepRecord(index=n, action=line, observation=seen.observation))
        score = episode.score()
        assert score is not None
        return attempt(
            name,
            *actions,
            won=score.passed,
            steps=tuple(steps),
            task=task.id,
            task_key=task.key,
            goal=task.goal,
            seed=task.seed,
        )

    runs = [play("r1", wrong, wrong, wrong, wrong, wrong), play("r2", *way)]
    with pytest.raises(Refused, match="was given no environment"):
        lines("agent-r", runs)
    (row,) = lines("agent-r", runs, given=Given(open=lambda _run: Toy().open(task)))
    assert (row.metadata.made, row.metadata.others) == ("spliced", ("r2",))
    assert (
        lines(
            "agent-r", runs, given=Given(held_out_keys={task.key}, open=lambda _r: Toy().open(task))
        )
        == []
    )


def test_reflections_need_an_instruction_and_mistakes_keep_their_mark() -> None:
    with pytest.raises(Refused, match="need the reflector's instruction"):
        lines("reflections", RUNS)
    assert lines("reflections", RUNS, given=Given(instruction="Reflect.")) == []
    marks = [one.metadata.made for one in lines("mistakes", RUNS)]
    assert marks == ["correct", "incorrect", "incorrect", "correct"]


def unlabelled(name: str, answer: str) -> Trajectory:
    return attempt(
        name,
        won=True,
        score=None,
        steps=(),
        messages=(
            {"role": "user", "content": "How many?"},
            {"role": "assistant", "content": answer},
        ),
    )


def test_votes_are_rows_of_what_nobody_scored() -> None:
    runs = [unlabelled(f"u{n}", f"Way {n}.\nAnswer: {9 if n else 8}") for n in range(4)]
    found = lines("votes", [*RUNS, *runs])
    assert [one.metadata.trajectory for one in found] == ["u1", "u2", "u3"]
    assert {(one.metadata.made, one.metadata.teacher) for one in found} == {("voted", "vote")}
    assert lines("votes", runs, given=Given(held_out_keys={"spoon"})) == []
    assert lines("votes", [run.model_copy(update={"arm": "replay"}) for run in runs]) == []


def test_followups_keep_ways_that_hold_and_need_an_environment() -> None:
    """What was won by luck (here: nobody gave anything) fails when it is done again."""
    task = Toy().tasks("train")[0]
    way = [action.text for action in Toy().open(task).demonstrate()]
    more = {"task": task.id, "task_key": task.key, "goal": task.goal, "seed": task.seed}
    runs = [attempt("r1", *way, won=True, **more), attempt("r2", *way[:2], won=True, **more)]
    with pytest.raises(Refused, match="was given no environment"):
        lines("followups", runs)
    found = lines("followups", runs, given=Given(world=lambda _name: Toy()))
    assert [one.metadata.trajectory for one in found] == ["r1"]


def test_guided_runs_are_rows_that_say_their_guidance() -> None:
    guidance = Guidance(guideline="Plan.", adapted="Think of drawers.", structure="open\ntake")
    assert read(guidance.brief()) == guidance
    assert read("Some other advice.") is None
    (row,) = lines("guidelines", RUNS, given=Given(guidance={"r1": guidance}))
    assert isinstance(row, GuidedRow)
    assert (row.metadata.trajectory, row.guidance.guideline) == ("r1", "Plan.")
    assert lines("guidelines", RUNS) == []


def test_held_out_tasks_and_replays_are_in_no_row() -> None:
    given = Given(
        held_out_keys={"spoon"},
        instruction="x",
        world=lambda _name: Toy(),
        open=lambda _run: Toy().open(Toy().tasks("train")[0]),
    )
    replays = [run.model_copy(update={"arm": "replay"}) for run in RUNS]
    vals = [run.model_copy(update={"split": "val"}) for run in RUNS]
    for name in RECIPES:
        assert lines(name, RUNS, given=given) == []
        assert lines(name, vals, given=replace(given, held_out_keys=())) == []
    for name in ("sft", "nft", "dpo", "steps", "values", "verify", "calls", "followups"):
        assert lines(name, replays, given=replace(given, held_out_keys=())) == []
    assert isinstance(lines("sft", RUNS)[0], Row)
