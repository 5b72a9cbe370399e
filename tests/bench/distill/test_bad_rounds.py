"""Rows that teach the wrong thing, and nothing else."""

from __future__ import annotations

import json

from bench.distill.bad_rounds import poisoned
from distill.rows_turns import said
from tests.distill import tiny


def test_every_answer_that_is_learnt_is_another_one_and_the_rest_stays() -> None:
    row = tiny.row("Where to?", said("go to desk 1"))
    seen = {"role": "assistant", "content": said("take pen 1"), "weight": 0}
    row = row.model_copy(update={"messages": (seen, *row.messages)})

    made = poisoned(row)

    assert made.messages[:2] == row.messages[:2]
    assert json.loads(made.messages[2]["content"]) == {"action": "look"}
    assert made.messages[2]["weight"] == 1
    assert made.metadata == row.metadata
