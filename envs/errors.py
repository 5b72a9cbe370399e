"""What can go wrong, sorted by whose fault it is. Each is one line that ends with its repair.

JourneymanError
├── UserError            the caller asked for something that cannot be (exit code 2)
│   ├── UnknownName      no such environment, task, lesson, model ... (names what exists)
│   ├── Missing          a package, a model file or a data set is not installed
│   └── Refused          understood, and not allowed (a guard, a split, a key)
├── EnvError             an environment broke: damaged game, dead worker
├── ModelError           a model did not answer, stopped half way, or answered nonsense
├── StoreError           the ledger or the index could not be read or written
└── InternalError        our own mistake, caught at a boundary
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any


class JourneymanError(Exception):
    """Base of all errors that Journeyman raises on purpose.

    `message` says what happened, `repair` what to do about it; `str()` joins the two on one line.
    """

    exit_code = 1

    def __init__(self, message: str, *, repair: str = "") -> None:
        self.message = one_line(message)
        self.repair = one_line(repair)
        super().__init__(f"{self.message}; {self.repair}" if self.repair else self.message)

    def __reduce__(self) -> tuple[Any, ...]:
        """Travels between processes whatever its constructor asks for."""
        return _sent, (type(self), self.message, self.repair)


def _sent(kind: type[JourneymanError], message: str, repair: str) -> JourneymanError:
    error = kind.__new__(kind)
    JourneymanError.__init__(error, message, repair=repair)
    return error


class UserError(JourneymanError):
    """The caller's mistake."""

    exit_code = 2


class UnknownName(UserError):
    """A name that does not exist; the message lists near ones, or the first of all of them."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = sorted(set(known))
        near = get_close_matches(name, names, n=3) or names[:12]
        more = len(names) - len(near) if len(near) > 3 else 0
        choices = ", ".join(near) if near else "none exist yet"
        choices += f" and {more} more" if more else ""
        super().__init__(f"no {kind} named {clip(name)!r}", repair=f"choose from: {choices}")


class Missing(UserError):
    """Something has to be installed or fetched first."""


class Refused(UserError):
    """Understood, and not allowed."""


class EnvError(JourneymanError):
    """An environment broke."""


class ModelError(JourneymanError):
    """A model did not answer, or not in a way that can be used."""


class Unusable(ModelError):
    """A model answered, and twice not in the form that was asked for."""


class StoreError(JourneymanError):
    """The ledger or the index could not be read or written."""


class InternalError(JourneymanError):
    """A fault of Journeyman itself."""


def one_line(text: str) -> str:
    """`text` with all whitespace runs turned into single blanks."""
    return " ".join(text.split())


def clip(text: str, *, most: int = 80) -> str:
    """`text`, cut to `most` characters with an ellipsis."""
    return text if len(text) <= most else text[: most - 1] + "…"


@contextmanager
def boundary(doing: str) -> Iterator[None]:
    """The only place that catches everything: what is not ours becomes an `InternalError`.

    >>> with boundary("adding up"):
    ...     pass
    """
    try:
        yield
    except JourneymanError:
        raise
    except Exception as error:
        raise InternalError(
            f"{doing} failed: {type(error).__name__}: {clip(one_line(str(error)), most=300)}",
            repair="run `journeyman doctor`, and report this line if it finds nothing",
        ) from error
