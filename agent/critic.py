"""A critic: names the wrong step of an attempt, and says what to do instead in the next one.

After "Enhancing LLM Reasoning via Critique Models with Test-Time and Training-Time Supervision" (Xi
et al. 2024, arXiv 2411.16579; catalogue row critique-in-the-loop). Actor and critic are two models
(`Home.model("reflector")` is the critic's place in the settings), and the critic has a context of
its own: it sees what was done and what came back, as somebody else's. What differs: an attempt is
one in an environment, so the next one begins it again with the critique, and is recorded as the
retry that it is; the data a critic is trained on has planted faults (`distill/corrupting.py`) where
the paper has a stronger model annotate. What it is worth at equal cost: `agent/sparring.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from agent.kit import Reflector
from agent.models.types import Message, Model, Sampling
from agent.reflectors.types import Asker, line, object_of, one_of
from agent.state import Attempt
from agent.transcript import prompt
from distill.corrupting import INSTRUCTION as LOCATE
from distill.corrupting import Item, Sneak, Spot, alike, question_of, sneak_question
from distill.rows_verifying import asked, told
from envs.errors import ModelError
from memory.types import Lesson, StepRecord, Usage, Verdict

STEPS = 60
"""Most steps of which a critic is asked, the latest."""
TOKENS = 24
"""Most tokens of a reply that names a step."""
CHOICES = 40
"""Most steps that a sneaky generator chooses from; those that look most like the right one."""


class Critic:
    """A reflector whose advice rests on a named step; lessons are left to another one."""

    def __init__(self, model: Model, *, inner: Reflector) -> None:
        self._model = model
        self._inner = inner

    async def locate(
        self, goal: str, first: str, steps: Sequence[StepRecord]
    ) -> tuple[int | None, Usage]:
        """Place of the first wrong step, from 0; None: nothing is wrong, or it can't tell."""
        return await _located(self._model, asked(goal, first, steps, instruction=LOCATE), steps)

    async def reflect(self, attempt: Attempt, verdict: Verdict) -> tuple[str, Usage]:
        """What the step shows that was the first wrong one; as `inner` does, where none is named.

        The critic is told that the attempt failed, which any player sees, and no more.
        """
        steps = attempt.steps[-STEPS:]
        messages: list[Message] = [
            {"role": "system", "content": prompt("critique")},
            {"role": "user", "content": told(attempt.task.goal, attempt.first, steps)},
        ]
        ask = Asker(self._model, most=1)
        try:
            said = await ask.ask(messages, step=places(steps), advice=line())
        except ModelError:
            said = {}
        place, advice = said.get("step"), str(said.get("advice", "")).strip()
        if not advice:
            text, spent = await self._inner.reflect(attempt, verdict)
            return text, ask.usage + spent
        if place is None:
            return advice, ask.usage
        number = len(attempt.steps) - len(steps) + int(place)
        return f"Step {number} ({steps[int(place)].action}) was wrong: {advice}", ask.usage

    async def draft(self, attempt: Attempt, verdict: Verdict) -> tuple[list[Lesson], Usage]:
        """As `inner` does."""
        return await self._inner.draft(attempt, verdict)


async def named(model: Model, items: Sequence[Item]) -> tuple[list[int | None], Usage]:
    """What a critic says of each item: a place, or None; see `distill.corrupting.detection`.

    It is asked as it was trained. Raises `ModelError` when it does not answer.
    """
    found, usage = list[int | None](), Usage()
    for item in items:
        place, spent = await _located(model, question_of(item), item.steps)
        found.append(place)
        usage += spent
    return found, usage


async def _located(
    model: Model, question: Sequence[Message], steps: Sequence[StepRecord]
) -> tuple[int | None, Usage]:
    reply = await model.reply(
        question,
        schema=object_of(step=places(steps)),
        sampling=Sampling(max_tokens=TOKENS),
    )
    place = (reply.data or {}).get("step")
    return (place if isinstance(place, int) else None), reply.usage


def places(steps: Sequence[StepRecord]) -> dict[str, Any]:
    """JSON schema of a place among steps, or null."""
    return {"enum": [*range(len(steps)), None]}


async def sneaky(model: Model, spots: Sequence[Spot]) -> tuple[Sneak, Usage]:
    """A generator of wrong steps out of a model, with one question for each place.

    It can name nothing but steps that were possible there. Where it does not answer, the rule
    (`distill.corrupting.alike`) does.
    """
    chosen: dict[tuple[str, int], str] = {}
    usage = Usage()
    for spot in spots:
        choices = alike(spot)[:CHOICES]
        if not choices:
            continue
        ask = Asker(model, most=1)
        try:
            said = await ask.ask(sneak_question(spot), step=one_of(choices))
            chosen[spot.run, spot.place] = str(said["step"])
        except ModelError:
            continue
        finally:
            usage += ask.usage

    def sneak(spot: Spot) -> list[str]:
        own = chosen.get((spot.run, spot.place))
        return [own] if own is not None else alike(spot)

    return sneak, usage
