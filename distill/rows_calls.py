"""Calls of skills as what is learned, not the actions that they did.

After ASI (Wang et al. 2025, Inducing Programmatic Skills for Agentic Tasks, arXiv 2504.06821),
where skills are actions: a call is one turn. The prompt must offer a call for it to be learned; a
run keeps its conversation without what was offered, so it is put back in the words that
`agent/transcript.py` uses, from the texts of skills that are given. What is lost: other calls that
were offered beside the one that was chosen, and the list of possible actions where it was shown.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from distill.rows import Row, origin_of, quotes
from distill.rows import rows as solved
from distill.rows_turns import Turn, attempted, said, spoken, turns_of
from memory.text import unmarked
from memory.types import StepRecord, Trajectory

OFFERED = "Tested skills; each does several actions by itself:"
"""What stands above the calls that may be chosen, as the solver reads it."""
About = Mapping[tuple[str, int], str]
"""What is told of a skill, by id and version."""


def rows(
    trajectories: Iterable[Trajectory],
    *,
    about: About | None = None,
    held_out_keys: Collection[str] = (),
) -> Iterator[Row]:
    """A row for each call in a solved run (see `distill.rows.rows`): all before it, and the call.

    The call is the only turn of weight 1. Turns before it stand as the solver would read them; what
    the call did comes after it, and is left out. A call of a skill of which `about` says nothing
    stands there without an offer.
    """
    for run in trajectories:
        attempt = attempted(run)
        if not any(step.skill for step in attempt):
            continue
        if not any(True for _ in solved([run], held_out_keys=held_out_keys)):
            continue
        turns, rebuilt = spoken(run, attempt)
        calls = _calls(run)
        for place in range(len(attempt)):
            if not _begins(attempt, place):
                continue
            told = _told(turns, attempt, place, about=(about or {}).get(calls[place], ""))
            if not quotes(told, run.steps):
                origin = origin_of(run, steps=place, rebuilt=rebuilt, made="call", outcome=True)
                yield Row(messages=told, metadata=origin)


def _begins(attempt: Sequence[StepRecord], place: int) -> bool:
    """Whether a step is the first of a call."""
    step = attempt[place]
    return bool(step.skill) and (place == 0 or attempt[place - 1].skill != step.skill)


def _told(
    turns: Sequence[Turn], attempt: Sequence[StepRecord], place: int, *, about: str
) -> tuple[dict[str, Any], ...]:
    """The conversation up to the call at a step, with the offer before it."""
    places = turns_of(turns, steps=len(attempt))
    made = [dict(turn) for turn in turns[: places[place] + 1]]
    for step, at in enumerate(places[: place + 1]):
        if _begins(attempt, step):
            made[at]["content"] = said(attempt[step].skill)
    for turn in made:
        if turn.get("role") == "assistant":
            turn["weight"] = 0
    made[-1]["weight"] = 1
    if about and len(made) > 1:
        offer = f"{OFFERED}\n- {attempt[place].skill}: {unmarked(about)}"
        made[-2]["content"] = f"{made[-2]['content']}\n\n{offer}"
    return tuple(made)


def _calls(run: Trajectory) -> dict[int, tuple[str, int]]:
    """Skill and version by the first step of the call in the last attempt."""
    attempt = attempted(run)
    known = {_words(one["call"]): one["call"] for one in run.calls}
    return {
        place: (str(call["skill"]), int(call.get("version", 1)))
        for place, step in enumerate(attempt)
        if _begins(attempt, place)
        for call in [known.get(step.skill, {"skill": ""})]
    }


def _words(call: Mapping[str, Any]) -> str:
    """A call as steps name it."""
    inside = ", ".join(f"{name}={value!r}" for name, value in call.get("arguments", {}).items())
    return f"{call.get('name', '')}({inside})"
