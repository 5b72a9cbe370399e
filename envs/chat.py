"""Conversation: a turn is an episode that ends with a reply, so that chat runs the same graph.

Nothing here scores: `Episode.score` is None.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from envs.errors import EnvError, JourneymanError, Refused, UserError, boundary, clip
from envs.types import Action, Env, Episode, Limits, Score, Split, Step, Task, ToolSpec

NAME = "chat"
REPLY = "reply"
STEPS = 12
"""Tool calls of a turn, the reply included."""
LONGEST_MESSAGE = 16_000
"""Characters of a message that reach the model, about half the context of a small one."""
LONGEST_RESULT = 8_000
"""Characters of a tool's result."""

Toolset = Mapping[str, tuple[ToolSpec, Callable[[dict[str, Any]], str]]]
"""By name: what the model is told, and the call from the arguments to a result."""

REPLY_SPEC = ToolSpec(
    name=REPLY,
    description="Answers the user and ends the turn.",
    parameters={
        "type": "object",
        "properties": {"text": {"type": "string", "description": "The answer"}},
        "required": ["text"],
        "additionalProperties": False,
    },
)
JSON_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list, tuple),
    "object": (dict,),
    "null": (type(None),),
}


class ChatEpisode(Episode):
    """One turn: calls of tools, then `reply`, which ends it.

    Results are numbered (`[r1] ...`, in `Step.info["result"]` too), so that a verdict can cite
    them; a call that could not be made has no number. Text without a tool is a reply. The answer
    is in `Step.info["reply"]`.
    """

    def __init__(
        self, task: Task, *, tools: Toolset, clock: Callable[[], float] = time.monotonic
    ) -> None:
        if REPLY in tools:
            raise Refused(f"{REPLY!r} is built in", repair="give your tool another name")
        self.task = task
        self.first = Step(observation=task.goal)
        self._calls = {name: call for name, (_spec, call) in tools.items()}
        self._specs = {name: spec for name, (spec, _call) in tools.items()} | {REPLY: REPLY_SPEC}
        self._clock = clock
        self._began = clock()
        self._count = 0
        self._results = 0
        self._over = False

    @property
    def tools(self) -> Sequence[ToolSpec]:
        """The given tools, and `reply`."""
        return tuple(self._specs.values())

    def step(self, action: Action) -> Step:
        """Calls a tool, or answers with `reply`. What is wrong with a call is an observation."""
        if self._over:
            raise EnvError("this turn is over", repair="open a new one for the next message")
        self._count += 1
        action = _mended(action)
        wrong = self._wrong(action)
        if not wrong and action.tool == REPLY:
            self._over = True
            info = {"reply": action.arguments["text"]}
            return Step(observation="", terminated=True, info=info)
        if wrong:
            return self._answer(f"error: {wrong}", info={"error": wrong})
        self._results += 1
        name = f"r{self._results}"
        return self._answer(f"[{name}] {self._result(action)}", info={"result": name})

    def _wrong(self, action: Action) -> str:
        names = ", ".join(self._specs)
        if action.tool is None:
            return f"nothing was called; call one of: {names}"
        if action.tool not in self._specs:
            return f"no tool named {clip(action.tool)!r}; call one of: {names}"
        if action.tool == REPLY and action.arguments.get("text") == "":
            return f"the answer is empty; call {REPLY} with words"
        return mismatch(action.arguments, self._specs[action.tool].parameters)

    def _result(self, action: Action) -> str:
        tool = action.tool or ""
        try:
            with boundary(tool):
                result = clean(str(self._calls[tool](dict(action.arguments))))
        except JourneymanError as error:
            result = f"error: {error}"
        more = len(result) - LONGEST_RESULT
        return f"{result[:LONGEST_RESULT]}… ({more} more characters)" if more > 0 else result

    def _answer(self, observation: str, *, info: dict[str, Any]) -> Step:
        limits = self.task.limits
        late = limits.seconds is not None and self._clock() - self._began >= limits.seconds
        self._over = late or self._count >= limits.steps
        if self._count == limits.steps - 1 and not late:
            observation += f"\n(One call is left: {REPLY} now.)"
        return Step(observation=observation, truncated=self._over, info=info)

    def score(self) -> Score | None:
        """None: nobody scores a conversation."""
        return None

    def close(self) -> None:
        """Nothing to free."""
        self._over = True


class Chat(Env):
    """Conversation has no list of tasks: each message makes one, with `chat_task`."""

    name: str = NAME

    def __init__(self, tools: Callable[[Task], Toolset]) -> None:
        """`tools` gives the tools of a turn."""
        self._tools = tools

    def tasks(self, split: Split) -> Sequence[Task]:  # noqa: ARG002
        """Always empty."""
        return ()

    def open(self, task: Task, *, seed: int | None = None) -> ChatEpisode:  # noqa: ARG002
        """Begins the turn; nothing depends on `seed`."""
        if task.env != NAME:
            raise UserError(
                f"task {clip(task.id)!r} is one of {task.env!r}", repair="make one with chat_task()"
            )
        return ChatEpisode(task, tools=self._tools(task))

    def close(self) -> None:
        """Nothing to free."""


def chat_task(text: str, *, thread: str, user: str = "", limits: Limits | None = None) -> Task:
    """A message as a task. Two equal messages of a thread are the same task.

    Text that is not valid Unicode is mended, and a very long message loses its middle, with a note
    that says so. Raises `UserError` when there is nothing in it.
    """
    whole = clean(text).strip()
    if not whole:
        raise UserError("the message is empty", repair="say something")
    thread = clean(thread)
    same = hashlib.sha256(" ".join(whole.casefold().split()).encode()).hexdigest()[:16]
    key = f"{NAME}:{thread}:{same}"
    return Task(
        id=key,
        env=NAME,
        goal=shortened(whole),
        key=key,
        split="train",
        limits=limits or Limits(steps=STEPS),
        tags=(NAME, f"user:{clean(user)}") if user else (NAME,),
    )


def _mended(action: Action) -> Action:
    """Words without a tool are a reply; texts are valid Unicode."""
    if action.tool is None and action.text.strip():
        action = Action(tool=REPLY, arguments={"text": action.text})
    arguments = {k: clean(v) if isinstance(v, str) else v for k, v in action.arguments.items()}
    if action.tool == REPLY and isinstance(arguments.get("text"), str):
        arguments["text"] = arguments["text"].strip()
    return action.model_copy(update={"arguments": arguments})


def clean(text: str) -> str:
    """`text` as valid Unicode: half characters and NULs become `�`."""
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return whole.replace("\0", "\ufffd")


def shortened(text: str, *, most: int = LONGEST_MESSAGE) -> str:
    """`text` without its middle when it is longer than `most` characters.

    What is wanted mostly stands at the beginning or at the end: two thirds of what is kept are the
    beginning, one third is the end.
    """
    if len(text) <= most:
        return text
    note = f"\n\n[{len(text) - most:,} characters are left out here]\n\n"
    end = most // 3
    return text[: most - end].rstrip() + note + text[-end:].lstrip()


def mismatch(arguments: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    """What is wrong with the arguments of a call, in a line; empty when nothing is.

    Looks at names and types at the top, which is where models go wrong; a tool checks the rest.
    """
    properties: Mapping[str, Any] = schema.get("properties", {})
    takes = ", ".join(properties) or "no arguments"
    missing = [name for name in schema.get("required", ()) if name not in arguments]
    if missing:
        return f"the argument {missing[0]!r} is missing; it takes: {takes}"
    unknown = [name for name in arguments if name not in properties]
    if unknown and schema.get("additionalProperties") is False:
        return f"no argument is named {clip(unknown[0])!r}; it takes: {takes}"
    for name, value in arguments.items():
        wanted = properties.get(name, {}).get("type")
        if isinstance(wanted, str) and not _is(value, wanted):
            return f"the argument {name!r} must be of type {wanted}, not {type(value).__name__}"
        choices = properties.get(name, {}).get("enum")
        if choices is not None and value not in choices:
            return f"the argument {name!r} must be one of: {', '.join(map(str, choices))}"
    return ""


def _is(value: Any, wanted: str) -> bool:
    if isinstance(value, bool) and wanted != "boolean":
        return False
    return isinstance(value, JSON_TYPES.get(wanted, (object,)))
