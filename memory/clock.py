"""Times and ids: ISO times in UTC, ids that sort by the time they were made."""

from __future__ import annotations

import secrets
import threading
from datetime import UTC, datetime

from envs.errors import Refused

_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"
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


def new_id(prefix: str, *, seconds: float) -> str:
    """`prefix`, then 18 characters: 10 of milliseconds, 2 that count within one, 6 by chance.

    Made on the pattern of UUID version 7 (RFC 9562), in Crockford's base 32: ids of one process
    sort in the order they were made, those of several by the millisecond.
    """
    global _last
    with _lock:
        now = int(seconds * 1000)
        before, count = _last
        stamp, count = (now, 0) if now > before else (before, count + 1)
        if count >= 1 << 10:
            stamp, count = stamp + 1, 0
        _last = (stamp, count)
    return f"{prefix}{_digits(stamp, 10)}{_digits(count, 2)}{_digits(secrets.randbits(30), 6)}"


def _digits(number: int, width: int) -> str:
    return "".join(_DIGITS[(number >> (5 * place)) & 31] for place in reversed(range(width)))
