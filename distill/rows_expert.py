"""An environment's expert as the teacher: its ways through train tasks, as runs to make rows of.

They are played to the end and scored like any run; they are not in the ledger, since the agent did
not live them. Their model is `expert`, and so is the teacher of their rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from envs.errors import Refused
from envs.types import Action, Demonstrates, Env, Step, Task
from memory.clock import iso
from memory.types import StepRecord, Trajectory, Verdict

EXPERT = "expert"
"""Model and arm of its runs."""


def expert_runs(
    env: Env,
    tasks: Sequence[Task],
    *,
    most: int,
    seconds: float,
    told: Callable[[str], None] = lambda _line: None,
) -> list[Trajectory]:
    """The expert's runs on train tasks, at most `most` that succeed, keys in turn.

    `seconds` is the time (since 1970) that they are dated to. A task at which it fails is passed
    over. Raises `Refused` where the environment has no expert, and for tasks of other splits.
    """
    found: list[Trajectory] = []
    for number, task in enumerate(_in_turn(tasks), start=1):
        if len(found) == most:
            break
        run = _run(env, task, at=iso(seconds))
        found += [run] if run.score and run.score.passed else []
        if number % 25 == 0:
            told(f"expert: {len(found)} of {number} tasks solved, {most} wanted")
    return found


def _run(env: Env, task: Task, *, at: str) -> Trajectory:
    episode = env.open(task)
    steps: list[StepRecord] = []
    try:
        if not isinstance(episode, Demonstrates):
            raise Refused(f"{env.name} has no expert", repair="take the runs of a model")
        seen = episode.first
        while not _over(seen):
            advice = episode.demonstrate()
            if not advice:
                break
            seen = episode.step(advice[0])
            line = _line(advice[0])
            steps.append(StepRecord(index=len(steps), action=line, observation=seen.observation))
        score = episode.score()
        return Trajectory(
            id=f"expert:{task.id}:{task.seed}",
            env=env.name,
            task=task.id,
            task_key=task.key,
            task_type=task.tags[0] if task.tags else "",
            split=task.split,
            goal=task.goal,
            seed=task.seed,
            arm=EXPERT,
            model=EXPERT,
            first_observation=episode.first.observation,
            steps=tuple(steps),
            verdicts=(Verdict(accepted=seen.terminated),),
            score=score,
            began=at,
            ended=at,
        )
    finally:
        episode.close()


def _in_turn(tasks: Sequence[Task]) -> list[Task]:
    """Types in turn, and within a type every key once before any comes again."""
    types: dict[str, dict[str, list[Task]]] = {}
    for task in tasks:
        kind = task.tags[0] if task.tags else ""
        types.setdefault(kind, {}).setdefault(task.key, []).append(task)
    queues = [_dealt(list(keys.values())) for _, keys in sorted(types.items())]
    return _dealt(queues)


def _dealt(queues: Sequence[Sequence[Task]]) -> list[Task]:
    """The first of each, then the second of each that has one, and so on."""
    longest = max(map(len, queues), default=0)
    return [queue[n] for n in range(longest) for queue in queues if n < len(queue)]


def _line(action: Action) -> str:
    """As runs keep it: the command, or the call as JSON."""
    if action.tool is None:
        return action.text
    return action.model_dump_json(include={"tool", "arguments"})


def _over(step: Step) -> bool:
    return step.terminated or step.truncated
