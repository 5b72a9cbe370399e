"""Self-check: a model reads an answer as somebody else's, and may only doubt it.

A switchable filter on answers (`selfcheck = true`): the baseline of "Critique Ability of Large
Language Models" (Luo et al. 2023, arXiv 2310.04815; catalogue row criticbench). Small models
criticise badly and their own answers worst, so it stands last, behind all evidence; it never
accepts, and a doubt of its own, which rests on no evidence, replaces nothing (Huang et al. 2023,
arXiv 2310.01798). How well a model does it: `journeyman eval critic`.
"""

from __future__ import annotations

from typing import Any, Literal

from agent.models.types import Message, Model, Sampling
from agent.state import Attempt
from agent.transcript import prompt
from envs.types import Frozen
from memory.types import Usage, Verdict

LONGEST = 300
"""Most characters of a critique."""
TOKENS = 400
"""Most tokens of a reply: more than a critique has characters, so that none is cut off."""
NOTHING = Verdict(accepted=None, source="judge")
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "critique": {"type": "string", "maxLength": LONGEST},
        "answer": {"enum": ["right", "wrong"]},
    },
    "required": ["critique", "answer"],
    "additionalProperties": False,
}


class Critique(Frozen):
    """What a model says about an answer."""

    answer: Literal["right", "wrong"]
    """Its judgement."""
    text: str
    """In words."""
    usage: Usage = Usage()
    """What it cost."""


def third_party(question: str, answer: str) -> list[Message]:
    """Question and answer in one message of a user's, so that nothing marks the answer as own.

    The wording presupposes neither an error nor its absence.
    """
    content = f"Question:\n{question}\n\nSomebody's answer:\n{answer}"
    return [
        {"role": "system", "content": prompt("selfcheck")},
        {"role": "user", "content": content},
    ]


async def critique(model: Model, *, question: str, answer: str) -> Critique:
    """One judgement, greedy. Raises `ModelError` when the model gives none."""
    reply = await model.reply(
        third_party(question, answer),
        schema=SCHEMA,
        sampling=Sampling(temperature=0.0, max_tokens=TOKENS),
    )
    data = reply.data or {}
    judged: Literal["right", "wrong"] = "wrong" if data.get("answer") == "wrong" else "right"
    return Critique(answer=judged, text=str(data.get("critique", "")), usage=reply.usage)


class SelfCheck:
    """Rejects an answer that the model finds wrong when it reads it as somebody else's."""

    def __init__(self, model: Model) -> None:
        self._model = model

    async def verify(self, attempt: Attempt) -> tuple[Verdict, Usage]:
        """False without evidence, or None; never True."""
        if not attempt.answer:
            return NOTHING, Usage()
        said = await critique(self._model, question=attempt.task.goal, answer=attempt.answer)
        if said.answer == "right":
            return NOTHING, said.usage
        doubt = f"On a second look this may be wrong: {said.text}"
        return Verdict(accepted=False, critique=doubt, source="judge"), said.usage
