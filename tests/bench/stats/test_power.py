from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest, f_oneway
from statsmodels.stats.proportion import power_proportions_2indep

from bench.stats.bootstrap import Cluster
from bench.stats.power import design_effect, detectable, effective_size, needed
from envs.errors import UserError


def test_five_points_near_one_half_take_about_1600_rows_an_arm() -> None:
    assert 1500 < needed(0.05, rate=0.5) < 1650


@pytest.mark.parametrize(("rate", "other"), [(0.5, 0.55), (0.1, 0.2), (0.02, 0.12), (0.88, 0.78)])
def test_unpaired_agrees_with_the_power_of_a_second_test(rate: float, other: float) -> None:
    """statsmodels' score test of two proportions, which does not use the arcsine."""
    n = needed(abs(other - rate), rate=rate)
    power = np.asarray(power_proportions_2indep(other - rate, rate, n, return_results=False))
    assert power.item() == pytest.approx(0.8, abs=0.06)


@pytest.mark.parametrize(("size", "flips"), [(0.1, 0.3), (0.2, 0.25), (0.3, 0.3)])
def test_paired_agrees_with_a_simulation(size: float, flips: float) -> None:
    n = needed(size, rate=0.4, discordance=flips)
    rng = np.random.default_rng(1)
    up, down = (flips + size) / 2, (flips - size) / 2
    drawn = rng.multinomial(n, [up, down, 1 - up - down], size=1500).tolist()
    kinds = {(a, b) for a, b, _ in drawn if a + b}
    seen = {(a, b) for a, b in kinds if binomtest(a, a + b).pvalue < 0.05}
    share = sum((a, b) in seen for a, b, _ in drawn) / len(drawn)
    # the exact test is the stricter one, so a little less than 80 % is right
    assert 0.7 < share < 0.88


@pytest.mark.parametrize("rate", [0.05, 0.3, 0.5, 0.7, 0.95])
@pytest.mark.parametrize("n", [50, 400])
def test_detectable_undoes_needed(rate: float, n: int) -> None:
    assert needed(detectable(n, rate=rate), rate=rate) == pytest.approx(n, abs=1)
    paired = detectable(n, rate=rate, discordance=0.3)
    assert needed(paired, rate=rate, discordance=0.3) == pytest.approx(n, abs=1)


def test_pairs_that_rarely_flip_need_fewer() -> None:
    assert needed(0.1, rate=0.5, discordance=0.2) < needed(0.1, rate=0.5, discordance=0.4)
    assert needed(0.1, rate=0.5, discordance=0.4) < needed(0.1, rate=0.5)


def test_flips_are_no_fewer_than_the_difference() -> None:
    assert needed(0.2, rate=0.5, discordance=0.0) == needed(0.2, rate=0.5, discordance=0.2)


def test_too_few_rows_show_nothing() -> None:
    assert detectable(0, rate=0.5) == 1.0
    assert detectable(1, rate=0.5) == 1.0
    assert detectable(3, rate=0.5, discordance=0.2) == 1.0
    assert detectable(50, rate=0.5, discordance=0.0) == 1.0


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(UserError, match=r"ask for at most 0\.5"):
        needed(0.6, rate=0.5)
    with pytest.raises(UserError, match=r"difference of 0.* cannot be planned"):
        needed(0, rate=0.5)
    with pytest.raises(UserError, match=r"rate of 1\.5"):
        detectable(10, rate=1.5)
    with pytest.raises(UserError, match="discordance of -1"):
        needed(0.1, rate=0.5, discordance=-1)


def of(rooms: list[int]) -> list[Cluster]:
    return [(room,) for room in rooms]


def test_design_effect_by_hand() -> None:
    assert design_effect([1, 1, 0, 0], of([0, 0, 1, 1])) == pytest.approx(2.0)
    assert design_effect([1, 0, 1, 0], of([0, 0, 1, 1])) == 1.0
    assert design_effect([1, 0, 1], of([0, 1, 2])) == 1.0
    assert design_effect([1, 1, 1, 1], of([0, 0, 1, 1])) == 1.0
    assert design_effect([1, 0], of([0, 0])) is None
    assert design_effect([], []) is None


def test_design_effect_has_the_correlation_of_scipys_analysis_of_variance() -> None:
    rng = np.random.default_rng(4)
    groups = [rng.normal(size=8) + centre for centre in rng.normal(size=12)]
    f = float(f_oneway(*groups).statistic)
    shared = (f - 1) / (f - 1 + 8)
    values = [float(value) for group in groups for value in group]
    rooms = [room for room in range(12) for _ in range(8)]
    assert design_effect(values, of(rooms)) == pytest.approx(1 + 7 * shared)


def test_copies_are_worth_one_and_strangers_are_worth_all() -> None:
    tasks = of([task for task in range(20) for _ in range(5)])
    copies = [float(task % 2) for task in range(20) for _ in range(5)]
    assert effective_size(copies, tasks) == pytest.approx(20)
    strangers = [float(at % 2) for at in range(100)]
    assert effective_size(strangers, tasks) == pytest.approx(100)
    assert effective_size([1.0] * 100, tasks) == 20
