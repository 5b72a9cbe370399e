"""One skill's story on the shop: what fails without it, how it is learned, and what it does.

`python -m bench.web.story [HOME] [PICTURES]`: a player without a mind (any possible action, by
chance) is given val errands; then the shop is explored for one kind of errand on train tasks, what
worked becomes a skill that has to prove itself, and the same player has the same errands with it.
With PICTURES, a folder, the skill is played once more and the page is photographed at each step.
HOME keeps what was learned; without it nothing is kept. A skill that is there already is used.
"""

from __future__ import annotations

import asyncio
import io
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

from agent.chance import RandomChoice
from agent.crossing import off
from agent.exploring import Effort, explore
from agent.exploring_guides import Relevance
from agent.home import home
from agent.models.scripted import ScriptedModel
from agent.runner import Crew, Spec, run
from agent.settings import load
from agent.synthesis import Induction, learned
from agent.weaving import proposals
from envs.types import Action, Env, Step, Task
from envs.webepisode import WebEpisode
from skills.calling import bound
from skills.library import Library
from skills.playing import Stage, play
from skills.sandbox import Sandbox
from skills.trials import Ground
from skills.types import Skill

KIND, HELD_OUT = "wish", "wish-of-others"
STEPS = 12
"""Actions that the player has for an errand."""


async def main(folder: Path, pictures: Path | None) -> None:
    """Prints the story, in order."""
    settings = load(
        home=folder, memory={"learn": False, "recall": False}, skills={"choose": "first"}
    )
    async with home(settings, models={"model": ScriptedModel([], name="no model")}) as place:
        env = await place.env("site")
        tasks = [
            one.model_copy(update={"limits": one.limits.model_copy(update={"steps": STEPS})})
            for one in env.tasks("val")
            if one.tags[0] == HELD_OUT
        ]
        crew = replace(await place.crew(), strategy=RandomChoice())
        await _played(crew, env, tasks, skills=False)
        with Sandbox() as sandbox:
            ground = Ground(env, sandbox, Library(place.ledger))
            skill = _active(ground) or await _learned(ground)
            if skill is None:
                print("no skill was admitted")
                return
            print(f"\n{skill.code}\n{skill.name}: {skill.note}\n")
            await _played(crew, env, tasks, skills=True)
            if pictures is not None:
                await off(_photographed, ground, skill, tasks[0], pictures)


def _active(ground: Ground) -> Skill | None:
    found = ground.library.all(env=ground.env.name, status="active")
    wanted = [t.goal for t in ground.env.tasks("val") if t.tags[0] == HELD_OUT]
    return next((one for one in found if bound(one.goals, wanted[0]) is not None), None)


async def _learned(ground: Ground) -> Skill | None:
    began = time.perf_counter()
    kinds = [(one.kind, one.tasks) for one in await off(proposals, ground) if one.kind == KIND]
    found = await explore(ground.env, Relevance(), kinds, effort=Effort(episodes=20), told=_told)
    ways = [way for one in found for way in one.ways]
    if not ways:
        return None
    await learned(ground, Induction(), ways, told=_told)
    print(f"{time.perf_counter() - began:.0f} s of exploring and trials")
    return _active(ground)


async def _played(crew: Crew, env: Env, tasks: Sequence[Task], *, skills: bool) -> None:
    for task in tasks:
        spec = Spec(task=task, seed=task.seed, chance=task.id, recall=False, skills=skills)
        done = await run(crew, env, spec)
        solved = "solved" if done.score and done.score.passed else "not solved"
        how = "with its skills" if skills else "without"
        print(f"{task.goal} {how}: {solved}, {len(done.steps)} steps")
        for step in done.steps:
            print(f"    {step.action}{f'   ({step.skill})' if step.skill else ''}")


def _photographed(ground: Ground, skill: Skill, task: Task, into: Path) -> None:
    """Plays the skill, and leaves `skill-0.png` (before) and one picture for each action."""
    episode = ground.env.open(task)
    if not isinstance(episode, WebEpisode):
        return
    into.mkdir(parents=True, exist_ok=True)
    number = 0

    def shoot() -> None:
        (into / f"skill-{number}.png").write_bytes(small(episode.shot()))

    def do(action: Action) -> Step:
        nonlocal number
        step = episode.step(action)
        number += 1
        shoot()
        return step

    try:
        shoot()
        stage = Stage(episode.first, goal=task.goal, requires=skill.requires, tools=episode.tools)
        source = ground.library.source(skill)
        given = bound(skill.goals, task.goal) or {}
        play(ground.sandbox, source, skill.name, given, stage=stage, do=do)
    finally:
        episode.close()


def small(png: bytes) -> bytes:
    """The same picture in 64 colours, for a page of documentation."""
    made = io.BytesIO()
    Image.open(io.BytesIO(png)).convert("RGB").quantize(64).save(made, "PNG", optimize=True)
    return made.getvalue()


def _told(line: str) -> None:
    print(f"  {line}", flush=True)


if __name__ == "__main__":
    shots = Path(sys.argv[2]) if len(sys.argv) > 2 else None
    if len(sys.argv) > 1:
        asyncio.run(main(Path(sys.argv[1]), shots))
    else:
        with TemporaryDirectory() as temporary:
            asyncio.run(main(Path(temporary), None))
