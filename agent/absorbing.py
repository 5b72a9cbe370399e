"""Memory into weights, then out: lessons that a promoted student has no use for leave the prompt.

Tested are the lessons that were shown in the runs that the student was trained on, on train tasks
in which they come up, in pairs of plays under the student (`memory/absorbed.py` has the design and
the rule). What goes is one batch of changes that names the student's promotion as its parent: one
`journeyman undo` brings it back, and so does rolling the student back.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from agent.applied import applied, policy
from agent.crossing import off
from agent.recalling import ranking_of, recall_budget
from agent.runner import Crew, Spec, new_id
from agent.runner import run as play
from agent.trained import (
    Left,
    brought_back,
    left_out,
    promotion,
    read,
    tested,
    trained_on,
    units,
)
from agent.transcript import student_in
from envs.errors import Refused, UserError
from envs.types import Env, Frozen, Task
from memory.absorbed import (
    ABSORBED,
    Contrast,
    Judged,
    Unit,
    arms,
    contrasts,
    counted,
    judged,
    together,
    trained_under,
)
from memory.clock import new_id as new_batch
from memory.life import moved
from memory.measuring import Setting
from memory.recall import Query
from memory.telling import points
from memory.types import REPLAY, Change, Exposure


class Tokens(Frozen):
    """Prompt tokens of a task, means over plays with the lessons that go and without them."""

    before: float
    """With them."""
    after: float
    """Without them."""
    own: float
    """Of those before, what their own texts took (estimated)."""
    pairs: int
    """Tasks that were played both ways."""


class Absorbed(Frozen):
    """What came of testing a student's lessons."""

    student: str
    """Who was tested."""
    env: str
    """Where."""
    promoted: bool
    """Whether it answers by a promotion; else nothing is retired."""
    played: int
    """Pairs that were played this time."""
    judged: tuple[Judged, ...]
    """Each lesson, or unit of near-duplicates."""
    joint: Judged | None
    """Those that could go, as one; None: there are none."""
    retired: tuple[str, ...]
    """Lessons that left the prompt."""
    batch: str
    """What to undo to bring them back; empty: nothing was changed."""
    tokens: Tokens | None
    """What that saves; None: nothing could go."""
    left: tuple[Left, ...]
    """Lessons that are out for other students."""

    def ids(self, decision: str) -> tuple[str, ...]:
        """Lessons with that decision."""
        return tuple(
            id_ for one in self.judged if one.decision == decision for id_ in one.unit.members
        )


Watch = Callable[[Task, int], None]
"""Hears of each pair: its task, and its number from 1."""


async def absorb(
    crew: Crew, env: Env, *, most: int, watch: Watch = lambda _task, _number: None
) -> Absorbed:
    """Plays up to `most` more pairs under the student that answers, and retires what it can do
    without.

    What was played before counts on. Ends early when every lesson is decided. Raises `Refused`
    where no student answers, and `UserError` where memory is not consulted.
    """
    name = student_in(crew.model.name)
    if not name:
        raise Refused(
            f"{crew.model.name} answers, and is no student",
            repair="name one with --student; journeyman models students lists them",
        )
    if not crew.settings.memory.recall:
        raise UserError("memory is not consulted", repair="set memory.recall to true")
    learned = await off(applied, crew.settings, crew.memory.ledger, env.name)
    crew = replace(crew, settings=learned)  # as the plays have it, so that they count
    solver = crew.settings.solver.model_copy(update={"retries": 0})
    bounds = crew.settings.memory
    budget = recall_budget(bounds.budget_tokens, crew.model.name)
    shown = bounds.model_copy(update={"budget_tokens": budget})  # a student is shown none else
    crew = replace(
        crew, settings=crew.settings.model_copy(update={"solver": solver, "memory": shown})
    )
    trial = await off(_Trial, crew, env, name)
    played = 0
    for task in () if trial.settled() else trial.tasks():
        if played == most:
            break
        if await off(trial.wanted, task):
            await trial.pair(task)
            played += 1
            watch(task, played)
            if trial.settled():
                break
    return await off(trial.end, played)


class _Trial:
    """Lessons of one student in one environment, with what is known of them so far."""

    def __init__(self, crew: Crew, env: Env, name: str) -> None:
        self._crew, self._env, self._name = crew, env, name
        ledger, home = crew.memory.ledger, crew.settings.home
        self._promotion = promotion(ledger, name)
        runs = read(ledger, trained_on(ledger, name, home=home))
        back = brought_back(ledger, name, self._promotion)
        lessons = tested(crew.memory, trained_under(runs) - back, env=env.name)
        self.units = units(crew.memory, lessons)
        ids = [member for unit in self.units for member in unit.members]
        standing = crew.memory.standing()
        self._lessons = {id_: standing[id_] for id_ in ids}
        self._versions = {id_: one.version for id_, one in self._lessons.items()}
        acts = policy(crew.settings, model=crew.model.name)
        self._setting = Setting(model=crew.model.name, adapter=name, policy=acts)
        found = [one for id_ in ids for one in ledger.exposures(lesson=id_)]
        self._exposures: list[Exposure] = []
        self._known: list[Judged] | None = None
        self._take(found)
        self._done = {ledger.run(id_).task for id_ in {one.episode for one in self._exposures}}

    def tasks(self) -> Iterator[Task]:
        """Train tasks that were not played yet, in an order of this student's own."""

        def place(task: Task) -> str:
            return hashlib.sha256(f"{self._name}|{task.id}".encode()).hexdigest()

        ahead = sorted(self._env.tasks("train"), key=place) if self.units else []
        yield from (task for task in ahead if task.id not in self._done)

    def wanted(self, task: Task) -> bool:
        """Whether a lesson that is not decided comes up at its first action."""
        found = self.judge()
        open_ = {id_ for one in found if one.decision == "open" for id_ in one.unit.members}
        going = {id_ for one in found if one.decision == "retire" for id_ in one.unit.members}
        return bool((open_ or going) & self._first(task))

    def settled(self) -> bool:
        """Whether nothing is open."""
        found = self.judge()
        joint = self._joint(found)
        return all(one.decision != "open" for one in [*found, *([joint] if joint else [])])

    def judge(self) -> list[Judged]:
        """What is known of each unit now."""
        if self._known is None:
            self._known = [judged(one, self._of(one)) for one in self.units]
        return self._known

    async def pair(self, task: Task) -> None:
        """Plays a task twice: what the first play shows, the second withholds."""
        name = f"A{new_id()}"
        tossed = [one.unit for one in self.judge() if one.decision != "keep"]
        first = arms(tossed, pair=name)
        for forced in (first, {id_: not shown for id_, shown in first.items()}):
            done = await play(self._crew, self._env, _spec(task, forced, name))
            self._take(await off(self._came_up, done.id))

    def end(self, played: int) -> Absorbed:
        """Retires what may go, and says what came of it all."""
        found = [judged(one, self._of(one), ahead=True) for one in self.units]
        joint = self._joint(found, ahead=True)
        goes = joint is not None and joint.decision == "retire"
        if joint is not None and not goes:  # each alone may go, not all of them
            found = [
                one.model_copy(update={"decision": joint.decision, "more": joint.more})
                if one.decision == "retire"
                else one
                for one in found
            ]
        changes = self._retire(found) if goes and self._promotion else ()
        memory = self._crew.memory
        return Absorbed(
            student=self._name,
            env=self._env.name,
            promoted=self._promotion is not None,
            played=played,
            judged=tuple(found),
            joint=joint,
            retired=tuple(change.target for change in changes),
            batch=changes[0].batch if changes else "",
            tokens=self._tokens(joint.unit) if joint is not None and goes else None,
            left=left_out(memory, but=self._name),
        )

    def _joint(self, found: Sequence[Judged], *, ahead: bool = False) -> Judged | None:
        going = [one.unit for one in found if one.decision == "retire"]
        both = together(going) if going else None
        return judged(both, self._of(both), ahead=ahead) if both else None

    def _of(self, unit: Unit) -> list[Contrast]:
        return contrasts(one for one in self._exposures if one.lesson in unit.members)

    def _came_up(self, run: str) -> list[Exposure]:
        return self._crew.memory.ledger.exposures(episode=run)

    def _take(self, found: Sequence[Exposure]) -> None:
        self._exposures += counted(found, setting=self._setting, versions=self._versions)
        self._known = None

    def _first(self, task: Task) -> set[str]:
        """Lessons that come up at its first action, however many are shown."""
        bounds = self._crew.settings.memory
        query = Query(
            goal=task.goal,
            env=task.env.partition(":")[0],
            task_type=task.tags[0] if task.tags else "",
            task_key=task.key,
        )
        found = self._crew.memory.recall(
            query,
            budget_tokens=recall_budget(bounds.budget_tokens, self._crew.model.name),
            floor=bounds.floor,
            most=bounds.most,
            guard=True,
            ranking=ranking_of(bounds),
        )
        return {item.lesson for item in found}

    def _retire(self, found: Sequence[Judged]) -> tuple[Change, ...]:
        memory, parent = self._crew.memory, self._promotion
        batch = new_batch("B", seconds=memory.ledger.now())
        moves: list[Change] = []
        for one in found:
            if one.decision != "retire" or parent is None:
                continue
            runs = [run for pair in self._of(one.unit) for run in (pair.shown, pair.withheld)]
            reason = (
                f"{ABSORBED}{self._name}: {points(one.measured)} under it, over "
                f"{one.measured.shown} tasks played both ways; its tokens are worth "
                f"{100 * one.margin:.1f} points"
            )
            for id_ in one.unit.members:
                lesson = self._lessons[id_]
                move = moved(lesson, "retired", reason=reason, batch=batch, episodes=runs)
                moves.append(move.model_copy(update={"parents": (parent.id,)}))
        return memory.write(*moves)

    def _tokens(self, unit: Unit) -> Tokens:
        pairs, ledger = self._of(unit), self._crew.memory.ledger
        before = read(ledger, [pair.shown for pair in pairs])
        after = read(ledger, [pair.withheld for pair in pairs])
        own = [
            item.tokens
            for run in before
            for step in run.steps
            for item in step.recalled
            if item.lesson in unit.members
        ]
        return Tokens(
            before=sum(run.usage.prompt_tokens for run in before) / len(pairs),
            after=sum(run.usage.prompt_tokens for run in after) / len(pairs),
            own=sum(own) / len(pairs),
            pairs=len(pairs),
        )


def in_words(found: Absorbed) -> tuple[str, ...]:
    """What came of it, a few lines."""
    if not found.judged:
        lines = [f"{found.student} was trained under no lesson that may be shown in {found.env}"]
    else:
        sizes = [len(found.ids(said)) for said in ("retire", "keep", "open")]
        lines = [
            f"{found.student} in {found.env}, {found.played} tasks played both ways this time: "
            f"{sizes[0]} lessons can go, {sizes[1]} stay, of {sizes[2]} it is not known yet"
        ]
    if found.tokens is not None:
        saved, each = found.tokens.before - found.tokens.after, found.tokens
        lines.append(
            f"prompt tokens of a task: {each.before:.0f} with them, {each.after:.0f} without "
            f"({saved:+.0f} saved; their own text was {each.own:.0f}), over {each.pairs} tasks"
        )
    if found.retired:
        lines.append(f"{len(found.retired)} left the prompt: journeyman undo {found.batch}")
    elif found.tokens is not None:
        lines.append(f"nothing was changed: {found.student} does not answer by a promotion")
    if found.ids("open"):
        more = [one.more for one in found.judged if one.decision == "open"]
        known = [count for count in more if count is not None]
        far = f"about {max(known)} more" if len(known) == len(more) else "thousands of"
        lines.append(f"to know of all, {far} tasks in which they come up, if it goes on like this")
    lines += [
        f"{len(one.lessons)} lessons are out for {one.student}, which does not answer: "
        f"journeyman undo {one.undo}"
        for one in found.left
    ]
    return tuple(lines)


def _spec(task: Task, forced: dict[str, bool], pair: str) -> Spec:
    return Spec(
        task=task,
        seed=task.seed,
        arm=REPLAY,
        learn=False,
        guard=True,
        chance=f"{task.id}/{task.seed}",
        forced=forced,
        pair=pair,
    )
