"""Which of two answers is better, found out with tools before anybody has an opinion.

After "Anyprefer" (Zhou et al. 2025, arXiv 2504.19276; catalogue row anyprefer). The judge first
calls tools. Where what they say stands in one answer only, that decides; else the judge does, with
their results before it, asked twice with the answers the other way round: if it prefers a place to
an answer, it has not decided. What becomes of a judgement: `distill/preferring.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from agent.chatting import ARGUMENT_TOKENS, bounded
from agent.crossing import off
from agent.models.types import Message, Model, Sampling
from agent.reflectors.types import object_of, one_of
from agent.transcript import prompt
from distill.preferring import By, Evidence, Judgement, borne_out, shares_weights
from envs.chat import Toolset, clean
from envs.errors import JourneymanError, boundary, clip
from memory.text import strip_marked
from memory.types import Usage

CALLS = 2
"""Most calls of tools for one pair."""
LONGEST = 2000
"""Most characters of an answer or a result that the judge sees."""
NONE = "none"
TOKENS = 24
"""Most tokens of a choice."""


async def judged(
    judge: Model,
    question: Sequence[Message],
    answers: tuple[str, str],
    *,
    target: str,
    tools: Toolset | None = None,
    bases: Mapping[str, str] | None = None,
) -> tuple[Judgement, Usage]:
    """A judgement on two answers of the model called `target` to the last message of `question`.

    Without tools it has no evidence. `bases` gives the base of a model by name, for those whose
    names do not tell. Raises `ModelError` when the judge does not answer.
    """
    evidence, usage = await gathered(judge, question, answers, tools=tools or {})
    better: Literal[0, 1] | None = borne_out(answers, evidence)
    by: By = "tool"
    if better is None:
        by = "judge"
        better, spent = await _opinion(judge, question, answers, evidence)
        usage += spent
    made = Judgement(
        prompt=tuple(question),
        answers=answers,
        better=better,
        by=by,
        evidence=evidence,
        judge=judge.name,
        target=target,
        shares_weights=shares_weights(judge.name, target, bases=bases),
    )
    return made, usage


async def gathered(
    judge: Model, question: Sequence[Message], answers: tuple[str, str], *, tools: Toolset
) -> tuple[tuple[Evidence, ...], Usage]:
    """What the tools say that the judge called, `CALLS` at most; a call that failed says nothing.

    First the name of a tool, then its arguments, as weak models can. The same call is made once.
    """
    found, usage, made = list[Evidence](), Usage(), list[tuple[str, str]]()
    for _ in range(CALLS if tools else 0):
        about = "\n".join(f"- {spec.name}: {spec.description}" for spec, _ in tools.values())
        text = f"{_shown(question, answers, found)}\n\nTools:\n{about}"
        messages: list[Message] = [
            {"role": "system", "content": prompt("prefer_tool")},
            {"role": "user", "content": text},
        ]
        chosen = await judge.reply(
            messages,
            schema=object_of(tool=one_of([*tools, NONE])),
            sampling=Sampling(max_tokens=TOKENS),
        )
        usage += chosen.usage
        name = str((chosen.data or {}).get("tool", NONE))
        if name == NONE:
            break
        spec, call = tools[name]
        filled = await judge.reply(
            [
                *messages,
                {"role": "assistant", "content": chosen.text},
                {"role": "user", "content": f"The arguments of {name}, as JSON."},
            ],
            schema=bounded(spec.parameters),
            sampling=Sampling(max_tokens=ARGUMENT_TOKENS),
        )
        usage += filled.usage
        arguments = filled.data or {}
        if (name, str(arguments)) in made:
            break
        made.append((name, str(arguments)))
        try:
            with boundary(name):
                result = clip(clean(str(await off(call, arguments))), most=LONGEST)
        except JourneymanError:
            continue
        if not result.startswith("error:"):
            found.append(Evidence(tool=name, arguments=arguments, result=result))
    return tuple(found), usage


async def _opinion(
    judge: Model,
    question: Sequence[Message],
    answers: tuple[str, str],
    evidence: Sequence[Evidence],
) -> tuple[Literal[0, 1] | None, Usage]:
    """The answer that the judge prefers in both orders; None: it prefers a place."""
    usage, firsts = Usage(), list[bool]()
    for pair in (answers, (answers[1], answers[0])):
        reply = await judge.reply(
            [
                {"role": "system", "content": prompt("prefer")},
                {"role": "user", "content": _shown(question, pair, evidence)},
            ],
            schema=object_of(better=one_of(["first", "second"])),
            sampling=Sampling(max_tokens=TOKENS),
        )
        usage += reply.usage
        firsts.append((reply.data or {}).get("better") == "first")
    if firsts[0] == firsts[1]:
        return None, usage
    return (0 if firsts[0] else 1), usage


def _shown(
    question: Sequence[Message], answers: tuple[str, str], evidence: Sequence[Evidence]
) -> str:
    """Question, answers and results; nothing tells who answered."""
    asked = str(question[-1].get("content", "")) if question else ""
    parts = [f"Question:\n{asked}"]
    parts += [
        f"{which} answer:\n{clip(answer, most=LONGEST)}"
        for which, answer in zip(("First", "Second"), answers, strict=True)
    ]
    parts += [f"Result of {one.tool} for {one.arguments}:\n{one.result}" for one in evidence]
    return strip_marked("\n\n".join(parts))
