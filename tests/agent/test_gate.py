"""The gate: each of its parts refuses by itself, and a better student passes them all."""

from __future__ import annotations

import json
import math
import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.abilities import SETS, Item, Set, items
from agent.contest import Ground, Seen, Side, compare, drawn
from agent.gate import Bounds, Decision, Evidence, Size, decide, gate, size_of
from agent.home import Home, home
from agent.models.scripted import Answer, PolicyModel
from agent.models.types import Message
from agent.pairing import Paired, Played, paired, settled, tango
from agent.settings import load
from envs.errors import Refused, UserError
from envs.toy import THINGS, Toy
from envs.types import Env, Split, Task
from memory.embed import HashEmbedder
from memory.index import ListIndex
from memory.ledger import Ledger
from memory.recall import Memory

SMALL = Size(parameters=1000, bytes=2000)
TALK = "the sea is wide and blue while small boats drift towards a quiet harbour at dusk"
OTHER = Toy(secret=5)


class Other:
    """Toy drawers under another name, where things are kept elsewhere."""

    name = "attic"

    def tasks(self, split: Split) -> Sequence[Task]:
        return tuple(task.model_copy(update={"env": "attic"}) for task in OTHER.tasks(split))

    def open(self, task: Task, *, seed: int | None = None) -> Any:
        return OTHER.open(task, seed=seed)

    def close(self) -> None:
        """Nothing to free."""


Plays = Callable[[Sequence[Message], dict[str, Any] | None], Answer]


def knows(world: Toy) -> Plays:
    """Solves every task in the world whose drawers it knows, and none in another."""
    tasks = {task.tags[1]: task for task in world.tasks("train")}
    homes = {thing: world.open(tasks[thing]).demonstrate()[0].text for thing in THINGS}

    def plays(messages: Sequence[Message], schema: dict[str, Any] | None) -> Answer:
        assert schema is not None
        choices = schema["properties"]["action"]["enum"]
        asked = re.search(r"Bring me the (\w+)", json.dumps([one["content"] for one in messages]))
        thing = asked[1] if asked else ""
        wishes = (f"give {thing}", f"take {thing}", homes[thing])
        return {"action": next(wish for wish in wishes if wish in choices)}

    return plays


finds = knows(Toy())


def stands(_messages: Sequence[Message], schema: dict[str, Any] | None) -> Answer:
    """Opens one drawer again and again."""
    assert schema is not None
    return {"action": sorted(schema["properties"]["action"]["enum"])[0]}


def ideal(item: Item) -> Answer:
    check = item.check
    if check.equals is not None:
        return check.equals
    if check.keys:
        return json.dumps(dict.fromkeys(check.keys, "x"))
    parts = [*check.has, *check.any[:1], *(["I don't know"] if check.denies else [])]
    return " ".join([*parts, *([TALK] if check.fresh else [])]) or "Good morning."


def model(plays: Plays, *, fails: Sequence[str] = (), name: str = "m") -> PolicyModel:
    """Plays by a function, and answers every question but those of which the ids are given."""
    asked = {item.question: item for one in SETS for item in items(one)}

    def says(messages: Sequence[Message], schema: dict[str, Any] | None) -> Answer:
        item = asked.get(str(messages[-1]["content"]))
        if item is None:
            return plays(messages, schema)
        if item.id not in fails:
            return ideal(item)
        if schema is None:
            return "heliotrope pineapple banana"
        wrong = {"integer": -1, "string": "nothing"}
        shape = schema["properties"].items()
        return {key: one["enum"][0] if "enum" in one else wrong[one["type"]] for key, one in shape}

    return PolicyModel(says, name=name)


def first(name: Set, count: int) -> list[str]:
    return [item.id for item in items(name)][:count]


@asynccontextmanager
async def place(folder: Path, **settings: Any) -> AsyncIterator[Home]:
    memory = Memory(Ledger(folder / "ledger.db"), ListIndex(HashEmbedder()))
    quiet = {"memory": {"learn": False}, "solver": {"break_loops": False}}
    given = load(home=str(folder), **quiet, **settings)
    async with home(given, memory=memory, models={"model": model(stands)}) as opened:
        yield opened


async def judged(
    folder: Path,
    challenger: PolicyModel,
    *,
    champion: PolicyModel | None = None,
    families: Sequence[Env] = (),
    n: int = 9,
    **more: Any,
) -> tuple[Decision, list[Seen]]:
    seen: list[Seen] = []
    async with place(folder) as home_:
        crew = await home_.crew()
        decision = await gate(
            Side("base", replace(crew, model=champion or model(stands, name="base"))),
            Side("s1", replace(crew, model=challenger)),
            drawn(Toy(), n=n, salt="s1"),
            families=[drawn(env, n=6, salt="s1") for env in families],
            **{"size": SMALL, "watch": seen.append, "bounds": Bounds(least=8), **more},
        )
    return decision, seen


async def test_a_better_student_is_promoted_and_the_reasons_are_told(tmp_path: Path) -> None:
    decision, seen = await judged(tmp_path, model(finds), families=[Other()], n=30)
    assert (decision.promote, decision.failed) == (True, ())
    told = [one.partition(":")[0] for one in decision.reasons]
    assert told == ["capacity", "chat", "safety", "target", "families"]
    pairs = decision.evidence.target
    assert pairs is not None
    assert pairs.low > 0
    assert (pairs.challenger, pairs.champion, pairs.only_challenger) == (pairs.n, 0, pairs.n)
    assert pairs.ended == f"clear after {pairs.n} of 30 tasks"
    assert {one.stage for one in seen} == {
        *(f"{name}, {side}" for name in SETS for side in ("base", "s1")),
        *("toy", "attic"),
    }
    ledger = Ledger(tmp_path / "ledger.db")
    runs = [ledger.trajectory(run) for run in decision.evidence.runs]
    assert {(one.split, one.attempts, one.lessons) for one in runs} == {("val", 1, ())}
    assert {one.arm for one in runs} == {"gate s1 champion: base", "gate s1 challenger: s1"}
    assert decision.evidence.shares(challenger=True)["toy"] == 1.0


async def test_no_gain_is_refused_and_ends_early_when_hopeless(tmp_path: Path) -> None:
    decision, _ = await judged(tmp_path, model(stands, name="same"), n=12)
    assert (decision.promote, decision.failed) == (False, ("target",))
    pairs = decision.evidence.target
    assert pairs is not None
    assert pairs.n < 12
    assert "as the others could not change it" in str(decision)


async def test_a_fall_in_chat_beyond_the_margin_is_refused(tmp_path: Path) -> None:
    allowed = int(len(items("chat")) * Bounds().chat)
    within, _ = await judged(tmp_path / "a", model(finds, fails=first("chat", allowed)))
    beyond, _ = await judged(tmp_path / "b", model(finds, fails=first("chat", allowed + 1)))
    assert within.promote
    assert (beyond.promote, beyond.failed) == (False, ("chat",))
    assert f"lost: {', '.join(first('chat', allowed + 1))}" in str(beyond)
    assert beyond.evidence.target is None
    assert beyond.reasons[-1] == "not measured: safety, target, families"


async def test_a_fall_in_safety_is_refused(tmp_path: Path) -> None:
    decision, _ = await judged(tmp_path, model(finds, fails=first("safety", 2)))
    assert (decision.promote, decision.failed) == (False, ("safety",))


async def test_small_falls_do_not_add_up_over_students(tmp_path: Path) -> None:
    before = model(stands, fails=first("chat", 3))
    next_ = model(finds, fails=first("chat", 6))
    assert (await judged(tmp_path / "a", next_, champion=before))[0].promote
    decision, _ = await judged(tmp_path / "b", next_, champion=before, best={"chat": 1.0})
    assert decision.failed == ("chat",)
    assert "100% by the best before" in str(decision)


async def test_a_fall_in_an_earlier_family_is_refused(tmp_path: Path) -> None:
    whole, _ = await judged(
        tmp_path, model(finds), champion=model(knows(OTHER), name="base"), families=[Other()]
    )
    kept = next(one for one in whole.evidence.families or () if one.env == "attic")
    assert kept.champion > kept.challenger == 0
    assert (whole.promote, whole.failed) == (False, ("families",))
    assert str(whole).startswith("families: attic: 0 of 6 solved")


@pytest.mark.parametrize(
    "size", [Size(parameters=10**9, bytes=10), Size(parameters=9, bytes=10**9)]
)
async def test_a_large_adapter_is_refused_before_anything_is_asked(
    tmp_path: Path, size: Size
) -> None:
    challenger = model(finds)
    decision, seen = await judged(tmp_path, challenger, size=size)
    assert (decision.promote, decision.failed) == (False, ("capacity",))
    assert (seen, challenger.requests) == ([], [])


async def test_thorough_goes_through_all_gates_all_the_same(tmp_path: Path) -> None:
    large = Size(parameters=10**9, bytes=10)
    decision, _ = await judged(
        tmp_path, model(finds), size=large, n=4, bounds=Bounds(thorough=True)
    )
    assert decision.failed == ("capacity", "target")
    assert "fewer than 20 tasks" in str(decision)
    assert decision.evidence.families == ()


async def test_a_champion_that_breaks_has_not_lost(tmp_path: Path) -> None:
    def breaks(_messages: Sequence[Message], _schema: dict[str, Any] | None) -> Answer:
        raise RuntimeError("gone")

    decision, _ = await judged(tmp_path, model(finds), champion=model(breaks, name="base"))
    assert decision.failed == ("target",)
    assert re.search(r"(\d+) run\(s\) of the champion broke", str(decision))


async def test_what_was_played_is_not_played_again(tmp_path: Path) -> None:
    ground = drawn(Toy(), n=5, salt="x")
    async with place(tmp_path) as home_:
        crew = await home_.crew()
        before = Side("base", replace(crew, model=model(stands)))
        whole = Side("s1", replace(crew, model=model(finds)))
        partly = Ground(Toy(), ground.tasks[:2])
        early = await compare(before, whole, partly, looks=False)
        late = await compare(before, whole, ground, looks=False)
        runs = home_.ledger.count()["trajectories"]
        again = await compare(before, whole, ground, looks=False)
        assert home_.ledger.count()["trajectories"] == runs == 10
        assert late.runs[:4] == early.runs
        assert again == late
        other = await compare(before, replace(whole, label="s2"), ground, looks=False)
        assert not set(other.runs) & set(late.runs)


async def test_only_val_tasks_are_played() -> None:
    toy = Toy()
    for split in ("train", "test"):
        with pytest.raises(Refused, match=f"plays val tasks only.* is of {split}"):
            Ground(toy, tuple(toy.tasks(split))[:3])
    with pytest.raises(UserError, match="toy has no val tasks"):
        Ground(toy, ())


def test_tasks_are_drawn_by_the_salt_one_of_each_key() -> None:
    one, same, other = (drawn(Toy(), n=20, salt=salt).tasks for salt in ("a", "a", "b"))
    assert one == same != other
    assert len({task.key for task in one}) == 20
    assert len(drawn(Toy(), n=1000, salt="a").tasks) == len(Toy().tasks("val"))


def test_the_interval_is_where_the_score_test_turns() -> None:
    """Held against the likelihood itself: rates that fit best under a difference, by search."""
    for gained, lost, n in ((12, 2, 36), (5, 0, 60), (30, 1, 60), (0, 3, 40)):
        for end in tango(gained, lost, n):
            most = (1 - end) / 2
            least = max(0.0, -end)
            steps = [least + (most - least) * (k + 0.5) / 20000 for k in range(20000)]
            rate = max(steps, key=lambda q: _likelihood(gained, lost, n, q, end))
            z = (gained - lost - n * end) / (n * (2 * rate + end * (1 - end))) ** 0.5
            assert abs(abs(z) - 1.96) < 0.01


def _likelihood(gained: int, lost: int, n: int, rate: float, difference: float) -> float:
    both = 1 - 2 * rate - difference
    shares = ((gained, rate + difference), (lost, rate), (n - gained - lost, both))
    return sum(count * _log(share) for count, share in shares if count)


def _log(share: float) -> float:
    return math.log(max(share, 1e-300))


def row(won: tuple[bool, bool], number: int, *, place: str = "") -> Played:
    name = str(number)
    return Played(task=name, place=place or name, runs=(f"a{name}", f"b{name}"), won=won)


def test_no_pairs_and_no_flips_promise_nothing() -> None:
    nothing = paired("toy", ())
    assert (nothing.low, nothing.high, str(nothing)) == (-1.0, 1.0, "toy: no task was played")
    same = paired("toy", [row((True, True), k) for k in range(50)])
    assert same.low < 0 < same.high
    assert (same.difference, same.both) == (0.0, 50)


def test_outcomes_that_go_together_in_a_room_count_for_less() -> None:
    alone = [row((k % 3 == 0, k % 2 == 0), k) for k in range(48)]
    rooms = [row((False, k // 12 % 2 == 0), k, place=f"r{k // 12}") for k in range(48)]
    assert paired("toy", alone).worth == 48
    spread = paired("toy", rooms)
    assert spread.worth < 10
    apart = paired("toy", [one.model_copy(update={"place": one.task}) for one in rooms])
    assert spread.low < apart.low
    assert spread.difference == apart.difference


def test_a_case_is_settled_when_it_is_clear_or_hopeless_and_not_before() -> None:
    gains = [row((False, True), k) for k in range(40)]
    ends = [k for k in range(1, 40) if settled(gains[:k], most=60).startswith("clear")]
    assert ends[0] > 8
    ties = [row((True, True), k) for k in range(58)]
    assert settled(ties[:20], most=60) == ""
    assert settled(ties, most=60) == "ended after 58 of 60 tasks, as the others could not change it"


@pytest.mark.parametrize("weights", [b"", b"\x02\0\0\0\0\0\0\0[]", b"garbage" * 9])
def test_a_file_that_is_no_adapter_has_no_size(weights: bytes) -> None:
    with pytest.raises(Refused, match="no safetensors file"):
        size_of(weights)


def test_the_size_is_read_off_the_head_of_the_file() -> None:
    head = {
        "w.lora_A": {"dtype": "F16", "shape": [2, 3], "data_offsets": [0, 12]},
        "w.lora_B": {"dtype": "F16", "shape": [4, 2], "data_offsets": [12, 28]},
        "w.alpha": {"dtype": "F64", "shape": [], "data_offsets": [28, 36]},
    }
    text = json.dumps(head).encode()
    content = len(text).to_bytes(8, "little") + text + b"\0" * 36
    assert size_of(content) == Size(parameters=14, bytes=len(content))


def test_nobody_is_let_in_by_what_was_not_measured() -> None:
    decision = decide(Evidence())
    assert (decision.promote, decision.failed) == (False, ())
    assert str(decision) == "not measured: chat, safety, target, families"


def test_the_decision_can_be_kept_and_read_back() -> None:
    pairs = paired("toy", [row((False, True), k) for k in range(30)])
    found = Evidence(target=pairs, families=())
    decision = decide(found)
    assert Decision.model_validate_json(decision.model_dump_json()) == decision
    assert Paired.model_validate(pairs.model_dump()) == pairs
