import numpy as np
import pytest

from bench.effects.judging import judge, looks
from bench.effects.rates import load
from bench.effects.rivals import RULES, Adaptive, Difference, Nothing, Ours, Replayed, Rule
from bench.effects.scenarios import SCENARIOS, Scenario, World, build
from memory.effects import FLOOR

RATES = load()
STARK = Scenario(
    name="stark",
    what="large effects, for a short test",
    kinds={"helpful": 3, "harmful": 3, "twin": 2},
    size=2.0,
    episodes=1600,
)


def world(scenario: Scenario = STARK, *, seed: int = 0) -> World:
    return build(scenario, rates=RATES, seed=seed)


def played(make: type[Rule], *, scenario: Scenario = STARK, seed: int = 0) -> Rule:
    rule = make(world(scenario, seed=seed), seed=seed)
    rule.play()
    return rule


@pytest.mark.parametrize("name", RULES)
def test_a_rule_repeats_and_shows_only_what_came_up(name: str) -> None:
    short = SCENARIOS["mixed"].model_copy(update={"episodes": 400})
    one, other = (RULES[name](world(short), seed=1) for _ in range(2))
    one.play()
    other.play()
    assert np.array_equal(one.shown, other.shown)
    assert not (one.shown & ~one.up).any()
    assert np.array_equal(one.won, one.world.luck < one.world.chance(one.shown))


def test_regret_is_that_of_the_best_subset() -> None:
    everything, nothing = judge(played(Rule)), judge(played(Nothing))
    made = world()
    assert everything.regret == pytest.approx(
        float((made.best() - made.chance(made.places >= 0)).mean())
    )
    assert nothing.regret == pytest.approx(float((made.best() - made.table[:, 0]).mean()))
    assert (everything.missed, everything.bad, everything.lost, everything.good) == (3, 3, 0, 4)
    assert (everything.bad_shown, nothing.bad_shown) == (1.0, 0.0)


@pytest.mark.parametrize("make", [Ours, Adaptive, Replayed])
def test_ours_keeps_what_helps_and_shows_harm_less(make: type[Rule]) -> None:
    found = judge(played(make))
    assert found.lost == 0
    assert found.late < judge(played(Rule)).late
    assert found.bad_shown is not None
    assert found.bad_shown < 0.35


def test_replays_retire_what_tosses_cannot_yet_tell() -> None:
    replayed, tossed = judge(played(Replayed)), judge(played(Adaptive))
    assert replayed.missed <= tossed.missed
    assert replayed.lost == 0
    assert replayed.replays > 0


def test_both_arms_keep_the_floor_until_a_lesson_is_retired() -> None:
    rule = played(Adaptive)
    asked = rule.chances[rule.up]
    assert asked[asked > 0].min() == FLOOR
    assert asked.max() == 1 - FLOOR


def test_near_duplicates_share_their_toss_and_one_stays() -> None:
    rule = played(Ours)
    twins = [i for i, kind in enumerate(rule.world.kinds) if kind == "twin"]
    both = np.array([np.isin(twins, places).all() for places in rule.world.places])
    shown = np.stack([rule.of(twin, until=len(both)) for twin in twins], axis=1)[both]
    assert both.any()
    assert np.array_equal(shown[:, 0], shown[:, 1])
    assert rule.kept[twins].any()


def test_intervals_cover_the_truth_and_single_looks_do_not() -> None:
    found = []
    for seed in range(4):
        rule = Ours(
            world(SCENARIOS["mixed"].model_copy(update={"episodes": 2000}), seed=seed), seed=seed
        )
        rule.play()
        found += looks(rule)
    assert len(found) > 50
    assert not any(look.exact for look in found)
    assert np.mean([look.naive for look in found]) > 0.15
    for look in found:
        assert all(valid > single for valid, _, single in look.widths)


def test_effects_start_afresh_with_a_new_model() -> None:
    scenario = SCENARIOS["new model"].model_copy(update={"episodes": 800})
    rule = Ours(world(scenario), seed=0)
    rule.play()
    unit = next(iter(rule.numbers))
    before, after = (rule.cases(unit, until=until)[1] for until in (400, 800))
    assert before.max() < 400
    assert after.min() >= 400


def test_a_test_looked_at_often_retires_useless_lessons_as_harmful() -> None:
    gone = [judge(played(Difference, scenario=SCENARIOS["null"], seed=seed)) for seed in range(5)]
    ours = [judge(played(Ours, scenario=SCENARIOS["null"], seed=seed)) for seed in range(2)]
    assert sum(play.idle for play in gone) / sum(play.useless for play in gone) > 0.05
    assert sum(play.idle for play in ours) == 0
