"""Tips after failed games: capped, scoped, recalled in the next attempt, which does better."""

from __future__ import annotations

from typing import Any

import pytest

from agent.models.scripted import PolicyModel, ScriptedModel
from agent.proposers.tips import WORDS
from memory.games import project_of


def tipping(scope: str, text: str) -> PolicyModel:
    """Writes one tip; the other things that a writer is asked for it leaves to the rules."""

    def says(messages: Any, schema: Any) -> Any:
        if "tip" in schema["properties"]:
            steps = schema["properties"]["step"]["enum"]
            return {"scope": scope, "step": steps[-1], "tip": text}
        return {"step": 0, "kind": "pitfall", "situation": "", "text": ""}

    return PolicyModel(says)


LONG = f"The key is not in the first drawers: open yellow drawer. {'So it is. ' * 15}"


@pytest.mark.paper("introspective-tips")
async def test_a_tip_on_a_failed_game_stands_in_the_next_attempt_which_succeeds(
    opens: Any, plays: Any, tasks: Any, won: Any, mechanism: bool
) -> None:
    learning = {"use": ["tips"] if mechanism else []}
    writer = tipping("this game", LONG)
    async with opens(writer=writer, learning=learning, memory={"drafts": "written"}) as home_:
        games = tasks(thing="key", most=3)
        one = await plays(home_, games)
        tips = home_.ledger.lessons()
        two = await plays(home_, games, learn=False)
        solver = await home_.model()
        assert isinstance(solver, PolicyModel)
        seen = str(solver.requests[-1].messages[-1]["content"])
        (other,) = await plays(home_, tasks("val", thing="key", most=1), learn=False)
    assert (won(one), won(two)) == (0, 3)
    assert {tip.scope.project for tip in tips} == {project_of(task.key) for task in games}
    for tip in tips:
        words = tip.text.removeprefix("Tip (this game): ").split()
        assert len(words) == WORDS
        run = next(run for run in one if run.id == tip.source.trajectory)
        assert tip.source.quote.startswith(run.steps[tip.source.first_step].action)
    assert "Tip (this game): The key is not in the first drawers" in seen
    assert not any(step.recalled for step in other.steps)  # it is another game


async def test_a_general_tip_helps_in_other_games_and_a_guarded_task_never_sees_its_own(
    opens: Any, plays: Any, tasks: Any, won: Any
) -> None:
    writer = tipping("general", "If you look for a key, open yellow drawer.")
    learning, memory = {"use": ["tips"]}, {"drafts": "written"}
    async with opens(writer=writer, learning=learning, memory=memory) as home_:
        games = tasks(thing="key", most=1)
        await plays(home_, games)
        again = await plays(home_, games, learn=False, guard=True)
        others = await plays(home_, tasks("val", thing="key", most=2), guard=True)
        (tip,) = home_.ledger.lessons()
    assert (tip.scope.project, tip.scope.env) == ("", "toy")
    assert (won(again), won(others)) == (0, 2)


async def test_a_model_that_fails_leaves_the_rules_advice_as_the_tip(
    opens: Any, plays: Any, tasks: Any
) -> None:
    async with opens(
        writer=ScriptedModel([{"step": 0, "kind": "pitfall", "situation": "", "text": ""}]),
        learning={"use": ["tips"]},
        memory={"drafts": "written"},
    ) as home_:
        (run,) = await plays(home_, tasks(thing="key", most=1))
        (tip,) = home_.ledger.lessons()
    assert run.error == ""
    assert tip.text.startswith("Tip (this game): ")
    assert tip.source.trajectory == run.id


async def test_a_solved_game_leaves_no_tip(opens: Any, plays: Any, tasks: Any) -> None:
    writer = ScriptedModel([])
    learning, memory = {"use": ["tips"]}, {"drafts": "written"}
    async with opens(writer=writer, learning=learning, memory=memory) as home_:
        await plays(home_, tasks(thing="stamp", most=1))
        assert [one.kind for one in home_.ledger.lessons()] == ["workflow"]
