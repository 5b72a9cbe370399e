"""The ledger under any order of operations: what stands is the fold of its changes, and the past
stays as it was."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from bench import servers
from envs.errors import Refused, UnknownName
from memory.asof import as_of, diff
from memory.clock import iso
from memory.embed import HashEmbedder
from memory.forget import apply_forget, plan_forget
from memory.index import ListIndex
from memory.ledger import Ledger
from memory.portable import export, load
from memory.purge import purge_lessons
from memory.recall import Memory
from memory.types import Change, Lesson, Status, Trajectory

RUNS = ("r0", "r1", "r2")
TEXTS = st.sampled_from(
    [f"look into the {thing}" for thing in ("fridge", "sink", "desk", "bed", "shelf")]
)
STATES: st.SearchStrategy[Status] = st.sampled_from(["candidate", "active", "retired"])
Snapshot = dict[str, dict[str, Any]]


class Clock:
    """Goes on by a second a call; a test may set it back or ahead."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


class LedgerMachine(RuleBasedStateMachine):
    """Adds, edits, retires, undoes, forgets, imports, purges, opens again."""

    def __init__(self, place: str = "") -> None:
        super().__init__()
        self.place = place
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name)
        self.clock = Clock()
        self.memory = self.opened()
        self.moments: dict[str, Snapshot] = {}
        self.files: list[Path] = []
        self.generation = 0
        self.purged: set[str] = set()

    def opened(self) -> Memory:
        ledger = Ledger(self.place or self.path / "ledger.db", clock=self.clock)
        return Memory(ledger, ListIndex(HashEmbedder()), clock=self.clock)

    def teardown(self) -> None:
        self.memory.close()
        self.folder.cleanup()

    # parts

    def now(self) -> Snapshot:
        return plain(self.memory.ledger.lessons(limit=-1))

    def attempt(self, deed: Callable[[], object]) -> bool:
        """Does it, or sees that a refusal left everything as it was."""
        before, count = self.now(), self.memory.ledger.count()["changes"]
        try:
            deed()
        except (Refused, UnknownName):
            assert self.now() == before
            assert self.memory.ledger.count()["changes"] == count
            return False
        return True

    def one_of(self, data: st.DataObject, what: list[str]) -> str:
        return data.draw(st.sampled_from(what)) if what else "none"

    def changes(self) -> list[Change]:
        return self.memory.ledger.changes(kind="lesson", limit=-1)

    # rules

    @initialize()
    def runs(self) -> None:
        for name in RUNS:
            self.memory.ledger.add_trajectory(
                Trajectory(
                    id=name, env="e", task="t", task_key=f"key {name}", split="train", goal="g"
                )
            )

    @rule(text=TEXTS, run=st.sampled_from(RUNS), data=st.data())
    def add(self, text: str, run: str, data: st.DataObject) -> None:
        standing = sorted(self.now())
        old = (
            data.draw(st.lists(st.sampled_from(standing), max_size=2, unique=True))
            if standing
            else []
        )
        lesson = Lesson.model_validate(
            {"id": "", "kind": "fact", "text": text, "situation": data.draw(TEXTS)}
            | {"source": {"trajectory": run}, "supersedes": tuple(old)}
        )
        if data.draw(st.booleans()):
            self.attempt(lambda: self.memory.add(lesson, reason="add", evidence=(run,)))
        else:
            planned = self.memory.plan([lesson], reason="plan", evidence=(run,))
            self.attempt(lambda: self.memory.write(*planned))

    @rule(text=TEXTS, data=st.data())
    def edit(self, text: str, data: st.DataObject) -> None:
        id_ = self.one_of(data, sorted(self.now()))
        self.attempt(
            lambda: self.memory.edit(
                self.memory.ledger.lesson(id_).model_copy(update={"text": text}), reason="edit"
            )
        )

    @rule(status=STATES, data=st.data())
    def move(self, status: Status, data: st.DataObject) -> None:
        id_ = self.one_of(data, sorted(self.now()))

        def deed() -> None:
            before = self.memory.ledger.lesson(id_).model_dump(mode="json", exclude={"effect"})
            after = {**before, "status": status}
            self.memory.write(
                Change(
                    id="",
                    kind="lesson",
                    target=id_,
                    op="status",
                    reason="move",
                    before=before,
                    after=after,
                )
            )

        self.attempt(deed)

    @rule(cascade=st.booleans(), data=st.data())
    def undo_and_redo(self, cascade: bool, data: st.DataObject) -> None:
        names = [one.batch or one.id for one in self.changes()]
        name, before = self.one_of(data, names), self.now()
        done: list[Change] = []
        if self.attempt(
            lambda: done.extend(self.memory.take_back(name, reason="undo", cascade=cascade))
        ) and data.draw(st.booleans()):
            self.memory.take_back(done[0].batch or done[0].id, reason="redo")
            assert self.now() == before

    @rule(source=st.sampled_from([*RUNS, "key r0"]), data=st.data())
    def forget(self, source: str, data: st.DataObject) -> None:
        plan = plan_forget(self.memory.ledger, source)
        before = self.now()
        changes = apply_forget(self.memory.ledger, plan)
        assert not any(
            place["trajectory"] == source or source in place["task_keys"]
            for state in self.now().values()
            for place in (state["source"], *state["sources"])
        )
        assert all(item.what == "gone" for item in plan_forget(self.memory.ledger, source).items)
        if changes and data.draw(st.booleans()):
            self.memory.take_back(changes[0].batch, reason="not forgotten")
            assert self.now() == before

    @rule(keep=st.integers(0, 4))
    def prune(self, keep: int) -> None:
        plan = self.memory.prune(keep=keep)
        self.memory.apply_prune(plan)
        kept = [state for state in self.now().values() if state["status"] != "retired"]
        assert len(kept) <= keep

    @rule()
    def write_out(self) -> None:
        path = self.path / f"{len(self.files)}.jsonl"
        export(self.memory.ledger, path)
        self.files.append(path)

    @precondition(lambda self: self.files)
    @rule(data=st.data(), prefer=st.sampled_from([None, "mine", "theirs"]))
    def read_in(self, data: st.DataObject, prefer: Any) -> None:
        path = data.draw(st.sampled_from(self.files))
        before = self.now()
        if (
            self.attempt(lambda: load(self.memory.ledger, path, prefer=prefer))
            and prefer != "theirs"
        ):
            assert before.items() <= self.now().items()

    @rule(data=st.data())
    def purge(self, data: st.DataObject) -> None:
        id_ = self.one_of(data, sorted(self.now()))
        if self.attempt(lambda: purge_lessons(self.memory, [id_], home=None)):
            assert id_ not in self.now()
            for snapshot in self.moments.values():
                snapshot.pop(id_, None)

    @rule()
    def look(self) -> None:
        self.moments[iso(self.clock.now)] = self.now()
        self.clock.now += 1.0

    @rule()
    def open_again(self) -> None:
        before = self.now()
        self.memory.close()
        self.memory = self.opened()
        assert self.now() == before

    # what always holds

    @invariant()
    def what_stands_is_the_fold_of_the_changes(self) -> None:
        folded: Snapshot = {}
        for change in reversed(self.changes()):
            if change.decision == "applied":
                assert change.before == folded.get(change.target)
                folded.pop(change.target, None)
                if change.after is not None:
                    folded[change.target] = change.after
        assert folded == self.now()

    @invariant()
    def the_past_stays_as_it_was(self) -> None:
        for moment, snapshot in self.moments.items():
            assert plain(as_of(self.memory.ledger, moment)) == snapshot
        if self.moments:
            last = max(self.moments)
            found = diff(self.memory.ledger, last, iso(self.clock.now))
            differing = {
                id_
                for id_ in self.moments[last].keys() | self.now().keys()
                if self.moments[last].get(id_) != self.now().get(id_)
            }
            assert {item.id for item in found.items} == differing

    @invariant()
    def every_lesson_has_a_change_that_added_it(self) -> None:
        for id_ in self.now():
            assert any(change.op in ("add", "undo") for change in self.memory.ledger.history(id_))

    @invariant()
    def nothing_is_said_twice_in_a_scope(self) -> None:
        texts = [state["text"] for state in self.now().values()]
        assert len(texts) == len(set(texts))

    @invariant()
    def the_generation_grows(self) -> None:
        assert self.memory.ledger.generation >= self.generation
        self.generation = self.memory.ledger.generation

    @invariant()
    def the_index_holds_what_may_be_shown(self) -> None:
        self.memory.sync()
        found = {id_ for id_, _ in self.memory.index.search("look", most=1000)}
        assert found == {id_ for id_, state in self.now().items() if state["status"] != "retired"}


def plain(lessons: list[Lesson]) -> Snapshot:
    return {one.id: one.model_dump(mode="json", exclude={"effect"}) for one in lessons}


LedgerMachine.TestCase.settings = settings(
    max_examples=25,
    stateful_step_count=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
test_the_ledger_under_any_order_of_operations = LedgerMachine.TestCase


def test_a_ledger_on_a_server_under_any_order_of_operations(postgres: str) -> None:
    with ExitStack() as places:

        class OnServer(LedgerMachine):
            def __init__(self) -> None:
                super().__init__(places.enter_context(servers.schema(postgres)))

        run_state_machine_as_test(
            OnServer, settings=settings(LedgerMachine.TestCase.settings, max_examples=6)
        )
