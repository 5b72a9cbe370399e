import numpy as np
import pytest

from memory.sequences import (
    Sums,
    accumulate,
    betting,
    bounds,
    log_capital,
    log_evidence,
    normal_mixture,
)

MIXED = np.array([1, 0, 0, 1, 1, 1, 0, 1, 0.5, 0.5] * 6)
TIES = np.array([0.5] * 30 + [1.0] * 6 + [0.5] * 14)


def signs(episodes: int, *, mean: float, runs: int, seed: int = 0) -> np.ndarray:
    """Runs of values -1 and 1 with this mean; (runs, episodes)."""
    rng = np.random.default_rng(seed)
    return np.where(rng.random((runs, episodes)) < (1 + mean) / 2, 1.0, -1.0)


def sums(values: np.ndarray, *, reach: float = 1.0) -> Sums:
    flat = np.zeros(len(values))
    return accumulate(values, guesses=flat, least=flat - reach, most=flat + reach)


@pytest.mark.parametrize(
    ("values", "ends", "wealth"),
    [
        (MIXED, (0.425, 0.766), (8.36068265, 0.03042915, 4.72098849)),
        (TIES, (0.476, 0.645), (15.14866411, 1.73964347, 17.58515107)),
    ],
)
def test_bets_agree_with_the_reference(
    values: np.ndarray, ends: tuple[float, float], wealth: tuple[float, ...]
) -> None:
    # confseq 0.0.11: betting_cs(values, breaks=1000), log(betting_mart(values, mean)[-1])
    assert betting(values) == pytest.approx(ends)
    assert log_capital(values, np.array([0.3, 0.5, 0.8])) == pytest.approx(wealth)


def test_the_normal_mixture_agrees_with_the_reference() -> None:
    # confseq's unit test: 30.35209, with its rounded tuning; the exact one is a little narrower
    found = float(normal_mixture(100, alpha=0.05, tuned=100))
    assert found == pytest.approx(30.35209, abs=1e-3)
    assert found < 30.35209


def test_the_mixture_is_near_the_reference_of_the_same_family() -> None:
    # confseq's unit test: gamma_exponential_mixture_bound(V=100, alpha=0.05, v_opt=100, c=2)
    zeros = np.zeros(100)
    values = np.where(np.arange(100) % 2, 1.0, -1.0)
    low, _ = bounds(accumulate(values, guesses=zeros, least=zeros - 2, most=zeros + 2), alpha=0.1)
    assert -low[-1] * 100 == pytest.approx(33.02, rel=0.05)


def test_an_interval_never_shuts_out_the_mean_more_often_than_it_may() -> None:
    missed = [
        np.any((low > mean) | (high < mean))
        for mean in (0.0, 0.6)
        for run in signs(1500, mean=mean, runs=150)
        for low, high in [bounds(sums(run, reach=1.0), alpha=0.2)]
    ]
    assert np.mean(missed) < 0.2


def test_the_running_mean_of_means_that_drift_is_covered() -> None:
    rng = np.random.default_rng(1)
    means = np.linspace(0.8, -0.8, 1500)
    truth = np.cumsum(means) / np.arange(1, 1501)
    missed = []
    for _ in range(150):
        run = np.where(rng.random(1500) < (1 + means) / 2, 1.0, -1.0)
        low, high = bounds(sums(run), alpha=0.2)
        missed.append(np.any((low > truth) | (high < truth)))
    assert np.mean(missed) < 0.2


def test_good_guesses_make_the_interval_narrower() -> None:
    values = 0.8 + 0.1 * signs(400, mean=0.0, runs=1)[0]
    ends = {"least": np.full(400, -1.0), "most": np.full(400, 1.0)}
    wide = bounds(accumulate(values, guesses=np.zeros(400), **ends))
    narrow = bounds(accumulate(values, guesses=np.full(400, 0.8), **ends))
    assert narrow[1][-1] - narrow[0][-1] < 0.5 * (wide[1][-1] - wide[0][-1])


def test_evidence_and_interval_say_the_same() -> None:
    run = sums(signs(800, mean=0.25, runs=1)[0])
    low, _ = bounds(run, alpha=0.1)
    against = log_evidence(run, null=0.0, above=True)
    assert np.array_equal(low > 0, against > np.log(20))
    assert log_evidence(run, null=0.0, above=False).max() < np.log(20)


def test_e_values_are_one_on_average_at_most() -> None:
    final = [
        np.exp(log_evidence(sums(run), null=0.0, above=True)[-1])
        for run in signs(300, mean=0.0, runs=400, seed=2)
    ]
    assert np.mean(final) < 1.1


def test_a_value_that_could_ruin_a_bet_takes_it_out() -> None:
    zeros = np.zeros(50)
    wild = zeros + 1.0
    wild[10] = 1000.0
    calm = accumulate(zeros, guesses=zeros, least=-wild, most=wild)
    assert np.isfinite(calm.below[9]).any()
    assert not np.isfinite(calm.below[10:]).any()
    low, high = bounds(calm)
    assert np.isfinite(low[9])
    assert np.isneginf(low[10:]).all()
    assert np.isposinf(high[10:]).all()


def test_nothing_is_known_of_no_values() -> None:
    none = Sums(np.array(0), np.array(0.0), np.zeros(27), np.zeros(27))
    low, high = bounds(none)
    assert low < -1
    assert high > 1
