"""Looking ahead before acting: what the solver wants is weighed in a learned model of the world.

Each possible action is followed some steps into what is known of this environment; one that is
known to lead to an end without the goal is avoided, one that brings the goal in sight is preferred.
Of a pair that nobody has tried a model may be asked what it would lead to. What is foretold is
never taken for what happened: it stands in the run's notes, not in its steps.
Source: Fang et al. 2025, WebEvolver, arXiv 2504.21024 (catalogue row `webevolver`).
"""

from __future__ import annotations

from collections.abc import Callable

from agent.crossing import off
from agent.kit import Kit, Strategy
from agent.models.types import Model
from agent.reflectors.types import Asker, line, one_of
from agent.state import State, steps_of
from agent.steering import choices_of, nearest, place_of, steered, steers, text_of, with_note
from agent.transcript import prompt
from agent.worldmodel import WorldModel, place_after, transitions
from distill.rows_taint import stains
from envs.errors import ModelError, clip
from memory.ledger import Ledger
from memory.text import strip_marked
from memory.types import Trajectory, Usage

NAME = "look-ahead"
DEPTH = 3
"""Steps that are looked ahead."""
MARGIN = 0.05
"""How much better another action has to look."""
ASKED = 4
"""Most questions to the model in one run."""
RUNS = 400
"""Latest train runs that the model of the world is learnt from."""
SIGNS = ("brings the goal nearer", "changes little", "spoils it")
VALUES: dict[str, float] = dict(zip(SIGNS, (0.3, 0.0, -0.6), strict=True))
"""What a model's opinion is worth beside what was counted."""

Learned = Callable[[str], WorldModel]
"""The model of an environment, by its name."""


class LookAhead:
    """Another strategy's choice, or a better one within a few steps' sight."""

    def __init__(
        self, inner: Strategy, learned: Learned, *, model: Model | None = None, depth: int = DEPTH
    ) -> None:
        self._inner = inner
        self._learned = learned
        self._model = model
        self._depth = depth

    async def choose(self, state: State, kit: Kit) -> State:
        """The inner choice, unless another possible action is seen to lead further."""
        update = await self._inner.choose(state, kit)
        chosen, choices = text_of(update), choices_of(state, kit)
        if not steers(kit) or chosen not in choices or len(choices) < 2:
            return update
        world = await off(self._learned, kit.task.env)
        without = kit.task.key if kit.guard else ""
        here = state.get("first", "")
        for step in steps_of(state):
            here = place_after(here, step.observation)

        def weighed() -> dict[str, float]:
            goal = kit.task.goal
            return {
                one: world.ahead(here, one, goal=goal, depth=self._depth, without=without)[0]
                for one in choices
            }

        values = await off(weighed)
        told = await off(world.predict, here, chosen, without=without)
        spent = Usage()
        if told is None and max(values.values()) <= MARGIN:
            values[chosen], spent = await self._guessed(here, chosen, state, kit)
        best = max(choices, key=lambda one: (values[one], one == chosen))
        if best != chosen:
            best = nearest(kit.task.goal, [one for one in choices if values[one] == values[best]])
        note = {
            "by": NAME,
            "attempt": state.get("attempt", 0),
            "step": place_of(state),
            "before": chosen,
            "after": chosen,
            "foretold": clip(told.observation, most=200) if told else "",
            "values": [round(values[chosen], 3), round(values[best], 3)],
            "guess": bool(spent.calls),
        }
        if values[best] <= values[chosen] + MARGIN:
            return (
                update if told is None and not spent.calls else with_note(update, note, spent=spent)
            )
        return with_note(steered(update, best), {**note, "after": best}, spent=spent)

    async def _guessed(self, here: str, action: str, state: State, kit: Kit) -> tuple[float, Usage]:
        """What a model thinks of an untried action; 0 without one, or when it was asked enough."""
        asked = sum(bool(n.get("guess")) for n in state.get("notes", ()) if n.get("by") == NAME)
        if self._model is None or asked >= ASKED:
            return 0.0, Usage()
        ask = Asker(self._model, most=1)
        content = strip_marked(f"Task: {kit.task.goal}\n\nNow:\n{here}\n\nAction: {action}")
        messages = [
            {"role": "system", "content": prompt("foretell")},
            {"role": "user", "content": content},
        ]
        try:
            said = await ask.ask(messages, then=line(), verdict=one_of(SIGNS))
        except ModelError:
            return 0.0, Usage(calls=1)
        return VALUES[str(said["verdict"])], ask.usage


class Worlds:
    """Models of environments out of a ledger, learnt anew when train runs were added."""

    def __init__(self, ledger: Ledger) -> None:
        def learned(env: str) -> WorldModel:
            latest = ledger.trajectories(env=env, split="train", limit=1)
            mark = latest[0].id if latest else ""
            if env not in known or known[env][0] != mark:
                runs = standing(ledger, env)
                known[env] = (mark, WorldModel(transitions(runs)))
            return known[env][1]

        known: dict[str, tuple[str, WorldModel]] = {}
        self.learned: Learned = learned
        """See `Learned`; nothing else of the ledger is within reach."""


def standing(ledger: Ledger, env: str, *, most: int = RUNS) -> list[Trajectory]:
    """The latest train runs of an environment that nobody has taken back, oldest first."""
    gone = stains(ledger).runs
    runs = ledger.trajectories(env=env, split="train", limit=most)
    return [run for run in reversed(runs) if run.id not in gone]
