"""Self-Contrast: what several perspectives disagree on becomes a checklist for the answer.

After "Self-Contrast: Better Reflection Through Inconsistent Solving Perspectives" (Zhang et al.
2024, arXiv 2401.02009; catalogue row self-contrast). The model names perspectives for this very
request, answers from each, compares the answers, turns the discrepancies into a checklist, and
revises with it. Where all say the same there is nothing to contrast: no further question is asked.

What differs: the draft counts as a perspective too; two or three perspectives more, where the paper
creates as many as the model likes and clusters them; discrepancies and checklist come in one reply.
"""

from __future__ import annotations

from agent.reflectors.types import Asker, Draft, Looked, final, line, lines, same, told
from agent.transcript import prompt

LEAST, MOST = 2, 3
"""Perspectives besides the draft's."""
FIRST = "as it was first answered"


class SelfContrast:
    """Perspectives, discrepancies, checklist, revision."""

    name = "self-contrast"
    calls = 1 + MOST + 2

    async def look(self, draft: Draft, ask: Asker) -> Looked:
        """One question for the perspectives, one each, two more where they disagree."""
        named = await ask.ask(
            told(draft, prompt("perspectives")), perspectives=lines(LEAST, MOST, chars=80)
        )
        views = [{"perspective": FIRST, "answer": draft.text}]
        for name in named.get("perspectives", ()):
            request = f"{prompt('perspective')}\n\nThe perspective: {name}"
            said = await ask.ask(told(draft, request), answer=final(draft))
            views.append({"perspective": str(name), "answer": str(said.get("answer", ""))})
        note = {"by": self.name, "perspectives": views, "discrepancies": [], "checklist": []}
        if all(same(draft.text, view["answer"]) for view in views):
            return Looked(text=draft.text, note=note)
        listed = "\n\n".join(f"From {v['perspective']}:\n{v['answer']}" for v in views)
        found = await ask.ask(
            told(draft, f"{prompt('contrast')}\n\n{listed}"),
            discrepancies=lines(1, 4, chars=160),
            checklist=lines(1, 4, chars=120),
        )
        note |= {name: [str(one) for one in found.get(name, ())] for name in CONTRASTED}
        checks = "\n".join(f"- {check}" for check in note["checklist"])
        request = f"{prompt('recheck')}\n\n{listed}\n\nThe checklist:\n{checks}"
        said = await ask.ask(told(draft, request), answer=final(draft), why=line())
        return Looked(text=str(said.get("answer", "")).strip() or draft.text, note=note)


CONTRASTED = ("discrepancies", "checklist")
