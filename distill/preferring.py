"""Preference pairs that carry the evidence for their verdict.

After "Anyprefer: An Agentic Framework for Preference Data Synthesis" (Zhou et al. 2025, arXiv
2504.19276; catalogue row anyprefer): a target model answers, a judge calls tools before it prefers,
and what the tools said goes with the pair. Where a tool's result stands in one answer and not in
the other, that decides, whatever the judge says. Pairs without evidence are left out unless they
are asked for; pairs whose judge has the target's weights are marked, since models favour what they
wrote themselves. Who asks: `agent/preferences.py`. What differs: the paper's feedback step, which
rewrites the prompts of both, is left out.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from pydantic import Field

from distill.rows import Origin, Pair
from envs.types import Frozen

NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?")
By = Literal["tool", "judge", "environment"]
"""Who decided: what a tool said, what a judge thought, what came of it in the environment."""
Side = Literal[0, 1]


class Evidence(Frozen):
    """What a tool said, or what was seen in the environment."""

    tool: str
    """Its name; `environment` for a way that was played."""
    arguments: dict[str, Any] = Field(default_factory=dict)
    """What it was asked."""
    result: str
    """What it said."""


class Judgement(Frozen):
    """Two answers to one prompt, and which is better."""

    prompt: tuple[dict[str, Any], ...]
    """The messages that were answered."""
    answers: tuple[str, str]
    """What was answered."""
    better: Side | None
    """Place of the better one; None: undecided."""
    by: By = "judge"
    """Who decided."""
    evidence: tuple[Evidence, ...] = ()
    """What it rests on."""
    judge: str = ""
    """The model that judged, or that called the tools."""
    target: str = ""
    """The model that answered."""
    shares_weights: bool = False
    """Judge and target have the same base weights."""
    origin: Origin | None = None
    """Where the prompt comes from, if from a run."""


class Grounds(Frozen):
    """What a pair rests on."""

    by: By
    """Who decided."""
    evidence: tuple[Evidence, ...]
    """What it rests on; empty only where pairs without evidence were asked for."""
    judge: str
    """The model that judged, or called the tools; empty: none did."""
    target: str
    """The model that answered."""
    shares_weights: bool
    """Judge and target have the same base weights."""


class Preference(Pair):
    """A pair for a preference trainer, with what it rests on."""

    grounds: Grounds
    """Why the one is better."""


class Exported(Frozen):
    """Pairs, and how many were left out."""

    pairs: tuple[Preference, ...]
    """Those that may train."""
    dropped: dict[str, int]
    """By why: `undecided`, `same` (both answers say the same), `unproven` (no evidence),
    `held out`, `own judge` (its judge has the target's weights)."""

    @property
    def flagged(self) -> int:
        """Pairs whose judge has the target's weights."""
        return sum(pair.grounds.shares_weights for pair in self.pairs)


def preferences(
    judgements: Iterable[Judgement],
    *,
    unproven: bool = False,
    own_judge: bool = True,
    held_out_keys: Iterable[str] = (),
) -> Exported:
    """The pairs of all judgements that decided. `unproven` lets those without evidence in.

    Without `own_judge` pairs are left out that were decided by a judge with the target's weights;
    what a tool or the environment decided stays.
    """
    pairs, dropped, held = list[Preference](), Counter[str](), frozenset(held_out_keys)
    for one in judgements:
        if one.better is None:
            dropped["undecided"] += 1
        elif one.answers[0].strip() == one.answers[1].strip():
            dropped["same"] += 1
        elif not one.evidence and not unproven:
            dropped["unproven"] += 1
        elif one.origin is not None and one.origin.task_key in held:
            dropped["held out"] += 1
        elif one.shares_weights and one.by == "judge" and not own_judge:
            dropped["own judge"] += 1
        else:
            pairs.append(_pair(one, one.answers[one.better], one.answers[1 - one.better]))
    return Exported(pairs=tuple(pairs), dropped=dict(dropped))


def _pair(one: Judgement, chosen: str, rejected: str) -> Preference:
    origin = one.origin or _nowhere(one.target)
    return Preference(
        prompt=one.prompt,
        chosen=({"role": "assistant", "content": chosen},),
        rejected=({"role": "assistant", "content": rejected},),
        metadata=origin.model_copy(update={"made": "pair"}),
        grounds=Grounds(
            by=one.by,
            evidence=one.evidence,
            judge=one.judge,
            target=one.target,
            shares_weights=one.shares_weights,
        ),
    )


def _nowhere(target: str) -> Origin:
    """Where answers to a question come from that belongs to no run."""
    return Origin(
        trajectory="",
        env="",
        task="",
        task_key="",
        task_type="",
        model=target,
        config="",
        arm="",
        score=0.0,
        steps=1,
        attempts=1,
        recalled=(),
        rebuilt=False,
        teacher=f"model {target}",
    )


def borne_out(answers: tuple[str, str], evidence: Sequence[Evidence]) -> Side | None:
    """The answer that says the last number of a tool's result, where the other one does not.

    None where results bear out neither, both, or one each.

    >>> borne_out(("It is 1,204.", "1104."), [Evidence(tool="calculator", result="1204")])
    0
    """
    found = [_bears(answers, one.result) for one in evidence]
    first, second = (any(pair[n] for pair in found) for n in (0, 1))
    return None if first == second else 0 if first else 1


def _bears(answers: tuple[str, str], result: str) -> tuple[bool, bool]:
    """Which answers say the last number of `result`; neither, where both do."""
    numbers = _numbers(result)[-1:]
    first, second = (bool(numbers) and numbers[0] in _numbers(answer) for answer in answers)
    return first and not second, second and not first


def _numbers(text: str) -> list[float]:
    return [float(match.replace(",", "")) for match in NUMBER.findall(text)]


def shares_weights(judge: str, target: str, *, bases: Mapping[str, str] | None = None) -> bool:
    """Whether two models, by name, have the same base weights. `bases`: base by name of a model.

    A student is its base with an adapter, and both are named after the base: what stands in
    brackets at the end of a name is how it is served.

    >>> shares_weights("SmolLM2-135M-Instruct (embedded)", "SmolLM2-135M-Instruct (student a1)")
    True
    """
    known = bases or {}
    one, two = (known.get(name, name).partition(" (")[0].strip() for name in (judge, target))
    return bool(one) and one == two
