"""The command line. Every command takes `--json`; a user's mistake is one line and exit code 2."""

from __future__ import annotations

import os
import sys
import warnings
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_group

from envs.errors import JourneymanError
from server.console import err, safe

WHERE = {
    "doctor": "doctor",
    "chat": "chat",
    "serve": "serve",
    "mcp": "mcp",
    "run": "run",
    "learn": "learn",
    "explore": "explore",
    "history": "history",
    "undo": "history",
    "as-of": "history",
    "diff": "history",
    "bisect": "bisecting",
    "distill": "distill",
    "demo": "demo",
    "bench": "bench",
    "report": "bench",
    "strategies": "strategies",
    "tasks": "curriculum",
    "memory": "memory",
    "skills": "skills",
    "envs": "envs",
    "models": "models",
    "eval": "evals",
}
"""The module of `server/commands` that each command is in; it is imported when it is asked for."""
MORE = {
    "memory": ("consolidate", "replaying", "absorbing", "keeping"),
    "skills": ("skill_learning", "tutorials"),
    "models": ("students", "model_serving", "model_check"),
    "eval": ("reflecting", "gap", "world"),
}
"""Modules that put further commands into a group."""


class Commands(TyperGroup):
    """All of `WHERE`, in that order."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - click's signature
        """Their names."""
        return list(WHERE)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - click's signature
        """One of them; None where there is none of that name."""
        if cmd_name not in WHERE:
            return None
        one = typer.Typer()
        one.callback()(_about)
        module = _commands(WHERE[cmd_name])
        for more in MORE.get(cmd_name, ()):
            _commands(more).add_to(module.app)
        module.add_to(one)
        return get_group(one).commands[cmd_name]


def _commands(name: str):
    return import_module(f"server.commands.{name}")


def _about() -> None:
    """An agent that learns on the job, and can prove and undo what it learned."""


app = typer.Typer(
    name="journeyman",
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.callback()(_about)


def main() -> None:
    """Entry point of `journeyman`."""
    warnings.simplefilter("ignore")
    try:
        app(standalone_mode=True)
    except JourneymanError as error:
        err.print(f"[red]error:[/red] {safe(str(error))}")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        err.print("interrupted; `journeyman run --resume` takes up runs, the same command the rest")
        sys.exit(130)
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123 - the reader is gone
        sys.exit(0)


if __name__ == "__main__":
    main()
