"""What a reader has to know before believing a page: guards, what was varied, what played it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from bench.report import words
from bench.report.results import Results
from bench.report.view import NONE, Block, Cell, Section, Table, Text, count, name

Session = Mapping[str, Any]


def alarm(results: Results, sessions: Sequence[Session], flags: Sequence[str]) -> Section | None:
    """What makes the figures doubtful, in red; None where nothing does."""
    stopped = [row for row in results.rows if row.failure == "leak"]
    told = list(flags)
    if stopped:
        arms = words.listed(sorted({results.label(row.arm) for row in stopped}))
        told.append(
            f"A guard stopped {words.plural(len(stopped), 'cell')} of {arms}: {stopped[0].error}"
        )
    told += [
        f"The sessions were played with different {part}: see the manifest."
        for part in ("code", "lock")
        if len({str(session.get(part, "")) for session in sessions}) > 1
    ]
    if any(session.get("dirty") for session in sessions):
        told.append("Played with changes that were not committed: the commit does not repeat it.")
    if not told:
        return None
    blocks = tuple(Text(text=line, tone="bad") for line in dict.fromkeys(told))
    return Section(id="alarm", title="Doubts about these figures", blocks=blocks)


def leaks(results: Results) -> int:
    """Cells that a guard stopped."""
    return sum(row.failure == "leak" for row in results.rows)


def guards(names: Sequence[str], *, found: bool) -> Section:
    """Which guards watched."""
    if found:
        text = "Guards found something: see the top of the page."
    elif names:
        text = f"No leak found by: {'; '.join(names)}."
    else:
        text = "No leak was reported. Which guards watched is not told."
    return Section(id="guards", title="Guards", blocks=(Text(text=text),))


def varied(results: Results) -> Section:
    """What seeds changed, seen in the play itself: equal digests are equal play."""
    plays: dict[str, dict[tuple[str, str], dict[int, str]]] = defaultdict(lambda: defaultdict(dict))
    for row in results.measured:
        plays[row.arm][row.set, row.task][row.seed] = row.digest
    lines = []
    for arm in results.arms:
        seeds = {seed for found in plays[arm].values() for seed in found}
        several = [found for found in plays[arm].values() if len(found) > 1]
        differ = sum(len(set(found.values())) > 1 for found in several)
        learned = max(row.learned for row in results.of(arm))
        lines.append(
            (
                name(results.label(arm)),
                count(len(seeds)),
                count(len(several)),
                Cell(text=f"{differ} of {len(several)}", sort=differ) if several else _none(),
                name(_why(len(seeds), len(several), differ, learned)),
            )
        )
    intro = (
        "Seeds vary the order of the tasks that are learned from, and all sampling. A greedy model"
        " in a deterministic game plays the same for every seed: such repetitions are no evidence."
    )
    table = Table(
        name="Seeds, by arm",
        head=("arm", "seeds", "tasks with several", "played differently", "what that means"),
        rows=tuple(lines),
    )
    return Section(id="seeds", title="What was varied", blocks=(Text(text=intro), table))


def manifest(results: Results, sessions: Sequence[Session]) -> Section:
    """What played it, and the command that repeats it."""
    command = f"journeyman bench {results.experiment.name}"
    blocks: list[Block] = [Text(text=f"To repeat it: {command}")]
    if not sessions:
        return Section(
            id="manifest",
            title="How it was played",
            blocks=(*blocks, Text(text="No session is on record.", tone="dim")),
        )
    rows = Counter(row.session for row in results.rows)
    table = Table(
        name="Sessions",
        head=("session", "began", "rows", "code", "commit", "lock", "machine"),
        rows=tuple(_session(session, rows[str(session.get("id", ""))]) for session in sessions),
    )
    last = sessions[-1]
    blocks += [table, _models(sessions)]
    for title, part in (("Settings", "settings"), ("Packages", "packages")):
        if flat := _flat(last.get(part) or {}):
            lines = tuple((name(key), name(value)) for key, value in flat)
            head = ("name", "value")
            blocks.append(Table(name=f"{title} of the last session", head=head, rows=lines))
    return Section(id="manifest", title="How it was played", blocks=tuple(blocks))


def _why(seeds: int, several: int, differ: int, learned: int) -> str:
    if seeds < 2 or not several:
        return "nothing varied: one play of each task"
    if not differ:
        return "seeds changed nothing: they count as one play"
    return "order of learning, and sampling" if learned else "sampling"


def _none() -> Cell:
    return Cell(text=NONE, sort=-1, tone="dim")


def _session(session: Session, rows: int) -> tuple[Cell, ...]:
    commit = str(session.get("commit", ""))[:10]
    dirty = " with changes" if session.get("dirty") else ""
    machine = session.get("machine") or {}
    parts = [
        f"{machine['cores']} cores" if "cores" in machine else "",
        f"{machine['memory_gib']} GiB" if "memory_gib" in machine else "",
        str(machine.get("processor", "")),
        str(machine.get("system", "")),
        f"Python {machine['python']}" if "python" in machine else "",
    ]
    return (
        name(str(session.get("id", NONE))),
        name(str(session.get("began", NONE)).replace("T", " ")[:16]),
        count(rows),
        name(str(session.get("code", NONE))),
        name(f"{commit or NONE}{dirty}", tone="bad" if dirty else ""),
        name(str(session.get("lock", NONE))),
        name(", ".join(part for part in parts if part) or NONE),
    )


def _models(sessions: Sequence[Session]) -> Table:
    found: dict[tuple[str, ...], None] = {}
    for session in sessions:
        for label, model in (session.get("models") or {}).items():
            facts = [str(model.get(key) or NONE) for key in ("name", "origin", "sha256", "server")]
            found[label, *facts] = None
    return Table(
        name="Models",
        head=("label", "name", "from", "SHA-256", "server"),
        rows=tuple(tuple(name(fact) for fact in facts) for facts in found)
        or ((name("no model"), *(name(NONE),) * 4),),
    )


def _flat(tree: Mapping[str, Any], *, path: str = "") -> list[tuple[str, str]]:
    lines = []
    for key, value in tree.items():
        whole = f"{path}.{key}" if path else str(key)
        if isinstance(value, Mapping):
            lines += _flat(value, path=whole)
        else:
            lines.append((whole, NONE if value is None else str(value)))
    return lines
