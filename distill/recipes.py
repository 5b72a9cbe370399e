"""The ways to make training rows, by name. A new one is a small file and a line here."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from distill import (
    followups,
    guidelines,
    rows_behaviours,
    rows_calls,
    rows_mistakes,
    rows_outcomes,
    rows_pairs,
    rows_reflections,
    rows_splices,
    rows_synthetic,
    rows_values,
    rows_verifying,
    votes,
)
from distill.attempts import Tried
from distill.rows import Line, rows
from distill.rows_groups import rates, tries
from envs.errors import Refused, UnknownName
from envs.types import Env, Episode
from memory.types import Trajectory


def at_parting(_run: Trajectory, _failed: Tried, parent: int) -> int:
    """A judge without a model: the first wrong step is the one where failure and success part."""
    return parent


@dataclass(frozen=True, slots=True)
class Given:
    """What recipes may ask for besides runs; each takes what it needs."""

    held_out_keys: Collection[str] = frozenset()
    """`Task.key` of tasks that no row may come from."""
    retries: bool = False
    """Let the last attempt of an oracle retry count as a success."""
    high: float = rows_values.HIGH
    """Least value of each step, for `steps`."""
    behaviours: Collection[str] = ()
    """Ids of lessons that are behaviours."""
    instruction: str = ""
    """What the reflector is told, for `reflections`."""
    about: Mapping[tuple[str, int], str] = field(default_factory=dict)
    """What is told of skills, by id and version."""
    open: Callable[[Trajectory], Episode] | None = None
    """A fresh episode of a run's task and seed, for recipes that play."""
    first_wrong: rows_splices.Judge = at_parting
    """Which step of a failed attempt was the first wrong one."""
    world: Callable[[str], Env] | None = None
    """Environments by name, for recipes that play further tasks."""
    guidance: Mapping[str, guidelines.Guidance] = field(default_factory=dict)
    """What stood before runs that had guidance, by their ids."""


Make = Callable[[Sequence[Trajectory], Given], Iterable[Line]]


@dataclass(frozen=True, slots=True)
class Recipe:
    """A way to make rows."""

    does: str
    """In one line."""
    paper: str
    """Where it comes from; empty: our own."""
    make: Make
    """Rows of runs."""
    trains: str = "sft"
    """What the rows are for: `sft`, `nft`, `dpo` or `value`."""


def _solved(runs: Sequence[Trajectory], given: Given) -> Iterator[Line]:
    return rows(runs, held_out_keys=given.held_out_keys, retries=given.retries)


def _calls(runs: Sequence[Trajectory], given: Given) -> Iterator[Line]:
    return rows_calls.rows(runs, about=given.about, held_out_keys=given.held_out_keys)


def _pairs(runs: Sequence[Trajectory], given: Given) -> Iterator[Line]:
    return rows_pairs.pairs(runs, held_out_keys=given.held_out_keys)


def _outcomes(runs: Sequence[Trajectory], given: Given) -> Iterator[Line]:
    return rows_outcomes.rows(runs, held_out_keys=given.held_out_keys)


def _splices(runs: Sequence[Trajectory], given: Given) -> Iterator[Line]:
    if given.open is None:
        raise Refused("agent-r plays its rows, and was given no environment", repair="name it")
    by_id = {run.id: run for run in runs}
    free = [run for run in runs if run.task_key not in given.held_out_keys]
    for splice in rows_splices.splices(free, first_wrong=given.first_wrong):
        run = by_id[splice.failed]
        episode = given.open(run)
        try:
            row = rows_splices.replayed(splice, episode, run=run)
        finally:
            episode.close()
        if row is not None:
            others = tuple(sorted({splice.succeeded} - {run.id}))
            origin = row.metadata.model_copy(update={"others": others, "outcome": True})
            yield row.model_copy(update={"metadata": origin})


def _steps(runs: Sequence[Trajectory], given: Given) -> Iterator[Line]:
    return rows_values.rows(runs, high=given.high, held_out_keys=given.held_out_keys)


def _values(runs: Sequence[Trajectory], given: Given) -> Iterator[Line]:
    return rows_values.values(runs, held_out_keys=given.held_out_keys)


def _verify(runs: Sequence[Trajectory], given: Given) -> Iterator[Line]:
    return rows_verifying.rows(runs, held_out_keys=given.held_out_keys)


def _mistakes(runs: Sequence[Trajectory], given: Given) -> Iterator[Line]:
    return rows_mistakes.rows(runs, held_out_keys=given.held_out_keys)


def _reflections(runs: Sequence[Trajectory], given: Given) -> Iterator[Line]:
    if not given.instruction:
        raise Refused("reflections need the reflector's instruction", repair="give it")
    return rows_reflections.rows(
        runs, instruction=given.instruction, held_out_keys=given.held_out_keys
    )


def _behaviours(runs: Sequence[Trajectory], given: Given) -> Iterator[Line]:
    return rows_behaviours.behaviour_rows(runs, given.behaviours, held_out_keys=given.held_out_keys)


def _imagined(runs: Sequence[Trajectory], given: Given) -> Iterator[Line]:
    return rows_synthetic.rows(runs, held_out_keys=given.held_out_keys)


def _votes(runs: Sequence[Trajectory], given: Given) -> Iterator[Line]:
    free = [run for run in runs if run.task_key not in given.held_out_keys]
    return iter(votes.voted(free).rows)


def _followups(runs: Sequence[Trajectory], given: Given) -> Iterator[Line]:
    if given.world is None:
        raise Refused("followups plays other tasks, and was given no environment", repair="name it")
    for env in dict.fromkeys(run.env for run in runs):
        own = list(
            rows(
                [run for run in runs if run.env == env],
                held_out_keys=given.held_out_keys,
                retries=given.retries,
            )
        )
        if not own:
            continue
        world, wanted = given.world(env), {row.metadata.trajectory for row in own}
        siblings = followups.nearby(world.tasks("train"))
        tried = [run for run in runs if run.id in wanted]
        found = followups.sifted(tried, followups.again(world), siblings=siblings)
        held = {one.trajectory for one in found.kept}
        yield from (row for row in own if row.metadata.trajectory in held)


def _guided(runs: Sequence[Trajectory], given: Given) -> Iterator[Line]:
    return guidelines.guided(rows(runs, held_out_keys=given.held_out_keys), given.guidance)


RECIPES: dict[str, Recipe] = {
    "sft": Recipe("verified successes, calls of skills as the actions that they did", "", _solved),
    "calls": Recipe(
        "verified successes: which skill to call, and when",
        "Wang et al. 2025, ASI, arXiv 2504.06821",
        _calls,
    ),
    "dpo": Recipe(
        "where a success and a failure at one task part: the right turn and the wrong one",
        "Rafailov et al. 2023, DPO, arXiv 2305.18290; Song et al. 2024, ETO, arXiv 2403.02502",
        _pairs,
        trains="dpo",
    ),
    "nft": Recipe(
        "every attempt with its outcome and the rate of its task, failures too",
        "Chen et al. 2025, NFT, arXiv 2505.18116",
        _outcomes,
        trains="nft",
    ),
    "agent-r": Recipe(
        "failed beginnings, the turn back, and the way out; played again before they are rows",
        "Yuan et al. 2025, Agent-R, arXiv 2501.11425",
        _splices,
    ),
    "steps": Recipe(
        "successes whose every step most attempts through it came out of well",
        "Zhang et al. 2024, ReST-MCTS*, arXiv 2406.03816",
        _steps,
    ),
    "values": Recipe(
        "beginnings with the share of attempts through them that reached the goal",
        "Zhang et al. 2024, ReST-MCTS*, arXiv 2406.03816",
        _values,
        trains="value",
    ),
    "verify": Recipe(
        "successes, and for own attempts whether the goal was reached, as many yes as no",
        "Liu et al. 2025, RISE, arXiv 2505.13445",
        _verify,
    ),
    "mistakes": Recipe(
        "right and wrong ways, each under a mark that says which it is",
        "Tong et al. 2024, Can LLMs Learn from Previous Mistakes?, arXiv 2403.20046",
        _mistakes,
    ),
    "reflections": Recipe(
        "reflections that turned a failure into a success",
        "Bensal et al. 2025, Reflect, Retry, Reward, arXiv 2505.24726",
        _reflections,
    ),
    "behaviours": Recipe(
        "successes with a handbook's behaviours before their eyes, without them",
        "Didolkar et al. 2025, Metacognitive Reuse, arXiv 2509.13237",
        _behaviours,
    ),
    "votes": Recipe(
        "answers to unlabelled tasks that most samples agree on; nobody checked them",
        "Huang et al. 2022, LLMs Can Self-Improve, arXiv 2210.11610",
        _votes,
    ),
    "followups": Recipe(
        "successes whose way holds on follow-ups: other seeds, and tasks with the same goal",
        "Lee et al. 2024, CREST, arXiv 2411.06387",
        _followups,
    ),
    "guidelines": Recipe(
        "successes under guidance worked out from a general guideline, without it",
        "Peng et al. 2024, ReGenesis, arXiv 2410.02108",
        _guided,
    ),
    "imagined": Recipe(
        "runs in a learned model of an environment (`--from imagined:ENV`); nothing scored them",
        "Fang et al. 2025, WebEvolver, arXiv 2504.21024",
        _imagined,
    ),
}


def recipe(name: str) -> Recipe:
    """A recipe by name. Raises `UnknownName`."""
    if name not in RECIPES:
        raise UnknownName("recipe", name, RECIPES)
    return RECIPES[name]


def lines(name: str, runs: Sequence[Trajectory], *, given: Given = Given()) -> list[Line]:
    """Rows of runs by a recipe, each with the rate at which its task was solved in these runs.

    Raises `UnknownName`, and `Refused` where the recipe needs what was not given.
    """
    made, share = recipe(name).make(runs, given), rates(tries(runs))
    return [
        line
        if (rate := share.get((line.metadata.env, line.metadata.task_key))) is None
        or line.metadata.rate is not None
        else line.model_copy(update={"metadata": line.metadata.model_copy(update={"rate": rate})})
        for line in made
    ]
