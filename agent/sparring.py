"""Critics and verifiers at work: rounds of sneaking and finding, checks of own work, equal cost.

Three rows of the catalogue. spc (Chen et al. 2025, arXiv 2504.19162): a critic is trained on the
bouts that it lost, and stays as it was if it got worse on a frozen set. rise-verify (Liu et al.
2025, RISE, arXiv 2505.13445): how truly a model verifies what it solved itself, before and after
training. critique-in-the-loop (Xi et al. 2024, arXiv 2411.16579): what a critic brings at an equal
number of calls. What they are made of: `agent/critic.py`, `distill/bouts.py`,
`distill/corrupting.py`, `distill/rows_verifying.py`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import replace

from agent.critic import Critic, named
from agent.models.types import Model, Sampling
from agent.reflectors.types import object_of, one_of
from agent.runner import Crew, Spec, run
from distill.bouts import Bout, caught, critic_judgements, fell, generator_judgements
from distill.corrupting import Detection, Item, detection
from distill.preferring import Exported, preferences
from distill.rows_turns import attempted
from distill.rows_verifying import SAID, Accuracy, Learned, Share, accuracy, asked, outcome
from envs.errors import Refused
from envs.types import Env, Frozen, Task
from memory.types import Trajectory, Usage

RESAMPLED, CRITICISED = "resampled", "critique-in-the-loop"
"""Arms of `sampled`."""
TOKENS = 16
"""Most tokens of a yes or no."""
Train = Callable[[Exported, Exported], Awaitable[Model]]
"""Pairs for the critic and for the generator in, the trained critic out."""


class Round(Frozen):
    """A round of sneaking and finding."""

    bouts: tuple[Bout, ...]
    """One for each step that was planted in a train run."""
    critic: Exported
    """Pairs out of the bouts that the critic lost."""
    generator: Exported
    """Pairs out of places where it lost one and won another."""
    before: Detection
    """The critic on the frozen set."""
    after: Detection
    """The trained one on it."""
    kept: bool
    """False: detection fell, and the critic stays as it was."""
    usage: Usage
    """What it cost; training is not counted."""

    def said(self) -> str:
        """In lines."""
        end = "kept" if self.kept else "discarded: detection on the frozen set fell"
        return "\n".join(
            [
                f"critic found {caught(self.bouts)} of the planted steps",
                f"frozen set before: {self.before.said()}",
                f"frozen set after: {self.after.said()}",
                f"round {end}",
            ]
        )


async def spar(
    critic: Model, items: Sequence[Item], *, frozen: Sequence[Item], train: Train
) -> tuple[Model, Round]:
    """A round over `items`, and the critic to go on with: the trained one if it did not get worse.

    Pairs come from train items only; `frozen` may hold items of val, and unchanged ways. Raises
    `Refused` for a frozen set without planted steps or with tasks of `items`, and `ModelError` when
    a critic does not answer.
    """
    common = {one.origin.task_key for one in items} & {one.origin.task_key for one in frozen}
    if common or all(one.wrong is None for one in frozen):
        why = f"shares {len(common)} tasks with the bouts" if common else "holds no planted step"
        raise Refused(f"the frozen set {why}", repair="plant steps in runs of other tasks")
    planted = [one for one in items if one.split == "train" and one.wrong is not None]
    said, usage = await named(critic, planted)
    bouts = tuple(Bout(item=item, named=place) for item, place in zip(planted, said, strict=True))
    mine = preferences(critic_judgements(bouts, critic=critic.name))
    theirs = preferences(generator_judgements(bouts))
    before, spent = await named(critic, frozen)
    trained = await train(mine, theirs)
    after, more = await named(trained, frozen)
    old, new = detection(frozen, before), detection(frozen, after)
    kept = not fell(old, new)
    made = Round(
        bouts=bouts,
        critic=mine,
        generator=theirs,
        before=old,
        after=new,
        kept=kept,
        usage=usage + spent + more,
    )
    return (trained if kept else critic), made


async def verifying(
    model: Model, runs: Sequence[Trajectory], *, trained_keys: Collection[str]
) -> tuple[Accuracy, Usage]:
    """How truly a model says whether its own solutions of held-out tasks reached their goal.

    Runs of other models, runs that were not scored, and tasks whose key it was trained on do not
    count. Raises `Refused` where none is left, `ModelError` when the model does not answer.
    """
    mine = [
        (one, reached)
        for one in runs
        if one.model == model.name
        and one.task_key not in trained_keys
        and (reached := outcome(one)) is not None
        and attempted(one)
    ]
    if not mine:
        raise Refused(
            f"{model.name} tried no held-out task that was scored",
            repair="run it on tasks that it was not trained on first",
        )
    answers, usage = list[tuple[bool | None, bool]](), Usage()
    for one, reached in mine:
        said, spent = await check(model, one)
        answers.append((said, reached))
        usage += spent
    return accuracy(model.name, answers), usage


async def check(model: Model, run: Trajectory) -> tuple[bool | None, Usage]:
    """Whether the model says that a run reached its goal; it is asked as it is trained."""
    reply = await model.reply(
        asked(run.goal, run.first_observation, attempted(run)),
        schema=object_of(reached=one_of(list(SAID.values()))),
        sampling=Sampling(max_tokens=TOKENS),
    )
    said = (reply.data or {}).get("reached")
    return next((truth for truth, word in SAID.items() if word == said), None), reply.usage


async def before_and_after(
    before: Model,
    after: Model,
    runs: Sequence[Trajectory],
    *,
    trained_keys: Collection[str],
) -> tuple[Learned, Usage]:
    """`verifying` of a model and of what it was trained to be, each on its own runs of `runs`."""
    old, spent = await verifying(before, runs, trained_keys=trained_keys)
    new, more = await verifying(after, runs, trained_keys=trained_keys)
    return Learned(before=old, after=new), spent + more


class Sampled(Frozen):
    """What a number of calls brought on one task."""

    task: str
    """Its id."""
    calls: int
    """Replies that were used, the critic's included; never more than were allowed."""
    attempts: int
    """How often the episode was begun."""
    solutions: tuple[tuple[str, ...], ...]
    """Different ways that the environment verified, by what was done in them."""


class Search(Frozen):
    """What a number of calls brought on each of some tasks."""

    arm: str
    """`resampled`, or `critique-in-the-loop`, where an attempt after a failed one is a retry."""
    critic: str
    """Name of the critic; empty without one."""
    tasks: tuple[Sampled, ...]
    """One for each task."""

    @property
    def solved(self) -> Share:
        """Tasks with at least one verified solution."""
        return Share(count=sum(bool(one.solutions) for one in self.tasks), total=len(self.tasks))

    @property
    def distinct(self) -> int:
        """Different verified solutions of all tasks."""
        return sum(len(one.solutions) for one in self.tasks)

    def said(self) -> str:
        """In a line."""
        calls = sum(one.calls for one in self.tasks)
        return (
            f"{self.arm}: {self.solved} tasks with a verified solution, {self.distinct} different "
            f"solutions, {calls} calls"
        )


async def sampled(
    crew: Crew, env: Env, tasks: Sequence[Task], *, calls: int, critic: Model | None = None
) -> Search:
    """Plays each train task over and over until `calls` replies are used, for training data.

    Without a critic every attempt is drawn afresh. With one a failed attempt is criticised and
    begun again, which its run says (`Trajectory.attempts`); its replies count like the solver's.
    What is solved with more calls than are left does not count. The runs are recorded under the
    name of the arm; nothing learns from them here. Raises `Refused` for tasks that are not of train
    and for a solver without chance, which would do the same each time.
    """
    if any(task.split != "train" for task in tasks):
        raise Refused("only train tasks are sampled", repair="choose tasks of the split train")
    if crew.settings.solver.temperature <= 0:
        raise Refused(
            "a solver without chance does the same each time",
            repair="set solver.temperature above 0",
        )
    found = [await _sampled(crew, env, task, calls=calls, critic=critic) for task in tasks]
    return Search(
        arm=CRITICISED if critic else RESAMPLED,
        critic=critic.name if critic else "",
        tasks=tuple(found),
    )


async def _sampled(
    crew: Crew, env: Env, task: Task, *, calls: int, critic: Model | None
) -> Sampled:
    spent = attempts = number = 0
    solutions: dict[tuple[str, ...], None] = {}
    while spent < calls:
        left = calls - spent
        spec = Spec(
            task=task,
            seed=task.seed,
            arm=CRITICISED if critic else RESAMPLED,
            recall=False,
            skills=False,
            learn=False,
            chance=f"{task.id}/{task.seed}/{number}",
        )
        done = await run(_within(crew, left, critic=critic), env, spec)
        used = max(1, done.usage.calls)
        if used <= left and outcome(done):
            solutions[tuple(step.action for step in attempted(done))] = None
        spent, number = spent + min(used, left), number + 1
        attempts += done.attempts
    return Sampled(task=task.id, calls=spent, attempts=attempts, solutions=tuple(solutions))


def _within(crew: Crew, left: int, *, critic: Model | None) -> Crew:
    """The crew with so many actions, each of which is a reply at least; retries need a critic."""
    old = crew.settings
    settings = old.model_copy(
        update={
            "budget": old.budget.model_copy(update={"steps": left}),
            "solver": old.solver.model_copy(update={"retries": left if critic else 0}),
        }
    )
    reflector = Critic(critic, inner=crew.reflector) if critic else crew.reflector
    return replace(crew, settings=settings, reflector=reflector)
