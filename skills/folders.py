"""Skills as folders that other agents read: Agent Skills (https://agentskills.io/specification).

    put-in/SKILL.md             name, description and metadata in YAML, then how it is called
    put-in/scripts/put_in.py    its code, and that of every skill that it calls
    put-in/assets/skills.json   goals, what it requires, where it comes from, trials, effect

What comes in is somebody else's: its evidence is a claim that counts for nothing here, it starts as
a candidate, and nothing of the folder is read but the files above.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from yaml.tokens import AliasToken, AnchorToken, TagToken

from envs.errors import JourneymanError, Refused, clip, one_line
from envs.types import Frozen
from memory.rows import first_of
from skills.fitting import room
from skills.library import Library
from skills.program import HOST, TAKEN, fingerprint, read
from skills.types import Origin, Skill, Trial

FORMAT = 1
"""Version of `assets/skills.json`; a newer one is refused."""
ABOUT, DATA = "SKILL.md", "assets/skills.json"
LONGEST = {ABOUT: 100_000, DATA: 1_000_000}
"""Bytes of a file."""
LONGEST_CODE = 800_000
LONGEST_DESCRIPTION = 1024
MOST_SKILLS = 50
"""In one folder."""
NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
FOLDER = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
HIDDEN = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff]"
)
"""What a terminal obeys, or a reader does not see."""


class Folder(Frozen):
    """What a folder holds, as its exporter wrote it; ids are names."""

    skill: Skill
    """The skill that it is about."""
    needs: tuple[Skill, ...] = ()
    """Those that it calls, each behind what it calls itself."""
    altered: tuple[str, ...] = ()
    """Names of those whose code is not what was exported."""


def export(library: Library, name: str, *, to: Path, license: str = "") -> Path:  # noqa: A002
    """Writes a skill and all that it calls into a new folder under `to`, and gives its path.

    Raises `UnknownName`, and `Refused` where the folder exists or can't be written.
    """
    skill = library.get(name)
    needs = [one for one in library.closure(skill) if one.id != skill.id]
    path = to / folder_name(skill.name)
    try:
        to.mkdir(parents=True, exist_ok=True)
        if path.exists() or path.is_symlink():
            raise Refused(f"{path} exists", repair="take another place with --to, or remove it")
        with tempfile.TemporaryDirectory(dir=to, prefix=".skill-") as made:
            draft = Path(made) / path.name
            for place, text in files(skill, needs=needs, license=license).items():
                file = draft / place
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text, "utf-8", newline="\n")
            draft.rename(path)
    except (OSError, UnicodeEncodeError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise Refused(f"{path} can't be written: {why}", repair="take another place") from error
    return path


def files(skill: Skill, *, needs: Sequence[Skill] = (), license: str = "") -> dict[str, str]:  # noqa: A002
    """Text by path of a folder that holds `skill` and the skills that it needs."""
    names = {one.id: one.name for one in (*needs, skill)}
    packed = []
    for one in (*needs, skill):
        measured = one.effect.shown or one.effect.withheld or one.effect.replayed
        left_out = {"id", "code", "status", "trust"} | (set() if measured else {"effect"})
        data = one.model_dump(mode="json", exclude=left_out)
        uses = [names[id_] for id_ in one.uses]
        packed.append({**data, "uses": uses, "sha256": _sha256(one.code)})
    return {
        ABOUT: _front(skill, license) + _body(skill, needs),
        DATA: json.dumps({"format": FORMAT, "skills": packed}, indent=1, ensure_ascii=True) + "\n",
        **{f"scripts/{one.name}.py": one.code for one in (*needs, skill)},
    }


def read_folder(folder: Path) -> Folder:
    """What a folder holds. Raises `Refused`, in one line, for whatever is wrong with it."""
    folder = folder if folder.name not in ("", "..") else folder.resolve()
    if not folder.is_dir():
        raise Refused(f"{folder} is no folder", repair="name the folder that holds SKILL.md")
    front = _frontmatter(_text(folder, ABOUT), folder)
    data = _data(folder)
    found: dict[str, Skill] = {}
    altered: list[str] = []
    for raw in data:
        name = raw.pop("name", None) if isinstance(raw, dict) else None
        if not isinstance(name, str) or not NAME.fullmatch(name) or name in found:
            raise _bad(folder, f"{DATA} holds a skill without a name of its own")
        code = _text(folder, f"scripts/{name}.py")
        digest = raw.pop("sha256", "")
        altered += [] if digest == _sha256(code) else [name]
        given = {**raw, "name": name, "code": code, "id": name, "status": "candidate"}
        found[name] = _skill(given, folder, known=found)
    skill = found[next(reversed(found))]
    if folder_name(skill.name) != front["name"]:
        raise _bad(folder, f"{ABOUT} is about {front['name']!r}, {DATA} about {skill.name!r}")
    return Folder(skill=skill, needs=tuple(found.values())[:-1], altered=tuple(altered))


def take_in(library: Library, folder: Path, *, actor: str = "user") -> tuple[Skill, ...]:
    """Imports a folder: adds its skill, after those that it calls and that are not here yet.

    All are candidates with the trust of web pages, without trials or effect. Raises `Refused`, and
    then nothing was added.
    """
    given = read_folder(folder)
    ids: dict[str, str] = {}
    added: list[Skill] = []
    try:
        for one in (*given.needs, given.skill):
            twin = _here(library, one) if one is not given.skill else None
            if twin is None:
                fresh = _untrusted(one, folder, altered=one.name in given.altered)
                uses = tuple(ids[name] for name in one.uses)
                claim = f"claimed by the exporter: {told(one.trials)}"
                reason = f"imported from {fresh.origin.address}"
                fresh = fresh.model_copy(update={"uses": uses})
                twin = library.add(fresh, reason=reason, actor=actor, evidence=(claim,))
                added.append(twin)
            ids[one.name] = twin.id
    except JourneymanError:
        for one in reversed(added):
            library.undo(library.history(one.id)[0].id, reason="the import failed", actor=actor)
        raise
    return tuple(added)


def folder_name(name: str) -> str:
    """The name of a skill as the specification wants it: `put_in` is `put-in`."""
    return re.sub(r"_+", "-", name).strip("-")


def told(trials: Sequence[Trial]) -> str:
    """How trials went, in a few words: `7 of 8 trials to solve passed`."""
    parts = []
    for purpose in ("solve", "decline", "keep"):
        these = [one for one in trials if one.purpose == purpose]
        if these:
            passed = sum(one.passed for one in these)
            parts.append(f"{passed} of {len(these)} trials to {purpose} passed")
    return ", ".join(parts) or "no trials"


def _untrusted(skill: Skill, folder: Path, *, altered: bool) -> Skill:
    """The form in which a skill of somebody else comes in; it has to tell what it may do."""
    for one in skill.requires:
        if not re.match(r"\w", one):
            raise _bad(folder, f"skill {skill.name} requires {one!r}, which may be anything")
    keys = (*skill.origin.task_keys, *(trial.task_key for trial in skill.trials))
    by = skill.origin.by or skill.origin.author
    what = "; its code was altered after it was exported" if altered else ""
    origin = Origin(
        author="import",
        by=by,
        runs=skill.origin.runs,
        task_keys=tuple(dict.fromkeys(keys)),
        address=str(folder.absolute()),
    )
    return Skill.model_validate(
        {
            **skill.model_dump(exclude={"effect"}),
            "id": "",
            "status": "candidate",
            "trust": "web",
            "trials": (),
            "note": clip(f"its exporter claims {told(skill.trials)}{what}", most=300),
            "origin": origin.model_dump(),
        }
    )


def _here(library: Library, skill: Skill) -> Skill | None:
    """A skill that stands here and is the same."""
    for one in library.all(env=skill.env):
        if one.status not in ("retired", "quarantined") and one.name == skill.name:
            same = fingerprint(one.code) == fingerprint(skill.code)
            return one if same else None
    return None


def _front(skill: Skill, license: str) -> str:  # noqa: A002
    """The YAML in front: quoted strings and nothing else, so that every reader agrees on it."""
    when = "; ".join(skill.goals[:5])
    use = f" Use it in {room(skill.env)} for goals like: {when}" if when else ""
    about = one_line(skill.about) or f"The function {skill.name}."
    fields = {"name": folder_name(skill.name)}
    fields["description"] = clip(f"{about}{use}", most=LONGEST_DESCRIPTION)
    if license:
        fields["license"] = clip(one_line(license), most=200)
    fields["compatibility"] = (
        f"Calls functions of Journeyman's environment {clip(skill.env, most=100)!r}; "
        "`journeyman skills import` runs it in a sandbox."
    )
    more = {
        "format": str(FORMAT),
        "function": skill.name,
        "signature": skill.signature,
        "version": str(skill.version),
        "env": skill.env,
        "author": skill.origin.author,
        "by": skill.origin.by,
        "status": skill.status,
        "trials": told(skill.trials),
        "evidence": DATA,
        "sha256": _sha256(skill.code),
    }
    lines = [f"{key}: {_quoted(value)}" for key, value in fields.items()]
    lines += ["metadata:", *(f"  journeyman-{key}: {_quoted(v)}" for key, v in more.items() if v)]
    return "\n".join(["---", *lines, "---", ""])


def _body(skill: Skill, needs: Sequence[Skill]) -> str:
    """What a reader is told."""
    program = read(skill.code, skill.name)
    names = {one.name for one in needs}
    calls = ", ".join(f"`{name}`" for name in sorted(program.calls - names - (TAKEN - HOST)))
    lines = [f"\n# {skill.name}\n", skill.about or "No description.", ""]
    if skill.goals:
        lines += ["It is for goals like these:\n", *(f"- {goal}" for goal in skill.goals), ""]
    lines += [
        "## How it is called\n",
        f"`scripts/{skill.name}.py` defines `{skill.signature}`. It returns True when it believes "
        "that it is done, and False when it is not.",
        f"It calls functions of its environment: {calls or 'none'}.",
    ]
    if names:
        scripts = ", ".join(f"`scripts/{name}.py`" for name in sorted(names))
        lines.append(f"It calls other skills: {scripts}.")
    if skill.requires:
        lines += ["\nIt does nothing but:\n", *(f"- `{one}`" for one in skill.requires)]
    lines += [
        "\n## Evidence\n",
        f"Version {skill.version}: {told(skill.trials)}. Every trial is in `{DATA}`.",
        "\nTo play it: `journeyman skills import` this folder, then `journeyman skills verify`.",
    ]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """A YAML string without the marks that end the front matter."""
    clean = HIDDEN.sub(" ", text).encode("utf-8", "replace").decode()
    return re.sub(r"-(?=--)", r"\\u002d", json.dumps(clean, ensure_ascii=False))


def _frontmatter(text: str, folder: Path) -> Mapping[str, Any]:
    """The fields in front of SKILL.md; only plain strings, lists and mappings are read."""
    match = re.match(r"---[ ]*\n(.*?)\n---[ ]*(\n|$)", text, flags=re.DOTALL)
    if not match:
        raise _bad(folder, f"{ABOUT} does not begin with YAML between two lines of ---")
    try:
        for token in yaml.scan(match[1], Loader=yaml.BaseLoader):
            if isinstance(token, AliasToken | AnchorToken | TagToken):
                line = token.start_mark.line + 2
                raise _bad(folder, f"{ABOUT} has an alias, anchor or tag in line {line}")
        fields = yaml.load(match[1], Loader=yaml.BaseLoader)  # noqa: S506 - strings only
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise _bad(folder, f"{ABOUT} is no YAML: {clip(one_line(str(error)))}") from None
    fields = fields if isinstance(fields, dict) else {}
    name, about = fields.get("name"), fields.get("description")
    if not isinstance(name, str) or len(name) > 64 or not FOLDER.fullmatch(name):
        raise _bad(folder, f"{ABOUT} has no name of lowercase letters, digits and single hyphens")
    if name != folder.name:
        raise _bad(folder, f"{ABOUT} names {name!r}; folder and name have to be the same")
    if not isinstance(about, str) or not 0 < len(about.strip()) <= LONGEST_DESCRIPTION:
        raise _bad(folder, f"{ABOUT} has no description of 1 to {LONGEST_DESCRIPTION} characters")
    return fields


def _data(folder: Path) -> list[Any]:
    try:
        data = json.loads(_text(folder, DATA))
    except (ValueError, RecursionError) as error:
        raise _bad(folder, f"{DATA} is no JSON: {clip(one_line(str(error)))}") from None
    found = data.get("skills") if isinstance(data, dict) else None
    if not isinstance(found, list) or not 0 < len(found) <= MOST_SKILLS:
        raise _bad(folder, f"{DATA} has no list of 1 to {MOST_SKILLS} `skills`")
    if data.get("format") != FORMAT:
        raise Refused(
            f"{folder} has format {clip(str(data.get('format')))}, this version reads {FORMAT}",
            repair="update Journeyman with `pip install -U journeyman`",
        )
    return found


def _skill(raw: dict[str, Any], folder: Path, *, known: Mapping[str, Skill]) -> Skill:
    try:
        skill = Skill.model_validate(raw)
    except (ValidationError, RecursionError) as error:
        why = first_of(error) if isinstance(error, ValidationError) else "nested too deeply"
        raise _bad(folder, f"skill {raw['name']} does not fit: {clip(why, most=200)}") from None
    if _hides(skill.model_dump(mode="json")):
        raise _bad(folder, f"skill {raw['name']} has invisible or control characters")
    if not 1 <= skill.version <= 1_000_000:
        raise _bad(folder, f"skill {raw['name']} has version {clip(str(skill.version))}")
    for name in skill.uses:
        if name not in known:
            raise _bad(folder, f"skill {raw['name']} uses {clip(name)!r}, which is not before it")
    return skill


def _hides(value: Any) -> bool:
    if isinstance(value, str):
        return HIDDEN.search(value) is not None
    if isinstance(value, dict):
        return any(_hides(part) for item in value.items() for part in item)
    return isinstance(value, list) and any(_hides(part) for part in value)


def _text(folder: Path, place: str) -> str:
    """A file of the folder: a plain one, not too large, not reached through a link."""
    path, most = folder / place, LONGEST.get(place, LONGEST_CODE)
    try:
        for one in (path, *path.parents[: place.count("/")]):
            if one.is_symlink():
                raise _bad(folder, f"{one.relative_to(folder)} is a link")
        no_waiting = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        with open(os.open(path, os.O_RDONLY | no_waiting), "rb") as file:  # noqa: PTH123
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise _bad(folder, f"{place} is no plain file")
            body = file.read(most + 1)
        if len(body) > most:
            raise _bad(folder, f"{place} has more than {most:,} bytes")
        text = body.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise _bad(folder, f"{place} is not UTF-8") from None
    except OSError as error:
        why = error.strerror or str(error)
        raise _bad(folder, f"{place} can't be read: {why}") from error
    if HIDDEN.search(text):
        raise _bad(folder, f"{place} has invisible or control characters")
    return text


def _sha256(code: str) -> str:
    return hashlib.sha256(code.encode("utf-8", "replace")).hexdigest()


def _bad(folder: Path, why: str) -> Refused:
    repair = "take a folder that `journeyman skills export` wrote"
    return Refused(f"{clip(str(folder))} can't be imported: {why}", repair=repair)
