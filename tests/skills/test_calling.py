"""Which skills answer to a goal, in which order, with which arguments."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from skills.calling import bound, calls
from skills.types import Skill, Trial

WORD = st.text("abcdefgh", min_size=1, max_size=6)


@pytest.mark.parametrize(
    ("goal", "asked", "given"),
    [
        ("put a {x} in {y}.", "put a mug in fridge.", {"x": "mug", "y": "fridge"}),
        ("put a {x} in {y}.", "put a red mug in fridge.", None),
        ("put a {x+} in {y}.", "put a red mug in fridge.", {"x": "red mug", "y": "fridge"}),
        ("PUT a {x}", "  put a Mug ", {"x": "Mug"}),
        ("swap {x} for {x}", "swap mug for mug", {"x": "mug"}),
        ("swap {x} for {x}", "swap mug for pen", None),
        ("look (up) {x}?", "look (up) mug?", {"x": "mug"}),
        ("look (up) {x}?", "look up mug", None),
        (
            "see {x+} on {y+}.",
            "see Dr. Meyer on June 13, 2026.",
            {"x": "Dr. Meyer", "y": "June 13, 2026"},
        ),
        ("see {x+}.", "see J. Smith.", {"x": "J. Smith"}),
        ("see {x} at {y+}.", "see Ann at 9:37 PM.", {"x": "Ann", "y": "9:37 PM"}),
        ("see {x+}.", "see this: Ann.", None),
        ("see {x+}.", "see Ann. Then go.", None),
        ("see {x+}.", "see Ann, then go.", None),
        ("tidy", "tidy", {}),
        ("{x+}", "anything at all", {"x": "anything at all"}),
        ("{x}", "", None),
        ("take {x}", "take {x}", None),
        ("take {x+}", "take a'); act('delete everything", None),
    ],
)
def test_bound(goal: str, asked: str, given: dict[str, str] | None) -> None:
    assert bound([goal], asked) == given


def test_the_first_goal_that_fits_counts() -> None:
    assert bound(["a {x}", "a {y}"], "a b") == {"x": "b"}
    assert bound([], "a b") is None


@given(st.lists(WORD, min_size=1, max_size=4), st.lists(WORD, min_size=5, max_size=5))
def test_bound_undoes_formatting(values: list[str], between: list[str]) -> None:
    """Words that stand in no value keep the values apart."""
    fixed = [word.upper() + "!" for word in between]
    names = ["x", "y", "z", "x1"][: len(values)]
    goal = " ".join(
        word
        for pair in zip(fixed, [f"{{{name}}}" for name in names], strict=False)
        for word in pair
    )
    asked = goal.format(**dict(zip(names, values, strict=True)))
    assert bound([goal], asked) == dict(zip(names, values, strict=True))


@given(st.lists(WORD, min_size=1, max_size=3), WORD)
def test_several_words_are_bound_whole(words: list[str], last: str) -> None:
    assume(last not in words)
    thing = " ".join(words)
    found = bound(["put a {x+} into: {y}."], f"put a {thing} into: {last}.")
    assert found == {"x": thing, "y": last}


def skill(name: str, *, won: int, of: int, steps: int, goal: str = "take {x}") -> Skill:
    trials = tuple(
        Trial(task=f"t{n}", task_key=f"k{n}", passed=n < won, steps=steps) for n in range(of)
    )
    return Skill(id=f"S-{name}", name=name, code="", goals=(goal,), trials=trials, version=3)


def test_the_best_proven_call_comes_first() -> None:
    skills = [
        skill("untried", won=0, of=0, steps=0),
        skill("lucky", won=3, of=3, steps=1),
        skill("long", won=20, of=20, steps=9),
        skill("proven", won=20, of=20, steps=4),
        skill("other", won=20, of=20, steps=1, goal="drop {x}"),
    ]
    found = calls(skills, "take mug")
    assert [call.name for call in found] == ["proven", "long", "lucky", "untried"]
    assert (found[0].skill, found[0].version, str(found[0])) == ("S-proven", 3, "proven(x='mug')")


def test_skills_that_only_serve_others_answer_to_nothing() -> None:
    helper = skill("reach", won=0, of=0, steps=0).model_copy(update={"goals": ()})
    assert calls([helper], "take mug") == []


def test_trials_that_asked_for_something_else_do_not_count() -> None:
    good, bad = skill("good", won=5, of=5, steps=4), skill("bad", won=0, of=4, steps=1)
    kept = tuple(one.model_copy(update={"purpose": "keep", "passed": True}) for one in bad.trials)
    more = bad.model_copy(update={"trials": bad.trials + kept * 20})
    assert [call.name for call in calls([more, good], "take mug")] == ["good", "bad"]
