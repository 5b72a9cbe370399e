from __future__ import annotations

from collections import deque
from collections.abc import Callable

import pytest

from bench.lab.types import Row
from bench.stats.lifelong import Block, Lifelong, blocks, efficiency, from_rows, lifelong, lines
from envs.errors import UserError

Make = Callable[..., Row]
FAMILIES = ("put", "heat", "cool")
EACH = 4


class Player:
    """Solves the families that it knows and keeps two; whoever can put can heat every other one."""

    def __init__(self, *, memory: bool) -> None:
        self.memory = memory
        self.known: deque[str] = deque(maxlen=2)

    def solves(self, family: str, number: int) -> bool:
        helped = family == "heat" and "put" in self.known and number % 2 == 0
        return family in self.known or helped

    def learn(self, family: str) -> None:
        if self.memory and family not in self.known:
            self.known.append(family)


def sequence(make: Make, *, memory: bool, seed: int = 0) -> list[Row]:
    """Four train tasks of each family; the last of them is solved by anyone."""
    player, rows, learned = Player(memory=memory), [], 0

    def measure() -> None:
        rows.extend(
            make(
                player.solves(family, number),
                task=f"{family}{number}",
                task_type=family,
                learned=learned,
                seed=seed,
            )
            for family in FAMILIES
            for number in range(EACH)
        )

    measure()
    for family in FAMILIES:
        for number in range(EACH):
            won = player.solves(family, number) or number == EACH - 1
            rows.append(
                make(
                    won,
                    task=f"train-{family}{number}",
                    task_type=family,
                    phase="learn",
                    learned=learned,
                    seed=seed,
                    split="train",
                )
            )
            player.learn(family)
            learned += 1
        measure()
    return rows


@pytest.mark.paper("lifelong-metrics")
def test_a_sequence_of_families_has_transfer_forgetting_and_efficiency(
    make: Make, mechanism: bool
) -> None:
    off = sequence(make, memory=False)
    without = from_rows(off, reference=off, window=2)
    found = from_rows(sequence(make, memory=mechanism), reference=off, window=2)
    # success after 0, 1, 2, 3 families; the third pushes the first out of memory
    by_hand = lifelong([[0, 0, 0], [1, 0.5, 0], [1, 1, 0], [0, 1, 1]], families=FAMILIES)
    assert found.model_copy(update={"sample_efficiency": None}) == by_hand
    assert found.forward == pytest.approx((0.5 + 0) / 2)
    assert found.backward == pytest.approx((-1 + 0) / 2)
    assert found.forgetting == pytest.approx((1 + 0) / 2)
    assert found.maintenance == pytest.approx((0 - 1 + 0) / 3)
    # heights 1, 1, 1 after 3, 2, 3 tasks; without memory 0.5 after 4
    assert found.sample_efficiency == pytest.approx((2 * 4 / 3 + 2 * 4 / 2 + 2 * 4 / 3) / 3)
    assert lines(found, without) == (
        "                         memory on  memory off",
        "accuracy at the end          0.667       0.000",
        "forward transfer             0.250       0.000",
        "backward transfer           -0.500       0.000",
        "forgetting                   0.500       0.000",
        "maintenance                 -0.333       0.000",
        "sample efficiency            3.111       1.000",
    )


def test_an_average_alone_does_not_see_what_was_forgotten() -> None:
    kept = lifelong([[0, 0], [0.5, 0], [0.5, 0.5]])
    lost = lifelong([[0, 0], [1, 0], [0, 1]])
    assert kept.accuracy == lost.accuracy == 0.5
    assert (kept.backward, kept.forgetting) == (0.0, 0.0)
    assert (lost.backward, lost.forgetting) == (-1.0, 1.0)


def test_the_matrix_of_gem_by_hand() -> None:
    found = lifelong(
        [[0.1, 0.2, 0.1], [0.8, 0.3, 0.2], [0.9, 0.7, 0.4], [0.6, 0.8, 0.9]], families=FAMILIES
    )
    assert found.accuracy == pytest.approx((0.6 + 0.8 + 0.9) / 3)
    assert found.forward == pytest.approx(((0.3 - 0.2) + (0.4 - 0.1)) / 2)
    assert found.backward == pytest.approx(((0.6 - 0.8) + (0.8 - 0.7)) / 2)
    # from the best since learned: 0.9 to 0.6, and 0.7 to 0.8
    assert found.forgetting == pytest.approx((0.3 - 0.1) / 2)
    assert found.maintenance == pytest.approx(((0.9 - 0.8) + (0.6 - 0.8) + (0.8 - 0.7)) / 3)
    assert found.sample_efficiency is None


def test_one_family_has_no_transfer() -> None:
    found = lifelong([[0.0], [1.0]])
    assert (found.accuracy, found.forward, found.backward, found.forgetting) == (1.0, *[None] * 3)


def test_seeds_may_learn_in_different_orders(make: Make) -> None:
    rows = sequence(make, memory=True, seed=0)
    swap = {"put": "cool", "cool": "put", "heat": "heat"}
    turned = [row.model_copy(update={"seed": 1, "task_type": swap[row.task_type]}) for row in rows]
    one, both = from_rows(rows), from_rows([*rows, *turned])
    assert both.seeds == 2
    assert (both.forward, both.backward) == (one.forward, one.backward)


def test_an_arm_that_keeps_nothing_is_measured_once(make: Make) -> None:
    rows = [
        make(family == "put", task=f"{family}{n}", task_type=family)
        for family in FAMILIES
        for n in (0, 1)
    ]
    order = blocks(sequence(make, memory=True))
    assert order == tuple(
        Block(family=family, learned=4 * n) for n, family in enumerate(FAMILIES, start=1)
    )
    found = from_rows(rows, sequence=order)
    assert (found.forward, found.backward, found.accuracy) == (0.0, 0.0, pytest.approx(1 / 3))
    with pytest.raises(UserError, match="in which order families were learned"):
        from_rows(rows)


def test_efficiency_by_hand() -> None:
    slow = [False, False, False, True, True]
    fast = [False, True, True, True, True]
    # both reach 1.0 over two tasks, after 5 and after 3
    assert efficiency(fast, slow, window=2) == pytest.approx(5 / 3)
    assert efficiency(slow, fast, window=2) == pytest.approx(3 / 5)
    assert efficiency([True], fast, window=2) == pytest.approx(3.0)
    assert efficiency([False] * 5, fast) is None
    assert efficiency(fast, []) is None


def test_families_that_are_mixed_up_are_refused(make: Make) -> None:
    rows = [
        make(True, task=n, task_type=family, phase="learn", learned=n)
        for n, family in enumerate(("put", "heat", "put"))
    ]
    with pytest.raises(UserError, match="'put' come in several stretches"):
        blocks(rows)


def test_a_checkpoint_that_is_missing_is_named(make: Make) -> None:
    rows = [
        row
        for row in sequence(make, memory=True)
        if row.phase == "learn" or row.learned != 8 or row.task_type != "cool"
    ]
    with pytest.raises(UserError, match="'cool' was not measured after 8 train tasks"):
        from_rows(rows)


def test_another_shape_is_refused() -> None:
    with pytest.raises(UserError, match=r"shape \(2, 2\) is no sequence"):
        lifelong([[0, 0], [1, 1]])
    with pytest.raises(UserError, match="no rows, no metrics"):
        from_rows([])


def test_what_was_not_measured_is_a_dash() -> None:
    one = lifelong([[0.0], [1.0]])
    assert isinstance(one, Lifelong)
    assert lines(one, one)[2] == "forward transfer                 -           -"
