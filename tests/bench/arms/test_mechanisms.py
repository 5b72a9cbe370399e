"""Published mechanisms as arms: each writes into a memory of its own, and nothing else does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent.graph import opened
from agent.models.scripted import PolicyModel
from agent.reflector import Plain
from agent.runner import Crew, Spec, run
from agent.settings import Settings
from agent.solver import Greedy
from agent.verifier import Shown
from bench.arms.mechanisms import MSI, CoLearning, IntrospectiveTips, Mechanisms, Muse
from bench.arms.types import Desk, Played
from envs.errors import UserError
from envs.toy import Toy
from memory.embed import HashEmbedder
from memory.index import ListIndex
from memory.ledger import Ledger
from memory.recall import Memory

INSIGHT = {"scale": "general", "run": 0, "step": 0, "situation": "Bring me the thing."}
ENTRY = {"level": "procedural", "subtask": "take it", "outcome": "done"}


def answers(messages: Any, schema: dict[str, Any] | None) -> dict[str, Any]:
    """Opens drawers by the alphabet, and words whatever it is asked for."""
    assert schema is not None
    asked = schema["properties"]
    if "insights" in asked:
        return {"insights": [{**INSIGHT, "text": "Open every drawer once, by the alphabet."}]}
    if "tip" in asked:
        return {"scope": "general", "step": asked["step"]["enum"][0], "tip": "Try yellow first."}
    if "experience" in asked:
        return {**ENTRY, "experience": "Open drawers until the thing is in sight."}
    choices = asked["action"]["enum"]
    said = " ".join(str(m["content"]) for m in messages)
    thing = said.partition("Bring me the ")[2].partition(".")[0]
    wishes = [w for w in (f"give {thing}", f"take {thing}") if w in choices]
    fresh = sorted(c for c in choices if c.startswith("open ") and f'"{c}"' not in said)
    return {"thought": "", "action": (wishes or fresh or choices)[0]}


@pytest.mark.parametrize(
    ("kind", "begins"),
    [
        (Muse, "[procedural] take it: done."),
        (MSI, "[general] Open every drawer once"),
        (IntrospectiveTips, "Tip (general): Try yellow"),
        (CoLearning, "Shortcut: Bring me the stamp."),
    ],
)
async def test_only_its_mechanism_writes_and_what_it_keeps_comes_back(
    kind: type[Mechanisms],
    begins: str,
    make_desk: Callable[..., Desk],
    settings: Settings,
    tmp_path: Path,
) -> None:
    desk = make_desk(policy=answers)
    arm, tasks = kind(desk, every=2), Toy().tasks("train")
    memory = Memory(Ledger(tmp_path / "common.db"), ListIndex(HashEmbedder()))
    async with opened(tmp_path / "checkpoints.db") as graph:
        common = Crew(
            settings=settings,
            graph=graph,
            memory=memory,
            model=PolicyModel(answers),
            strategy=Greedy(),
            verifier=Shown(),
            reflector=Plain(),
        )
        for thing in ("stamp", "key"):
            task = next(one for one in tasks if one.tags[1] == thing)
            crew = arm.gather(common)
            done = await run(crew, Toy(), Spec(task=task, seed=task.seed, guard=True))
            passed = bool(done.score and done.score.passed)
            await arm.learn(Played(task=task, trajectory=done, passed=passed))
            kept = arm.dump()
            lessons = list(arm.lessons())
            arm.close()
            arm = kind(desk, every=2)
            arm.load(kept)
    texts = [lesson.text for lesson in lessons]
    assert any(text.startswith(begins) for text in texts), texts
    assert not any(text.startswith("Solved before") for text in texts)
    assert all(lesson.source.task_keys for lesson in lessons)
    assert memory.ledger.lessons() == []
    memory.close()


def test_an_option_that_can_not_be_is_refused(make_desk: Callable[..., Desk]) -> None:
    with pytest.raises(UserError, match="option every = 0 does not fit"):
        CoLearning(make_desk(), every=0)
