"""Rows of a home: which runs, which recipes and filters, what is held out; written whole or not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from importlib.metadata import version
from pathlib import Path

from agent.proposers.behaviours import ACTOR
from agent.reflectors.kinds import instruction
from agent.settings import Settings
from agent.stages import read_rows
from agent.transcript import prompt
from agent.worlds import NAMES, open_env
from distill import filters
from distill.gap import gap, worth
from distill.guidelines import Guidance
from distill.guidelines import read as guided_by
from distill.reading import read
from distill.recipes import Given, lines, recipe
from distill.rows import Line, Pair, Row, told_first, write_jsonl
from distill.rows_expert import expert_runs
from distill.rows_record import Record, keep, record
from distill.rows_synthetic import IMAGINED, Tag, genuine
from distill.rows_taint import stains, untainted
from distill.votes import TEACHER as VOTED
from envs.errors import Refused, StoreError, UnknownName, UserError
from envs.types import SPLITS, Env, Episode, Frozen, Split
from memory.clock import iso
from memory.ledger import Ledger
from memory.types import REPLAY, Trajectory
from skills.calling import success
from skills.library import Library

HELD: tuple[Split, ...] = ("val", "test", "seen", "unseen")
"""All but train."""


JUDGED: tuple[Split, ...] = ("val", "test")
"""What students are judged on here."""


class Wanted(Frozen):
    """What the command line asked for."""

    envs: tuple[str, ...] = ()
    """Environments of runs; none: all, unless files or an expert are named."""
    files: tuple[Path, ...] = ()
    """Files to import."""
    expert: str = ""
    """Environment whose expert is asked."""
    n: int = 100
    """How many ways of the expert."""
    recipes: tuple[str, ...] = ("sft",)
    """What makes rows of runs."""
    arm: str = ""
    """Only runs of this arm."""
    retries: bool = False
    """Let oracle retries count."""
    as_student: bool = False
    """Put the student's instruction first."""
    licence: str = ""
    """Licence of the files."""
    round: int = 0
    """Round of self-training."""
    held: tuple[Split, ...] = HELD
    """Splits whose tasks are kept out."""
    force: bool = False
    """Write rows of own runs although the gap says that they gain nothing."""


Filters = Sequence[filters.Filter]
Told = Callable[[str], None]


def written(
    ledger: Ledger,
    settings: Settings,
    wanted: Wanted,
    *,
    to: Path,
    last: Filters = (),
    told: Told = lambda _line: None,
) -> Record:
    """Makes rows, sifts them, and writes them with their record; nothing where that is refused.

    `last` are filters that work after those that always do: score, held-out tasks, licence, taint.
    Raises `Refused` for recipes that train different things, for own runs that gain nothing by the
    verifier, and what recipes and filters raise.
    """
    trains = {name: recipe(name).trains for name in wanted.recipes}
    if len(set(trains.values())) > 1:
        kinds = ", ".join(f"{name} for {kind}" for name, kind in trains.items())
        raise Refused(f"rows of one file train one thing ({kinds})", repair="write several files")
    imported = [row for file in wanted.files for row in read(file, licence=wanted.licence)]
    with _worlds(settings) as world:
        runs = _runs(ledger, wanted, world, told)
        envs = sorted({run.env for run in runs} | {row.metadata.env for row in imported} - {""})
        guard, notes = _held(ledger, world, envs, wanted.held)
        given = _given(ledger, wanted, world, runs, keys=guard.keys)
        found: list[Line] = [
            row for name in wanted.recipes for row in lines(name, runs, given=given)
        ]
    found = [_stamped(line, wanted) for line in (*found, *imported)]
    first = [filters.scored(), filters.unheld(guard), filters.licensed(), untainted(stains(ledger))]
    asked: tuple[Tag, ...] = ("imagined",) if "imagined" in wanted.recipes else ()
    first.append(genuine(asked=("tutorial", *asked)))
    kept, report = filters.sifted(found, [*first, *last])
    notes += _gained(ledger, kept, force=wanted.force)
    what = record(kept, write_jsonl(to, kept), recipes=wanted.recipes)
    update = {
        "filters": report,
        "trajectories": len(runs),
        "round": wanted.round,
        "notes": notes,
        "version": version("journeyman"),
        "time": iso(ledger.now()),
    }
    made = what.model_copy(update=update)
    keep(made)
    return made


def demonstrations(
    ledger: Ledger, settings: Settings, path: Path, *, told: Told
) -> list[Row | Pair]:
    """Rows that `journeyman distill` wrote, without those that may not be trained on by now.

    A file outlives what it was made of: a lesson was quarantined since, a run forgotten; and anyone
    may have written in it. `told` gets what was dropped. Raises `UserError` for another file, and
    `Refused` where nothing is left.
    """
    if not path.is_file():
        raise UserError(
            f"{path} is no file", repair="write rows with `journeyman distill --out FILE`"
        )
    try:
        found = read_rows(path)
    except StoreError as error:
        raise UserError(
            f"{path} holds other lines than `journeyman distill` writes",
            repair=f"`journeyman distill --from {path} --licence NAME --out rows.jsonl` reads "
            "conversations of others",
        ) from error
    with _worlds(settings) as world:
        envs = sorted({row.metadata.env for row in found} - {""})
        guard, notes = _held(ledger, world, envs, JUDGED)
    guards = [filters.unheld(guard), filters.licensed(), untainted(stains(ledger))]
    kept, report = filters.sifted(found, guards)
    dropped = ", ".join(f"{n} {why}" for one in report for why, n in one.reasons.items())
    if not kept:
        raise Refused(
            f"no row of {path} may be trained on ({dropped or 'it is empty'})",
            repair="make others with `journeyman distill`",
        )
    for line in (*notes, *([f"{path}: left out {dropped}"] if dropped else [])):
        told(line)
    return [line for line in kept if isinstance(line, Row | Pair)]


Worlds = Callable[[str], Env]


@contextmanager
def _worlds(settings: Settings) -> Iterator[Worlds]:
    """Environments by name, each opened when it is first asked for."""
    with ExitStack() as stack:
        known: dict[str, Env] = {}

        def world(name: str) -> Env:
            if name not in known:
                known[name] = open_env(name, settings)
                stack.callback(known[name].close)
            return known[name]

        yield world


def splits(named: Sequence[str]) -> tuple[Split, ...]:
    """Splits by name. Raises `UnknownName` for what can't be held out."""
    for name in named:
        if name not in HELD:
            raise UnknownName("split that can be held out", name, HELD)
    return tuple(split for split in SPLITS if split in named)


def _runs(ledger: Ledger, wanted: Wanted, world: Worlds, told: Told) -> list[Trajectory]:
    """Runs of the ledger, oldest first, and those of an expert."""
    runs: list[Trajectory] = []
    own = not (wanted.files or wanted.expert)
    for env in wanted.envs or ([None] if own else []):
        arm = wanted.arm or None
        found = ledger.trajectories(env=env, split="train", arm=arm, limit=-1, newest_first=False)
        if (
            not found
            and env is not None
            and env.partition(":")[0] not in (*NAMES, "challenges", IMAGINED)
        ):
            raise UnknownName("environment or file", env, NAMES)
        runs += found
    if wanted.expert:
        env = world(wanted.expert)
        at = ledger.now()
        runs += expert_runs(env, env.tasks("train"), most=wanted.n, seconds=at, told=told)
    return runs


def _held(
    ledger: Ledger, world: Worlds, envs: Sequence[str], splits: Sequence[Split]
) -> tuple[filters.Held, tuple[str, ...]]:
    """Held-out tasks: those of the environments, and all that were ever run, with their words."""
    keys: set[str] = set()
    notes: list[str] = []
    texts: list[tuple[str, str]] = []
    for env in envs:
        try:
            keys |= {task.key for split in splits for task in world(env).tasks(split)}
        except UserError as error:
            notes.append(f"held-out tasks of {env} are only known as far as they were run: {error}")
    for split in splits:
        for run in ledger.trajectories(split=split, limit=-1):
            keys.add(run.task_key)
            texts.append((run.goal, run.first_observation))
    return filters.held_out(keys, texts), tuple(notes)


def _given(
    ledger: Ledger,
    wanted: Wanted,
    world: Worlds,
    runs: Sequence[Trajectory],
    *,
    keys: frozenset[str],
) -> Given:
    """What the recipes that were chosen ask for. Held-out rows are left to the filter to count."""

    def episode(run: Trajectory) -> Episode:
        known = {task.id: task for task in world(run.env).tasks("train")}
        if run.task not in known:
            raise UnknownName("task", run.task, known)
        return world(run.env).open(known[run.task], seed=run.seed)

    about: Mapping[tuple[str, int], str] = {}
    behaviours: set[str] = set()
    if "calls" in wanted.recipes:
        about = _about(ledger, {call["call"]["skill"] for run in runs for call in run.calls})
    if "behaviours" in wanted.recipes:
        changes = ledger.changes(kind="lesson", limit=-1)
        behaviours = {one.target for one in changes if one.actor == ACTOR}
    guidance = _guidance(ledger, runs) if "guidelines" in wanted.recipes else {}
    plays = {"agent-r", "followups"} & set(wanted.recipes)
    return Given(
        held_out_keys=keys if plays else (),
        retries=wanted.retries,
        behaviours=behaviours,
        instruction=instruction("advice"),
        about=about,
        open=episode,
        world=world,
        guidance=guidance,
    )


def _guidance(ledger: Ledger, runs: Sequence[Trajectory]) -> dict[str, Guidance]:
    """What stood before runs, as they were asked for."""
    found: dict[str, Guidance] = {}
    for run in runs:
        with suppress(UnknownName):
            read = guided_by(str(ledger.run(run.id).spec.get("brief", "")))
            found |= {run.id: read} if read else {}
    return found


def _gained(ledger: Ledger, lines: Sequence[Line], *, force: bool) -> tuple[str, ...]:
    """What the gap between doing and verifying says of models that learn from their own runs."""
    own: dict[str, set[str]] = {}
    for line in lines:
        about = line.metadata
        if not about.source and about.teacher in (f"model {about.model}", VOTED):
            own.setdefault(about.env, set()).add(about.model)
    notes: list[str] = []
    for env, models in sorted(own.items()):
        runs = ledger.trajectories(env=env, split="val", limit=-1)
        found = gap(run for run in runs if run.model in models and run.arm != REPLAY)
        notes.append(worth(found, env=env, force=force))
    return tuple(filter(None, notes))


def _about(ledger: Ledger, ids: set[str]) -> dict[tuple[str, int], str]:
    """What the solver was told of skills, with what their trials say by now."""
    found: dict[tuple[str, int], str] = {}
    shelf = Library(ledger)
    for id_ in ids:
        try:
            versions = shelf.versions(id_)
        except UnknownName:
            continue
        for skill in versions:
            solved, asked = success(skill.trials)
            proven = f" (solved {solved} of {asked} tasks)" if asked else ""
            found[id_, skill.version] = f"{skill.about}{proven}"
    return found


def _stamped(line: Line, wanted: Wanted) -> Line:
    line = told_first(line, prompt("student")) if wanted.as_student else line
    if line.metadata.source or not wanted.round:
        return line
    origin = line.metadata.model_copy(update={"round": wanted.round})
    return line.model_copy(update={"metadata": origin})
