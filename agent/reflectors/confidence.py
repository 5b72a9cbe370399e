"""If-or-Else: an answer that the model is confident of is kept, any other is revised.

After "Confidence Matters: Revisiting Intrinsic Self-Correction Capabilities of Large Language
Models" (Li et al. 2024, arXiv 2402.12563; catalogue row if-or-else). The paper asks for both in one
prompt and trusts the model to repeat an answer that it keeps; here confidence is asked for first,
and a kept answer is the program's copy, byte for byte. `Review` is the plain "review your answer"
that it is held against. Which of the two breaks fewer right answers with your model:
`journeyman eval secondlook`.
"""

from __future__ import annotations

from agent.reflectors.types import Asker, Draft, Looked, final, one_of, told
from agent.transcript import prompt

SURE, UNSURE = "confident", "unsure"


class IfOrElse:
    """Confident: keep. Unsure: revise."""

    name = "if-or-else"
    calls = 2

    async def look(self, draft: Draft, ask: Asker) -> Looked:
        """One question, and a second one where the model is unsure."""
        asked = told(draft, f"{prompt('confidence')}\n\nThe answer:\n{draft.text}")
        said = await ask.ask(asked, confidence=one_of((SURE, UNSURE)))
        note = {"by": self.name, "confidence": str(said.get("confidence", SURE))}
        if note["confidence"] != UNSURE:
            return Looked(text=draft.text, note=note)
        return Looked(text=await revised(draft, ask, "revise"), note=note)


class Review:
    """Answers again after reading the answer, sure or not."""

    name = "review"
    calls = 1

    async def look(self, draft: Draft, ask: Asker) -> Looked:
        """One question."""
        return Looked(text=await revised(draft, ask, "review"), note={"by": self.name})


async def revised(draft: Draft, ask: Asker, name: str, *, also: str = "") -> str:
    """A new answer after the prompt called `name`; the old one where it comes out empty."""
    parts = (prompt(name), also, f"The answer:\n{draft.text}")
    asked = told(draft, "\n\n".join(part for part in parts if part))
    said = await ask.ask(asked, answer=final(draft))
    return str(said.get("answer", "")).strip() or draft.text
