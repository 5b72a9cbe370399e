"""Pairs for preference training: where a success and a failure part, the turns that part them.

Rafailov et al. 2023, Direct Preference Optimization, arXiv 2305.18290; from exploration failures of
an agent: Song et al. 2024, ETO, arXiv 2403.02502. What differs: the paper prefers whole ways; here
it is the first different action after a common beginning, so that what both did alike is not
pushed. Lines are TRL's conversational preference format.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

from distill.rows import Pair, Row, origin_of, quotes
from distill.rows_groups import Try, grouped, tries
from distill.rows_splices import common
from distill.rows_turns import spoken, turns_of
from memory.types import Trajectory


def pairs(
    trajectories: Iterable[Trajectory], *, held_out_keys: Collection[str] = ()
) -> Iterator[Pair]:
    """A pair for each failed attempt with a success that began like it, each pair once.

    Both stood before the same first observation. A success in the same game (task and seed) comes
    before one in a sibling with the same key, where luck may part them as well as skill; then the
    one that parts last, then the shortest. An attempt that is the whole beginning of the other is
    no pair.
    """
    seen = set[tuple[str, str, str]]()
    for group in grouped(tries(trajectories, held_out_keys=held_out_keys)).values():
        good = [one for one in group if one.won]
        for bad in group:
            best = None if bad.won else _partner(bad, good)
            made = _pair(best, bad) if best else None
            if made is None:
                continue
            words = (str(made.prompt), str(made.chosen), str(made.rejected))
            if words not in seen:
                seen.add(words)
                yield made


def sides(pair: Pair) -> tuple[Row, Row]:
    """Both conversations of a pair, of which only the turn that parts them is learnt from."""
    before = [{**m, "weight": 0} if m["role"] == "assistant" else m for m in pair.prompt]
    better, worse = (
        Row(messages=(*before, *({**m, "weight": 1} for m in turns)), metadata=pair.metadata)
        for turns in (pair.chosen, pair.rejected)
    )
    return better, worse


def _partner(bad: Try, good: Sequence[Try]) -> Try | None:
    fitting = [one for one in good if _parts(one, bad) is not None]
    return max(
        fitting,
        key=lambda one: (one.game == bad.game, _parts(one, bad) or 0, -len(one.steps)),
        default=None,
    )


def _parts(good: Try, bad: Try) -> int | None:
    """Steps in common before different actions; None where they don't part so."""
    if good.run.first_observation != bad.run.first_observation or good.run.goal != bad.run.goal:
        return None
    at = common(good.steps, bad.steps)
    if at >= min(len(good.steps), len(bad.steps)):
        return None
    return at if good.steps[at].action != bad.steps[at].action else None


def _pair(good: Try, bad: Try) -> Pair | None:
    at = common(good.steps, bad.steps)
    right, rebuilt = spoken(good.run, good.steps)
    wrong, _ = spoken(bad.run, bad.steps)
    here = turns_of(right, steps=len(good.steps))[at]
    there = turns_of(wrong, steps=len(bad.steps))[at]
    pair = Pair(
        prompt=tuple(right[:here]),
        chosen=(right[here],),
        rejected=(wrong[there],),
        metadata=origin_of(
            good.run,
            steps=len(good.steps),
            rebuilt=rebuilt,
            made="pair",
            outcome=True,
            others=() if bad.run.id == good.run.id else (bad.run.id,),
        ),
    )
    told = (*good.run.steps, *bad.run.steps)
    return None if quotes(pair.messages, told) else pair
