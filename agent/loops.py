"""Keeping a weak solver from going in circles.

A bare model repeats itself (open, close, open ...), and then nothing else can be seen. An action
is withdrawn when it was tried often enough in this attempt: once if nothing happened or it only
looks, else twice, and a third time only while it still showed something new. A place is worth a
second visit only when none is left that was not visited. Moves are counted afresh whenever
something was done for the first time, since places are then worth another visit; opening is part
of the search and no such deed.
The action that takes back the last deed is withdrawn until the next move. When nothing is left,
those that were tried least are offered.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from memory.essence import IDLE, LOOKS, MOVES, OPENS, reverse
from memory.types import StepRecord


def worthwhile(choices: Sequence[str], steps: Sequence[StepRecord]) -> tuple[str, ...]:
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
        return left
    doing = [c for c in choices if not c.startswith(LOOKS) and c != back] or list(choices)
    least = min((total[c] for c in doing), default=0)
    return tuple(c for c in doing if total[c] == least)
