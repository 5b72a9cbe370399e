"""Times and ids: ISO times in UTC, ids that sort by the time they were made."""

from __future__ import annotations

import secrets
import threading
from bisect import bisect_right
from collections.abc import Sequence
from datetime import UTC, datetime

from envs.errors import Refused

_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"
WIDTH = 18
"""Characters of an id behind its prefix."""
LATEST = 253_402_300_800_000
"""The year 10000 in milliseconds: an id that claims to be later is not followed."""
_last = (0, 0)
_lock = threading.Lock()


def iso(seconds: float) -> str:
    """Seconds since 1970 as an ISO time in UTC with milliseconds; such strings sort by time."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def seconds_of(text: str, *, field: str = "time") -> float:
    """The inverse of `iso`; a time without a zone is UTC. Raises `Refused` for anything else."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Refused(
            f"{field} {text!r} is no ISO time", repair="write it like 2026-01-31T12:00:00+00:00"
        ) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def new_id(prefix: str, *, seconds: float, after: str = "") -> str:
    """`prefix`, then 18 characters: 10 of milliseconds, 2 that count within one, 6 by chance.

    Made on the pattern of UUID version 7 (RFC 9562), in Crockford's base 32: ids of one process
    sort in the order they were made, those of several by the millisecond. It sorts behind `after`
    too, an id with the same prefix, also where the clock has gone back since.
    """
    global _last
    with _lock:
        now = int(seconds * 1000)
        before, count = max(_last, _moment(after.removeprefix(prefix)))
        stamp, count = (now, 0) if now > before else (before, count + 1)
        if count >= 1 << 10:
            stamp, count = stamp + 1, 0
        _last = (stamp, count)
    return f"{prefix}{_digits(stamp, 10)}{_digits(count, 2)}{_digits(secrets.randbits(30), 6)}"


def steady(times: Sequence[str]) -> list[str]:
    """ISO times in the order in which they were noted, so that none goes back.

    As few as can be are taken for those of a wrong clock (all but a longest rising sequence);
    they get the time of the next that is right, the last ones that of the one before.
    """
    ends: list[str] = []
    at: list[int] = []
    earlier: list[int] = []
    for place, text in enumerate(times):
        length = bisect_right(ends, text)
        earlier.append(at[length - 1] if length else -1)
        ends[length : length + 1], at[length : length + 1] = [text], [place]
    right = set()
    place = at[-1] if at else -1
    while place >= 0:
        right.add(place)
        place = earlier[place]
    found, known = list(times), ends[-1] if ends else ""
    for place in reversed(range(len(found))):
        known = found[place] = found[place] if place in right else known
    return found


def _moment(digits: str) -> tuple[int, int]:
    """Millisecond and count of an id without its prefix; zeros where it is no such id."""
    if len(digits) != WIDTH or not set(digits) <= set(_DIGITS):
        return (0, 0)
    stamp, count = _number(digits[:10]), _number(digits[10:12])
    return (stamp, count) if stamp < LATEST else (0, 0)


def _number(digits: str) -> int:
    number = 0
    for digit in digits:
        number = number * 32 + _DIGITS.index(digit)
    return number


def _digits(number: int, width: int) -> str:
    return "".join(_DIGITS[(number >> (5 * place)) & 31] for place in reversed(range(width)))
