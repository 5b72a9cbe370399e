"""The command line. Every command takes `--json`; a user's mistake is one line and exit code 2."""

from __future__ import annotations

import os
import sys
import warnings

import typer

from envs.errors import JourneymanError
from server.commands import (
    absorbing,
    bench,
    bisecting,
    chat,
    consolidate,
    curriculum,
    demo,
    distill,
    doctor,
    envs,
    evals,
    explore,
    gap,
    history,
    keeping,
    learn,
    mcp,
    memory,
    model_check,
    models,
    reflecting,
    replaying,
    run,
    serve,
    skill_learning,
    skills,
    strategies,
    tutorials,
    world,
)
from server.console import err, safe

app = typer.Typer(
    name="journeyman",
    help="An agent that learns on the job, and can prove and undo what it learned.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
doctor.add_to(app)
chat.add_to(app)
serve.add_to(app)
mcp.add_to(app)
run.add_to(app)
learn.add_to(app)
curriculum.add_to(app)
memory.add_to(app)
consolidate.add_to(memory.app)
replaying.add_to(memory.app)
absorbing.add_to(memory.app)
keeping.add_to(memory.app)
skills.add_to(app)
skill_learning.add_to(skills.app)
explore.add_to(app)
tutorials.add_to(skills.app)
history.add_to(app)
bisecting.add_to(app)
distill.add_to(app)
demo.add_to(app)
envs.add_to(app)
bench.add_to(app)
models.add_to(app)
model_check.add_to(models.app)
reflecting.add_to(evals.app)
gap.add_to(evals.app)
evals.add_to(app)
world.add_to(evals.app)
strategies.add_to(app)


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
