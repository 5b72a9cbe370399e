import os
from pathlib import Path

import pytest

from bench.memory.episodes import build, carried, parts
from envs.errors import Missing


def test_no_room_is_in_two_parts_and_each_kind_is_cut_alike() -> None:
    rooms = [*range(1, 21), *range(201, 221)]
    found = parts(rooms)
    assert set(found) == set(rooms)
    for hundred in (0, 2):
        some = [part for room, part in found.items() if room // 100 == hundred]
        assert (some.count("past"), some.count("dev"), some.count("held")) == (12, 4, 4)
    assert parts(rooms[::-1]) == found


def test_what_is_carried_is_what_was_taken_last_and_not_put_down() -> None:
    taken = ["go to desk 1", "take pen 2 from desk 1"]
    assert carried(taken) == "pen 2"
    assert carried([*taken, "move pen 2 to drawer 1"]) == ""


def test_without_games_it_says_what_fetches_them(tmp_path: Path) -> None:
    with pytest.raises(Missing, match="journeyman envs fetch alfworld"):
        build(tmp_path, cache=tmp_path / "cache")


@pytest.mark.skipif(
    not os.environ.get("ALFWORLD_DATA"),
    reason="ALFWORLD_DATA is not set: run `journeyman envs fetch alfworld`",
)
@pytest.mark.timeout(240)
def test_real_games_give_the_same_set_without_leaks(tmp_path: Path) -> None:
    data = Path(os.environ["ALFWORLD_DATA"])
    one = build(data, cache=tmp_path, games=2)
    assert build(data, cache=tmp_path, games=2).digest() == one.digest()
    halves = (one.past, one.dev, one.held)
    rooms = [{item.facts.room for item in half} for half in halves]
    keys = [{item.key for item in half} for half in halves]
    for first, second in ((0, 1), (0, 2), (1, 2)):
        assert not rooms[first] & rooms[second]
        assert not keys[first] & keys[second]
    assert all(moment.observation for moment in (*one.dev, *one.held))
    assert any(one.grades(moment) for moment in one.held)
