"""Guards by key and lineage: each test plants one leak, or shows that honest work passes."""

from __future__ import annotations

import pytest

from bench.arms.types import Note
from bench.lab.audit import too_good
from bench.lab.guards import (
    Finding,
    Leak,
    check_learning,
    check_lessons,
    check_notes,
    check_recalled,
    check_splits,
    keep_apart,
    place_of,
    refuse,
)
from bench.lab.types import Phase, Row
from envs.toy import Toy
from envs.types import Split, Task
from memory.types import Lesson, Recalled, Source, StepRecord, Trajectory

LEARNED = {"r1": "bring spoon | room 1", "r2": "bring key | room 2"}


def task(key: str, *, split: Split = "val", env: str = "alfworld", seed: int = 0) -> Task:
    return Task(id=f"{split}:{key}", env=env, goal="g", key=key, split=split, seed=seed)


def note(*runs: str, keys: tuple[str, ...] = (), name: str = "n1") -> Note:
    return Note(id=name, text="look", runs=runs, task_keys=keys)


def lesson(name: str, run: str, *keys: str, replaces: tuple[str, ...] = ()) -> Lesson:
    return Lesson(
        id=name,
        kind="strategy",
        text=name,
        source=Source(trajectory=run, task_keys=keys),
        supersedes=replaces,
    )


def problems(learn: list[Task], measured: list[Task]) -> list[str]:
    return [f.text for f in check_splits(learn, measured) if f.kind == "problem"]


HERE = task("bring stamp | room 9")


def test_the_splits_of_the_toy_are_apart() -> None:
    toy = Toy()
    assert check_splits(toy.tasks("train"), [*toy.tasks("val"), *toy.tasks("test")]) == []


def test_learning_from_val_is_a_problem() -> None:
    learn = [task("a | room 1", split="train"), task("b | room 2"), task("c | room 3")]
    assert problems(learn, [task("d | room 4", split="test")]) == [
        "alfworld/val: 'val:b | room 2' and 1 more is learned from, not `train`"
    ]


def test_a_measured_train_task_is_a_problem_only_when_an_arm_learns() -> None:
    one, two = task("a | room 1", split="train"), task("b | room 2", split="train")
    assert problems([], [one]) == []
    assert problems([two], [one]) == [
        "alfworld/train: 'train:a | room 1' is measured on and of `train`, from which arms learn"
    ]


def test_the_same_goal_and_room_under_another_file_name_is_the_same_task() -> None:
    learn = task("a | room 1", split="train")
    other = learn.model_copy(update={"id": "another-trial", "split": "val"})
    assert problems([learn], [other]) == [
        "alfworld/val: 'another-trial' has the key of a task that is learned from"
    ]


def test_another_task_in_the_same_room_is_a_problem() -> None:
    found = problems([task("a | room 1", split="train")], [task("b | room 1", split="test")])
    assert found == ["alfworld/test: 'test:b | room 1' is in a room that is learned from"]


def test_rooms_of_the_official_seen_split_are_shared_by_definition() -> None:
    learn = [task("a | room 1", split="train")]
    found = check_splits(
        learn, [task("a | room 1", split="seen"), task("b | room 1", split="seen")]
    )
    assert {finding.kind for finding in found} == {"note"}
    assert len(found) == 2


def test_rooms_of_the_unseen_split_must_not_be_shared() -> None:
    found = problems([task("a | room 1", split="train")], [task("b | room 1", split="unseen")])
    assert found == ["alfworld/unseen: 'unseen:b | room 1' is in a room that is learned from"]


def test_rooms_of_different_environments_are_different_rooms() -> None:
    learn = [task("a | room 1", split="train", env="toy", seed=1)]
    assert problems(learn, [task("b | room 1")]) == []


def test_a_layout_is_the_same_at_every_level_of_a_generated_environment() -> None:
    learn = [task("a | kitchen ab", split="train", env="household:tiny", seed=1)]
    found = problems(learn, [task("b | kitchen ab", env="household:small", seed=2)])
    assert len(found) == 1


def test_a_seed_of_a_generated_environment_must_not_be_shared() -> None:
    learn = [task("a | kitchen ab", split="train", env="household:tiny", seed=7)]
    found = problems(learn, [task("b | kitchen cd", env="household:tiny", seed=7)])
    assert found == ["household:tiny/val: 'val:b | kitchen cd' has a seed that is learned from"]


def test_seeds_say_nothing_where_games_are_given() -> None:
    assert problems([task("a | room 1", split="train")], [task("b | room 2")]) == []


def test_games_that_are_the_same_task_are_counted_for_the_reader() -> None:
    one = task("a | room 1", split="unseen")
    found = check_splits([], [one, one.model_copy(update={"id": "x"})])
    text = "alfworld/unseen: 2 games are 1 distinct tasks (goal and room)"
    assert found == [Finding(kind="note", text=text)]


def test_problems_are_refused_in_one_line_and_notes_are_passed_on() -> None:
    remark = Finding(kind="note", text="n")
    assert refuse([remark]) == ("n",)
    with pytest.raises(Leak, match=r"^p; q; choose other tasks"):
        refuse([remark, Finding(kind="problem", text="p"), Finding(kind="problem", text="q")])


def test_a_key_without_a_bar_has_no_place() -> None:
    assert place_of(task("just a goal")) == ""
    assert place_of(task("bring a | room 7")) == "room 7"
    assert problems([task("a", split="train")], [task("b")]) == []


@pytest.mark.parametrize("split", ["val", "test", "seen", "unseen"])
def test_only_train_is_learned_from(split: Split) -> None:
    check_learning(task("a | room 1", split="train"))
    with pytest.raises(Leak, match=f"of {split} is about to be learned from; learn from `train`"):
        check_learning(task("a | room 1", split=split))


def test_a_task_is_kept_from_notes_of_its_own_attempts() -> None:
    own, other = note("r9", keys=(HERE.key,)), note("r1", keys=(LEARNED["r1"],))
    assert keep_apart([own, other], HERE) == (other,)


def test_a_note_that_conceals_its_keys_is_known_by_its_runs() -> None:
    again = task(LEARNED["r1"], split="train")
    assert keep_apart([note("r1")], again, learned=LEARNED) == ()


def test_notes_that_name_their_runs_and_tasks_pass() -> None:
    both = note("r1", "r2", keys=(LEARNED["r2"], LEARNED["r1"]))
    check_notes([both], task=HERE, learned=LEARNED)


@pytest.mark.parametrize(
    ("leak", "says"),
    [
        (note("r7", keys=("x",)), "'r7', no train run of this arm and seed"),
        (note(), "does not say which runs it goes back to"),
        (note("r1", "r2", keys=(LEARNED["r1"],)), "hides that it goes back to the task 'bring key"),
        (note("r1", keys=(LEARNED["r1"], "val task | room 50")), "by no run that it names"),
    ],
    ids=["from a val run", "without runs", "conceals a task", "a val task merged in"],
)
def test_a_planted_note_is_caught(leak: Note, says: str) -> None:
    with pytest.raises(Leak, match=says):
        check_notes([leak], task=HERE, learned=LEARNED)


def test_a_note_from_the_very_task_is_caught_when_it_was_not_kept_apart() -> None:
    again = task(LEARNED["r1"], split="train")
    with pytest.raises(Leak, match="goes back to the very task 'bring spoon"):
        check_notes([note("r1", keys=(LEARNED["r1"],))], task=again, learned=LEARNED)


def test_fixed_texts_and_demonstrations_pass_unless_they_show_the_very_task() -> None:
    fixed = frozenset({"brief", "demo1"})
    check_notes([note(name="brief")], task=HERE, learned=LEARNED, fixed=fixed)
    check_notes([note("demo1", keys=("other | r",))], task=HERE, learned=LEARNED, fixed=fixed)
    for own in (note(name="brief", keys=(HERE.key,)), note("demo1", keys=(HERE.key,))):
        with pytest.raises(Leak, match="the very task"):
            check_notes([own], task=HERE, learned=LEARNED, fixed=fixed)


def test_an_arm_that_has_learned_nothing_may_have_constant_notes() -> None:
    check_notes([note()], task=HERE, learned={})


def test_lessons_from_train_runs_pass_through_merging() -> None:
    one, two = lesson("L1", "r1", LEARNED["r1"]), lesson("L2", "r2", LEARNED["r2"])
    merged = lesson("L3", "", LEARNED["r1"], LEARNED["r2"], replaces=("L1", "L2"))
    again = lesson("L4", "r1", LEARNED["r1"], LEARNED["r2"], replaces=("L3",))
    check_lessons([one, two, merged, again], LEARNED)


@pytest.mark.parametrize(
    ("leak", "says"),
    [
        (lesson("L5", "v1", "val task | room 50"), "goes back to run 'v1', no train run"),
        (lesson("L5", "r1", "val task | room 50", LEARNED["r1"]), "which was not learned from"),
        (lesson("L5", ""), "does not say which runs"),
        (lesson("L5", "r1"), "hides that it goes back to the task 'bring spoon"),
        (lesson("L5", "r2", LEARNED["r2"], replaces=("L1",)), "hides that it goes back to"),
        (lesson("L5", "r2", LEARNED["r2"], replaces=("gone",)), "replaces 'gone', which is not"),
    ],
    ids=["from val", "val key", "no source", "no key", "lost by merging", "ancestor missing"],
)
def test_a_planted_lesson_is_caught(leak: Lesson, says: str) -> None:
    with pytest.raises(Leak, match=says):
        check_lessons([lesson("L1", "r1", LEARNED["r1"]), leak], LEARNED)


def test_lessons_that_were_there_from_the_start_are_named() -> None:
    given = lesson("L1", "")
    check_lessons(
        [given, lesson("L2", "r1", LEARNED["r1"], replaces=("L1",))],
        LEARNED,
        fixed=frozenset({"L1"}),
    )


def shown(key: str, run: str, *, same: bool = False) -> Trajectory:
    item = Recalled(
        lesson="L1",
        version=1,
        text="t",
        similarity=1.0,
        tokens=1,
        source=Source(trajectory=run, task_keys=(key,)),
        same_task=same,
    )
    step = StepRecord(index=0, action="a", observation="o", recalled=(item,))
    return Trajectory(
        id="r9", env="toy", task="t", task_key=HERE.key, split="val", goal="g", steps=(step,)
    )


def test_what_memory_showed_is_checked_in_the_transcript() -> None:
    check_recalled(shown(LEARNED["r1"], "r1"), learned=LEARNED)
    for leak, says in (
        (shown(LEARNED["r1"], "r1", same=True), "the very task 'bring stamp | room 9' of run r9"),
        (shown(HERE.key, "r1"), "the very task"),
        (shown("val task | room 50", "v1"), "which was not learned from"),
        (shown(LEARNED["r1"], "v1"), "goes back to run 'v1'"),
    ):
        with pytest.raises(Leak, match=says):
            check_recalled(leak, learned=LEARNED)


def row(arm: str, number: int, *, won: bool, phase: Phase = "measure", seed: int = 0) -> Row:
    blank: dict[str, object] = {"model": "", "learned": 0, "env": "toy", "split": "val"}
    blank |= {"task_key": "k", "task_type": "t", "room": "r", "first_passed": won, "attempts": 1}
    blank |= {"steps": 3, "stop": "done", "failure": "", "error": "", "accepted": won}
    blank |= {"confidence": 1.0, "verified_by": "environment", "calls": 0, "prompt_tokens": 0}
    blank |= {"completion_tokens": 0, "digest": "d", "cell": f"{arm}{number}", "kind": arm}
    blank |= {"arm": arm, "seed": seed, "phase": phase, "task": f"t{number}", "passed": won}
    return Row.model_validate(blank)


EXPERT = [row("expert", number, won=number >= 12) for number in range(40)]


def test_an_arm_that_solves_what_the_expert_cannot_is_worth_a_look() -> None:
    (found,) = too_good([row("oracle", n, won=True) for n in range(40)], expert=EXPERT)
    assert found.kind == "note"
    assert found.text == (
        "oracle on toy/val solved 12 tasks that the expert did not and missed 0 that it did "
        "(p = 0.0002): look at its transcripts"
    )


def test_as_good_as_the_expert_is_not_suspicious() -> None:
    same = [row("same", n, won=n >= 12) for n in range(40)]
    mixed = [row("mixed", n, won=n % 2 == 0) for n in range(40)]
    few = [row("few", n, won=True) for n in range(9)]
    learning = [row("learning", n, won=True, phase="learn") for n in range(40)]
    elsewhere = [row("elsewhere", n + 100, won=True) for n in range(40)]
    assert too_good([*same, *mixed, *few, *learning, *elsewhere], expert=EXPERT) == []


def test_each_task_counts_once_whatever_the_number_of_seeds() -> None:
    rows = [row("lucky", n, won=True, seed=seed) for n in range(8, 40) for seed in range(9)]
    assert too_good(rows, expert=EXPERT) == []
