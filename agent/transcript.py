"""A run as messages for the solver.

Order matters for the server's prefix cache: what never changes stands first, steps are only ever
appended, and what holds for one action only (possible actions, recalled lessons) stands at the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib import resources

from agent.kit import Kit
from agent.models.types import Message
from agent.settings import Settings
from agent.state import State, recalled_of, seen_of, steps_of
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
"""Steps that are never left out."""


@cache
def prompt(name: str) -> str:
    """The text of `agent/prompts/NAME.md`."""
    return resources.files("agent.prompts").joinpath(f"{name}.md").read_text("utf-8").strip()


def student_in(name: str) -> str:
    """Id of the student that the name of a model tells of; empty for models that are none."""
    return name.partition(STUDENT)[2].partition(")")[0].strip()


def text_messages(state: State, kit: Kit, *, choices: Sequence[str]) -> list[Message]:
    """The transcript of an environment that takes commands as text."""
    system, turns = (
        _system(state, kit.settings, model=kit.model.name, brief=kit.brief),
        _turns(state),
    )
    tail = [seen_of(state).observation] if turns else [state.get("first", "")]
    if choices and _listed(kit):
        tail.append("Possible actions:\n" + "\n".join(f"- {choice}" for choice in choices))
    if state.get("offers"):
        tail.append(_calls(state))
    recalled = recalled_of(state)
    if recalled:
        tail.append(render(recalled))
    last: Message = {"role": "user", "content": "\n\n".join(part for part in tail if part)}
    room = kit.settings.model.context * CHARS_A_TOKEN - len(system) - len(last["content"]) - 1500
    head: list[Message] = [{"role": "system", "content": system}]
    return [*head, *_fit(turns, int(room)), last]


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


def _fit(turns: list[Message], room: int) -> list[Message]:
    """Leaves out steps from the middle, in blocks so that the cached prefix survives longer."""
    if sum(len(turn["content"]) for turn in turns) <= room:
        return turns
    head, rest = turns[:2], turns[2:]
    while len(rest) > 2 * KEPT_STEPS and sum(len(turn["content"]) for turn in rest) > room // 2:
        rest = rest[2:]
    note = f"({(len(turns) - len(rest)) // 2 - 1} steps are left out here.)\n\n"
    if head and rest:
        rest[0] = {**rest[0], "content": note + rest[0]["content"]}
    return [*head, *rest]
