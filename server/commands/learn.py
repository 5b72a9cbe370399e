"""`journeyman learn`: rounds of play, proposals, gates; with `--distill` students alone."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from agent.curricula import CURRICULA, DEFAULT
from agent.evolving import Bounds
from agent.proposers.evolving import EVOLVING
from agent.settings import load
from distill.plan import PLANS
from distill.recipes import recipe
from envs.errors import UserError, clip
from server.commands import learning, learning_students
from server.commands.memory import Json
from server.console import go, say_json

Names = Annotated[str, typer.Option(help=f"Who proposes, by commas: {', '.join(EVOLVING)}")]
Rounds = Annotated[int, typer.Option("--rounds", min=1, help="How many at the most")]
Tasks = Annotated[int | None, typer.Option("--n", "-n", min=1, help="Train tasks a round")]
Name = Annotated[str, typer.Option(help="Of these rounds; the same name goes on")]
Judged = Annotated[int, typer.Option(min=1, help="Val tasks that a gate plays, at most")]
HeldOut = Annotated[int | None, typer.Option("--held", min=1, help="Val tasks of the curve")]
Episodes = Annotated[int, typer.Option(min=2, help="Train episodes of a proposer, at most")]
By = Annotated[str, typer.Option(help=f"Which tasks come next: {', '.join(CURRICULA)}")]
Workers = Annotated[int, typer.Option(min=1, help="Runs at a time")]
Distill = Annotated[bool, typer.Option("--distill", help="Rounds of students and nothing else")]
Recipe = Annotated[str, typer.Option("--recipe", help="Students: how rows are made")]
Samples = Annotated[int, typer.Option(min=1, help="Students: runs at each task, to begin with")]
Warmth = Annotated[float, typer.Option(min=0, help="Students: of the replies, to begin with")]
Shown = Annotated[
    Path | None,
    typer.Option("--rows", help="Students: rows of demonstrations (`journeyman distill`)"),
]

NAMES = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}")


def add_to(app: typer.Typer) -> None:
    """Registers the command."""
    app.command("learn")(learn)


def learn(
    env: Annotated[str, typer.Argument(help="Environment, as in `journeyman run`")],
    proposers: Names = "lessons,skills",
    rounds_: Rounds = 3,
    n: Tasks = None,
    name: Name = "",
    judged: Judged = 60,
    held: HeldOut = None,
    episodes: Episodes = 48,
    by: By = DEFAULT,
    workers: Workers = 1,
    distill: Distill = False,
    recipe_: Recipe = "sft",
    samples: Samples = 4,
    temperature: Warmth = 0.7,
    shown: Shown = None,
    as_json: Json = False,
) -> None:
    """Rounds: plays train tasks, has changes proposed, keeps those that win held-out tasks.

    Every decision is a change in `journeyman history`; rounds that were killed go on with the same
    command. With `--distill` students are trained in rounds of their own, each before its gate.
    """
    _trainable(recipe_)
    _nameable(name)
    called = name or env.replace(":", "-")
    students = learning_students.Wanted(
        env=env,
        rounds=rounds_,
        n=n or 60,
        name=called,
        recipe=recipe_,
        samples=samples,
        temperature=temperature,
        judged=judged,
        held=held or 60,
        shown=shown,
    )
    if distill:
        trained = go(learning_students.distilled(load(), students))
        return say_json(trained) if as_json else learning_students.told(trained)
    wanted = learning.Wanted(
        env=env,
        name=name or f"{called}-loop",
        rounds=rounds_,
        proposers=_proposers(proposers),
        by=by,
        bounds=Bounds(tasks=n or 24, judged=judged, held=held or 30, episodes=episodes),
        workers=workers,
        students=students,
    )
    done = go(learning.learned(load(), wanted, as_json=as_json))
    return say_json(done) if as_json else learning.told(done)


def _nameable(name: str) -> None:
    """Raises `UserError` for what can't be a folder in the home and part of students' names."""
    if name and not NAMES.fullmatch(name):
        raise UserError(
            f"{clip(name)!r} can't name rounds",
            repair="take at most 60 letters, digits and . _ -, a letter or digit first",
        )


def _proposers(named: str) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(one.strip() for one in named.split(",") if one.strip()))
    if not found:
        raise UserError("nobody proposes anything", repair=f"name some of {', '.join(EVOLVING)}")
    return found


def _trainable(name: str) -> None:
    """Raises `UserError` for a recipe whose rows no round can train on, `UnknownName` for none."""
    if recipe(name).trains not in PLANS:
        raise UserError(
            f"rows of recipe {name} are no rounds' rows", repair="take sft, nft, dpo or steps"
        )
