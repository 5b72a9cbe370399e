"""Prompts and settings that the agent learned: what stands of them in the ledger, put to use.

A change of kind `prompt` or `setting` holds for one environment (all its levels). The runner asks
for what stands when a run begins, so an undone change is out of use with the next run. What a
person named (file, variable, flag) is never overruled; only defaults are learned.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from pydantic import ValidationError

from agent.settings import Settings
from agent.transcript import prompt, prompt_name
from envs.errors import StoreError
from memory import rows
from memory.ledger import Ledger
from memory.types import Change

PROMPTS = ("solver", "solver_think")
"""Prompts that may be rewritten."""
GRID: Mapping[str, tuple[Any, ...]] = {
    "memory.most": (1, 3, 5),
    "memory.budget_tokens": (0, 96, 256),
    "memory.floor": (0.25, 0.35, 0.5),
    "memory.episodes": (0, 1),
    "solver.think": (False, True),
    "solver.list_actions": (False, True),
    "solver.break_loops": (True, False),
    "skills.choose": ("model", "first"),
}
"""Settings that may be learned, and the values that are tried; no other is ever taken over."""


def applied(
    settings: Settings, ledger: Ledger, env: str, *, tried: Sequence[Change] = ()
) -> Settings:
    """`settings` with what the agent learned for this environment. Asked twice: the same.

    `tried` are changes that do not stand, and are to be as if they did. Raises `StoreError` where
    a stored value does not fit.
    """
    own = [one for one in tried if one.kind in ("prompt", "setting")]
    both = {(one.kind, one.target): one for one in (*standing(ledger, env), *own)}
    return with_changes(settings, both.values())


def standing(ledger: Ledger, env: str) -> tuple[Change, ...]:
    """The changes of prompts and settings that stand for an environment."""
    targets = [target_of(env, name) for name in (*PROMPTS, *GRID)]
    marks = ", ".join("?" * len(targets))
    query = (
        f"SELECT kind, target, body FROM changes WHERE target IN ({marks}) "  # noqa: S608
        "AND kind IN ('prompt', 'setting') AND decision = 'applied' ORDER BY seq"
    )
    last = {(kind, target): body for kind, target, body in ledger.ask(query, *targets)}
    changes = (rows.parse(Change, body) for body in last.values())
    return tuple(one for one in changes if one.after is not None)


def with_changes(settings: Settings, changes: Iterable[Change]) -> Settings:
    """`settings` with changes of prompts and settings; those that a person named stay."""
    for change in changes:
        name, value = _parts(change)
        if change.kind == "prompt" and name in PROMPTS and name not in settings.prompts:
            prompts = {**settings.prompts, name: str(value)}
            settings = settings.model_copy(update={"prompts": prompts})
        elif change.kind == "setting" and name in GRID and not named(settings, name):
            settings = tuned(settings, name, value)
    return settings


def named(settings: Settings, name: str) -> bool:
    """Whether a person, or whoever compares, chose this setting."""
    section, _, field = name.partition(".")
    return field in getattr(settings, section).model_fields_set


def value_of(settings: Settings, name: str) -> Any:
    """What a setting is now, by its name (`memory.most`)."""
    section, _, field = name.partition(".")
    return getattr(getattr(settings, section), field)


def tuned(settings: Settings, name: str, value: Any) -> Settings:
    """`settings` with one of them chosen. Raises `StoreError` for a value that does not fit."""
    section, _, field = name.partition(".")
    old = getattr(settings, section)
    try:
        new = type(old).model_validate({**old.model_dump(exclude_unset=True), field: value})
    except ValidationError as error:
        raise StoreError(
            f"the learned setting {name} = {value!r} does not fit: {rows.first_of(error)}",
            repair="take it back: `journeyman history` names the change, `journeyman undo ID`",
        ) from error
    return settings.model_copy(update={section: new})


def proposed(
    kind: Literal["prompt", "setting"],
    name: str,
    value: Any,
    *,
    env: str,
    ledger: Ledger,
    reason: str,
    evidence: Sequence[str] = (),
) -> Change:
    """A change that has an environment's prompt or setting be `value`; not written yet."""
    target = target_of(env, name)
    stands = {(one.kind, one.target): one.after for one in standing(ledger, env)}
    before = stands.get((kind, target))
    return Change(
        id="",
        kind=kind,
        target=target,
        op="add" if before is None else "edit",
        reason=reason,
        before=before,
        after={"name": name, "value": value},
        evidence=tuple(evidence),
    )


def policy(settings: Settings, *, model: str) -> str:
    """Hash of all by which a model acts, as evidence is told apart; of prompts only its own counts,
    and only where it is another than the one that comes along.
    """
    name = prompt_name(settings, model=model)
    own = settings.prompts.get(name, "")
    prompts = {name: own} if own and own.strip() != prompt(name) else {}
    return settings.model_copy(update={"prompts": prompts}).hash()


def target_of(env: str, name: str) -> str:
    """What a change of an environment's prompt or setting is kept under (`toy/memory.most`)."""
    return f"{env.partition(':')[0]}/{name}"


def _parts(change: Change) -> tuple[str, Any]:
    after = change.after or {}
    return str(after.get("name", "")), after.get("value")
