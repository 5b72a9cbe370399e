"""The demonstration: learn in some houses, play unseen ones, then see what weights alone can do."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from agent.chance import RandomChoice
from agent.crossing import off
from agent.home import Home
from agent.models.resolve import resolve
from agent.models.students import student
from agent.models.types import Model
from agent.runner import Crew, Spec, run
from agent.settings import Settings
from agent.synthesis import Induction, Learned, learned, ways_of
from distill.adapters import WEIGHTS, Adapter
from envs.errors import StoreError, UserError
from envs.types import Env, Frozen, Task
from memory.intervals import wilson
from memory.types import Trajectory
from skills.library import Library
from skills.sandbox import Sandbox
from skills.trials import Bounds, Ground

LEVEL = "household:nook"
"""Houses in which the embedded model neither always nor never wins."""
LUCK = (10, 20, 30)
"""Train houses, round by round, in which a random player tries its luck; what was won so far goes
into skills after each, and these are measured: the curve."""
TRIALS = 12
"""Train houses that each skill has to solve."""
LARGE = "household:real"
"""Houses of a real room's size, with doors and all six types of task, one after the other."""
MOST = 30
"""Actions before a game in such a house is cut off, so that a model that gets lost is soon done."""
BARE = 2
"""Of these houses, how many the bare model plays: it gets lost, and takes long."""
STUDENT = "shipped:alfworld"
"""The student that comes with the installation."""


class Arm(Frozen):
    """The runs of one arm."""

    name: str
    """What is different about it."""
    runs: tuple[Trajectory, ...]
    """One for each task, in the tasks' order."""

    @property
    def won(self) -> int:
        """How many were solved; a run that broke is not."""
        return sum(bool(run.score and run.score.passed) for run in self.runs)

    @property
    def interval(self) -> tuple[float, float]:
        """95% interval of the rate (Wilson)."""
        return wilson(self.won, len(self.runs))


class Point(Frozen):
    """What was reached after so many train houses, and what getting there cost."""

    houses: int
    """Train houses played so far, the random player's included."""
    skills: int
    """Skills that may be called."""
    arm: Arm
    """The unseen houses, played with these skills and nothing else that was learned; where a round
    altered no skill, as they were played for the point before."""
    seconds: float
    """Wall-clock seconds of learning so far: train houses, writing, trials."""
    tokens: int
    """Tokens of learning so far."""


class Taught(Frozen):
    """How a student came to be, by the record of its training."""

    name: str
    """What to set `model.adapter` to."""
    rows: int
    """Rows that it was trained on."""
    envs: tuple[str, ...]
    """Environments that they come from."""
    seconds: float
    """How long that took."""
    size: int
    """Bytes that lie beside the model."""


class Alone(Frozen):
    """What weights alone can do, without memory and skills."""

    arms: tuple[Arm, ...] = ()
    """The model that answers in this home, then a student of the embedded one; none: `absent`."""
    taught: Taught | None = None
    """How the student came to be; None where its folder doesn't tell."""
    absent: str = ""
    """Why no student could be played."""


class Demo(Frozen):
    """What the demonstration brought."""

    model: str
    """Model of the solver."""
    learned: tuple[Trajectory, ...]
    """Runs on train tasks, which wrote lessons."""
    arms: tuple[Arm, ...]
    """The same unseen tasks, arm by arm."""
    skills: Learned | None = None
    """What became of the runs that were won on train tasks; None where too few were."""
    curve: tuple[Point, ...] = ()
    """From nothing learned on, a point for each round; the last is the arm with skills."""
    alone: Alone | None = None
    """The student's act; None where it was left out."""
    seconds: float
    """Wall-clock seconds, installation excluded."""


Progress = Callable[[str, int, int, Trajectory], None]
"""Told after each run: phase, number, total, the run."""


async def demo(home: Home, *, train: int, val: int, alone: int, progress: Progress) -> Demo:
    """Plays `train` tasks to learn from, then `val` tasks of other houses, arm by arm.

    The student's act has `alone` larger houses; 0: it is left out.
    """
    began = time.monotonic()
    env = await home.env(LEVEL)
    crew = await home.crew()
    luck = replace(crew, strategy=RandomChoice())
    lessons = env.tasks("train")[:train]
    first = Spec(task=lessons[0], arm="learning", guard=True, skills=False)
    runs = await _play("learning", crew, env, lessons, first, progress)
    spent = time.monotonic() - began
    unseen = env.tasks("val")[:val]
    base = Spec(task=unseen[0], learn=False, guard=True)
    arms = []
    for name, who, recall in (
        ("random player", luck, False),
        ("memory off", crew, False),
        ("memory on", crew, True),
    ):
        spec = base.model_copy(update={"arm": name, "recall": recall, "skills": False})
        played = await _play(name, who, env, unseen, spec, progress)
        arms.append(Arm(name=name, runs=tuple(played)))
    start = Point(houses=0, skills=0, arm=arms[1], seconds=0, tokens=0)
    behind = start.model_copy(update={"houses": train, "seconds": spent, "tokens": tokens_of(runs)})
    rest = iter(env.tasks("train")[train : train + sum(LUCK)])
    rounds = [list(islice(rest, count)) for count in LUCK]
    school = School(home, env, crew, luck, unseen, progress)
    points, written = await practised(school, behind, rounds)
    act = await _alone(home, alone, progress) if alone else None
    return Demo(
        model=crew.model.name,
        learned=tuple(runs),
        arms=(*arms, points[-1].arm.model_copy(update={"name": "skills on"})),
        skills=written,
        curve=(start, *points),
        alone=act,
        seconds=time.monotonic() - began,
    )


async def _alone(home: Home, count: int, progress: Progress) -> Alone:
    """The student's act; where it can't be served the other acts keep their results."""
    try:
        adapter = await off(student, STUDENT, home=home.settings.home)
        settings = served(home.settings)
        model = await resolve(settings.model, home=home.settings.home)
    except (UserError, StoreError) as error:
        return Alone(absent=str(error))
    try:
        arms = await alone_in(home, model, settings=settings, count=count, progress=progress)
    finally:
        await model.close()
    return Alone(arms=arms, taught=await off(taught, adapter))


def served(settings: Settings) -> Settings:
    """The settings of a home, with the student in the place of its model."""
    chosen = {"base_url": "", "name": "", "file": "", "adapter": STUDENT}
    return settings.model_copy(update={"model": settings.model.model_copy(update=chosen)})


def taught(adapter: Adapter) -> Taught | None:
    """What a student's folder tells of its training. Reads the size of its weights."""
    if adapter.manifest is None or adapter.path is None:
        return None
    return Taught(
        name=STUDENT,
        rows=adapter.manifest.rows,
        envs=adapter.manifest.envs,
        seconds=adapter.manifest.seconds,
        size=(adapter.path / WEIGHTS).stat().st_size,
    )


async def alone_in(
    home: Home,
    model: Model,
    *,
    settings: Settings,
    count: int,
    progress: Progress,
    level: str = LARGE,
) -> tuple[Arm, Arm]:
    """The home's model, then a student, `model`, in the first val houses of a level.

    Without memory and skills, with at most `MOST` actions a house; the home's model plays `BARE` of
    the student's `count` houses. `settings` are the student's.
    """
    env = await home.env(level)
    tasks = env.tasks("val")[:count]
    crew = replace(await home.crew(), skills=None, fork=None)
    spec = Spec(task=tasks[0], recall=False, learn=False, skills=False)

    async def played(name: str, who: Crew, some: Sequence[Task]) -> Arm:
        chosen = spec.model_copy(update={"arm": name})
        return Arm(name=name, runs=tuple(await _play(name, who, env, some, chosen, progress)))

    bare = await played("bare", _brief(crew, home.settings, crew.model), tasks[:BARE])
    return bare, await played("student", _brief(crew, settings, model), tasks)


def _brief(crew: Crew, settings: Settings, model: Model) -> Crew:
    """The crew with that model, and few actions."""
    budget = settings.budget.model_copy(update={"steps": MOST})
    return replace(crew, model=model, settings=settings.model_copy(update={"budget": budget}))


@dataclass(frozen=True)
class School:
    """Who learns where, and what it is measured by."""

    home: Home
    env: Env
    crew: Crew
    """Plays the unseen houses."""
    luck: Crew
    """Plays the train houses."""
    unseen: Sequence[Task]
    progress: Progress


async def practised(
    school: School, behind: Point, rounds: Sequence[Sequence[Task]]
) -> tuple[list[Point], Learned | None]:
    """Skills out of all train runs that were won, round by round, and a point after each.

    `behind`: what was played and spent before. A round that leaves the skills as they were has the
    arm of the point before. The second is None where nothing was won.
    """
    points: list[Point] = []
    written: Learned | None = None
    houses, seconds, tokens = behind.houses, behind.seconds, behind.tokens
    arm, known = behind.arm, list[tuple[str, int]]()
    for number, tasks in enumerate(rounds, start=1):
        began = time.monotonic()
        runs = await _lucky(school, tasks)
        made = await _skills(school)
        written = merged(written, made) if made else written
        seconds += time.monotonic() - began
        houses, tokens = houses + len(tasks), tokens + tokens_of(runs)
        tokens += made.usage.prompt_tokens + made.usage.completion_tokens if made else 0
        shelf = Library(school.home.ledger, effects=school.home.memory.effects)
        now = await off(shelf.all, env=school.env.name, status="active")
        if (forms := [(one.id, one.version) for one in now]) != known:  # else it plays the same
            name, known = f"skills, round {number}", forms
            spec = Spec(task=school.unseen[0], arm=name, recall=False, learn=False, guard=True)
            arm = await _arm(school, spec)
        points.append(
            Point(houses=houses, skills=len(now), arm=arm, seconds=seconds, tokens=tokens)
        )
    return points, written


async def _arm(school: School, spec: Spec) -> Arm:
    """The unseen houses, as they stand now."""
    runs = await _play(spec.arm, school.crew, school.env, school.unseen, spec, school.progress)
    return Arm(name=spec.arm, runs=tuple(runs))


def tokens_of(runs: Sequence[Trajectory]) -> int:
    """Tokens that runs sent and received."""
    return sum(run.usage.prompt_tokens + run.usage.completion_tokens for run in runs)


def merged(before: Learned | None, now: Learned) -> Learned:
    """What became of drafts over several rounds: the latest of each name, one admitted first."""
    if before is None:
        return now
    found = {one.name: one for one in before.outcomes}
    for one in now.outcomes:
        if one.name not in found or one.admitted or not found[one.name].admitted:
            found[one.name] = one
    return now.model_copy(update={"outcomes": tuple(found.values())})


async def _lucky(school: School, tasks: Sequence[Task]) -> list[Trajectory]:
    """Train runs of the random player; every tenth is told of."""
    spec = Spec(task=tasks[0], arm="luck", recall=False, learn=False, skills=False)

    def some(phase: str, number: int, total: int, trajectory: Trajectory) -> None:
        if number % 10 == 0:
            school.progress(phase, number, total, trajectory)

    return await _play("luck", school.luck, school.env, tasks, spec, some)


async def _skills(school: School) -> Learned | None:
    """Skills from all train runs that were won: the model's, and those of the random player."""
    env, home = school.env, school.home
    ways = await off(ways_of, env, home.ledger, whose="own", most=sum(LUCK))
    if not ways:
        return None
    with Sandbox() as sandbox:
        ground = Ground(env, sandbox, Library(home.ledger, effects=home.memory.effects))
        return await learned(ground, Induction(), ways, bounds=Bounds(solve=TRIALS, floor=0.5))


async def _play(
    phase: str, crew: Crew, env: Env, tasks: Sequence[Task], spec: Spec, progress: Progress
) -> list[Trajectory]:
    done = []
    for number, task in enumerate(tasks):
        chosen = spec.model_copy(update={"task": task, "seed": task.seed})
        done.append(await run(crew, env, chosen))
        progress(phase, number + 1, len(tasks), done[-1])
    return done


class Use(Frozen):
    """A lesson that came up in a run."""

    lesson: str
    """Its id."""
    text: str
    """What the solver read."""
    source: str
    """Run and steps it comes from."""
    task: str
    """Task in which it came up."""
    step: int
    """Step at which it first came up."""
    similarity: float
    """Cosine similarity of query and situation."""
    solved: bool
    """Whether that run solved its task."""


def uses(arm: Arm) -> list[Use]:
    """Which lessons were recalled where, in the order of the runs."""
    found: list[Use] = []
    for trajectory in arm.runs:
        known: set[str] = set()
        for step in trajectory.steps:
            for item in step.recalled:
                if item.lesson in known:
                    continue
                known.add(item.lesson)
                source = item.source
                found.append(
                    Use(
                        lesson=item.lesson,
                        text=item.text,
                        source=f"{source.trajectory} {source.first_step}-{source.last_step}",
                        task=trajectory.task,
                        step=step.index,
                        similarity=item.similarity,
                        solved=bool(trajectory.score and trajectory.score.passed),
                    )
                )
    return found
