"""One way to play MiniWoB++, asked over standard input and output, a JSON object a line.

`python speed_play.py WAY`, WAY being `journeyman`, `browsergym` or `selenium`; each runs in the
environment where it is installed, and the last two need nothing of Journeyman. Asked `{"page",
"seed"}` it begins an episode, clicks the first button and answers with the seconds that took and
what the player was shown; asked nothing more, it ends.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import re
import sys
import time
from pathlib import Path
from typing import Any, cast

LATE_MS = 60_000
"""Milliseconds that BrowserGym gets where it gives 5,000, which a busy machine exceeds."""


class Ours:
    """`envs.miniwob`."""

    def __init__(self) -> None:
        self._env = importlib.import_module("envs.miniwob").MiniWob()
        self._action = importlib.import_module("envs.types").Action
        self._episode: Any = None

    def begin(self, page: str, seed: int) -> str:
        """Opens an episode."""
        self._episode = self._env.open(self._env.task(page, seed=seed))
        return self._episode.first.observation

    def click(self, seen: str) -> None:
        """The first button that is listed."""
        del seen
        found = [one for one in self._episode.first.admissible if one.startswith("click button")]
        self._episode.step(self._action(text=found[0]))

    def finish(self) -> None:
        """Ends the episode."""
        self._episode.close()

    def close(self) -> None:
        """Ends the browser."""
        self._env.close()


class BrowserGym:
    """`browsergym-miniwob`, an environment for each page."""

    def __init__(self) -> None:
        importlib.import_module("browsergym.miniwob")
        self._gymnasium = importlib.import_module("gymnasium")
        self._obs = importlib.import_module("browsergym.utils.obs")
        spec = importlib.util.find_spec("miniwob")
        assert spec and spec.origin, "pip install miniwob: its pages"  # noqa: S101
        self._url = (Path(spec.origin).parent / "html" / "miniwob").as_uri() + "/"
        self._page, self._env = "", cast("Any", None)

    def begin(self, page: str, seed: int) -> str:
        """Resets the page's environment; the text is its accessibility tree."""
        if page != self._page:
            self.close()
            self._env = self._gymnasium.make(
                f"browsergym/miniwob.{page}",
                disable_env_checker=True,
                timeout=LATE_MS,
                task_kwargs={"base_url": self._url},
            )
            self._page = page
        seen, _ = self._env.reset(seed=seed)
        return self._obs.flatten_axtree_to_str(
            seen["axtree_object"],
            extra_properties=seen.get("extra_element_properties"),
            filter_visible_only=True,
        )

    def click(self, seen: str) -> None:
        """The first button of the tree."""
        found = re.search(r"\[(\w+)\] button", seen)
        assert found, "no button"  # noqa: S101
        self._env.step(f"click('{found[1]}')")

    def finish(self) -> None:
        """Nothing: the next reset ends the episode."""

    def close(self) -> None:
        """Ends the environment."""
        if self._env is not None:
            self._env.close()
            self._env, self._page = cast("Any", None), ""


class Selenium:
    """The environment of the package `miniwob`, which drives chromedriver."""

    def __init__(self) -> None:
        self._gymnasium = importlib.import_module("gymnasium")
        self._gymnasium.register_envs(importlib.import_module("miniwob"))
        self._kinds = importlib.import_module("miniwob.action").ActionTypes
        self._page, self._env, self._button = "", cast("Any", None), 0

    def begin(self, page: str, seed: int) -> str:
        """Resets the page's environment; the text is its elements that have something to say."""
        if page != self._page:
            self.close()
            self._env = self._gymnasium.make(f"miniwob/{page}-v1", disable_env_checker=True)
            self._page = page
        seen, _ = self._env.reset(seed=seed)
        every = seen["dom_elements"]
        self._button = next(one["ref"] for one in every if one["tag"] in ("button", "input_button"))
        return "\n".join(f"{one['ref']} {one['tag']} {one['text']} {one['value']}" for one in every)

    def click(self, seen: str) -> None:
        """The first button among the elements."""
        del seen
        action = self._env.unwrapped.create_action(self._kinds.CLICK_ELEMENT, ref=self._button)
        self._env.step(action)

    def finish(self) -> None:
        """Nothing: the next reset ends the episode."""

    def close(self) -> None:
        """Ends the environment."""
        if self._env is not None:
            self._env.close()
            self._env, self._page = cast("Any", None), ""


WAYS: dict[str, type[Ours] | type[BrowserGym] | type[Selenium]] = {
    "journeyman": Ours,
    "browsergym": BrowserGym,
    "selenium": Selenium,
}


def episode(way: Any, page: str, seed: int) -> dict[str, Any]:
    """Seconds for beginning and for one click, and the text at the beginning."""
    begun = time.perf_counter()
    seen = way.begin(page, seed)
    there = time.perf_counter()
    way.click(seen)
    clicked = time.perf_counter()
    way.finish()
    done = time.perf_counter()
    times = {"begin_s": there - begun, "step_s": clicked - there, "whole_s": done - begun}
    return {**times, "text": seen}


def main(name: str) -> None:
    """Answers until the input ends."""
    answers, sys.stdout = sys.stdout, sys.stderr
    way = WAYS[name]()
    for line in sys.stdin:
        asked = json.loads(line)
        told = episode(way, asked["page"], asked["seed"])
        answers.write(json.dumps(told) + "\n")
        answers.flush()
    way.close()


if __name__ == "__main__":
    main(sys.argv[1])
