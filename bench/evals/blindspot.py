"""Whether a model overlooks in its own message an error that it corrects in somebody else's.

After "Self-Correction Bench" (Tsui 2025, arXiv 2507.02778; catalogue row self-correction-bench):
the same wrong worked answer stands once in the user's message as somebody's, and once as the
model's own message before; then the answer is asked for in the same words. The blind spot is
1 - own rate / others' rate. Levels are steps of working: one, two, three and more.

What differs: the paper lets the model go on in the middle of its own message, which servers with
an OpenAI-compatible API do differently or not at all; here its message has ended and it is asked
again. "Wait" is appended to that message.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import sqrt

from pydantic import computed_field

from agent.models.types import Message, Model
from bench.evals.items import ASKED, LEVELS, Item, answered, items, right
from envs.types import Frozen
from memory.intervals import wilson
from memory.types import Usage

WHAT = "corrects the same error in its own and in somebody else's message"
PAPER = "Tsui 2025, Self-Correction Bench, arXiv 2507.02778"
WAIT = "Wait"


class Corrected(Frozen):
    """What became of one error, both ways."""

    item: str
    """`Item.id`."""
    level: int
    """1 to 3."""
    own: bool
    """It was corrected in the model's own message."""
    other: bool
    """It was corrected in somebody else's."""


class Spot(Frozen):
    """Correction rates over some errors."""

    errors: int
    """Errors, each put both ways."""
    own: int
    """Corrected in the model's own message."""
    other: int
    """Corrected in somebody else's."""

    @computed_field
    @property
    def own_interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of the own rate."""
        return wilson(self.own, self.errors)

    @computed_field
    @property
    def other_interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of the others' rate."""
        return wilson(self.other, self.errors)

    @computed_field
    @property
    def blind(self) -> float | None:
        """1 - own rate / others' rate; None where none of the others' was corrected.

        Below 0 the model sees its own errors better.
        """
        return 1 - self.own / self.other if self.other else None

    @computed_field
    @property
    def blind_interval(self) -> tuple[float, float] | None:
        """95 % interval of `blind` by MOVER-R on Wilson intervals (Donner and Zou 2012).

        It takes the two ways for independent, which is wider than it would have to be, since each
        error is put both ways. None where none of the others' was corrected.
        """
        if not self.other:
            return None
        low, high = _ratio(self.own, self.other, self.errors)
        return 1 - high, 1 - low


class Report(Frozen):
    """The blind spot of a model."""

    model: str
    """Its name."""
    seed: int
    """Seed of the items."""
    wait: bool
    """Whether "Wait" was appended to its own messages."""
    levels: dict[int, Spot]
    """By level."""
    all: Spot
    """Over all levels."""
    corrected: tuple[Corrected, ...]
    """Each error."""
    usage: Usage
    """What it cost."""


async def blindspot(
    model: Model,
    *,
    n: int,
    seed: int = 0,
    wait: bool = False,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Report:
    """Puts `n` errors both ways. Raises `ModelError` when the model does not answer."""
    usage, found = Usage(), list[Corrected]()
    for item in items(n, seed=seed):
        mine, spent = await answered(model, as_own(item, wait=wait))
        theirs, more = await answered(model, as_others(item))
        usage += spent + more
        own, other = right(item, mine), right(item, theirs)
        found.append(Corrected(item=item.id, level=item.level, own=own, other=other))
        progress(len(found), n)
    by_level = {level: [one for one in found if one.level == level] for level in LEVELS}
    return Report(
        model=model.name,
        seed=seed,
        wait=wait,
        levels={level: spot(these) for level, these in by_level.items() if these},
        all=spot(found),
        corrected=tuple(found),
        usage=usage,
    )


def as_others(item: Item) -> list[Message]:
    """The error in the user's message, as somebody's answer."""
    content = f"{item.question}\n\nSomebody answered:\n{item.wrong}\n\n{ASKED}"
    return [{"role": "user", "content": content}]


def as_own(item: Item, *, wait: bool = False) -> list[Message]:
    """The same error in the model's own message before."""
    said = f"{item.wrong}\n\n{WAIT}" if wait else item.wrong
    return [
        {"role": "user", "content": item.question},
        {"role": "assistant", "content": said},
        {"role": "user", "content": ASKED},
    ]


def spot(found: Sequence[Corrected]) -> Spot:
    """Corrections counted."""
    own, other = sum(one.own for one in found), sum(one.other for one in found)
    return Spot(errors=len(found), own=own, other=other)


def _ratio(own: int, other: int, total: int) -> tuple[float, float]:
    """Interval of the ratio of two rates out of their Wilson intervals (MOVER-R)."""
    one, two = own / total, other / total
    (low_1, high_1), (low_2, high_2) = wilson(own, total), wilson(other, total)

    def end(edge_1: float, edge_2: float, sign: int) -> float:
        inner = (one * two) ** 2 - edge_1 * edge_2 * (2 * one - edge_1) * (2 * two - edge_2)
        return (one * two + sign * sqrt(max(inner, 0.0))) / (edge_2 * (2 * two - edge_2))

    return max(0.0, end(low_1, high_2, -1)), end(high_1, low_2, 1)
