"""From drafts to skills that may be called: written down, tried, and moved by what was shown.

Every draft that is tried leaves a skill in the ledger, refused ones with the reason and the trials
that speak against them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

from envs.errors import EnvError, Refused
from envs.types import Frozen
from memory.types import Status
from skills.calling import bound
from skills.finding import parameters
from skills.grammar import Grammar
from skills.library import TRIALS
from skills.trials import Bounds, Ground, Judgement, former, judge, keeping, solving
from skills.types import Draft, Origin, Shown, Skill
from skills.ways import commands, worded

LEAST = 4
"""Tasks of a wording that no skill answers to, before one that does the like is tried on it."""
Told = Callable[[str], None]


class Outcome(Frozen):
    """What became of a draft."""

    name: str
    """Name of the draft."""
    skill: str = ""
    """Id of the skill; empty where none was made."""
    version: int = 0
    """Its version."""
    admitted: bool = False
    """Whether it is active now."""
    reason: str = ""
    """Why, in one line."""
    trials: int = 0
    """How many episodes were played for it."""


def admit(
    ground: Ground,
    drafts: Sequence[Draft],
    ways: Sequence[Shown],
    *,
    by: str,
    bounds: Bounds = Bounds(),
    told: Told = lambda _line: None,
) -> list[Outcome]:
    """Tries drafts in their order (each behind what it calls); then wordings that none answers to.

    A draft for goals that an active skill reaches already is left out, unless it is a new version
    of that skill.
    """
    outcomes: list[Outcome] = []
    for draft in drafts:
        outcome = _one(ground, draft, ways, by=by, bounds=bounds)
        if outcome is not None:
            outcomes.append(outcome)
            told(f"{outcome.name}: {'active' if outcome.admitted else 'no'}, {outcome.reason}")
    for outcome in _wordings(ground, ways, bounds=bounds):
        outcomes.append(outcome)
        told(f"{outcome.name}: {'active' if outcome.admitted else 'no'}, {outcome.reason}")
    return outcomes


def verify(ground: Ground, skill: Skill, *, bounds: Bounds = Bounds()) -> Outcome:
    """Tries a skill again, and moves it by what it shows: up, or out of use.

    Raises `EnvError`, and moves nothing, where the environment fails.
    """
    judgement = judge(ground, skill, bounds=bounds)
    return _settled(ground, skill, judgement)


def _one(
    ground: Ground, draft: Draft, ways: Sequence[Shown], *, by: str, bounds: Bounds
) -> Outcome | None:
    library, env = ground.library, ground.env.name
    standing = {one.name: one for one in library.all(env=env) if one.status != "retired"}
    old = standing.get(draft.name)
    active = [one for one in standing.values() if one.status == "active" and one is not old]
    if draft.goals and all(_served(goal, active) for goal in draft.goals):
        return None
    missing = [
        name
        for name in draft.uses
        if name not in standing or standing[name].status == "quarantined"
    ]
    if missing:
        return Outcome(name=draft.name, reason=f"it calls {missing[0]}, which was refused")
    skill = _skill(draft, ways, env=env, by=by)
    skill = skill.model_copy(update={"uses": tuple(standing[name].id for name in draft.uses)})
    try:
        if old is None:
            skill = library.add(skill, reason=f"written by {by}", evidence=skill.origin.runs)
        else:
            skill = library.revise(
                skill.model_copy(update={"id": old.id, "version": old.version}),
                reason=f"written anew by {by}",
                evidence=skill.origin.runs,
            )
    except Refused as error:
        return Outcome(name=draft.name, reason=str(error))
    try:
        if not skill.goals:
            return _helper(ground, skill, old, bounds=bounds)
        return _settled(ground, skill, judge(ground, skill, bounds=bounds))
    except EnvError as error:
        reason = f"it stays a candidate, as it could not be tried: {error}"
        return Outcome(name=skill.name, skill=skill.id, version=skill.version, reason=reason)


def _helper(ground: Ground, skill: Skill, old: Skill | None, *, bounds: Bounds) -> Outcome:
    """What only serves others: it is proven by them, a new version by what they solved before."""
    if old is None or old.status != "active":
        reason = "waits for a skill that calls it to be admitted"
        return Outcome(name=skill.name, skill=skill.id, version=skill.version, reason=reason)
    kept = keeping(ground, skill, most=bounds.keep)
    lost = [one for one in kept if not one.passed]
    reason = f"{len(kept) - len(lost)} of {len(kept)} tasks solved by its callers stay solved"
    judgement = Judgement(admitted=bool(kept) and not lost, reason=reason, trials=tuple(kept))
    return _settled(ground, skill, judgement)


def _settled(ground: Ground, skill: Skill, judgement: Judgement) -> Outcome:
    """Moves a skill by its trials; a version that falls short gives way to the one before."""
    library = ground.library
    status: Status = "active" if judgement.admitted else "retired"
    if judgement.dishonest:
        status = "quarantined"
    on_trial = skill.status == "candidate" and not judgement.admitted
    gives_way = on_trial and former(library, skill) is not None
    library.move(
        skill,
        "candidate" if gives_way else status,
        reason=judgement.reason,
        trials=judgement.trials,
        note=judgement.reason,
        cascade=True,
    )
    if gives_way:
        # Its callers stay as they are: nothing that was proven rests on it.
        written = [one for one in library.history(skill.id) if one.op == "edit"][-1]
        why = f"version {skill.version} falls short: {judgement.reason}"
        library.undo(written.id, reason=why, actor=TRIALS, cascade=True)
    return Outcome(
        name=skill.name,
        skill=skill.id,
        version=skill.version,
        admitted=judgement.admitted,
        reason=judgement.reason,
        trials=len(judgement.trials),
    )


def _skill(draft: Draft, ways: Sequence[Shown], *, env: str, by: str) -> Skill:
    mine = [ways[number] for number in draft.ways]
    authors = {one.author for one in mine}
    return Skill(
        id="",
        name=draft.name,
        env=env,
        code=draft.code,
        goals=draft.goals,
        requires=draft.requires,
        origin=Origin(
            author=mine[0].author if len(authors) == 1 else "own",
            by=by,
            runs=tuple(one.run or one.task.id for one in mine),
            task_keys=tuple(dict.fromkeys(one.task.key for one in mine)),
            example=min((one.actions for one in mine), key=len, default=()) if draft.goals else (),
        ),
    )


def _served(goal: str, skills: Sequence[Skill]) -> bool:
    return any(goal in one.goals for one in skills)


def _wordings(ground: Ground, ways: Sequence[Shown], *, bounds: Bounds) -> list[Outcome]:
    """Goals of train tasks that no skill answers to: whichever does the like is tried on them."""
    library, env = ground.library, ground.env.name
    grammar = Grammar(commands(ways))
    active = [one for one in library.all(env=env, status="active") if one.goals]
    open_: dict[str, set[str]] = defaultdict(set)
    for task in ground.env.tasks("train"):
        if not any(bound(one.goals, task.goal) is not None for one in active):
            open_[worded(task.goal, grammar)[0]].add(task.key)
    outcomes: list[Outcome] = []
    for wording, keys in sorted(open_.items(), key=lambda item: (-len(item[1]), item[0])):
        if len(keys) < LEAST or "{" not in wording:
            continue
        for skill in active:
            outcome = _worded_too(ground, skill, wording, bounds=bounds)
            if outcome is not None:
                outcomes.append(outcome)
                break
    return outcomes


def _worded_too(ground: Ground, skill: Skill, wording: str, *, bounds: Bounds) -> Outcome | None:
    """Makes `skill` answer to one more wording, where it solves the tasks that are worded so."""
    library = ground.library
    now = library.get(skill.id)
    if any(f"{{{name}" not in wording for name in parameters(now)):
        return None
    asked = now.model_copy(update={"goals": (wording,)})
    shown = solving(ground, asked, library.source(now), bounds=bounds)
    if not shown or sum(one.passed for one in shown) < len(shown) * bounds.floor:
        return None
    reason = f"it solves what is worded {wording!r} too"
    fresh = library.revise(
        now.model_copy(update={"goals": (*now.goals, wording)}), reason=reason, actor="agent"
    )
    return _settled(ground, fresh, judge(ground, fresh, bounds=bounds))
