"""The contamination check on the layouts of generated houses, with leaks planted by hand."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest

from agent.transcript import prompt
from bench.lab.contamination import WORDS, Held, fingerprints, overlap, passages
from envs.household import Household
from envs.houses import House
from envs.types import Split, Task

Texts = list[tuple[Task, str]]


def first_of(house: House, task: Task) -> str:
    """The first observation, as ALFWorld words it."""
    names = sorted({place.name for place in house.places})
    names.sort(key=lambda name: (name.split()[0], -int(name.split()[1])))
    seen = [f"a {name}" for name in names]
    listed = ", ".join([*seen[:-1], f"and {seen[-1]}"])
    return (
        f"You are in the middle of a room. Looking quickly around you, you see {listed}.\n\n"
        f"Your task is to: {task.goal}"
    )


@cache
def texts(split: Split, *, level: str = "real", most: int = 60) -> Texts:
    env = Household(Path("unused"), level=level, per_split=most)
    return [(task, first_of(env.house(task), task)) for task in env.tasks(split)]


@cache
def held() -> Held:
    return fingerprints(
        [*texts("val"), *texts("test")], common=[text for _, text in texts("train")]
    )


def found(prompt: str, *, own: str | None = None) -> set[str]:
    return {hit.key for hit in overlap(prompt, held(), own=own)}


@pytest.mark.skipif(
    find_spec("textworld") is None or find_spec("alfworld") is None,
    reason='pip install "journeyman[alfworld]"',
)
def test_the_texts_of_these_tests_are_those_of_the_game(tmp_path: Path) -> None:
    env = Household(tmp_path, level="small", per_split=6, workers=0)
    task = env.tasks("val")[1]
    episode = env.open(task)
    assert episode.first.observation == first_of(env.house(task), task)
    episode.close()
    env.close()


def test_a_planted_first_observation_is_found_wherever_it_tells_a_house_from_train_houses() -> None:
    missed = [
        task.id
        for task, text in [*texts("val"), *texts("test")]
        if task.key not in found(f"Notes from earlier work:\n- {text}\nGood luck.")
    ]
    assert missed == [task.id for task in held().alike]
    assert len(missed) == 7, "seen from the door, these are like train houses"


def test_layout_and_case_and_punctuation_do_not_hide_it() -> None:
    task, text = next(one for one in texts("val") if one[0] not in held().alike)
    assert task.key in found(text.upper().replace(",", " ;\n").replace(":", ""))


def test_what_is_learned_from_and_the_prompts_are_no_hits() -> None:
    for _, text in texts("train"):
        assert found(text) == set()
    for name in ("solver", "solver_think", "lesson", "reflect"):
        assert found(prompt(name)) == set()


def test_a_task_may_show_itself() -> None:
    for task, text in [*texts("val"), *texts("test")]:
        assert found(f"{prompt('solver')}\n{text}", own=task.key) == set()


def test_a_leak_is_found_beside_the_tasks_own_text() -> None:
    every = [one for one in texts("val") if one[0] not in held().alike]
    pairs = list(zip(every, every[7:], strict=False))
    caught = [two.key in found(f"{b}\n{a}", own=one.key) for (one, a), (two, b) in pairs]
    assert sum(caught) >= 0.9 * len(caught)


def test_a_hit_says_how_much_of_which_task_in_one_line() -> None:
    text = "You see a red box 1, a blue box 2, a green box 3, and a grey box 4."
    task = texts("val")[0][0]
    (hit,) = overlap(f"Remember: {text}", fingerprints([(task, text)]))
    runs = list(passages(text))
    assert (hit.task, hit.key, hit.shared, hit.of) == (task.id, task.key, len(runs), len(runs))
    assert hit.text == (
        f"the prompt tells of the held-out task {task.id!r}: {len(runs)} of {len(runs)} "
        "passages, such as 'you see a red box 1 a blue'"
    )


def test_a_few_words_in_common_are_chance() -> None:
    task = texts("val")[0][0]
    one = fingerprints([(task, " ".join(f"w{n}" for n in range(60)))])
    part = " ".join(f"w{n}" for n in range(WORDS + 2))
    assert overlap(part, one) == []
    assert overlap(f"{part} w{WORDS + 2}", one)


def test_a_paraphrase_or_a_single_fact_is_not_found() -> None:
    """What the check can't do; the guards by lineage stand against it."""
    for task, _ in texts("val")[:5]:
        assert found(f"In this house, do {task.goal} Look into drawer 3, it is there.") == set()


def test_tasks_that_nothing_tells_apart_are_named() -> None:
    task, text = texts("val")[0]
    assert fingerprints([(task, text)], common=[text]).alike == (task,)
    assert fingerprints([(task, text)]).alike == ()


def test_lists_of_places_recur_between_splits_of_small_houses() -> None:
    """Why `common` has to hold everything that is learned from."""
    kinds = {
        split: {text.partition("Your task")[0] for _, text in texts(split, level="nook")}
        for split in ("train", "val")
    }
    assert kinds["train"] & kinds["val"]


def test_passages_are_runs_of_words() -> None:
    assert list(passages("A b, c d e f g h 1")) == ["a b c d e f g h", "b c d e f g h 1"]
    assert list(passages("too few words")) == []
