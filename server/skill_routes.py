"""Skills over REST: list, read, retire, undo. Trials are left to the command line.

Like every change of the agent, a retirement can be taken back.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from agent.crossing import off
from envs.chat import clean
from envs.errors import Refused
from envs.types import Frozen
from memory.telling import in_words
from memory.types import Change, Status
from server.api_types import Undo
from server.memory_routes import Id, Limit, Mem, Offset
from skills.library import Library
from skills.types import Skill


class Skills(Frozen):
    """A page of skills."""

    total: int
    """How many fit, over all pages."""
    items: tuple[Skill, ...]
    """This page."""


class Name(Frozen):
    """A skill by its id, name and status."""

    id: str
    """Stable over versions."""
    name: str
    """Name of its function."""
    version: int
    """Version that stands."""
    status: Status
    """Stage of its life."""


class SkillPage(Frozen):
    """A skill with all that is known of it."""

    skill: Skill
    """As it stands: code, origin, trials, effect."""
    uses: tuple[Name, ...]
    """What it calls, each behind what it calls itself."""
    callers: tuple[Name, ...]
    """What calls it."""
    versions: tuple[Skill, ...]
    """Every version that it ever had, oldest first, each as it last stood."""
    history: tuple[Change, ...]
    """Its changes, oldest first."""
    effect_in_words: tuple[str, ...]
    """What offering it was measured to do."""


router = APIRouter(prefix="/skills", tags=["skills"])


def shelf_of(request: Request, memory: Mem) -> Library:
    """The skills of this server's home; kept, as the first reading reads them all."""
    shelf = getattr(request.app.state, "shelf", None)
    if shelf is None:
        shelf = request.app.state.shelf = Library(memory.ledger, effects=memory.effects)
    return shelf


Shelf = Annotated[Library, Depends(shelf_of)]


@router.get("")
async def list_skills(
    shelf: Shelf,
    status: Status | None = None,
    env: Annotated[str | None, Query(max_length=200)] = None,
    limit: Limit = 50,
    offset: Offset = 0,
) -> Skills:
    """Skills as they stand, newest first, retired ones included."""
    found = await off(shelf.all, env=env or None, status=status)
    return Skills(total=len(found), items=tuple(found[offset : offset + limit]))


@router.get("/{skill}")
async def show_skill(skill: Id, shelf: Shelf) -> SkillPage:
    """A skill by id or name: code, where it comes from, trials, effect, moves, callers."""
    return await off(_page, shelf, skill)


@router.delete("/{skill}")
async def retire_skill(
    skill: Id,
    shelf: Shelf,
    reason: Annotated[str, Query(min_length=1, max_length=500)] = "asked for over the API",
    cascade: Annotated[bool, Query(description="Retire active skills that call it too")] = False,
) -> Change:
    """Takes a skill out of use; refused while active skills call it."""
    gone = await off(shelf.retire, skill, reason=clean(reason), cascade=cascade)
    return (await off(shelf.history, gone[-1].id))[-1]


@router.post("/{skill}/undo")
async def undo_skill(skill: Id, shelf: Shelf, body: Undo | None = None) -> Change:
    """Takes back the latest change of a skill; once more does it again."""
    asked = body or Undo()
    history = await off(shelf.history, skill)
    latest = next((c for c in reversed(history) if c.decision == "applied"), None)
    if latest is None:
        raise Refused(f"no change of skill {skill} was ever applied", repair="leave it")
    done = await off(
        shelf.undo, latest.id, reason=clean(asked.reason), actor="user", cascade=asked.cascade
    )
    return done[-1]


def _page(shelf: Library, name: str) -> SkillPage:
    found = shelf.get(name)
    return SkillPage(
        skill=found,
        uses=tuple(_name(one) for one in shelf.closure(found)[:-1]),
        callers=tuple(_name(one) for one in shelf.callers(found.id)),
        versions=tuple(shelf.versions(found.id)),
        history=tuple(shelf.history(found.id)),
        effect_in_words=in_words(found.effect),
    )


def _name(skill: Skill) -> Name:
    return Name(id=skill.id, name=skill.name, version=skill.version, status=skill.status)
