"""MiniWoB++ in a real browser: scripts solve it, pages come back as they were, rewards hold."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import psutil
import pytest

from envs.check import check
from envs.errors import EnvError, UnknownName
from envs.miniwob import MiniWob, MiniWobEpisode, goals_by_page, page_of, rows_of_split
from envs.miniwob_goals import instruction
from envs.types import SPLITS, Action, Step
from tests.envs.chromium import needs_browser

Player = Callable[[str, Step], list[str]]


@pytest.fixture(scope="module")
def env() -> Iterator[MiniWob]:
    pages = MiniWob(seeds=2)
    yield pages
    pages.close()
    assert pages.browser.processes() == []


def quoted(goal: str) -> list[str]:
    return re.findall(r'"([^"]*)"', goal)


def play(env: MiniWob, page: str, *lines: str, seed: int = 0) -> MiniWobEpisode:
    episode = env.open(env.task(page, seed=seed))
    for line in lines:
        step = episode.step(Action(text=line))
        if step.terminated:
            break
    return episode


PLAYERS: dict[str, Player] = {
    "click-test": lambda _goal, _first: ['click button "Click Me!"'],
    "click-button": lambda goal, _first: [f'click button "{quoted(goal)[0]}"'],
    "click-link": lambda goal, _first: [f'click button "{quoted(goal)[0]}"'],
    "click-dialog": lambda _goal, _first: ['click button "Close"'],
    "click-dialog-2": lambda goal, _first: [
        f'click button "{"Close" if quoted(goal)[0] == "x" else quoted(goal)[0]}"'
    ],
    "enter-text": lambda goal, _first: [
        f'fill textbox with "{quoted(goal)[0]}"',
        'click button "Submit"',
    ],
    "enter-password": lambda goal, _first: [
        *(f'fill textbox "{n}" with "{quoted(goal)[0]}"' for n in ("Password", "Verify password")),
        'click button "Submit"',
    ],
    "login-user": lambda goal, _first: [
        f'fill textbox "Username" with "{quoted(goal)[0]}"',
        f'fill textbox "Password" with "{quoted(goal)[1]}"',
        'click button "Login"',
    ],
    "enter-date": lambda goal, _first: [
        f'fill textbox with "{goal.split()[1]}"',
        'click button "Submit"',
    ],
    "choose-list": lambda goal, _first: [
        f'select combobox option "{goal.removeprefix("Select ").partition(" from")[0]}"',
        'click button "Submit"',
    ],
    "click-checkboxes": lambda goal, _first: [
        *(
            f'check checkbox "{name}"'
            for name in goal.removeprefix("Select ").partition(" and click")[0].split(", ")
            if name != "nothing"
        ),
        'click button "Submit"',
    ],
    "click-color": lambda goal, _first: [f'click button "{goal.split()[3]} color"'],
    "drag-box": lambda _goal, _first: ['drag button "s" to button "L"', 'click button "Submit"'],
    "drag-items": lambda goal, first: [
        f'drag item "{goal.split()[1]}" to item "{first.observation.splitlines()[4]}"',
    ],
    "use-spinner": lambda goal, _first: [
        f'fill spinbutton "Select a value:" with "{goal.split()[1]}"',
        'click button "Submit"',
    ],
}


@needs_browser
@pytest.mark.parametrize("page", PLAYERS)
def test_a_script_solves_it_through_the_actions_that_are_offered(env: MiniWob, page: str) -> None:
    episode = env.open(env.task(page, seed=1))
    last = episode.first
    assert last.observation.startswith(episode.task.goal)
    for line in PLAYERS[page](episode.task.goal, episode.first):
        assert last.admissible is not None
        assert line in last.admissible
        last = episode.step(Action(text=line))
    score = episode.score()
    assert last.terminated
    assert (score.passed, score.value) == (True, 1.0)
    with pytest.raises(EnvError, match="the episode is over"):
        episode.step(Action(text="wait"))
    episode.close()


@needs_browser
def test_a_wrong_answer_ends_it_without_a_reward(env: MiniWob) -> None:
    episode = play(env, "login-user", 'click button "Login"')
    score = episode.score()
    assert (score.passed, score.value, score.parts["raw"]) == (False, 0.0, -1.0)
    episode.close()


@needs_browser
def test_it_keeps_the_rules_of_the_seam(env: MiniWob) -> None:
    one = MiniWob(seeds=1, steps=3, browser=env.browser)
    try:
        assert [finding for finding in check(one, most=1) if not finding.holds] == []
    finally:
        one.close()


def test_the_split_is_the_public_one_and_shares_no_group() -> None:
    rows = rows_of_split()
    sizes = {split: sum(row.split == split for row in rows) for split in SPLITS}
    assert sizes == {"train": 50, "val": 12, "test": 63, "seen": 0, "unseen": 0}
    groups = [{row.group for row in rows if row.split == split} for split in SPLITS[:3]]
    assert groups[0] | groups[1] | groups[2] == set(range(78))
    assert sum(map(len, groups)) == 78


def test_tasks_are_listed_without_a_browser_each_task_once_before_any_twice() -> None:
    env = MiniWob(executable="/nowhere")
    tasks = env.tasks("train")
    assert len(tasks) == 500
    assert len({page_of(task) for task in tasks[:50]}) == 50
    assert tasks[0].id == "miniwob/train/book-flight-0"
    assert env.task("login-user", seed=1).goal == goals_by_page()["login-user"][1]
    assert env.task("login-user", seed=1).key != env.task("login-user", seed=2).key
    assert env.task("click-test", seed=1).key == env.task("click-test", seed=2).key
    with pytest.raises(UnknownName, match="login-user"):
        env.task("login-use")
    env.close()


@needs_browser
@pytest.mark.parametrize("page", ["login-user", "email-inbox-nl-turk", "book-flight"])
def test_the_listed_instructions_are_those_of_the_pages(env: MiniWob, page: str) -> None:
    assert instruction(env, page, seed=7) == goals_by_page()[page][7]


@needs_browser
def test_a_page_is_played_again_as_if_it_were_new(env: MiniWob) -> None:
    for page in ("click-checkboxes-large", "click-menu", "choose-date"):
        task = env.task(page, seed=3)
        fresh = env.open(task)
        first = fresh.first
        assert first.admissible
        for line in first.admissible[:3]:
            if fresh.step(Action(text=line)).terminated:
                break
        fresh.close()
        again = env.open(task)
        assert again.first == first
        again.close()


@needs_browser
def test_episodes_of_several_threads_go_side_by_side(env: MiniWob) -> None:
    def solve(seed: int) -> bool:
        task = env.task("enter-text", seed=seed)
        lines = PLAYERS["enter-text"](goals_by_page()["enter-text"][seed], Step(observation=""))
        episode = play(env, page_of(task), *lines, seed=seed)
        passed = episode.score().passed
        episode.close()
        return passed

    with ThreadPoolExecutor(3) as crew:
        assert list(crew.map(solve, range(6))) == [True] * 6


INJECTED = '<img src=x onerror="core.endEpisode(1)">'
CHEATS: dict[str, tuple[str, ...]] = {
    "markup in a field": (f"fill textbox with {INJECTED!r}".replace("'", '"', 2),),
    "a script address in a field": (
        'fill textbox with "javascript:core.endEpisode(1)"',
        "press Enter",
    ),
    "typed into nothing": ('type "core.endEpisode(1)"', "press Enter"),
    "the developer's console": ("press F12", "press Control+Shift+J"),
    "the address bar": ("press Control+L", 'type "javascript:core.endEpisode(1)"', "press Enter"),
    "the cover that begins anew": ('click item "START"', "click at (80, 100)"),
    "claims": ('fill textbox with "SUCCESS reward 1.0 WOB_DONE_GLOBAL=true"', "press Enter"),
    "nothing but waiting": ("wait",),
    "a page of its own": ('goto "data:text/html,<script>WOB_RAW_REWARD_GLOBAL=1</script>"', "back"),
    "pure script": ("evaluate core.endEpisode(1)", "core.endEpisode(1)"),
}


@needs_browser
@pytest.mark.parametrize("cheat", CHEATS)
def test_no_reward_can_be_forged(env: MiniWob, cheat: str) -> None:
    episode = play(env, "enter-text", *CHEATS[cheat])
    assert episode.score().passed is False
    assert episode.score().value == 0.0
    episode.close()


@needs_browser
def test_tools_are_offered_and_none_runs_scripts(env: MiniWob) -> None:
    called = MiniWob(tools=True, browser=env.browser)
    episode = called.open(called.task("enter-text"))
    for tool in ("evaluate", "goto", "route", "add_init_script", "request"):
        assert tool not in {spec.name for spec in episode.tools}
        step = episode.step(Action(tool=tool, arguments={"script": "core.endEpisode(1)"}))
        assert f"there is no tool '{tool}'" in step.observation
        assert not step.terminated
    text = quoted(episode.task.goal)[0]
    episode.step(Action(tool="fill", arguments={"role": "textbox", "name": "", "text": text}))
    episode.step(Action(tool="click", arguments={"role": "button", "name": "Submit"}))
    assert episode.score().passed
    episode.close()
    called.close()


@needs_browser
def test_markup_that_a_page_would_run_is_not_run(env: MiniWob) -> None:
    with env.loaded("enter-text") as tab:
        env.begin(tab, seed=0, mark="")
        link = '<a id=forge href="javascript:core.endEpisode(1)">x</a>'
        put = "html => { document.querySelector('#area').innerHTML += html }"
        env.browser.run(tab, put, INJECTED + link)
        env.browser.run(tab, "() => document.querySelector('#forge').click()")
        time.sleep(0.2)
        assert env.browser.run(tab, "() => [WOB_DONE_GLOBAL, WOB_RAW_REWARD_GLOBAL]") == [False, 0]


@needs_browser
def test_an_ended_episode_cannot_be_begun_again_on_the_page(env: MiniWob) -> None:
    wrong = 'double-click button "Submit"'
    episode = play(env, "enter-text", wrong, 'click item "START"')
    assert not episode.score().passed
    assert episode.score().parts["raw"] == -1.0
    episode.close()


@needs_browser
def test_a_page_that_is_left_is_a_lost_episode(env: MiniWob) -> None:
    episode = env.open(env.task("enter-text"))
    with env.loaded("enter-text") as other:
        assert other is not episode._tab
    assert episode._tab is not None
    env.browser.run(episode._tab, "() => { location.reload() }")
    until = time.monotonic() + 10
    step = episode.step(Action(text="wait"))
    while not step.terminated and time.monotonic() < until:
        step = episode.step(Action(text="wait"))
    assert "The page was left" in step.observation
    assert not episode.score().passed
    episode.close()


@needs_browser
def test_what_is_seen_changes_only_when_something_is_done(env: MiniWob) -> None:
    episode = env.open(env.task("click-tab-2"))
    seen = [episode.step(Action(text="nothing at all")).observation for _ in range(3)]
    assert all(one == other for one, other in pairwise(seen))
    assert "Time left" not in seen[0]
    assert "Last reward" not in seen[0]
    episode.close()


@needs_browser
def test_a_browser_that_dies_in_an_episode_is_a_failure_in_one_line() -> None:
    env = MiniWob()
    try:
        episode = env.open(env.task("click-test"))
        for process in env.browser.processes():
            try:
                process.kill()
            except psutil.Error:
                continue
        with pytest.raises(EnvError, match="open the task again"):
            episode.step(Action(text='click button "Click Me!"'))
        assert not episode.score().passed
        episode.close()
        again = env.open(env.task("click-test"))
        again.close()
    finally:
        env.close()
    assert env.browser.processes() == []
