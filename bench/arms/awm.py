"""Agent Workflow Memory: routines induced from runs that succeeded."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any, ClassVar

from agent.models.types import Sampling
from bench.arms.learning import (
    Thinker,
    asking,
    attempts,
    by_model,
    joined,
    judged,
    line,
    object_of,
    room,
    story,
    told,
    whole,
)
from bench.arms.types import Desk, Note, Played
from envs.errors import UserError, clip, one_line
from envs.types import Task
from memory.text import normal
from memory.types import StepRecord, Usage

WORKFLOWS = {"online": 2, "offline": 3}
"""Most workflows of one induction."""
STEPS = 6
"""Most steps of a workflow; two at least, as in the paper."""
NAME, THOUGHT, ACTION = 60, 90, 60
"""Most characters of the parts of a workflow."""
REPLY = 1500
"""Most tokens of a reply; so long that the parts' lengths end it first."""
TOLD = 8
"""Most runs that one offline induction reads."""
HEADER = Note(id="awm", text="Workflows that solved tasks here before:")
NUMBER = re.compile(r"\s*\d+")


class AgentWorkflowMemory(Thinker):
    """Turns runs that succeeded into named routines with variables, and shows all of them.

    Online: 1. act, with all workflows so far in the system prompt; 2. a model judges whether the
    task was solved; 3. from a run that was, a model extracts sub-routines in which things and
    places are variables; 4. these are added to the memory. Offline: the runs that succeeded are
    collected (one of each type of task, drawn by chance), and the memory is what one induction
    over all of them gives.
    """

    paper: ClassVar[str] = "Wang et al. 2024, Agent Workflow Memory, arXiv 2409.07429"
    differs: ClassVar[str] = (
        "Within the prompt budget that all arms have, workflows that were induced from the task's "
        "type come first, then the latest; the paper shows all. Its memory is one for each web "
        "site, ours one for each environment. Online, only the new run is read (the released code "
        "induces over all runs so far, as our `offline` does after each new success, at most 8 "
        "runs, where the paper does it once). A workflow with the same actions as a known one is "
        "dropped, as the code drops runs with the same actions. Prompts are those of its code "
        "with web pages exchanged for text worlds and one example where it has three; workflows "
        "come as JSON. With `judge='environment'`, the default offline, the sign of a finished "
        "train run stands in for the model's judgement."
    )
    learns: ClassVar[bool] = True

    def __init__(
        self,
        desk: Desk,
        *,
        think: bool = True,
        mode: str = "online",
        judge: str = "",
        runs: int = TOLD,
    ) -> None:
        super().__init__(desk, think=think)
        if mode not in WORKFLOWS:
            raise UserError(f"option mode = {mode!r} does not fit", repair="give online or offline")
        self._mode = mode
        self._by_model = by_model(judge or ("model" if mode == "online" else "environment"))
        self._told = whole(runs, name="runs", low=1, high=20)
        self._workflows: list[dict[str, Any]] = []
        self._solved: list[dict[str, Any]] = []

    async def notes(self, task: Task) -> tuple[Note, ...]:
        """All workflows, those of the task's type first, the latest first among them."""
        kind = task.tags[0] if task.tags else ""
        usable = [flow for flow in self._workflows if task.key not in flow["task_keys"]]
        latest = list(reversed(usable))
        order = sorted(latest, key=lambda flow: kind not in flow["types"])
        return (HEADER, *map(_note, order)) if order else ()

    async def learn(self, played: Played) -> Usage:
        """Judges the run, and induces if it succeeded. Raises `ModelError`, then unchanged."""
        run = played.trajectory
        if run.error or not run.steps:
            return Usage()
        solved, spent = played.passed, Usage()
        if self._by_model:
            solved, spent = await judged(self.desk, played)
        if not solved:
            return spent
        entry = {
            "goal": run.goal,
            "run": run.id,
            "task_key": played.task.key,
            "type": run.task_type,
            "steps": [_kept(step) for step in attempts(run)[-1]],
        }
        collected = [*self._solved, entry] if self._mode == "offline" else []
        chosen = self._one_of_each(collected) if collected else [entry]
        found, usage = await self._induce(chosen)
        known = [] if self._mode == "offline" else self._workflows
        self._workflows = _without_repeats([*known, *found])
        self._solved = collected
        return spent + usage

    def dump(self) -> dict[str, Any]:
        """Workflows, and for `offline` the runs that succeeded."""
        return {"workflows": self._workflows, "solved": self._solved}

    def load(self, kept: dict[str, Any]) -> None:
        """Takes up workflows and runs."""
        self._workflows = list(kept.get("workflows", ()))
        self._solved = list(kept.get("solved", ()))

    def fixed(self) -> frozenset[str]:
        """The line that stands before the workflows."""
        return frozenset({HEADER.id})

    def _one_of_each(self, solved: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """One run of each type, drawn by chance; then others, until there are enough."""
        pool = list(solved)
        self.desk.rng.shuffle(pool)
        first = {entry["type"]: entry for entry in reversed(pool)}
        rest = [entry for entry in pool if first[entry["type"]] is not entry]
        return [*first.values(), *rest][: self._told]

    async def _induce(self, chosen: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], Usage]:
        """The workflows that a model finds in some runs."""
        system = told("awm")
        frame = "## Concrete Examples\n\n## Summary Workflows\n"
        most = room(self.desk.settings.model.context, system, frame, reply=REPLY) // len(chosen)
        tasks = [_told_run(entry, most=most - 4) for entry in chosen]
        content = "\n\n".join(["## Concrete Examples", *tasks, "## Summary Workflows"])
        reply = await self.desk.model.reply(
            asking(system, content),
            schema=_schema(WORKFLOWS[self._mode]),
            sampling=Sampling(max_tokens=REPLY),
        )
        runs = joined(entry["run"] for entry in chosen)
        source = {
            "runs": runs,
            "task_keys": joined(entry["task_key"] for entry in chosen),
            "types": joined(entry["type"] for entry in chosen),
        }
        found = []
        for given in (reply.data or {}).get("workflows", ()):
            steps = [
                {name: one_line(text) for name, text in step.items()} for step in given["steps"]
            ]
            name = one_line(given["name"]) or chosen[-1]["goal"]
            said = "|".join([*runs, name, *(step["action"] for step in steps)])
            id_ = f"awm:{hashlib.sha256(said.encode()).hexdigest()[:10]}"
            found.append({"id": id_, "name": name, "steps": steps, **source})
        return found, reply.usage


def _kept(step: StepRecord) -> dict[str, Any]:
    return {"index": step.index, "action": step.action, "thought": clip(step.thought, most=160)}


def _told_run(entry: dict[str, Any], *, most: int) -> str:
    """A run as the paper tells it: the query, then thoughts and actions, no observations."""
    steps = [StepRecord(observation="", **step) for step in entry["steps"]]
    told_ = story(f"Query: {entry['goal']}\nActions:", steps, most=most)
    return "\n".join(text for text in told_.splitlines() if text)


def _note(flow: dict[str, Any]) -> Note:
    steps = [json.dumps(step, ensure_ascii=False) for step in flow["steps"]]
    return Note(
        id=flow["id"],
        text="\n".join([f"Workflow: {flow['name']}", *steps]),
        runs=tuple(flow["runs"]),
        task_keys=tuple(flow["task_keys"]),
    )


def _without_repeats(flows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of workflows whose actions are the same, numbers aside, the first."""
    once: dict[tuple[str, ...], dict[str, Any]] = {}
    for flow in flows:
        actions = tuple(normal(NUMBER.sub("", step["action"])) for step in flow["steps"])
        once.setdefault(actions, flow)
    return list(once.values())


def _schema(most: int) -> dict[str, Any]:
    step = object_of({"thought": line(THOUGHT), "action": line(ACTION)})
    steps = {"type": "array", "items": step, "minItems": 2, "maxItems": STEPS}
    flow = object_of({"name": line(NAME), "steps": steps})
    return object_of(
        {"workflows": {"type": "array", "items": flow, "minItems": 1, "maxItems": most}}
    )
