"""Workers play apart, are recycled, and end with their games, their pool and their parent."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest

from envs.errors import EnvError, UserError
from envs.household import wheel_texts
from envs.houseproblem import game, traj_data
from envs.houses import LEVELS, generate
from envs.workers import WorkerPool

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.skipif(not find_spec("alfworld"), reason='pip install "journeyman[alfworld]"'),
]
PARENT = """
import sys, time
from pathlib import Path
from envs.workers import WorkerPool
pool = WorkerPool(2)
games = [pool.open(Path(sys.argv[1])) for _ in range(2)]
print(*pool.pids(), flush=True)
{after}
"""


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
def two() -> Iterator[WorkerPool]:
    pool = WorkerPool(2)
    yield pool
    pool.close()


def gone(pids: list[int], *, within: float) -> bool:
    """Whether the processes end in time."""
    until = time.monotonic() + within
    while time.monotonic() < until:
        if not any(psutil.pid_exists(p) and not dead(p) for p in pids):
            return True
        time.sleep(0.05)
    return False


def dead(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_a_game_says_the_same_here_and_in_a_worker(path: Path, two: WorkerPool) -> None:
    here = WorkerPool(0)
    games = [here.open(path), two.open(path)]
    assert games[0].state == games[1].state
    plan = json.loads(path.read_text())["walkthrough"]
    for command in plan:
        states = [game.step(command) for game in games]
        assert states[0] == states[1]
    assert games[0].state.won
    assert here.pids() == ()


def test_games_go_to_the_worker_with_the_fewest(path: Path, two: WorkerPool) -> None:
    assert two.pids() == ()
    games = [two.open(path) for _ in range(4)]
    assert len(two.pids()) == 2
    plan = json.loads(path.read_text())["walkthrough"]
    for command in plan:
        games[0].step(command)
    assert [game.state.won for game in games] == [True, False, False, False]


def test_games_in_different_workers_run_at_the_same_time(path: Path, two: WorkerPool) -> None:
    stuck, free = two.open(path), two.open(path)
    os.kill(two.pids()[0], signal.SIGSTOP)
    with ThreadPoolExecutor() as threads:
        waiting = threads.submit(stuck.step, "look")
        assert free.step("look").feedback
        assert not waiting.done()
        os.kill(two.pids()[0], signal.SIGCONT)
        assert waiting.result(timeout=30).feedback == free.state.feedback


def test_many_threads_may_share_a_pool(path: Path, two: WorkerPool) -> None:
    plan = json.loads(path.read_text())["walkthrough"]

    def play(_: int) -> bool:
        game = two.open(path)
        for command in plan:
            game.step(command)
        game.close()
        return game.state.won

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(play, range(24)))


def test_a_worker_is_recycled_when_its_games_are_over(path: Path) -> None:
    pool = WorkerPool(1, recycle_after=2)
    first, second = pool.open(path), pool.open(path)
    (old,) = pool.pids()
    third = pool.open(path)
    assert len(pool.pids()) == 2
    first.close()
    assert old in pool.pids()
    assert second.step("look").feedback
    second.close()
    second.close()
    assert old not in pool.pids() and gone([old], within=5)
    assert third.step("look").feedback
    pool.close()


def test_a_dead_worker_takes_its_games_and_no_others(path: Path, two: WorkerPool) -> None:
    lost, kept = two.open(path), two.open(path)
    victim = two.pids()[0]
    os.kill(victim, signal.SIGKILL)
    with pytest.raises(EnvError, match=r"a worker process has ended, code -9; run the task again"):
        lost.step("look")
    with pytest.raises(EnvError, match="a worker process has ended"):
        lost.step("look")
    assert kept.step("look").feedback
    lost.close()
    fresh = two.open(path)
    assert fresh.step("look").feedback
    assert victim not in two.pids() and len(two.pids()) == 2


def test_a_worker_that_does_not_answer_is_given_up(path: Path) -> None:
    pool = WorkerPool(1, patience_s=20)
    pool.open(path).close()
    pool.close()
    hasty = WorkerPool(1, patience_s=0.001)
    with pytest.raises(EnvError, match=r"did not answer for 0\.001 s"):
        hasty.open(path)
    hasty.close()


def test_errors_of_a_game_come_through_a_worker(tmp_path: Path, two: WorkerPool) -> None:
    with pytest.raises(EnvError, match="no game at") as caught:
        two.open(tmp_path / "game.tw-pddl")
    assert caught.value.repair == "run `journeyman envs fetch alfworld` again"


def test_broken_text_and_a_megabyte_reach_a_game(path: Path, two: WorkerPool) -> None:
    game = two.open(path)
    for command in ("\udcff\x00", "x" * 1_000_000):
        assert game.step(command).feedback == "Nothing happens."


def test_a_closed_pool_has_no_processes_and_opens_nothing(path: Path) -> None:
    pool = WorkerPool(1)
    game = pool.open(path)
    pids = list(pool.pids())
    pool.close()
    pool.close()
    game.close()
    assert gone(pids, within=5)
    with pytest.raises(EnvError, match="pool of workers is closed"):
        pool.open(path)


def test_wrong_numbers_are_refused() -> None:
    with pytest.raises(UserError, match="workers are 0 or more"):
        WorkerPool(-1)


@pytest.mark.parametrize("after", ["", "time.sleep(60)", "raise ValueError('oops')"])
def test_workers_end_with_their_parent_however_it_ends(path: Path, after: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT.format(after=after), str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as parent:
        assert parent.stdout
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        assert len(pids) == 2
        if "sleep" in after:
            parent.send_signal(signal.SIGKILL)
        parent.wait(timeout=30)
    assert gone(pids, within=5)
