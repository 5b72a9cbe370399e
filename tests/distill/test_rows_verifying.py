"""Solutions and checks of them: two records an episode, labelled by the environment."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from agent.models.scripted import PolicyModel
from agent.sparring import before_and_after
from distill.rows import Row
from distill.rows_verifying import Share, accuracy, both, rows
from envs.errors import Refused
from envs.toy import Toy
from envs.types import Action, Score, Task
from memory.types import Recalled, Source, StepRecord, Trajectory

TOY = Toy()
TRAIN, VAL = TOY.tasks("train"), TOY.tasks("val")
HOMES = {t.tags[1]: TOY.open(t).demonstrate()[0].text for t in TRAIN}


def played(task: Task, *, wins: bool, model: str = "m", **more: Any) -> Trajectory:
    """A run that goes to the right drawer, or to wrong ones until it is cut off."""
    episode, home = TOY.open(task), HOMES[task.tags[1]]
    thing = task.tags[1]
    wrong = [one for one in episode.first.admissible or () if one != home]
    lines = [home, f"take {thing}", f"give {thing}"] if wins else wrong
    steps = [
        StepRecord(index=n, action=line, observation=episode.step(Action(text=line)).observation)
        for n, line in enumerate(lines)
    ]
    facts: dict[str, Any] = {
        "id": f"{model}/{task.id}/{wins}", "env": "toy", "task": task.id, "task_key": task.key,
        "task_type": "bring", "split": task.split, "goal": task.goal, "seed": task.seed,
        "model": model, "first_observation": episode.first.observation, "steps": tuple(steps),
        "score": episode.score(),
    }  # fmt: skip
    return Trajectory(**{**facts, **more})


def label(row: Row) -> str:
    return json.loads(row.messages[-1]["content"])["reached"]


def taught(taught_rows: Sequence[Row], *, name: str) -> PolicyModel:
    """A model that says what checks with the same words at their end said; untaught it says yes."""
    known: Counter[tuple[str, str]] = Counter()
    for row in taught_rows:
        if row.metadata.made == "verification":
            known.update((word, label(row)) for word in end(row.messages))

    def says(messages: Sequence[dict[str, Any]], _schema: Any) -> str:
        words = end(messages)
        return max(("yes", "no"), key=lambda side: sum(known[word, side] for word in words))

    return PolicyModel(says, name=name)


def end(messages: Sequence[dict[str, Any]]) -> list[str]:
    """The words of the last observation in a question."""
    return messages[1]["content"].rpartition("->")[2].split()


RUNS = [played(task, wins=n % 2 == 0) for n, task in enumerate(TRAIN[:12])]


@pytest.mark.paper("rise-verify")
async def test_two_records_an_episode_and_training_on_them_makes_own_checks_truer(
    mechanism: bool,
) -> None:
    pairs = list(both(RUNS))
    assert len(pairs) == len(RUNS)
    for run, pair in zip(RUNS, pairs, strict=True):
        assert run.score is not None
        assert label(pair.verification) == ("yes" if run.score.passed else "no")
        assert pair.solution.metadata.trajectory == pair.verification.metadata.trajectory == run.id
    taken = [row for pair in pairs for row in (pair.solution, pair.verification)]
    learned = taken if mechanism else [pair.solution for pair in pairs]
    old, new = taught([], name="m"), taught(learned, name="m2")
    later = [
        played(task, wins=n % 3 == 0, model=model)
        for model in ("m", "m2")
        for n, task in enumerate(TRAIN[60:90])
    ]
    keys = {run.task_key for run in RUNS}
    report, usage = await before_and_after(old, new, [*RUNS, *later], trained_keys=keys)
    assert report.before.all == Share(count=10, total=30)
    assert report.after.all == Share(count=30, total=30)
    assert report.after.all.interval[0] > report.before.all.interval[1]
    assert report.difference[0] > 0
    assert report.before.balanced == 0.5
    assert usage.calls == 60
    assert "before 10/30 (33%, 19% to 51%), after 30/30" in report.said()


def test_the_question_shows_what_a_player_saw_and_no_verdict() -> None:
    pair = next(both(RUNS))
    question = pair.verification.messages[1]["content"]
    assert question.startswith(f"Task: {RUNS[0].goal}")
    assert [f"[{s.index}] {s.action} -> {s.observation}" in question for s in RUNS[0].steps] == [
        True
    ] * 3
    assert "accepted" not in question
    assert [m.get("weight") for m in pair.verification.messages] == [None, None, 1]


def test_turns_of_a_solution_that_failed_train_nothing() -> None:
    won, lost = list(both(RUNS[:2]))
    weights = [
        {m["weight"] for m in one.solution.messages if m["role"] == "assistant"}
        for one in (won, lost)
    ]
    assert weights == [{1}, {0}]
    assert [one.solution.metadata.made for one in (won, lost)] == ["solved", "incorrect"]
    assert [one.solution.metadata.outcome for one in (won, lost)] == [True, False]


def test_without_rewards_failed_solutions_are_left_out_and_checks_are_balanced() -> None:
    runs = [played(task, wins=n < 3) for n, task in enumerate(TRAIN[:12])]
    found = list(rows(runs))
    assert sum(row.metadata.made == "solved" for row in found) == 3
    checks = [label(row) for row in found if row.metadata.made == "verification"]
    assert Counter(checks) == {"yes": 3, "no": 3}
    assert sum(r.metadata.made == "verification" for r in rows(runs, balance=False)) == 12
    assert list(rows(runs)) == found


@pytest.mark.parametrize(
    "run",
    [
        played(VAL[0], wins=True),
        played(TRAIN[0], wins=True, score=None),
        played(TRAIN[0], wins=True, error="broke"),
        played(TRAIN[0], wins=True, arm="replay"),
        played(TRAIN[1], wins=True),
        played(TRAIN[0], wins=True, model="other"),
        played(TRAIN[0], wins=True, steps=()),
    ],
    ids=["val", "unscored", "broke", "replay", "held out", "another model's", "no steps"],
)
def test_what_leaves_no_records(run: Trajectory) -> None:
    assert list(both([run], held_out_keys={TRAIN[1].key}, model="m")) == []


def test_the_same_way_leaves_records_once_and_a_recalled_lesson_none() -> None:
    run = RUNS[0]
    assert len(list(both([run, run]))) == 1
    told = Recalled(
        lesson="L1", version=1, text=run.steps[0].observation, similarity=1, tokens=9,
        source=Source(),
    )  # fmt: skip
    step = run.steps[0].model_copy(update={"recalled": (told,)})
    assert list(both([run.model_copy(update={"steps": (step, *run.steps[1:])})])) == []


async def test_a_model_is_asked_about_its_own_held_out_solutions_only() -> None:
    model = taught([], name="m")
    with pytest.raises(Refused, match=r"m tried no held-out task .* run it on tasks"):
        await before_and_after(model, model, RUNS, trained_keys={run.task_key for run in RUNS})
    foreign = [played(TRAIN[70], wins=True, model="other")]
    with pytest.raises(Refused, match="no held-out task"):
        await before_and_after(model, model, foreign, trained_keys=())


def test_saying_nothing_is_never_true() -> None:
    found = accuracy("m", [(None, True), (None, False), (True, True)])
    assert (found.all.count, found.all.total) == (1, 3)
    assert accuracy("m", []).balanced is None
    assert str(Share()) == "none"


def test_scores_decide_not_verdicts() -> None:
    run = played(TRAIN[0], wins=True, score=Score(value=0, passed=False))
    assert label(next(both([run])).verification) == "no"
