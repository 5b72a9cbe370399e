"""Keeping a weak solver from going in circles.

A bare model repeats itself (open, close, open ...), and then nothing else can be seen. An action
is withdrawn when it was tried often enough in this attempt: once if nothing happened or it only
looks, else twice, and a third time only while it still showed something new. A place is worth a
second visit only when none is left that was not visited, and then those first where something stood
that the goal names; what can be done with such a thing comes before going on (where the goal is
given, see `agent/overlooked.py`). Moves are counted afresh whenever something was done for the
first time, since places are then worth another visit; opening is part of the search and no such
deed.
The action that takes back the last deed is withdrawn until the next move. When nothing is left,
those that were tried least are offered.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from agent.overlooked import carrying, naming, overlooked
from memory.essence import IDLE, LOOKS, MOVES, OPENS, reverse
from memory.types import StepRecord


def worthwhile(
    choices: Sequence[str], steps: Sequence[StepRecord], *, goal: str = ""
) -> tuple[str, ...]:
    """`choices` without those that go in circles; never empty unless `choices` is."""
    total: Counter[str] = Counter()
    tried: Counter[str] = Counter()
    news: dict[str, bool] = {}
    idle: set[str] = set()
    known: set[str] = set()
    deed = ""
    for step in steps:
        action, happened = step.action, not step.observation.startswith(IDLE)
        looks, moves = action.startswith(LOOKS), action.startswith(MOVES)
        if happened and not looks:
            deed = "" if moves else action
            if not moves and not total[action] and not action.startswith(OPENS):
                tried = Counter({a: n for a, n in tried.items() if not a.startswith(MOVES)})
        total[action] += 1
        tried[action] += 1
        news[action] = step.observation not in known
        known.add(step.observation)
        (idle.discard if happened else idle.add)(action)

    unseen = any(c.startswith(MOVES) and not tried[c] for c in choices)

    def limit(choice: str) -> int:
        if unseen and choice.startswith(MOVES):
            return 1
        return 1 if choice in idle or choice.startswith(LOOKS) else 3 if news.get(choice) else 2

    back = reverse(deed)
    left = tuple(c for c in choices if tried[c] < limit(c) and c != back)
    if left:
        return _noticed(left, steps, goal, tried, unseen=unseen) if goal else left
    doing = [c for c in choices if not c.startswith(LOOKS) and c != back] or list(choices)
    least = min((total[c] for c in doing), default=0)
    return tuple(c for c in doing if total[c] == least)


def _noticed(
    left: tuple[str, ...],
    steps: Sequence[StepRecord],
    goal: str,
    tried: Counter[str],
    *,
    unseen: bool,
) -> tuple[str, ...]:
    """What of `left` has to do with the goal here, or leads to where something of it stood."""
    named = overlooked(goal, steps)
    here = next((s.action for s in reversed(steps) if s.action.startswith(MOVES)), "")
    if fresh := tuple(c for c in naming(left, named.get(here, frozenset())) if not tried[c]):
        return fresh
    if (unseen and carrying(steps)) or not any(c in named for c in left):
        return left
    return tuple(c for c in left if c in named or not c.startswith(MOVES))
