"""Tables that were published: written beside the page, and taken up again on another machine.

`NAME.rows.jsonl.gz` has a row per line, for people and their tools. `NAME.table.json.gz` has what
going on takes besides: the experiment as it has grown, the manifests of its sessions, and what arms
kept. Transcripts stay with the machine that played them.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from base64 import b64decode, b64encode
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bench.lab.table import Table, lines
from bench.lab.types import Experiment, Row
from envs.errors import UserError, one_line

ROWS, REST = ".rows.jsonl.gz", ".table.json.gz"


def publish(table: Table, experiment: Experiment, place: Path) -> None:
    """Writes both files of an experiment into `place`: the same bytes for the same table.

    Raises `OSError`.
    """
    rows = table.rows()
    rest = {
        "experiment": experiment.model_dump(mode="json"),
        "sessions": table.sessions(),
        "states": [
            {"arm": arm, "seed": seed, "learned": learned, "body": b64encode(body).decode()}
            for arm, seed, learned, body in table.states()
        ],
    }
    _write(place / f"{experiment.name}{ROWS}", "\n".join([*lines(rows), ""]))
    _write(place / f"{experiment.name}{REST}", json.dumps(rest, sort_keys=True))


def take_up(file: Path, experiment: Experiment, folder: Path) -> int:
    """Begins the table in `folder` with the rows of `file`; how many were new.

    `experiment` is what it is taken for where the rows lie alone, without `NAME.table.json.gz`;
    their sessions are then known by their ids and their first row only. Rows that `folder` has
    already stay as they are. Raises `UserError` for a file that can't be read or holds rows of
    something else, and writes nothing then.
    """
    rows = _rows(file)
    rest = _rest(file.with_name(file.name.removesuffix(ROWS) + REST))
    known = Experiment.model_validate(rest["experiment"]) if rest else experiment
    _check(file, rows, known, experiment)
    sessions = rest["sessions"] if rest else _sessions(rows, file)
    with closing(Table(folder)) as table:
        for one in sessions:
            table.begin(table.experiment() or known, one)
        for one in rest["states"] if rest else ():
            whose = one["arm"], one["seed"], one["learned"]
            if table.state(*whose) is None:
                table.keep(*whose, b64decode(one["body"]))
        return sum(table.add(row, None) for row in rows)


def _rows(file: Path) -> list[Row]:
    try:
        text = gzip.decompress(file.read_bytes()).decode()
        found = [Row.model_validate_json(line) for line in text.split("\n") if line]
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise _unreadable(file, error) from error
    if not found:
        raise _unreadable(file, ValueError("it holds no rows"))
    return found


def _rest(file: Path) -> dict[str, Any] | None:
    if not file.exists():
        return None
    try:
        found = json.loads(gzip.decompress(file.read_bytes()))
        Experiment.model_validate(found["experiment"])
        return {part: found[part] for part in ("experiment", "sessions", "states")}
    except (OSError, EOFError, ValueError, zlib.error, KeyError, TypeError) as error:
        raise _unreadable(file, error) from error


def _check(file: Path, rows: Sequence[Row], known: Experiment, wanted: Experiment) -> None:
    if known.name != wanted.name:
        raise UserError(
            f"{file} holds rows of the experiment {known.name!r}, not of {wanted.name!r}",
            repair=f"journeyman bench {known.name} --rows {file}",
        )
    kinds = {arm.name: arm.kind for arm in (*known.arms, *wanted.arms)}
    other = next((row for row in rows if kinds.get(row.arm, row.kind) != row.kind), None)
    if other is not None:
        raise UserError(
            f"arm {other.arm!r} was played as {other.kind!r} in {file}, which is another kind now",
            repair="take rows of this version, or play the experiment anew",
        )


def _sessions(rows: Sequence[Row], file: Path) -> list[dict[str, Any]]:
    """What can be said of sessions whose manifests are not there."""
    whence = f"rows of {file.name}, SHA-256 {hashlib.sha256(file.read_bytes()).hexdigest()[:16]}"
    first: dict[str, str] = {}
    for row in rows:
        first[row.session] = min(first.get(row.session, row.ended), row.ended)
    return [
        {"id": name, "began": began, "command": whence, "models": {}}
        for name, began in sorted(first.items(), key=lambda one: one[1])
    ]


def _write(path: Path, text: str) -> None:
    path.write_bytes(gzip.compress(text.encode(), mtime=0))


def _unreadable(file: Path, error: Exception) -> UserError:
    why = (
        "it is not of this version" if isinstance(error, ValidationError) else one_line(str(error))
    )
    return UserError(
        f"{file} can't be taken up: {why}",
        repair=f"name a file as `journeyman report` writes it: NAME{ROWS}",
    )
