"""`journeyman strategies`: what can be chosen, with the paper that each comes from."""

from __future__ import annotations

import inspect

import typer

from agent.proposers.evolving import EVOLVING
from agent.settings import load
from agent.strategies import Choice, choices
from envs.errors import one_line
from server.commands.memory import Json
from server.console import say_json, table

MARKS = {True: "yes", False: "no", None: ""}


def add_to(app: typer.Typer) -> None:
    """Registers the command."""
    app.command("strategies")(strategies)


def strategies(as_json: Json = False) -> None:
    """Lists what can be chosen, what chooses it, and the paper it comes from."""
    found = [*choices(load()), *_loop(), *_arms(), *_evals()]
    if as_json:
        say_json(found)
        return
    rows = [(c.part, c.name, c.does, c.paper, c.setting, MARKS[c.chosen]) for c in found]
    columns = ("part", "name", "what it does", "paper", "chosen by", "chosen")
    table(f"{len(found)} choices", columns, rows)


def _loop() -> list[Choice]:
    """Who proposes in the loop."""
    return [
        Choice(
            part="proposer",
            name=name,
            does=told.does,
            paper=told.paper,
            setting=f"journeyman learn ENV --proposers {name}",
            chosen=None,
        )
        for name, told in EVOLVING.items()
    ]


def _arms() -> list[Choice]:
    """The arms of experiments."""
    from bench.arms.registry import KINDS

    return [
        Choice(
            part="arm",
            name=name,
            does=one_line((inspect.getdoc(kind) or "").split("\n\n")[0]),
            paper=kind.paper,
            setting=f'kind = "{name}" of an arm in an experiment',
            chosen=None,
        )
        for name, kind in KINDS.items()
    ]


def _evals() -> list[Choice]:
    """Evaluations of single abilities."""
    from bench.evals import blindspot, critic, overthinking, process, reflection, secondlook

    named = {
        "critic": critic,
        "blindspot": blindspot,
        "overthinking": overthinking,
        "process": process,
        "secondlook": secondlook,
        "reflection": reflection,
    }
    return [
        Choice(
            part="eval",
            name=name,
            does=module.WHAT,
            paper=module.PAPER,
            setting=f"journeyman eval {name}",
            chosen=None,
        )
        for name, module in named.items()
    ]
