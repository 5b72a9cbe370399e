"""ReasoningBank: titled insights from successes and failures, found again by similar tasks."""

from __future__ import annotations

from typing import Any, ClassVar

from agent.models.types import Sampling
from bench.arms.learning import (
    Thinker,
    asking,
    attempts,
    by_model,
    judged,
    line,
    nearest,
    object_of,
    room,
    story,
    told,
    whole,
)
from bench.arms.types import Desk, Note, Played
from envs.errors import one_line
from envs.types import Task
from memory.types import Usage

MOST = 3
"""Items of one run, as in the paper."""
TITLE, DESCRIPTION, CONTENT, WHY = 60, 140, 280, 200
"""Most characters of the parts of an item, and of the reason that stands before them."""
REPLY = 1000
"""Most tokens of a reply; so long that the parts' lengths end it first."""
HEADER = Note(
    id="reasoningbank",
    text=(
        "Below are some memory items that I accumulated from past interaction from the environment "
        "that may be helpful to solve the task. You can use it when you feel it's relevant."
    ),
)


class ReasoningBank(Thinker):
    """Keeps what was learned from each run, solved or not, under the task that taught it.

    1. Retrieve: the memory items of the `k` earlier tasks whose words are closest to the task's
    (k = 1) stand in the system prompt. 2. Act. 3. A model judges whether the task was solved,
    without the answer. 4. A model writes up to three items (title, description, content) from the
    run: what worked after a success, what to avoid after a failure. 5. They are added to the bank
    as they are; nothing is merged, edited or forgotten.
    """

    paper: ClassVar[str] = "Ouyang et al. 2025, ReasoningBank, arXiv 2509.25140"
    differs: ClassVar[str] = (
        "Temperature 0 for writing where the paper has 0.7; MiniLM embeds tasks where it has "
        "gemini-embedding-001; items come as JSON with bounded lengths where it has Markdown. The "
        "prompts are those of its code with web navigation exchanged for text worlds, and the "
        "solver is not told to discuss each item at each step (a thought has 240 characters). "
        "With `judge='environment'` the sign of a finished train run stands in for the model's "
        "judgement. The released code (WebArena/induce_memory.py) takes a reward of 0 for a "
        "success; here a success is one. Of a task, items of earlier attempts at it are left out "
        "before the closest are chosen. MaTTS (several attempts at a task, compared) is not here."
    )
    learns: ClassVar[bool] = True

    def __init__(self, desk: Desk, *, think: bool = True, k: int = 1, judge: str = "model") -> None:
        super().__init__(desk, think=think)
        self._k = whole(k, name="k", low=1, high=10)
        self._by_model = by_model(judge)
        self._bank: list[dict[str, Any]] = []

    async def notes(self, task: Task) -> tuple[Note, ...]:
        """The items of the closest other tasks, closest first."""
        known = [entry for entry in self._bank if entry["task_key"] != task.key and entry["items"]]
        order = nearest(self.desk, task.goal, [entry["query"] for entry in known])
        chosen = [known[place] for place in order[: self._k]]
        items = [note for entry in chosen for note in _notes(entry)]
        return (HEADER, *items) if items else ()

    async def learn(self, played: Played) -> Usage:
        """Judges the run and writes its items: two calls. Raises `ModelError`, then unchanged."""
        run = played.trajectory
        if run.error or not run.steps:
            return Usage()
        solved, spent = played.passed, Usage()
        if self._by_model:
            solved, spent = await judged(self.desk, played)
        system = told("bank_success" if solved else "bank_failure")
        query = f"**Query:** {run.goal}\n\n**Trajectory:**\n"
        most = room(self.desk.settings.model.context, system, query, reply=REPLY)
        history = story(run.first_observation, attempts(run)[-1], most=most)
        reply = await self.desk.model.reply(
            asking(system, query + history),
            schema=_schema(),
            sampling=Sampling(max_tokens=REPLY),
        )
        entry = {
            "query": run.goal,
            "task_key": played.task.key,
            "run": run.id,
            "status": "success" if solved else "fail",
            "items": _items((reply.data or {}).get("items", ())),
        }
        self._bank = [*self._bank, entry]
        return spent + reply.usage

    def dump(self) -> dict[str, Any]:
        """The bank, in the order in which it was learned."""
        return {"bank": self._bank}

    def load(self, kept: dict[str, Any]) -> None:
        """Takes up a bank."""
        self._bank = list(kept.get("bank", ()))

    def fixed(self) -> frozenset[str]:
        """The line that stands before the items."""
        return frozenset({HEADER.id})


def _notes(entry: dict[str, Any]) -> list[Note]:
    return [
        Note(
            id=f"reasoningbank:{entry['run']}:{number}",
            text=(
                f"# Memory Item: {item['title']}\n## Description: {item['description']}\n"
                f"## Content: {item['content']}"
            ),
            runs=(entry["run"],),
            task_keys=(entry["task_key"],),
        )
        for number, item in enumerate(entry["items"], start=1)
    ]


def _items(given: Any) -> list[dict[str, str]]:
    """Items with content, each content once."""
    items = [{name: one_line(str(text)) for name, text in item.items()} for item in given]
    once = {item["content"].casefold(): item for item in reversed(items) if item["content"]}
    return list(reversed(once.values()))[:MOST]


def _schema() -> dict[str, Any]:
    item = object_of(
        {"title": line(TITLE), "description": line(DESCRIPTION), "content": line(CONTENT)}
    )
    items = {"type": "array", "items": item, "minItems": 1, "maxItems": MOST}
    return object_of({"why": line(WHY), "items": items})
