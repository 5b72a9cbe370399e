"""One solved example of the same type of task in the prompt."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, ClassVar

from agent.loops import MOVES
from bench.arms.learning import Thinker
from bench.arms.types import Desk, Note
from envs.errors import UserError
from envs.types import Task
from memory.essence import essential
from memory.text import estimate_tokens
from memory.types import StepRecord

INTRODUCTION = "An example of a task of this kind, solved:"
LEAST = 3
"""Steps that a shortened example keeps at least."""
SEEN = re.compile(r"Looking quickly around you, you see .*?\.(?=\s|$)", re.DOTALL)
TAKEN = re.compile(r"(?:take|pick up) (?P<what>.+?)(?: from .+)?")
DONE = re.compile(r"(?P<deed>heat|cool|clean|slice) (?P<what>.+) (?:with|using) (?P<where>.+)")
PUT = re.compile(r"(?:move|put|place) (?P<what>.+?) (?:to|in/on|into|onto|in|on) (?P<where>.+)")


class WorkedExample(Thinker):
    """ReAct's prompt for ALFWorld, with one solved task of the same type as example.

    ReAct puts two annotated solutions of the task's type before the task, and lets the model go on
    in the same format: thought, action, observation.
    """

    paper: ClassVar[str] = "Yao et al. 2022, ReAct, arXiv 2210.03629"
    differs: ClassVar[str] = (
        "One example where ReAct has two, since small models have small contexts. It is a "
        "demonstration on a train task, never of the task played, with steps taken out that did "
        "not lead to the goal; its thoughts are written by a rule that knows what comes next, "
        "ReAct's by its authors. It stands in the format in which this solver answers (JSON)."
    )

    def __init__(self, desk: Desk, *, think: bool = True) -> None:
        super().__init__(desk, think=think)
        self._examples: dict[str, list[dict[str, str]]] = {}

    async def notes(self, task: Task) -> tuple[Note, ...]:
        """The first example of the task's type that is another task."""
        kind = task.tags[0] if task.tags else ""
        own = self._examples.get(f"{task.env}/{kind}", [])
        for kept in own or self._examples.get(kind, ()):
            if kept["task_key"] != task.key:
                note = Note(
                    id=f"example:{kept['id']}",
                    text=kept["text"],
                    runs=(kept["id"],),
                    task_keys=(kept["task_key"],),
                )
                return (note,)
        return ()

    def dump(self) -> dict[str, Any]:
        """`{"examples": {task type: [{"id", "task_key", "text"}, ...]}}`."""
        return {"examples": {key: [dict(e) for e in some] for key, some in self._examples.items()}}

    def load(self, kept: dict[str, Any]) -> None:
        """Takes up examples: for each type one of them, or a list in order of preference.

        Raises `UserError` for one without id, task_key or text, or over the prompt budget.
        """
        examples: dict[str, list[dict[str, str]]] = {}
        for kind, given in kept.get("examples", {}).items():
            some = given if isinstance(given, list) else [given]
            for each in some:
                self._check(kind, each)
            examples[kind] = [dict(each) for each in some]
        self._examples = examples

    def fixed(self) -> frozenset[str]:
        """The demonstrations, which were not played by the arm."""
        return frozenset(each["id"] for some in self._examples.values() for each in some)

    def _check(self, kind: str, example: dict[str, str]) -> None:
        missing = {"id", "task_key", "text"} - example.keys()
        if missing:
            raise UserError(
                f"an example of {kind!r} has no {', '.join(sorted(missing))}",
                repair="make it of a demonstration with `example_text`",
            )
        size, most = estimate_tokens(example["text"]), self.desk.note_tokens
        if size > most:
            raise UserError(
                f"an example of {kind!r} takes {size} tokens of prompt, and {most} are allowed",
                repair="make it with `example_text(..., tokens=...)`, or raise note_tokens",
            )


def example_text(
    task: Task,
    first_observation: str,
    steps: Sequence[tuple[str, str]],
    *,
    think: bool,
    tokens: int = 0,
) -> str:
    """A solved task as the solver would have said it: what it saw, its replies as JSON.

    `steps` are (action, observation). Steps that did not lead to the goal are left out. With
    `tokens` (estimated) it is shortened until it fits: first the list of places goes, then steps
    from the beginning, until three are left.
    """
    records = [
        StepRecord(index=number, action=action, observation=seen)
        for number, (action, seen) in enumerate(steps)
    ]
    way = essential(records)
    if think:
        actions = [step.action for step in way]
        way = [
            step.model_copy(update={"thought": _thought(actions[number:])})
            for number, step in enumerate(way)
        ]
    return solved_text(task.goal, first_observation, way, think=think, tokens=tokens)


def solved_text(
    goal: str, first: str, way: Sequence[StepRecord], *, think: bool, tokens: int = 0
) -> str:
    """`way` in the format in which the solver sees and speaks, shortened as `example_text` says."""
    first = first.strip()
    if goal not in first:
        first = f"{first}\n\nYour task is to: {goal}".strip()
    text = _text(first, way, think=think)
    if not tokens or estimate_tokens(text) <= tokens:
        return text
    first, gone = SEEN.sub("", first).strip(), 0
    text = _text(first, way, think=think)
    while estimate_tokens(text) > tokens and len(way) - gone > LEAST:
        gone += 1
        text = _text(first, way[gone:], think=think, gone=gone)
    return text


def _text(first: str, way: Sequence[StepRecord], *, think: bool, gone: int = 0) -> str:
    lines = [INTRODUCTION, first]
    if gone:
        lines.append(f"({gone} steps are left out here.)")
    for step in way:
        said = {"thought": step.thought} if think else {}
        lines.append(json.dumps({**said, "action": step.action}, ensure_ascii=False))
        lines.append(" ".join(step.observation.split()))
    return "\n".join(lines)


def _thought(ahead: Sequence[str]) -> str:
    """What somebody who knows the actions ahead would think before the first; ReAct's wording."""
    action = ahead[0]
    if taken := TAKEN.fullmatch(action):
        return f"Now I find {taken['what']}. Next, I need to take it."
    if done := DONE.fullmatch(action):
        return f"Now I {done['deed']} {done['what']} with {done['where']}."
    if put := PUT.fullmatch(action):
        return f"I have {put['what']}. Next, I need to put it in/on {put['where']}."
    if action.startswith("use "):
        return f"Now I find {action[4:]}. Next, I need to use it."
    if action.startswith("open "):
        return f"{action[5:]} is closed. I need to open it."
    following = next((each for each in ahead if not each.startswith((*MOVES, "open "))), "")
    if not action.startswith(MOVES) or not following:
        return "This is the next step to the goal."
    place = action[len("go to ") :]
    if following.startswith("use "):
        return f"Next, I need to find {_kind(following[4:])}. I look at {place}."
    if taken := TAKEN.fullmatch(following):
        return f"I need to find {_kind(taken['what'])}. I look at {place}."
    if done := DONE.fullmatch(following):
        return f"Now I have {done['what']}. Next, I need to {done['deed']} it with {done['where']}."
    if put := PUT.fullmatch(following):
        return f"Now I have {put['what']}. Next, I need to go to {put['where']} and put it there."
    return f"Next, I need to go to {place}."


def _kind(thing: str) -> str:
    """`a mug` for `mug 2`."""
    name = thing.rstrip("0123456789 ")
    return f"{'an' if name[:1] in 'aeiou' else 'a'} {name}"
