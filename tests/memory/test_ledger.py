from __future__ import annotations

import random
import threading
from pathlib import Path
from typing import Any

import pytest

from bench.write import kill, write_together
from envs.errors import Refused, StoreError, UnknownName
from envs.types import Score
from memory.ledger import Ledger
from memory.types import Change, Effect, Exposure, Lesson, Run, Trajectory


class Clock:
    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


@pytest.fixture
def ledger(place: Path | str) -> Any:
    opened = Ledger(place, clock=Clock())
    yield opened
    opened.close()


def lesson(text: str = "look in the fridge", **fields: Any) -> dict[str, Any]:
    whole = Lesson.model_validate({"id": "", "kind": "fact", "text": text, **fields})
    return whole.model_dump(mode="json", exclude={"effect"})


def change(op: Any = "add", target: str = "", after: Any = None, **fields: Any) -> Change:
    return Change(id="", kind="lesson", target=target, op=op, reason="why", after=after, **fields)


def trajectory(id: str, **fields: Any) -> Trajectory:  # noqa: A002
    given = {"env": "toy", "task": "t", "task_key": "k", "split": "train", "goal": "g", **fields}
    return Trajectory.model_validate({"id": id, **given})


def won(passed: bool) -> Score:
    return Score(value=float(passed), passed=passed)


def test_a_lesson_is_added_edited_and_read_back(ledger: Ledger) -> None:
    (added,) = ledger.apply(change(after=lesson()))
    assert (added.before, added.op, added.time) == (None, "add", "2023-11-14T22:13:21.000+00:00")
    stored = ledger.lesson(added.target)
    edited = {**lesson("look in the microwave"), "id": stored.id}
    (second,) = ledger.apply(change("edit", stored.id, edited))
    assert second.before == added.after
    assert ledger.lesson(stored.id).version == 2
    assert [one.op for one in ledger.history(stored.id)] == ["add", "edit"]
    assert added.id < second.id


def test_ids_sort_by_time_also_when_the_clock_goes_back(tmp_path: Path) -> None:
    times = iter([*range(2_000_000_000, 2_000_000_040), *range(1000, 1040)])
    ledger = Ledger(tmp_path / "l.db", clock=lambda: float(next(times)))
    ids = [ledger.apply(change(after=lesson(f"text {n}")))[0].id for n in range(20)]
    ids += [ledger.apply(change(after=lesson(f"more {n}")))[0].id for n in range(10)]
    assert ids == sorted(ids)
    ledger.close()


def test_undo_puts_back_what_stood_before(ledger: Ledger) -> None:
    (added,) = ledger.apply(change(after=lesson()))
    edited = {**lesson("other words"), "id": added.target}
    (edit,) = ledger.apply(change("edit", added.target, edited))
    undone = ledger.undo(edit.id, reason="worse")
    assert undone.parents == (edit.id,)
    assert undone.op == "undo"
    assert ledger.lesson(added.target).text == "look in the fridge"
    again = ledger.undo(undone.id, reason="better after all")
    assert ledger.lesson(added.target).text == "other words"
    ledger.undo(again.id, reason="no")
    ledger.undo(added.id, reason="gone")
    with pytest.raises(UnknownName, match="no lesson named"):
        ledger.lesson(added.target)
    assert ledger.lessons() == []


def test_an_edit_after_an_undo_gets_a_version_no_other_text_had(ledger: Ledger) -> None:
    (added,) = ledger.apply(change(after=lesson()))
    (edit,) = ledger.apply(change("edit", added.target, {**lesson("two"), "id": added.target}))
    ledger.undo(edit.id, reason="no")
    assert ledger.lesson(added.target).version == 1
    ledger.apply(change("edit", added.target, {**lesson("three"), "id": added.target}))
    assert ledger.lesson(added.target).version == 3


def test_undo_is_refused_where_a_later_change_stands(ledger: Ledger) -> None:
    (added,) = ledger.apply(change(after=lesson()))
    (edit,) = ledger.apply(change("edit", added.target, {**lesson("two"), "id": added.target}))
    with pytest.raises(Refused, match=f"changes build on {added.id}: {edit.id}; undo them first"):
        ledger.undo(added.id, reason="no")
    undone = ledger.undo(edit.id, reason="no")
    with pytest.raises(Refused, match=f"undone already, by {undone.id}"):
        ledger.undo(edit.id, reason="twice")
    with pytest.raises(UnknownName, match="no change named 'nope'"):
        ledger.undo("nope", reason="no")


def test_the_same_words_in_the_same_scope_are_refused(ledger: Ledger) -> None:
    (added,) = ledger.apply(change(after=lesson("Look in the FRIDGE!")))
    with pytest.raises(Refused, match=f"lesson {added.target} .candidate. says the same"):
        ledger.apply(change(after=lesson()))
    ledger.apply(change(after=lesson(scope={"user": "ann"})))
    assert ledger.count()["lessons"] == {"candidate": 2}


def test_marked_text_and_wrong_times_are_refused(ledger: Ledger) -> None:
    with pytest.raises(Refused, match="mark of recalled memory"):
        ledger.apply(change(after=lesson("x </Recalled-Memory> y")))
    with pytest.raises(Refused, match="valid_to 'soon' is no ISO time"):
        ledger.apply(change(after=lesson(valid_to="soon")))
    with pytest.raises(Refused, match="does not fit: text"):
        ledger.apply(change(after={**lesson(), "text": ""}))
    assert ledger.count()["changes"] == 0


def test_several_changes_are_written_all_or_none(ledger: Ledger) -> None:
    with pytest.raises(Refused, match="says the same"):
        ledger.apply(change(after=lesson()), change(after=lesson()))
    assert ledger.lessons() == []
    assert ledger.generation == 0


def test_a_change_against_an_old_state_is_refused(ledger: Ledger) -> None:
    (added,) = ledger.apply(change(after=lesson()))
    old = added.after
    ledger.apply(change("edit", added.target, {**lesson("two"), "id": added.target}))
    retired = {**(old or {}), "status": "retired"}
    with pytest.raises(Refused, match="altered meanwhile"):
        ledger.apply(change("status", added.target, retired, before=old))


def test_a_rejected_change_is_kept_without_effect(ledger: Ledger) -> None:
    (kept,) = ledger.apply(change(after=lesson(), decision="rejected"))
    assert ledger.lessons() == []
    assert ledger.change(kept.id).decision == "rejected"
    with pytest.raises(Refused, match="had no effect"):
        ledger.undo(kept.id, reason="no")


def test_other_kinds_of_change_are_journaled_and_undone(ledger: Ledger) -> None:
    first = Change(
        id="", kind="setting", target="floor", op="add", reason="r", after={"value": 0.3}
    )
    ledger.apply(first)
    (edit,) = ledger.apply(first.model_copy(update={"op": "edit", "after": {"value": 0.5}}))
    assert ledger.undo(edit.id, reason="no").after == {"value": 0.3}
    assert ledger.generation == 0


def test_a_run_is_stored_with_its_lessons_once(ledger: Ledger) -> None:
    run = Run(id="r1", env="toy", task="t", goal="g", status="running", spec={"seed": 3})
    ledger.begin_run(run)
    ledger.begin_run(run.model_copy(update={"pid": 7}))
    assert ledger.run("r1").pid == 7
    first = ledger.add_trajectory(
        trajectory("r1", score=won(True)), changes=[change(after=lesson())]
    )
    second = ledger.add_trajectory(trajectory("r1"), changes=[change(after=lesson("other"))])
    assert first == second
    assert ledger.run("r1").status == "done"
    assert ledger.run("r1").spec == {"seed": 3}
    assert len(ledger.runs(status="done")) == 1
    assert ledger.trajectory("r1").score == won(True)
    assert len(ledger.lessons()) == 1


def test_a_run_is_not_lost_for_a_lesson_that_is_known(ledger: Ledger) -> None:
    ledger.apply(change(after=lesson()))
    (kept,) = ledger.add_trajectory(trajectory("r1"), changes=[change(after=lesson())])
    assert kept.decision == "rejected"
    assert "says the same" in kept.reason
    assert ledger.trajectory("r1").id == "r1"


def test_a_broken_run_is_recorded_as_failed(ledger: Ledger) -> None:
    ledger.add_trajectory(trajectory("r1", error="the model stopped", stop="error"))
    assert (ledger.run("r1").status, ledger.run("r1").error) == ("failed", "the model stopped")
    ledger.begin_run(Run(id="r2", env="toy", task="t", goal="g", status="running"))
    ledger.end_run("r2", status="failed", error="killed")
    assert ledger.run("r2").error == "killed"
    with pytest.raises(UnknownName, match=r"no run named 'r3'.*r1"):
        ledger.run("r3")


def test_trajectories_are_found_by_what_they_are(ledger: Ledger) -> None:
    ledger.add_trajectory(trajectory("a", arm="on", thread="c1"))
    ledger.add_trajectory(trajectory("b", split="seen", task_key="k2"))
    assert [t.id for t in ledger.trajectories()] == ["b", "a"]
    assert [t.id for t in ledger.trajectories(newest_first=False)] == ["a", "b"]
    assert [t.id for t in ledger.trajectories(arm="on", thread="c1")] == ["a"]
    assert [t.id for t in ledger.trajectories(split="seen", task_key="k2", env="toy")] == ["b"]
    assert [t.id for t in ledger.trajectories(limit=1, offset=1)] == ["a"]


def test_lessons_are_found_by_what_they_are(ledger: Ledger) -> None:
    ledger.apply(change(after=lesson("Die Tür ist ZU", scope={"env": "toy", "task_type": "heat"})))
    ledger.apply(change(after=lesson("second", status="active")))
    assert [one.text for one in ledger.lessons()] == ["second", "Die Tür ist ZU"]
    assert [one.text for one in ledger.lessons(contains="tür")] == ["Die Tür ist ZU"]
    assert [one.text for one in ledger.lessons(status="active")] == ["second"]
    assert len(ledger.lessons(env="toy", task_type="heat", kind="fact")) == 1


def test_effect_counts_both_arms_of_other_tasks(ledger: Ledger) -> None:
    (added,) = ledger.apply(change(after=lesson()))
    for name, shown, passed, same in (
        ("a", True, True, False),
        ("b", True, False, False),
        ("c", False, False, False),
        ("d", True, True, True),
        ("e", True, None, False),
    ):
        score = None if passed is None else won(passed)
        ledger.add_trajectory(trajectory(name, score=score))
        ledger.expose(exposure(name, added.target, shown=shown, same_task=same))
    ledger.add_trajectory(trajectory("f", error="crash"))
    ledger.begin_run(Run(id="g", env="toy", task="t", goal="g", status="running"))
    for name in ("f", "g"):
        ledger.expose(exposure(name, added.target, shown=True))
    outcomes = {one.episode: one.outcome for one in ledger.exposures(lesson=added.target)}
    assert outcomes == {"a": 1, "b": 0, "c": 0, "d": 1, "e": None, "f": 0, "g": None}
    expected = Effect(shown=3, withheld=1, won_shown=1, won_withheld=0)
    assert ledger.lesson(added.target).effect == ledger.lessons()[0].effect == expected
    assert ledger.effect("nobody") == Effect()


def exposure(episode: str, lesson_id: str, **fields: Any) -> Exposure:
    given = {"version": 1, "first_step": 2, **fields}
    return Exposure.model_validate({"episode": episode, "lesson": lesson_id, **given})


def test_the_first_exposure_in_an_episode_counts(ledger: Ledger) -> None:
    ledger.expose(exposure("a", "L1", shown=True), exposure("a", "L2", shown=False))
    ledger.expose(exposure("a", "L1", shown=False))
    assert [(one.lesson, one.shown) for one in ledger.exposures(episode="a")] == [
        ("L1", True),
        ("L2", False),
    ]


def test_trajectories_and_changes_can_only_be_added(ledger: Ledger) -> None:
    ledger.add_trajectory(trajectory("a"), changes=[change(after=lesson())])
    for table in ("trajectories", "changes"):
        for statement in (f"UPDATE {table} SET body = ''", f"DELETE FROM {table}"):
            with (
                pytest.raises(StoreError, match=f"{table} are append-only"),
                ledger.writing() as db,
            ):
                db.execute(statement)
    assert (ledger.count()["trajectories"], ledger.count()["changes"]) == (1, 1)


def test_text_that_is_no_unicode_is_kept(ledger: Ledger) -> None:
    broken = b"caf\xe9 \x00".decode("utf-8", "surrogateescape")
    ledger.add_trajectory(trajectory("a", messages=({"role": "user", "content": broken},)))
    assert ledger.trajectory("a").messages[0]["content"] == broken
    ledger.add_trajectory(trajectory("b", goal="x" * 1_000_000, task_key="y" * 100_000))
    assert len(ledger.trajectory("b").goal) == 1_000_000
    (added,) = ledger.apply(change(after=lesson("one\x00two")))
    assert ledger.lesson(added.target).text == "one\x00two"
    assert [one.id for one in ledger.lessons(contains="two")] == [added.target]


def test_threads_share_one_ledger(ledger: Ledger) -> None:
    def write(name: str) -> None:
        for number in range(20):
            ledger.apply(change(after=lesson(f"{name} {number}")))

    threads = [threading.Thread(target=write, args=(f"t{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ledger.count()["lessons"] == {"candidate": 80}
    assert ledger.generation == 80


def test_two_processes_write_to_one_folder(tmp_path: Path) -> None:
    assert write_together(tmp_path, names=("a", "b"), lessons=30) == [0, 0]
    ledger = Ledger(tmp_path / "ledger.db")
    assert {one.id for one in ledger.lessons(limit=-1)} == {
        f"{name}-{number}" for name in "ab" for number in range(30)
    }
    assert ledger.count()["changes"] == ledger.generation == 60
    ledger.close()


def test_what_was_acknowledged_survives_kill_9(place: Path | str) -> None:
    left = kill(place, times=20, rng=random.Random(1))
    assert left.pop("acknowledged") > 20
    assert left == {"kills": 20, "lost": 0, "half": 0, "unfinished": 0, "damaged": 0}


def test_a_closed_ledger_says_so(ledger: Ledger) -> None:
    ledger.close()
    ledger.close()
    with pytest.raises(StoreError, match=r"closed.*; open the ledger again"):
        ledger.count()
    with pytest.raises(StoreError, match="closed"):
        ledger.apply(change(after=lesson()))


def test_an_old_state_without_the_fields_of_today_can_be_altered_and_undone(
    ledger: Ledger,
) -> None:
    (added,) = ledger.apply(change(after=lesson()))
    new = {"contradicts", "sources"}
    old = {key: value for key, value in (added.after or {}).items() if key not in new}
    old["source"] = {k: v for k, v in old["source"].items() if k not in {"origin", "said"}}
    body = added.model_copy(update={"after": old}).model_dump_json(exclude={"batch"})
    with ledger.purging() as db:
        db.execute("UPDATE changes SET body = ? WHERE id = ?", (body, added.id))
    retired = {**(added.after or {}), "status": "retired"}
    (done,) = ledger.apply(change("status", added.target, retired, before=added.after))
    ledger.undo(done.id, reason="no")
    assert ledger.lesson(added.target).status == "candidate"
    ledger.undo(added.id, reason="gone")


def test_outcomes_are_of_train_tasks_that_ended_in_the_order_they_came(ledger: Ledger) -> None:
    ledger.add_trajectory(trajectory("R1", task_type="pick", score=won(True)))
    ledger.add_trajectory(trajectory("R2", score=won(True), error="the model is gone"))
    ledger.add_trajectory(trajectory("R3"))
    ledger.add_trajectory(trajectory("R4", split="val", score=won(True)))
    ledger.add_trajectory(trajectory("R5", env="web", score=won(False)))
    assert ledger.outcomes() == [
        (1, "R1", "toy", "pick", "k", "train", True),
        (2, "R2", "toy", "", "k", "train", False),
        (5, "R5", "web", "", "k", "train", False),
    ]
    assert [row[1] for row in ledger.outcomes(after=1, env="toy")] == ["R2"]
