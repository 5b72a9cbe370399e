"""Trials: a skill is played in fresh episodes, and only what it shows there admits it.

Tasks are of `train`, with keys that the skill was not written from, in an order that follows from
its code, so that whoever wrote it could not know which. It has to solve them by the environment's
own score, to end cleanly where what it is called with is not there, to keep solved what skills
solved before, to stay within what it requires, and never to say that it is done where it is not.
Copies with one thing wrong have to fail, or the trials are too weak to tell.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from pydantic import Field

from envs.errors import Refused, UnknownName
from envs.types import Env, Frozen, Task
from memory.intervals import wilson
from skills.calling import bound, success
from skills.library import Library
from skills.mutants import mutants
from skills.pages import spoken_of
from skills.pages_entered import entered
from skills.playing import Stage, play
from skills.program import problems
from skills.sandbox import Sandbox
from skills.showing import line_of
from skills.types import Purpose, Skill, Trial

NOTHING = "wub"
"""A kind of thing that no task has."""


class Bounds(Frozen):
    """How much a skill has to show."""

    solve: int = Field(default=24, ge=4)
    """Tasks that it is to solve, at most."""
    floor: float = Field(default=0.6, gt=0, lt=1)
    """What the lower end of the 95% interval of its success has to reach."""
    decline: int = Field(default=4, ge=1)
    """Calls with what is not there."""
    keep: int = Field(default=12, ge=0)
    """Tasks solved before, for each skill that solved them, at most."""
    mutants: int = Field(default=12, ge=0)
    """Altered copies."""
    mutant_tasks: int = Field(default=3, ge=1)
    """Solved tasks that each copy is played on, at most."""
    strength: float = Field(default=0.5, ge=0, le=1)
    """Share of the copies that act otherwise which have to fail."""


class Strength(Frozen):
    """Whether the trials can tell a right skill from a wrong one."""

    failed: int = 0
    """Altered copies that failed."""
    passed: tuple[str, ...] = ()
    """What was altered in those that acted otherwise, and passed."""
    alike: int = 0
    """Copies that did the very same: what was altered plays no part in these tasks."""


class Judgement(Frozen):
    """What trials came to."""

    admitted: bool
    """Whether it may become active."""
    reason: str
    """Why, in one line."""
    dishonest: bool = False
    """It lied, overstepped what it requires, or is no code of ours: kept apart, not just unused."""
    trials: tuple[Trial, ...] = ()
    """All that were played with the skill itself."""
    strength: Strength = Strength()
    """What altered copies did."""


class Ground(NamedTuple):
    """Where trials take place."""

    env: Env
    """The environment."""
    sandbox: Sandbox
    """Where code runs."""
    library: Library
    """What it may call, and what was solved before."""


def judge(ground: Ground, skill: Skill, *, bounds: Bounds = Bounds()) -> Judgement:
    """Plays all trials of a skill, in the order in which they are cheapest to fail."""
    wrong = problems(skill.code, skill.name)
    if wrong:
        reason = f"refused unplayed: {wrong[0]}"
        return Judgement(admitted=False, reason=reason, dishonest=True)
    if not skill.goals:
        return Judgement(admitted=False, reason="it has no goals of its own; its callers prove it")
    source = ground.library.source(skill, latest=True)
    solve = solving(ground, skill, source, bounds=bounds)
    reason = _dishonesty(solve)
    dishonest = bool(reason)
    reason = reason or _shortcoming(solve, bounds, fresh=_fresh(ground, skill, bounds=bounds))
    trials = [*solve]
    if not reason:
        trials += declining(ground, skill, source, solve, most=bounds.decline)
        reason = _unclean(trials)
    if not reason:
        kept = keeping(ground, skill, most=bounds.keep)
        trials += kept
        lost = [trial for trial in kept if not trial.passed]
        if lost:
            reason = f"{len(lost)} of {len(kept)} tasks that were solved before are not any more"
    strength = Strength()
    if not reason:
        strength = told_apart(ground, skill, solve, bounds=bounds)
        reason = _weak(strength, bounds)
    return Judgement(
        admitted=not reason,
        reason=reason or _praise(trials, strength),
        dishonest=dishonest,
        trials=tuple(trials),
        strength=strength,
    )


def tasks_for(env: Env, skill: Skill, *, most: int, rests_on: Iterable[Skill] = ()) -> list[Task]:
    """Train tasks that it says it solves, each key once.

    None that it, or a skill that it `rests_on`, was written from.
    """
    known = {key for one in (skill, *rests_on) for key in one.origin.task_keys}
    fit: dict[str, Task] = {}
    for task in env.tasks("train"):
        if task.key not in known and bound(skill.goals, task.goal) is not None:
            fit.setdefault(task.key, task)
    order = sorted(fit)
    random.Random(hashlib.sha256(skill.code.encode()).hexdigest()).shuffle(order)
    return [fit[key] for key in order[:most]]


def trial(
    ground: Ground,
    skill: Skill,
    source: str,
    task: Task,
    *,
    purpose: Purpose = "solve",
    arguments: Mapping[str, str] | None = None,
    seed: int | None = None,
) -> Trial:
    """Plays it once in a fresh episode; what it does wrong is told in the trial.

    Raises `EnvError` where the environment fails, which says nothing of the skill.
    """
    given = dict(bound(skill.goals, task.goal) or {} if arguments is None else arguments)
    told = Trial(
        task=task.id,
        task_key=task.key,
        seed=task.seed if seed is None else seed,
        purpose=purpose,
        arguments=given,
    )
    episode = ground.env.open(task, seed=told.seed)
    try:
        stage = Stage(episode.first, goal=task.goal, requires=skill.requires, tools=episode.tools)
        played = play(ground.sandbox, source, skill.name, given, stage=stage, do=episode.step)
        score = episode.score()
        solved = bool(score and score.passed)
        unscored = "" if score else "the environment gives no score to go by"
    finally:
        episode.close()
    refused = f"it tried what it does not require: {played.refused[0]}" if played.refused else ""
    error = refused or played.error or unscored
    good = solved if purpose != "decline" else played.claimed is not True or solved
    update = {
        "passed": good and not error,
        "claimed": played.claimed if not solved or played.claimed is not None else True,
        "steps": len(played.actions),
        "error": error,
        "overstepped": bool(played.refused),
        "actions": tuple(line_of(action) for action in played.actions),
    }
    return told.model_copy(update=update)


def _fresh(ground: Ground, skill: Skill, *, bounds: Bounds) -> int:
    """How many tasks it can be tried on."""
    rests_on = ground.library.closure(skill, latest=True)
    return len(tasks_for(ground.env, skill, most=bounds.solve, rests_on=rests_on))


def solving(ground: Ground, skill: Skill, source: str, *, bounds: Bounds) -> list[Trial]:
    """Trials on tasks that it says it solves; ends early where it can't be admitted any more.

    A program for pages that looks, finds nothing that it knows, and leaves everything as it was has
    declined, where it does not do so in more than half of the tasks.
    """
    rests_on = ground.library.closure(skill, latest=True)
    tasks = tasks_for(ground.env, skill, most=bounds.solve, rests_on=rests_on)
    trials: list[Trial] = []
    for task in tasks:
        trials.append(trial(ground, skill, source, task))
        left = [one for one in trials if _left_alone(one)] if spoken_of(skill.code) else []
        failed = sum(not one.passed for one in trials) - len(left)
        played = len(tasks) - len(left)
        if len(left) > len(tasks) // 2 or wilson(played - failed, played)[0] < bounds.floor:
            return trials
    if not spoken_of(skill.code):
        return trials
    declined = {"purpose": "decline", "passed": True}
    return [one.model_copy(update=declined) if _left_alone(one) else one for one in trials]


def _left_alone(trial: Trial) -> bool:
    return trial.steps == 0 and trial.claimed is False and not trial.error


def declining(
    ground: Ground, skill: Skill, source: str, solved: Sequence[Trial], *, most: int
) -> list[Trial]:
    """Calls with what is not there, one argument at a time: it has to end, and not say it is done.

    What it only enters into fields of a page can't be missing there, so it is left as it is. Where
    nothing can be left out (no arguments) there are none.
    """
    free = entered(skill.code, skill.name)
    tasks = {task.id: task for task in ground.env.tasks("train")}
    trials: list[Trial] = []
    for number, past in enumerate(solved):
        names = sorted(set(past.arguments) - free)
        if len(trials) >= most or not names:
            break
        given = {**past.arguments, names[number % len(names)]: NOTHING}
        task = tasks[past.task]
        trials.append(trial(ground, skill, source, task, purpose="decline", arguments=given))
    return trials


def keeping(ground: Ground, skill: Skill, *, most: int) -> list[Trial]:
    """What active skills solved before, with this one in the library: by it, or by its callers.

    A skill that is asked for the same goals plays their tasks itself, a new version those of the
    one before, whatever its goals are by now; one that others call is called by them.
    """
    tasks = {task.id: task for task in ground.env.tasks("train")}
    callers = {one.id for one in ground.library.callers(skill.id, deep=True)} if skill.id else set()
    trials: list[Trial] = []
    old = former(ground.library, skill)
    for other in (*([old] if old else ()), *ground.library.all(env=skill.env, status="active")):
        if other.id == skill.id and other.version == skill.version:
            continue
        player = other if other.id in callers else skill
        past = [one for one in other.trials if one.purpose == "solve" and one.passed]
        theirs = other.id in (*callers, skill.id)
        mine = [
            one
            for one in past
            if one.task in tasks
            and (theirs or bound(skill.goals, tasks[one.task].goal) is not None)
        ]
        source = ground.library.source(player, latest=True) if mine else ""
        for one in mine[:most]:
            task = tasks[one.task]
            trials.append(trial(ground, player, source, task, purpose="keep", seed=one.seed))
    return trials


def former(library: Library, skill: Skill) -> Skill | None:
    """The version that was active until this one was written; None: there was none."""
    stood: Skill | None = None
    for change in library.history(skill.id) if skill.version > 1 else []:
        if change.decision != "applied" or change.after is None:
            continue
        if change.op == "edit" and change.after["version"] == skill.version:
            break
        stood = Skill.model_validate(change.after)
    return stood if stood is not None and stood.status == "active" else None


def told_apart(
    ground: Ground, skill: Skill, solved: Sequence[Trial], *, bounds: Bounds
) -> Strength:
    """What altered copies of its own code do on tasks that it solved."""
    tasks = {task.id: task for task in ground.env.tasks("train")}
    past = [one for one in solved if one.passed][: bounds.mutant_tasks]
    failed, alike, passed = 0, 0, []
    for told, code in mutants(skill.code, most=bounds.mutants):
        copy = skill.model_copy(update={"code": code})
        try:
            source = ground.library.source(copy, latest=True)
        except (Refused, UnknownName):
            failed += 1
            continue
        same = True
        for one in past:
            again = trial(ground, copy, source, tasks[one.task], seed=one.seed)
            same = same and again.actions == one.actions
            if not again.passed:
                failed += 1
                break
        else:
            alike += same
            passed += [] if same else [told]
    return Strength(failed=failed, passed=tuple(passed), alike=alike)


def _dishonesty(trials: Sequence[Trial]) -> str:
    overstepped = [one for one in trials if one.overstepped]
    if overstepped:
        return overstepped[0].error
    lies = [one for one in trials if one.claimed and not one.passed and not one.error]
    if lies:
        return f"it said that it was done in {len(lies)} of {len(trials)} tasks where it was not"
    return ""


def _shortcoming(trials: Sequence[Trial], bounds: Bounds, *, fresh: int) -> str:
    solved, asked = success(trials)
    low, _ = wilson(solved, asked)
    if low < bounds.floor:
        if solved == asked and fresh > 0 and wilson(fresh, fresh)[0] < bounds.floor:
            return (
                f"it solved {solved} of {asked}, but {fresh} fresh train tasks are too few to tell"
            )
        broken = next((f"; {one.error}" for one in trials if one.error), "")
        least = f"at least {low:.0%}, {bounds.floor:.0%} are asked"
        return f"it solved {solved} of {asked} tasks ({least}){broken}"
    return ""


def _unclean(trials: Sequence[Trial]) -> str:
    bad = [one for one in trials if one.purpose == "decline" and not one.passed]
    if not bad:
        return ""
    what = bad[0].error or "it said that it was done"
    return f"called with what is not there it does not end cleanly: {what}"


def _weak(strength: Strength, bounds: Bounds) -> str:
    other = strength.failed + len(strength.passed)
    if bounds.mutants and strength.failed < bounds.strength * max(1, other):
        return (
            f"its trials are too weak to tell: {len(strength.passed)} of {other} altered copies "
            "pass them"
        )
    return ""


def _praise(trials: Sequence[Trial], strength: Strength) -> str:
    solved, asked = success(trials)
    low, high = wilson(solved, asked)
    other = strength.failed + len(strength.passed)
    copies = f"; {strength.failed} of {other} altered copies fail" if other else ""
    left = sum(one.purpose == "decline" and NOTHING not in one.arguments.values() for one in trials)
    alone = f", and left {left} more alone, which count neither way" if left else ""
    return f"it solved {solved} of {asked} fresh tasks ({low:.0%} to {high:.0%}){alone}{copies}"
