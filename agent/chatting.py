"""Solvers for environments with tools. The model chooses the tool; nothing matches user's words."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from contextlib import aclosing
from functools import cache
from typing import Any

from agent.browsing_words import faded
from agent.kit import Event, Kit
from agent.mcp_words import PAGES
from agent.models.types import Message, Sampling
from agent.state import State, recalled_of, steps_of
from agent.transcript import prompt
from agent.verifier import called
from envs.errors import clip, one_line
from envs.types import Action, Frozen, ToolSpec
from memory.recall import render
from memory.types import StepRecord, Usage
from skills.tools import ERROR

REPLY = "reply"
"""The tool that ends a turn."""
ONCE_MORE = 2
"""Calls of one tool in one turn."""
ON_PAGES = 6
"""The same for tools of pages, which are used in steps."""
ANSWER_TOKENS = 400
"""Most tokens of an answer."""
ARGUMENT_CHARS = 400
"""Most characters of a text argument."""
ARGUMENT_TOKENS = 400
"""Most tokens of all arguments: more than `ARGUMENT_CHARS` come to."""
GLANCE = 4
"""Messages of the conversation that are glanced at when a tool is chosen."""

WITH_RESULT = "Answer the message with this result, in one sentence."
NO_RESULT = "I could not check this ({failed}). Unchecked: "
"""Before an answer where tools only failed: a small model makes one up, and does not say so."""
SENTENCE = 200
"""Characters of a result that is told in a sentence."""
NUMBER = re.compile(r"^\[r\d+\] ")
"""Before a result (`envs/chat.py`)."""
ROUNDS = 6
"""An answer that ends with the same words so many times goes round in circles."""
ROUND = range(8, 300)
"""Characters of such words."""
WORD = re.compile(r"[^\W\d_]+")


class ConstrainedTools:
    """For models without tool calling: first the name of the tool, then its arguments, as JSON.

    Both are shown by examples, which weak models follow better than descriptions.
    """

    async def choose(self, state: State, kit: Kit) -> State:
        """Two short constrained replies, or the answer in free text."""
        specs = open_tools(kit.player.tools, steps_of(state))
        told = told_so_far(state, kit)
        usage = Usage()
        name = REPLY
        if len(specs) > 1:
            chosen = await kit.model.reply(
                choice_messages(told, specs),
                schema=_object({"tool": {"enum": [spec.name for spec in specs]}}),
                sampling=Sampling(max_tokens=24),
            )
            usage += chosen.usage
            name = str((chosen.data or {}).get("tool", REPLY))
        if name == REPLY:
            return await self._answer(state, kit, usage=usage)
        spec = next(spec for spec in specs if spec.name == name)
        filled = await kit.model.reply(
            argument_messages(told, spec),
            schema=bounded(spec.parameters),
            sampling=Sampling(max_tokens=ARGUMENT_TOKENS),
        )
        usage += filled.usage
        action = Action(tool=name, arguments=filled.data or {})
        if repeated(action, steps_of(state)):
            return await self._answer(state, kit, usage=usage)
        return {
            "action": action.model_dump(),
            "thought": "",
            "said": [filled.text],
            "usage": usage.model_dump(),
        }

    async def _answer(self, state: State, kit: Kit, *, usage: Usage) -> State:
        steps = steps_of(state)
        begin = ""
        if steps and all(map(_failed, steps)):
            begin = NO_RESULT.format(failed=clip(results_of(steps)[-1], most=SENTENCE))
            steps = []
        messages = answer_messages(state, kit, steps)
        return await answer(messages, kit, state=state, usage=usage, begin=begin)


class NativeTools:
    """For models with tool calling of their own."""

    async def choose(self, state: State, kit: Kit) -> State:
        """One reply: a call, or the answer."""
        specs = [spec for spec in kit.player.tools if spec.name != REPLY]
        messages = native_messages(state, kit)
        reply = await kit.model.reply(
            messages, tools=specs, sampling=Sampling(max_tokens=4 * ANSWER_TOKENS)
        )
        if reply.tool_calls:
            call = reply.tool_calls[0]
            action = Action(tool=call.name, arguments=call.arguments)
            if not repeated(action, steps_of(state)):
                return {
                    "action": action.model_dump(),
                    "thought": reply.text,
                    "said": [reply.text],
                    "usage": reply.usage.model_dump(),
                }
        if reply.text.strip():
            _draft(reply.text, kit, state)
            return _answered(reply.text, reply.usage)
        return await answer(messages, kit, state=state, usage=reply.usage)


def open_tools(tools: Sequence[ToolSpec], steps: Sequence[StepRecord]) -> list[ToolSpec]:
    """Tools that may still be called in this turn; `reply` always."""
    counts: dict[str, int] = {}
    for step in steps:
        name = called(step)[0]
        counts[name] = counts.get(name, 0) + 1
    return [tool for tool in tools if tool.name == REPLY or counts.get(tool.name, 0) < _most(tool)]


def _most(tool: ToolSpec) -> int:
    return ON_PAGES if tool.name.startswith(PAGES) else ONCE_MORE


def repeated(action: Action, steps: Sequence[StepRecord]) -> bool:
    """Whether this very call was made in this turn already; on pages: just now."""
    steps = steps[-1:] if (action.tool or "").startswith(PAGES) else steps
    return any(called(step) == (action.tool, action.arguments) for step in steps)


async def answer(
    messages: Sequence[Message], kit: Kit, *, state: State, usage: Usage, begin: str = ""
) -> State:
    """The answer in free text after `begin`, streamed as a draft where drafts are shown.

    It ends where the model begins to go round in circles.
    """
    if begin:
        _draft(begin, kit, state)
    pieces: list[str] = []
    sampling = Sampling(temperature=kit.settings.solver.temperature, max_tokens=ANSWER_TOKENS)
    async with aclosing(kit.model.stream(messages, sampling=sampling)) as stream:
        async for piece in stream:
            pieces.append(piece)
            _draft(piece, kit, state)
            if once("".join(pieces)) is not None:
                break
    text = "".join(pieces)
    text = (once(text) or text).strip()
    guess = Usage(calls=1, completion_tokens=len(pieces))
    return _answered(begin + (text or "I have no answer."), usage + guess)


def once(text: str) -> str | None:
    """A text that ends in circles, with what it repeats said once; None if it does not."""
    for length in ROUND:
        said = text[-length:]
        if text.endswith(said * ROUNDS) and len(set(WORD.findall(said))) > 1:
            return text[: len(text) - (ROUNDS - 1) * length]
    return None


def _draft(piece: str, kit: Kit, state: State) -> None:
    if kit.settings.server.verify == "after":
        step = len(state.get("steps", ()))
        kit.emit(Event(kind="draft", run=kit.run, step=step, text=piece))


def _answered(text: str, usage: Usage) -> State:
    return {
        "action": Action(tool=REPLY, arguments={"text": text}).model_dump(),
        "thought": "",
        "said": [text],
        "answer": text,
        "usage": usage.model_dump(),
    }


def _question(state: State, kit: Kit) -> str:
    recalled = recalled_of(state)
    return f"{kit.task.goal}\n\n{render(recalled)}" if recalled else kit.task.goal


class Example(Frozen):
    """A message, the tool that fits it, and its arguments."""

    message: str
    """What a user says."""
    tool: str
    """The tool."""
    arguments: str
    """Its arguments as JSON."""


@cache
def examples() -> tuple[Example, ...]:
    """Those of `prompts/chat_examples.md`, a line each: `MESSAGE => TOOL ARGUMENTS`."""
    found = []
    for line in prompt("chat_examples").splitlines():
        message, _, call = line.rpartition(" => ")
        tool, _, arguments = call.partition(" ")
        found.append(Example(message=message, tool=tool, arguments=arguments))
    return tuple(found)


def told_so_far(state: State, kit: Kit) -> str:
    """The question with a glance at the conversation before it and the results in this turn."""
    before = [f"{m['role']}: {clip(one_line(str(m['content'])), most=200)}" for m in kit.history]
    lines = [f"(Earlier: {' | '.join(before[-GLANCE:])})"] if before else []
    lines.append(_question(state, kit))
    lines += [f"Result of {called(s)[0]}: {s.observation}" for s in faded(steps_of(state))]
    return "\n".join(lines)


def choice_messages(told: str, specs: Sequence[ToolSpec]) -> list[Message]:
    """The tools, examples of the choice, and what is asked now."""
    listing = "\n".join(f"- {spec.name}: {spec.description}" for spec in specs)
    names = {spec.name for spec in specs}
    messages: list[Message] = [
        {"role": "system", "content": prompt("chat_choose") + f"\n\nTools:\n{listing}"}
    ]
    for example in examples():
        if example.tool in names:
            messages.append({"role": "user", "content": example.message})
            messages.append({"role": "assistant", "content": json.dumps({"tool": example.tool})})
    return [*messages, {"role": "user", "content": told}]


def argument_messages(told: str, spec: ToolSpec) -> list[Message]:
    """One tool, examples of its arguments, and what is asked now."""
    about = f"Write the arguments of the tool {spec.name} as JSON. {spec.description}"
    messages: list[Message] = [{"role": "system", "content": about}]
    for example in examples():
        if example.tool == spec.name:
            messages.append({"role": "user", "content": example.message})
            messages.append({"role": "assistant", "content": example.arguments})
    return [*messages, {"role": "user", "content": told}]


def bounded(parameters: dict[str, Any]) -> dict[str, Any]:
    """The schema with every text bounded, so that no reply is cut off in the middle."""
    properties = {
        name: {"maxLength": ARGUMENT_CHARS, **schema} if schema.get("type") == "string" else schema
        for name, schema in parameters.get("properties", {}).items()
    }
    return {**parameters, "properties": properties}


def answer_messages(state: State, kit: Kit, steps: Sequence[StepRecord]) -> list[Message]:
    """The conversation, the question, and what the tools said in these steps."""
    content = "\n\n".join([_question(state, kit), *results_of(steps)])
    if steps:
        content += f"\n\n{WITH_RESULT}"
    return [
        {"role": "system", "content": prompt("chat")},
        *kit.history,
        {"role": "user", "content": content},
    ]


def results_of(steps: Sequence[StepRecord]) -> list[str]:
    """What the tools said, each result once; of a tool that only failed, how it failed last.

    Without the numbers by which verdicts cite them: a small model says them after.
    """
    told = [(called(s)[0], _said(s)) for s in faded(steps)]
    fine = {tool for tool, said in told if not said.startswith(ERROR)}
    last = dict(told)
    kept = [
        f"The result is {said.rstrip('.')}." if _brief(said) else f"The {tool} says: {said}"
        for tool, said in told
        if not said.startswith(ERROR) or (tool not in fine and last[tool] == said)
    ]
    return list(dict.fromkeys(kept))


def _said(step: StepRecord) -> str:
    return NUMBER.sub("", step.observation)


def _failed(step: StepRecord) -> bool:
    return _said(step).startswith(ERROR)


def _brief(said: str) -> bool:
    """Whether it fits into a sentence; a small model takes a sentence over better than a label."""
    return 0 < len(said) <= SENTENCE and "\n" not in said and not said.startswith(ERROR)


def native_messages(state: State, kit: Kit) -> list[Message]:
    """The same as an OpenAI conversation with tool calls and tool results."""
    messages: list[Message] = [
        {"role": "system", "content": prompt("chat")},
        *kit.history,
        {"role": "user", "content": _question(state, kit)},
    ]
    for step in faded(steps_of(state)):
        name, arguments = called(step)
        call_id = f"call_{step.index}"
        function = {"name": name, "arguments": json.dumps(arguments)}
        messages.append(
            {
                "role": "assistant",
                "content": step.thought,
                "tool_calls": [{"id": call_id, "type": "function", "function": function}],
            }
        )
        messages.append({"role": "tool", "tool_call_id": call_id, "content": step.observation})
    return messages


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
