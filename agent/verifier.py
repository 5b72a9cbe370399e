"""Verifiers: what the environment shows, what tools say, what a judge can cite. Never the score."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from agent.kit import Verifier
from agent.models.types import Message, Model, Sampling
from agent.state import Attempt
from agent.transcript import prompt
from memory.types import StepRecord, Usage, Verdict

NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?")
COUNTED = ("calculator", "python")
"""Tools whose results an answer must not contradict."""
UNKNOWN = Verdict(accepted=None, critique="", source="environment")


class Shown:
    """The environment ended the episode by itself, or it did not: any player sees that."""

    async def verify(self, attempt: Attempt) -> tuple[Verdict, Usage]:
        """Accepted when the episode ended by itself; says nothing about chat."""
        last = f"step {attempt.steps[-1].index}" if attempt.steps else "start"
        if attempt.answer:
            return UNKNOWN, Usage()
        if attempt.last.terminated:
            verdict = Verdict(accepted=True, confidence=1.0, evidence=(last,))
        else:
            why = "stopped by its budget" if attempt.stop else "not reached within the limit"
            verdict = Verdict(accepted=False, confidence=1.0, critique=why, evidence=(last,))
        return verdict, Usage()


class ToolResults:
    """An answer must carry the number that a tool worked out for it."""

    async def verify(self, attempt: Attempt) -> tuple[Verdict, Usage]:
        """Rejects an answer that leaves out or contradicts the last computed number."""
        counted = [(s, *called(s)) for s in attempt.steps if called(s)[0] in COUNTED]
        for step, _tool, _arguments in reversed(counted):
            numbers = _numbers(step.observation.partition("]")[2] or step.observation)
            if "error:" in step.observation or not numbers:
                continue
            evidence = (f"step {step.index}",)
            if numbers[-1] in _numbers(attempt.answer):
                return Verdict(
                    accepted=True, confidence=0.9, evidence=evidence, source="tool"
                ), Usage()
            critique = f"The tool worked out {numbers[-1]:g}; the answer does not say so."
            return Verdict(
                accepted=False, confidence=0.9, critique=critique, evidence=evidence, source="tool"
            ), Usage()
        return UNKNOWN, Usage()


class Judge:
    """A model's opinion, in a context of its own. Without evidence that exists it is none.

    It reads the answer as somebody else's, in a user's message: models overlook in their own
    messages the errors that they find in others' (Tsui 2025, arXiv 2507.02778; catalogue row
    self-correction-bench; measured by `journeyman eval blindspot`). Without `third_party` the
    answer stands there as the judge's own, to see the difference.
    """

    def __init__(self, model: Model, *, third_party: bool = True) -> None:
        self._model = model
        self._third_party = third_party

    async def verify(self, attempt: Attempt) -> tuple[Verdict, Usage]:
        """Accepts or rejects only while citing steps of the attempt."""
        ids = [f"step {step.index}" for step in attempt.steps]
        schema = {
            "type": "object",
            "properties": {
                "critique": {"type": "string", "maxLength": 300},
                "evidence": {"type": "array", "items": {"enum": ids or ["none"]}, "maxItems": 4},
                "accepted": {"type": "boolean"},
            },
            "required": ["critique", "evidence", "accepted"],
            "additionalProperties": False,
        }
        text = "\n".join(f"[step {s.index}] {s.action} -> {s.observation}" for s in attempt.steps)
        asked, answer = f"Task: {attempt.task.goal}\n\n{text}", attempt.answer or "(none)"
        reply = await self._model.reply(
            [{"role": "system", "content": prompt("judge")}, *self._shown(asked, answer)],
            schema=schema,
            sampling=Sampling(max_tokens=400),
        )
        data = reply.data or {}
        cited = tuple(item for item in data.get("evidence", ()) if item in ids)
        verdict = Verdict(
            accepted=bool(data.get("accepted")) if cited else None,
            confidence=0.5 if cited else 0.0,
            critique=str(data.get("critique", "")),
            evidence=cited,
            source="judge",
        )
        return verdict, reply.usage

    def _shown(self, asked: str, answer: str) -> list[Message]:
        if self._third_party:
            return [{"role": "user", "content": f"{asked}\n\nSomebody's answer: {answer}"}]
        return [
            {"role": "user", "content": asked},
            {"role": "assistant", "content": answer},
            {"role": "user", "content": "Check the answer."},
        ]


class FirstThatKnows:
    """Asks one verifier after the other, strongest evidence first."""

    def __init__(self, verifiers: Sequence[Verifier]) -> None:
        self._verifiers = tuple(verifiers)

    async def verify(self, attempt: Attempt) -> tuple[Verdict, Usage]:
        """The first verdict that is not "can't tell", else the last."""
        verdict, usage = UNKNOWN, Usage()
        for verifier in self._verifiers:
            verdict, spent = await verifier.verify(attempt)
            usage += spent
            if verdict.accepted is not None:
                break
        return verdict, usage


def called(step: StepRecord) -> tuple[str, dict[str, object]]:
    """Tool and arguments of a step; empty for a text command."""
    if not step.action.startswith('{"tool":'):
        return "", {}
    call = json.loads(step.action)
    return call["tool"], call["arguments"]


def _numbers(text: str) -> list[float]:
    return [float(match.replace(",", "")) for match in NUMBER.findall(text)]
