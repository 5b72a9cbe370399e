"""The nodes of the graph: functions of (state, kit) that return an update of the state."""

from __future__ import annotations

from agent.applied import policy
from agent.budget import exceeded
from agent.crossing import off
from agent.following import follows, leads
from agent.inventory import carried
from agent.kit import Event, Kit
from agent.recalling import ranking_of, recall_budget
from agent.skilled import as_recalled, chosen, observed, offered, offers_of, skill_of
from agent.state import (
    State,
    action_of,
    attempt_of,
    begun,
    recalled_of,
    seen_of,
    steps_of,
    verdicts_of,
)
from agent.transcript import student_in
from memory.measuring import Setting
from memory.recall import Query
from memory.types import Recalled, StepRecord
from memory.withholding import Occasion
from skills.showing import line_of

RECENT = 3
"""Steps that recall looks back on."""


async def recall(state: State, kit: Kit) -> State:
    """Consults memory for the coming action, and looks for skills; may come back with nothing.

    While a skill is at work nobody has to be told anything.
    """
    if state.get("call"):
        return {"recalled": [], "offers": []}
    lessons = await _lessons(state, kit)
    skills = await _skills({**state, **lessons}, kit)
    exposed = [*lessons.get("exposed", ()), *skills.get("exposed", ())]
    withheld = [*lessons.get("withheld", ()), *skills.get("withheld", ())]
    return {**lessons, **skills, "exposed": exposed, "withheld": withheld}


async def _skills(state: State, kit: Kit) -> State:
    """Skills that are offered, less those that are withheld for the whole run."""
    update = await offered(state, kit)
    found = offers_of(update)
    if not found or kit.memory is None:
        return update
    known, withheld = set(state.get("exposed", ())), set(state.get("withheld", ()))
    new = [as_recalled(one, task_key=kit.task.key) for one in found if one.call.skill not in known]
    if new:
        told = set(await off(kit.memory.shown, new, occasion(len(state.get("steps", ())), kit)))
        withheld |= {one.lesson for one in new if one.lesson not in told}
    return {
        "offers": [one.model_dump() for one in found if one.call.skill not in withheld],
        "exposed": [one.lesson for one in new],
        "withheld": [one.lesson for one in new if one.lesson in withheld],
    }


async def _lessons(state: State, kit: Kit) -> State:
    bounds = kit.settings.memory
    acting = kit.task.env != "chat"
    budget = recall_budget(bounds.budget_tokens, kit.model.name, acting=acting)
    if kit.memory is None or not bounds.recall or bounds.most == 0 or budget == 0:
        return {"recalled": []}
    step = len(state.get("steps", ()))
    query = _query(state, kit)
    fits = None
    if acting and follows(kit.settings.solver, kit.model.name):
        choices = seen_of(state).admissible or ()
        fits = leads(choices, steps_of(state), goal=kit.task.goal)
    found = await off(
        kit.memory.recall,
        query,
        budget_tokens=budget,
        floor=bounds.floor,
        most=bounds.most,
        guard=kit.guard,
        ranking=ranking_of(bounds, fits=fits),
    )
    known, withheld = set(state.get("exposed", ())), set(state.get("withheld", ()))
    new = [item for item in found if item.lesson not in known]
    if new:
        told = set(await off(kit.memory.shown, new, occasion(step, kit)))
        kept = [item for item in new if item.lesson not in told]
        withheld |= {item.lesson for item in kept}
        shown = [item for item in new if item.lesson in told]
        kit.emit(_came_up(kit.run, step, shown, kept))
    return {
        "recalled": [item.model_dump() for item in found if item.lesson not in withheld],
        "exposed": [item.lesson for item in new],
        "withheld": [item.lesson for item in new if item.lesson in withheld],
    }


def occasion(step: int, kit: Kit) -> Occasion:
    """The run and the step at which lessons come up."""
    name = kit.model.name
    return Occasion(
        run=kit.run,
        step=step,
        split=kit.task.split,
        setting=Setting(
            model=name, adapter=student_in(name), policy=policy(kit.settings, model=name)
        ),
        tosses=kit.tosses,
        forced=dict(kit.forced),
        pair=kit.pair,
    )


def _came_up(run: str, step: int, told: list[Recalled], kept: list[Recalled]) -> Event:
    ids = {"lessons": [item.lesson for item in told], "withheld": [item.lesson for item in kept]}
    text = "; ".join(item.text for item in told)
    return Event(kind="recalled", run=run, step=step, text=text, data=ids)


def _query(state: State, kit: Kit) -> Query:
    task, steps = kit.task, steps_of(state)
    return Query(
        goal=task.goal,
        observation=seen_of(state).observation,
        first=state.get("first", ""),
        recent=tuple(step.action for step in steps[-RECENT:]),
        inventory="" if kit.player.tools else carried(steps),
        run=kit.run,
        env=task.env.partition(":")[0],
        task_type=task.tags[0] if task.tags else "",
        user=kit.user,
        task_key=task.key,
    )


async def act(state: State, kit: Kit) -> State:
    """The solver chooses the next action, or the skill that it called does."""
    return await chosen(state, kit)


async def observe(state: State, kit: Kit) -> State:
    """Does the action and looks at what comes back."""
    action, index = action_of(state), len(state.get("steps", ()))
    line = line_of(action)
    kit.emit(Event(kind="action", run=kit.run, step=index, text=line))
    seen = await kit.player.act(action)
    kit.emit(Event(kind="observation", run=kit.run, step=index, text=seen.observation))
    record = StepRecord(
        index=index,
        attempt=state.get("attempt", 0),
        action=line,
        observation=seen.observation,
        thought=state.get("thought", ""),
        recalled=recalled_of(state),
        skill=skill_of(state),
    )
    update: State = {"seen": seen.model_dump(), "steps": [record.model_dump()]}
    update.update(await observed(state, kit, action, seen))
    stop = exceeded({**state, "steps": [*state.get("steps", ()), {}]}, kit.settings.budget)
    if stop and not seen.terminated:
        update["stop"] = stop
    return update


def after_observe(state: State) -> str:
    """Goes on, or has the attempt judged."""
    seen = seen_of(state)
    return "verify" if seen.terminated or seen.truncated or state.get("stop") else "recall"


async def verify(state: State, kit: Kit) -> State:
    """Judges the attempt by what any player sees."""
    verdict, usage = await kit.verifier.verify(attempt_of(state, kit.task))
    step = len(state.get("steps", ()))
    data = verdict.model_dump(mode="json")
    kit.emit(Event(kind="verdict", run=kit.run, step=step, text=verdict.critique, data=data))
    return {"verdicts": [verdict.model_dump()], "usage": usage.model_dump()}


def after_verify(state: State, kit: Kit) -> str:
    """Retries an attempt that evidence speaks against, while retries and budget last.

    A doubt without evidence is kept and shown, but nothing is begun again for it.
    """
    last = verdicts_of(state)[-1]
    rejected = last.accepted is False and bool(last.evidence)
    left = state.get("attempt", 0) < kit.settings.solver.retries
    return "reflect" if rejected and left and not state.get("stop") else "learn"


async def reflect(state: State, kit: Kit) -> State:
    """Says what to do better, and begins the task again."""
    attempt = attempt_of(state, kit.task)
    advice, usage = await kit.reflector.reflect(attempt, verdicts_of(state)[-1])
    step = len(state.get("steps", ()))
    kit.emit(Event(kind="reflection", run=kit.run, step=step, text=advice))
    fresh = begun(await kit.player.begin())
    fresh["attempt"] = attempt.number + 1
    return {**fresh, "answer": "", "reflections": [advice], "usage": usage.model_dump()}


async def learn(state: State, kit: Kit) -> State:
    """Drafts lessons; they become durable together with the trajectory, when the run is over."""
    if not kit.learn:
        return {"drafts": []}
    drafts, usage = await kit.reflector.draft(attempt_of(state, kit.task), verdicts_of(state)[-1])
    return {"drafts": [lesson.model_dump() for lesson in drafts], "usage": usage.model_dump()}
