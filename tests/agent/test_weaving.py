"""Propose, practise, write, test, call: on a small site, with a strong and a weak solver."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from agent.home import home
from agent.models.scripted import PolicyModel, ScriptedModel
from agent.runner import Spec, run
from agent.settings import load
from agent.skillwriter import Written
from agent.weaving import Practice, proposals, weave
from envs.types import Action, Limits, Score, Split, Step, Task
from memory.embed import HashEmbedder
from memory.index import ListIndex
from memory.ledger import Ledger
from memory.recall import Memory
from memory.types import Trajectory
from skills.checking import practised
from skills.library import Library
from skills.sandbox import Sandbox
from skills.trials import Bounds, Ground

PAGES = {"garden": ("rake", "hose"), "kitchen": ("pan", "cup"), "office": ("pen", "lamp")}
TOWNS = ("Rome", "Oslo", "Bern", "Riga")
ORDER = '''\
import re


def order(x: str, y: str) -> bool:
    """Looks for a thing on all pages, and has it sent to a town."""
    for page in offered():
        if not re.fullmatch(r"open \\w+ page", page):
            continue
        act(page)
        if f"add {x} to cart" in offered():
            act(f"add {x} to cart")
            act("open cart")
            if f"send to {y}" not in offered():
                return False
            act(f"send to {y}")
            return act("press order").startswith("Thank you")
    return False
'''


class SiteEpisode:
    """One visit to a shop."""

    tools = ()

    def __init__(self, task: Task) -> None:
        self.task = task
        self._page, self._cart, self._town, self._sent, self._count = "home", "", "", False, 0
        self.first = self._step(f"A shop. Your task: {task.goal}")

    def step(self, action: Action) -> Step:
        self._count += 1
        words = action.text.split()
        if action.text not in self._admissible():
            return self._step("There is no such thing on this page.")
        if words[0] == "open":
            self._page = words[1]
        elif words[0] == "add":
            self._cart = words[1]
        elif words[0] == "send":
            self._town = words[2]
        else:
            _, thing, _, town = self.task.goal.rstrip(".").split()
            self._sent = (self._cart, self._town) == (thing, town)
            return self._step("Thank you." if self._sent else "That was not asked for.")
        return self._step(f"Page: {self._page}. Cart: {self._cart or 'empty'}.")

    def score(self) -> Score:
        return Score(value=float(self._sent), passed=self._sent)

    def close(self) -> None:
        pass

    def _admissible(self) -> tuple[str, ...]:
        pages = tuple(f"open {page} page" for page in PAGES)
        if self._page == "cart":
            towns = tuple(f"send to {town}" for town in TOWNS)
            return (*pages, *towns, *(("press order",) if self._cart and self._town else ()))
        things = tuple(f"add {thing} to cart" for thing in PAGES.get(self._page, ()))
        return (*pages, "open cart", *things)

    def _step(self, text: str) -> Step:
        over = self._count >= self.task.limits.steps
        return Step(
            observation=text,
            admissible=self._admissible(),
            terminated=self._sent,
            truncated=over and not self._sent,
        )


class Site:
    name = "site"

    def tasks(self, split: Split) -> Sequence[Task]:
        towns = {"train": TOWNS[:3], "val": TOWNS[3:]}.get(split, ())
        return [
            Task(
                id=f"{thing}-{town}",
                env="site",
                goal=f"Order {thing} to {town}.",
                key=f"order {thing} {town} | shop",
                split=split,
                limits=Limits(steps=10),
                tags=("order",),
            )
            for town in towns
            for page in PAGES.values()
            for thing in page
        ]

    def open(self, task: Task, *, seed: int | None = None) -> SiteEpisode:
        return SiteEpisode(task)

    def close(self) -> None:
        pass


SITE = Site()


def strong(messages: Sequence[dict[str, Any]], schema: dict[str, Any] | None) -> dict[str, Any]:
    """Reads the goal, opens page after page, and knows its way from there."""
    assert schema is not None
    choices = schema["properties"]["action"]["enum"]
    said = " ".join(str(one["content"]) for one in messages)
    _, thing, _, town = said.partition("Your task: ")[2].partition(".")[0].split()
    cart = f"Cart: {thing}" in said
    wishes = [f"add {thing} to cart"] if not cart else []
    wishes += ["press order", f"send to {town}", "open cart"] if cart else []
    wishes += [one for one in choices if one.startswith("open ") and one not in said]
    return {"action": next((one for one in wishes if one in choices), choices[0])}


def weak(_messages: Any, schema: dict[str, Any] | None) -> dict[str, Any]:
    """Takes the first thing that it may call; else the first that is possible."""
    assert schema is not None
    choices = schema["properties"]["action"]["enum"]
    return {"action": next((one for one in choices if "(" in one), choices[0])}


async def plays(folder: Path, policy: Any, tasks: Sequence[Task], **spec: Any) -> list[Trajectory]:
    memory = Memory(Ledger(folder / "ledger.db"), ListIndex(HashEmbedder()))
    settings = load(home=str(folder), skills={"choose": "model"}, memory={"withhold": False})
    async with home(settings, memory=memory, models={"model": PolicyModel(policy)}) as place:
        crew = await place.crew()
        given = {"recall": False, "learn": False, **spec}
        return [await run(crew, SITE, Spec(task=task, **given)) for task in tasks]


async def woven(folder: Path, replies: Sequence[str], policy: Any = strong) -> list[Practice]:
    """One round of the cycle; the site is new to all."""
    ledger = Ledger(folder / "ledger.db")

    async def play(task: Task) -> Trajectory:
        return (await plays(folder, policy, [task]))[0]

    with Sandbox(workers=1) as sandbox:
        ground = Ground(SITE, sandbox, Library(ledger))
        writer = Written(
            ScriptedModel([f"```python\n{code}```" for code in replies]),
            sandbox=sandbox,
            practise=lambda draft, way: practised(ground, draft, way),
        )
        assert [one.kind for one in proposals(ground)] == ["order"]
        done = await weave(ground, writer, play, bounds=Bounds(solve=8))
    ledger.close()
    return done


def solved(runs: Sequence[Trajectory]) -> int:
    return sum(bool(one.score and one.score.passed) for one in runs)


@pytest.mark.paper("skillweaver")
async def test_a_weak_solver_does_with_a_woven_skill_what_it_fails_without(
    tmp_path: Path, mechanism: bool
) -> None:
    held_out = SITE.tasks("val")
    assert solved(await plays(tmp_path, weak, held_out)) == 0
    if mechanism:
        (practice,) = await woven(tmp_path, [ORDER.replace("Thank", "Bye"), ORDER])
        assert practice.solved == len(practice.runs) == 4
        assert practice.learned is not None
        assert practice.learned.usage.calls == 2  # the first reply fell short in practice
    after = await plays(tmp_path, weak, held_out)
    assert solved(after) == len(held_out)
    assert all(step.skill.startswith("order(x=") for one in after for step in one.steps)
    ledger = Ledger(tmp_path / "ledger.db")
    skill = Library(ledger).get("order")
    ledger.close()
    assert skill.signature == "order(x: str, y: str) -> bool"
    assert skill.about.startswith("Looks for a thing")
    assert all(one.passed for one in skill.trials)
    assert {one.purpose for one in skill.trials} == {"solve", "decline"}
    assert not set(skill.origin.task_keys) & {one.task_key for one in skill.trials}


async def test_what_does_not_pass_its_tests_is_not_offered(tmp_path: Path) -> None:
    only = ORDER.replace("for page in offered():", 'for page in ["open garden page"]:')
    (practice,) = await woven(tmp_path, [only, only, only])
    assert practice.learned is not None
    assert [one.admitted for one in practice.learned.outcomes] == [False]
    assert solved(await plays(tmp_path, weak, SITE.tasks("val"))) == 0


async def test_what_was_never_solved_is_not_written_down(tmp_path: Path) -> None:
    (practice,) = await woven(tmp_path, [], policy=weak)
    assert (practice.solved, practice.learned) == (0, None)
    assert len(practice.runs) == 4
