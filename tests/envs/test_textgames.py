"""Text games say the same on the fast path as on the stock path, and survive bad files."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import pytest

from bench.alfworld_speed import fast_digest, first_difference, games
from envs.errors import EnvError
from envs.household import wheel_texts
from envs.houseproblem import game, traj_data
from envs.houses import LEVELS, TASK_TYPES, TaskType, generate
from envs.textgames import PINNED, GameState, TextGame, unpinned, why_stock

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    # The stock path leaves its game files to the garbage collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.skipif(not find_spec("alfworld"), reason='pip install "journeyman[alfworld]"'),
]
DATA = Path(os.environ.get("ALFWORLD_DATA", "no data"))
needs_data = pytest.mark.skipif(
    not (DATA / "json_2.1.1").is_dir(),
    reason="set ALFWORLD_DATA, and run `journeyman envs fetch alfworld`",
)
STOCK = Path(__file__).with_name("stock_path.json")


def house(folder: Path, kind: TaskType = "pick_and_place_simple", seed: int = 3) -> Path:
    made = generate(seed, level=LEVELS["tiny"], task_type=kind)
    domain, grammar = wheel_texts()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "traj_data.json").write_text(json.dumps(traj_data(made)))
    path = folder / "game.tw-pddl"
    path.write_text(json.dumps(game(made, domain=domain, grammar=grammar)))
    return path


def edit(path: Path, part: str, change: Callable[[str], object]) -> None:
    data = json.loads(path.read_text())
    data[part] = change(data[part])
    path.write_text(json.dumps(data))


def _processes() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn"))


@needs_data
@pytest.mark.timeout(900)
def test_twenty_games_of_each_type_say_what_the_stock_path_said() -> None:
    recorded = json.loads(STOCK.read_text())
    assert recorded["versions"] == PINNED
    names = list(recorded["games"])
    assert len(names) == 20 * len(TASK_TYPES) and recorded["steps"] == 50
    with _processes() as pool:
        played = pool.map(partial(fast_digest, data=DATA), names, chunksize=10)
        found = dict(zip(names, played, strict=True))
    assert found == recorded["games"]


@needs_data
@pytest.mark.timeout(900)
def test_a_game_of_each_type_says_what_the_stock_path_says_now() -> None:
    with _processes() as pool:
        names = games(DATA, per_type=1)
        assert list(pool.map(partial(first_difference, data=DATA, steps=15), names)) == [""] * 6


@pytest.mark.parametrize("kind", TASK_TYPES)
def test_generated_houses_say_the_same_on_both_paths(tmp_path: Path, kind: TaskType) -> None:
    path = house(tmp_path, kind)
    plan = json.loads(path.read_text())["walkthrough"]
    seen: list[list[GameState]] = []
    for fast in (True, False):
        text, rng = TextGame(path, fast=fast), random.Random(0)
        states = [text.reset()]
        states += [text.step(command) for command in ("look", "xyzzy", *plan)]
        states += [text.step(rng.choice(states[-1].commands)) for _ in range(10)]
        states.append(text.reset())
        text.close()
        seen.append(states)
    assert seen[0] == seen[1]
    assert seen[0][len(plan) + 2].won and not seen[0][-1].won


def test_the_fast_path_is_taken_with_the_pinned_versions() -> None:
    assert why_stock() == ""


def test_other_versions_take_the_stock_path() -> None:
    assert unpinned(PINNED) == ""
    assert "alfworld 0.5.0 is not 0.4.2" in unpinned({**PINNED, "alfworld": "0.5.0"})


def test_a_library_that_another_game_had_before_tells_nothing_of_it(tmp_path: Path) -> None:
    one, two = house(tmp_path / "1", seed=1), house(tmp_path / "2", "pick_two_obj_and_place")
    first = TextGame(two).reset()
    for _ in range(3):
        game = TextGame(one)
        state = game.reset()
        game.step(state.commands[0])
        game.close()
        game = TextGame(two)
        assert game.reset() == first
        game.close()


def test_two_live_games_are_apart(tmp_path: Path) -> None:
    path = house(tmp_path)
    plan = json.loads(path.read_text())["walkthrough"]
    one, two = TextGame(path), TextGame(path)
    states = [one.reset(), two.reset()]
    for command in plan:
        states = [one.step(command), two.step("look")]
    assert [state.won for state in states] == [True, False]


def test_a_translation_is_kept_and_read_again(tmp_path: Path) -> None:
    path, cache = house(tmp_path), tmp_path / "cache"
    first = TextGame(path, cache=cache).reset()
    (kept,) = cache.glob("*/*")
    time = kept.stat().st_mtime_ns
    assert TextGame(path, cache=cache).reset() == first
    assert kept.stat().st_mtime_ns == time


@pytest.mark.parametrize("damage", [b"", b"nonsense"])
def test_a_damaged_translation_is_made_anew(tmp_path: Path, damage: bytes) -> None:
    path, cache = house(tmp_path), tmp_path / "cache"
    first = TextGame(path, cache=cache).reset()
    (kept,) = cache.glob("*/*")
    kept.write_bytes(damage)
    assert TextGame(path, cache=cache).reset() == first
    assert kept.read_bytes() != damage


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert TextGame(house(tmp_path), cache=tmp_path / "file").reset().commands


def test_the_expert_wins_and_plays_the_same_again(tmp_path: Path) -> None:
    path, runs = house(tmp_path), list[list[str]]()
    for _ in range(2):
        game, played = TextGame(path, expert=True), list[str]()
        state = game.reset()
        while not state.won:
            played.append(state.expert[0])
            state = game.step(played[-1])
            assert len(played) < 50
        random.random()
        runs.append(played)
    assert runs[0] == runs[1]


def test_an_expert_without_its_file_names_it(tmp_path: Path) -> None:
    path = house(tmp_path)
    path.with_name("traj_data.json").unlink()
    with pytest.raises(EnvError, match=r"the expert can't read .*traj_data.json"):
        TextGame(path, expert=True)


def test_an_expert_of_unknown_tasks_is_refused(tmp_path: Path) -> None:
    path = house(tmp_path)
    path.with_name("traj_data.json").write_text('{"task_type": "sing"}')
    with pytest.raises(EnvError, match="no tasks of type 'sing'"):
        TextGame(path, expert=True)


def test_no_file_is_one_line_with_its_repair(tmp_path: Path) -> None:
    with pytest.raises(EnvError, match=r"no game at .*journeyman envs fetch alfworld"):
        TextGame(tmp_path / "game.tw-pddl")


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe\x00", b"[]", b'{"grammar": 1}'])
def test_what_is_no_game_file_is_damaged(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "game.tw-pddl"
    path.write_bytes(content)
    with pytest.raises(EnvError, match=r"is damaged: .*envs fetch alfworld"):
        TextGame(path)


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize("part", ["pddl_domain", "grammar", "pddl_problem"])
@pytest.mark.parametrize("change", ["cut", "empty", "nonsense"])
def test_a_damaged_part_is_an_error_of_the_game(
    tmp_path: Path, part: str, change: str, fast: bool
) -> None:
    path = house(tmp_path)
    changes: dict[str, Callable[[str], object]] = {
        "cut": lambda text: text[: len(text) // 2],
        "empty": lambda text: "",
        "nonsense": lambda text: ") xyzzy (" + text,
    }
    edit(path, part, changes[change])
    argv = list(sys.argv)
    with pytest.raises(EnvError, match="is damaged"):
        TextGame(path, fast=fast).reset()
    assert sys.argv == argv


def test_a_closed_game_cannot_be_played(tmp_path: Path) -> None:
    game = TextGame(house(tmp_path))
    game.reset()
    game.close()
    game.close()
    with pytest.raises(EnvError, match="is closed"):
        game.step("look")
