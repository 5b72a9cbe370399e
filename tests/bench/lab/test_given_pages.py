"""Skills of arms on pages: found on train tasks alone, the same for all arms, made once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import count

import pytest

from agent.exploring import Effort
from agent.settings import Settings
from bench.lab.conduct import Done
from bench.lab.given_pages import Wider, explored_skills
from bench.lab.session import folder_of
from bench.lab.table import Table, unpacked
from bench.lab.types import ArmSpec, Experiment
from envs.miniwob import MiniWob
from envs.site import Site
from envs.types import Env
from skills.trials import Bounds
from tests.agent.loans import FormBrowser, library
from tests.envs.chromium import needs_browser

BOUNDS = Bounds(solve=6, decline=1, keep=0, mutants=1, mutant_tasks=1)
EFFORT = Effort(ways=2, tries=2, episodes=20, steps=5)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    made = Site(library(tmp_path_factory.mktemp("apps")), browser=FormBrowser())
    yield made
    made.close()


def test_what_was_found_on_train_tasks_is_given_as_data(site: Site) -> None:
    told: list[str] = []
    given = explored_skills({"site": site}, effort=EFFORT, bounds=BOUNDS, told=told.append)
    (skill,) = given["skills"]["site"]
    train = {task.key for task in site.tasks("train")}
    assert (skill["name"], skill["status"]) == ("borrow_book", "active")
    assert {one["task_key"] for one in skill["trials"]} | set(skill["origin"]["task_keys"]) <= train
    assert told[0] == "site: kind 1 of 1"
    assert told[-1].startswith("borrow_book: active, ")


def test_what_an_arm_has_already_stays_and_nothing_is_tried(site: Site) -> None:
    told: list[str] = []
    envs: dict[str, Env] = {"site": site}
    known = {"skills": {"site": []}}
    assert explored_skills(envs, known=known, told=told.append) == known
    assert told == []


def test_time_that_is_up_leaves_kinds_out_and_says_so(site: Site) -> None:
    told: list[str] = []
    late = count(step=10_000)
    given = explored_skills({"site": site}, clock=lambda: next(late), told=told.append)
    assert given == {"skills": {"site": []}}
    assert told == ["site: 1 kinds of tasks are left out for time"]


def test_arms_of_one_experiment_have_the_same_skills_which_are_made_once(
    small: Callable[..., Experiment], play: Callable[..., Done], settings: Settings
) -> None:
    experiment = small(
        ArmSpec(name="first", kind="explored-chance", options={"choose": "first"}),
        ArmSpec(name="chance", kind="explored-chance"),
        n=2,
        seeds=(0, 1),
    )
    told: list[str] = []
    play(experiment, told=told.append, arms=("first",))
    assert any(line.startswith("toy: kind 1 of ") for line in told)
    again: list[str] = []
    play(experiment, told=again.append, arms=("chance",))
    play(experiment, told=again.append)
    assert not any("kind 1 of" in line for line in again)
    with closing(Table(folder_of(settings, "small"), write=False)) as table:
        first, chance = table.state("first", 0, 0), table.state("chance", 0, 0)
    assert first is not None and chance is not None
    assert unpacked(first) == unpacked(chance)
    assert list(unpacked(first)["skills"]) == ["toy"]


@needs_browser
def test_more_pages_of_a_kind_are_for_trials() -> None:
    env = MiniWob()
    try:
        wide = Wider(env, ("enter-text", "focus-text"), seeds=12)
        tasks = wide.tasks("train")
    finally:
        env.close()
    texts = [task for task in tasks if task.tags[0] == "enter-text"]
    same = [task for task in tasks if task.tags[0] == "focus-text"]
    assert len(texts) == len(same) == 12
    assert all(task.goal in task.key and task.goal.startswith("Enter ") for task in texts)
    assert len({task.key for task in same}) == 12
    assert {task.split for task in tasks} == {"train"}
