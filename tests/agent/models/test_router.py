from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from agent.home import Home, home
from agent.models.router import Fork, Routed, Router, seen_to_fail
from agent.models.scripted import PolicyModel
from agent.runner import Spec, resume, run
from agent.settings import ModelSettings, RouterSettings, load
from envs.toy import Toy
from envs.types import Score, Split, Task
from memory.embed import HashEmbedder
from memory.index import ListIndex
from memory.ledger import Ledger
from memory.recall import Memory
from memory.types import REPLAY, Run, Trajectory, Usage, Verdict

STUDENT, LARGER = "smol (student put-2)", "big"


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    kept = Ledger(tmp_path / "ledger.db")
    yield kept
    kept.close()


def task(kind: str, number: int = 0, *, split: Split = "train") -> Task:
    name = f"{kind}-{number}"
    return Task(id=name, env="e", goal=name, key=name, split=split, tags=(kind,))


def ended(
    ledger: Ledger, kind: str, number: int, *, won: bool, model: str = STUDENT, **more: Any
) -> str:
    done = task(kind, number)
    whole = Trajectory(
        id=f"r{len(ledger.trajectories(limit=10_000))}",
        env="e",
        task=done.id,
        task_key=done.key,
        task_type=kind,
        goal=done.goal,
        model=model,
        score=Score(value=float(won), passed=won),
        **{"split": "train", "stop": "done" if won else "limit", **more},
    )
    ledger.add_trajectory(whole)
    return whole.id


def record(ledger: Ledger, kind: str, won: int, tried: int, **more: Any) -> None:
    for number in range(tried):
        ended(ledger, kind, number, won=number < won, **more)


def router(ledger: Ledger, *, student: str = STUDENT, **settings: Any) -> Router:
    models = [PolicyModel(lambda _m, _s: "", name=name) for name in (student, LARGER)]
    return Router(ledger, RouterSettings(**settings), student=models[0], larger=models[1])


def choose(ledger: Ledger, kind: str, **settings: Any) -> Routed:
    return router(ledger, **settings).choose(task(kind, 99))


def test_an_easy_type_goes_to_the_student_and_a_hard_one_to_the_larger_model(
    ledger: Ledger,
) -> None:
    record(ledger, "easy", 19, 20)
    record(ledger, "hard", 1, 20)
    easy, hard = choose(ledger, "easy"), choose(ledger, "hard")
    assert (easy.to, easy.model) == ("student", STUDENT)
    assert (hard.to, hard.model) == ("larger", LARGER)
    assert easy.low > 0.6 > hard.low
    assert (easy.tried, easy.won) == (20, 19)
    told = "hard: 1 of 20 train tasks solved; success of at least 0.06 is below the floor 0.60"
    assert hard.why.startswith(told)


def test_a_short_record_is_drawn_to_the_mean_and_does_not_reach_the_floor(ledger: Ledger) -> None:
    record(ledger, "rare", 5, 5)
    record(ledger, "hard", 2, 40)
    lucky = choose(ledger, "rare")
    assert lucky.success < 0.8
    assert lucky.to == "larger"
    record(ledger, "rare", 25, 30)
    assert choose(ledger, "rare").to == "student"


def test_a_type_that_is_not_known_goes_to_the_student_in_a_bounded_share(ledger: Ledger) -> None:
    record(ledger, "easy", 20, 20)
    record(ledger, "new", 4, 4)
    for share in (0.0, 0.2, 1.0):
        picks = router(ledger, explore=share)
        sides = [picks.choose(task("new", number)).to for number in range(300)]
        assert abs(sides.count("student") / 300 - share) < 0.07
    one = router(ledger, explore=1.0).choose(task("new"))
    assert one.explored
    assert one.why == (
        "new: 4 of 4 train tasks solved; fewer than 5, so it tries 100% of the time: now"
    )
    first, again = (router(ledger).choose(task("new", 7), seed=3) for _ in range(2))
    assert first == again


def test_costs_decide_where_success_would_do(ledger: Ledger) -> None:
    record(ledger, "t", 16, 20, usage=Usage(seconds=8.0))
    record(ledger, "t", 20, 20, model=LARGER, usage=Usage(seconds=9.0))
    dear = choose(ledger, "t")
    assert (dear.to, dear.unit) == ("larger", "s")
    assert dear.first is not None
    assert dear.first == pytest.approx(8.0 + (1 - dear.success) * 9.0, abs=0.01)
    assert dear.at_once == 9.0
    assert "trying first costs more" in dear.why
    assert dear.why.endswith(f"{dear.first:.3g} s with the student first, 9 s at once")
    record(ledger, "u", 16, 20, usage=Usage(seconds=1.0))
    assert choose(ledger, "u").to == "student"


def test_failures_that_nobody_sees_cost_no_second_try(ledger: Ledger) -> None:
    record(ledger, "loud", 15, 20, usage=Usage(seconds=6.5))
    record(ledger, "quiet", 15, 20, usage=Usage(seconds=6.5), stop="done")
    for kind in ("loud", "quiet"):
        record(ledger, kind, 20, 20, model=LARGER, usage=Usage(seconds=8.0))
    loud, quiet = choose(ledger, "loud"), choose(ledger, "quiet")
    assert (loud.seen, quiet.seen) == (1.0, 0.0)
    assert (loud.to, quiet.to) == ("larger", "student")
    assert choose(ledger, "quiet", floor=0.8).to == "larger"


def test_a_larger_model_that_has_not_run_is_priced_by_the_student_s_tokens(ledger: Ledger) -> None:
    spent = Usage(prompt_tokens=1_000_000, completion_tokens=100_000, seconds=60.0)
    record(ledger, "t", 19, 20, usage=spent)
    unpriced = choose(ledger, "t")
    assert (unpriced.to, unpriced.first, unpriced.at_once) == ("student", None, None)
    assert unpriced.why.endswith("costs are not known yet")
    priced = choose(ledger, "t", larger=ModelSettings(price_in=2.0, price_out=10.0))
    assert (priced.unit, priced.at_once) == ("usd", 3.0)
    assert priced.first is not None
    assert priced.first < 3.0


def test_runs_on_other_splits_and_of_other_adapters_and_replays_do_not_count(
    ledger: Ledger,
) -> None:
    for split in ("val", "test", "seen", "unseen"):
        record(ledger, "t", 10, 10, split=split)
    record(ledger, "t", 10, 10, model="smol (student put-1)")
    record(ledger, "t", 10, 10, arm=REPLAY)
    nothing = choose(ledger, "t", explore=0.0)
    assert (nothing.tried, nothing.success, nothing.to) == (0, 0.5, "larger")
    assert choose(ledger, "t", student="smol (student put-1)").to == "student"


def test_a_task_counts_once_and_a_run_begun_again_was_not_won(ledger: Ledger) -> None:
    for _ in range(10):
        ended(ledger, "t", 0, won=True)
    ended(ledger, "t", 1, won=True)
    ended(ledger, "t", 1, won=False)
    ended(ledger, "t", 2, won=True, attempts=2)
    found = choose(ledger, "t")
    assert (found.tried, found.won) == (3, 1.5)


def test_what_is_added_counts_at_once(ledger: Ledger) -> None:
    picks = router(ledger)
    record(ledger, "t", 2, 20)
    assert picks.choose(task("t")).tried == 20
    ended(ledger, "t", 77, won=True)
    assert picks.choose(task("t")).tried == 21


@pytest.mark.parametrize(
    ("fields", "seen"),
    [
        ({"stop": "done"}, False),
        ({"stop": "limit"}, True),
        ({"stop": "error", "error": "it broke"}, True),
        ({"stop": "done", "verdicts": (Verdict(accepted=False),)}, True),
        ({"stop": "done", "verdicts": (Verdict(accepted=None),)}, False),
    ],
)
def test_a_failure_is_seen_without_the_score(fields: dict[str, Any], seen: bool) -> None:
    whole = {"id": "r", "env": "e", "task": "t", "task_key": "t", "split": "val", "goal": "g"}
    for won in (True, False):
        score = Score(value=float(won), passed=won)
        assert seen_to_fail(Trajectory.model_validate({**whole, **fields, "score": score})) == seen


def cleverly(messages: Sequence[Any], schema: dict[str, Any] | None) -> dict[str, Any]:
    """Gives and takes what is asked for; knows its drawer."""
    assert schema is not None
    choices = schema["properties"]["action"]["enum"]
    goal = next(m for m in messages if m["role"] == "user")["content"]
    thing = goal.partition("Bring me the ")[2].split()[0].strip(".")
    wishes = (f"give {thing}", f"take {thing}", f"open {Toy()._homes[thing]} drawer")
    return {"action": next((wish for wish in wishes if wish in choices), choices[0])}


def stubbornly(_messages: Sequence[Any], schema: dict[str, Any] | None) -> dict[str, Any]:
    """Opens the first drawer, whatever is asked."""
    assert schema is not None
    return {"action": schema["properties"]["action"]["enum"][0]}


@asynccontextmanager
async def place(folder: Path, **settings: Any) -> AsyncIterator[Home]:
    memory = Memory(Ledger(folder / "ledger.db"), ListIndex(HashEmbedder()))
    models = {
        "model": PolicyModel(stubbornly, name=STUDENT),
        "larger": PolicyModel(cleverly, name=LARGER),
    }
    router = {"use": True, **settings}
    options = load(home=str(folder), router=router, memory={"drafts": "plain"})
    async with home(options, memory=memory, models=models) as opened:
        yield opened


def spoon(number: int = 0) -> Task:
    return [t for t in Toy().tasks("train") if t.tags[1] == "spoon"][number]


async def test_a_crew_has_the_chosen_model_play_and_the_trajectory_says_why(
    tmp_path: Path,
) -> None:
    async with place(tmp_path, explore=0.0) as home_:
        up = await run(await home_.crew(), Toy(), Spec(task=spoon(), learn=False))
        kept = home_.ledger.trajectory(up.id)
    async with place(tmp_path, explore=1.0) as home_:
        own = await run(await home_.crew(), Toy(), Spec(task=spoon(1), learn=False))
        chat = await home_.crew(chat=True)
    assert (up.model, own.model) == (LARGER, STUDENT)
    assert up.score is not None
    assert up.score.passed
    note = Routed.model_validate(kept.notes[0])
    assert (note.to, note.model, note.tried) == ("larger", LARGER, 0)
    assert "0 of 0 train tasks solved; fewer than 5" in note.why
    assert Routed.model_validate(own.notes[0]).explored
    assert chat.fork is None


async def test_what_the_student_is_seen_to_fail_at_goes_up_when_that_is_asked_for(
    tmp_path: Path,
) -> None:
    async with place(tmp_path, explore=1.0, again=True) as home_:
        done = await run(await home_.crew(), Toy(), Spec(task=spoon(), learn=False))
        second, first = home_.ledger.trajectories()
    assert (first.model, second.model, second.id) == (STUDENT, LARGER, done.id)
    assert (first.attempts, second.attempts) == (1, 2)
    assert first.score is not None
    assert not first.score.passed
    assert done.score is not None
    assert done.score.passed
    note = Routed.model_validate(done.notes[0])
    assert note.after == first.id
    assert note.why == f"{STUDENT} was seen to fail at it: limit"


async def test_without_a_router_the_crew_s_model_plays_all(tmp_path: Path) -> None:
    async with place(tmp_path, use=False) as home_:
        crew = await home_.crew()
        done = await run(crew, Toy(), Spec(task=spoon(), learn=False))
    assert crew.fork is None
    assert (done.model, done.notes) == (STUDENT, ())


async def test_an_interrupted_run_goes_on_with_the_model_it_was_given(tmp_path: Path) -> None:
    async with place(tmp_path, explore=0.0) as home_:
        crew = await home_.crew()
        assert isinstance(crew.fork, Fork)
        routed = {**crew.fork.choose(spoon(), 0), "to": "student", "model": STUDENT}
        spec = Spec(task=spoon(), routed=routed, learn=False)
        row = Run(id="r1", env="toy", task=spoon().id, goal="g", status="running")
        home_.ledger.begin_run(row.model_copy(update={"spec": spec.model_dump(mode="json")}))
        done = await resume(crew, Toy(), "r1")
    assert done.model == STUDENT


def test_the_router_is_part_of_what_makes_an_agent() -> None:
    off, on = load(), load(router={"use": True})
    keyed = load(router={"use": True, "larger": {"api_key": "secret"}})
    higher = load(router={"use": True, "floor": 0.9})
    assert len({off.hash(), on.hash(), higher.hash()}) == 3
    assert keyed.hash() == on.hash()
