"""What a skill has to be to stand beside others: readable, named once, there once, true to itself.

Pure functions; `skills/library.py` asks them before anything is written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from envs.errors import Refused, UnknownName
from skills.program import Program, fingerprint, read
from skills.types import Skill


def fitting(skill: Skill, peers: Iterable[Skill]) -> Skill:
    """The form in which `skill` is kept: signature and `about` as they stand in its code.

    `peers` are the other skills of its environment that are not retired. Raises `Refused` for what
    does not fit, `UnknownName` for a skill that it uses and that is not among them.
    """
    program = read(skill.code, skill.name)
    others = {one.id: one for one in peers if one.id != skill.id}
    _goals(skill, program)
    free_name(skill, others.values())
    mark = fingerprint(skill.code)
    for one in others.values():
        if fingerprint(one.code) == mark:
            raise Refused(
                f"skill {skill.name} does what {one.name} ({one.id}, {one.status}) does",
                repair="use that one, or revise it",
            )
    _uses(skill, program, others)
    update = {"signature": program.signature, "about": program.about}
    return Skill.model_validate({**skill.model_dump(), **update})


def free_name(skill: Skill, peers: Iterable[Skill]) -> None:
    """Raises `Refused` where another skill that is not retired has the name of one that isn't."""
    for one in peers if skill.status != "retired" else ():
        if one.id != skill.id and one.name == skill.name and one.status != "retired":
            raise Refused(
                f"skill {skill.name} exists already: {one.id} ({one.status})",
                repair="revise that one, retire it, or take another name",
            )


def room(env: str) -> str:
    """The environment without its variant: skills of `household:tiny` are those of `household`."""
    return env.partition(":")[0]


def _goals(skill: Skill, program: Program) -> None:
    known = sorted(parameter.name for parameter in program.parameters)
    for goal in skill.goals:
        for name in re.findall(r"\{([^{}]*?)[+,]?\}", goal):
            if name not in known:
                raise Refused(
                    f"goal {goal!r} names {name!r}, which is no parameter of {skill.name}",
                    repair=f"its parameters are {', '.join(known) or 'none'}",
                )


def _uses(skill: Skill, program: Program, peers: Mapping[str, Skill]) -> None:
    for id_ in skill.uses:
        if id_ not in peers:
            raise UnknownName("skill", id_, peers)
        if peers[id_].name not in program.calls:
            raise Refused(
                f"skill {skill.name} names {peers[id_].name} and does not call it",
                repair="leave it out of what it uses",
            )
    for one in peers.values():
        if one.name in program.calls and one.id not in skill.uses:
            raise Refused(
                f"skill {skill.name} calls {one.name} and does not name it",
                repair=f"add {one.id} to what it uses",
            )
