"""What skills cost, and what a library is made of: `python -m bench.skills_speed [ENV ...]`.

For each environment a library is written from the expert's ways through train tasks, without a
model, and tried. Printed are the time that a skill adds to an action, trials in a second, and what
SkillWeaver's released library was counted by: how many functions call another, and how many check
what came back (5 and 8 of its 438).
"""

from __future__ import annotations

import ast
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from agent.settings import load
from agent.synthesis import ways_of
from agent.worlds import open_env
from envs.types import Action, Env, Step
from memory.ledger import Ledger
from skills.admitting import Outcome, admit
from skills.calling import bound
from skills.induction import induce
from skills.library import Library
from skills.playing import Played, Stage, advance, play
from skills.sandbox import Sandbox
from skills.trials import Ground, tasks_for
from skills.types import Skill
from skills.writing import written

ENVS = ("toy", "household:real")
WAYS = 60
TASKS = 12
"""Tasks on which the time of an action is taken."""


def main(names: Sequence[str]) -> None:
    """Prints a row for each environment, and why drafts were refused."""
    settings = load()
    print(
        "| environment | drafts | admitted | call another | check what came back | "
        "trials/s | an action adds (ms, p50) | inside a run (ms, p50) |"
    )
    print("|---|---|---|---|---|---|---|---|")
    refused: list[str] = []
    for name in names or ENVS:
        env = open_env(name, settings)
        try:
            row, why = measured(name, env)
        finally:
            env.close()
        print("| " + " | ".join(row) + " |", flush=True)
        refused += why
    print("\nRefused:\n" + "\n".join(f"- {line}" for line in refused or ["none"]))


def measured(name: str, env: Env) -> tuple[list[str], list[str]]:
    """The row of an environment, and its refusals."""
    with TemporaryDirectory() as folder, Sandbox() as sandbox:
        ledger = Ledger(Path(folder) / "ledger.db")
        ground = Ground(env, sandbox, Library(ledger))
        ways = ways_of(env, ledger, whose="expert", most=WAYS)
        drafts = written(induce(ways), count=len(ways))
        began = time.perf_counter()
        outcomes = admit(ground, drafts, ways, by="induction")
        spent = time.perf_counter() - began
        active = ground.library.all(env=env.name, status="active")
        live, inside = times(ground, [one for one in active if one.goals])
        calling = sum(bool(one.uses) for one in active)
        checking = sum(checks(one) for one in active)
        ledger.close()
    played = sum(one.trials for one in outcomes)
    row = [
        name,
        str(len(drafts)),
        str(len(active)),
        f"{calling} of {len(active)}",
        f"{checking} of {len(active)}",
        f"{played / spent:.1f} ({played} trials, altered copies besides)",
        f"{statistics.median(live):.2f}",
        f"{statistics.median(inside):.2f}",
    ]
    return row, [_why(name, one) for one in outcomes if _counts(one)]


def times(ground: Ground, skills: Sequence[Skill]) -> tuple[list[float], list[float]]:
    """Milliseconds that an action of a skill takes besides the environment: live, and replayed."""
    live: list[float] = []
    inside: list[float] = []
    for skill in skills:
        source = ground.library.source(skill)
        for task in tasks_for(ground.env, skill, most=max(1, TASKS // len(skills))):
            given = bound(skill.goals, task.goal) or {}
            spent = 0.0
            episode = ground.env.open(task)
            past: list[tuple[Action, Step]] = []

            def do(action: Action) -> Step:
                nonlocal spent
                began = time.perf_counter()
                step = episode.step(action)  # noqa: B023
                spent += time.perf_counter() - began
                past.append((action, step))  # noqa: B023
                return step

            stage = Stage(episode.first, goal=task.goal, requires=skill.requires)
            began = time.perf_counter()
            play(ground.sandbox, source, skill.name, given, stage=stage, do=do)
            total = time.perf_counter() - began
            live.append(1000 * (total - spent) / max(1, len(past)))
            for size in range(len(past) + 1):
                stage = Stage(episode.first, goal=task.goal, requires=skill.requires)
                began = time.perf_counter()
                then = advance(
                    ground.sandbox, source, skill.name, given, stage=stage, past=past[:size]
                )
                inside.append(1000 * (time.perf_counter() - began))
                if isinstance(then, Played):
                    break
            episode.close()
    return live, inside


def checks(skill: Skill) -> bool:
    """Whether its code looks at what an action of its own, or a skill that it calls, gave back."""
    tree = ast.parse(skill.code)
    looked = (ast.Compare, ast.BoolOp, ast.UnaryOp, ast.If, ast.While)
    named = {"act", "offered", "seen", "reach"}
    return any(
        isinstance(inner, ast.Call) and isinstance(inner.func, ast.Name) and inner.func.id in named
        for node in ast.walk(tree)
        if isinstance(node, looked)
        for inner in ast.walk(node.test if isinstance(node, ast.If | ast.While) else node)
    )


def _counts(one: Outcome) -> bool:
    return not one.admitted and not one.reason.startswith("waits for")


def _why(name: str, one: Outcome) -> str:
    return f"{name}: {one.name}: {one.reason}"


if __name__ == "__main__":
    main(sys.argv[1:])
