"""Self-rethinking: "have I made this mistake?", asked of past mistakes before an answer counts.

After "Can LLMs Learn from Previous Mistakes?" (Tong et al. 2024, arXiv 2403.20046; catalogue row
learn-from-mistakes). The mistakes are the pitfalls in memory that recall found for this situation
and showed: so the check keeps to recall's budget and guard, and asks about nothing that is withheld
from the episode to measure its effect. Where no pitfall is recalled nothing is asked.

What differs: the paper takes types of error and their examples from a set made with the right
answers at hand, and asks up to a few times; here one check and at most one revision. Training on
mistakes, the paper's other half: `distill/rows_mistakes.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from agent.crossing import off
from agent.reflectors.types import Asker, Draft, Looked, final, one_of, told
from agent.transcript import prompt
from envs.errors import UnknownName
from memory.ledger import Ledger

NONE = "none"


class Rethinking:
    """Puts each recalled pitfall to the model as a question."""

    name = "mistakes"
    calls = 2

    def __init__(self, pitfalls: Callable[[Sequence[str]], frozenset[str]]) -> None:
        self._pitfalls = pitfalls

    async def look(self, draft: Draft, ask: Asker) -> Looked:
        """One question where there are pitfalls, and a second one where one is met."""
        known = await off(self._pitfalls, [one.lesson for one in draft.recalled])
        found = [one for one in draft.recalled if one.lesson in known]
        if not found:
            return Looked(text=draft.text)
        past = "\n".join(f"[{one.lesson}] {one.text}" for one in found)
        request = f"{prompt('mistakes')}\n\n{past}\n\nAbout to be said or done:\n{draft.text}"
        ids = [NONE, *(one.lesson for one in found)]
        said = await ask.ask(told(draft, request), mistake=one_of(ids))
        made = str(said.get("mistake", NONE))
        note = {"by": self.name, "asked": ids[1:], "made": made}
        if made == NONE:
            return Looked(text=draft.text, note=note)
        text = next(one.text for one in found if one.lesson == made)
        request = f"{prompt('unmistaken')}\n\nThe mistake: {text}\n\nIt was:\n{draft.text}"
        again = await ask.ask(told(draft, request), answer=final(draft, without=draft.text))
        return Looked(text=str(again.get("answer", "")).strip() or draft.text, note=note)


def pitfalls_of(ledger: Ledger) -> Callable[[Sequence[str]], frozenset[str]]:
    """Which of some lessons are pitfalls; tells nothing else of the ledger."""

    def pitfalls(ids: Sequence[str]) -> frozenset[str]:
        return frozenset(id_ for id_ in ids if _kind(ledger, id_) == "pitfall")

    return pitfalls


def _kind(ledger: Ledger, id_: str) -> str:
    try:
        return ledger.lesson(id_).kind
    except UnknownName:
        return ""
