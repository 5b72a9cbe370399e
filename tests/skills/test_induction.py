"""Programs out of ways of worlds that no code knows, and of players who won by luck."""

from __future__ import annotations

import random
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from envs.household import Household
from envs.toy import Toy
from envs.types import Action, Env, Step, Task
from envs.workers import WorkerPool
from skills.grammar import Grammar
from skills.induction import Induced, induce
from skills.search import Search
from skills.showing import by_chance, demonstrated
from skills.types import Shown
from skills.ways import commands


def shown(env: Env, most: int) -> list[Shown]:
    ways = [demonstrated(env, task) for task in by_chance(env.tasks("train"), most=most)]
    return [way for way in ways if way]


def forms(induced: Induced) -> list[tuple[str, tuple[str, ...]]]:
    return [(deed.form, deed.names) for deed in induced.programs[0].deeds]


def test_a_cabinet() -> None:
    induced = induce(shown(Toy(), 24))
    (program,) = induced.programs
    assert program.goals == ("Bring me the {x}.",)
    assert (program.parameters, program.rounds, len(program.ways)) == (("x",), 1, 24)
    assert forms(induced) == [("take *", ("{x}",)), ("give *", ("{x}",))]
    assert [deed.answer for deed in program.deeds] == ["You take the", "Thank you for the"]
    assert induced.search == Search(forms=("open * drawer",))
    assert all(len(row) == 1 for row in induced.places.found.values())


def test_a_space_station(station: Any) -> None:
    induced = induce(shown(station(), 24))
    (program,) = induced.programs
    assert program.goals == ("Bring the {x+} over to the {y+}!",)
    assert forms(induced) == [
        ("grab *", ("{x}",)),
        ("beam * to *", ("{x}", "{y}")),
        ("transmit report", ()),
    ]
    assert induced.search == Search(forms=("float to *", "unlatch *"))
    assert max(induced.places.found["plasma coil"].items(), key=lambda one: one[1])[0] == (
        "cargo hold"
    )


def noisy(way: Shown, env: Env, *, seed: int) -> Shown:
    """The same way with things done in between that change nothing."""
    chance, episode = random.Random(seed), env.open(way.task)
    actions: list[str] = []
    steps: list[Step] = []
    for action in way.actions:
        extra = [one for one in ("hum a tune", "blink twice") if chance.random() < 0.3]
        for one in (*extra, action):
            actions.append(one)
            steps.append(episode.step(Action(text=one)).model_copy(update={"info": {}}))
    assert episode.score().passed  # type: ignore[union-attr]
    return way.model_copy(update={"actions": tuple(actions), "steps": tuple(steps)})


def test_what_changes_nothing_is_left_out(station: Any) -> None:
    env = station()
    clean = shown(env, 24)
    ways = [noisy(way, env, seed=number) for number, way in enumerate(clean)]
    assert forms(induce(ways)) == forms(induce(clean))
    assert induce(ways).search == induce(clean).search


def lucky(env: Env, task: Task, *, seed: int) -> Shown | None:
    """A way of a player who does anything that is offered."""
    chance, episode = random.Random(seed), env.open(task)
    seen, actions, steps = episode.first, [], []
    while not (seen.terminated or seen.truncated):
        actions.append(chance.choice(seen.admissible or ("",)))
        seen = episode.step(Action(text=actions[-1]))
        steps.append(seen.model_copy(update={"info": {}, "reward": None}))
    score = episode.score()
    if not (score and score.passed):
        return None
    return Shown(task=task, first=episode.first, actions=tuple(actions), steps=tuple(steps))


def by_luck(env: Env, *, most: int, tries: int) -> list[Shown]:
    found: list[Shown] = []
    tasks = env.tasks("train")
    for seed in range(tries):
        way = lucky(env, tasks[seed % len(tasks)], seed=seed)
        found += [way] if way else []
        if len(found) == most:
            break
    return found


def test_ways_of_a_random_player_that_won_by_luck() -> None:
    ways = by_luck(Toy(), most=30, tries=20_000)
    assert len(ways) == 30
    assert max(len(way.actions) for way in ways) > 3
    induced = induce(ways)
    assert forms(induced) == [("take *", ("{x}",)), ("give *", ("{x}",))]
    assert induced.search == Search(forms=("open * drawer",))


@pytest.mark.parametrize("most", [0, 1])
def test_too_few_ways_give_nothing(most: int) -> None:
    assert induce(shown(Toy(), most)).programs == ()


def test_goals_without_anything_that_varies_give_nothing(station: Any) -> None:
    assert induce(shown(station(goal="Do your job."), 12)).programs == ()


def test_other_words_for_the_same_are_one_program_with_two_goals(station: Any) -> None:
    ways = [*shown(station(), 24), *shown(station(goal="{} is needed in {}"), 24)]
    (program,) = induce(ways).programs
    assert set(program.goals) == {"Bring the {x+} over to the {y+}!", "{x+} is needed in {y+}"}
    assert sorted(program.ways) == list(range(48))


def test_a_way_without_any_action_is_no_harm(station: Any) -> None:
    ways = shown(station(), 24)
    ways.append(ways[0].model_copy(update={"actions": (), "steps": ()}))
    assert ("beam * to *", ("{x}", "{y}")) in forms(induce(ways))


def renamed(ways: Sequence[Shown], words: dict[str, str]) -> list[Shown]:
    def told(text: str) -> str:
        for old, new in words.items():
            text = text.replace(old, new)
        return text

    def step(one: Step) -> Step:
        offered = tuple(told(command) for command in one.admissible or ())
        return one.model_copy(update={"observation": told(one.observation), "admissible": offered})

    return [
        way.model_copy(
            update={
                "task": way.task.model_copy(update={"goal": told(way.task.goal)}),
                "first": step(way.first),
                "actions": tuple(told(action) for action in way.actions),
                "steps": tuple(step(one) for one in way.steps),
            }
        )
        for way in ways
    ]


def test_no_word_is_known_beforehand() -> None:
    """The same ways in another tongue give the same program in that tongue."""
    words = {
        "open": "ouvre",
        "take": "prends",
        "give": "donne",
        "drawer": "tiroir",
        "Bring me the": "Apporte",
        "spoon": "cuiller",
        "key": "clef",
        "candle": "bougie",
    }
    ways = shown(Toy(), 24)
    induced = induce(renamed(ways, words))
    assert forms(induced) == [("prends *", ("{x}",)), ("donne *", ("{x}",))]
    assert induced.search == Search(forms=("ouvre * tiroir",))
    assert induced.programs[0].goals == ("Apporte {x}.",)


def test_the_order_of_ways_does_not_matter_much(station: Any) -> None:
    ways = shown(station(), 24)
    assert forms(induce(ways)) == forms(induce(ways[::-1]))
    assert commands(ways) == commands(ways[::-1])
    assert Grammar(commands(ways)).parse("float to med bay").names == ("med bay",)


@pytest.mark.skipif(not find_spec("alfworld"), reason='pip install "journeyman[alfworld]"')
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_household(tmp_path: Path) -> None:
    env = Household(tmp_path, level="tiny", per_split=60, pool=WorkerPool(0))
    try:
        tasks = [one for one in env.tasks("train") if one.tags[0] == "pick_and_place_simple"]
        ways = [way for way in (demonstrated(env, task) for task in tasks[:6]) if way]
    finally:
        env.close()
    assert len(ways) >= 5
    induced = induce(ways)
    take, move = induced.programs[0].deeds
    assert (take.form, take.names[0], take.numbered) == ("take * from *", "{x}", (True, True))
    assert (move.form, move.names) == ("move * to *", ("{x}", "{y}"))
    assert induced.search.forms[0] == "go to *"
    assert set(induced.programs[0].parameters) == {"x", "y"}
