"""Generated households are an environment whose splits share nothing and whose games can be won."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from envs.check import check
from envs.errors import UnknownName, UserError
from envs.household import MADE, Household, split_of
from envs.houseproblem import walkthrough
from envs.houses import LEVELS, TASK_TYPES, TaskType, generate
from envs.types import Action, Demonstrates, Task
from envs.workers import WorkerPool

needs_alfworld = pytest.mark.skipif(
    not find_spec("alfworld"), reason='pip install "journeyman[alfworld]"'
)
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def pool() -> Iterator[WorkerPool]:
    workers = WorkerPool(1)
    yield workers
    workers.close()


def _household(cache: Path, *, pool: WorkerPool | None = None, level: str = "tiny") -> Household:
    return Household(cache, level=level, per_split=24, pool=pool or WorkerPool(0))


@pytest.mark.parametrize("level", LEVELS)
def test_splits_share_no_seed_no_layout_and_no_key(tmp_path: Path, level: str) -> None:
    env = Household(tmp_path, level=level, per_split=120, pool=WorkerPool(0))
    seeds, layouts, keys = (
        [{of(task) for task in env.tasks(split)} for split in MADE]
        for of in (
            lambda task: task.seed,
            lambda task: env.house(task).layout(),
            lambda task: task.key,
        )
    )
    for kind in (seeds, layouts, keys):
        assert not (kind[0] & kind[1] or kind[0] & kind[2] or kind[1] & kind[2])
    assert all(len(found) == 120 for found in (*seeds, *keys))


def test_a_layout_names_its_split_whatever_the_task() -> None:
    for seed in range(30):
        house = generate(seed, level=LEVELS["tiny"], task_type="pick_and_place_simple")
        other = house.errand.model_copy(update={"goal": "something else"})
        assert split_of(house.model_copy(update={"errand": other, "seed": 9})) == split_of(house)


def test_listing_starts_nothing_and_writes_nothing(tmp_path: Path) -> None:
    pool = WorkerPool(1)
    env = _household(tmp_path, pool=pool, level="real")
    assert [len(env.tasks(split)) for split in (*MADE, "seen", "unseen")] == [24, 24, 24, 0, 0]
    assert not list(tmp_path.iterdir())
    assert pool.pids() == ()
    pool.close()


def test_types_of_task_take_turns_and_more_tasks_come_at_the_end(tmp_path: Path) -> None:
    few, many = (
        Household(tmp_path, level="small", per_split=n, pool=WorkerPool(0)).tasks("val")
        for n in (20, 60)
    )
    assert many[:20] == few
    assert [task.tags[0] for task in few] == [TASK_TYPES[n % 6] for n in range(20)]
    assert {task.tags[1] for task in few} == {"level:small"}


def test_steps_come_from_the_level_or_the_caller(tmp_path: Path) -> None:
    pool = WorkerPool(0)
    assert _household(tmp_path).tasks("train")[0].limits.steps == LEVELS["tiny"].steps
    other = Household(tmp_path, level="tiny", per_split=1, steps=7, pool=pool)
    assert other.tasks("train")[0].limits.steps == 7


def test_an_unknown_level_names_those_that_exist(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="medium, nook, real, small, tiny"):
        Household(tmp_path, level="xyz")


@pytest.mark.parametrize(
    "name",
    [
        "",
        "tiny/train",
        "real/train/pick_and_place_simple/6",
        "tiny/train/pick_and_place_simple/-1",
        "tiny/train/pick_and_place_simple/06",
        "tiny/train/pick_and_place_simple/" + "9" * 5000,
        "tiny/train/pick_and_throw/6",
        "tiny/../../etc/6",
    ],
)
def test_a_task_of_elsewhere_is_refused_by_name(tmp_path: Path, name: str) -> None:
    env = _household(tmp_path)
    task = env.tasks("train")[0].model_copy(update={"id": name})
    with pytest.raises(UnknownName, match="no household:tiny task"):
        env.open(task)


def test_a_house_can_not_be_passed_off_as_one_of_another_split(tmp_path: Path) -> None:
    env = _household(tmp_path)
    task = env.tasks("test")[0]
    for change in ({"split": "train"}, {"id": task.id.replace("test", "train")}):
        with pytest.raises(UnknownName):
            env.open(task.model_copy(update=change))


@needs_alfworld
def test_it_keeps_the_rules_of_environments(tmp_path: Path, pool: WorkerPool) -> None:
    env = Household(tmp_path, level="tiny", per_split=6, pool=pool)
    assert [finding for finding in check(env, most=1) if not finding.holds] == []


@needs_alfworld
def test_what_is_listed_is_what_the_player_reads(tmp_path: Path, pool: WorkerPool) -> None:
    env = _household(tmp_path, pool=pool)
    for task in env.tasks("val")[:6]:
        episode = env.open(task)
        assert episode.first.observation.splitlines()[-1] == f"Your task is to: {task.goal}"
        episode.close()


@needs_alfworld
@pytest.mark.parametrize("kind", TASK_TYPES)
@pytest.mark.parametrize("level", LEVELS)
def test_the_walkthrough_wins(tmp_path: Path, pool: WorkerPool, level: str, kind: TaskType) -> None:
    env = _household(tmp_path, pool=pool, level=level)
    tasks = [task for task in env.tasks("train") if task.tags[0] == kind]
    for task in tasks[:2]:
        episode = env.open(task)
        step = episode.first
        for line in walkthrough(env.house(task)):
            assert not step.terminated
            assert line in (step.admissible or ())
            step = episode.step(Action(text=line))
        episode.close()
        assert step.terminated


@needs_alfworld
@pytest.mark.parametrize("kind", TASK_TYPES[:5])
def test_the_expert_wins(tmp_path: Path, pool: WorkerPool, kind: TaskType) -> None:
    env = _household(tmp_path, pool=pool, level="small")
    task = next(task for task in env.tasks("train") if task.tags[0] == kind)
    episode = env.open(task)
    assert isinstance(episode, Demonstrates)
    step = episode.first
    while not (step.terminated or step.truncated):
        step = episode.step(episode.demonstrate()[0])
    episode.close()
    assert step.terminated


@needs_alfworld
@pytest.mark.parametrize("damage", [b"", b"{", b"\xff\x00"])
def test_a_damaged_game_file_is_written_again(
    tmp_path: Path, pool: WorkerPool, damage: bytes
) -> None:
    env = _household(tmp_path, pool=pool)
    task = env.tasks("train")[0]
    env.open(task).close()
    path = next(tmp_path.rglob("game.tw-pddl"))
    whole = path.read_bytes()
    path.write_bytes(damage)
    env.open(task).close()
    assert path.read_bytes() == whole
    assert json.loads(whole)["walkthrough"] == list(walkthrough(env.house(task)))
    assert {file.name for file in path.parent.iterdir()} == {"game.tw-pddl", "traj_data.json"}


@needs_alfworld
def test_a_cache_that_can_not_be_written_is_one_line_with_its_repair(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    env = _household(blocked)
    with pytest.raises(UserError, match=r"can't be written .*; set JOURNEYMAN_HOME"):
        env.open(env.tasks("train")[0])


@needs_alfworld
def test_a_pool_that_was_passed_in_stays_open(tmp_path: Path) -> None:
    pool = WorkerPool(0)
    env = _household(tmp_path, pool=pool)
    task: Task = env.tasks("train")[0]
    env.close()
    env.close()
    env.open(task).close()
    pool.close()
