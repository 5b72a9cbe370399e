"""Playing a skill: in an episode at once, or action by action with what came back so far.

Inside of a run of the agent a skill is played by *replay*: its code is run from the beginning at
every step, what it asks for is answered from what was observed, and the first action without an
answer is the next one. So nothing of a skill is ever half done in a process: a run that was killed
goes on where its steps end, and every action of a skill is a step like any other.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from envs.errors import EnvError, clip
from envs.types import Action, Frozen, Step, ToolSpec
from skills.pages import equipped
from skills.sandbox import Sandbox, SandboxLimits, SandboxResult

LIMITS = SandboxLimits(seconds=2.0, memory=64_000_000, calls=2_000, depth=200)
"""What one run of a skill may use; each action needs a few calls."""
SEED = 0
"""Of `random` inside of skills: a replay has to take the same way again."""
TEXT_STUBS = '''\
def act(command: str) -> str:
    """Does one command and returns what is then observed."""
    ...
def offered() -> list[str]:
    """The commands that would be understood now."""
    ...
def seen() -> str:
    """The latest observation."""
    ...
def goal() -> str:
    """What is asked, in words."""
    ...
'''
"""What skills of text environments may call, as they are type-checked against it."""
_TYPES = {"string": "str", "integer": "int", "number": "float", "boolean": "bool"}


class Played(Frozen):
    """What became of a skill that was played to its end."""

    claimed: bool | None = None
    """What it returned: True, done; False, not done; None: it broke, or returned no answer."""
    error: str = ""
    """One line, where it broke."""
    refused: tuple[str, ...] = ()
    """Actions outside of what it requires; none of them was done."""
    actions: tuple[Action, ...] = ()
    """What it did, in order."""
    ended: bool = False
    """The episode was over when it ended."""


class _Pause(BaseException):
    """Leaves the sandbox at the first action that has no answer yet."""

    def __init__(self, action: Action) -> None:
        self.action = action


class Stage:
    """What a skill is played on: what stands there, and the rules that its actions keep."""

    def __init__(
        self,
        first: Step,
        *,
        goal: str = "",
        requires: Sequence[str] = (),
        tools: Sequence[ToolSpec] = (),
    ) -> None:
        self.seen = first
        self.goal = goal
        self.requires = tuple(requires)
        self.tools = tuple(tools)
        self._listed = first.admissible is not None  # then commands are understood, besides tools
        self.actions: list[Action] = []
        self.refused: list[str] = []
        self.broken: EnvError | None = None

    def functions(self, do: Callable[[Action], Step]) -> dict[str, Callable[..., Any]]:
        """What the code may call; `do` does an action that the rules allow."""

        def done(action: Action, *, name: str) -> str:
            if not allowed(name, self.requires):
                self.refused.append(clip(name, most=80))
                raise PermissionError(f"not allowed: {clip(name, most=80)!r} is not in `requires`")
            if self.seen.terminated or self.seen.truncated:
                raise RuntimeError("the episode is over")
            try:
                self.seen = do(action)
            except EnvError as error:
                self.broken = error  # no fault of the code, which may catch it
                raise
            self.actions.append(action)
            return self.seen.observation

        def tool(spec: ToolSpec) -> Callable[..., str]:
            names = _fields(spec)

            def call(*args: Any, **kwargs: Any) -> str:
                if len(args) > len(names):
                    raise TypeError(f"{spec.name} takes {len(names)} arguments")
                given = {**dict(zip(names, args, strict=False)), **kwargs}
                return done(Action(tool=spec.name, arguments=given), name=spec.name)

            return call

        called = {spec.name: tool(spec) for spec in self.tools}
        if self.tools and not self._listed:
            return {
                "seen": lambda: self.seen.observation,
                "goal": lambda: self.goal,
                **called,
            }

        def act(command: str) -> str:
            if not isinstance(command, str):
                raise TypeError("act() takes a command as text")
            return done(Action(text=command), name=command)

        return {
            "act": act,
            "offered": lambda: list(self.seen.admissible or ()),
            "seen": lambda: self.seen.observation,
            "goal": lambda: self.goal,
            **called,
        }

    def stubs(self) -> str:
        """Signatures of what the code may call."""
        called = tool_stubs(self.tools) if self.tools else ""
        return called + TEXT_STUBS if self._listed or not called else called


def play(
    sandbox: Sandbox,
    source: str,
    name: str,
    arguments: Mapping[str, str],
    *,
    stage: Stage,
    do: Callable[[Action], Step],
    limits: SandboxLimits = LIMITS,
) -> Played:
    """Plays a skill to its end in a live episode. `source` holds all functions that it needs.

    Raises `EnvError` where the environment failed, whatever the code made of it.
    """
    result = _run(sandbox, source, name, arguments, stage=stage, do=do, limits=limits)
    if stage.broken is not None:
        raise stage.broken
    return _played(result, stage)


def advance(
    sandbox: Sandbox,
    source: str,
    name: str,
    arguments: Mapping[str, str],
    *,
    stage: Stage,
    past: Sequence[tuple[Action, Step]],
    limits: SandboxLimits = LIMITS,
) -> Action | Played:
    """Its next action after `past` (actions and what came back), or what became of it."""
    left = list(past)
    broken: list[str] = []

    def do(action: Action) -> Step:
        number = len(stage.actions)
        if number >= len(left):
            raise _Pause(action)
        then, step = left[number]
        if then != action:
            broken.append(f"it took another way than before at action {number + 1}")
            raise RuntimeError(broken[0])
        return step

    try:
        result = _run(sandbox, source, name, arguments, stage=stage, do=do, limits=limits)
    except _Pause as pause:
        return pause.action
    done = _played(result, stage)
    if broken:
        return done.model_copy(update={"claimed": None, "error": broken[0]})
    if len(stage.actions) < len(left):
        update = {"claimed": None, "error": "it ended earlier than before"}
        return done.model_copy(update=update)
    return done


def allowed(name: str, requires: Iterable[str]) -> bool:
    """Whether an action fits one of `requires`: a name, or a command with `*` for what varies.

    >>> allowed("go to fridge 1", ["go to *"]), allowed("drop all", ["go to *"])
    (True, False)
    """
    return any(_pattern(one).fullmatch(name) for one in requires)


def tool_stubs(tools: Sequence[ToolSpec]) -> str:
    """Signatures of tools, for the type check and for those who write code."""
    lines = ["def seen() -> str: ...", "def goal() -> str: ..."]
    for spec in tools:
        needed = set(spec.parameters.get("required", ()))
        fields = spec.parameters.get("properties", {})
        inside = ", ".join(
            f"{field}: {_TYPES.get(fields[field].get('type', ''), 'object')}"
            + ("" if field in needed else " = ...")
            for field in _fields(spec)
        )
        lines.append(f'def {spec.name}({inside}) -> str:\n    """{spec.description}"""\n    ...')
    return "\n".join(lines) + "\n"


def _fields(spec: ToolSpec) -> list[str]:
    """Parameters of a tool in the order of its signature: those that it needs come first."""
    needed = set(spec.parameters.get("required", ()))
    return sorted(spec.parameters.get("properties", {}), key=lambda field: field not in needed)


def _run(
    sandbox: Sandbox,
    source: str,
    name: str,
    arguments: Mapping[str, str],
    *,
    stage: Stage,
    do: Callable[[Action], Step],
    limits: SandboxLimits,
) -> SandboxResult:
    inside = ", ".join(f"{key}={value!r}" for key, value in arguments.items())
    return sandbox.run(
        f"{equipped(source)}\n\n{name}({inside})",
        functions=stage.functions(do),
        stubs=stage.stubs(),
        limits=limits,
        seed=SEED,
    )


def _played(result: SandboxResult, stage: Stage) -> Played:
    ended = stage.seen.terminated or stage.seen.truncated
    error = result.error
    # The end of an episode stops a skill in the middle of a call; that is no fault of its own.
    if ended and error.startswith("RuntimeError: the episode is over"):
        error = ""
    return Played(
        claimed=result.value if isinstance(result.value, bool) and not error else None,
        error=error,
        refused=tuple(stage.refused),
        actions=tuple(stage.actions),
        ended=ended,
    )


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(".+?".join(re.escape(part) for part in text.split("*")))
