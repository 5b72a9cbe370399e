"""What can be chosen in the agent, what chooses it, and the paper that it comes from."""

from __future__ import annotations

from typing import Literal

from agent.curricula import CURRICULA, OWN_TASKS
from agent.proposers.registry import PROPOSERS
from agent.settings import LearningSettings, Mechanism, Reflection, SecondLook, Settings
from agent.strategies_foresight import told as told_of_foresight
from agent.strategies_students import told as told_of_students
from envs.types import Frozen

Part = Literal[
    "solver",
    "verifier",
    "reflector",
    "memory",
    "proposer",
    "skills",
    "distill",
    "selection",
    "arm",
    "eval",
    "curriculum",
]


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
    return (
        *_solvers(settings),
        *_verifiers(settings),
        *_learners(settings),
        *_mechanisms(settings),
        *(Choice.model_validate(one) for one in told_of_foresight(settings)),
        *_curricula(),
        *_proposers(),
        *_writers(),
        *_teachers(),
        *_thinking_over(settings.learning),
    )


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


def _mechanisms(settings: Settings) -> tuple[Choice, ...]:
    """Those that `learning.use` names."""
    told: tuple[tuple[Part, str, str, str], ...] = (
        (
            "memory",
            "across",
            "where this environment's lessons leave room, recalls those of others",
            "Jiang et al. 2024, Long Term Memory, arXiv 2410.15665",
        ),
        (
            "memory",
            "scales",
            "recalls insights of the task's scale and general ones, each with its share of room",
            "Fu et al. 2024, MSI-Agent, arXiv 2409.16686: its insight selector",
        ),
        (
            "memory",
            "consensus",
            "keeps lessons out that depart from what independent runs agree on; remembers which",
            "Wei et al. 2025, A-MemGuard, arXiv 2510.02373",
        ),
        (
            "reflector",
            "subtasks",
            "writes an entry after every sub-task, while the run goes on",
            "Yang et al. 2025, MUSE: Learning on the Job, arXiv 2510.08002",
        ),
        (
            "reflector",
            "tips",
            "writes a tip of thirty words after a failure, for this game or for all",
            "Chen et al. 2023, Introspective Tips, arXiv 2305.11598",
        ),
    )
    return tuple(
        Choice(
            part=part,
            name=name,
            does=does,
            paper=paper,
            setting=f'learning.use = ["{name}"]',
            chosen=name in settings.learning.use,
        )
        for part, name, does, paper in told
    )


def _curricula() -> tuple[Choice, ...]:
    """Which tasks come next, and tasks of the agent's own."""
    orders = (
        (name, one.does, one.paper, f"journeyman tasks next ENV --by {name}")
        for name, one in CURRICULA.items()
    )
    return tuple(
        Choice(part="curriculum", name=name, does=does, paper=paper, setting=setting, chosen=None)
        for name, does, paper, setting in (*orders, *OWN_TASKS)
    )


def _proposers() -> tuple[Choice, ...]:
    return tuple(
        Choice(
            part="proposer",
            name=name,
            does=kind.does,
            paper=kind.paper,
            setting=f"journeyman memory consolidate --with {name}",
            chosen=None,
        )
        for name, kind in PROPOSERS.items()
    )


def _writers() -> tuple[Choice, ...]:
    """How skills come to be, and the tasks that they are tried on."""
    told = (
        (
            "induction",
            "lays solved runs over each other; what recurs is a program; asks no model",
            "",
            "journeyman skills learn",
        ),
        (
            "model",
            "a model writes code from solved runs and mends it by what checks and practice find",
            "",
            "journeyman skills learn --with model",
        ),
        (
            "relabel",
            "failed runs count as ways to goals that they reached by the environment's score",
            "Colas et al. 2023, LMA3, arXiv 2305.12487",
            "journeyman skills learn --relabel",
        ),
        (
            "weave",
            "practises goals that no skill answers to, and writes skills from what held",
            "Zheng et al. 2025, SkillWeaver, arXiv 2504.07079",
            "journeyman skills weave",
        ),
        (
            "explore",
            "tries out on train tasks what pages offer, likeliest first, and writes skills from it",
            "Zheng et al. 2025, SkillWeaver, arXiv 2504.07079",
            "journeyman explore site",
        ),
        (
            "challenge",
            "a model makes up tasks as code; kept are those whose verifier can tell",
            "Zhou et al. 2025, Self-Challenging Language Model Agents, arXiv 2506.01716",
            "journeyman skills challenge",
        ),
        (
            "adapters",
            "puts LoRA deltas that share a task's tags on a model, weighted; from Python only",
            "Liu et al. 2025, Skill Expansion and Composition, arXiv 2502.05932",
            "distill.composing.composed(model, parts)",
        ),
    )
    return tuple(
        Choice(part="skills", name=name, does=does, paper=paper, setting=setting, chosen=None)
        for name, does, paper, setting in told
    )


def _teachers() -> tuple[Choice, ...]:
    """How rows and students come to be, and those who judge them."""
    return tuple(
        Choice(part="distill", name=name, does=does, paper=paper, setting=setting, chosen=None)
        for name, does, paper, setting in told_of_students()
    )


LOOKS: dict[SecondLook, tuple[str, str]] = {
    "review": ("answers again after reading its answer; what the others are held against", ""),
    "if-or-else": (
        "keeps what the model is confident of, byte for byte, and revises the rest",
        "Li et al. 2024, Confidence Matters, arXiv 2402.12563",
    ),
    "instructed": (
        "answers in rounds; an instructor says refresh, stop or select",
        "Liu et al. 2025, Instruct-of-Reflection, arXiv 2503.00902",
    ),
    "self-contrast": (
        "answers from several perspectives; where they differ a checklist decides",
        "Zhang et al. 2024, Self-Contrast, arXiv 2401.02009",
    ),
    "mistakes": (
        'asks of recalled pitfalls "have I made this mistake?" before it counts',
        "Tong et al. 2024, Can LLMs Learn from Previous Mistakes?, arXiv 2403.20046",
    ),
}
KINDS: dict[Reflection, str] = {
    "retry": "a failed attempt leaves nothing but that it failed",
    "keywords": "a failed attempt leaves the kinds of its mistakes",
    "advice": "a failed attempt leaves general advice",
    "explanation": "a failed attempt leaves why it failed",
    "instructions": "a failed attempt leaves what to do next, in order",
    "solution": "a failed attempt leaves the actions that would have done it",
    "composite": "a failed attempt leaves all five of these",
    "unredacted": "a failed attempt leaves all five, and what was done",
}
KEPT: dict[Mechanism, tuple[str, str]] = {
    "guideline": (
        "advice goes by the guideline that `memory consolidate --with guideline` writes",
        "Askari et al. 2024, MAGIC, arXiv 2406.12692",
    ),
    "retried": (
        "keeps reflections as lessons, raised or lowered by how their retry ended",
        "Bensal et al. 2025, Reflect, Retry, Reward, arXiv 2505.24726",
    ),
}


def _thinking_over(learning: LearningSettings) -> tuple[Choice, ...]:
    looks = (
        Choice(
            part="reflector",
            name=name,
            does=does,
            paper=paper,
            setting=f'learning.second_look = "{name}"',
            chosen=learning.second_look == name,
        )
        for name, (does, paper) in LOOKS.items()
    )
    kinds = (
        Choice(
            part="reflector",
            name=name,
            does=does,
            paper="Renze & Guven 2024, Self-Reflection in LLM Agents, arXiv 2405.06682",
            setting=f'learning.reflection = "{name}"',
            chosen=learning.reflection == name,
        )
        for name, does in KINDS.items()
    )
    kept = (
        Choice(
            part="reflector",
            name=name,
            does=does,
            paper=paper,
            setting=f'learning.use = ["{name}"]',
            chosen=name in learning.use,
        )
        for name, (does, paper) in KEPT.items()
    )
    return (*looks, *kinds, *kept)
