"""Serves one BrowserGym suite over standard input and output, a JSON object a line.

Runs in an environment of its own, where BrowserGym is installed; needs nothing of Journeyman:
`python -I browsergym_serve.py`. What it is asked (`id`, `do`) is answered with the same `id`, and
`ok` or `error`: `hello` lists the tasks of a suite, `open` begins one, `step` does one action,
`shut` ends the episode. What libraries print goes to standard error. Ends with its input.
"""

from __future__ import annotations

import importlib
import importlib.resources
import json
import sys
from typing import Any, TextIO

PROTOCOL = 1
MOST = 40_000
"""Most characters of a page's text."""
INTENTS = ("test.raw.json", "test_raw.json")
"""Files in which the WebArena family keeps what its tasks ask for."""


class Suite:
    """One suite, and the episode that is open."""

    def __init__(self) -> None:
        self._name = ""
        self._env: Any = None

    def hello(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Registers the suite; its tasks, each with its goal where that is known beforehand."""
        self._name = str(asked["suite"])
        importlib.import_module(f"browsergym.{self._name}")
        prefix = f"browsergym/{self._name}."
        registry = importlib.import_module("gymnasium").registry
        found = [name.removeprefix("browsergym/") for name in registry if name.startswith(prefix)]
        goals = self._goals()
        tasks = [{"id": name, "goal": goals.get(name, "")} for name in sorted(found, key=_natural)]
        return {"protocol": PROTOCOL, "tasks": tasks}

    def open(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Begins a task."""
        self.shut(asked)
        gymnasium = importlib.import_module("gymnasium")
        self._env = gymnasium.make(f"browsergym/{asked['task']}", disable_env_checker=True)
        seen, _ = self._env.reset(seed=int(asked["seed"]))
        return {**self._told(seen), "goal": _goal(seen)}

    def step(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Does one action."""
        seen, reward, terminated, truncated, _ = self._env.step(str(asked["action"]))
        over = {"terminated": bool(terminated), "truncated": bool(truncated)}
        return {**self._told(seen), **over, "reward": float(reward)}

    def shut(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Ends the episode, if one is open."""
        del asked
        env, self._env = self._env, None
        if env is not None:
            env.close()
        return {}

    def _told(self, seen: dict[str, Any]) -> dict[str, Any]:
        obs = importlib.import_module("browsergym.utils.obs")
        text = obs.flatten_axtree_to_str(
            seen["axtree_object"],
            extra_properties=seen.get("extra_element_properties"),
            filter_visible_only=True,
        )
        urls = [str(url) for url in seen.get("open_pages_urls", ())]
        return {
            "text": text[:MOST],
            "url": str(seen.get("url", "")),
            "tabs": urls,
            "error": str(seen.get("last_action_error", ""))[:500],
        }

    def _goals(self) -> dict[str, str]:
        try:
            folder = importlib.resources.files(self._name)
        except (ImportError, TypeError):
            return {}
        for name in INTENTS:
            file = folder.joinpath(name)
            if file.is_file():
                tasks = json.loads(file.read_text("utf-8"))
                return {f"{self._name}.{one['task_id']}": str(one["intent"]) for one in tasks}
        return {}


def _goal(seen: dict[str, Any]) -> str:
    parts = seen.get("goal_object") or ()
    texts = [str(part["text"]) for part in parts if part.get("type") == "text"]
    pictures = sum(part.get("type") != "text" for part in parts)
    more = [f"({pictures} pictures belong to it, which are not shown here.)"] if pictures else []
    return "\n".join([*texts, *more]) or str(seen.get("goal", ""))


def _natural(name: str) -> tuple[str, int, str]:
    head, _, tail = name.rpartition(".")
    return (head, int(tail), "") if tail.isdigit() else (name, -1, tail)


class Telling:
    """What goes wrong becomes part of the answer: whatever libraries raise, this process lives."""

    def __init__(self, answer: dict[str, Any]) -> None:
        self._answer = answer

    def __enter__(self) -> None:
        """Nothing to do."""

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: object) -> bool:
        """Keeps the error's name and words; only what ends the process goes on."""
        if kind is None or not issubclass(kind, Exception):
            return False
        self._answer["error"] = f"{kind.__name__}: {error}"
        if isinstance(error, ImportError):
            self._answer["missing"] = str(error.name or "")
        return True


def serve(lines: TextIO, answers: TextIO) -> None:
    """Answers until the input ends."""
    suite = Suite()
    doing = {"hello": suite.hello, "open": suite.open, "step": suite.step, "shut": suite.shut}
    for line in lines:
        asked = json.loads(line)
        answer: dict[str, Any] = {"id": asked.get("id")}
        with Telling(answer):
            answer["ok"] = doing[asked["do"]](asked)
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
    suite.shut({})


if __name__ == "__main__":
    out, sys.stdout = sys.stdout, sys.stderr
    serve(sys.stdin, out)
