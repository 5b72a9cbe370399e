"""Programs for pages as Python over the object `page`, written out so that a person can read it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from envs.pages import quote
from skills.pages_induction import Move, PageProgram, Part
from skills.types import Draft
from skills.writing import named

ONE = "this_one"
"""What one thing of a list is called in programs."""


def written_pages(programs: Sequence[PageProgram], *, taken: set[str]) -> list[Draft]:
    """A draft for each program, and one for all that do the same under goals of several wordings;
    names in `taken` are not given again, and grow by these.
    """
    drafts: list[Draft] = []
    alike: dict[tuple[object, ...], list[PageProgram]] = {}
    for program in programs:
        alike.setdefault((program.parameters, *_body(program)), []).append(program)
    for same in alike.values():
        program, goals = same[0], tuple(dict.fromkeys(one.goal for one in same))
        name = named(goals, program.parameters, taken)
        taken.add(name)
        drafts.append(
            Draft(
                name=name,
                code=_function(name, program),
                goals=goals,
                requires=tuple(dict.fromkeys(_required(program))),
                ways=tuple(sorted({number for one in same for number in one.ways})),
            )
        )
    return drafts


def _required(program: PageProgram) -> list[str]:
    """What it may do, as lines with `*` for what varies."""
    both = ((move.turn, _filled(move, "*")) for move in program.moves)
    return [line for turn, own in both for line in ([str(turn)] if turn else []) + [own]]


def _function(name: str, program: PageProgram) -> str:
    head = ", ".join(f"{one}: str" for one in program.parameters)
    told = ", then ".join(
        (f"`{move.turn}` as often as it takes, then " if move.turn else "")
        + f"`{_filled(move, '')}`"
        for move in program.moves
    )
    lines = [
        f"def {name}({head}) -> bool{'' if program.said else ' | None'}:",
        f'    """{_clean(program.goal)}',
        "",
        f"    Does {_clean(told)}.",
        '    """',
    ]
    return "\n".join([*lines, *_body(program), ""])


def _body(program: PageProgram) -> list[str]:
    lines: list[str] = []
    for check in dict.fromkeys(_look(move) for move in program.moves[1:] if move.there):
        lines += [f"    if not {check}:", "        return False"]
    for move in program.moves:
        lines += _turned(move) + (_each(move) if move.each else _done(_call(move)))
    if program.said:
        lines.append(f"    return page.shows({_formatted(program.said)})")
    else:
        lines.append("    return None  # the page does not say whether it was what was asked")
    return lines


def _turned(move: Move) -> list[str]:
    """A loop that looks on further pages for what is not there."""
    if move.turn is None:
        return []
    turn = Move(action=move.turn, parts=(Part(what="name", text=move.turn.name),))
    return [f"    while not {_look(move)}:", *(f"    {line}" for line in _done(_call(turn)))]


def _done(call: str) -> list[str]:
    return [f"    if not {call}:", "        return False"]


def _each(move: Move) -> list[str]:
    """A loop over a list; its things are told apart by commas and by `and`."""
    (part,) = (one for one in move.parts if one.what == "name")
    one = part.model_copy(update={"parameter": ONE})
    inner = _done(_call(move.model_copy(update={"parts": (one,)})))
    head = f'    for {ONE} in {part.parameter}.replace(" and ", ", ").split(", "):'
    return [head, *(f"    {line}" for line in inner)]


def _look(move: Move) -> str:
    """Whether the element of a move stands there, as an expression."""
    name = next(part for part in move.parts if part.what == "name")
    inside = [quote(move.action.role), _expression(name)]
    inside += [f"near={_expression(part)}" for part in move.parts if part.what == "near"]
    inside += [f"nth={move.action.nth}"] if move.action.nth > 1 else []
    inside += ["like=True"] if name.parameter or name.like else []
    return f"page.has({', '.join(inside)})"


def _call(move: Move) -> str:
    """One action as an expression."""
    action = move.action
    if action.at is not None or action.verb in ("type", "scroll", "wait", "back", "drag"):
        return f'act({_command(move)}).split("\\n")[0].endswith(": done")'
    if action.verb == "press" and not action.role:
        return f"page.press({quote(action.value)})"
    name = next(part for part in move.parts if part.what == "name")
    inside = [quote(action.role), _expression(name)]
    inside += [_expression(part) for part in move.parts if part.what == "value"]
    inside += [f"near={_expression(part)}" for part in move.parts if part.what == "near"]
    inside += [f"nth={action.nth}"] if action.nth > 1 else []
    inside += ["like=True"] if name.parameter or name.like else []
    return f"page.{action.verb.replace('-', '_')}({', '.join(inside)})"


def _command(move: Move) -> str:
    """The line of an action that the object has no word for, as an expression."""
    text = _filled(move, "")
    return f"f{quote(text)}" if any(part.parameter for part in move.parts) else quote(text)


def _expression(part: Part) -> str:
    if not part.parameter:
        return quote(part.text)
    if part.case:
        return f"{part.parameter}.{part.case}()"
    if not (part.text or part.after):
        return part.parameter
    return "f" + quote(_braced(part.text) + "{" + part.parameter + "}" + _braced(part.after))


def _braced(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


def _formatted(said: str) -> str:
    return ("f" if "{" in said else "") + quote(said)


def _filled(move: Move, star: str) -> str:
    """The action as a line, with `star`, or the parameter in braces, for what varies."""
    texts = {
        part.what: part.text + (star or "{" + part.parameter + "}") + part.after
        if part.parameter
        else part.text + ("*" if part.like else "")
        for part in move.parts
    }
    action = move.action
    to = action.to.model_copy(update={"name": texts["to"]}) if action.to and "to" in texts else None
    update = {
        "name": texts.get("name", action.name),
        "near": texts.get("near", action.near),
        "value": texts.get("value", action.value),
        "to": to or action.to,
    }
    return str(action.model_copy(update=update))


def _clean(text: str) -> str:
    return re.sub(r'"+$', "'", text.replace("\\", "").replace('"""', "'")).strip()
