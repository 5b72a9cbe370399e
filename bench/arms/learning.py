"""What learning arms share: thoughts on or off, prompts, runs told as text, and lineage."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache
from importlib import resources
from typing import Any

from agent.models.types import Message
from agent.runner import Crew
from agent.transcript import CHARS_A_TOKEN
from bench.arms.types import Arm, Desk, Note
from envs.errors import UserError, clip
from memory.text import estimate_tokens, strip_marked
from memory.types import StepRecord

OBSERVED = 160
"""Most characters of an observation, and of a thought, in a run that is told."""


class Thinker(Arm):
    """An arm whose solver thinks before it acts, as ReAct does (Yao et al. 2022, 2210.03629).

    All baselines are such, so that they differ only in what they remember.
    """

    def __init__(self, desk: Desk, *, think: bool = True) -> None:
        super().__init__(desk)
        self.think = think

    def crew(self, crew: Crew) -> Crew:
        """The common crew, with thoughts on or off."""
        return solving(crew, think=self.think)


def solving(crew: Crew, **update: Any) -> Crew:
    """`crew` with the solver's settings changed."""
    solver = crew.settings.solver.model_copy(update=update)
    return replace(crew, settings=crew.settings.model_copy(update={"solver": solver}))


def whole(value: Any, *, name: str, low: int, high: int) -> int:
    """`value` if it is a whole number from `low` to `high`; else a `UserError` that says so."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise UserError(
            f"option {name} = {value!r} does not fit", repair=f"give a number from {low} to {high}"
        )
    return value


@cache
def told(name: str) -> str:
    """The text of `bench/arms/prompts/NAME.md`."""
    return resources.files("bench.arms.prompts").joinpath(f"{name}.md").read_text("utf-8").strip()


def asking(system: str, content: str) -> list[Message]:
    """A system message and one of the user, without anything that was recalled."""
    return [
        {"role": "system", "content": system},
        {"role": "user", "content": strip_marked(content)},
    ]


def room(context: int, *parts: str, reply: int) -> int:
    """Characters left in a context of so many tokens beside `parts` and a reply."""
    left = (context - reply - 200) * CHARS_A_TOKEN - sum(map(len, parts))
    return max(400, int(left))


def story(first: str, steps: Sequence[StepRecord], *, most: int, outcome: str = "") -> str:
    """A run as ReAct writes it: `> think: ...`, `> action`, what came back; at most `most` long.

    Long ones lose steps from the middle, and say so.
    """
    lines = [line for step in steps for line in _lines(step)]
    end = [outcome] if outcome else []
    left = most - len(first) - sum(len(line) + 1 for line in end) - 60
    if sum(len(line) + 1 for line in lines) > left:
        head, tail = _ends(lines, left)
        gone = len(lines) - len(head) - len(tail)
        lines = [*head, f"({gone} lines are left out here.)", *tail]
    return "\n".join([first, *lines, *end]) if left > 0 else clip(first, most=most)


def _lines(step: StepRecord) -> list[str]:
    thought = [f"> think: {clip(step.thought, most=OBSERVED)}"] if step.thought else []
    seen = " ".join(step.observation.split())
    return [*thought, f"> {step.action}", clip(seen, most=OBSERVED)]


def _ends(lines: list[str], left: int) -> tuple[list[str], list[str]]:
    """First and last lines that fit; three of four characters go to the last."""
    head: list[str] = []
    tail: list[str] = []
    for line in lines:
        if sum(len(each) + 1 for each in head) + len(line) > left // 4:
            break
        head.append(line)
    rest = left - sum(len(each) + 1 for each in head)
    for line in reversed(lines[len(head) :]):
        rest -= len(line) + 1
        if rest < 0:
            break
        tail.insert(0, line)
    return head, tail


def joined(*parts: Iterable[str]) -> list[str]:
    """All of `parts` in order, each once: how lineage grows through merges and edits."""
    return list(dict.fromkeys(each for part in parts for each in part))


def fitting(notes: Iterable[Note], *, tokens: int) -> tuple[Note, ...]:
    """`notes` in order while they fit in `tokens` (estimated); one that is too long is skipped."""
    kept: list[Note] = []
    for note in notes:
        size = estimate_tokens(note.text)
        if size <= tokens:
            kept.append(note)
            tokens -= size
    return tuple(kept)


def object_of(properties: dict[str, Any]) -> dict[str, Any]:
    """JSON schema of an object with just these fields."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def line(most: int) -> dict[str, Any]:
    """JSON schema of a text of at most so many characters."""
    return {"type": "string", "maxLength": most}
