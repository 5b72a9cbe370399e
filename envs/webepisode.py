"""One attempt at a task on a page, with a judge of which players see only that it ended.

Actions are lines of text (`envs/pages.py`) or tool calls (`envs/pages_tools.py`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from envs.errors import EnvError, UserError
from envs.pages import Page, Seen, words_of
from envs.pages_tools import TOOLS, read_action
from envs.types import Action, Frozen, Score, Step, Task, ToolSpec

UNSEEN = Score(value=0.0, passed=False, note="no page was shown")


class Verdict(Frozen):
    """What a judge says after an action."""

    score: Score
    """How well it stands."""
    over: bool
    """Whether the episode ended by itself."""


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
            told = self._page.act(read_action(_whole(action)))
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


def _whole(action: Action) -> Action:
    """The action without broken characters, which no browser takes."""
    return action.model_copy(update={"text": action.text.encode("utf-8", "replace").decode()})
