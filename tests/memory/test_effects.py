import numpy as np
import pytest

from memory.effects import (
    FLOOR,
    Cases,
    Measured,
    allot,
    cases,
    chance,
    course,
    episodes_needed,
    forecast,
    measure,
    paired,
    scores,
    shrink,
    toss,
    verdict,
    window,
)
from memory.sequences import bounds
from memory.types import Exposure


def made(
    episodes: int, *, shown: float = 0.5, withheld: float = 0.5, p: float = 0.5, seed: int = 0
) -> Cases:
    """Cases with these rates of success when shown and when withheld."""
    rng = np.random.default_rng(seed)
    tossed = rng.random(episodes) < p
    won = rng.random(episodes) < np.where(tossed, shown, withheld)
    return Cases(tossed, np.full(episodes, p), won, np.full(episodes, 0.5))


def exposure(episode: str, **fields: object) -> Exposure:
    whole = {"lesson": "L1", "version": 1, "first_step": 0, "shown": True, "probability": 0.5}
    return Exposure.model_validate({**whole, "episode": episode, "outcome": True, **fields})


NOTHING = made(0)


def test_a_toss_repeats_and_its_share_is_its_probability() -> None:
    tosses = [toss(f"r{run}", "L1", 0.3) for run in range(4000)]
    assert tosses == [toss(f"r{run}", "L1", 0.3) for run in range(4000)]
    assert np.mean(tosses) == pytest.approx(0.3, abs=0.025)
    assert toss("r", "L", 1.0)
    assert not toss("r", "L", 0.0)


def test_tosses_of_two_lessons_in_a_run_are_independent() -> None:
    pairs = np.array([[toss(f"r{run}", one, 0.5) for one in ("L1", "L2")] for run in range(4000)])
    assert abs(np.corrcoef(pairs.T)[0, 1]) < 0.05


def test_allotting_keeps_the_order_and_fills_nothing_up() -> None:
    given = allot(["L3", "L1", "L2"], run="r1", chances={"L1": 1.0, "L2": 0.0}, units={})
    assert [one.lesson for one in given] == ["L3", "L1", "L2"]
    assert [one.probability for one in given] == [0.5, 1 - FLOOR, FLOOR]


def test_near_duplicates_are_tossed_together() -> None:
    units = {"L1": "L1+L2", "L2": "L1+L2"}
    for run in range(50):
        one, two = allot(["L1", "L2"], run=f"r{run}", chances={"L1+L2": 0.7}, units=units)
        assert (one.shown, one.probability) == (two.shown, two.probability)


def test_the_score_is_the_effect_on_average_whatever_the_forecast() -> None:
    for expected in (0.1, 0.6, 0.9):
        for p in (0.1, 0.5, 0.9):
            sides = [(True, p, 0.7), (False, 1 - p, 0.4)]
            mean = 0.0
            for shown, share, rate in sides:
                for won, weight in ((True, rate), (False, 1 - rate)):
                    one = Cases(*(np.array([value]) for value in (shown, p, won, expected)))
                    value, least, most = scores(one)
                    assert least[0] - 1e-9 <= value[0] <= most[0] + 1e-9
                    mean += share * weight * value[0]
            assert mean == pytest.approx(0.3)


@pytest.mark.parametrize(("shown", "says"), [(0.8, "helps"), (0.2, "harms"), (0.5, "can't tell")])
def test_large_effects_are_seen_and_small_ones_cannot_be_told(shown: float, says: str) -> None:
    found = measure(made(800, shown=shown))
    assert found.verdict == says
    assert found.low < shown - 0.5 < found.high
    assert found.shown + found.withheld == 800


def test_useless_takes_an_interval_within_the_margin() -> None:
    assert measure(made(800), margin=0.05).verdict == "can't tell"
    assert measure(made(12_000), margin=0.05).verdict == "useless"
    assert verdict(-0.04, 0.05) == "can't tell"
    assert verdict(-0.04, 0.049) == "useless"
    assert verdict(0.001, 0.01) == "helps"


def test_without_episodes_nothing_is_said() -> None:
    assert measure(NOTHING) == Measured()
    assert chance(Measured()) == 0.5


def test_evidence_goes_with_the_interval() -> None:
    good = measure(made(1500, shown=0.7))
    assert good.log_helps > np.log(40)
    assert good.log_harms < 0
    assert measure(made(1500, shown=0.3)).log_worthless > np.log(40)


def test_the_interval_covers_at_all_times_also_when_chances_and_effects_change() -> None:
    rng = np.random.default_rng(3)
    missed = []
    for _ in range(120):
        gain = np.linspace(0.3, -0.3, 800)
        p = np.clip(0.5 + 0.4 * np.sin(np.arange(800) / 90), FLOOR, 1 - FLOOR)
        tossed = rng.random(800) < p
        won = rng.random(800) < 0.5 + np.where(tossed, gain / 2, -gain / 2)
        low, high = bounds(course(Cases(tossed, p, won, np.full(800, 0.5))), alpha=0.2)
        truth = np.cumsum(gain) / np.arange(1, 801)
        missed.append(np.any((truth < low) | (truth > high)))
    assert np.mean(missed) < 0.2


def test_a_forecast_by_task_makes_the_interval_narrower() -> None:
    rng = np.random.default_rng(4)
    keys = rng.integers(20, size=3000)
    rate = np.where(keys % 2, 0.9, 0.1)
    won, tossed = rng.random(3000) < rate, rng.random(3000) < 0.5
    names = [str(key) for key in keys]
    told = forecast(list(won), types=["pick"] * 3000, keys=names)
    even = np.full(3000, 0.5)
    blind, seeing = (measure(Cases(tossed, even, won, m)) for m in (even, told))
    assert seeing.high - seeing.low < 0.75 * (blind.high - blind.low)


def test_a_forecast_knows_only_what_came_before() -> None:
    won = [True, False, True, True, False, True]
    kinds, keys = ["a", "a", "b", "a", "b", "a"], ["1", "2", "3", "1", "3", "1"]
    whole = forecast(won, types=kinds, keys=keys)
    assert whole[0] == 0.5
    for cut in range(1, 6):
        assert np.array_equal(forecast(won[:cut], types=kinds[:cut], keys=keys[:cut]), whole[:cut])
        other = [*won[:cut], *(not one for one in won[cut:])]
        again = forecast(other, types=kinds, keys=keys)
        assert np.array_equal(again[: cut + 1], whole[: cut + 1])


def test_a_case_is_an_episode_that_was_tossed_and_has_ended() -> None:
    given = [
        exposure("r1", first_step=0),
        exposure("r1", first_step=5, shown=False),
        exposure("r2", outcome=None),
        exposure("r3", same_task=True),
        exposure("r4", probability=1.0),
        exposure("r5", shown=False, outcome=False, probability=0.9),
    ]
    found = cases(given, expected={"r5": 0.8})
    assert found.shown.tolist() == [True, False]
    assert found.won.tolist() == [True, False]
    assert found.probability.tolist() == [0.5, 0.9]
    assert found.expected.tolist() == [0.5, 0.8]


def test_a_new_model_adapter_policy_or_version_starts_afresh() -> None:
    old = exposure("r1", model="m1")
    for change in ({"model": "m2"}, {"adapter": "a"}, {"policy": "p"}, {"version": 2}):
        new = exposure("r2", **{"model": "m1", **change})
        assert window([old, new]) == [new]
    assert window([old, exposure("r2", model="m1")]) == [old, exposure("r2", model="m1")]
    assert window([]) == []


def test_paired_replays_need_far_fewer_episodes() -> None:
    helped = paired([1.0, 0, 0, 0] * 10)
    assert helped.verdict == "helps"
    assert helped.log_helps > np.log(40)
    assert helped.log_harms < 0
    assert (helped.shown, helped.won_shown, helped.won_withheld) == (40, 10, 0)
    assert paired([-1.0, 0, 0] * 15).verdict == "harms"
    assert paired([0.0] * 40).verdict == "can't tell"
    assert paired([0.0] * 600).verdict == "useless"
    assert paired([]) == Measured()


def test_paired_intervals_cover() -> None:
    rng = np.random.default_rng(5)
    runs = rng.choice([-1.0, 0.0, 1.0], p=[0.1, 0.7, 0.2], size=(300, 60))
    found = [paired(list(run), alpha=0.1) for run in runs]
    assert np.mean([not one.low <= 0.1 <= one.high for one in found]) < 0.1


def test_shrinking_draws_uncertain_estimates_further() -> None:
    known = {
        "sure": Measured(estimate=0.2, error=0.01),
        "unsure": Measured(estimate=0.2, error=0.2),
        "bad": Measured(estimate=-0.2, error=0.05),
        "new": Measured(),
    }
    drawn = shrink(known)
    assert drawn["bad"] < drawn["new"] < drawn["unsure"] < drawn["sure"] < 0.2 + 1e-9
    assert shrink({"new": Measured()}) == {"new": 0.0}
    noise = {f"L{i}": Measured(estimate=x, error=0.1) for i, x in enumerate((0.05, -0.05, 0.0))}
    assert list(shrink(noise).values()) == pytest.approx([0.0, 0.0, 0.0])


def test_the_chance_to_be_shown_follows_the_evidence_within_the_floor() -> None:
    chances = [chance(Measured(estimate=x, error=0.03)) for x in (-0.5, -0.02, 0.0, 0.02, 0.5)]
    assert chances == sorted(chances)
    assert (chances[0], chances[2], chances[-1]) == (FLOOR, 0.5, 1 - FLOOR)


def test_how_many_episodes_it_takes_is_about_right() -> None:
    wanted = episodes_needed(NOTHING, margin=0.05)
    assert wanted is not None
    assert 3500 < wanted < 5000
    found = measure(made(wanted))
    assert (found.high - found.low) / 2 == pytest.approx(0.05, rel=0.1)
    assert episodes_needed(made(200, p=0.9), margin=0.05) > 2 * wanted  # pyright: ignore[reportOptionalOperand]
