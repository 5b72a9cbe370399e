"""Bouts between somebody who plants wrong steps and a critic who has to find them, as pairs.

After "SPC: Evolving Self-Play Critic via Adversarial Games" (Chen et al. 2025, arXiv 2504.19162;
catalogue row spc): whoever wins a bout is rewarded, the other one is not. What differs: where the
paper rewards both by reinforcement learning, a lost bout is a pair for a preference trainer. The
label is where the step was planted, and the evidence how the attempt ended: so no model judges.
Rounds are played in `agent/sparring.py`.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence

from distill.corrupting import Detection, Item, question_of, sneak_question
from distill.preferring import Evidence, Judgement
from distill.rows_verifying import Share
from envs.types import Frozen


class Bout(Frozen):
    """One planted step, and what the critic said."""

    item: Item
    """The attempt, with the planted step labelled."""
    named: int | None
    """Place of the step that the critic named; None: it found none wrong."""

    @property
    def caught(self) -> bool:
        """Whether the critic won; else the one who planted it did."""
        return self.named == self.item.wrong


def caught(bouts: Sequence[Bout]) -> Share:
    """Bouts that the critic won."""
    return Share(count=sum(bout.caught for bout in bouts), total=len(bouts))


def critic_judgements(bouts: Iterable[Bout], *, critic: str) -> list[Judgement]:
    """For each bout that the critic lost: the planted step is better than what it named."""
    return [
        Judgement(
            prompt=question_of(bout.item),
            answers=(_reply(bout.item.wrong), _reply(bout.named)),
            better=0,
            by="environment",
            evidence=(_ending(bout.item),),
            target=critic,
            origin=bout.item.origin,
        )
        for bout in bouts
        if not bout.caught
    ]


def generator_judgements(bouts: Iterable[Bout]) -> list[Judgement]:
    """Of steps planted at one place: each that was not found is better than each that was."""
    places: dict[tuple[str, int | None], list[Bout]] = defaultdict(list)
    for bout in bouts:
        places[bout.item.origin.trajectory, bout.item.wrong].append(bout)
    return [
        Judgement(
            prompt=sneak_question(one.item),
            answers=(_reply(_planted(one.item)), _reply(_planted(two.item))),
            better=0,
            by="environment",
            evidence=(_ending(one.item), _ending(two.item)),
            target=one.item.by,
            origin=one.item.origin,
        )
        for rivals in places.values()
        for one in rivals
        for two in rivals
        if two.caught and not one.caught
    ]


def fell(before: Detection, after: Detection) -> bool:
    """Whether a critic got worse: at finding planted steps, or at that and clearing right ways.

    Naming a step in every way is no progress, nor is naming none in any.
    """
    pairs = ((before.located.rate, after.located.rate), (before.f1, after.f1))
    return any((new or 0.0) < (old or 0.0) for old, new in pairs)


def _planted(item: Item) -> str:
    return item.steps[item.wrong].action if item.wrong is not None else ""


def _reply(step: int | str | None) -> str:
    return json.dumps({"step": step}, ensure_ascii=False)


def _ending(item: Item) -> Evidence:
    """What was seen at the end of the attempt with the planted step, which did not succeed."""
    return Evidence(
        tool="environment",
        arguments={"place": item.wrong, "planted": _planted(item), "right": item.right},
        result=item.steps[-1].observation,
    )
