"""MiniWoB++ in a real browser: 125 small web tasks, each with as many pages as there are seeds.

Which tasks are `test` is BrowserGym's public split (`miniwob_split.csv`); of its train tasks those
whose group of similar tasks has a number that leaves 3 when divided by 4 are `val`, so no two
splits share a task, nor one that resembles it. Task and seed settle the instruction, and the page
but for four tasks that move. The key of a task is its page and its instruction: two seeds that ask
for the same on the same page are one task to every guard, two that ask for different things aren't.

Only `MiniWobEpisode.score` tells the reward. It is read once, when the page says that the episode
has ended; a page that was left, or began anew, is a lost episode.
"""

from __future__ import annotations

import csv
import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

from envs.browser import Browser
from envs.browser_tab import Tab
from envs.errors import EnvError, UnknownName, UserError, clip
from envs.miniwob_pages import Served, folder
from envs.pages import Seen, unique, words_of
from envs.pages_tools import TOOLS, read_action
from envs.types import Action, Frozen, Limits, Score, Split, Step, Task, ToolSpec

HERE = Path(__file__).parent
VIEWPORT = (340, 340)
"""The pages are made for 160 x 210 pixels; some of their dialogs stand beside that."""
SEEDS = 10
"""Seeds of each task that are listed: 0 to 9."""
STEPS = 25
ACTIONS_MOST = 60
_FRESH = """
book-flight book-flight-nodelay click-pie click-pie-nodelay drag-cube focus-text-2 grid-coordinate
stock-market terminal text-editor use-autocomplete use-autocomplete-nodelay
"""
FRESH = frozenset(_FRESH.split())
"""Tasks whose page is loaded anew for each episode: something of one was seen in the next."""
BEGIN = """async ([seed, mark]) => {
  const until = async ready => { for (let i = 0; i < 600 && !ready(); i++)
    await new Promise(done => setTimeout(done, 5)); };
  await until(() => window.core && core.cover_div);
  if (window.jQuery) jQuery.fx.off = true;
  window.journeyman = mark;
  document.activeElement?.blur();
  core.cover_div.onclick = null;
  core.EPISODE_MAX_TIME = 86400000;
  Math.seedrandom(seed);
  core.startEpisodeReal();
  await until(() => WOB_TASK_READY);
  core.clearTimer();
  return core.getUtterance();
}"""
STATE = """most => {
  const clock = window[Symbol.for('journeyman.clock')];
  clock?.show();
  const marks = [], shown = 'svg :is(circle, rect, ellipse, polygon, path, line), #wrap canvas, '
    + 'body :is(span, div, td, i, a, img, li)[class], body :is(span, div, td, img)[id], [style]',
    within = 'button, a, label, [role=button], [role=menuitem], [role=tab], [role=option]';
  for (const it of document.querySelectorAll(shown)) {
    if (marks.length >= most) break;
    const box = it.getBoundingClientRect(), drawn = it instanceof SVGElement;
    if (!(drawn ? Math.max(box.width, box.height) > 3 : box.width * box.height > 15)) continue;
    if (!drawn && (it.childElementCount || it.textContent.trim() || it.matches('input, textarea')))
      continue;
    const look = getComputedStyle(it);
    if (!drawn && (it.dataset.heard || it.parentElement.closest(within))) continue;
    if (look.visibility === 'hidden' || it.closest('#query, #reward-display')) continue;
    const tag = it.tagName.toLowerCase();
    const [name, colour] = drawn
      ? [tag, it.getAttribute('fill') || it.getAttribute('stroke') || look.fill]
      : tag === 'canvas' ? [tag, ''] : clock?.label(it) ?? [tag, ''];
    marks.push([name.trim(), colour, Math.round(box.width), Math.round(box.height),
      Math.round(box.x + box.width / 2), Math.round(box.y + box.height / 2)]);
  }
  return {mark: window.journeyman ?? '', done: window.WOB_DONE_GLOBAL === true,
    count: window.WOB_EPISODE_ID, raw: Number(window.WOB_RAW_REWARD_GLOBAL), marks};
}"""
MARKS_MOST = 30


class Row(Frozen):
    """One of MiniWoB++'s tasks."""

    name: str
    """Its page, without `.html`."""
    split: Split
    """`train`, `val` or `test`."""
    group: int
    """Number of its group of similar tasks, as BrowserGym has it."""
    category: str
    """What BrowserGym says of where it comes from."""


class MiniWobEpisode:
    """One attempt at one page."""

    def __init__(self, task: Task, *, env: MiniWob, tab: Tab, seed: int) -> None:
        self._env = env
        self._tab: Tab | None = tab
        self._count = 0
        self._over = False
        self._left = False
        self._raw: float | None = None
        self._mark = f"{task.id}#{seed}"
        goal, fields = env.begin(tab, seed=seed, mark=self._mark)
        self.task = task if task.goal == goal else task.model_copy(update={"goal": goal})
        self._words = unique([*fields, *words_of(goal)])
        self._began = self._state()["count"]
        self.first = self._step(goal)

    @property
    def tools(self) -> Sequence[ToolSpec]:
        """The page's tools where the environment offers them (`miniwob:tools`), else none."""
        return TOOLS if self._env.offers_tools else ()

    def step(self, action: Action) -> Step:
        """One action of `envs/pages.py`, as text or as a call; nonsense is answered in words."""
        if self._over or self._tab is None or self._count >= self.task.limits.steps:
            raise EnvError("the episode is over", repair="open the task again")
        self._count += 1
        try:
            done = self._tab.act(read_action(action))
        except UserError as error:
            done = str(error)
        return self._step(done)

    def score(self) -> Score:
        """Passed when the page gave a reward above 0; `raw` is that reward, -1 if it gave none."""
        raw = -1.0 if self._raw is None else self._raw
        return Score(
            value=min(max(raw, 0.0), 1.0),
            passed=raw > 0,
            parts={"raw": raw},
            note="" if self._raw is not None else "the page has not said that it is done",
        )

    def shot(self) -> bytes:
        """The page as a PNG; empty once it is closed."""
        return self._tab.shot() if self._tab else b""

    def close(self) -> None:
        """Gives the page back."""
        if self._tab is not None:
            self._env.give_back(self._tab, page="" if self._left else page_of(self.task))
            self._tab = None

    def _state(self) -> dict[str, Any]:
        assert self._tab is not None  # noqa: S101
        return self._env.browser.run(self._tab, STATE, MARKS_MOST)

    def _step(self, told: str) -> Step:
        assert self._tab is not None  # noqa: S101
        state = self._state()
        self._left = state["mark"] != self._mark or state["count"] not in (
            self._began,
            self._began + 1,
        )
        if self._left:
            self._over = True
            told += "\n\nThe page was left, and what was done on it is lost."
        elif state["done"] or state["count"] != self._began:
            self._over = True
            self._raw = float(state["raw"])
            told += "\n\nThe page says that the task has ended."
        if self._over:
            return Step(observation=told, admissible=(), terminated=True)
        seen, marks = self._tab.look(words=self._words), state["marks"]
        return Step(
            observation="\n".join([told, "", seen.text, *map(_mark, marks)]).rstrip(),
            admissible=_admissible(seen, marks),
            truncated=self._count >= self.task.limits.steps,
        )


class MiniWob:
    """All tasks, with `seeds` pages of each listed; any other seed can be opened.

    `executable` is the browser, found where empty. Pages that were played are kept, and played
    again. Thread-safe: as many episodes at once as are opened, in contexts of their own.
    """

    def __init__(
        self,
        *,
        executable: Path | str = "",
        seeds: int = SEEDS,
        steps: int = STEPS,
        tools: bool = False,
        browser: Browser | None = None,
    ) -> None:
        self.name = "miniwob:tools" if tools else "miniwob"
        self.offers_tools = tools
        self.browser = Browser(executable=executable) if browser is None else browser
        self._owns_browser = browser is None
        self._seeds = seeds
        self._limits = Limits(steps=steps)
        self._lock = threading.Lock()
        self._served: Served | None = None
        self._free: list[tuple[str, Tab]] = []

    def tasks(self, split: Split) -> Sequence[Task]:
        """Every task of the split once, then every task with the next seed, and so on."""
        rows = [row for row in rows_of_split() if row.split == split]
        return tuple(self._task(row, seed) for seed in range(self._seeds) for row in rows)

    def task(self, name: str, *, seed: int = 0) -> Task:
        """One page by its name, as `login-user`. Raises `UnknownName`."""
        found = [row for row in rows_of_split() if row.name == name]
        if not found:
            raise UnknownName("page of miniwob", name, (row.name for row in rows_of_split()))
        return self._task(found[0], seed)

    def open(self, task: Task, *, seed: int | None = None) -> MiniWobEpisode:
        """Begins an attempt. Raises `Missing` without a browser or the pages."""
        self.task(page_of(task))
        number = task.seed if seed is None else seed
        try:
            return self._open(task, number)
        except EnvError:
            self._drop()  # the browser may have died, and free pages with it
            return self._open(task, number)

    def _open(self, task: Task, seed: int) -> MiniWobEpisode:
        tab = self._take(page_of(task))
        try:
            return MiniWobEpisode(task, env=self, tab=tab, seed=seed)
        except EnvError:
            tab.close()
            raise

    def _drop(self) -> None:
        with self._lock:
            free, self._free = self._free, []
        for _, tab in free:
            tab.close()

    @contextmanager
    def loaded(self, page: str) -> Iterator[Tab]:
        """A page that is loaded, for the length of a block."""
        tab = self._take(page)
        try:
            yield tab
        finally:
            self.give_back(tab, page=page)

    def begin(self, tab: Tab, *, seed: int, mark: str) -> tuple[str, tuple[str, ...]]:
        """Starts an episode on a loaded page: its instruction, and the fields that are named."""
        told = self.browser.run(tab, BEGIN, [seed, mark])
        if isinstance(told, str):
            return told, ()
        fields = told.get("fields") or {}
        return str(told.get("utterance", "")), tuple(str(value) for value in fields.values())

    def give_back(self, tab: Tab, *, page: str) -> None:
        """Keeps a page for the next episode."""
        with self._lock:
            if self._served is not None:
                self._free.append((page, tab))
                return
        tab.close()

    def close(self) -> None:
        """Ends pages, server and browser, unless the browser was passed in."""
        with self._lock:
            served, self._served = self._served, None
        if not self._owns_browser:
            self._drop()
        if self._owns_browser:
            self._free.clear()
            self.browser.close()
        if served:
            served.close()

    def _take(self, page: str) -> Tab:
        """A page that is loaded: one that is free, best the same, else a new one."""
        with self._lock:
            self._served = self._served or Served(folder())
            origin = self._served.origin
            same = [pair for pair in self._free if pair[0] == page]
            pair = (same or self._free or [None])[0]
            if pair:
                self._free.remove(pair)
        url = f"{origin}/miniwob/{page}.html"
        if pair:
            tab = pair[1]
            if (pair[0] == page and page not in FRESH) or tab.goto(url).startswith("opened"):
                return tab
            tab.close()
        tab = self.browser.open(origins=[origin], viewport=VIEWPORT, veil="#query", eyes=False)
        told = tab.goto(url)
        if not told.startswith("opened"):
            tab.close()
            raise EnvError(told, repair="open the task again")
        return tab

    def _task(self, row: Row, seed: int) -> Task:
        goals = goals_by_page().get(row.name, [])
        goal = goals[seed] if 0 <= seed < len(goals) else f"The page {row.name} says what to do."
        return Task(
            id=f"miniwob/{row.split}/{row.name}-{seed}",
            env=self.name,
            goal=goal,
            key=f"{row.name} | {goal}",
            split=row.split,
            seed=seed,
            limits=self._limits,
            tags=(row.name, f"group:{row.group}"),
        )


def page_of(task: Task) -> str:
    """The name of a task's page, without its seed."""
    return task.id.rpartition("/")[2].rpartition("-")[0]


@cache
def rows_of_split() -> tuple[Row, ...]:
    """All tasks with their splits, in the order of their names."""
    with (HERE / "miniwob_split.csv").open(encoding="utf-8", newline="") as file:
        return tuple(_row(fields) for fields in csv.DictReader(file))


def _row(fields: dict[str, str]) -> Row:
    group = int(fields["similarity_group"])
    split = "test" if fields["browsergym_split"] == "test" else "val" if group % 4 == 3 else "train"
    name = fields["task_name"].removeprefix("miniwob.")
    return Row(name=name, split=split, group=group, category=fields["miniwob_category"])


@cache
def goals_by_page() -> dict[str, list[str]]:
    """The instructions of the first seeds, by page; what the pages themselves say."""
    with suppress(OSError):
        return json.loads((HERE / "miniwob_goals.json").read_text("utf-8"))
    return {}


def _mark(mark: Sequence[Any]) -> str:
    """What stands on a page without a word: its colour, kind, size and middle."""
    name, colour, width, height, x, y = mark
    return f"{colour} {clip(name, most=40)} {width}x{height} at ({x}, {y})".lstrip()


def _admissible(seen: Seen, marks: Sequence[Sequence[Any]]) -> tuple[str, ...]:
    points = unique(f"click at ({x}, {y})" for *_, x, y in marks if x >= 0 and y >= 0)
    return unique([*seen.actions[: ACTIONS_MOST - len(points)], *points]) or ("wait",)
