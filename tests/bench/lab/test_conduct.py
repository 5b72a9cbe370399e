"""A call of an experiment: in which order cells come, what ends it, and what a death costs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from agent.settings import ModelSettings, Settings
from bench.lab.conduct import DEATHS, Conductor, Limits, common
from bench.lab.plan import Plan, planned
from bench.lab.pool import Here, WorkerDied
from bench.lab.table import Table, packed
from bench.lab.types import ArmSpec, Experiment, Row, same
from bench.lab.worker import Order, Result
from envs.errors import EnvError, InternalError, StoreError
from envs.toy import Toy

Small = Callable[..., Experiment]


class Mortal(Here):
    """A pool of `count` whose workers die of some cells, so many times each."""

    def __init__(self, deaths: dict[str, int] | None = None, *, count: int = 1) -> None:
        super().__init__()
        self.count = count
        self.deaths = deaths or {}
        self.asked: list[str] = []

    def submit(self, order: Order) -> Future[Result]:
        self.asked.append(order.cell.id)
        if self.deaths.get(order.cell.id, 0):
            self.deaths[order.cell.id] -= 1
            gone: Future[Result] = Future()
            gone.set_exception(WorkerDied("a worker process died", repair="free memory"))
            return gone
        return super().submit(order)


@pytest.fixture
def conductor(tmp_path: Path, settings: Settings) -> Iterator[Any]:
    """`with conductor(experiment, pool) as (conductor, plan, table)`; one table for all calls."""

    @contextmanager
    def made(
        experiment: Experiment, pool: Mortal, limits: Limits = Limits(), folder: str = "t"
    ) -> Iterator[tuple[Conductor, Plan, Table]]:
        plan = planned(experiment, {"toy": Toy()})
        with closing(Table(tmp_path / folder)) as table, closing(pool):
            yield (
                Conductor(plan, table, pool, settings=settings, session="s1", limits=limits),
                plan,
                table,
            )

    yield made


def played(rows: list[Row]) -> dict[str, Row]:
    return {row.cell: row for row in rows}


def alike(some: list[Row], others: list[Row]) -> bool:
    one, other = played(some), played(others)
    return one.keys() == other.keys() and all(same(one[cell], other[cell]) for cell in one)


def test_a_cell_whose_worker_died_comes_again_and_nothing_else_does(
    small: Small, conductor: Any
) -> None:
    experiment = small("brought:Learns", learn=4, n=2, checkpoints=(0, 2, 4))
    with conductor(experiment, Mortal(), folder="undisturbed") as (one, _, table):
        one.run()
        expected = table.rows()
    plan = planned(experiment, {"toy": Toy()})
    dying = {plan.streams[0].learn[2].id: 1, plan.streams[0].measure[-1].id: DEATHS - 1}
    pool = Mortal(dict(dying), count=2)
    with conductor(experiment, pool) as (one, _, table):
        done = one.run()
        assert (done.left, done.why) == (0, "all played")
        assert alike(table.rows(), expected)
    assert len(pool.asked) == len(plan.cells) + sum(dying.values())


def test_a_cell_that_kills_worker_after_worker_ends_the_call_and_names_itself(
    small: Small, conductor: Any
) -> None:
    experiment = small("brought:Wanders", "brought:Still", n=6)
    deadly = planned(experiment, {"toy": Toy()}).cells[1].id
    pool = Mortal({deadly: 99}, count=2)
    with conductor(experiment, pool) as (one, _, table):
        with pytest.raises(InternalError, match=f"3 workers died .* 'Wanders' .*{deadly}.*; free"):
            one.run()
        assert pool.asked.count(deadly) == DEATHS
        assert deadly not in table.done()
        kept = len(table.done())
    assert kept > 0
    with conductor(experiment, Mortal()) as (one, _, table):
        assert one.run().played == 12 - kept
        assert len(table.rows()) == 12


@pytest.mark.parametrize(
    ("limits", "why"),
    [
        (Limits(cells=3), "cells"),
        (Limits(seconds=0.0), "seconds"),
        (Limits(tokens=30), "tokens"),
        (Limits(cost=0.02), "cost"),
    ],
)
def test_a_budget_ends_it_says_why_and_the_rest_comes_later(
    small: Small, conductor: Any, limits: Limits, why: str
) -> None:
    experiment = small("brought:Learns", learn=4, n=3)
    with conductor(experiment, Mortal(), limits) as (one, plan, table):
        done = one.run()
        assert (done.why, done.played) == (why, len(table.rows()))
        assert done.left == len(plan.cells) - done.played > 0
        if why in ("tokens", "cost"):  # 15 tokens and a cent for each train task
            assert done.played == 2
    with conductor(experiment, Mortal()) as (one, plan, table):
        assert one.run().why == "all played"
        assert len(table.rows()) == len(plan.cells)


def test_what_was_begun_is_finished_when_a_budget_is_spent(small: Small, conductor: Any) -> None:
    with conductor(small("random", n=8), Mortal(count=3), Limits(cells=4)) as (one, _, table):
        assert one.run().played == 4
        assert len(table.rows()) == 4


def test_arms_keep_level_and_learners_are_measured_when_they_have_learned(
    small: Small, conductor: Any
) -> None:
    experiment = small("brought:Learns", "random", learn=3, n=3, checkpoints=(0, 3))
    pool = Mortal()
    with conductor(experiment, pool) as (one, plan, _):
        one.run()
    cells = {cell.id: cell for cell in plan.cells}
    order = [cells[asked] for asked in pool.asked]
    learned = [number for number, cell in enumerate(order) if cell.phase == "learn"]
    assert [order[number].learned for number in learned] == [0, 1, 2]
    last = [n for n, cell in enumerate(order) if cell.phase == "measure" and cell.learned == 3]
    assert min(last) > max(learned)
    first_two = {(cell.arm, cell.phase) for cell in order[:3]}
    assert first_two == {("Learns", "learn"), ("Learns", "measure"), ("random", "measure")}


def test_an_order_tells_what_the_arm_kept_and_which_runs_it_learned_from(
    small: Small, conductor: Any
) -> None:
    with conductor(small("brought:Learns", learn=3, n=1), Mortal()) as (one, plan, table):
        one.run()
        stream = plan.streams[0]
        asked = one.order(stream.measure[0])
        assert asked.state == table.state("Learns", 0, 3) != packed({})
        assert asked.played == {cell.id: cell.task.key for cell in stream.learn}
        assert one.order(stream.learn[0]).played == {}


def test_a_state_that_is_gone_is_told_and_not_taken_for_an_empty_one(
    small: Small, conductor: Any
) -> None:
    gone = "kept after 2 train tasks is not in the table; move"
    with conductor(small("brought:Learns", learn=2, n=1), Mortal()) as (one, plan, _):
        cell = plan.streams[0].measure[0]
        with pytest.raises(StoreError, match=gone):
            one.order(cell)


def test_an_error_waits_for_what_is_being_played(small: Small, conductor: Any) -> None:
    class Breaks(Mortal):
        def submit(self, order: Order) -> Future[Result]:
            if len(self.asked) == 1:
                self.asked.append(order.cell.id)
                broken: Future[Result] = Future()
                broken.set_exception(EnvError("it broke", repair="mend it"))
                return broken
            return super().submit(order)

    pool = Breaks(count=2)
    with conductor(small("random", n=5), pool) as (one, _, table):
        with pytest.raises(EnvError, match="it broke; mend it"):
            one.run()
        assert table.done() == {pool.asked[0]}
        assert len(pool.asked) == 2


def test_those_who_watch_hear_of_each_row_once(small: Small, conductor: Any) -> None:
    heard: list[tuple[Row | None, int, int]] = []
    with conductor(small("random", n=2), Mortal()) as (one, _, table):
        one.run(lambda row, done, total: heard.append((row, done, total)))
        assert [(done, total) for _, done, total in heard] == [(0, 2), (1, 2), (2, 2)]
        assert [row for row, _, _ in heard if row] == sorted(
            table.rows(), key=lambda row: [r and r.cell for r, _, _ in heard].index(row.cell)
        )


def test_all_arms_have_the_defaults_whatever_the_user_has_set(settings: Settings) -> None:
    mine = settings.model_copy(
        update={
            "judge": True,
            "solver": settings.solver.model_copy(update={"retries": 5}),
            "model": ModelSettings(base_url="http://127.0.0.1:9/v1", api_key="mine"),
        }
    )
    shared = common(mine, ModelSettings(base_url="http://127.0.0.1:9/v1", name="m"))
    assert (shared.judge, shared.solver.retries, shared.model.name) == (False, 0, "m")
    assert shared.model.api_key == "mine"
    other = common(mine, ModelSettings(base_url="http://127.0.0.1:10/v1"))
    assert other.model.api_key == ""


def test_arms_that_are_slow_play_fewer_tasks(small: Small, conductor: Any) -> None:
    slow = ArmSpec(name="slow", kind="random", n=1)
    with conductor(small("random", slow, n=3), Mortal()) as (one, _, table):
        one.run()
        assert sorted(row.arm for row in table.rows()) == ["random"] * 3 + ["slow"]
