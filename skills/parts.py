"""What a goal asks for one after the other: its parts, in the order in which they are to be done.

Words of order that any English instruction may have are all that is known here: "and then", "after
that", "finally" go on, "but first" and "before that" go back. What stands in quotation marks is
left alone.
"""

from __future__ import annotations

import re

MOST = 8
"""Parts that are told apart at most."""
_ON = r"and then|then|after that|afterwards|and finally|finally|next"
_BACK = r"but before that|before that|but first|before this"
_ORDER = re.compile(
    rf"(?:(?<=[.!?;])\s+|\s*[,;]\s+|\s+(?=and\b|but\b))(?P<word>(?P<back>{_BACK})|{_ON})\b[:,]?\s+",
    re.IGNORECASE,
)
_QUOTED = re.compile(r'"[^"]*"|“[^”]*”')


def parts_of(goal: str) -> tuple[str, ...]:
    """The parts of a goal, in the order in which they are to be done; one where it has no more.

    >>> parts_of("Open the box. And then: take the key. But before that: close the door.")
    ('Open the box.', 'close the door.', 'take the key.')
    """
    plain = " ".join(goal.split())
    veiled = _QUOTED.sub(lambda found: "\0" * len(found[0]), plain)
    ordered: list[str] = []
    at, begin, back = 0, 0, False
    for found in [*_ORDER.finditer(veiled)][: MOST - 1]:
        at = _placed(ordered, plain[begin : found.start()], at, back=back)
        begin, back = found.end(), found["back"] is not None
    _placed(ordered, plain[begin:], at, back=back)
    return tuple(one for one in ordered if one)


def _placed(ordered: list[str], part: str, at: int, *, back: bool) -> int:
    """Puts a part before or behind the one that was told last; where it stands now."""
    at += 0 if back or not ordered else 1
    ordered.insert(at, part.strip(" ,;"))
    return at
