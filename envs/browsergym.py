"""BrowserGym's suites as environments: `browsergym:webarena`, `:visualwebarena`, `:workarena` ...

BrowserGym is no dependency: it lives in an environment of its own, and is spoken to over pipes
(`envs/browsergym_client.py`). Actions are its own calls, as text (`click('12')`) or as tools; only
single calls of known names with plain arguments go through, never code. Its pages are the world's:
what they say is an observation and nothing else. How to set it up: `docs/browsergym.md`.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from envs.browsergym_client import Served
from envs.errors import EnvError, UnknownName, clip
from envs.types import Action, Limits, Score, Split, Step, Task, ToolSpec

STEPS = 30
LONGEST = 20_000
"""Characters of an action."""
SUITES = ("webarena", "visualwebarena", "workarena", "assistantbench", "miniwob")
CALLS: dict[str, tuple[str, dict[str, str]]] = {
    "click": ("Clicks an element.", {"bid": "string"}),
    "dblclick": ("Clicks an element twice.", {"bid": "string"}),
    "fill": ("Puts a text into a field.", {"bid": "string", "value": "string"}),
    "clear": ("Empties a field.", {"bid": "string"}),
    "select_option": ("Chooses options of a list.", {"bid": "string", "options": "string"}),
    "press": ("Presses a key, such as Enter.", {"bid": "string", "key_comb": "string"}),
    "hover": ("Moves the mouse over an element.", {"bid": "string"}),
    "focus": ("Focuses an element.", {"bid": "string"}),
    "drag_and_drop": ("Drags an element to another.", {"from_bid": "string", "to_bid": "string"}),
    "scroll": ("Scrolls by pixels.", {"delta_x": "number", "delta_y": "number"}),
    "goto": ("Opens an address.", {"url": "string"}),
    "go_back": ("Goes back a page.", {}),
    "go_forward": ("Goes forward a page.", {}),
    "new_tab": ("Opens a tab.", {}),
    "tab_focus": ("Goes to a tab, counted from 0.", {"index": "integer"}),
    "tab_close": ("Closes the tab.", {}),
    "noop": ("Waits a moment.", {}),
    "send_msg_to_user": ("Answers the user; ends most tasks.", {"text": "string"}),
    "report_infeasible": ("Says why it can't be done.", {"reason": "string"}),
}
"""What may be called, with the arguments in their order. Not among them: files and raw HTML."""
TOOLS = tuple(
    ToolSpec(
        name=name,
        description=about,
        parameters={
            "type": "object",
            "properties": {one: {"type": kind} for one, kind in fields.items()},
            "required": list(fields),
        },
    )
    for name, (about, fields) in CALLS.items()
)


class BrowsergymEpisode:
    """One attempt at one task, in a process that is handed back at its end."""

    tools: Sequence[ToolSpec] = TOOLS

    def __init__(self, task: Task, served: Served, *, seed: int, back: Callable[[], None]) -> None:
        self.task = task
        self._served = served
        self._back = back
        self._reward = 0.0
        self._count = 0
        self._over = self._closed = False
        told = served.ask("open", task=task.id, seed=seed)
        usage = "Actions: " + ", ".join(f"{n}({', '.join(CALLS[n][1])})" for n in CALLS)
        self._page = _page(told)
        self.first = Step(observation=f"Your task: {told['goal']}\n{usage}\n{self._page}")

    def step(self, action: Action) -> Step:
        """One call; what is none is told so, and costs a step. Raises `EnvError` after the end."""
        if self._over or self._closed:
            raise EnvError("the episode is over", repair="open the task again")
        self._count += 1
        late = self._count >= self.task.limits.steps
        call = written(action)
        if not call:
            told = f"Not an action: {clip(action.text or str(action.tool))!r}. Nothing happens."
            self._over = late
            return Step(observation=f"{told}\n{self._page}", truncated=late)
        told = self._served.ask("step", action=call)
        self._page, self._reward = _page(told), float(told["reward"])
        ended, cut = bool(told["terminated"]), bool(told["truncated"])
        self._over = ended or cut or late
        return Step(
            observation=self._page,
            terminated=ended,
            truncated=not ended and (cut or late),
            reward=self._reward,
        )

    def score(self) -> Score:
        """The suite's own reward after the last action."""
        value = min(1.0, max(0.0, self._reward))
        return Score(value=value, passed=value >= 1.0)

    def close(self) -> None:
        """Ends the episode; the process stays for the next one."""
        if not self._closed:
            self._closed = True
            self._back()


class Browsergym:
    """A suite of BrowserGym. It has no splits: six tenths of its tasks are made `train`, two `val`.

    Raises `Missing` where it is not set up, when tasks are first asked for.
    """

    def __init__(
        self, python: Path, suite: str, *, steps: int = STEPS, patience_s: float = 180.0
    ) -> None:
        if suite not in SUITES:
            raise UnknownName("suite of BrowserGym", suite, SUITES)
        self.name = f"browsergym:{suite}"
        self._python = python
        self._suite = suite
        self._steps = steps
        self._patience = patience_s
        self._idle: list[Served] = []
        self._used: list[Served] = []
        self._tasks: tuple[Task, ...] = ()

    def tasks(self, split: Split) -> Sequence[Task]:
        """By a hash of their ids, so that they stay where they are when a suite grows."""
        if not self._tasks:
            served = self._taken()
            self._idle.append(served)
            self._tasks = tuple(self._task(**one) for one in served.tasks)
        return tuple(task for task in self._tasks if task.split == split)

    def open(self, task: Task, *, seed: int | None = None) -> BrowsergymEpisode:
        """Begins a task in a process of its own."""
        served = self._taken()
        self._used.append(served)

        def back() -> None:
            self._used.remove(served)
            if served.alive:
                served.ask("shut")
                self._idle.append(served)

        known = {one["id"] for one in served.tasks}
        if task.id not in known:
            back()
            raise UnknownName("task of BrowserGym", task.id, known)
        try:
            return BrowsergymEpisode(
                task, served, seed=task.seed if seed is None else seed, back=back
            )
        except EnvError:
            back()
            raise

    def close(self) -> None:
        """Ends all processes; may be called twice."""
        for served in (*self._idle, *self._used):
            served.close()
        self._idle.clear()

    def _taken(self) -> Served:
        while self._idle:
            served = self._idle.pop()
            if served.alive:
                return served
        return Served(self._python, self._suite, patience_s=self._patience)

    def _task(self, *, id: str, goal: str) -> Task:  # noqa: A002
        draw = int(hashlib.sha256(id.encode()).hexdigest()[:8], 16) % 10
        split: Split = "train" if draw < 6 else "val" if draw < 8 else "test"
        return Task(
            id=id,
            env=self.name,
            goal=goal or f"What the first page says ({id})",
            key=id,
            split=split,
            limits=Limits(steps=self._steps),
            tags=(".".join(id.split(".")[:-1]) or self._suite,),
        )


def written(action: Action) -> str:
    """The action as one call of BrowserGym; empty for what is none.

    >>> written(Action(text='click("12")')), written(Action(text="__import__('os')"))
    ("click('12')", '')
    """
    if action.tool:
        given = action.arguments
        fields = CALLS.get(action.tool, ("", {}))[1]
        if action.tool not in CALLS or set(given) != set(fields):
            return ""
        return _call(action.tool, [given[name] for name in fields])
    if len(action.text) > LONGEST:
        return ""
    try:
        node = ast.parse(action.text.strip(), mode="eval").body
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            return ""
        fields = list(CALLS.get(node.func.id, ("", {}))[1])
        named = {str(one.arg): ast.literal_eval(one.value) for one in node.keywords}
        values = [ast.literal_eval(one) for one in node.args]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ""
    rest = fields[len(values) :]
    if set(named) - set(rest) or len(named) < len(node.keywords):
        return ""
    return _call(node.func.id, [*values, *(named[name] for name in rest if name in named)])


def _call(name: str, values: Sequence[Any]) -> str:
    fields = CALLS.get(name, ("", {}))[1]
    plain = all(isinstance(value, (str, int, float)) or _texts(value) for value in values)
    if name not in CALLS or len(values) != len(fields) or not plain:
        return ""
    if name == "goto" and not str(values[0]).startswith(("http://", "https://")):
        return ""
    return f"{name}({', '.join(repr(value) for value in values)})"


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _page(told: dict[str, Any]) -> str:
    tabs = told["tabs"]
    lines = [f"Page: {told['url']}"]
    if len(tabs) > 1:
        lines.append("Tabs: " + ", ".join(f"{n} {url}" for n, url in enumerate(tabs)))
    if told["error"]:
        lines.append(f"The last action failed: {told['error']}")
    return "\n".join([*lines, told["text"]])
