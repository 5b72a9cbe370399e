"""What can be held against a draft before its trials: what it says, and what it does at home.

Those who write code are told these lines, so that they can mend it. Nothing here admits a skill.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Sequence

from envs.errors import EnvError, Refused, UnknownName, clip, one_line
from envs.types import Action, Step, ToolSpec
from skills.calling import bound
from skills.playing import TEXT_STUBS, Stage, play, tool_stubs
from skills.program import problems, read
from skills.sandbox import Sandbox
from skills.trials import Ground
from skills.types import Draft, Shown, Skill

FAULTS = 4
"""Most faults that are told at once."""
TOLD = 14
"""Most actions of a play that are told; the last are."""


def stubs_of(tools: Sequence[ToolSpec], known: Sequence[Skill]) -> str:
    """Signatures of all that code may call: tools, or those of text, and skills."""
    base = tool_stubs(tools) if tools else TEXT_STUBS
    return base + "".join(f"def {one.signature}: ...\n" for one in known)


def faults(
    sandbox: Sandbox, code: str, name: str, *, parameters: Sequence[str], stubs: str
) -> list[str]:
    """Why `code` is no skill `name` with these text parameters; one line each.

    It is read, type-checked against `stubs`, and its definitions are run; nothing is called.
    """
    found = problems(code, name)
    if found:
        return found[:FAULTS]
    program = read(code, name)
    inside = ", ".join(f"{one}: str" for one in parameters)
    want = f"{name}({inside}) -> bool"
    given = [(one.name, one.type) for one in program.parameters]
    if given != [(one, "str") for one in parameters] or not program.signature.endswith("-> bool"):
        return [f"its signature is `{program.signature}`, asked is `{want}`"]
    if not program.about:
        return ["it has no docstring that says what it does"]
    error = sandbox.run(code, stubs=stubs).error
    return [error] if error else []


def mentioned(code: str, forms: Iterable[str]) -> tuple[str, ...]:
    """Forms of commands (`take * from *`) whose first words stand in the texts of `code`.

    Docstrings don't count.
    """
    said = [text.casefold() for text in _texts(ast.parse(code))]
    found: list[str] = []
    for form in forms:
        head = form.partition("*")[0].strip().casefold()
        if head and any(re.search(rf"(?<!\w){re.escape(head)}(?!\w)", text) for text in said):
            found.append(form)
    return tuple(found)


def practised(ground: Ground, draft: Draft, way: Shown) -> str:
    """What is wrong when a draft is played on the task of a way that it was written from.

    Empty: the environment scores it as solved, and the draft says so too. Anything else tells what
    it did and what came back.
    """
    library, env = ground.library, ground.env.name
    try:
        uses = library.uses_of(draft.code, name=draft.name, env=env)
        skill = Skill(id="", name=draft.name, env=env, code=draft.code, uses=uses)
        source = library.source(skill, latest=True)
        episode = ground.env.open(way.task)
    except (Refused, UnknownName, EnvError) as error:
        return one_line(str(error))
    lines: list[str] = []

    def do(action: Action) -> Step:
        step = episode.step(action)
        lines.append(f"> {action.text or action.tool} {action.arguments or ''}".rstrip())
        lines.append(clip(one_line(step.observation), most=160))
        return step

    given = bound(draft.goals, way.task.goal) or {}
    try:
        stage = Stage(
            episode.first, goal=way.task.goal, requires=draft.requires, tools=episode.tools
        )
        played = play(ground.sandbox, source, draft.name, given, stage=stage, do=do)
        score = episode.score()
    except EnvError as error:
        return one_line(str(error))
    finally:
        episode.close()
    solved = bool(score and score.passed)
    if solved and not played.error and played.claimed is not False:
        return ""
    inside = ", ".join(f"{key}={value!r}" for key, value in given.items())
    told = [f"{draft.name}({inside}) was played on: {way.task.goal}"]
    told += [f"({len(lines) // 2 - TOLD} actions before)"] if len(lines) > 2 * TOLD else []
    told += lines[-2 * TOLD :]
    if played.refused:
        told.append(f"It tried {played.refused[0]!r}, which was never offered in the examples.")
    told.append(f"It ended with: {_ended(played.claimed, played.error, solved=solved)}")
    return "\n".join(told)


def _ended(claimed: bool | None, error: str, *, solved: bool) -> str:
    if error:
        return error
    said = {True: "it returned True", False: "it returned False", None: "it returned no bool"}
    done = "the task was solved" if solved else "the task was not solved"
    return f"{said[claimed]}, and {done}"


def _texts(tree: ast.Module) -> list[str]:
    """Texts in code, parts of f-strings included and docstrings left out."""
    docs = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.Module)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs
    ]
