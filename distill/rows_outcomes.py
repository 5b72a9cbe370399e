"""Successes and failures together, each with its outcome and how often its task is solved.

The data of "Bridging Supervised Learning and Reinforcement Learning in Math Reasoning" (NFT, Chen
et al. 2025, arXiv 2505.18116; catalogue row nft): a model learns from its failures too, through the
implicit policy that is left when what succeeds is taken out of what it does. Needed for that are
the outcome of each attempt and the rate of its task. A trainer that reads no outcome must not be
given such rows: it would imitate the failures.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from distill.rows import Row, origin_of, quotes
from distill.rows_groups import grouped, tries
from distill.rows_turns import spoken, weighted
from memory.types import Trajectory


def rows(
    trajectories: Iterable[Trajectory], *, held_out_keys: Collection[str] = ()
) -> Iterator[Row]:
    """A row for each attempt (see `rows_groups.tries`), task by task; every turn has weight 1.

    The same way twice is two rows: it was taken twice. Left out are rows in which a recalled lesson
    stands word for word; they count in the rate.
    """
    for group in grouped(tries(trajectories, held_out_keys=held_out_keys)).values():
        rate = sum(one.won for one in group) / len(group)
        for one in group:
            turns, rebuilt = spoken(one.run, one.steps)
            if quotes(turns, one.run.steps):
                continue
            origin = origin_of(
                one.run, steps=len(one.steps), rebuilt=rebuilt, made="attempt", outcome=one.won
            )
            yield Row(
                messages=weighted(turns, trained=len(one.steps)),
                metadata=origin.model_copy(update={"rate": rate}),
            )
