"""Skills in a run: which calls are offered before an action, and the next action of one that runs.

A call is chosen like an action. From then on each of its actions is a step of the run like any
other, until it says that it is done, gives up, or breaks; then the solver is asked again. A call
that ended is not offered again in the same attempt; where it is for a part of the goal and found
nothing to do, it is, once something else was done.
"""

from __future__ import annotations

import json
from typing import Any

from agent.crossing import off
from agent.following import small
from agent.kit import Event, Kit
from agent.player import Seen
from agent.state import State, add_usage, seen_of
from agent.transcript import STUDENT
from envs.errors import InternalError
from envs.types import Action, Frozen, Step, ToolSpec
from memory.types import Recalled, Source
from skills.calling import calls, part_calls, success
from skills.finding import Finder, guessed
from skills.library import Library
from skills.playing import Played, Stage, advance
from skills.sandbox import Sandbox
from skills.types import Call, Skill

NEAR = 2
"""Skills that are looked at where the goal is worded like none of theirs."""


class Offer(Frozen):
    """A call that would do what is asked, and what is told of it."""

    call: Call
    """The call."""
    about: str = ""
    """What it does, in one line."""
    task_keys: tuple[str, ...] = ()
    """Tasks that it was written from."""
    similarity: float = 1.0
    """1: the goal, or a part, is one of its own; else how close it is in meaning."""
    part: bool = False
    """It does a part of what is asked; what it needs may come up later."""


class Toolbox:
    """What the nodes of a graph are given of skills: no ledger, so no scores of earlier runs."""

    def __init__(self, library: Library, sandbox: Sandbox, finder: Finder | None = None) -> None:
        def offers(goal: str, env: str, here: tuple[str, ...]) -> list[Offer]:
            active = {one.id: one for one in library.all(env=env, status="active")}
            if not active:
                return []
            found = [(call, 1.0) for call in calls(active.values(), goal)]
            parts = [] if found else part_calls([*active.values()], goal)
            found += [(call, 1.0) for call in parts]
            if not found and finder is not None:
                near = finder.near(goal, env=env, most=NEAR)
                guesses = [(guessed(skill, goal, here), close) for skill, close in near]
                found = [(call, close) for call, close in guesses if call is not None]
            return [
                Offer(
                    call=call,
                    about=_told(active[call.skill]),
                    task_keys=active[call.skill].origin.task_keys,
                    similarity=close,
                    part=call in parts,
                )
                for call, close in found
            ]

        def proceed(
            call: Call, goal: str, tools: tuple[ToolSpec, ...], past: list[tuple[Action, Step]]
        ) -> Action | Played:
            skill = _version(library, call)
            first = past[0][1]
            stage = Stage(first, goal=goal, requires=skill.requires, tools=tools)
            source = library.source(skill)
            given = call.arguments
            return advance(sandbox, source, skill.name, given, stage=stage, past=past[1:])

        self.offers, self.proceed = offers, proceed
        """Calls for a goal, best proven first, with the commands that are possible here; and the
        next action of a call, or what became of it.

        The first of `past` is what stood there when it was called, after no action.
        """


async def offered(state: State, kit: Kit) -> State:
    """Which calls are offered now, after the toss of those that came up for the first time."""
    if kit.skills is None or state.get("call"):
        return {"offers": []}
    env, here = kit.task.env.partition(":")[0], seen_of(state).admissible or ()
    found = await off(kit.skills.offers, kit.task.goal, env, here)
    attempt, steps = state.get("attempt", 0), len(state.get("steps", ()))
    past = [one for one in state.get("called", ()) if one["attempt"] == attempt]
    done = [one["call"] for one in past]
    still = [one["call"] for one in past if one.get("at", steps) == steps]
    found = [
        one
        for one in found
        if one.call.model_dump() not in (still if one.part else done)
        and not (kit.guard and kit.task.key in one.task_keys)
    ]
    return {"offers": [one.model_dump() for one in found[: kit.settings.skills.most]]}


def as_recalled(offer: Offer, *, task_key: str) -> Recalled:
    """An offer as something that came up, to be tossed and counted like a lesson."""
    return Recalled(
        lesson=offer.call.skill,
        version=offer.call.version,
        text=offer.about,
        similarity=offer.similarity,
        tokens=0,
        source=Source(task_keys=offer.task_keys),
        same_task=task_key in offer.task_keys,
    )


def offers_of(state: State) -> list[Offer]:
    """The calls that are offered."""
    return [Offer(**one) for one in state.get("offers", ())]


async def chosen(state: State, kit: Kit) -> State:
    """The next action: of the call that runs, or by the solver, who may begin one."""
    update: State = {}
    running = state.get("call")
    if running:
        update = await _proceed(state, kit, running)
        if update.get("call"):
            return update
    while True:
        now: State = {**state, **update}
        told = await _asked(now, kit)
        call = _picked(told, now)
        if call is None:
            return _both(update, told)
        past = [{"action": Action().model_dump(), "seen": seen_of(now).model_dump()}]
        begun = {"call": call.model_dump(), "past": past, "attempt": now.get("attempt", 0)}
        further = await _proceed(now, kit, begun)
        if further.get("call"):
            return _both(_both(update, told), further)
        # It ended without an action: its reply is no step, and the solver is asked again.
        told.pop("said", None)
        update = _both(_both(update, told), further)
        left = [one for one in now.get("offers", ()) if one["call"]["skill"] != call.skill]
        update["offers"] = left


async def _asked(state: State, kit: Kit) -> State:
    """What the solver wants; calls stand among the actions that it may choose."""
    offers = offers_of(state)
    taught, asked = STUDENT in kit.model.name, kit.settings.skills.choose
    first = asked == "first" or (asked is None and (taught or small(kit.model.name)))
    if offers and first and offers[0].similarity == 1.0:
        text = str(offers[0].call)
        return {"action": Action(text=text).model_dump(), "thought": "", "said": [_reply(text)]}
    if not offers or (first and taught):
        return await kit.strategy.choose({**state, "offers": []}, kit)
    seen = seen_of(state)
    more = (*(str(one.call) for one in offers), *(seen.admissible or ()))
    open_ = seen.model_copy(update={"admissible": more if seen.admissible is not None else None})
    return await kit.strategy.choose({**state, "seen": open_.model_dump()}, kit)


def _picked(told: State, state: State) -> Call | None:
    text = str(told.get("action", {}).get("text", ""))
    return next((one.call for one in offers_of(state) if str(one.call) == text), None)


async def _proceed(state: State, kit: Kit, running: dict[str, Any]) -> State:
    """The next action of a running call; without one, what it came to."""
    call = Call(**running["call"])
    past = [(Action(**one["action"]), _step(Seen(**one["seen"]))) for one in running["past"]]
    if kit.skills is None:
        raise InternalError("a skill runs without skills", repair="report this line")
    tools = tuple(kit.player.tools)
    then = await off(kit.skills.proceed, call, kit.task.goal, tools, past)
    if isinstance(then, Action):
        update: State = {"call": running, "action": then.model_dump()}
        if len(past) > 1:
            return {**update, "thought": "", "said": [_reply(then.text)]}
        kit.emit(_event(kit, state, f"calls {call}"))
        return update
    kit.emit(_event(kit, state, f"{call} ended: {_ended(then)}"))
    ended = entry(running, claimed=then.claimed, error=then.error)
    if len(past) < 2:
        ended["at"] = len(state.get("steps", ()))
    return {"call": {}, "called": [ended]}


def entry(running: dict[str, Any], *, claimed: bool | None, error: str = "") -> dict[str, Any]:
    """A call that ended, as it is kept with the run."""
    return {
        "call": running["call"],
        "attempt": running["attempt"],
        "steps": len(running["past"]) - 1,
        "claimed": claimed,
        "error": error,
    }


def skill_of(state: State) -> str:
    """The call that the coming action belongs to; empty: the solver chose it."""
    running = state.get("call")
    return str(Call(**running["call"])) if running else ""


def cut_off(state: State) -> list[dict[str, Any]]:
    """The call that was still running when the run was stopped from outside."""
    running = state.get("call")
    return [entry(running, claimed=None, error="cut off")] if running else []


async def observed(state: State, kit: Kit, action: Action, seen: Seen) -> State:
    """What a running call makes of its last action; it ends with the episode, or when it is done.

    So the solver is asked again with lessons and skills before it.
    """
    running = state.get("call")
    if not running:
        return {}
    past = [*running["past"], {"action": action.model_dump(), "seen": seen.model_dump()}]
    running = {**running, "past": past}
    if seen.terminated or seen.truncated:
        return {"call": {}, "called": [entry(running, claimed=None)]}
    further = await _proceed(state, kit, running)
    return {"call": running} if further.get("call") else further


def _both(first: State, second: State) -> State:
    """Two updates as one; what adds up is added up."""
    merged: State = {**first, **second}
    for key in ("said", "called", "notes"):
        both = [*first.get(key, ()), *second.get(key, ())]
        if both:
            merged[key] = both
    if "usage" in first and "usage" in second:
        merged["usage"] = add_usage(first["usage"], second["usage"])
    return merged


def _reply(text: str) -> str:
    """An action that no model was asked for, as a reply of the solver."""
    return json.dumps({"action": text})


def _version(library: Library, call: Call) -> Skill:
    """The version that was called, whatever stands by now."""
    skill = library.get(call.skill)
    if skill.version == call.version:
        return skill
    past = [one for one in library.versions(call.skill) if one.version == call.version]
    return past[-1] if past else skill


def _told(skill: Skill) -> str:
    solved, asked = success(skill.trials)
    proven = f" (solved {solved} of {asked} tasks)" if asked else ""
    return f"{skill.about}{proven}"


def _step(seen: Seen) -> Step:
    return Step(
        observation=seen.observation,
        admissible=seen.admissible,
        terminated=seen.terminated,
        truncated=seen.truncated,
    )


def _event(kit: Kit, state: State, text: str) -> Event:
    return Event(kind="action", run=kit.run, step=len(state.get("steps", ())), text=text)


def _ended(played: Played) -> str:
    if played.error:
        return played.error
    return {True: "done", False: "gave up", None: "no answer"}[played.claimed]
