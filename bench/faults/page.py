"""The page on faults: what was done to memory, what it said, and what is not told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from bench.faults.damage import HOWS
from bench.faults.disk import Crowded
from bench.faults.killer import WRITERS, Row

Broken = Sequence[tuple[str, str, str, str]]
"""Rows of `damage.sweep`: file, how, outcome, where."""
OUTCOMES = {
    "right": "right",
    "told": "says so in a line",
    "rebuilt": "built anew, one warning",
    "missing": "less, without a word",
    "wrong": "other, without a word",
    "crash": "crash",
}
NOT_TOLD = """
What is not told:

- A ledger that was deleted. A new one is begun, as on the first day; the index of the old one is
  not used.
- Bits of a column beside a row's body that stands in no index of the database: a change's
  decision, the time of an exposure, whether a run passed. A change whose decision is unreadable
  counts as rejected. Bodies (what lessons say, changes, runs, their steps) carry a checksum, which
  every reader checks.
- A damaged page of an index of the ledger, where the file has more than 4 MB: only smaller ones
  are looked through when they are opened. `sqlite3 FILE "PRAGMA integrity_check"` tells.
- Index files that are altered while a process has them open; the next one that opens them tells.
- A ledger that was replaced by a backup, and then went beyond the point at which it was replaced
  before any process with the index of the later one opened it: `journeyman memory rebuild`.
- The loss of power: a write has returned when the disk says that it is there. Whether it is, no
  program can test that does not pull the plug.
"""


def page(
    rows: Sequence[Row], broken: Broken, full: dict[str, Crowded | None], *, log: str, command: str
) -> str:
    """The page in Markdown."""
    parts = [
        "# Faults: what memory keeps when processes are killed and files are damaged",
        f"Made by `{command}`; the log, a line for each kill, is `{log}`.",
        *_kills(rows),
        *_damage(broken),
        *_disk(full),
        "## Clocks and versions",
        "A clock that jumps back or ahead, ledgers of an older and of a newer version, a kill in "
        "the middle of a migration, and processes of two versions at once are tests: "
        "`tests/memory/test_faults_clock.py` and `tests/memory/test_faults_versions.py`.",
        NOT_TOLD.strip(),
    ]
    return "\n\n".join(parts) + "\n"


def _kills(rows: Sequence[Row]) -> Iterable[str]:
    killed = sum(len(row.points) for row in rows)
    acknowledged = sum(row.acknowledged for row in rows)
    lost = sum(row.checked - row.found for row in rows)
    faults = [(row.round, fault) for row in rows for fault in row.faults]
    yield "## `kill -9`"
    yield (
        f"{WRITERS} processes write to one memory at once: lessons, runs with their lessons and "
        "exposures, edits, batches, undoings, forgetting, purges, opening and closing. Each notes "
        "what has returned. At a random moment one of them is killed, or all; half of the moments "
        "are aimed at a certain deed. Then the ledger is read by SQL of the audit's own, every "
        "write acknowledged so far is looked for, lessons are compared with the fold of the "
        "changes, and each index is opened and caught up."
    )
    yield "\n".join(
        [
            "| | |",
            "|---|---|",
            f"| moments | {len(rows)} |",
            f"| processes killed | {killed} |",
            f"| writes acknowledged | {acknowledged:,} |",
            f"| looked for, again after every later kill | {sum(r.checked for r in rows):,} |",
            f"| lost | {lost} |",
            f"| kills after which anything was half, not found, or found though gone | "
            f"{len({number for number, _ in faults})} |",
            f"| indexes built anew from the ledger | {sum(row.rebuilt for row in rows):,} |",
            f"| lessons caught up in indexes that were in order | "
            f"{sum(row.caught_up for row in rows):,} |",
            f"| minutes | {sum(row.seconds for row in rows) / 60:.1f} |",
        ]
    )
    points = Counter(point.partition(" +")[0] for row in rows for point in row.points)
    table = [f"| {point} | {count} |" for point, count in points.most_common()]
    yield "What the processes were doing when they were killed:"
    yield "\n".join(["| doing | killed |", "|---|---|", *table])
    if faults:
        yield "\n".join(["Faults:", "", *(f"- round {n}: {fault}" for n, fault in faults[:50])])
    yield (
        "`--liar hasty`, `piecemeal` or `leaky` plays the same with a ledger that answers before "
        "it commits, one that writes without a transaction, and an index that loses entries; "
        "tests hold that each is found out."
    )


def _damage(broken: Broken) -> Iterable[str]:
    yield "## Files broken at a random place"
    yield (
        f"One of these is done to one file of a copy, {len(broken):,} times: "
        f"{', '.join(HOWS)} (a bit, 16 bytes, cut off, zeros to the end of the page, junk behind "
        "the end, no file). Then everything is read, or every lesson is searched."
    )
    files = list(dict.fromkeys(row[0] for row in sorted(broken)))
    counts = Counter((row[0], row[2]) for row in broken)
    shown = [name for name in OUTCOMES if any(row[2] == name for row in broken)]
    lines = [f"| file | {' | '.join(OUTCOMES[name] for name in shown)} |"]
    lines.append("|---|" + "---|" * len(shown))
    lines += [
        f"| {file} | {' | '.join(str(counts[file, name]) for name in shown)} |" for file in files
    ]
    yield "\n".join(lines)
    silent = [row for row in broken if row[2] in ("missing", "wrong", "crash")]
    deleted = sum(row[1] == "deleted" for row in silent)
    yield (
        f"Of the {len(silent)} without a word, {deleted} are a ledger that was deleted; what else "
        "is not told stands at the end."
        if silent
        else "None was without a word."
    )


def _disk(full: dict[str, Crowded | None]) -> Iterable[str]:
    yield "## A full disk"
    lines = ["| how | told | lost | not found | writes again |", "|---|---|---|---|---|"]
    for how, found in full.items():
        if found is None:
            lines.append(f"| {how} | not played: needs the right to make a disk | | | |")
            continue
        said = found.errors[0].partition(": ")[2] if found.errors else "nothing"
        after = "yes" if found.after else "no"
        lines.append(f"| {how} | {said} | {len(found.lost)} | {len(found.unfound)} | {after} |")
    yield "\n".join(lines)
