"""Rows that teach a handbook's behaviours: solved runs that had them before their eyes.

Didolkar et al. 2025, Metacognitive Reuse, arXiv 2509.13237 (row `metacognitive-reuse`): a teacher
works with behaviours in its context, and a student is trained on what it did, without them, so
that they become its own (behaviour-conditioned SFT). With `show` they stand in the system message
instead, for a student that will be given them too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any

from distill.rows import Row, rows
from memory.text import without_marks
from memory.types import Trajectory

HANDBOOK = "Behaviours that may be used by name:"


def behaviour_rows(
    trajectories: Iterable[Trajectory],
    behaviours: Collection[str],
    *,
    show: bool = False,
    held_out_keys: Collection[str] = (),
) -> Iterator[Row]:
    """Rows (see `distill.rows.rows`) of runs in which one of `behaviours` (lesson ids) was shown.

    Lineage stays: `metadata.recalled` names what was shown. `held_out_keys` hold back runs that
    recalled what goes back to such a task, too.
    """
    wanted, held = frozenset(behaviours), frozenset(held_out_keys)
    for trajectory in trajectories:
        shown = {
            item.lesson: item
            for step in trajectory.steps
            for item in step.recalled
            if item.lesson in wanted
        }
        keys = {key for item in shown.values() for key in item.source.task_keys}
        if not shown or keys & held:
            continue
        for row in rows([trajectory], held_out_keys=held):
            if not show:
                yield row
                continue
            listed = [f"- {without_marks(shown[id_].text)}" for id_ in sorted(shown)]
            yield row.model_copy(
                update={"messages": _told(row.messages, "\n".join([HANDBOOK, *listed]))}
            )


def _told(messages: tuple[dict[str, Any], ...], handbook: str) -> tuple[dict[str, Any], ...]:
    if messages and messages[0].get("role") == "system":
        first = {**messages[0], "content": f"{messages[0]['content']}\n\n{handbook}"}
        return (first, *messages[1:])
    return ({"role": "system", "content": handbook}, *messages)
