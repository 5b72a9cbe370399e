"""Which step of a failed attempt was the first wrong one, as far as the acting model can tell.

The marking of "Agent-R" (Yuan et al. 2025, arXiv 2501.11425; catalogue row agent-r): the paper asks
the actor of each step in turn whether it is good, bad or uncertain; here it names the step in one
reply that can name nothing else. Steps that it has in common with an attempt that succeeded are not
among them. What is made of it: `distill/rows_splices.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

from agent.models.types import Model
from agent.reflectors.types import Asker, one_of
from agent.transcript import prompt
from distill.attempts import TOLD, Tried, story
from distill.rows_splices import Judge, common, pairs
from envs.errors import ModelError
from memory.types import Trajectory, Usage

UNSEEN = "none"


async def first_wrong(model: Model, trajectories: Sequence[Trajectory]) -> tuple[Judge, Usage]:
    """A judge for `splices`, with one question for each failed attempt that has a sibling.

    An attempt of which the model says nothing, or names no step, is not spliced.
    """
    marked: dict[tuple[str, int], int] = {}
    usage = Usage()
    for run, bad, _, good in pairs(trajectories):
        parent = common(bad.steps, good.steps)
        asked = bad.steps[parent:][:TOLD]
        told = story(run.goal, run.first_observation, bad.steps[: parent + TOLD], bad.verdict)
        messages = [
            {"role": "system", "content": prompt("first_wrong")},
            {"role": "user", "content": told},
        ]
        ask = Asker(model, most=1)
        try:
            said = await ask.ask(messages, step=one_of([*(str(s.index) for s in asked), UNSEEN]))
        except ModelError:
            said = {}
        usage += ask.usage
        places = {str(s.index): place for place, s in enumerate(bad.steps)}
        place = places.get(str(said.get("step", UNSEEN)))
        if place is not None:
            marked[run.id, bad.number] = place

    def judge(run: Trajectory, bad: Tried, parent: int) -> int | None:
        place = marked.get((run.id, bad.number))
        return place if place is not None and place >= parent else None

    return judge, usage
