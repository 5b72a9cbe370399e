"""Compositions of MiniWoB++'s tasks: one instruction, page after page, all or nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from envs.errors import EnvError, UnknownName
from envs.miniwob import rows_of_split
from envs.miniwob_composed import (
    COMPOSITIONS,
    FIRST_SEED,
    Composed,
    ComposedEpisode,
    combined,
    goals_by_name,
)
from envs.types import Action, Limits, Score, Step, Task
from tests.envs.chromium import needs_browser

TASK = Task(
    id="miniwob:composed/test/a_b-0",
    env="miniwob:composed",
    goal="?",
    key="a_b",
    split="test",
    limits=Limits(steps=4),
)


class Sheet:
    """A page that ends with any action: `right` earns a reward, `wrong` a penalty."""

    def __init__(self, goal: str) -> None:
        self.task = TASK.model_copy(update={"goal": goal})
        fields = ('fill textbox "T" with "x"', "right", "wrong")
        self.first = Step(observation=f"{goal}\n\npage of {goal}", admissible=fields)
        self.raw, self.closed = -1.0, 0

    def step(self, action: Action) -> Step:
        if action.text not in ("right", "wrong"):
            return Step(observation="nothing", admissible=self.first.admissible)
        self.raw = 0.5 if action.text == "right" else -1.0
        return Step(observation="The page ended.", admissible=(), terminated=True)

    def score(self) -> Score:
        return Score(value=max(self.raw, 0.0), passed=self.raw > 0, parts={"raw": self.raw})

    def shot(self) -> bytes:
        return self.task.goal.encode()

    def close(self) -> None:
        self.closed += 1


def opened(*, seed: int = 0) -> tuple[ComposedEpisode, list[Sheet]]:
    sheets = [Sheet('Enter "one".'), Sheet('Enter "two".')]
    return ComposedEpisode(TASK.model_copy(update={"seed": seed}), sheets), sheets


def test_there_are_twenty_of_train_tasks_and_none_of_val_or_test() -> None:
    splits = {row.name: row.split for row in rows_of_split()}
    assert len(COMPOSITIONS) == 20
    assert {splits[page] for pages in COMPOSITIONS.values() for page in pages} == {"train"}
    assert sorted({len(pages) for pages in COMPOSITIONS.values()}) == [2, 3]


def test_all_are_listed_as_test() -> None:
    env = Composed()
    tasks = env.tasks("test")
    assert env.tasks("train") == env.tasks("val") == ()
    assert len({task.id for task in tasks}) == len({task.key for task in tasks}) == 80
    assert [task.tags[2] for task in tasks[::20]] == ["in order", "reversed"] * 2
    for task in tasks:
        if goals := goals_by_name().get(task.tags[0]):
            assert task.goal == combined(goals[task.seed], odd=task.seed % 2 == 1)


def test_an_odd_seed_tells_the_last_thing_first() -> None:
    assert combined(["A.", "B."], odd=False) == "A. And then: B."
    assert combined(["A.", "B.", "C."], odd=True) == "C. But before that: B. But before that: A."
    assert opened(seed=1)[0].task.goal == 'Enter "two". But before that: Enter "one".'


def test_an_unknown_composition_is_refused() -> None:
    with pytest.raises(UnknownName, match="composition of miniwob"):
        Composed().task("click-nothing")


def test_the_next_page_comes_up_without_its_own_instruction() -> None:
    episode, _ = opened()
    assert episode.first.observation.startswith(episode.task.goal)
    step = episode.step(Action(text="right"))
    assert not step.terminated
    assert step.observation == 'The page ended.\n\npage of Enter "two".'
    assert 'fill textbox "T" with "one"' in (step.admissible or ())
    assert episode.shot() == b'Enter "two".'


def test_it_is_passed_when_every_page_is() -> None:
    episode, sheets = opened()
    episode.step(Action(text="right"))
    assert not episode.score().passed
    assert episode.score().value == 0
    assert episode.step(Action(text="right")).terminated
    assert episode.score() == Score(value=0.5, passed=True, parts={"raw 1": 0.5, "raw 2": 0.5})
    episode.close()
    assert [sheet.closed for sheet in sheets] == [1, 1]


def test_a_page_done_wrong_ends_it() -> None:
    episode, _ = opened()
    assert episode.step(Action(text="wrong")).terminated
    assert not episode.score().passed
    with pytest.raises(EnvError, match="over"):
        episode.step(Action(text="right"))


def test_it_is_cut_off_after_its_steps() -> None:
    episode, _ = opened()
    steps = [episode.step(Action(text="look")) for _ in range(4)]
    assert [step.truncated for step in steps] == [False, False, False, True]
    with pytest.raises(EnvError, match="over"):
        episode.step(Action(text="right"))


@pytest.fixture(scope="module")
def env() -> Iterator[Composed]:
    world = Composed()
    yield world
    world.close()
    assert world.pages.browser.processes() == []


def login(goal: str) -> list[str]:
    user, password = goal.split('"')[1::2]
    return [
        f'fill textbox "Username" with "{user}"',
        f'fill textbox "Password" with "{password}"',
        'click button "Login"',
    ]


@needs_browser
@pytest.mark.parametrize("seed", [0, 1, 7])
def test_real_pages_are_played_one_after_the_other(env: Composed, seed: int) -> None:
    task = env.task("click-dialog_login-user", seed=seed)
    episode = env.open(task)
    with_login = env.pages.open(env.pages.task("login-user", seed=FIRST_SEED + seed))
    login_goal = with_login.task.goal
    with_login.close()
    assert login_goal in episode.task.goal
    if seed < len(goals_by_name().get("click-dialog_login-user", [])):
        assert episode.task.goal == task.goal
    step = episode.step(Action(text='click button "Close"'))
    assert 'textbox "Username"' in step.observation
    assert login_goal not in step.observation
    for line in login(login_goal):
        assert line in (step.admissible or ())
        step = episode.step(Action(text=line))
    assert step.terminated
    assert episode.score().passed
    episode.close()
