"""What MCP clients are offered: recall, lessons and active skills to read, and a place to remember.

Lessons of single users are neither found nor shown: an MCP client is nobody in particular.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from pydantic import Field, ValidationError

from agent.recalling import ranking_of, recall_budget
from agent.settings import MemorySettings
from envs.chat import clean
from envs.errors import UnknownName, UserError, clip, one_line
from envs.types import Frozen
from memory.query import Query
from memory.recall import Memory
from memory.telling import in_words
from memory.text import without_marks
from memory.types import Lesson, Scope, Source
from skills.library import Library
from skills.types import Skill

MOST = 20
"""Most lessons in one answer."""
TRIALS = 20
"""Most trials that are told one by one."""


@dataclass(frozen=True)
class Desk:
    """What lies behind the tools."""

    memory: Memory
    """Lessons."""
    library: Library
    """Skills."""
    settings: MemorySettings
    """How memory is asked."""


class Answer(NamedTuple):
    """What a tool says, for people and for programs."""

    text: str
    """As text."""
    data: dict[str, Any]
    """The same as data."""


class Recall(Frozen):
    """Arguments of `recall`."""

    goal: str = Field(min_length=1, max_length=4000)
    """What you are about to do."""
    situation: str = Field(default="", max_length=4000)
    """What you see now."""
    env: str = Field(default="", max_length=200)
    """Environment, for lessons of one; empty: those that hold everywhere."""


class Search(Frozen):
    """Arguments of `search_memory`."""

    query: str = Field(min_length=1, max_length=4000)
    """What to look for."""
    most: int = Field(default=10, ge=1, le=MOST)
    """Most lessons."""


class LessonId(Frozen):
    """Arguments of `show_lesson`."""

    lesson: str = Field(min_length=1, max_length=200)
    """Id of the lesson."""


class Nothing(Frozen):
    """No arguments."""


class SkillName(Frozen):
    """Arguments of `show_skill`."""

    skill: str = Field(min_length=1, max_length=200)
    """Its name, or its id."""


class Remember(Frozen):
    """Arguments of `remember`."""

    text: str = Field(min_length=1, max_length=2000)
    """What is to be remembered, as a full sentence."""
    situation: str = Field(default="", max_length=1000)
    """When it applies."""


def recall(desk: Desk, asked: Recall, _client: str) -> Answer:
    """Lessons for what you are about to do, best first. May be none."""
    bounds = desk.settings
    found = desk.memory.recall(
        Query(goal=clean(asked.goal), observation=clean(asked.situation), env=asked.env),
        budget_tokens=recall_budget(bounds.budget_tokens, ""),
        floor=bounds.floor,
        most=max(1, bounds.most),
        guard=False,
        ranking=ranking_of(bounds),
    )
    lessons = desk.memory.standing()
    known = [(lessons[one.lesson], one.similarity) for one in found if one.lesson in lessons]
    return _lessons(known, none="Nothing is remembered that fits.")


def search_memory(desk: Desk, asked: Search, _client: str) -> Answer:
    """Finds lessons by meaning and by words."""
    near = desk.memory.search(clean(asked.query), most=5 * asked.most)
    kept = [(one, similarity) for one, similarity in near if _public(one)][: asked.most]
    return _lessons(kept, none="Nothing is remembered about that.")


def show_lesson(desk: Desk, asked: LessonId, _client: str) -> Answer:
    """One lesson: its words, where it comes from, and what showing it was measured to do."""
    lesson = desk.memory.ledger.lesson(asked.lesson)
    if not _public(lesson):
        raise UnknownName("lesson", asked.lesson, ())
    effect = in_words(desk.memory.effects.of(lesson.id))
    source = lesson.source
    came = source.origin or (f"run {source.trajectory}" if source.trajectory else "a person")
    lines = [
        f"{_head(lesson)} (version {lesson.version}, {lesson.kind})",
        without_marks(lesson.text),
        f"when: {without_marks(lesson.situation) or 'always'}",
        f"source: {came}",
        *([f"quote: “{without_marks(source.quote)}”"] if source.quote else []),
        *effect,
    ]
    told = lesson.model_dump(mode="json", exclude={"effect"})
    return Answer("\n".join(lines), {"lesson": told, "effect": list(effect)})


def list_skills(desk: Desk, _asked: Nothing, _client: str) -> Answer:
    """Active skills: code that passed its trials, by the environment whose tools it uses."""
    skills = active(desk)
    lines = [
        f"- {one.name} ({one.env or 'any environment'}): {clip(one_line(one.about), most=200)} "
        f"[{trials_of(one)}]"
        for one in skills
    ]
    data = [
        {"name": s.name, "env": s.env, "signature": s.signature, "about": s.about} for s in skills
    ]
    return Answer("\n".join(lines) or "There are no active skills yet.", {"skills": data})


def show_skill(desk: Desk, asked: SkillName, _client: str) -> Answer:
    """A skill: its code, where it comes from, its trials, and what offering it did."""
    skill = desk.library.get(asked.skill)
    return Answer(page(desk, skill), {"skill": skill.model_dump(mode="json")})


def remember(desk: Desk, asked: Remember, client: str) -> Answer:
    """Keeps a fact as a candidate, for this and other clients; a person can take it back."""
    lesson = Lesson(
        id="",
        kind="fact",
        text=one_line(clean(asked.text)),
        situation=one_line(clean(asked.situation)),
        scope=Scope(),
        source=Source(origin=f"user:mcp:{client or 'unnamed'}"),
        trust="user",
        status="candidate",
    )
    change = desk.memory.add(lesson, reason="an MCP client asked to remember", actor="user")
    stored = desk.memory.ledger.lesson(change.target)
    text = f"Remembered as {stored.id} ({stored.status}): {stored.text}"
    return Answer(text, {"lesson": stored.id, "change": change.id})


class Offered(NamedTuple):
    """A tool."""

    arguments: type[Frozen]
    """Its arguments."""
    work: Callable[[Desk, Any, str], Answer]
    """What it does; its docstring is what clients are told."""
    reads: bool = True
    """It alters nothing."""


TOOLS: dict[str, Offered] = {
    "recall": Offered(Recall, recall),
    "search_memory": Offered(Search, search_memory),
    "show_lesson": Offered(LessonId, show_lesson),
    "list_skills": Offered(Nothing, list_skills),
    "show_skill": Offered(SkillName, show_skill),
    "remember": Offered(Remember, remember, reads=False),
}


def done(desk: Desk, name: str, arguments: dict[str, Any], *, client: str) -> Answer:
    """Does what a client asks. Raises `UserError` for arguments that do not fit."""
    if name not in TOOLS:
        raise UnknownName("tool", name, TOOLS)
    tool = TOOLS[name]
    try:
        asked = tool.arguments.model_validate(arguments)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UserError(
            f"{name}: {where}: {one_line(first['msg'])}", repair="see the tool's schema"
        ) from error
    return tool.work(desk, asked, client)


def active(desk: Desk) -> list[Skill]:
    """Skills that are offered to the solver, by name."""
    return sorted(desk.library.all(status="active"), key=lambda one: (one.name, one.env))


def addresses(desk: Desk) -> dict[str, Skill]:
    """Active skills by URI: `skill://NAME`, with the environment before it where two share it."""
    found: dict[str, Skill] = {}
    for one in active(desk):
        found[f"skill://{f'{one.env}/' if f'skill://{one.name}' in found else ''}{one.name}"] = one
    return found


def page(desk: Desk, skill: Skill) -> str:
    """A skill as text in the manner of a `SKILL.md`, with its evidence."""
    about = clip(one_line(skill.about), most=900) or skill.signature
    used = [one.name for one in desk.library.closure(skill)[:-1]]
    trials = [
        f"- {one.task} (seed {one.seed}): {'passed' if one.passed else 'failed'} as {one.purpose}, "
        f"{one.steps} steps{f', {one.error}' if one.error else ''}"
        for one in skill.trials[:TRIALS]
    ]
    more = len(skill.trials) - TRIALS
    return "\n".join(
        [
            "---",
            f"name: {skill.name.replace('_', '-')}",
            f"description: {_quoted(about)}",
            "---",
            "",
            f"`{skill.signature}` of {skill.env or 'any environment'}: version {skill.version}, "
            f"{skill.status}, trust {skill.trust}, made of trajectories of: {skill.origin.author}"
            f"{f', written by {skill.origin.by}' if skill.origin.by else ''}.",
            *([f"Reaches: {'; '.join(skill.goals)}"] if skill.goals else []),
            *([f"Calls the tools: {', '.join(skill.requires)}"] if skill.requires else []),
            *([f"Calls the skills: {', '.join(used)}"] if used else []),
            "It runs only inside of an episode, whose tools it calls.",
            "",
            "```python",
            skill.code.rstrip(),
            "```",
            "",
            f"## Trials: {trials_of(skill)}",
            *trials,
            *([f"- and {more} more"] if more > 0 else []),
            "",
            "## Effect",
            *in_words(skill.effect),
        ]
    )


def trials_of(skill: Skill) -> str:
    """How its trials went, in words."""
    passed = sum(one.passed for one in skill.trials)
    return f"{passed} of {len(skill.trials)} passed" if skill.trials else "none"


def _lessons(found: list[tuple[Lesson, float]], *, none: str) -> Answer:
    lines = [f"- {_head(one)}: {without_marks(one.text)}" for one, _ in found]
    data = [
        {
            "id": one.id,
            "text": one.text,
            "situation": one.situation,
            "status": one.status,
            "trust": one.trust,
            "similarity": round(similarity, 3),
        }
        for one, similarity in found
    ]
    return Answer("\n".join(lines) or none, {"lessons": data})


def _head(lesson: Lesson) -> str:
    return f"[{lesson.id}] {lesson.status}, trust {lesson.trust}"


def _public(lesson: Lesson) -> bool:
    return not lesson.scope.user


def _quoted(text: str) -> str:
    """A YAML scalar."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
