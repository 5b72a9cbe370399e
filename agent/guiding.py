"""Guidance for a run, worked out by a model from a general guideline: no example of a task in it.

Source: Peng et al. 2024, ReGenesis, arXiv 2410.02108 (catalogue row `regenesis`); the rows that
come of such runs are made by `distill/guidelines.py`.
"""

from __future__ import annotations

from agent.models.types import Model, Sampling
from agent.transcript import prompt
from distill.guidelines import Guidance
from envs.errors import ModelError, clip
from envs.types import Task
from memory.text import unmarked
from memory.types import Usage

LONGEST = 600
"""Characters of each part."""


def guidelines() -> tuple[str, ...]:
    """General guidelines, one a line of `prompts/guidelines.md`."""
    lines = prompt("guidelines").splitlines()
    return tuple(line.removeprefix("- ").strip() for line in lines if line.startswith("- "))


async def guidance(model: Model, task: Task, *, guideline: str) -> tuple[Guidance, Usage]:
    """Puts a guideline into the task's terms, then into steps. Raises `ModelError` for blanks."""
    asked = f"Task: {task.goal}\nGuideline: {guideline}"
    adapted, first = await _said(model, "guideline_adapt", asked)
    steps, second = await _said(model, "guideline_steps", f"{asked}\nIn this task: {adapted}")
    made = Guidance(guideline=guideline, adapted=adapted, structure=steps)
    return made, first + second


async def _said(model: Model, name: str, asked: str) -> tuple[str, Usage]:
    messages = [{"role": "system", "content": prompt(name)}, {"role": "user", "content": asked}]
    reply = await model.reply(messages, sampling=Sampling(max_tokens=200))
    text = clip(unmarked(reply.text), most=LONGEST)
    if not text:
        raise ModelError(f"{model.name} wrote no guidance", repair="take a larger model")
    return text, reply.usage
