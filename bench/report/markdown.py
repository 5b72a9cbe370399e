"""An experiment as a page of Markdown, for readers of the repository: the answer, and one table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from bench.lab.types import Experiment, Row
from bench.report import claims, claims_page
from bench.report.headline import sentences
from bench.report.results import Results
from bench.stats.rates import rate

HEAD = (
    "arm", "tasks", "solved", "95 % (Wilson)", "95 % (by room)", "steps", "model s a step",
    "tokens a task", "why not",
)  # fmt: skip


def told(
    experiment: Experiment,
    rows: Sequence[Row],
    sessions: Sequence[Mapping[str, Any]],
    *,
    cells: int | None = None,
    due: claims.Cells | None = None,
) -> str:
    """The page. Every figure is worked out from `rows`; `cells` is how many are asked for, `due`
    how many of each arm.
    """
    results = Results(experiment, tuple(rows))
    judged = claims.tell(results, due=due, sessions=sessions)
    parts = [f"# {experiment.title}"]
    if judged:
        parts += [*_claims(results, judged), _safe(claims.withdrawn(results, sessions))]
    parts.append(experiment.note)
    if cells and cells > len(rows):
        parts.append(f"**{len(rows)} of {cells} cells are played so far; this may change.**")
    parts.append("\n".join(f"- {_safe(line)}" for line in sentences(results)))
    parts.append("\n".join([_line(HEAD), _line(["---"] * len(HEAD)), *_lines(results)]))
    parts.append(
        "By room: whole rooms are resampled, since tasks of one room resemble each other; with "
        "fewer than five rooms there is none. Why not: kinds of failure, told from the transcripts "
        "by rules (`bench/lab/failures.py`). Arms that begin again after a failure (oracle "
        "retries) do not compare with the others."
    )
    parts.append(_played(sessions, experiment.name))
    return "\n\n".join(part for part in parts if part) + "\n"


def _claims(results: Results, told: Sequence[claims.Told]) -> list[str]:
    """The line for all of them, one for each, their drawing, and what the arms took."""
    lines = [
        f"{one.number}. **{_safe(one.claim.says)}: {one.verdict}.** {_safe(claims.evidence(one))}"
        for one in told
    ]
    parts = [f"**{_safe(claims.headline(told))}**", "\n".join(lines)]
    shown = [one for one in told if one.plain is not None]
    if shown:
        table = claims_page.costs(results, shown)
        rows = [[_safe(cell.text) for cell in row] for row in table.rows]
        head = ["claim", *table.head[1:]]
        parts.append(f"```\n{claims_page.drawing(shown)}\n```")
        parts.append("\n".join(_line(cells) for cells in (head, ["---"] * len(head), *rows)))
    return [*parts, claims_page.method(len(told))]


def _lines(results: Results) -> list[str]:
    lines = []
    for arm in results.arms:
        for within in results.sets:
            rows = results.of(arm, within=within)
            if rows:
                lines.append(_line(_cells(results, arm, within, rows)))
    return lines


def _cells(results: Results, arm: str, within: str, rows: Sequence[Row]) -> list[str]:
    found = rate(rows)
    steps = sum(row.steps for row in rows)
    tokens = sum(row.prompt_tokens + row.completion_tokens for row in rows)
    seconds = sum(row.model_s for row in rows)
    why = Counter(row.failure for row in rows if row.failure)
    few = found.clustered is None or found.few_clusters
    return [
        _safe(arm) + (" (retries)" if arm in results.again else ""),
        within,
        f"{found.won} of {found.total}",
        _span((found.low, found.high)),
        "–" if few or found.clustered is None else _span(found.clustered),
        f"{steps / len(rows):.1f}",
        f"{seconds / steps:.2f}" if steps and seconds else "–",
        f"{tokens / len(rows):,.0f}" if tokens else "–",
        ", ".join(f"{kind} {number}" for kind, number in why.most_common()) or "–",
    ]


def _played(sessions: Sequence[Mapping[str, Any]], name: str) -> str:
    if not sessions:
        return ""
    known = {label: model for one in sessions for label, model in one["models"].items()}
    models = "; ".join(
        f"{label}: {model['name']}"
        + (f", SHA-256 {model['sha256'][:12]}…" if model["sha256"] else "")
        for label, model in known.items()
    )
    machine = next((one["machine"] for one in reversed(sessions) if "machine" in one), None)
    cores = (
        f", on {machine['cores']} cores ({machine['processor']}, {machine['memory_gib']} GiB)"
        if machine
        else ""
    )
    alone = sum("machine" not in one for one in sessions)
    elsewhere = (
        f" Of {alone} of them there are the published rows alone, without their transcripts."
        if alone
        else ""
    )
    return (
        f"Played from {sessions[0]['began'][:10]} to {sessions[-1]['began'][:10]}, in "
        f"{len(sessions)} calls{cores}.{elsewhere} {_safe(models)}{'. ' if models else ''}"
        f"Again, or further: `journeyman bench {name}`."
        f" Beside this file: `{name}.html` with charts, failures and transcripts, and all rows "
        f"as `{name}.rows.jsonl.gz`."
    )


def _span(ends: tuple[float, float]) -> str:
    return f"{ends[0]:.0%} to {ends[1]:.0%}"


def _safe(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
