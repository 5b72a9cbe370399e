"""One attempt at a task on a page, as every environment of the web offers it.

Actions are lines of text (`envs/pages.py`) or calls of the tools below. The episode holds the page
and a judge; of the judge a player sees nothing but that the episode ended.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from typing import Any

from pydantic import ValidationError

from envs.errors import EnvError, UserError, clip
from envs.pages import TEXT_MOST, VERBS, Page, PageAction, Seen, parse, words_of
from envs.types import Action, Frozen, Score, Step, Task, ToolSpec

UNSEEN = Score(value=0.0, passed=False, note="no page was shown")


class Verdict(Frozen):
    """What a judge says after an action."""

    score: Score
    """How well it stands."""
    over: bool
    """Whether the episode ended by itself."""


def _tool(name: str, about: str, *needed: str, **more: dict[str, Any]) -> ToolSpec:
    fields: dict[str, Any] = {
        "role": {"type": "string", "description": "ARIA role of the element, as on the page"},
        "name": {"type": "string", "description": "its name, as on the page; empty where none"},
        "nth": {"type": "integer", "minimum": 1, "description": "which of several alike"},
        **more,
    }
    kept = {key: fields[key] for key in fields if key in (*needed, *more, "nth")}
    if "role" not in needed:
        kept.pop("nth")
    return ToolSpec(
        name=name,
        description=about,
        parameters={"type": "object", "properties": kept, "required": list(needed)},
    )


_TEXT = {"type": "string", "maxLength": TEXT_MOST}
TOOLS: tuple[ToolSpec, ...] = (
    _tool("click", "Clicks an element.", "role", "name"),
    _tool("check", "Ticks a checkbox.", "role", "name"),
    _tool("uncheck", "Takes the tick out of a checkbox.", "role", "name"),
    _tool("hover", "Moves the mouse over an element.", "role", "name"),
    _tool("fill", "Replaces the text of a field.", "role", "name", "value", value=_TEXT),
    _tool("select", "Chooses an option of a list.", "role", "name", "value", value=_TEXT),
    _tool("press", "Presses a key such as Enter.", "value", value={"type": "string"}),
    _tool("type", "Types where the cursor is.", "value", value=_TEXT),
    _tool("scroll", "Scrolls.", "value", value={"enum": ["up", "down"]}),
    _tool(
        "click_at",
        "Clicks a point, in pixels from the left and the top edge.",
        "x",
        "y",
        x={"type": "integer"},
        y={"type": "integer"},
    ),
    _tool(
        "drag",
        "Drags one element onto another.",
        "role",
        "name",
        "to_role",
        "to_name",
        to_role={"type": "string"},
        to_name={"type": "string"},
    ),
)
"""The actions as tools, for models that call tools."""


def understood(action: Action) -> PageAction:
    """What is to be done. Raises `UserError` for a line or a call that means nothing here."""
    if action.tool is None:
        return parse(action.text.encode("utf-8", "replace").decode())
    given = dict(action.arguments)
    fields: dict[str, Any] = {"verb": action.tool}
    if action.tool == "click_at":
        fields = {"verb": "click", "at": (given.pop("x", None), given.pop("y", None))}
    elif action.tool == "drag":
        fields["to"] = {"role": given.pop("to_role", ""), "name": given.pop("to_name", "")}
    elif action.tool not in VERBS:
        raise UserError(f"there is no tool {clip(action.tool)!r}", repair="use one that is offered")
    try:
        return PageAction.model_validate({**given, **fields})
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(
            f"{action.tool} with {clip(json.dumps(action.arguments, default=str))}: "
            f"{'.'.join(map(str, first['loc']))}: {first['msg']}",
            repair="give the fields that the tool names",
        ) from error


class WebEpisode:
    """Made by the environments. Every action counts as a step, understood or not."""

    def __init__(
        self,
        task: Task,
        *,
        page: Page,
        judge: Callable[[], Verdict],
        free: Callable[[], None],
        heading: Callable[[Seen], str] = lambda seen: seen.title,
        words: Sequence[str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.task = task
        self._page = page
        self._judge = judge
        self._free = free
        self._heading = heading
        self._words = tuple(words_of(task.goal) if words is None else words)
        self._clock = clock
        self._began = clock()
        self._count = 0
        self._closed = False
        self._verdict = Verdict(score=UNSEEN, over=False)
        self.first = self._step("")

    @property
    def tools(self) -> Sequence[ToolSpec]:
        """The actions as tools; the same lines of text are understood."""
        return TOOLS

    def step(self, action: Action) -> Step:
        """Does one action; what can't be done is told in the observation and counts."""
        if self._closed or self._verdict.over or self._late():
            raise EnvError("the episode is over", repair="open the task again")
        self._count += 1
        try:
            told = self._page.act(understood(action))
        except UserError as error:
            told = str(error)
        return self._step(told)

    def score(self) -> Score:
        """What the judge said last; asked again while the episode runs."""
        if not (self._closed or self._verdict.over):
            self._verdict = self._judge()
        return self._verdict.score

    def shot(self) -> bytes:
        """The page as a PNG, for people."""
        return b"" if self._closed else self._page.shot()

    def close(self) -> None:
        """Frees the page; may be called twice."""
        if not self._closed:
            self._closed = True
            self._free()

    def _late(self) -> bool:
        limits = self.task.limits
        return self._count >= limits.steps or (
            limits.seconds is not None and self._clock() - self._began > limits.seconds
        )

    def _step(self, told: str) -> Step:
        self._verdict = self._judge()
        seen = self._page.look(words=self._words)
        over = self._verdict.over
        return Step(
            observation="\n".join(filter(None, (told, self._heading(seen), seen.text))),
            admissible=seen.actions,
            terminated=over,
            truncated=not over and self._late(),
            reward=self._verdict.score.value,
        )
