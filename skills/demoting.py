"""A skill that does worse in use than in its trials, or that adds nothing, is taken out of use.

Two rules, both over train runs with the version that stands: its measured effect (shown against
withheld, as for lessons), and what became of the runs that called it, held against its trials.
"""

from __future__ import annotations

from collections.abc import Sequence

from memory.intervals import wilson
from memory.ledger import Ledger
from memory.types import USE, Status
from skills.calling import success
from skills.library import Library
from skills.types import Skill

ENOUGH = 8
"""Runs that called it, before a drop is spoken of."""
LATEST = 40
"""Runs that are looked back on."""


def watch(library: Library, ledger: Ledger, names: Sequence[str]) -> list[Skill]:
    """Takes those of these skills (ids) out of use that fell; gives back those that were moved."""
    moved: list[Skill] = []
    for id_ in dict.fromkeys(names):
        skill = library.get(id_)
        if skill.status != "active":
            continue
        fall = fallen(skill, used(ledger, skill))
        if fall is not None:
            status, reason = fall
            moved += library.move(skill, status, reason=reason, actor=USE, cascade=True)
    return moved


def used(ledger: Ledger, skill: Skill) -> list[bool]:
    """Whether the latest train runs that called this version were solved, a crash is not."""
    shown = [
        one
        for one in ledger.exposures(lesson=skill.id)
        if one.shown and one.version == skill.version and one.split == "train"
    ]
    ends: list[bool] = []
    for one in shown[-LATEST:]:
        if one.outcome is None or one.same_task:
            continue
        calls = ledger.trajectory(one.episode).calls
        if any(call["call"]["skill"] == skill.id for call in calls):
            ends.append(one.outcome)
    return ends


def fallen(skill: Skill, ends: Sequence[bool]) -> tuple[Status, str] | None:
    """Where it should go, and why in one line; None where nothing speaks against it.

    `harms` and `useless` are verdicts of an interval that holds however often one looks. A drop is
    one that its trials exclude: the two intervals do not meet.
    """
    effect = skill.effect
    if effect.version == skill.version and effect.verdict in ("harms", "useless"):
        said = "harms" if effect.verdict == "harms" else "adds nothing"
        return "retired", f"measured effect: it {said}"
    low, _ = wilson(*success(skill.trials))
    _, high = wilson(sum(ends), len(ends))
    if len(ends) >= ENOUGH and high < low:
        return "probation", (
            f"it fell: {sum(ends)} of the last {len(ends)} runs that called it were solved "
            f"(at most {high:.0%}), its trials said at least {low:.0%}"
        )
    return None
