"""What people are shown of tables: sums, pages, and the rows as a file to keep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from bench.lab.claims import sets_of
from bench.lab.plan import asked_for, check, due
from bench.lab.published import publish
from bench.lab.table import FILE, Table
from bench.lab.types import Due, Experiment, Row
from bench.report.claims import lines as lines_of
from bench.report.markdown import told
from bench.report.page import index, page
from bench.report.results import Results
from bench.stats.claims import FLIPS, resolution
from envs.errors import StoreError, UserError
from memory.intervals import wilson

GUARDS = (
    "no task meets what an attempt at it left behind (by key and lineage)",
    "val, test, seen and unseen feed no learning",
    "train and measured tasks share no key, room, layout or seed",
    "arms act under seal: no score, reward, demonstration, game file or table",
    "no note or lesson holds words of a held-out place",
)
"""What watched, for the page."""
COLUMNS = ("arm", "tasks", "solved", "rate, 95% interval", "steps", "model s/step", "tokens/task")


def write_pages(folder: Path, place: Path) -> Path:
    """The page of the experiment in `folder`, as Markdown too, and its rows, into `place`.

    Raises `UserError` where there is no experiment, `StoreError` where nothing can be written.
    """
    table = Table(folder, write=False)
    try:
        experiment, rows = table.experiment(), table.rows()
        if experiment is None:
            raise UserError(
                f"experiment {folder.name!r} was ended before it began",
                repair=f"run it: journeyman bench {folder.name}",
            )
        found = [f"{text} ({cell})" if cell else text for cell, text in table.flags()]
        sessions = table.sessions()
        cells = asked_for(experiment) or (sessions[-1].get("cells") if sessions else None)
        asked = cells_due(experiment, rows, sessions)
        html = page(
            experiment,
            rows,
            sessions,
            table.transcript,
            flags=found,
            guards=GUARDS,
            cells=cells,
            notes=table.notes,
            due=asked,
        )
        target = place / f"{experiment.name}.html"
        try:
            place.mkdir(parents=True, exist_ok=True)
            target.write_text(html, "utf-8")
            markdown = told(experiment, rows, sessions, cells=cells, due=asked)
            (place / f"{experiment.name}.md").write_text(markdown, "utf-8")
            publish(table, experiment, place)
        except OSError as error:
            raise _unwritable(place, error) from error
        return target
    finally:
        table.close()


def write_index(root: Path, place: Path) -> Path:
    """The project's page over all experiments in `root`."""
    found, leads = [], {}
    for name in played(root):
        with closing(Table(root / name, write=False)) as table:
            experiment = table.experiment()
            if experiment is not None:
                found.append((experiment, table.rows()))
        leads[name] = "".join(claimed(root / name)[:1])
    try:
        place.mkdir(parents=True, exist_ok=True)
        target = place / "index.html"
        target.write_text(index(found, leads=leads), "utf-8")
    except OSError as error:
        raise _unwritable(place, error) from error
    return target


def played(root: Path) -> list[str]:
    """Names of the experiments in `root`, without those that were ended before they began."""
    found = []
    for path in sorted(root.glob(f"*/{FILE}")):
        with suppress(UserError), closing(Table(path.parent, write=False)) as table:
            if table.experiment() is not None:
                found.append(path.parent.name)
    return found


def summary(folder: Path) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Columns and lines of a table for the terminal."""
    table = Table(folder, write=False)
    try:
        sums = []
        for one in table.totals():
            low, high = wilson(one.won, one.n)
            sums.append(
                (
                    one.arm,
                    one.set,
                    f"{one.won}/{one.n}",
                    f"{one.won / one.n:.0%} ({low:.0%} to {high:.0%})",
                    f"{one.steps / one.n:.1f}",
                    f"{one.model_s / max(one.steps, 1):.2f}",
                    f"{(one.prompt_tokens + one.completion_tokens) / one.n:,.0f}",
                )
            )
        return COLUMNS, sums
    finally:
        table.close()


def claimed(folder: Path) -> list[str]:
    """What came of the claims, in a line for all and one for each that waits; empty for none."""
    with closing(Table(folder, write=False)) as table:
        experiment, sessions = table.experiment(), table.sessions()
        if experiment is None or not experiment.claims:
            return []
        rows = table.rows()
        asked = cells_due(experiment, rows, sessions)
        return lines_of(Results(experiment, tuple(rows)), due=asked, sessions=sessions)


def foretold(experiment: Experiment) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """What each claim can tell once it is played, and its columns: before any row is there.

    For several shares of pairs that only one of the arms solves, as if each task were a place of
    its own; where tasks of a place resemble each other, it takes more. Raises `UserError` for
    claims that can't be tested.
    """
    check(experiment)
    asked, told = due(experiment), []
    for at, claim in enumerate(experiment.claims, start=1):
        tasks = sum(
            min(asked[arm, within].tasks for arm in (claim.arm, claim.against))
            for within in sets_of(experiment, claim)
        )
        sizes = [
            resolution(tasks, claims=len(experiment.claims), flips=flips, expects=claim.expects)
            for flips in FLIPS
        ]
        if claim.expects == "better":
            cells = [f"{size * 100:.0f} points" for size in sizes]
        else:
            enough = [size * 100 <= claim.margin for size in sizes]
            cells = [
                f"margin {size * 100:.0f}{'' if fits else f', not {claim.margin:g}'}"
                for size, fits in zip(sizes, enough, strict=True)
            ]
        told.append((str(at), claim.says, claim.expects, str(tasks), *cells))
    flips = (f"{share:.0%} differ" for share in FLIPS)
    return ("", "claim", "expects", "pairs", *flips), told


def cells_due(
    experiment: Experiment, rows: Sequence[Row], sessions: Sequence[Mapping[str, Any]]
) -> dict[tuple[str, str], Due]:
    """What is asked of each arm in each task set; empty where all is played.

    Environments may have fewer tasks than are asked for, which the last session has counted if it
    was to play all of it.
    """
    counted = sessions[-1].get("cells") if sessions else None
    return {} if counted is not None and len(rows) >= counted else due(experiment)


def _unwritable(place: Path, error: OSError) -> StoreError:
    return StoreError(
        f"{place} can't be written ({error.strerror})", repair="name another: --folder"
    )
