"""Model calls and tokens: to store one memory, and to learn from one episode."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

from agent.models.client import OpenAIModel
from agent.reflector import Written
from agent.settings import ModelSettings
from agent.state import Attempt, Seen
from bench.memory.child import NEEDS, Child, share
from bench.memory.endpoint import Asked, Endpoint, endpoint
from envs.types import Frozen, Task
from memory.embed import Embedder
from memory.types import StepRecord, Verdict

LEARNERS = ("mem0", "langgraph")
"""Contenders whose own model picks what to remember from a conversation."""
LABELS = {"mem0": "mem0, `infer=True`", "langgraph": "langmem's store manager"}
Told = Callable[[str], None]


class Costs(Frozen):
    """What one contender asks of a model."""

    name: str
    """Contender, or the way of using it."""
    what: str
    """`store` one memory, or `learn` from one episode."""
    times: int
    """How often that was done."""
    asked: Asked
    """All of it together."""
    texts: float
    """Texts embedded each time."""


class Story(Frozen):
    """An episode to learn from: a failed one, for which a model is needed."""

    goal: str
    """What was asked."""
    first: str
    """What stood there before the first action."""
    steps: tuple[tuple[str, str], ...]
    """Action and observation."""

    def told(self) -> list[dict[str, str]]:
        """As a conversation, in the shape that every contender takes."""
        lines = [{"role": "user", "content": f"Your task is to: {self.goal}\n{self.first}"}]
        for action, observation in self.steps:
            lines.append({"role": "assistant", "content": action})
            lines.append({"role": "user", "content": observation})
        return lines


def calls(
    names: Sequence[str],
    folder: Path,
    stories: Sequence[Story],
    *,
    embedder: Embedder,
    rivals: Path,
    told: Told = lambda _text: None,
) -> list[Costs]:
    """Counts for each contender: storing without a model, and learning with one."""
    rows: list[Costs] = []
    share(folder / "shared", [], embedder)
    with endpoint() as model:
        for name in names:
            place = folder / name
            place.mkdir(parents=True, exist_ok=True)
            (place / "endpoint").write_text(model.url, "utf-8")
            child = Child(name, place, shared=folder / "shared", embedder=embedder, rivals=rivals)
            try:
                rows.append(_stored(name, child, stories, model))
                if name in LEARNERS and name in NEEDS:
                    rows.append(_learned(name, child, stories, model))
            finally:
                child.kill()
        rows.append(asyncio.run(_reflected(stories, model)))
    told("; ".join(f"{row.name}, {row.what}: {row.asked.calls} calls" for row in rows))
    return rows


def _stored(name: str, child: Child, stories: Sequence[Story], model: Endpoint) -> Costs:
    texts = 0
    for number, story in enumerate(stories):
        entry = {"id": f"c{number}", "text": story.goal, "say": f"{story.goal}, number {number}"}
        texts += child.ask("write", entry=entry).texts
    count = len(stories)
    return Costs(name=name, what="store", times=count, asked=model.take(), texts=texts / count)


def _learned(name: str, child: Child, stories: Sequence[Story], model: Endpoint) -> Costs:
    texts = sum(child.ask("learn", messages=story.told()).texts for story in stories)
    count = len(stories)
    return Costs(
        name=LABELS[name], what="learn", times=count, asked=model.take(), texts=texts / count
    )


async def _reflected(stories: Sequence[Story], model: Endpoint) -> Costs:
    """Journeyman's reflector that writes: one reply of at most 300 tokens for a failed attempt."""
    settings = ModelSettings(base_url=model.url, name="counted", api_key="none")
    reflector = Written(OpenAIModel(settings))
    for number, story in enumerate(stories):
        steps = tuple(
            StepRecord(index=index, action=action, observation=observation)
            for index, (action, observation) in enumerate(story.steps)
        )
        task = Task(
            id=f"t{number}", env="alfworld", goal=story.goal, key=f"k{number}", split="train"
        )
        attempt = Attempt(
            task=task,
            number=0,
            first=story.first,
            steps=steps,
            last=Seen(observation=steps[-1].observation),
        )
        await reflector.draft(attempt, Verdict(accepted=False))
    return Costs(
        name="Journeyman, a lesson written",
        what="learn",
        times=len(stories),
        asked=model.take(),
        texts=0,
    )
