"""Exploring a site that nobody knows: what is found, written down, proven, and used."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from agent.exploring import Effort, explore, rebound, search, shortened
from agent.exploring_guides import Asked, Relevance
from agent.home import home
from agent.models.scripted import PolicyModel
from agent.runner import Spec, run
from agent.settings import load
from agent.synthesis import Induction, Learned, learned
from agent.weaving import proposals
from envs.site import Site
from envs.types import Limits, Step, Task
from memory.embed import HashEmbedder
from memory.index import ListIndex
from memory.ledger import Ledger
from memory.recall import Memory
from memory.types import Trajectory
from skills.library import Library
from skills.sandbox import Sandbox
from skills.trials import Bounds, Ground
from skills.types import Shown
from tests.agent.loans import BOOKS, FormBrowser, library

BOUNDS = Bounds(solve=6, decline=1, keep=0, mutants=2, mutant_tasks=1)
EFFORT = Effort(ways=2, tries=2, episodes=20, steps=5)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    made = Site(library(tmp_path_factory.mktemp("apps")), browser=FormBrowser())
    yield made
    made.close()


def weak(_messages: Any, schema: dict[str, Any] | None) -> dict[str, Any]:
    """Takes the first thing that it may call; else the first that is possible."""
    assert schema is not None
    choices = schema["properties"]["action"]["enum"]
    return {"action": next((one for one in choices if one.startswith("borrow")), choices[0])}


async def plays(folder: Path, site: Site, tasks: Sequence[Task]) -> list[Trajectory]:
    memory = Memory(Ledger(folder / "ledger.db"), ListIndex(HashEmbedder()))
    settings = load(home=str(folder), skills={"choose": "model"}, memory={"withhold": False})
    async with home(settings, memory=memory, models={"model": PolicyModel(weak)}) as place:
        crew = await place.crew()
        tasks = [one.model_copy(update={"limits": Limits(steps=6)}) for one in tasks]
        return [await run(crew, site, Spec(task=t, recall=False, learn=False)) for t in tasks]


async def explored(folder: Path, site: Site) -> Learned:
    ledger = Ledger(folder / "ledger.db")
    try:
        with Sandbox(workers=1) as sandbox:
            ground = Ground(site, sandbox, Library(ledger))
            kinds = [(one.kind, one.tasks) for one in proposals(ground)]
            assert [kind for kind, _ in kinds] == ["borrow"]
            (found,) = await explore(site, Relevance(), kinds, effort=EFFORT)
            return await learned(ground, Induction(), found.ways, bounds=BOUNDS)
    finally:
        ledger.close()


def solved(runs: Sequence[Trajectory]) -> int:
    return sum(bool(one.score and one.score.passed) for one in runs)


@pytest.mark.paper("skillweaver")
async def test_a_weak_solver_does_what_was_learned_by_exploring(
    tmp_path: Path, site: Site, mechanism: bool
) -> None:
    held_out = site.tasks("val")
    if mechanism:
        assert solved(await plays(tmp_path, site, held_out)) == 0
        done = await explored(tmp_path, site)
        assert [one.admitted for one in done.outcomes] == [True], done.outcomes
    after = await plays(tmp_path, site, held_out)
    assert solved(after) == len(held_out) == 2
    assert all(step.skill.startswith("borrow_book(") for one in after for step in one.steps)
    ledger = Ledger(tmp_path / "ledger.db")
    skill = Library(ledger).get("borrow_book")
    changes = Library(ledger).history(skill.id)
    ledger.close()
    assert skill.signature == "borrow_book(item: str) -> bool"
    assert skill.goals == ('Borrow the book "{item}".',)
    assert 'page.click("link", item, like=True)' in skill.code
    assert 'page.shows(f"You have borrowed {item}.")' in skill.code
    assert skill.status == "active" and not skill.origin.address
    assert not set(skill.origin.task_keys) & {one.task_key for one in skill.trials}
    assert len(skill.origin.task_keys) == 2
    assert [change.op for change in changes] == ["add", "status"]


async def test_a_way_is_found_from_nothing_and_carried_over(site: Site) -> None:
    first, second, *_ = site.tasks("train")
    actions, episodes = await search(site, Relevance(), first, effort=EFFORT)
    assert actions and episodes <= 20
    way, _ = shortened(site, first, actions)
    assert way is not None
    assert len(way.actions) == 4
    assert rebound(way, second) == [one.replace("Dune", "Emma") for one in way.actions]


def test_words_are_carried_over_as_the_next_goal_writes_them() -> None:
    old, new = (
        Task(id=n, env="site", goal=f"Reserve {n} for me.", key=n, split="train")
        for n in ("Nine Small Planets", "Under the Hill")
    )
    lines = ('fill searchbox "Title" with "Nine Small Planets"', 'click button "Reserve"')
    way = Shown(task=old, first=Step(observation=""), actions=lines, steps=())
    assert rebound(way, new) == ['fill searchbox "Title" with "Under the Hill"', lines[1]]


def test_times_of_day_are_carried_over_whole() -> None:
    tasks = [
        Task(id=n, env="site", goal=f"Call room {n} at {at}.", key=n, split="train")
        for n, at in (("30", "9:30 PM"), ("45", "10:15 PM"))
    ]
    lines = ('click button "Room 30"', 'fill textbox "Time" with "9:30 PM"')
    way = Shown(task=tasks[0], first=Step(observation=""), actions=lines, steps=())
    assert rebound(way, tasks[1]) == [
        'click button "Room 45"',
        'fill textbox "Time" with "10:15 PM"',
    ]


async def test_too_little_effort_finds_nothing_and_says_so(site: Site) -> None:
    told: list[str] = []
    effort = Effort(ways=2, tries=2, episodes=1, steps=1)
    kinds = [("borrow", site.tasks("train"))]
    (found,) = await explore(site, Relevance(), kinds, effort=effort, told=told.append)
    assert (found.ways, found.tasks, found.episodes) == ((), 2, 2)
    assert told == ["borrow: 0 of 2 tasks solved in 2 episodes"]


async def test_a_model_can_be_the_guide(site: Site) -> None:
    def picks(_messages: Any, schema: dict[str, Any] | None) -> dict[str, Any]:
        assert schema is not None
        choices = schema["properties"]["action"]["enum"]
        wishes = ('click button "Borrow it"', 'click link "Dune"', 'click button "Find"')
        done = str(_messages[-1]["content"])
        if "nothing yet" in done:
            return {"action": next(one for one in choices if one.endswith('with "Dune"'))}
        return {"action": next((one for one in wishes if one in choices), choices[0])}

    guide = Asked(PolicyModel(picks))
    actions, episodes = await search(site, guide, site.tasks("train")[0], effort=EFFORT)
    assert (len(actions), episodes) == (4, 1)
    assert guide.usage.calls == 4


def test_goals_that_are_not_alike_lend_each_other_nothing() -> None:
    task = Task(id="a", env="e", goal="Put the lamp on the list.", key="a", split="train")
    step = Step(observation="")
    way = Shown(task=task, first=step, actions=('click link "Lamp"',), steps=(step,))

    def asked(goal: str) -> Task:
        return task.model_copy(update={"goal": goal})

    assert rebound(way, asked("Put the wool rug on the list.")) == ['click link "Wool rug"']
    assert rebound(way, asked("Cancel order 12 and write to the office.")) is None
    assert rebound(way, asked("Put the on the list.")) is None
    assert rebound(way, task) == ['click link "Lamp"']
    assert len(BOOKS) == 12
