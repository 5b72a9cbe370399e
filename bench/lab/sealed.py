"""The answer key under seal: environments that keep it from arms, crews whose work is watched.

The runner opens episodes and asks for their scores, and it is not an arm; so a sealed episode
answers it and refuses everybody who acts (`acting_as`). `forbidden` reads an arm's source for what
no guard at run time can see: in one process, Python hides nothing from code that is out to find it.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator, Sequence
from dataclasses import replace
from types import ModuleType

from agent.kit import Kit, Reflector, Strategy, Verifier
from agent.runner import Crew
from agent.state import Attempt, State
from bench.lab.acting import GAMES, OPEN_TO_ALL, Acting, acting, acting_as, env_code
from envs.errors import Refused
from envs.types import Action, Demonstrates, Env, Episode, Score, Split, Step, Task, ToolSpec
from memory.types import Lesson, Usage, Verdict

TRAIN: frozenset[Split] = frozenset({"train"})

DIGGERS = ("ctypes", "gc", "importlib", "inspect", "multiprocessing", "subprocess", "sys")
"""Modules with which one gets at what was not handed over."""
KEYHOLDERS = (*GAMES, "agent.home", "agent.player", "agent.worlds", "bench.lab")
"""Modules that hold the key, or lead to it."""
OPEN_PARTS = frozenset({*OPEN_TO_ALL, "bench.lab.types", "importlib.resources"})
"""What may be imported all the same."""
CALLS = frozenset({"score", "demonstrate"})
BUILT_INS = frozenset(
    {"__import__", "compile", "eval", "exec", "globals", "locals", "open", "vars"}
)


def sealed(env: Env, *, allow: frozenset[Split] = TRAIN) -> Env:
    """`env`, whose episodes give no score, no reward and no demonstration to those who act.

    Demonstrations are given to the laboratory on the splits in `allow`. An arm may not begin an
    episode or act in it either: the graph does, and records it.
    """
    return _SealedEnv(env, allow=allow)


def watched(crew: Crew, who: Acting) -> Crew:
    """The crew, whose solver, verifier and reflector act as `who`; then ask `who.check()`.

    A run records errors instead of raising them, so what was refused in it is found there.
    """
    return replace(
        crew,
        strategy=_Solver(crew.strategy, who),
        verifier=_Judge(crew.verifier, who),
        reflector=_Learner(crew.reflector, who),
    )


def forbidden(module: ModuleType) -> list[str]:
    """What an arm's source must not do, one line each; empty when it does none of it."""
    return forbidden_in(inspect.getsource(module), name=module.__name__)


def forbidden_in(source: str, *, name: str) -> list[str]:
    """See `forbidden`: imports of what holds the key, and ways around the seams."""
    found = sorted(_reaches(ast.parse(source)), key=lambda place: place[0])
    return [f"{name}:{line} {what}" for line, what in found]


def _reaches(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            names = [f"{module}.{alias.name}" for alias in node.names]
        else:
            yield from _does(node)
            continue
        yield from ((node.lineno, f"imports {name}") for name in names if _holds_key(name))


def _holds_key(name: str) -> bool:
    if any(name == part or name.startswith(f"{part}.") for part in OPEN_PARTS):
        return False
    if name == "envs":
        return True
    return any(
        name == holder or name.startswith(holder if holder.endswith(".") else f"{holder}.")
        for holder in (*KEYHOLDERS, *DIGGERS)
    )


def _does(node: ast.AST) -> Iterator[tuple[int, str]]:
    if isinstance(node, ast.Call):
        called = node.func
        if isinstance(called, ast.Attribute) and called.attr in CALLS:
            yield node.lineno, f"calls .{called.attr}()"
        if isinstance(called, ast.Name) and called.id in BUILT_INS:
            yield node.lineno, f"calls {called.id}()"
    if isinstance(node, ast.Attribute) and node.attr.startswith("_"):
        owner = node.value
        own = isinstance(owner, ast.Name) and owner.id in ("self", "cls")
        own |= isinstance(owner, ast.Call) and getattr(owner.func, "id", "") == "super"
        if not own and node.attr not in ("__name__", "__doc__", "__init__"):
            yield node.lineno, f"reads the private .{node.attr}"
        elif node.attr.startswith("__") and own and node.attr not in ("__init__", "__class__"):
            yield node.lineno, f"reads .{node.attr}"
    if isinstance(node, ast.Constant) and node.value in ("_live", "_begin", "__closure__"):
        yield node.lineno, f"names {node.value!r}"


class _SealedEnv(Env):
    def __init__(self, env: Env, *, allow: frozenset[Split]) -> None:
        self.name = env.name
        self._env = env
        self._allow = allow

    def tasks(self, split: Split) -> Sequence[Task]:
        with env_code():
            return self._env.tasks(split)

    def open(self, task: Task, *, seed: int | None = None) -> Episode:
        _not_acting("begins an episode behind the runner's back")
        with env_code():
            return _SealedEpisode(self._env.open(task, seed=seed), allow=self._allow)

    def close(self) -> None:
        with env_code():
            self._env.close()


class _SealedEpisode(Episode):
    def __init__(self, episode: Episode, *, allow: frozenset[Split]) -> None:
        self.task = episode.task
        self.first = _shown(episode.first)
        self._episode = episode
        self._allow = allow

    @property
    def tools(self) -> Sequence[ToolSpec]:
        return self._episode.tools

    def step(self, action: Action) -> Step:
        _not_acting("acts behind the graph's back")
        with env_code():
            return _shown(self._episode.step(action))

    def score(self) -> Score | None:
        _not_acting("asks for the score")
        with env_code():
            return self._episode.score()

    def demonstrate(self) -> tuple[Action, ...]:
        """See `Demonstrates`; `Refused` where there is no expert or the split is not allowed."""
        _not_acting("asks for a demonstration")
        episode = self._episode
        if self.task.split not in self._allow or episode.task.split not in self._allow:
            raise Refused(f"no demonstration on {episode.task.split}", repair="use a train task")
        if not isinstance(episode, Demonstrates):
            raise Refused(f"{episode.task.env} has no expert", repair="use another environment")
        with env_code():
            return episode.demonstrate()

    def close(self) -> None:
        with env_code():
            self._episode.close()


class _Solver(Strategy):
    def __init__(self, inner: Strategy, who: Acting) -> None:
        self._inner, self._who = inner, who

    async def choose(self, state: State, kit: Kit) -> State:
        with acting_as(self._who):
            return await self._inner.choose(state, kit)


class _Judge(Verifier):
    def __init__(self, inner: Verifier, who: Acting) -> None:
        self._inner, self._who = inner, who

    async def verify(self, attempt: Attempt) -> tuple[Verdict, Usage]:
        with acting_as(self._who):
            return await self._inner.verify(attempt)


class _Learner(Reflector):
    def __init__(self, inner: Reflector, who: Acting) -> None:
        self._inner, self._who = inner, who

    async def reflect(self, attempt: Attempt, verdict: Verdict) -> tuple[str, Usage]:
        with acting_as(self._who):
            return await self._inner.reflect(attempt, verdict)

    async def draft(self, attempt: Attempt, verdict: Verdict) -> tuple[list[Lesson], Usage]:
        with acting_as(self._who):
            return await self._inner.draft(attempt, verdict)


def _not_acting(what: str) -> None:
    arm = acting()
    if arm is not None:
        raise arm.refuse(what)


def _shown(step: Step) -> Step:
    return step.model_copy(update={"reward": None, "info": {}})
