"""`journeyman bench` and `journeyman report`: experiments and their pages."""

from __future__ import annotations

import shlex
import time
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from agent.home import ledger_place
from agent.settings import Settings, load
from envs.errors import Missing, UserError
from memory.intervals import wilson
from memory.ledger import Ledger
from server.console import err, many, out, safe, say_json, table


def add_to(app: typer.Typer) -> None:
    """Registers the commands."""
    app.command("bench")(bench)
    app.command("report")(report)


NEEDED = ("jinja2", "matplotlib", "scipy", "sklearn", "statsmodels")


def _installed() -> None:
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise Missing(
            f"experiments need {', '.join(missing)}", repair="pip install 'journeyman[bench]'"
        )


def bench(
    name: Annotated[str, typer.Argument(help="An experiment or FILE.toml; none lists them")] = "",
    arms: Annotated[str, typer.Option(help="Only these arms, with commas between")] = "",
    sets: Annotated[str, typer.Option(help="Only these task sets (alfworld/val, ...)")] = "",
    seeds: Annotated[str, typer.Option(help="Seeds, with commas between")] = "",
    workers: Annotated[int, typer.Option(help="Worker processes; 0 plays in this one")] = 2,
    backend: Annotated[str, typer.Option(help="processes, or ray")] = "processes",
    address: Annotated[str, typer.Option(help="Ray's cluster; empty: this machine")] = "",
    seconds: Annotated[float | None, typer.Option(help="Begin no cell after so long")] = None,
    tokens: Annotated[int | None, typer.Option(help="Most tokens of the whole table")] = None,
    cost: Annotated[float | None, typer.Option(help="Most US dollars of the table")] = None,
    cells: Annotated[int | None, typer.Option(help="Most cells of this call")] = None,
    cell: Annotated[str, typer.Option(help="Play one cell again, and compare")] = "",
    rows: Annotated[
        Path | None, typer.Option(help="Go on from published rows: NAME.rows.jsonl.gz")
    ] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Only what its claims can tell")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON line per row")] = False,
) -> None:
    """Plays an experiment, or what is left of it; calling it again resumes."""
    _installed()
    from bench.experiments import named
    from bench.lab.conduct import Limits
    from bench.lab.session import Call, again, conduct, folder_of
    from bench.lab.types import same

    settings = load()
    if not name:
        _listed(as_json=as_json)
        return
    experiment = named(name)
    if plan:
        _planned(experiment, as_json=as_json)
        return
    if rows is not None:
        _taken_up(rows, experiment, settings)
    if cell:
        known, now = again(experiment, cell, settings)
        _compare(known, now, alike=same(known, now), as_json=as_json)
    options = {"arms": arms, "sets": sets, "seeds": seeds}
    given = [f"--{key} {shlex.quote(value)}" for key, value in options.items() if value]
    call = Call(
        arms=_words(arms),
        sets=_words(sets),
        workers=workers,
        backend=backend,
        address=address,
        limits=Limits(seconds=seconds, tokens=tokens, cost=cost, cells=cells),
        command=" ".join(["journeyman bench", shlex.quote(name), *given]),
    )
    chosen = experiment.model_copy(update={"seeds": _numbers(seeds) or experiment.seeds})
    try:
        with _Shown(as_json=as_json) as shown:
            done = conduct(
                chosen, settings, call, watch=shown.row, told=lambda text: err.print(safe(text))
            )
    except KeyboardInterrupt:
        err.print(f"interrupted; all rows are kept, and `{safe(call.command)}` goes on")
        raise typer.Exit(130) from None
    _ended(done, folder_of(settings, experiment.name), as_json=as_json)


def _taken_up(rows: Path, experiment: Any, settings: Settings) -> None:
    from bench.lab.published import take_up
    from bench.lab.session import folder_of

    new = take_up(rows, experiment, folder_of(settings, experiment.name))
    err.print(safe(f"taken up: {many(new, 'row')} of {rows.name}"))


def _ended(done: Any, folder: Path, *, as_json: bool) -> None:
    if as_json:
        say_json({**done.model_dump(), "folder": str(folder)})
        return
    out.print(f"{done.played} cells played, {done.left} left ({done.why})")
    report(folder.name)


def _listed(*, as_json: bool) -> None:
    from bench.experiments import NAMED

    rows = [(one.name, one.title, str(len(one.arms))) for one in NAMED.values()]
    if as_json:
        say_json([one.model_dump(mode="json") for one in NAMED.values()])
    else:
        table("experiments", ("name", "what is asked", "arms"), rows)


def _planned(experiment: Any, *, as_json: bool) -> None:
    """Says what the claims of an experiment can tell in 80 of 100 times."""
    from bench.lab.view import foretold

    columns, rows = foretold(experiment)
    if as_json:
        say_json([dict(zip(("number", *columns[1:]), row, strict=True)) for row in rows])
        return
    if not rows:
        out.print("nothing is claimed: give the experiment claims, see docs/laboratory.md")
        return
    title = "what is told in 80 of 100 experiments, by how many pairs only one arm solves"
    table(title, columns, rows)


def _compare(known: Any, now: Any, *, alike: bool, as_json: bool) -> NoReturn:
    if as_json:
        say_json({"same": alike, "known": known.model_dump(), "now": now.model_dump()})
    else:
        told = "the same row" if alike else "[red]another row[/red]"
        out.print(f"{known.cell}: {told}")
    raise typer.Exit(0 if alike else 1)


def report(
    name: Annotated[str, typer.Argument(help="An experiment; none: all, and their index")] = "",
    folder: Annotated[Path | None, typer.Option(help="Where pages are written")] = None,
    journal: Annotated[
        bool, typer.Option("--journal", help="Only the page of what this agent learned")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="What was written")] = False,
) -> None:
    """Writes the page of an experiment (or of all), the tables beside it, and the journal."""
    _installed()
    if journal:
        written = [_journal(folder)]
        if as_json:
            say_json({"written": [str(path) for path in written]})
        else:
            out.print(f"wrote {safe(str(written[0]))}")
        return
    from bench.lab.session import folder_of
    from bench.lab.types import FOLDER
    from bench.lab.view import claimed, played, summary, write_index, write_pages

    settings = load()
    place = folder or settings.home / "reports"
    root = settings.home / FOLDER
    names = [name] if name else played(root)
    if not names:
        raise UserError("there are no experiments", repair="run one: journeyman bench small")
    written = [write_pages(folder_of(settings, one), place) for one in names]
    written.append(write_index(root, place))
    if not name:
        written.append(_journal(place))
    if as_json:
        say_json({"written": [str(path) for path in written]})
        return
    for one in names:
        columns, rows = summary(folder_of(settings, one))
        table(one, columns, rows)
        for line in claimed(folder_of(settings, one)):
            out.print(safe(line))
    for path in written:
        out.print(f"wrote {safe(str(path))}")


def _journal(folder: Path | None) -> Path:
    """Writes the page of what was learned in this home."""
    from bench.report.journal import write

    settings = load()
    with closing(Ledger(ledger_place(settings))) as ledger:
        return write(settings.home, ledger, folder or settings.home / "reports")


class _Shown:
    """Progress with the time left and each arm's rate so far."""

    def __init__(self, *, as_json: bool) -> None:
        self._json = as_json
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        self._bar = Progress(*columns, TextColumn("{task.fields[left]}"), console=err)
        self._task: TaskID | None = None
        self._began, self._start = time.monotonic(), 0
        self._won: dict[str, tuple[int, int]] = {}

    def __enter__(self) -> _Shown:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def row(self, row: Any, done: int, total: int) -> None:
        """One row more; None at the beginning."""
        if self._task is None:
            self._start = done
            self._task = self._bar.add_task("cells", total=total, completed=done, left="")
            return
        left = ""
        if done > self._start:
            each = (time.monotonic() - self._began) / (done - self._start)
            left = f"about {_span(each * (total - done))} left"
        self._bar.update(self._task, completed=done, left=left)
        if row is None:
            return
        if self._json:
            say_json(row.model_dump())
            return
        key = f"{row.arm} · {row.set}" + (" · learning" if row.phase == "learn" else "")
        won, n = self._won.get(key, (0, 0))
        self._won[key] = won, n = won + row.won, n + 1
        low, high = wilson(won, n)
        mark = "[green]solved[/green]" if row.won else f"[yellow]{row.failure}[/yellow]"
        self._bar.console.print(
            f"{safe(key)}: {mark} in {row.steps} steps, {row.wall_s:.0f} s · so far {won}/{n} "
            f"({low:.0%} to {high:.0%})"
        )


def _span(seconds: float) -> str:
    if seconds < 60:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes / 60:.1f} h"


def _words(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _numbers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in _words(text))
    except ValueError as error:
        raise UserError(f"seeds {text!r}", repair="numbers with commas between: 0,1,2") from error
