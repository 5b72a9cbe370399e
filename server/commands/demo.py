"""`journeyman demo`: the main job from beginning to end, on embedded defaults."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.home import home
from agent.settings import Settings, load
from envs.errors import UserError, clip
from memory.types import Trajectory
from server.commands.memory import Json
from server.commands.run import line
from server.console import err, go, many, out, safe, say_json, table
from server.serving import detach, stop

if TYPE_CHECKING:
    from bench.demo import Alone, Arm, Demo, Point

PLACE = Path(".journeyman-demo")
MARK = "made-by-journeyman-demo"
WIDE = 42
"""Characters from 0 to 100 % in the curve."""
SHOWN = 8
"""Recalls that are told of."""


def add_to(app: typer.Typer) -> None:
    """Registers the command."""
    app.command("demo")(demo)


def demo(
    train: Annotated[int, typer.Option(min=1, help="Houses to learn in")] = 10,
    val: Annotated[int, typer.Option(min=1, help="Other houses to be measured in")] = 12,
    alone: Annotated[int, typer.Option(min=0, help="Larger houses for the student; 0: none")] = 6,
    no_server: Annotated[bool, typer.Option("--no-server", help="Leave no server")] = False,
    as_json: Json = False,
) -> None:
    """Plays generated houses with memory off, on, with skills and with a trained student.

    It leaves a server.
    """
    settings = load(home=str(_fresh().resolve()))
    result = go(_demo(settings, train=train, val=val, alone=alone))
    url, _pid = ("", 0) if no_server else detach(settings)
    if as_json:
        say_json({"demo": result, "url": url})
    else:
        _tell(result, settings, url)


def _fresh() -> Path:
    """An empty folder for the demonstration; only one that an earlier one made is removed."""
    if PLACE.exists() and not (PLACE / MARK).exists():
        raise UserError(f"{PLACE} exists and is not a demo's", repair="move it away")
    if PLACE.exists():
        stop(load(home=str(PLACE.resolve())))
        shutil.rmtree(PLACE)
    PLACE.mkdir()
    (PLACE / MARK).touch()
    return PLACE


async def _demo(settings: Settings, *, train: int, val: int, alone: int) -> Demo:
    from bench.demo import demo as play

    def progress(phase: str, number: int, total: int, trajectory: Trajectory) -> None:
        err.print(f"[dim]{phase} {number}/{total}[/dim] {line(trajectory)}")

    async with home(settings) as place:
        err.print(f"starting the model: {(await place.model()).name}")
        return await play(place, train=train, val=val, alone=alone, progress=progress)


def _tell(result: Demo, settings: Settings, url: str) -> None:
    from bench.demo import uses

    _arms(f"unseen houses · {result.model}", result.arms)
    _, off, on, _ = result.arms
    pairs = Counter(
        (bool(a.score and a.score.passed), bool(b.score and b.score.passed))
        for a, b in zip(off.runs, on.runs, strict=True)
    )
    out.print(
        f"solved only without memory: {pairs[True, False]}, only with it: {pairs[False, True]}, "
        f"by both: {pairs[True, True]}"
    )
    lessons = [lesson for run in result.learned for lesson in run.lessons]
    out.print(
        f"\n{many(len(lessons), 'lesson')} from {len(result.learned)} train houses. Recalled where:"
    )
    found = uses(on)
    for use in found[:SHOWN]:
        outcome = "solved" if use.solved else "not solved"
        out.print(
            f"  {use.task}, step {use.step} ({outcome}): {use.lesson}, near {use.similarity:.2f}"
        )
        out.print(f"    [dim]from run {use.source}: {safe(clip(use.text, most=150))}[/dim]")
    if len(found) > SHOWN:
        out.print(f"  and {len(found) - SHOWN} more: journeyman memory show ID")
    _tell_skills(result)
    if result.alone is not None:
        tell_student(result.alone)
    _honest(result)
    tell_curve(result.curve)
    _around(result, settings, url)


def _arms(title: str, arms: Sequence[Arm]) -> None:
    """A row for each arm: what it won, and what that cost."""
    from bench.demo import tokens_of

    rows = []
    for arm in arms:
        low, high = arm.interval
        steps = sum(len(run.steps) for run in arm.runs)
        tokens = tokens_of(arm.runs)
        seconds = sum(run.usage.seconds for run in arm.runs) / max(steps, 1)
        count = len(arm.runs)
        rows.append(
            (
                arm.name,
                f"{arm.won}/{count}",
                f"{arm.won / count:.0%}",
                f"{low:.0%} to {high:.0%}",
                f"{steps / count:.1f}",
                f"{tokens / count:,.0f}",
                f"{seconds:.2f}",
            )
        )
    columns = ("arm", "solved", "rate", "95% interval", "steps", "tokens", "s/step")
    table(title, columns, rows)


def tell_student(alone: Alone) -> None:
    """The student's act, for people: both arms, what the student is, and how to let it answer."""
    from bench.demo import MOST, STUDENT

    if not alone.arms:
        out.print(f"\nNo student was played: {safe(alone.absent)}")
        return
    bare, student = alone.arms
    title = f"larger houses, by weights alone, {MOST} actions at the most"
    out.print()
    _arms(f"{title} · {bare.runs[0].model}; {student.runs[0].model}", alone.arms)
    seconds = [sum(run.usage.seconds for run in arm.runs) for arm in alone.arms]
    out.print(
        f"The student solved {student.won} of {len(student.runs)} in {seconds[1]:.0f} s of model "
        f"time, the bare model {bare.won} of the first {len(bare.runs)} in {seconds[0]:.0f} s; "
        "neither had memory or skills."
    )
    if alone.taught is not None:
        one = alone.taught
        strange = not any(env.startswith("household") for env in one.envs)
        out.print(
            f"It is the embedded model with {one.size / 1e6:.0f} MB beside it, trained in "
            f"{one.seconds / 60:.0f} minutes on {one.rows} rows ({safe(', '.join(one.envs))})"
            f"{'; generated houses are new to it' if strange else ''}."
        )
    out.print(f"  [dim]let it answer: export JOURNEYMAN_MODEL__ADAPTER={STUDENT}[/dim]")


def _tell_skills(result: Demo) -> None:
    if result.skills is None:
        out.print("\nNo train house was won, so there was nothing to write skills from.")
        return
    won = result.skills.ways
    out.print(f"\nSkills from {won} train houses that were won, most by luck; no model wrote them:")
    for one in result.skills.outcomes:
        if one.trials:
            state = "active" if one.admitted else "refused"
            out.print(f"  {one.name}: {state}, {safe(one.reason)}")
    out.print("  [dim]all of one: journeyman skills show NAME[/dim]")


def tell_curve(points: Sequence[Point]) -> None:
    """Success on unseen houses against train houses, as it was measured, and what it cost."""
    from bench.demo import tokens_of

    if len(points) < 2:
        return
    start, end = points[0].arm, points[-1].arm
    out.print(f"\n[bold]The curve of this run[/bold]: solved of {len(start.runs)} unseen houses")
    out.print(
        f"[dim]{'houses':>6}{'0 %':>5}{'100 %':>{WIDE - 2}}{'solved':>9}{'95 % interval':>15}"
        f"{'skills':>8}   learning so far[/dim]"
    )
    for one in points:
        low, high = one.arm.interval
        count = len(one.arm.runs)
        solved = f"{one.arm.won}/{count}"
        ends = f"{low:.0%} to {high:.0%}"
        line = f"{one.houses:>6}  {bar(one.arm.won / count, low, high)}{solved:>8}{ends:>15}"
        cost = f"{one.skills:>8}   {one.seconds:.0f} s, {one.tokens:,} tokens"
        out.print(safe(f"{line}{cost}"), highlight=False)
    pairs = [
        (bool(a.score and a.score.passed), bool(b.score and b.score.passed))
        for a, b in zip(start.runs, end.runs, strict=True)
    ]
    spent = [tokens_of(one.runs) / len(pairs) for one in (start, end)]
    out.print(
        "Houses: train houses so far, most of them a random player's; what was won became skills, "
        "no model wrote them, and nothing else that was learned is on here. Where a round altered "
        "no skill, its plays are those before.\n"
        f"{pairs.count((False, True))} were solved only at the end, {pairs.count((True, False))} "
        f"only at the start; a house took {spent[0]:,.0f} tokens at the start, {spent[1]:,.0f} at "
        "the end."
    )


def bar(share: float, low: float, high: float) -> str:
    """A share from 0 to 1 and its interval, drawn over `WIDE` characters."""
    ends = [round(one * (WIDE - 1)) for one in (low, share, high)]
    cells = ["-" if ends[0] <= at <= ends[2] else " " for at in range(WIDE)]
    cells[ends[0]], cells[ends[2]] = "[", "]"
    cells[ends[1]] = "o"
    return f"|{''.join(cells)}|"


def _honest(result: Demo) -> None:
    overlap = result.arms[1].interval[1] >= result.arms[2].interval[0]
    if overlap:
        out.print("The two arms' intervals overlap: so few houses can't tell what memory does.")
    out.print(
        "A 135M model follows instructions poorly: it gets by here because its replies are "
        "constrained to possible actions. For a real one set one of these and run it again:\n"
        "  export OPENAI_BASE_URL=http://... OPENAI_API_KEY=...    any OpenAI-compatible server\n"
        "  export JOURNEYMAN_MODEL__FILE=qwen2.5-1.5b   after: journeyman models pull qwen2.5-1.5b"
    )


def _around(result: Demo, settings: Settings, url: str) -> None:
    out.print(f"\n{result.seconds / 60:.1f} minutes. Look around:")
    out.print(f"  export JOURNEYMAN_HOME={safe(str(settings.home))}")
    out.print("  .venv/bin/journeyman memory list   .venv/bin/journeyman skills list")
    if url:
        out.print(f"  the server: {url}/v1 (OpenAI-compatible), {url}/docs; it ends with")
        out.print("  .venv/bin/journeyman serve --stop")
