"""ALFWorld's games are tasks: splits by room, goals without starting a game, damage survived."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from envs.alfworld import ELSEWHERE, ROOMS, Alfworld, split_of
from envs.check import check
from envs.errors import EnvError, Missing, UnknownName
from envs.household import wheel_texts
from envs.houseproblem import game, traj_data
from envs.houses import LEVELS, TASK_TYPES, generate
from envs.types import SPLITS, Action, Split

needs_packages = pytest.mark.skipif(
    not find_spec("alfworld"), reason='pip install "journeyman[alfworld]"'
)
pytestmark = [pytest.mark.filterwarnings("ignore::DeprecationWarning"), needs_packages]
DATA = Path(os.environ.get("ALFWORLD_DATA", "no data"))
needs_data = pytest.mark.skipif(
    not (DATA / "json_2.1.1").is_dir(),
    reason="set ALFWORLD_DATA, and run `journeyman envs fetch alfworld`",
)
LEARNED: tuple[Split, ...] = ("train", "val", "test")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Three games that stand for ALFWorld's."""
    domain, grammar = wheel_texts()
    for number, (official, room) in enumerate(
        (("train", 302), ("train", 310), ("valid_seen", 302))
    ):
        made = generate(number, level=LEVELS["tiny"], task_type="pick_and_place_simple")
        name = f"pick_and_place_simple-Mug-None-Desk-{room}"
        folder = tmp_path / "data" / "json_2.1.1" / official / name / f"trial_{number}"
        folder.mkdir(parents=True)
        (folder / "traj_data.json").write_text(json.dumps(traj_data(made)))
        path = folder / "game.tw-pddl"
        path.write_text(json.dumps(game(made, domain=domain, grammar=grammar)))
    return tmp_path / "data"


@pytest.fixture
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alfworld]:
    env = Alfworld(DATA, workers=2, cache=tmp_path_factory.getbasetemp() / "alfworld")
    yield env
    env.close()


def first_file(data: Path) -> Path:
    return min(data.glob("json_2.1.1/train/*/*/game.tw-pddl"))


def edit(path: Path, change: Callable[[dict[str, object]], object]) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_rooms_are_split_by_kind_and_never_change() -> None:
    for first in ROOMS.values():
        rooms = [room for room in range(first, first + 30) if room not in ELSEWHERE]
        assert Counter(map(split_of, rooms)) == {"train": 21, "val": 3, "test": 3}
    assert [room for room in range(1, 31) if split_of(room) == "test"] == [6, 14, 27]


def test_tasks_are_listed_with_goal_key_and_tags(data: Path) -> None:
    env = Alfworld(data, workers=0, steps=7)
    (task,) = env.tasks("train")
    assert task.id == "pick_and_place_simple-Mug-None-Desk-302/trial_0"
    assert task.key == "pick_and_place_simple mug desk | room 302"
    assert task.tags == ("pick_and_place_simple", "room:302")
    assert task.limits.steps == 7
    assert [len(env.tasks(split)) for split in SPLITS] == [1, 0, 1, 1, 0]
    episode = env.open(task)
    assert episode.first.observation.endswith(f"Your task is to: {task.goal}")


def test_the_folder_of_the_games_will_do_too(data: Path) -> None:
    assert Alfworld(data / "json_2.1.1", workers=0).tasks("seen")


def test_it_keeps_the_rules_of_the_seam(data: Path) -> None:
    env = Alfworld(data, workers=1)
    assert [one for one in check(env) if not one.holds] == []
    env.close()


def test_the_list_is_kept_and_made_anew_when_a_game_changes(data: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    before = Alfworld(data, workers=0, cache=cache).tasks("train")
    (index,) = cache.glob("*.json")
    kept = index.stat().st_mtime_ns
    assert Alfworld(data, workers=0, cache=cache).tasks("train") == before
    assert index.stat().st_mtime_ns == kept
    edit(first_file(data), lambda content: content.update(solvable=False))
    assert len(Alfworld(data, workers=0, cache=cache).tasks("train")) == 0
    index.write_text("nonsense")
    assert len(Alfworld(data, workers=0, cache=cache).tasks("seen")) == 1


def test_a_damaged_game_is_left_out_of_the_list_with_a_warning(
    data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first_file(data).write_text("{")
    assert len(Alfworld(data, workers=0).tasks("train")) == 0
    assert "1 damaged games left out, the first is" in caplog.text


def test_a_game_that_was_damaged_later_is_one_line(data: Path) -> None:
    env = Alfworld(data, workers=0)
    (task,) = env.tasks("train")
    edit(first_file(data), lambda content: content.update(pddl_problem="(define"))
    with pytest.raises(EnvError, match=r"is damaged: .*envs fetch alfworld"):
        env.open(task)


def test_no_data_names_the_command_that_gets_it(tmp_path: Path) -> None:
    with pytest.raises(Missing, match=r"no ALFWorld games in .*; run `journeyman envs fetch alf"):
        Alfworld(tmp_path, workers=0).tasks("train")


def test_an_unknown_task_is_named_with_near_ones(data: Path) -> None:
    env = Alfworld(data, workers=0)
    (task,) = env.tasks("train")
    with pytest.raises(
        UnknownName, match=r"no alfworld task named 'pick_up.*choose from: pick_and"
    ):
        env.open(task.model_copy(update={"id": "pick_up"}))


@needs_data
def test_all_official_games_are_there_and_rooms_are_apart(real: Alfworld) -> None:
    tasks = {split: real.tasks(split) for split in SPLITS}
    assert sum(len(tasks[split]) for split in LEARNED) == 3553
    assert len(tasks["seen"]) == 140
    assert len({task.key for split in LEARNED for task in tasks[split]}) == 1465
    rooms = [{task.tags[1] for task in tasks[split]} for split in LEARNED]
    assert [len(each) for each in rooms] == [84, 12, 12]
    assert not (rooms[0] & rooms[1] or rooms[0] & rooms[2] or rooms[1] & rooms[2])
    for split in (*LEARNED, "seen"):
        assert {task.tags[0] for task in tasks[split]} == set(TASK_TYPES)
        assert len({task.tags[0] for task in tasks[split][:12]}) >= 4


@needs_data
def test_goals_are_those_that_the_games_show(real: Alfworld) -> None:
    for split in (*LEARNED, "seen"):
        for task in real.tasks(split)[:6]:
            episode = real.open(task)
            assert episode.first.observation.endswith(f"\nYour task is to: {task.goal}")
            episode.close()


@needs_data
def test_the_stored_solution_of_a_real_game_wins(real: Alfworld) -> None:
    task = real.tasks("val")[0]
    path = DATA / "json_2.1.1" / "train" / task.id / "game.tw-pddl"
    episode = real.open(task)
    for command in json.loads(path.read_text())["walkthrough"]:
        episode.step(Action(text=command))
    assert episode.score().passed
    episode.close()
