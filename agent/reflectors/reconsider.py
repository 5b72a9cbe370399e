"""A solver that thinks over what it is about to say or do, by whichever second look is chosen.

It wraps any strategy, so one look serves chats and text environments alike. A call of a tool is not
looked at, nor an answer that carries what a tool worked out: evidence stands above opinion. When
the model fails on the way, the draft is kept, and the note says so.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from typing import Any

from agent.chatting import REPLY, answer_messages
from agent.kit import Event, Kit, Strategy
from agent.loops import worthwhile
from agent.reflectors.types import Asker, Draft, Looked, SecondLook
from agent.state import State, attempt_of, recalled_of, seen_of, steps_of
from agent.transcript import text_messages
from agent.verifier import ToolResults
from envs.errors import ModelError
from envs.types import Action
from memory.types import Usage


class Reconsidered:
    """Another strategy's choice, after a second look."""

    def __init__(self, inner: Strategy, look: SecondLook) -> None:
        self._inner = inner
        self._look = look

    async def choose(self, state: State, kit: Kit) -> State:
        """The inner choice, or what stands in its place, with a note of how it came to be."""
        update = await self._inner.choose(state, replace(kit, emit=_without_drafts(kit)))
        action = Action(**update.get("action", {}))
        draft = await _draft(state, kit, action)
        if draft is None:
            _tell(action, state, kit)
            return update
        ask = Asker(kit.model, most=self._look.calls)
        try:
            looked = await self._look.look(draft, ask)
        except ModelError as error:
            note = {"by": self._look.name, "error": str(error)}
            looked = Looked(text=draft.text, note=note)
        if looked.text != draft.text:
            update.update(_instead(update, action, looked.text))
        if looked.note:
            place = {"step": len(state.get("steps", ())), "attempt": state.get("attempt", 0)}
            ends = {"before": draft.text, "after": looked.text}
            update["notes"] = [{**looked.note, **place, **ends}]
        update["usage"] = (Usage(**update.get("usage", {})) + ask.usage).model_dump()
        _tell(Action(**update.get("action", {})), state, kit)
        return update


async def _draft(state: State, kit: Kit, action: Action) -> Draft | None:
    """What is to be looked at; None where there is nothing to be thought over."""
    if action.tool == REPLY:
        text = str(action.arguments.get("text", ""))
        attempt = attempt_of({**state, "answer": text}, kit.task)
        verdict, _ = await ToolResults().verify(attempt)
        asked, choices = answer_messages(state, kit, steps_of(state)), ()
        if verdict.accepted:
            return None
    elif action.tool is None:
        text, choices = action.text, seen_of(state).admissible or ()
        if kit.settings.solver.break_loops:
            choices = worthwhile(choices, steps_of(state), goal=kit.task.goal)
        asked = text_messages(state, kit, choices=choices)
        if len(choices) == 1:
            return None
    else:
        return None
    if not text:
        return None
    recalled = recalled_of(state)
    return Draft(asked=tuple(asked), text=text, choices=tuple(choices), recalled=recalled)


def _instead(update: State, action: Action, text: str) -> State:
    """The part of an update that changes with the answer or action."""
    if action.tool == REPLY:
        done = action.model_copy(update={"arguments": {"text": text}})
        return {"action": done.model_dump(), "said": [text], "answer": text}
    said: dict[str, Any] = {}
    with contextlib.suppress(ValueError):
        said = json.loads((update.get("said") or ["{}"])[-1])
    spoken = json.dumps({**said, "action": text}, ensure_ascii=False)
    return {"action": Action(text=text).model_dump(), "said": [spoken]}


def _without_drafts(kit: Kit) -> Any:
    """Who watches, minus drafts: one that is replaced must not have been shown."""

    def emit(event: Event) -> None:
        if event.kind != "draft":
            kit.emit(event)

    return emit


def _tell(action: Action, state: State, kit: Kit) -> None:
    """The answer as a draft, in one piece, where drafts are shown."""
    if action.tool == REPLY and kit.settings.server.verify == "after":
        step, text = len(state.get("steps", ())), str(action.arguments.get("text", ""))
        kit.emit(Event(kind="draft", run=kit.run, step=step, text=text))
