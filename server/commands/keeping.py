"""`journeyman memory edit|pin|unpin|life|stats`: alters a lesson, judges all, counts them."""

from __future__ import annotations

from typing import Annotated

import typer

from agent.settings import load
from envs.errors import UserError, clip
from memory.life import Bounds, judge
from memory.recall import Memory
from memory.telling import points
from memory.types import Change, Effect, Lesson
from server.commands.memory import Json, opened
from server.console import many, out, safe, say_json, table


def add_to(group: typer.Typer) -> None:
    """Registers the commands in the group of memory."""
    group.command()(edit)
    group.command()(pin)
    group.command()(unpin)
    group.command()(life)
    group.command()(stats)


def edit(
    lesson: Annotated[str, typer.Argument()],
    text: Annotated[str, typer.Option(help="What it says from now on")] = "",
    when: Annotated[str, typer.Option(help="The situation it applies in")] = "",
    reason: Annotated[str, typer.Option(help="Why")] = "edited on the command line",
    as_json: Json = False,
) -> None:
    """Gives a lesson other words, as a new version; its effect is measured anew."""
    memory = opened()
    found = memory.ledger.lesson(lesson)
    given = {"text": text, "situation": when}
    update = {name: value for name, value in given.items() if value}
    edited = Lesson.model_validate({**found.model_dump(), **update})
    if edited == found:
        raise UserError("nothing would change", repair="give --text or --when other words")
    _altered(memory, edited, reason=reason, before=found, as_json=as_json)


def pin(lesson: Annotated[str, typer.Argument()], as_json: Json = False) -> None:
    """Keeps a lesson whatever rules say; it is never withheld, so its effect isn't measured."""
    _pinned(lesson, True, as_json=as_json)


def unpin(lesson: Annotated[str, typer.Argument()], as_json: Json = False) -> None:
    """Leaves a lesson to evidence and rules again."""
    _pinned(lesson, False, as_json=as_json)


def life(
    apply: Annotated[bool, typer.Option("--apply", help="Do it")] = False,
    as_json: Json = False,
) -> None:
    """Shows which lessons evidence would admit, promote or retire, and why; does it with --apply.

    Training runs do so by themselves (memory.life). Each move can be undone.
    """
    memory, bounds = opened(), load().memory
    moves = judge(memory, Bounds(capacity=bounds.capacity, unused=bounds.unused))
    if apply and moves:
        moves = memory.write(*moves)
    if as_json:
        say_json({"applied": apply, "changes": moves})
        return
    rows = [(one.target, *_statuses(one), one.reason) for one in moves]
    verb = "moved" if apply else "would move"
    table(f"{verb} {many(len(moves), 'lesson')}", ("id", "from", "to", "why"), rows)
    if not moves:
        return
    undo = f"undo: journeyman memory undo {moves[0].batch}"
    out.print(undo if apply else "nothing was changed; add --apply to do it")


def stats(as_json: Json = False) -> None:
    """Counts what memory holds, and tells what was measured of it."""
    memory = opened()
    counts = memory.ledger.count()
    effects = memory.effects.all()
    standing = memory.standing()
    verdicts: dict[str, int] = {}
    for effect in effects.values():
        verdicts[effect.verdict] = verdicts.get(effect.verdict, 0) + 1
    best = sorted(
        (pair for pair in effects.items() if pair[0] in standing and _known(pair[1])),
        key=lambda pair: -pair[1].shrunk,
    )
    ends = [*best[:5], *(pair for pair in best[5:][-5:])]
    if as_json:
        measured = [{"lesson": id_, "effect": effect} for id_, effect in ends]
        say_json({**counts, "verdicts": verdicts, "ends": measured})
        return
    for name, number in counts.items():
        told = ", ".join(f"{n} {k}" for k, n in number.items()) if name == "lessons" else number
        out.print(f"{name}: {told or 0}")
    told = ", ".join(f"{number} {verdict}" for verdict, number in sorted(verdicts.items()))
    out.print(f"measured: {told or 'nothing yet'}")
    rows = [(id_, points(effect), clip(standing[id_].text, most=100)) for id_, effect in ends]
    if rows:
        title = "most and least promising (the best of many flatter: their intervals are theirs)"
        table(title, ("id", "effect", "text"), rows)


def _known(effect: Effect) -> bool:
    return effect.estimate is not None


def _statuses(change: Change) -> tuple[str, str]:
    return str((change.before or {}).get("status")), str((change.after or {}).get("status"))


def _pinned(lesson: str, pinned: bool, *, as_json: bool) -> None:
    memory = opened()
    found = memory.ledger.lesson(lesson)
    if found.pinned is pinned:
        what = "is pinned already" if pinned else "is not pinned"
        raise UserError(f"lesson {lesson} {what}", repair="nothing is left to do")
    edited = found.model_copy(update={"pinned": pinned})
    reason = "pinned by a person" if pinned else "unpinned by a person"
    _altered(memory, edited, reason=reason, before=found, as_json=as_json)


def _altered(memory: Memory, edited: Lesson, *, reason: str, before: Lesson, as_json: bool) -> None:
    change = memory.edit(edited, reason=reason, actor="user", before=before)
    stored = memory.ledger.lesson(edited.id)
    if as_json:
        say_json({"lesson": stored, "change": change})
        return
    flag = " · pinned" if stored.pinned else ""
    out.print(f"{stored.id} v{stored.version}{flag}: {safe(stored.text)}")
    out.print(f"undo: journeyman memory undo {change.id}")
