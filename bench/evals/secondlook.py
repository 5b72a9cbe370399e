"""What second looks do to answers: which right ones they break, and which wrong ones they mend.

Every look gets the same first answers of the model to questions made by a program
(`bench/evals/items.py`), so that looks compare pair by pair. `review`, the plain "review your
answer", is what the others are held against: If-or-Else (Li et al. 2024, arXiv 2402.12563;
catalogue row if-or-else) should break fewer right answers than that. See `bench/stats/flips.py` for
the figures.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from agent.models.types import Model
from agent.reflectors.registry import PLAIN
from agent.reflectors.types import Asker, Draft
from bench.evals.items import ASKED, answered, items, right
from bench.stats.flips import Flips, flips
from envs.errors import ModelError, UnknownName
from envs.types import Frozen
from memory.types import Usage

WHAT = "which right answers a second look breaks, and which wrong ones it mends"
PAPER = "Li et al. 2024, Confidence Matters (If-or-Else), arXiv 2402.12563"


class Look(Frozen):
    """One second look over all answers."""

    name: str
    """As in the settings."""
    flips: Flips
    """Right and wrong before and after."""
    untouched: int
    """Answers that came back byte for byte."""
    failed: int
    """Answers at which the model gave no reply; they stay as they were."""
    calls: int
    """Questions to the model."""


class Report(Frozen):
    """Second looks over the same first answers."""

    model: str
    """Its name."""
    seed: int
    """Seed of the questions."""
    items: int
    """Questions."""
    looks: tuple[Look, ...]
    """One for each that was asked for."""
    usage: Usage
    """What it all cost."""


async def measure(
    model: Model,
    *,
    n: int,
    seed: int = 0,
    looks: Sequence[str] = ("review", "if-or-else"),
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Report:
    """Has the model answer `n` items, and look at each answer again in every way.

    Raises `UnknownName` for a look that there is not, `ModelError` when the model does not answer
    an item.
    """
    for name in looks:
        if name not in PLAIN:
            raise UnknownName("second look", name, PLAIN)
    drafts: list[Draft] = []
    asked, usage = items(n, seed=seed), Usage()
    total = n * (1 + len(looks))
    for item in asked:
        messages = [{"role": "user", "content": f"{item.question}\n\n{ASKED}"}]
        text, spent = await answered(model, messages)
        usage += spent
        drafts.append(Draft(asked=tuple(messages), text=text))
        progress(len(drafts), total)
    before = [right(item, draft.text) for item, draft in zip(asked, drafts, strict=True)]
    found: list[Look] = []
    for number, name in enumerate(looks, start=1):
        after: list[str] = []
        failed = calls = 0
        for draft in drafts:
            look = PLAIN[name]()
            ask = Asker(model, most=look.calls)
            try:
                after.append((await look.look(draft, ask)).text)
            except ModelError:
                after.append(draft.text)
                failed += 1
            usage += ask.usage
            calls += ask.usage.calls
            progress(number * n + len(after), total)
        then = [right(item, text) for item, text in zip(asked, after, strict=True)]
        same = sum(draft.text == text for draft, text in zip(drafts, after, strict=True))
        counted = flips(before, then)
        found.append(Look(name=name, flips=counted, untouched=same, failed=failed, calls=calls))
    return Report(model=model.name, seed=seed, items=n, looks=tuple(found), usage=usage)
