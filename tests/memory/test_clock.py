from __future__ import annotations

import pytest

from envs.errors import Refused
from memory.clock import iso, new_id, seconds_of


def test_times_go_there_and_back() -> None:
    assert iso(0.25) == "1970-01-01T00:00:00.250+00:00"
    assert seconds_of(iso(1234.5)) == 1234.5
    assert seconds_of("1970-01-01T01:00:00") == 3600
    assert seconds_of("1970-01-01T01:00:00+01:00") == 0
    with pytest.raises(Refused, match="valid_to 'later' is no ISO time; write it like"):
        seconds_of("later", field="valid_to")


def test_ids_of_one_millisecond_differ_and_sort() -> None:
    ids = [new_id("C", seconds=5e9) for _ in range(3000)]
    assert ids == sorted(set(ids))
    assert {len(one) for one in ids} == {19}
