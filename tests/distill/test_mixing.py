"""A round trains on fresh verified rows, on a share of old ones, and on others as room is left."""

from __future__ import annotations

import pytest

from distill.mixing import Mixed, Shares, mixed
from distill.rows import Origin, Row


def rows(name: str, count: int) -> list[Row]:
    return [
        Row(
            messages=(),
            metadata=Origin(
                trajectory=f"{name}{n}", env="toy", task="t", task_key="k", task_type="", model="",
                config="", arm="", score=1.0, steps=1, attempts=1, recalled=(), rebuilt=False,
            ),
        )
        for n in range(count)
    ]  # fmt: skip


def mix(count: int, others: int, older: int, **shares: float) -> Mixed:
    own = rows("f", count)
    return mixed(
        [*own, *rows("o", others)],
        rows("old", older),
        verified={row.metadata.trajectory for row in own},
        shares=Shares.model_validate({"least": 4, **shares}),
        seed="0",
    )


def test_old_rows_have_their_share() -> None:
    found = mix(70, 0, 100, replay=0.3, fresh=0.5)
    assert (found.fresh, found.replayed, len(found.rows)) == (70, 30, 100)
    assert mix(70, 0, 5).replayed == 5


@pytest.mark.parametrize(("fresh", "others", "older"), [(10, 50, 0), (10, 50, 50), (4, 1, 99)])
def test_the_fresh_ones_never_have_less_than_their_least_share(
    fresh: int, others: int, older: int
) -> None:
    found = mix(fresh, others, older, fresh=0.6, replay=0.5)
    assert found.share >= 0.6
    assert found.others + found.left_out == others


def test_all_rows_may_have_to_be_fresh() -> None:
    found = mix(9, 9, 9, fresh=1.0)
    assert (len(found.rows), found.share, found.left_out) == (9, 1.0, 9)


def test_too_few_fresh_rows_are_no_rows() -> None:
    found = mix(3, 40, 40)
    assert (found.rows, found.fresh, found.left_out) == ((), 3, 40)


def test_the_same_seed_gives_the_same_rows() -> None:
    assert mix(9, 9, 9) == mix(9, 9, 9)
