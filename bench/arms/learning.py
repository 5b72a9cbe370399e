"""What learning arms share: thoughts on or off, prompts, runs told as text, and lineage."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache
from importlib import resources
from typing import Any

import numpy as np

from agent.models.types import Message, Sampling
from agent.runner import Crew
from agent.transcript import CHARS_A_TOKEN
from bench.arms.types import Arm, Desk, Note, Played
from envs.errors import UserError, clip
from memory.text import estimate_tokens, strip_marked
from memory.types import StepRecord, Trajectory, Usage

OBSERVED = 160
"""Most characters of an observation, and of a thought, in a run that is told."""
JUDGED = 260
"""Most tokens of a judgement."""


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


def by_model(judge: str) -> bool:
    """Whether a model says if a run succeeded. Raises `UserError` for an unknown judge."""
    if judge not in ("model", "environment"):
        raise UserError(
            f"option judge = {judge!r} does not fit", repair="give model or environment"
        )
    return judge == "model"


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


def attempts(run: Trajectory) -> list[tuple[StepRecord, ...]]:
    """The steps of each attempt, in order; attempts without steps are left out."""
    numbers = dict.fromkeys(step.attempt for step in run.steps)
    return [tuple(step for step in run.steps if step.attempt == number) for number in numbers]


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


async def judged(desk: Desk, played: Played) -> tuple[bool, Usage]:
    """What a model makes of the last attempt, as in WebArena's evaluator (Pan et al. 2024).

    It sees what a player sees: the task, the actions, what came back. Raises `ModelError`.
    """
    run, system = played.trajectory, told("judge")
    intent = f"User Intent: {run.goal}\n\nAction History:\n"
    most = room(desk.settings.model.context, system, intent, reply=JUDGED)
    history = story(run.first_observation, attempts(run)[-1], most=most)
    reply = await desk.model.reply(
        asking(system, intent + history),
        schema=object_of({"thoughts": line(300), "status": {"enum": ["success", "failure"]}}),
        sampling=Sampling(max_tokens=JUDGED),
    )
    return (reply.data or {}).get("status") == "success", reply.usage


def nearest(desk: Desk, query: str, texts: Sequence[str]) -> list[int]:
    """Indices of `texts`, those closest to `query` in meaning first; ties in their order."""
    if not texts:
        return []
    return [int(place) for place in np.argsort(-_likeness(desk, query, texts), kind="stable")]


def closest(desk: Desk, text: str, texts: Sequence[str]) -> tuple[int, float]:
    """Index of the one of `texts` that is closest to `text`, and the cosine; (-1, -1) for none."""
    if not texts:
        return -1, -1.0
    likeness = _likeness(desk, text, texts)
    place = int(np.argmax(likeness))
    return place, float(likeness[place])


def _likeness(desk: Desk, text: str, texts: Sequence[str]) -> np.ndarray:
    """Cosines, shape (len(texts),); rounded, since equal rows differ in the last bits of a sum."""
    rows = desk.embedder().embed([text, *texts])
    return np.round(rows[1:] @ rows[0], 5)


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
