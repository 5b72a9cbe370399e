"""What can be chosen in the agent, what chooses it, and the paper that it comes from."""

from __future__ import annotations

from typing import Literal

from agent.settings import Settings
from envs.types import Frozen

Part = Literal["solver", "verifier", "reflector", "memory", "selection", "arm", "eval"]


class Choice(Frozen):
    """Something that can be chosen."""

    part: Part
    """Which part of the agent, or of the laboratory."""
    name: str
    """What it is called."""
    does: str
    """What it does, in a line."""
    paper: str
    """Where it comes from; empty: our own."""
    setting: str
    """What chooses it: a line of `journeyman.toml`, or the command."""
    chosen: bool | None
    """Whether the settings choose it; None where settings don't."""


def choices(settings: Settings) -> tuple[Choice, ...]:
    """Everything that the settings choose in the agent, with what they have chosen."""
    return (*_solvers(settings), *_verifiers(settings), *_learners(settings))


def _solvers(settings: Settings) -> tuple[Choice, ...]:
    solver = settings.solver
    return (
        Choice(
            part="solver",
            name="greedy",
            does="one reply a step, the likeliest; admissible actions only, where they are listed",
            paper="",
            setting="solver.temperature = 0.0",
            chosen=solver.temperature == 0,
        ),
        Choice(
            part="solver",
            name="think",
            does="a thought before each action",
            paper="Yao et al. 2022, ReAct, arXiv 2210.03629",
            setting="solver.think = true",
            chosen=solver.think,
        ),
        Choice(
            part="solver",
            name="break_loops",
            does="withdraws an action that was done twice in the same situation without effect",
            paper="",
            setting="solver.break_loops = true",
            chosen=solver.break_loops,
        ),
        Choice(
            part="solver",
            name="retries",
            does="begins a rejected attempt again, with a reflection; an oracle_retry",
            paper="Shinn et al. 2023, Reflexion, arXiv 2303.11366",
            setting="solver.retries = 2",
            chosen=solver.retries > 0,
        ),
        Choice(
            part="selection",
            name="overthinking",
            does="of equally verified runs keeps the one that thought least in place of acting",
            paper="Cuadron et al. 2025, The Danger of Overthinking, arXiv 2502.08235",
            setting="journeyman eval overthinking",
            chosen=None,
        ),
    )


def _verifiers(settings: Settings) -> tuple[Choice, ...]:
    return (
        Choice(
            part="verifier",
            name="environment",
            does="the episode ended by itself, or it did not; always there, except in chat",
            paper="",
            setting="",
            chosen=None,
        ),
        Choice(
            part="verifier",
            name="tool results",
            does="an answer carries the number that a tool worked out for it; always there in chat",
            paper="",
            setting="",
            chosen=None,
        ),
        Choice(
            part="verifier",
            name="judge",
            does="a model judges a chat answer as somebody else's, and has to cite steps",
            paper="Tsui 2025, Self-Correction Bench, arXiv 2507.02778: as third-party text",
            setting="judge = true",
            chosen=settings.judge,
        ),
        Choice(
            part="verifier",
            name="selfcheck",
            does="the solver's model may doubt a chat answer; it never accepts or replaces one",
            paper="Luo et al. 2023, Critique Ability of Large Language Models, arXiv 2310.04815",
            setting="selfcheck = true",
            chosen=settings.selfcheck,
        ),
    )


def _learners(settings: Settings) -> tuple[Choice, ...]:
    memory = settings.memory
    return (
        Choice(
            part="reflector",
            name="plain",
            does="a rule over the steps writes advice and workflows; no model",
            paper="",
            setting='memory.drafts = "plain"',
            chosen=memory.drafts == "plain",
        ),
        Choice(
            part="reflector",
            name="written",
            does="a model writes advice and lessons, which have to quote the step they come from",
            paper="Shinn et al. 2023, Reflexion, arXiv 2303.11366: advice in words",
            setting='memory.drafts = "written"',
            chosen=memory.drafts == "written",
        ),
        Choice(
            part="reflector",
            name="auto",
            does="written, and plain for the embedded model",
            paper="",
            setting='memory.drafts = "auto"',
            chosen=memory.drafts == "auto",
        ),
        Choice(
            part="memory",
            name="recall",
            does="consults memory before each action, under a token budget, free to find nothing",
            paper="",
            setting="memory.recall = true",
            chosen=memory.recall,
        ),
        Choice(
            part="memory",
            name="learn",
            does="writes lessons after runs on train tasks and chats",
            paper="",
            setting="memory.learn = true",
            chosen=memory.learn,
        ),
    )
