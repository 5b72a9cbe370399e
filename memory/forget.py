"""Forgetting a source: what goes back to a run, a task, a person, a page or a lesson, and why.

A lesson goes when its words go back to the source: it was learned there, rewritten on evidence from
there, or it takes the place of a lesson that goes. Where the source only confirmed what had been
learned elsewhere (a near-duplicate that was merged), the lesson stays and loses that source.
Skills go as well, with those that call them (`memory/forget_skills.py`), prompts, settings and own
tasks that were learned from its runs (`memory/forget_own.py`), and adapters that were trained on
what goes are put in quarantine (`memory/forget_adapters.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from envs.errors import Refused, UnknownName, clip
from envs.types import Frozen
from memory import rows
from memory.admission import learned_from
from memory.clock import new_id
from memory.episodes import standing_episodes, withdrawal
from memory.forget_adapters import ForgetAdapter, behind, plan_adapters, quarantine
from memory.forget_own import ForgetOwn, own_evidence, plan_own, retracted
from memory.forget_skills import (
    ForgetSkill,
    SkillLife,
    on_page,
    plan_skills,
    retraction,
    skill_kind,
    skill_lives,
)
from memory.ledger import Ledger
from memory.types import Change, Lesson, Source


class ForgetItem(Frozen):
    """One lesson that goes back to the source."""

    lesson: Lesson
    """As it stood when the plan was made; one that is gone as it stood last."""
    what: Literal["remove", "detach", "gone"]
    """`detach`: it stays, without that source; `gone`: that is done, and can be purged."""
    why: str
    """How it goes back there, in words."""


class ForgetPlan(Frozen):
    """What forgetting a source would do. Nothing has happened yet."""

    source: str
    """What is to be forgotten, as it was given."""
    kind: str
    """`run`, `task`, `lesson`, `skill`, `user`, `web` or `folder`."""
    items: tuple[ForgetItem, ...] = ()
    """Lessons, in the order in which they were added."""
    returning: tuple[str, ...] = ()
    """Lessons that are shown again, as what took their place goes."""
    episodes: tuple[str, ...] = ()
    """Solved runs that are not recalled as episodes any more."""
    skills: tuple[ForgetSkill, ...] = ()
    """Skills, in the order in which they were added."""
    adapters: tuple[ForgetAdapter, ...] = ()
    """Adapters, in the order in which they came."""
    own: tuple[ForgetOwn, ...] = ()
    """Prompts, settings and tasks of its own, in the order in which they came."""

    @property
    def some(self) -> bool:
        """Whether anything goes back to the source."""
        return bool(self.items or self.skills or self.adapters or self.episodes or self.own)


class _Known:
    """A lesson with its life: state, whether it stands, and its applied changes."""

    def __init__(self, lesson_id: str, changes: Sequence[Change]) -> None:
        self.id = lesson_id
        self.changes = changes
        states = [change.after for change in changes]
        self.stands = bool(states) and states[-1] is not None
        last = next((state for state in reversed(states) if state is not None), None)
        self.lesson = rows.lesson_of(last) if last else None

    def past(self) -> list[Lesson]:
        """As it stood at any time."""
        states = (state for c in self.changes for state in (c.before, c.after) if state)
        return [rows.lesson_of(state) for state in states]

    def last(self) -> Lesson:
        """As it stands, or stood last. Raises `UnknownName` where it never did."""
        if self.lesson is None:
            raise UnknownName("lesson", self.id, ())
        return self.lesson


def plan_forget(ledger: Ledger, source: str) -> ForgetPlan:
    """What goes back to `source`: a lesson, a skill, a run, `user:NAME`, `web:URL` or a task key.

    `web:HOST` means all pages of that host, a bare URL is short for `web:URL`, `user:` what people
    typed without a name, a folder all skills that were imported from it or from below it. Raises
    `UnknownName` where nothing in memory is called so.
    """
    source = f"web:{source}" if source.startswith(("https://", "http://")) else source
    known, skills = _lives(ledger), skill_lives(ledger)
    kind = _kind(ledger, source, known, skills)
    found: dict[str, ForgetItem] = {}
    for life in known.values():
        item = _direct(life, kind, source)
        if item:
            found[life.id] = item
    _follow(found, known)
    standing = {i for i, item in found.items() if item.what == "remove"}
    items = tuple(found[id_] for id_ in known if id_ in found)
    going = plan_skills(skills, kind, source)
    runs = behind(
        ledger,
        kind,
        source,
        lessons=[id_ for id_, item in found.items() if item.what != "detach"],
        skills=[one.id for one in going],
    )
    return ForgetPlan(
        source=source,
        kind=kind,
        items=items,
        returning=_returning(known, standing, found),
        episodes=standing_episodes(ledger, kind, source),
        skills=going,
        adapters=plan_adapters(ledger, runs),
        own=plan_own(ledger, runs, skills={run for one in going for run in skills[one.id].runs}),
    )


def apply_forget(ledger: Ledger, plan: ForgetPlan, *, actor: str = "user") -> tuple[Change, ...]:
    """Does what the plan says, in one transaction; undone by the id of the batch; an index follows.

    Raises `Refused` where something that goes was altered after the plan was made.
    """
    batch = new_id("B", seconds=ledger.now())
    changes = [
        change
        for item in plan.items
        if (change := _change(item, plan, actor=actor, batch=batch)) is not None
    ]
    changes += [
        retraction(item, actor=actor, batch=batch)
        for item in reversed(plan.skills)
        if item.what == "remove"
    ]
    changes += [
        quarantine(item, kind=plan.kind, source=plan.source, actor=actor, batch=batch)
        for item in plan.adapters
        if item.what == "quarantine"
    ]
    changes += [
        retracted(item, actor=actor, batch=batch) for item in plan.own if item.what != "gone"
    ]
    why = f"forgotten: it is of a {plan.kind} that is"
    changes += [withdrawal(run, reason=why, actor=actor, batch=batch) for run in plan.episodes]
    return ledger.apply(*changes)


def sources_of(lesson: Lesson) -> tuple[Source, ...]:
    """Every place where it was learned."""
    return lesson.sources or (lesson.source,)


def left(lesson: Lesson, kind: str, source: str) -> tuple[Source, ...]:
    """Places where it was learned other than `source`."""
    return tuple(one for one in sources_of(lesson) if not _from(lesson, one, kind, source))


def _lives(ledger: Ledger) -> dict[str, _Known]:
    """Every lesson that ever was, purged ones excepted, in the order of adding."""
    found: dict[str, list[Change]] = {}
    query = (
        "SELECT body FROM changes WHERE kind = 'lesson' AND decision = 'applied' "
        "AND op <> 'purge' ORDER BY seq"
    )
    for (body,) in ledger.ask(query):
        change = rows.parse(Change, body)
        found.setdefault(change.target, []).append(change)
    return {id_: _Known(id_, changes) for id_, changes in found.items()}


def _kind(
    ledger: Ledger, source: str, known: dict[str, _Known], skills: dict[str, SkillLife]
) -> str:
    head, colon, name = source.partition(":")
    if colon and head in ("user", "web"):
        if head == "web" and not name.strip():
            raise Refused("which page?", repair="write web:HOST, or web: and the URL")
        return head
    if source in known:
        return "lesson"
    if source in skills:
        return "skill"
    for kind, query in (
        ("run", "SELECT 1 FROM runs WHERE id = ?"),
        ("run", "SELECT 1 FROM trajectories WHERE id = ?"),
        ("task", "SELECT 1 FROM trajectories WHERE task_key = ? LIMIT 1"),
    ):
        if ledger.ask(query, source):
            return kind
    if own_evidence(ledger, source):
        return "run"
    lessons = [life.lesson for life in known.values() if life.lesson]
    if any(source in one.source.task_keys for one in lessons):
        return "task"
    if any(source == s.trajectory for one in lessons for s in sources_of(one)):
        return "run"
    kind = skill_kind(skills.values(), source)
    if not kind:
        names = [life.name for life in skills.values()]
        raise UnknownName("source", source, [*known, *names, "user:NAME", "web:HOST"])
    return kind


def _direct(life: _Known, kind: str, source: str) -> ForgetItem | None:
    """What becomes of a lesson that goes back to the source by itself."""
    lesson = life.lesson
    if lesson is None or kind in ("skill", "folder"):
        return None
    if kind == "lesson":
        return _gone(life, "it is that lesson") if life.id == source else None
    places = sources_of(lesson)
    here = [place for place in places if _from(lesson, place, kind, source)]
    if places[0] in here:
        return _gone(life, _learned(kind, source, "was learned"))
    if kind == "run" and any(_rewritten(change, source) for change in life.changes):
        return _gone(life, f"was written on evidence from run {source}")
    if here:
        what = "detach" if life.stands else "gone"
        return ForgetItem(
            lesson=lesson,
            what=what,
            why=f"{_learned(kind, source, 'was learned again')}; its words come from elsewhere",
        )
    if any(_from(lesson, place, kind, source) for old in life.past() for place in sources_of(old)):
        why = f"{_learned(kind, source, 'was learned again')}; that was taken off"
        return ForgetItem(lesson=lesson, what="gone", why=why)
    return None


def _from(lesson: Lesson, place: Source, kind: str, source: str) -> bool:
    if kind == "run":
        return place.trajectory == source
    if kind == "task":
        return source in place.task_keys
    head, _, name = source.partition(":")
    if head == "user":
        named = place.origin == source or (place.origin == "" and lesson.scope.user == name)
        return lesson.trust == "user" and named
    return head == "web" and on_page(place.origin, name)


def _rewritten(change: Change, run: str) -> bool:
    """Whether the words of a lesson rest on this run; one more source leaves words alone."""
    if run not in change.evidence or change.op not in ("add", "edit"):
        return False
    before, after = change.before or {}, change.after or {}
    return any(before.get(field) != after.get(field) for field in ("text", "situation"))


def _follow(found: dict[str, ForgetItem], known: dict[str, _Known]) -> None:
    """Adds what takes the place of lessons that go, and so on."""
    made: dict[str, list[_Known]] = {}
    for life in known.values():
        for id_ in {i for c in life.changes for i in (*c.parents, *_replaced(c.after))}:
            made.setdefault(id_, []).append(life)
    fresh = [id_ for id_, item in found.items() if item.what != "detach"]
    while fresh:
        going = fresh.pop()
        for life in made.get(going, ()):
            old = found.get(life.id)
            if life.lesson is not None and (old is None or old.what == "detach"):
                found[life.id] = _gone(life, f"was made from lesson {going}")
                fresh.append(life.id)


def _replaced(state: dict[str, Any] | None) -> Sequence[str]:
    return (state or {}).get("supersedes") or ()


def _gone(life: _Known, why: str) -> ForgetItem:
    """It goes whole, or went."""
    what = "remove" if life.stands else "gone"
    return ForgetItem(lesson=life.last(), what=what, why=why)


def _learned(kind: str, source: str, how: str) -> str:
    if kind == "run":
        return f"{how} in run {source}"
    if kind == "task":
        return f"{how} from task {clip(source)}"
    name = source.partition(":")[2]
    return f"{how} from {f'user {name}' if kind == 'user' and name else name or 'a person'}"


def _returning(
    known: dict[str, _Known], standing: set[str], found: dict[str, ForgetItem]
) -> tuple[str, ...]:
    lives = [life for life in known.values() if life.stands and life.lesson]
    replaced = {
        id_: {one.id for one in lives if one.lesson and id_ in one.lesson.supersedes}
        for life in lives
        if life.id in standing and life.lesson
        for id_ in life.lesson.supersedes
    }
    return tuple(
        id_
        for id_, by in replaced.items()
        if by <= standing
        and id_ not in standing
        and id_ in known
        and known[id_].stands
        and (id_ not in found or found[id_].what == "detach")
    )


def _change(item: ForgetItem, plan: ForgetPlan, *, actor: str, batch: str) -> Change | None:
    if item.what == "gone":
        return None
    before = item.lesson.model_dump(mode="json", exclude={"effect"})
    after = None
    if item.what == "detach":
        rest = learned_from(item.lesson, left(item.lesson, plan.kind, plan.source))
        after = rest.model_dump(mode="json", exclude={"effect"})
    return Change(
        id="",
        kind="lesson",
        target=item.lesson.id,
        op="remove" if after is None else "edit",
        reason=f"forgotten: it {item.why.removeprefix('it ')}",
        before=before,
        after=after,
        actor=actor,
        batch=batch,
    )
