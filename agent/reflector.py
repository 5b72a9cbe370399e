"""Reflectors: what to do better in the next attempt, and what to remember for other tasks."""

from __future__ import annotations

import hashlib
from typing import Any

from agent.browsing_words import page_of
from agent.mcp_words import foreign
from agent.models.types import Model, Sampling
from agent.state import Attempt
from agent.transcript import prompt
from agent.verifier import called
from distill.attempts import TOLD, story
from envs.errors import clip, one_line
from memory.essence import essential, way_told
from memory.recall import strip_marked
from memory.types import Lesson, LessonKind, Scope, Source, Usage, Verdict

LONG = 12
"""Most steps that a workflow lesson names."""
QUOTE = 300
"""Most characters of a quote."""


class Plain:
    """Needs no model: a workflow from a solved attempt, and the loops of a failed one as advice."""

    async def reflect(self, attempt: Attempt, verdict: Verdict) -> tuple[str, Usage]:
        """Names the actions that were repeated without effect."""
        counts: dict[str, int] = {}
        for step in attempt.steps:
            counts[step.action] = counts.get(step.action, 0) + 1
        often = [action for action, count in counts.items() if count > 1][:5]
        advice = verdict.critique or "The attempt did not reach the goal."
        if often:
            advice += f" These were repeated without getting there: {'; '.join(often)}."
        return advice, Usage()

    async def draft(self, attempt: Attempt, verdict: Verdict) -> tuple[list[Lesson], Usage]:
        """One workflow for an accepted attempt in a text environment, else nothing."""
        if verdict.accepted is not True or attempt.answer:
            return [], Usage()
        steps = essential(attempt.steps)
        if not steps or len(steps) > LONG:
            return [], Usage()
        text = way_told(one_line(attempt.task.goal), [step.action for step in steps])
        lesson = lesson_from(
            attempt,
            kind="workflow",
            text=text,
            situation=attempt.task.goal,
            span=(steps[0].index, steps[-1].index),
            quote=steps[-1].observation,
        )
        return [lesson], Usage()


class Written:
    """A model writes: advice after a failure, and a lesson that quotes the step it comes from."""

    def __init__(self, model: Model, *, plain: Plain | None = None) -> None:
        self._model = model
        self._plain = plain or Plain()

    async def reflect(self, attempt: Attempt, verdict: Verdict) -> tuple[str, Usage]:
        """Two sentences of advice."""
        reply = await self._model.reply(
            self._messages("reflect", attempt, verdict), sampling=Sampling(max_tokens=160)
        )
        return one_line(strip_marked(reply.text)), reply.usage

    async def draft(self, attempt: Attempt, verdict: Verdict) -> tuple[list[Lesson], Usage]:
        """The plain workflow of a success; for a failure a pitfall or strategy in own words."""
        lessons, usage = await self._plain.draft(attempt, verdict)
        if verdict.accepted is not False or not attempt.steps or attempt.answer:
            return lessons, usage
        reply = await self._model.reply(
            self._messages("lesson", attempt, verdict),
            schema=_lesson_schema(attempt),
            sampling=Sampling(max_tokens=300),
        )
        data = reply.data or {}
        text, situation = one_line(data.get("text", "")), one_line(data.get("situation", ""))
        step = next((s for s in attempt.steps if s.index == data.get("step")), None)
        if step is not None and len(text) > 15 and situation:
            kind: LessonKind = "pitfall" if data.get("kind") == "pitfall" else "strategy"
            span = (step.index, step.index)
            quote = f"{step.action}\n{step.observation}"
            lessons.append(
                lesson_from(
                    attempt, kind=kind, text=text, situation=situation, span=span, quote=quote
                )
            )
        return lessons, usage + reply.usage

    def _messages(self, name: str, attempt: Attempt, verdict: Verdict) -> list[dict[str, Any]]:
        told = story(attempt.task.goal, attempt.first, attempt.steps, verdict)
        return [{"role": "system", "content": prompt(name)}, {"role": "user", "content": told}]


def lesson_from(
    attempt: Attempt,
    *,
    kind: LessonKind,
    text: str,
    situation: str,
    span: tuple[int, int],
    quote: str,
) -> Lesson:
    """A candidate lesson with its source. The id depends on the text alone within a task key."""
    task = attempt.task
    return Lesson(
        id=lesson_id(task.env, task.key, kind=kind, text=text),
        kind=kind,
        text=clip(text, most=1500),
        situation=clip(one_line(situation), most=500),
        scope=Scope(env=task.env.partition(":")[0], task_type=""),
        source=Source(
            first_step=span[0],
            last_step=span[1],
            quote=quote[:QUOTE],
            task_keys=(task.key,),
            origin=page_of(attempt.steps),
        ),
        trust="web" if any(foreign(called(step)[0]) for step in attempt.steps) else "self",
    )


def lesson_id(env: str, task_key: str, *, kind: LessonKind, text: str) -> str:
    """Id of a lesson that a run at this task would write; `env` with its level."""
    return f"L{hashlib.sha256(f'{env}|{task_key}|{kind}|{text}'.encode()).hexdigest()[:12]}"


def quoted(lesson: Lesson, attempt: Attempt) -> bool:
    """Whether the lesson's quote stands in the steps it names, letter by letter."""
    source = lesson.source
    spoken = "\n".join(
        f"{s.action}\n{s.observation}"
        for s in attempt.steps
        if source.first_step <= s.index <= source.last_step
    )
    return bool(source.quote) and source.quote in spoken


def _lesson_schema(attempt: Attempt) -> dict[str, Any]:
    steps = [step.index for step in attempt.steps[-TOLD:]]
    properties: dict[str, Any] = {
        "step": {"enum": steps},
        "kind": {"enum": ["pitfall", "strategy"]},
        "situation": {"type": "string", "maxLength": 160},
        "text": {"type": "string", "maxLength": 300},
    }
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
