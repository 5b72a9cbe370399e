"""Rounds of self-training: play, look at coverage, train, gate, promote or refuse, look ahead.

Sources: Aksitov et al. 2023, ReST meets ReAct, arXiv 2312.10003 (catalogue row `rest-meets-react`:
each round's data comes from the student of the round before, as it is served); B-STaR and
sharpening, see `distill/monitor.py` and `distill/coverage.py`. The caution is that of Goodhart: one
figure stays outside the loop, success on held-out tasks that neither training nor the gate looks
at. A student that falls on them is not promoted, whatever the gate says, and it was the last round.

Every stage that has ended lies in `FOLDER/round-N`, so a killed process goes on where it was:

    rows.jsonl, gathered.json   what was played and what is trained on
    trained.json                id of the adapter
    judged.json, held.json      what the gate said; held-out success
    round.json                  the round, when its change is in the ledger
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from agent.crossing import off
from agent.gate import Decision
from agent.gathering import Course, gather
from agent.roundlog import Bounds, Gathered, Held, Learned, Outcome, Round
from agent.stages import alone, keep, load, read_rows, stage
from envs.errors import Refused
from envs.types import Frozen


class Trained(Frozen):
    """A student that was trained."""

    adapter: str
    """Its id in the registry."""


async def rounds(course: Course, *, most: int) -> Learned:
    """Goes through rounds until there are `most`, or one is the last; and takes up old ones.

    Raises `Refused` for tasks that are not of the train split, for other settings than those that
    these rounds were begun with, where another model than the student answered, and where another
    process is at these rounds.
    """
    strays = [task for task in course.tasks if task.split != "train"]
    if strays or not course.tasks:
        what = f"{strays[0].id} is of {strays[0].split}" if strays else "there are none"
        raise Refused(f"rounds play train tasks, and {what}", repair="hand in train tasks")
    with alone(course.folder):
        return await _rounds(course, most)


async def _rounds(course: Course, most: int) -> Learned:
    _same(course)
    start = await stage(
        course.folder / "start.json", Held, lambda: course.seams.measure(course.student)
    )
    learned = Learned(name=course.name, start=start, teacher=course.teacher, best=start)
    if course.demonstrations:
        learned = await _following(course, learned, number=0)
    for number in range(1, most + 1):
        if learned.stopped:
            break
        learned = await _following(course, learned, number=number)
    if not learned.stopped:
        learned = learned.model_copy(update={"stopped": f"{most} rounds are over"})
    course.told(learned.said())
    return learned


async def _following(course: Course, learned: Learned, *, number: int) -> Learned:
    """`learned` with one more round."""
    done = await stage(
        course.place(number) / "round.json", Round, lambda: _round(course, learned, number)
    )
    course.told(f"round {number}: {done.outcome}: {done.why}")
    best = learned.best
    if done.outcome == "promoted" and done.held and done.held.share >= best.share:
        best = done.held
    all_ = (*learned.rounds, done)
    return learned.model_copy(
        update={"rounds": all_, "best": best, "stopped": _ending(all_, course.bounds)}
    )


def _ending(done: Sequence[Round], bounds: Bounds) -> str:
    """Why there is no round after these; empty: there is."""
    if done[-1].outcome == "turned":
        return f"held-out success turned in round {done[-1].number}"
    last = [one.outcome for one in done[-bounds.patience :]]
    if len(last) == bounds.patience and "promoted" not in last:
        return f"no student was promoted in {bounds.patience} rounds"
    return ""


async def _round(course: Course, learned: Learned, number: int) -> Round:
    """Plays, trains, judges and settles a round; each stage that is on disk is read from there."""
    folder, seams = course.place(number), course.seams
    student = learned.rounds[-1].after if learned.rounds else course.student
    gathered = await stage(
        folder / "gathered.json", Gathered, lambda: gather(course, learned, number, student)
    )
    base = Round(number=number, student=student, gathered=gathered, outcome="nothing", why="")
    if not gathered.rows:
        why = f"{gathered.fresh} fresh rows, fewer than {course.bounds.shares.least}"
        return base.model_copy(update={"why": why})

    async def train() -> Trained:
        rows = await off(read_rows, folder / "rows.jsonl")
        name = f"{course.name}-{number}"
        out = folder / "training"
        return Trained(adapter=await seams.train(rows, parent=student, name=name, out=out))

    new = (await stage(folder / "trained.json", Trained, train)).adapter
    decision = await stage(folder / "judged.json", Decision, lambda: seams.judge(student, new))
    held = await stage(folder / "held.json", Held, lambda: seams.measure(new))
    outcome, decision = _settled(decision, held, learned.best, slack=course.bounds.slack)
    await seams.promote(new, decision)
    if outcome == "turned" and learned.best.student != student:
        await seams.back(learned.best.student, reason=f"round {number}: {decision}")
    update = {"adapter": new, "decision": decision, "held": held, "outcome": outcome}
    return base.model_copy(update={**update, "why": str(decision)})


def _settled(
    decision: Decision, held: Held, best: Held, *, slack: float
) -> tuple[Outcome, Decision]:
    """What becomes of a student: held-out success has a veto."""
    if held.share < best.share - slack:
        why = f"held-out: {held}, and the best so far {best}; it may fall by {slack:.1%}"
        update = {
            "promote": False,
            "failed": (*decision.failed, "held-out"),
            "reasons": (*decision.reasons, why),
        }
        return "turned", decision.model_copy(update=update)
    return ("promoted" if decision.promote else "refused"), decision


class _Begun(Frozen):
    """What rounds of one name were begun with."""

    bounds: Bounds
    student: str
    tasks: str
    demonstrations: int


def began(folder: Path) -> str | None:
    """Who began the rounds of this folder (empty: the base model); None: there are none yet."""
    path = folder / "begun.json"
    return load(path, _Begun).student if path.is_file() else None


def _same(course: Course) -> None:
    """Raises `Refused` where rounds of this name were begun with other settings."""
    ids = "\n".join(task.id for task in course.tasks)
    now = _Begun(
        bounds=course.bounds,
        student=course.student,
        tasks=hashlib.sha256(ids.encode()).hexdigest(),
        demonstrations=len(course.demonstrations),
    )
    path = course.folder / "begun.json"
    if not path.is_file():
        keep(path, now)
    elif (before := load(path, _Begun)) != now:
        other = [
            name for name in _Begun.model_fields if getattr(before, name) != getattr(now, name)
        ]
        raise Refused(
            f"rounds {course.name} were begun with other settings ({', '.join(other)})",
            repair="take these again, or another name",
        )
