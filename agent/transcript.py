"""A run as messages for the solver.

Order matters for the server's prefix cache: what never changes stands first, steps are only ever
appended, and what holds for one action only (possible actions, recalled lessons) stands at the end.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from importlib import resources

from agent.kit import Kit
from agent.models.types import Message
from agent.settings import Settings
from agent.state import State, recalled_of, seen_of, steps_of
from envs.errors import clip
from memory.recall import render
from memory.text import MARK_CLOSE, MARK_OPEN, unmarked
from skills.types import Call

EMBEDDED = "(embedded)"
"""Mark in the name of the model that comes with the installation."""
STUDENT = "(student"
"""Mark in the name of a model that was trained here: it is asked as it was taught."""
CHARS_A_TOKEN = 3.0
"""A careful guess for English and code."""
KEPT_STEPS = 4
"""Steps that stay as long as there is room for them."""
REPLY = 500
"""Tokens that are left for the reply, and for what marks the messages."""
MARKS = 8
"""Tokens that mark the beginning and the end of a message."""
GLANCE = 240
"""Characters that are left of an old observation for which there is no room."""
PIECE = re.compile(r"[A-Za-z]+|\d|[^\sA-Za-z\d]|\n| (?=\d)")
"""What tokenizers take apart: runs of letters, single digits and signs."""
LETTERS = 6
"""Letters of one token."""
CUT = "(The rest is left out: it is too long.)"


@cache
def prompt(name: str) -> str:
    """The text of `agent/prompts/NAME.md`."""
    return resources.files("agent.prompts").joinpath(f"{name}.md").read_text("utf-8").strip()


def student_in(name: str) -> str:
    """Id of the student that the name of a model tells of; empty for models that are none."""
    return name.partition(STUDENT)[2].partition(")")[0].strip()


def text_messages(state: State, kit: Kit, *, choices: Sequence[str]) -> list[Message]:
    """The transcript of an environment that takes commands as text."""
    system = _system(state, kit.settings, model=kit.model.name, brief=kit.brief)
    turns = _turns(state)
    tail = [seen_of(state).observation] if turns else [state.get("first", "")]
    if choices and _listed(kit):
        tail.append("Possible actions:\n" + "\n".join(f"- {choice}" for choice in choices))
    if state.get("offers"):
        tail.append(_calls(state))
    recalled = recalled_of(state)
    if recalled:
        tail.append(render(recalled))
    room = kit.settings.model.context - REPLY - tokens_of(system) - MARKS
    tail = _within(tail, room - MARKS)
    last: Message = {"role": "user", "content": "\n\n".join(part for part in tail if part)}
    head: list[Message] = [{"role": "system", "content": system}]
    return [*head, *_fit([*turns, last], room)]


def _calls(state: State) -> str:
    """The calls that may be chosen, each with what it does."""
    told = [(str(Call(**one["call"])), one["about"]) for one in state.get("offers", ())]
    lines = [f"- {call}: {unmarked(about)}" for call, about in told]
    return "\n".join(["Tested skills; each does several actions by itself:", *lines])


def _listed(kit: Kit) -> bool:
    chosen = kit.settings.solver.list_actions
    own = EMBEDDED in kit.model.name or STUDENT in kit.model.name
    return not own if chosen is None else chosen


def conversation(state: State, settings: Settings, *, model: str) -> list[Message]:
    """The current attempt as it was spoken with the model of that name, without possible actions
    and recalled lessons.
    """
    head: Message = {"role": "system", "content": _system(state, settings, model=model)}
    last: Message = {"role": "user", "content": seen_of(state).observation}
    return [head, *_turns(state), last]


def _system(state: State, settings: Settings, *, model: str, brief: str = "") -> str:
    system = instruction(settings, model=model)
    if brief:
        system += f"\n\n{MARK_OPEN}\n{unmarked(brief)}\n{MARK_CLOSE}"
    for number, advice in enumerate(state.get("reflections", ()), start=1):
        system += f"\n\nAdvice from failed attempt {number}: {advice}"
    return system


def instruction(settings: Settings, *, model: str) -> str:
    """What the solver is told first: learned or set by a person, else as it comes along."""
    name = prompt_name(settings, model=model)
    return settings.prompts.get(name) or prompt(name)


def prompt_name(settings: Settings, *, model: str) -> str:
    """Which prompt tells the solver what to do; a student is asked as it was taught."""
    if settings.solver.think:
        return "solver_think"
    return "student" if STUDENT in model else "solver"


def _turns(state: State) -> list[Message]:
    """(what stood there, what was said) for each step of the attempt."""
    steps = steps_of(state)
    said = state.get("said", [])[-len(steps) :] if steps else []
    before = [state.get("first", ""), *(step.observation for step in steps)]
    turns: list[Message] = []
    for seen, reply in zip(before, said, strict=False):
        turns.append({"role": "user", "content": seen})
        turns.append({"role": "assistant", "content": reply})
    return turns


def tokens_of(text: str) -> int:
    """A careful guess at the tokens of a text: numbers and signs have more than words."""
    pieces = sum(1 + (len(found) - 1) // LETTERS for found in PIECE.findall(text))
    return max(int(len(text) / CHARS_A_TOKEN), pieces)


def _within(parts: Sequence[str], room: int) -> list[str]:
    """What stands there now and what belongs to it, cut to `room` tokens: the page comes first,
    but leaves a third of the room to the others, and each says that it was cut.
    """
    if sum(map(tokens_of, parts)) <= room:
        return list(parts)
    rest = min(sum(map(tokens_of, parts[1:])), room // 3)
    first = _cut(parts[0], room - rest)
    left, kept = room - tokens_of(first), [first]
    for part in parts[1:]:
        kept.append(_cut(part, left))
        left -= tokens_of(kept[-1])
    return kept


def _cut(text: str, room: int) -> str:
    """The beginning of a text in whole lines, at most `room` tokens with the line that says so."""
    if tokens_of(text) <= room:
        return text
    share = max(0, room - tokens_of(CUT)) / max(1, tokens_of(text))
    kept = text[: int(len(text) * share)]
    while kept and tokens_of(kept) > room - tokens_of(CUT):
        kept = kept[: int(len(kept) * 0.9)]
    lines = kept.rpartition("\n")[0] or kept
    return f"{lines}\n{CUT}".lstrip("\n")


def _fit(turns: list[Message], room: int) -> list[Message]:
    """Leaves out steps from the middle, in blocks so that the cached prefix survives longer; then
    what stood there in those that are left, and then these, the oldest first.

    The last turn is what stands there now: it always stays.
    """
    if _tokens(turns) <= room:
        return turns
    head, rest, last = turns[:2], turns[2:-1], turns[-1:]
    room -= _tokens(last)
    while len(rest) > 2 * KEPT_STEPS and _tokens(rest) > room // 2:
        rest = rest[2:]
    kept = [*head, *rest] if len(turns) > 2 else []
    for at in range(0, len(kept), 2):
        if _tokens(kept) > room:
            kept[at] = {**kept[at], "content": clip(kept[at]["content"], most=GLANCE)}
    while kept and _tokens(kept) > room:
        kept = [*kept[:2], *kept[4:]] if len(kept) > 2 else []
    gone = (len(turns) - 1 - len(kept)) // 2
    both = [*kept, *last]
    if gone:
        at = min(2, len(kept))
        note = f"({gone} steps are left out here.)\n\n"
        both[at] = {**both[at], "content": note + both[at]["content"]}
    return both


def _tokens(turns: Sequence[Message]) -> int:
    return sum(tokens_of(turn["content"]) + MARKS for turn in turns)
