"""Claims that fit their experiment, and when they were stated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bench.lab.types import Claim, Experiment, Row
from envs.errors import UnknownName, UserError, clip

APART = "name task sets that both arms play"


def sets_of(experiment: Experiment, claim: Claim) -> tuple[str, ...]:
    """Names of the task sets that a claim is about; empty where its arms have none in common."""
    arms = {arm.name: arm for arm in experiment.arms}
    names = [asked.name for asked in experiment.measure]
    sides = [set(arms[name].sets or names) for name in (claim.arm, claim.against)]
    return tuple(one for one in claim.sets or names if all(one in side for side in sides))


def check_claims(experiment: Experiment) -> None:
    """Raises `UserError` for a claim that can't be tested, `UnknownName` for what is not there."""
    arms = [arm.name for arm in experiment.arms]
    sets = [asked.name for asked in experiment.measure]
    keys = [claim.key for claim in experiment.claims]
    for claim in experiment.claims:
        said = f"claim {clip(claim.says)!r}"
        for name in (claim.arm, claim.against):
            if name not in arms:
                raise UnknownName(f"arm of the {said}", name, arms)
        for name in claim.sets:
            if name not in sets:
                raise UnknownName(f"task set of the {said}", name, sets)
        if claim.arm == claim.against:
            raise UserError(f"{said} holds {claim.arm!r} against itself", repair="name another arm")
        if keys.count(claim.key) > 1:
            raise UserError(f"{said} is there twice", repair="state it once")
        played = sets_of(experiment, claim)
        if not played or len(played) < len(claim.sets):
            raise UserError(f"{said} is about tasks that only one arm plays", repair=APART)
        _check_margin(claim, said)


def stated(claim: Claim, sessions: Sequence[Mapping[str, Any]]) -> frozenset[str] | None:
    """Ids of the sessions before the first that lists the claim; None where none does.

    Their rows were there to be looked at when it was stated.
    """
    before: set[str] = set()
    for session in sessions:
        if any(Claim.model_validate(one).key == claim.key for one in session.get("claims", ())):
            return frozenset(before)
        before.add(str(session.get("id", "")))
    return None


def dropped(experiment: Experiment, sessions: Sequence[Mapping[str, Any]]) -> list[Claim]:
    """Claims that an earlier session listed and that the experiment makes no more."""
    kept = {claim.key for claim in experiment.claims}
    listed = [Claim.model_validate(c) for session in sessions for c in session.get("claims", ())]
    return list({claim.key: claim for claim in listed if claim.key not in kept}.values())


def seen_before(claim: Claim, rows: Sequence[Row], sessions: Sequence[Mapping[str, Any]]) -> int:
    """How many of the rows that a claim is tested by were there when it was stated."""
    before = stated(claim, sessions)
    return sum(before is None or row.session in before for row in rows)


def _check_margin(claim: Claim, said: str) -> None:
    if claim.expects != "better" and not claim.margin:
        raise UserError(
            f"{said} expects {claim.expects!r} without a margin, which no rows can show",
            repair="set margin, in points: with 10, ten tasks of a hundred do not count",
        )
    if 0 < claim.margin < 1:
        raise UserError(
            f"{said} has a margin of {claim.margin:g} points", repair="give points: 10, not 0.1"
        )
