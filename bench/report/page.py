"""An experiment as one HTML file that needs no network, and the project's index of them."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined

from bench.lab.types import Experiment, Row
from bench.report import (
    calibration,
    claims,
    claims_page,
    comparisons,
    costs,
    curves,
    failures,
    headline,
    provenance,
    rates,
    recalls,
    retries,
    transcripts,
    words,
)
from bench.report.results import Results
from bench.report.transcripts import Finder, Notes, no_notes
from bench.report.view import Section, Table, Text, Transcripts

HERE = PackageLoader("bench.report", package_path="")


def page(
    experiment: Experiment,
    rows: Sequence[Row],
    sessions: Sequence[Mapping[str, Any]],
    transcript: Finder,
    *,
    flags: Sequence[str] = (),
    guards: Sequence[str] = (),
    cells: int | None = None,
    notes: Notes = no_notes,
    due: claims.Cells | None = None,
) -> str:
    """The page of an experiment, however much of it is played.

    `flags`: what guards found, one line each. `guards`: what watched, one phrase each ("no task
    meets what an attempt at it left behind"). `cells`: how many there are when all is played.
    `notes`: what an arm put before the solver of a cell for the whole run, by id of the cell.
    `due`: what is asked of each arm in each task set, to say which claims wait.
    """
    results = Results(experiment, tuple(rows))
    alarm = provenance.alarm(results, sessions, flags)
    runs = transcripts.section(results, transcript, notes)
    told = claims.tell(results, due=due, sessions=sessions)
    sections = [
        alarm,
        claims_page.section(results, told, gone=claims.withdrawn(results, sessions)),
        headline.section(results, whole=cells is None or len(rows) >= cells),
        *(_measured(results, transcript, runs, notes) if results.measured else ()),
        provenance.guards(guards, found=bool(flags) or provenance.leaks(results) > 0),
        provenance.manifest(results, sessions),
        runs if results.measured else None,
    ]
    played = _played(results, cells)
    return render(
        [_once(section) for section in sections if section],
        title=experiment.title,
        eyebrow=f"Experiment: {experiment.name}",
        note=experiment.note,
        played=played,
        lead=claims.headline(told),
    )


def index(
    experiments: Sequence[tuple[Experiment, Sequence[Row]]],
    *,
    leads: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """The project's page: every experiment with its answer; pages are `NAME.html` beside it.

    `leads`: what came of the claims of an experiment, in a line, by its name.
    """
    sections = [_entry(one, rows, leads.get(one.name, "")) for one, rows in experiments]
    empty = Text(text="No experiment is played yet: `journeyman bench` lists them.", tone="dim")
    nothing = Section(id="experiments", title="Experiments", blocks=(empty,))
    return render(
        sections or [nothing],
        title="What was measured",
        eyebrow="Journeyman",
        note="Each experiment has a page with its intervals, failures and transcripts.",
        played=words.plural(len(sections), "experiment"),
    )


def _entry(experiment: Experiment, rows: Sequence[Row], lead: str) -> Section:
    """An experiment as the index tells it."""
    ended = max((row.ended for row in rows), default="")
    played = words.plural(len(rows), "cell")
    last = f", the last on {ended[:10]}" if ended else ""
    answer = headline.section(Results(experiment, tuple(rows)))
    claimed = (Text(text=lead, tone="lead"),) if lead else ()
    return Section(
        id=f"e-{experiment.name}",
        title=experiment.title,
        href=f"{quote(experiment.name)}.html",
        blocks=(*claimed, *answer.blocks, Text(text=f"{played} played{last}.", tone="dim")),
    )


def _measured(
    results: Results, transcript: Finder, runs: Section, notes: Notes
) -> list[Section | None]:
    shown = [run.id for b in runs.blocks if isinstance(b, Transcripts) for run in b.shown]
    return [
        rates.section(results),
        comparisons.section(results),
        retries.section(results),
        costs.section(results),
        rates.types(results),
        curves.section(results),
        curves.lifelong(results),
        failures.section(results, transcripts.links(results, shown)),
        recalls.section(results, transcript, notes),
        calibration.section(results),
        comparisons.power(results),
        provenance.varied(results),
    ]


def _once(section: Section) -> Section:
    """`section` without notes on reading tables that it has told before."""
    told: set[str] = set()
    blocks = []
    for block in section.blocks:
        again = isinstance(block, Table) and block.note in told
        blocks.append(block.model_copy(update={"note": ""}) if again else block)
        told.add(block.note if isinstance(block, Table) else "")
    return section.model_copy(update={"blocks": tuple(blocks)})


def _played(results: Results, cells: int | None) -> str:
    done = f"{len(results.rows):,}"
    if cells is None:
        return f"{words.plural(len(results.rows), 'cell')} played."
    if len(results.rows) >= cells:
        return f"All {words.plural(cells, 'cell')} played."
    return f"{done} of {words.plural(cells, 'cell')} played so far."


def render(sections: Sequence[Section], **head: str) -> str:
    """A page of these sections; `head` has title, eyebrow, note and played, in words."""
    environment = Environment(
        loader=HERE, autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    script, style = (_asset(environment, file) for file in ("script.js", "style.css"))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return environment.get_template("page.html").render(
        sections=sections,
        script=script,
        style=style,
        script_hash=f"sha256-{digest}",
        footer="Intervals are 95 %. Made by `journeyman report`; nothing on this page is fetched.",
        **head,
    )


def _asset(environment: Environment, file: str) -> str:
    """A file beside this one, as it stands; it goes into the page unchanged."""
    source, _, _ = HERE.get_source(environment, file)
    return source
