"""Which arms there are, by the name that experiments use."""

from __future__ import annotations

from bench.arms.ace import ACE
from bench.arms.awm import AgentWorkflowMemory
from bench.arms.controls import FullContext, Journeyman, RandomMemory, ShuffledMemory
from bench.arms.expel import ExpeL
from bench.arms.expert import Expert
from bench.arms.reasoningbank import ReasoningBank
from bench.arms.reflexion import Reflexion
from bench.arms.simple import Bare, Random, ReAct, Resampling
from bench.arms.types import Arm, Desk
from bench.arms.worked import WorkedExample
from bench.lab.types import ArmSpec
from envs.errors import UnknownName, UserError, one_line

KINDS: dict[str, type[Arm]] = {
    "random": Random,
    "expert": Expert,
    "bare": Bare,
    "react": ReAct,
    "worked": WorkedExample,
    "resampling": Resampling,
    "reflexion": Reflexion,
    "expel": ExpeL,
    "awm": AgentWorkflowMemory,
    "reasoningbank": ReasoningBank,
    "ace": ACE,
    "full-context": FullContext,
    "journeyman": Journeyman,
    "random-memory": RandomMemory,
    "shuffled-memory": ShuffledMemory,
}
NO_MODEL = frozenset({"random", "expert"})
"""Kinds that call no model."""


def kind_of(spec: ArmSpec) -> type[Arm]:
    """The class of an arm. Raises `UnknownName`."""
    found = KINDS.get(spec.kind)
    if found is None:
        raise UnknownName("arm", spec.kind, KINDS)
    return found


def made(spec: ArmSpec, desk: Desk) -> Arm:
    """The arm, with its options. Raises `UnknownName`, and `UserError` for options it lacks."""
    try:
        return kind_of(spec)(desk, **spec.options)
    except TypeError as error:
        raise UserError(
            f"arm {spec.name!r}: options {spec.options!r} don't fit: {one_line(str(error))}",
            repair=f"see bench/arms for what {spec.kind!r} takes",
        ) from error
