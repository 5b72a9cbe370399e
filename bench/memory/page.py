"""What was measured, as tables and as the page `docs/memory.md`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from bench.memory.calls import Costs
from bench.memory.growth import Point
from bench.memory.million import Million
from bench.memory.retrieval import DEPTH, Quality
from bench.memory.timings import MOST, Embedding, Recalling, Writing
from envs.types import Frozen

FIRST = "journeyman"
"""What the others are set against."""
DURABLE = {
    "journeyman": "ledger (SQLite, WAL, synchronous=FULL), look-alikes sought, index brought up",
    "journeyman-ledger": "the same, acknowledged when the ledger has it; the index follows",
    "chroma": "Chroma's log (SQLite)",
    "mem0": "Chroma's log, then mem0's history (SQLite)",
    "mem0-qdrant": "Qdrant's local file (SQLite), then mem0's history (SQLite)",
    "langgraph": "one SQLite transaction (rollback journal, synchronous=FULL)",
    "langgraph-ram": "nothing",
}
"""What has happened when a write returns."""


class Results(Frozen):
    """All parts of a run; those that were not asked for are empty."""

    machine: str = ""
    """Where, when and with which versions."""
    left_out: tuple[str, ...] = ()
    """Contenders that are not installed, with the line that installs them."""
    embedding: Embedding | None = None
    """What a vector costs."""
    writes: tuple[Writing, ...] = ()
    """Write to durable."""
    recalls: tuple[Recalling, ...] = ()
    """Recall at each size."""
    million: Million | None = None
    """Journeyman alone, at the largest size."""
    set_digest: str = ""
    """Which retrieval set."""
    quality: tuple[Quality, ...] = ()
    """How well past episodes are found."""
    costs: tuple[Costs, ...] = ()
    """Model calls."""
    growth: tuple[Point, ...] = ()
    """What becomes of a memory."""


def tables(results: Results) -> str:
    """All tables that there is something for, in Markdown."""
    parts = [
        _section("Write to durable", _writes(results), results.writes),
        _section("Recall", _recalls(results), results.recalls),
        _section("A million", _million(results.million), results.million),
        _section("What is found", _quality(results), results.quality),
        _section("Model calls", _costs(results), results.costs),
        _section("Growth", _growth(results), results.growth),
    ]
    return "\n\n".join(part for part in parts if part)


def page(results: Results) -> str:
    """The page."""
    out = "\n".join(f"Left out: {line}." for line in results.left_out)
    return f"{INTRODUCTION}\n\n{results.machine}\n{out}\n\n{tables(results)}\n\n{NOTES}\n"


def _section(title: str, lines: Iterable[str], there: object) -> str:
    return "\n".join([f"## {title}", "", *lines]) if there else ""


def _writes(results: Results) -> list[str]:
    base = _p50(results.writes, FIRST)
    lines = _head("contender", "p50 ms", "p99 ms", "n", "p50 ÷ ours", "texts embedded", "kills",
                  "acknowledged", "lost", "durable means")  # fmt: skip
    lines += [
        _row(
            row.name,
            _ms(row.times.p50),
            _ms(row.times.p99),
            row.times.count,
            _ratio(row.times.p50, base),
            f"{row.texts:.1f}",
            row.killed,
            row.acknowledged,
            row.lost,
            DURABLE.get(row.name, ""),
        )
        for row in results.writes
    ]
    if results.embedding:
        lines += ["", _embedding(results.embedding)]
    return lines


def _embedding(row: Embedding) -> str:
    return (
        f"A vector costs everybody the same and is left out above and below: one new text through "
        f"{row.name} takes {_ms(row.times.p50)} ms (p50; p99 {_ms(row.times.p99)} ms, "
        f"n = {row.times.count}), times the texts embedded."
    )


def _recalls(results: Results) -> list[str]:
    lines = _head("entries", "contender", "p50 ms", "p99 ms", "n", "p50 ÷ ours", "CPU ms",
                  "texts embedded", "filled in s", "opened in ms", "resident", "disk")  # fmt: skip
    for size in sorted({row.entries for row in results.recalls}):
        here = [row for row in results.recalls if row.entries == size]
        base = _p50(here, FIRST)
        lines += [
            _row(
                f"{size:,}",
                row.name,
                _ms(row.times.p50),
                _ms(row.times.p99),
                row.times.count,
                _ratio(row.times.p50, base),
                _ms(row.cpu),
                f"{row.texts:.1f}",
                f"{row.filled:.1f}",
                f"{row.opened:.0f}",
                _bytes(row.resident),
                _bytes(row.disk),
            )
            for row in here
        ]
    return lines


def _million(row: Million | None) -> list[str]:
    if row is None:
        return []
    filled = "" if row.filled.whole else " (in part)"
    return [
        *_head("entries", "recall p50 ms", "p99 ms", "n", "of the true 10 found", "resident",
               "ledger", "index", "opened in s", "ledger filled in s", "index filled in s"),
        _row(
            f"{row.entries:,}",
            _ms(row.recall.p50),
            _ms(row.recall.p99),
            row.recall.count,
            f"{100 * row.found:.0f} %",
            _bytes(row.resident),
            _bytes(row.ledger),
            _bytes(row.index),
            f"{row.opening:.0f}",
            f"{row.filled.ledger:.0f}{filled}",
            f"{row.filled.index:.0f}{filled}",
        ),
    ]  # fmt: skip


def _quality(results: Results) -> list[str]:
    lines: list[str] = []
    for half, title in (("held", "Held-out half"), ("dev", "Dev half, on which forms were chosen")):
        rows = [row for row in results.quality if row.half == half]
        if not rows:
            continue
        lines += [f"{title} ({rows[0].moments} moments, set {results.set_digest}):", ""]
        lines += _head("way", "searched for → in", "recall@1", "recall@3 ± se", f"recall@{DEPTH}",
                       "MRR", "nDCG@10", "misled", "empty")  # fmt: skip
        lines += [
            _row(
                row.way,
                row.form,
                f"{row.recall[1]:.3f}",
                f"{row.recall[3]:.3f} ± {row.error:.3f}",
                f"{row.recall[DEPTH]:.3f}",
                f"{row.mrr:.3f}",
                f"{row.ndcg:.3f}",
                f"{100 * row.misled:.0f} %",
                f"{100 * row.empty:.0f} %",
            )
            for row in sorted(rows, key=lambda row: -row.ndcg)
        ]
        lines.append("")
    held = [row for row in results.quality if row.half == "held"]
    if held:
        names = sorted({phase for row in held for phase in row.phases})
        lines += ["Recall@3 on the held-out half, by what comes next:", ""]
        lines += _head("way", *names)
        lines += [
            _row(row.way, *(f"{row.phases[name]:.3f}" for name in names if name in row.phases))
            for row in sorted(held, key=lambda row: -row.ndcg)
        ]
    return lines


def _costs(results: Results) -> list[str]:
    lines = _head("contender", "what", "n", "model calls each", "tokens sent each",
                  "tokens received each", "texts embedded each")  # fmt: skip
    return lines + [
        _row(
            row.name,
            "store one memory" if row.what == "store" else "learn from one episode",
            row.times,
            f"{row.asked.calls / row.times:.1f}",
            f"{row.asked.sent / row.times:,.0f}",
            f"{row.asked.received / row.times:,.0f}",
            f"{row.texts:.1f}",
        )
        for row in results.costs
    ]


def _growth(results: Results) -> list[str]:
    lines = _head("kept by", "episodes", "tasks", "drafted", "entries", "retired", "duplicates",
                  "alike", "recall p50 ms", "write p50 ms", "rule p50 ms", "ledger",
                  "index")  # fmt: skip
    lines += [
        _row(
            row.arm,
            f"{row.episodes:,}",
            row.tasks,
            f"{row.drafted:,}",
            f"{row.entries:,}",
            f"{row.retired:,}",
            row.duplicates,
            row.alike,
            _ms(row.recall.p50),
            _ms(row.write.p50),
            _ms(row.tidied.p50) if row.tidied else "–",
            _bytes(row.ledger),
            _bytes(row.index),
        )
        for row in results.growth
    ]
    lines += [""] + [
        f"{arm}: from {a.episodes:,} to {b.episodes:,} episodes entries grow as episodes^"
        f"{_power(a.entries, b.entries, a, b):.2f}, recall time as episodes^"
        f"{_power(a.recall.p50, b.recall.p50, a, b):.2f} (0 is flat, 1 is linear)."
        for arm, a, b in _ends(results.growth)
    ]
    return lines


def _ends(points: Sequence[Point]) -> list[tuple[str, Point, Point]]:
    """For each arm a point about a tenth of the way in, and the last."""
    found = []
    for arm in dict.fromkeys(point.arm for point in points):
        some = [point for point in points if point.arm == arm]
        early = [point for point in some if point.episodes * 10 <= some[-1].episodes] or some[:1]
        if early[-1].episodes < some[-1].episodes:
            found.append((arm, early[-1], some[-1]))
    return found


def _power(start: float, end: float, a: Point, b: Point) -> float:
    return math.log(max(end, 1e-9) / max(start, 1e-9)) / math.log(b.episodes / a.episodes)


def _p50(rows: Sequence[Writing] | Sequence[Recalling], name: str) -> float | None:
    return next((row.times.p50 for row in rows if row.name == name), None)


def _ratio(value: float, base: float | None) -> str:
    return f"{value / base:.2f}" if base else "–"


def _ms(value: float) -> str:
    return f"{value:.1f}" if value < 100 else f"{value:.0f}"


def _bytes(count: int) -> str:
    return f"{count / 1e6:,.1f} MB" if count < 1e8 else f"{count / 1e6:,.0f} MB"


def _head(*names: str) -> list[str]:
    return [_row(*names), _row(*["---"] * len(names))]


def _row(*cells: object) -> str:
    return f"| {' | '.join(str(cell) for cell in cells)} |"


INTRODUCTION = f"""# What memory costs, and what it finds

Made by `python -m bench.memory --million --page docs/memory.md` (`make bench-memory` installs the
rivals first). The figures are of one machine; in each table contenders were taken in turns, so the
ratios carry further than the times. `journeyman` is ledger and index as the agent uses them: at
each recall status, scope, time, trust, guard and token budget are checked, words are counted beside
meanings, and what says the same is kept apart; at each write look-alikes and contradictions are
sought. The others do less. They are mem0 (open source, `infer=False`) over Chroma, its quickest
store on one machine, and over its default, Qdrant in local mode; LangMem's store, which is
LangGraph's, on SQLite and in memory (that one is gone with the process); and Chroma alone, with the
graph of Journeyman's index. All get the same texts and vectors, and {MOST} entries are asked for,
as the agent does before an action."""

NOTES = """## How it was measured

- Each contender is a process of its own, the rivals in an environment of their own
  (`bench/memory/rivals.txt`). Times are taken inside it, around its own call; vectors come from one
  shared file, and waiting for one that is not there is taken off.
- *Durable*: the call has returned. Each process is killed (SIGKILL) in the middle of a later write,
  a new one is started on the same files, and every write that had returned is looked for; in
  Journeyman's case in the ledger and by its own words through the index. A kill is not a power cut.
- *Opened* is a new process on the filled store until it is ready, imports of the package left out;
  *resident* and *disk* are of that process and its files. *CPU* is processor time of one recall.
- Stores are filled by their quickest way: mem0 through its vector store (its `add` writes one by
  one), LangGraph's in batches. A contender that spent a minute at one size is asked no more, but
  30 times at least: see n.
- mem0 over Chroma has no keyword search. Over Qdrant it needs fastembed's vocabulary, and for
  entities spaCy's English model; both are downloads from elsewhere than PyPI and were not there, so
  mem0 searched by meaning alone, as it does after `pip install mem0ai`. LangGraph's `SqliteStore`
  and Qdrant's local mode compare a query with every entry.
- *What is found*: past episodes are train games of ALFWorld, one for each task key; queries are
  moments in the replayed plans of other games. Rooms are cut into three parts, so that no room and
  no task key is in two of them. What helps is decided by rule from the game files
  (`bench/memory/helpful.py`), in four grades; 2 and 3 count as relevant. Recall@k is the share of
  the relevant among the first k, of k where there are more. *Misled*: the first answer is a near
  miss (same thing or same target, no help). For every way but ours the form of query and entry is
  the one that did best on the dev half; nothing was chosen on the held-out half. The weights that
  Journeyman ships with were chosen before, on another set made from the same games, whose rooms are
  also in this one; *words weighed on dev* chooses that weight again, on the dev half alone.
- *Model calls* are counted by a stand-in for a model on loopback; tokens are estimated (a quarter
  of the characters, or 1.3 a word). Journeyman stores without a model; its reflector asks once for
  a failed attempt, with a bounded prompt and at most 300 tokens of reply, and not at all for a
  success.
- *A million*: synthetic vectors around 4,096 centres, which are harder to tell apart than texts.
- *Growth*: scripted episodes of train games, tasks coming back by Zipf's law, two drafts each (the
  plan, and where the thing was, in one of four wordings). *Duplicates* are entries that say what
  another says by the rule of admission; *alike* are those close by cosine alone, most of them plans
  of the same task in other rooms. The ledger grows with every episode: trajectories stay."""
