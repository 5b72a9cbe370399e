"""What is carried in a text game, told by the steps alone.

For any environment whose commands are English: something taken is carried until it is put
somewhere, and where the game itself lists what is carried, that counts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from memory.essence import IDLE
from memory.types import StepRecord

_TAKE = re.compile(r"(?:take|pick up|get|grab|fetch) (?:the )?(.+?)(?: (?:from|off|out of) .+)?")
_PUT = re.compile(
    r"(?:put down|drop|move|put|place|insert|leave|give) (?:the )?(.+?)"
    r"(?: (?:to|in|on|into|onto|in/on|inside|under|at) .+)?"
)
_LISTS = re.compile(r"you are (?:carrying|holding):? (.+?)\.?", re.IGNORECASE | re.DOTALL)
_NOTHING = ("nothing", "not carrying", "no items")
_REFUSED = ("you can't", "you cannot", "can't ", "i don't", "you don't", "that's not", "no such")


def carried(steps: Sequence[StepRecord]) -> str:
    """What is carried after `steps`, as `mug 1, apple 2`; empty: nothing, or not known.

    >>> carried([StepRecord(index=0, action="take mug 1 from desk 1", observation="Taken.")])
    'mug 1'
    """
    held: dict[str, None] = {}
    for step in steps:
        seen = step.observation.strip()
        if seen.startswith(IDLE) or seen.casefold().startswith(_REFUSED):
            continue
        action = step.action.strip().casefold()
        listed = _LISTS.fullmatch(seen)
        if action in ("inventory", "i") and listed:
            told = listed[1].strip()
            known = [] if told.casefold().startswith(_NOTHING) else re.split(r",| and ", told)
            held = {re.sub(r"^(?:an?|the|some) ", "", one.strip()): None for one in known if one}
        elif taken := _TAKE.fullmatch(action):
            held[taken[1]] = None
        elif put := _PUT.fullmatch(action):
            held.pop(put[1], None)
    return ", ".join(held)
