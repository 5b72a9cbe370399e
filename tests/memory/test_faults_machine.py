"""The ledger and its index on the disk under any order of operations, with crashes in between."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from bench.faults import audit
from envs.errors import Refused, UnknownName
from envs.types import Score
from memory.embed import HashEmbedder
from memory.forget import apply_forget, plan_forget
from memory.index import Index, ListIndex
from memory.ledger import Ledger
from memory.purge import purge_lessons
from memory.recall import Memory
from memory.types import Change, Exposure, Lesson, Run, Status, Trajectory

THINGS = ("fridge", "sink", "desk", "bed", "shelf", "oven", "lamp", "door")
RUNS = st.sampled_from([f"r{n}" for n in range(6)])
TEXTS = st.sampled_from([f"{thing} {thing[::-1]} {thing.upper()}" for thing in THINGS])
STATES: st.SearchStrategy[Status] = st.sampled_from(["candidate", "active", "retired"])


class Clock:
    """Goes on by a second a call, until a rule sets it elsewhere."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


class CrashMachine(RuleBasedStateMachine):
    """Two memories on one folder; either may be dropped at any time without being closed."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name)
        self.clock = Clock()
        self.mine, self.other = self.opened(chroma=True), self.opened(chroma=False)
        self.dropped: list[Memory] = []
        self.acks: list[audit.Acknowledged] = []
        self.seen: dict[tuple[str, str], bool] = {}
        self.runs: dict[str, str] = {}
        self.purged: set[str] = set()

    def opened(self, *, chroma: bool) -> Memory:
        embedder = HashEmbedder()
        index = Index(self.path / "index", embedder) if chroma else ListIndex(embedder)
        return Memory(Ledger(self.path / "ledger.db", clock=self.clock), index, clock=self.clock)

    def teardown(self) -> None:
        for memory in (self.mine, self.other, *self.dropped):
            memory.close()
        self.folder.cleanup()

    def attempt(self, deed: Callable[[], tuple[Change, ...]]) -> None:
        """Does it, or sees that a refusal left everything as it was."""
        before = self.mine.ledger.count()
        try:
            done = deed()
        except (Refused, UnknownName):
            assert self.mine.ledger.count() == before
            return
        self.acks += [["change", one.id, audit.digest(one), one.target] for one in done]

    def a_lesson(self, data: st.DataObject) -> str:
        ids = sorted(one.id for one in self.mine.ledger.lessons(limit=-1))
        return data.draw(st.sampled_from(ids)) if ids else "none"

    @rule(run=RUNS)
    def begin(self, run: str) -> None:
        if self.runs.get(run, "running") != "running":
            return  # what has ended is not begun again
        self.mine.ledger.begin_run(Run(id=run, env="e", task="t", goal="g", status="running"))
        self.runs[run] = "running"

    @rule(run=RUNS, shown=st.booleans(), data=st.data())
    def expose(self, run: str, shown: bool, data: st.DataObject) -> None:
        lesson = self.a_lesson(data)
        if run not in self.runs or lesson == "none":
            return
        self.other.ledger.expose(
            Exposure(episode=run, lesson=lesson, version=1, first_step=0, shown=shown)
        )
        self.seen.setdefault((run, lesson), shown)

    @rule(
        run=RUNS,
        texts=st.lists(TEXTS, max_size=3),
        passed=st.sampled_from([True, False, None]),
        error=st.sampled_from(["", "", "the model stopped"]),
    )
    def finish(self, run: str, texts: list[str], passed: bool | None, error: str) -> None:
        before = self.mine.ledger.count()["trajectories"]
        place = {"trajectory": run}
        lessons = [
            Lesson.model_validate({"id": "", "kind": "fact", "text": text, "source": place})
            for text in texts
        ]
        planned = self.mine.plan(lessons, reason="learned", evidence=(run,))
        score = None if passed is None else Score(value=float(passed), passed=passed)
        trajectory = Trajectory(
            id=run, env="e", task="t", task_key="k", split="train", goal="g", score=score,
            error=error, lessons=tuple(one.target for one in planned),
        )  # fmt: skip
        done = self.mine.ledger.add_trajectory(trajectory, changes=planned)
        again = self.other.ledger.add_trajectory(trajectory)
        assert again == done
        first = self.mine.ledger.count()["trajectories"] > before
        if first:
            self.acks += [["change", one.id, audit.digest(one), one.target] for one in done]
            self.acks.append(["trajectory", run, audit.digest(trajectory)])
            self.runs[run] = "failed" if error else "done"

    @rule(text=TEXTS)
    def add(self, text: str) -> None:
        lesson = Lesson(id="", kind="fact", text=text, situation=text.lower())
        self.attempt(lambda: (self.other.add(lesson, reason="add"),))

    @rule(text=TEXTS, data=st.data())
    def edit(self, text: str, data: st.DataObject) -> None:
        id_ = self.a_lesson(data)
        self.attempt(
            lambda: (
                self.mine.edit(
                    self.mine.ledger.lesson(id_).model_copy(update={"text": text}), reason="edit"
                ),
            )
        )

    @rule(status=STATES, data=st.data())
    def move(self, status: Status, data: st.DataObject) -> None:
        id_ = self.a_lesson(data)

        def deed() -> tuple[Change, ...]:
            before = self.mine.ledger.lesson(id_).model_dump(mode="json", exclude={"effect"})
            after = {**before, "status": status}
            move = {"op": "status", "reason": "move", "before": before, "after": after}
            return self.mine.write(
                Change.model_validate({"id": "", "kind": "lesson", "target": id_, **move})
            )

        self.attempt(deed)

    @rule(cascade=st.booleans(), data=st.data())
    def undo(self, cascade: bool, data: st.DataObject) -> None:
        names = [one.batch or one.id for one in self.mine.ledger.changes(limit=-1)]
        name = data.draw(st.sampled_from(names)) if names else "none"
        self.attempt(lambda: self.mine.take_back(name, reason="undo", cascade=cascade))

    @rule(keep=st.integers(0, 4))
    def prune(self, keep: int) -> None:
        self.attempt(lambda: self.mine.apply_prune(self.mine.prune(keep=keep)))

    @rule(days=st.sampled_from([1, 400]))
    def prune_unused(self, days: int) -> None:
        plan = self.mine.prune(unused_days=days)
        assert all(item.lesson.status != "retired" for item in plan.items)
        self.attempt(lambda: self.mine.apply_prune(plan))

    @rule(run=RUNS)
    def forget(self, run: str) -> None:
        self.attempt(lambda: apply_forget(self.mine.ledger, plan_forget(self.mine.ledger, run)))

    @rule(data=st.data())
    def purge(self, data: st.DataObject) -> None:
        id_ = self.a_lesson(data)
        if id_ != "none":
            purge_lessons(self.mine, [id_], home=None)
            self.purged.add(id_)
            self.seen = {key: shown for key, shown in self.seen.items() if key[1] != id_}

    @rule(seconds=st.sampled_from([-1.5e9, -3600.0, 86_400.0 * 30]))
    def set_the_clock(self, seconds: float) -> None:
        self.clock.now += seconds

    @rule()
    def open_again(self) -> None:
        self.mine.close()
        self.mine = self.opened(chroma=True)

    @rule(both=st.booleans())
    def crash(self, both: bool) -> None:
        """Nothing is closed: files, log and stamp stay as they are at this moment."""
        self.dropped.append(self.mine)
        self.mine = self.opened(chroma=True)
        if both:
            self.dropped.append(self.other)
            self.other = self.opened(chroma=False)

    # what always holds

    @invariant()
    def nothing_acknowledged_is_lost_and_nothing_is_half(self) -> None:
        found = audit.Found(self.path / "ledger.db")
        acks = [ack for ack in self.acks if not self._purged_run(ack, found)]
        assert audit.lost(found, acks) == []
        assert audit.half(found) == []
        assert found.sound

    def _purged_run(self, ack: audit.Acknowledged, found: audit.Found) -> bool:
        """A purge blanks what was recalled in a run, and drops proposals of the same words."""
        return bool(self.purged) and ack[0] == "change" and ack[1] not in _ids(found)

    @invariant()
    def exposures_and_runs_are_as_they_were_told(self) -> None:
        for ledger in (self.mine.ledger, self.other.ledger):
            told = {(one.episode, one.lesson): one.shown for one in ledger.exposures()}
            assert told == self.seen
            assert {one.id: one.status for one in ledger.runs(limit=-1)} == self.runs

    @invariant()
    def ids_sort_in_the_order_of_the_log(self) -> None:
        ids = [one.id for one in reversed(self.mine.ledger.changes(limit=-1))]
        kept = [id_ for id_ in ids if len(id_) == 19]
        assert kept == sorted(kept)

    @invariant()
    def both_indexes_agree_with_the_ledger(self) -> None:
        for memory in (self.mine, self.other):
            memory.sync()
            assert audit.stale(memory) == []


def _ids(found: audit.Found) -> set[str]:
    return {change.id for _, _, change, _ in found.changes}


CrashMachine.TestCase.settings = settings(
    max_examples=6,
    stateful_step_count=20,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
test_memory_under_any_order_of_operations_and_crashes = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning:chromadb.*"
)(CrashMachine.TestCase)


def test_a_run_that_is_stored_again_ends_as_it_was_stored_first(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.db")
    given = {"id": "r0", "env": "e", "task": "t", "task_key": "k", "split": "train", "goal": "g"}
    ledger.add_trajectory(Trajectory.model_validate(given))
    ledger.begin_run(Run(id="r0", env="e", task="t", goal="g", status="running"))
    ledger.add_trajectory(Trajectory.model_validate({**given, "error": "taken for broken"}))
    assert (ledger.run("r0").status, ledger.run("r0").error) == ("done", "")
    ledger.close()
