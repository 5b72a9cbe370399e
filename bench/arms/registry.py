"""Which arms there are, by the name that experiments use."""

from __future__ import annotations

from pkgutil import resolve_name

from bench.arms.ace import ACE
from bench.arms.asi import ASI
from bench.arms.awm import AgentWorkflowMemory
from bench.arms.controls import (
    FullContext,
    Journeyman,
    RandomMemory,
    ShuffledMemory,
    Taught,
    TaughtRandom,
)
from bench.arms.expel import ExpeL
from bench.arms.expert import Expert
from bench.arms.explored import Explored, ExploredByChance
from bench.arms.mechanisms import MSI, CoLearning, IntrospectiveTips, Muse
from bench.arms.reasoningbank import ReasoningBank
from bench.arms.reflexion import Reflexion
from bench.arms.simple import Bare, Pointed, Random, ReAct, Resampling
from bench.arms.skills import Skilled
from bench.arms.types import Arm, Desk
from bench.arms.voyager import Voyager
from bench.arms.worked import WorkedExample
from bench.lab.types import ArmSpec
from envs.errors import Missing, UnknownName, UserError, one_line

KINDS: dict[str, type[Arm]] = {
    "random": Random,
    "pointed": Pointed,
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
    "muse": Muse,
    "msi": MSI,
    "introspective-tips": IntrospectiveTips,
    "co-learning": CoLearning,
    "journeyman": Journeyman,
    "random-memory": RandomMemory,
    "shuffled-memory": ShuffledMemory,
    "taught": Taught,
    "taught-random": TaughtRandom,
    "skills": Skilled,
    "explored": Explored,
    "explored-chance": ExploredByChance,
    "voyager": Voyager,
    "asi": ASI,
}
NO_MODEL = frozenset({"random", "pointed", "expert", "explored-chance"})
"""Kinds that call no model."""


def kind_of(spec: ArmSpec) -> type[Arm]:
    """The class of an arm: one of `KINDS`, or `package.module:Class`, a subclass of `Arm`.

    Such a module has to be importable (`PYTHONPATH=. journeyman bench mine.toml`); its source is
    held to the rules of all arms. Raises `UnknownName`, `Missing` for a module that can't be
    imported, `UserError` for a class that is no arm.
    """
    if ":" not in spec.kind:
        if spec.kind not in KINDS:
            raise UnknownName("arm (or package.module:Class)", spec.kind, KINDS)
        return KINDS[spec.kind]
    try:
        found = resolve_name(spec.kind)
    except (ImportError, AttributeError, SyntaxError, ValueError) as error:
        raise Missing(
            f"arm {spec.name!r}: {spec.kind!r} can't be imported ({one_line(str(error))})",
            repair="mend it, or put its folder on the path: PYTHONPATH=. journeyman bench ...",
        ) from error
    if not (isinstance(found, type) and issubclass(found, Arm)):
        raise UserError(
            f"arm {spec.name!r}: {spec.kind!r} is no arm",
            repair="name a subclass of bench.arms.types.Arm, as package.module:Class",
        )
    return found


def needs_model(spec: ArmSpec) -> bool:
    """Whether a model has to be named for it; an arm of one's own may do without."""
    return spec.kind not in NO_MODEL and ":" not in spec.kind


def made(spec: ArmSpec, desk: Desk) -> Arm:
    """The arm, with its options. Raises as `kind_of`, and `UserError` for an option that it does
    not understand (`bench.lab.plan.check` finds those that it does not take).
    """
    return kind_of(spec)(desk, **spec.options)
