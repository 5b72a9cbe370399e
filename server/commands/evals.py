"""`journeyman eval ...`: single abilities of the model, and how stored runs went."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import TypeAdapter, ValidationError

from agent.home import Home
from agent.models.types import Model
from agent.settings import load
from envs.errors import UserError, clip, one_line
from memory.types import Trajectory
from server.commands.memory import Json, opened
from server.commands.reflecting import asking
from server.console import go, out, say_json, table

if TYPE_CHECKING:
    from bench.evals.blindspot import Spot
    from bench.evals.critic import Answer, Tally
    from bench.evals.process import Share

app = typer.Typer(
    help="Single abilities of the model, and how stored runs went.", no_args_is_help=True
)
Count = Annotated[int, typer.Option("-n", "--n", min=1, help="How many questions")]
Seed = Annotated[int, typer.Option(help="Seed of the questions")]
Env = Annotated[str, typer.Option(help="Only runs in this environment")]
Arm = Annotated[str, typer.Option(help="Only runs of this arm")]
Limit = Annotated[int, typer.Option(min=1, help="The newest so many runs")]
YES, NO = "yes", ""


def add_to(parent: typer.Typer) -> None:
    """Registers the group."""
    parent.add_typer(app, name="eval")


@app.command()
def critic(
    n: Count = 18,
    seed: Seed = 0,
    answers: Annotated[
        Path | None,
        typer.Option(help="Another model's answers: what its own run printed with --json"),
    ] = None,
    no_selfcheck: Annotated[
        bool, typer.Option("--no-selfcheck", help="Leave the filter on own answers out")
    ] = False,
    as_json: Json = False,
) -> None:
    """How well the model criticises its own and others' answers."""
    from bench.evals.critic import criticise

    others = _answers(answers)

    async def work(model: Model, progress: Callable[[int, int], None]) -> Any:
        return await criticise(
            model,
            n=n,
            seed=seed,
            others=others,
            selfcheck=not no_selfcheck,
            progress=progress,
        )

    report = go(_asking(work, "criticising"))
    if as_json:
        say_json(report)
        return
    sides = [("own", report.own), ("others'", report.others)]
    kinds = [("own", report.own_by_kind), ("others'", report.others_by_kind)]
    rows = [(whose, "all", *_judged(tally)) for whose, tally in sides]
    rows += [(whose, kind, *_judged(t)) for whose, by in kinds for kind, t in by.items()]
    columns = (
        "answers", "kind", "judged truly", "95% interval", "balanced",
        "right: called right", "called wrong", "wrong: called right", "called wrong",
    )  # fmt: skip
    table(f"critique · {report.model} · {n} questions, seed {seed}", columns, rows)
    low, high = report.difference
    out.print(
        f"own less others': {low:+.0%} to {high:+.0%} (95% interval); of own answers "
        f"{_right(report.own)} were right, of others' {_right(report.others)}, and who calls all "
        "answers wrong is right about the wrong ones: compare `balanced`"
    )
    if report.selfcheck is not None:
        kept = report.selfcheck
        out.print(
            f"own answers right: {kept.right}/{kept.answers}; with the self-check as a filter "
            f"{kept.kept_right}/{kept.kept} of those that it lets pass"
        )


def _right(tally: Tally) -> str:
    return f"{tally.right_right + tally.right_wrong}/{tally.total}"


def _judged(tally: Tally) -> tuple[str, str, str, int, int, int, int]:
    low, high = tally.interval
    return (
        f"{tally.agreed}/{tally.total}",
        f"{low:.0%} to {high:.0%}",
        "can't tell" if tally.balanced is None else f"{tally.balanced:.0%}",
        tally.right_right,
        tally.right_wrong,
        tally.wrong_right,
        tally.wrong_wrong,
    )


def _answers(path: Path | None) -> list[Answer]:
    """Answers out of the report of another model's run."""
    from bench.evals.critic import Answer

    if path is None:
        return []
    try:
        found = json.loads(path.read_text("utf-8"))["answers"]
        return TypeAdapter(list[Answer]).validate_python(found)
    except (OSError, ValueError, KeyError, TypeError, ValidationError) as error:
        raise UserError(
            f"no answers can be read from {path}: {clip(one_line(str(error)))}",
            repair="write them with: journeyman eval critic --json > FILE",
        ) from error


@app.command()
def blindspot(
    n: Count = 18,
    seed: Seed = 0,
    wait: Annotated[
        bool, typer.Option("--wait", help='Append "Wait" to the model\'s own message')
    ] = False,
    as_json: Json = False,
) -> None:
    """Whether the model overlooks in its own message what it corrects in somebody else's."""
    from bench.evals.blindspot import blindspot as measure

    async def work(model: Model, progress: Callable[[int, int], None]) -> Any:
        return await measure(model, n=n, seed=seed, wait=wait, progress=progress)

    report = go(_asking(work, "correcting"))
    if as_json:
        say_json(report)
        return
    spots = [*((f"level {level}", spot) for level, spot in report.levels.items())]
    rows = [(name, *_spotted(spot)) for name, spot in [*spots, ("all", report.all)]]
    columns = ("errors", "corrected: own", "95% interval", "others'", "95% interval",
               "blind spot", "95% interval")  # fmt: skip
    mark = ' · "Wait" appended' if report.wait else ""
    table(f"blind spot · {report.model} · {n} errors, seed {seed}{mark}", columns, rows)


def _spotted(spot: Spot) -> tuple[str, ...]:
    (own_low, own_high), (low, high) = spot.own_interval, spot.other_interval
    blind = "can't tell" if spot.blind is None else f"{spot.blind:.0%}"
    ends = spot.blind_interval
    return (
        f"{spot.own}/{spot.errors}",
        f"{own_low:.0%} to {own_high:.0%}",
        f"{spot.other}/{spot.errors}",
        f"{low:.0%} to {high:.0%}",
        blind,
        "" if ends is None else f"{ends[0]:.0%} to {ends[1]:.0%}",
    )


@app.command()
def overthinking(env: Env = "", arm: Arm = "", limit: Limit = 100, as_json: Json = False) -> None:
    """How much stored runs thought where they should have acted, and which to keep by that."""
    from bench.evals.overthinking import report as measure

    report = measure(_stored(env, arm, limit))
    if as_json:
        say_json(report)
        return
    rows = []
    for one in report.runs:
        found = one.overthinking
        flags = (
            ("paralysis", found.paralysis),
            ("rogue", found.rogue),
            ("premature", found.premature),
        )
        named = ", ".join(name for name, flag in flags if flag)
        kept = NO if one.chosen is None else ("kept" if one.chosen else "not kept")
        accepted = {True: YES, False: "no", None: "can't tell"}[one.accepted]
        rows.append((one.run, one.task, one.arm, accepted, one.steps, found.score, named, kept))
    columns = ("run", "task", "arm", "accepted", "steps", "score", "patterns", "of its task's runs")
    table(f"overthinking, 0 to 10 · {len(rows)} runs", columns, rows)
    if report.mean is not None:
        out.print(
            f"mean {report.mean:.1f}; analysis paralysis {report.paralysis}, rogue actions "
            f"{report.rogue}, premature disengagement {report.premature} of {len(rows)} runs"
        )


@app.command()
def process(
    env: Env = "",
    arm: Arm = "",
    limit: Limit = 100,
    tokens: Annotated[int | None, typer.Option(min=0, help="Budget of a run in tokens")] = None,
    steps: Annotated[int | None, typer.Option(min=0, help="Budget of a run in actions")] = None,
    seconds: Annotated[float | None, typer.Option(min=0, help="Budget in model seconds")] = None,
    cost: Annotated[float | None, typer.Option(min=0, help="Budget in US dollars")] = None,
    as_json: Json = False,
) -> None:
    """How stored runs went: corrections, improvement, budgets."""
    from bench.evals.process import process as measure

    flags = {"tokens": tokens, "steps": steps, "seconds": seconds, "cost": cost}
    runs = _stored(env, arm, limit)
    found = measure(runs, budget=load(budget=flags).budget)
    if as_json:
        say_json(found)
        return
    rows = [
        ("won", *_share(found.won)),
        ("overcorrection risk rate", *_share(found.overcorrection)),
        ("correction success rate", *_share(found.correction_success)),
        ("over-budget ratio", *_share(found.over_budget)),
    ]
    table(f"process · {found.runs} runs", ("metric", "cases", "rate", "95% interval"), rows)
    slope = "can't tell" if found.slope is None else f"{found.slope:+.3f} an attempt"
    out.print(f"improvement slope: {slope}; corrections that made it worse: {found.worsened}")


def _share(share: Share) -> tuple[str, str, str]:
    low, high = share.interval
    rate = "can't tell" if share.rate is None else f"{share.rate:.0%}"
    return f"{share.count}/{share.total}", rate, f"{low:.0%} to {high:.0%}" if share.total else ""


def _stored(env: str, arm: str, limit: int) -> list[Trajectory]:
    ledger = opened().ledger
    runs = ledger.trajectories(env=env or None, arm=arm or None, limit=limit)
    if not runs:
        asked: Iterable[str] = (f"{k} {v}" for k, v in (("env", env), ("arm", arm)) if v)
        where = " ".join(("no stored runs", *asked))
        raise UserError(where, repair="make some, for example: journeyman run household:tiny")
    return runs


async def _asking(work: Callable[[Model, Callable[[int, int], None]], Any], doing: str) -> Any:
    async def with_model(place: Home, progress: Callable[[int, int], None]) -> Any:
        return await work(await place.model(), progress)

    return await asking(with_model, doing)
