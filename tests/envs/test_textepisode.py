"""An episode of a text game: what a player sees, what costs a step, when it ends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from envs.errors import EnvError, Refused
from envs.household import wheel_texts
from envs.houseproblem import game, traj_data
from envs.houses import LEVELS, generate
from envs.textepisode import NOTHING, TextEpisode, open_text_episode, understood
from envs.types import Action, Limits, Split, Task
from envs.workers import WorkerPool

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.skipif(not find_spec("alfworld"), reason='pip install "journeyman[alfworld]"'),
]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = generate(3, level=LEVELS["tiny"], task_type="pick_and_place_simple")
    domain, grammar = wheel_texts()
    folder = tmp_path_factory.mktemp("house")
    (folder / "traj_data.json").write_text(json.dumps(traj_data(made)))
    path = folder / "game.tw-pddl"
    path.write_text(json.dumps(game(made, domain=domain, grammar=grammar)))
    return path


@pytest.fixture
def pool() -> Iterator[WorkerPool]:
    pool = WorkerPool(0)
    yield pool
    pool.close()


def task(*, split: Split = "train", limits: Limits | None = None) -> Task:
    return Task(
        id="t", env="test", goal="g", key="k", split=split, limits=limits or Limits(steps=12)
    )


def plan(path: Path) -> list[str]:
    return json.loads(path.read_text())["walkthrough"]


def test_the_first_observation_is_the_room_and_the_goal(path: Path, pool: WorkerPool) -> None:
    first = open_text_episode(task(), path, pool=pool).first
    lines = first.observation.splitlines()
    assert lines[0].startswith("You are in the middle of a room.")
    assert lines[-1].startswith("Your task is to: ")
    assert first.admissible and "look" in first.admissible
    assert not (first.terminated or first.truncated)


def test_the_solution_wins_and_then_it_is_over(path: Path, pool: WorkerPool) -> None:
    episode = open_text_episode(task(), path, pool=pool)
    assert not episode.score().passed
    steps = [episode.step(Action(text=command)) for command in plan(path)]
    assert [step.terminated for step in steps] == [False] * (len(steps) - 1) + [True]
    assert [step.reward for step in steps][-2:] == [0.0, 1.0]
    assert episode.score().passed and episode.score().value == 1.0
    assert not any("won" in step.observation.lower() for step in steps)
    with pytest.raises(EnvError, match="the episode is over"):
        episode.step(Action(text="look"))


@pytest.mark.parametrize("wording", ["put {} in/on {}", "put {} in {}", "put {} on {}"])
def test_put_is_understood_as_move(path: Path, pool: WorkerPool, wording: str) -> None:
    episode = open_text_episode(task(), path, pool=pool)
    *before, last = plan(path)
    for command in before:
        episode.step(Action(text=command))
    what, where = last.removeprefix("move ").split(" to ")
    assert episode.step(Action(text=wording.format(what, where))).terminated


def test_put_is_left_alone_where_it_means_nothing() -> None:
    commands = ("move mug 1 to desk 1", "look")
    assert understood("put mug 2 on desk 1", commands=commands) == "put mug 2 on desk 1"
    assert understood(" put mug 1 on desk 1\n", commands=commands) == "move mug 1 to desk 1"
    assert understood("place mug 1 in/on desk 1", commands=commands) == "move mug 1 to desk 1"


@pytest.mark.timeout(20)
@pytest.mark.parametrize("text", ["", "fly", "\udcff\x00", "x" * 10**6, "put a" + " in a" * 10**5])
def test_nonsense_happens_to_nothing_and_costs_a_step(
    path: Path, pool: WorkerPool, text: str
) -> None:
    episode = open_text_episode(task(limits=Limits(steps=2)), path, pool=pool)
    step = episode.step(Action(text=text))
    assert step.observation == NOTHING and step.admissible == episode.first.admissible
    assert not step.truncated
    assert episode.step(Action(text=text)).truncated


def test_it_is_cut_off_after_its_seconds(path: Path, pool: WorkerPool) -> None:
    times = iter([0.0, 1.0, 9.0, 11.0, 11.0])
    limits = Limits(steps=50, seconds=10)
    episode = TextEpisode(task(limits=limits), game=path, pool=pool, clock=lambda: next(times))
    assert episode.step(Action(text="look")).truncated


def test_the_expert_follows_what_was_done_and_wins(path: Path, pool: WorkerPool) -> None:
    episode = open_text_episode(task(limits=Limits(steps=50)), path, pool=pool)
    for text in ("look", "fly", "go to nowhere", "inventory"):
        episode.step(Action(text=text))
    for _ in range(40):
        (action,) = episode.demonstrate()
        if episode.step(action).terminated:
            break
    assert episode.score().passed


@pytest.mark.parametrize("split", ["val", "test", "seen", "unseen"])
def test_there_is_no_expert_but_on_train(path: Path, pool: WorkerPool, split: Split) -> None:
    episode = open_text_episode(task(split=split), path, pool=pool)
    with pytest.raises(Refused, match=f"no demonstration on {split}"):
        episode.demonstrate()


def test_a_closed_episode_does_nothing_more(path: Path, pool: WorkerPool) -> None:
    episode = open_text_episode(task(), path, pool=pool)
    episode.close()
    episode.close()
    with pytest.raises(EnvError, match="over"):
        episode.step(Action(text="look"))
    with pytest.raises(EnvError, match="closed"):
        episode.demonstrate()
