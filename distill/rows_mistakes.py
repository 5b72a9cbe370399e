"""Right and wrong ways at a task, each under a mark that says which it is.

The tuning half of "Can LLMs Learn from Previous Mistakes?" (Tong et al. 2024, arXiv 2403.20046;
catalogue row learn-from-mistakes): a model trained on both, told apart by a prefix, does better
than one trained on the right ones alone. The mark stands in the system message, and in the row's
`made`, so that a trainer can check that it is still there. What differs: ways are attempts in an
environment with a verdict, not rationales to questions with a known answer.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from distill.attempts import attempts
from distill.rows import Made, Row, origin_of, quotes
from distill.rows_turns import retold
from memory.types import Trajectory

MARKS: dict[Made, str] = {"correct": "[CORRECT WAY]", "incorrect": "[INCORRECT WAY]"}
"""What the system message says."""


def rows(
    trajectories: Iterable[Trajectory], *, held_out_keys: Collection[str] = ()
) -> Iterator[Row]:
    """A row for each attempt at a train task that was accepted or rejected, each way once.

    Where a run was scored, an accepted last attempt that did not pass is left out: it is neither.
    So are other splits, held-out tasks, and rows in which a recalled lesson stands word for word.
    """
    seen = set[tuple[str, ...]]()
    for run in trajectories:
        if run.split != "train" or run.task_key in held_out_keys:
            continue
        for one in attempts(run):
            made: Made = "correct" if one.verdict.accepted else "incorrect"
            last = one.number == run.attempts - 1
            disputed = last and run.score is not None and run.score.passed != (made == "correct")
            way = (run.task_key, *(step.action for step in one.steps))
            if not one.steps or one.verdict.accepted is None or disputed or way in seen:
                continue
            turns = retold(run, one.steps)
            spoken = [
                {**turn, "weight": 1} if turn["role"] == "assistant" else turn for turn in turns
            ]
            messages = ({"role": "system", "content": MARKS[made]}, *spoken)
            if not quotes(messages, run.steps):
                seen.add(way)
                origin = origin_of(run, steps=len(one.steps), rebuilt=True, made=made)
                yield Row(messages=messages, metadata=origin)
