"""Instruct-of-Reflection: an instructor says after each round whether to refresh, stop or select.

After "Instruct-of-Reflection" (Liu et al. 2025, arXiv 2503.00902; catalogue row
instruct-of-reflection). A meta-thought (how such questions are gone about) is written first. Each
round answers again; then the instructor compares. The answers differ (drift): select, the model
names the better one and the next round goes on from that. They say the same and it holds by the
meta-thought: stop, more would be redundant. They say the same and it does not hold (stubborn):
refresh, an answer from the meta-thought alone, without sight of the old ones.

What differs: the meta-thought is written for the question at hand, not fetched from a store of
them; whether answers agree is told by a rule over words, not by a model; three rounds at most.
"""

from __future__ import annotations

from typing import Any, Literal

from agent.reflectors.confidence import revised
from agent.reflectors.types import Asker, Draft, Looked, final, line, one_of, same, told
from agent.transcript import prompt

Instruction = Literal["refresh", "stop", "select"]
ROUNDS = 3
"""Most rounds."""
THOUGHT = 360
"""Most characters of a meta-thought."""


def instruct(before: str, after: str, *, sound: bool) -> Instruction:
    """What comes next; `sound` counts only where both say the same."""
    if not same(before, after):
        return "select"
    return "stop" if sound else "refresh"


class Instructed:
    """Answers again under instructions, for a few rounds."""

    name = "instructed"
    calls = 1 + 3 * ROUNDS

    async def look(self, draft: Draft, ask: Asker) -> Looked:
        """One question for the meta-thought, two or three a round."""
        said = await ask.ask(told(draft, prompt("meta_thought")), thought=line(THOUGHT))
        thought = f"How such things are gone about: {said.get('thought', '')}"
        current, rounds = draft, list[dict[str, Any]]()
        for _ in range(ROUNDS):
            again = await revised(current, ask, "review", also=thought)
            agree = same(current.text, again)
            sound = agree and await _holds(current, ask, thought)
            instruction = instruct(current.text, again, sound=sound)
            rounds.append({"instruction": instruction, "answer": again})
            if instruction == "stop":
                break
            if instruction == "select":
                text = await _better(current, again, ask, thought)
            else:
                text = await _afresh(draft, ask, thought)
            current = current.model_copy(update={"text": text})
        note = {"by": self.name, "meta_thought": thought, "rounds": rounds}
        return Looked(text=current.text, note=note)


async def _holds(draft: Draft, ask: Asker, thought: str) -> bool:
    request = f"{prompt('sound')}\n\n{thought}\n\nThe answer:\n{draft.text}"
    said = await ask.ask(told(draft, request), answer=one_of(("holds", "does not hold")))
    return said.get("answer") == "holds"


async def _better(draft: Draft, other: str, ask: Asker, thought: str) -> str:
    request = f"{prompt('select')}\n\n{thought}\n\nFirst:\n{draft.text}\n\nSecond:\n{other}"
    said = await ask.ask(told(draft, request), better=one_of(("first", "second")))
    return other if said.get("better") == "second" else draft.text


async def _afresh(draft: Draft, ask: Asker, thought: str) -> str:
    said = await ask.ask(told(draft, f"{prompt('afresh')}\n\n{thought}"), answer=final(draft))
    return str(said.get("answer", "")).strip() or draft.text
