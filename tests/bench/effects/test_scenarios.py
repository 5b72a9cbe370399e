import numpy as np
import pytest

from bench.effects.rates import load
from bench.effects.scenarios import FATE, MOST, SCENARIOS, Scenario, World, build

RATES = load()


def world(name: str, *, episodes: int = 300, seed: int = 0) -> World:
    return build(SCENARIOS[name].model_copy(update={"episodes": episodes}), rates=RATES, seed=seed)


def hand_made(table: list[float], places: list[int]) -> World:
    """One episode with two places and these chances for: none, first, second, both."""
    ones = np.zeros(1, int)
    return World(
        scenario=Scenario(name="hand", what="", kinds={"useless": 2}),
        kinds=("useless", "useless"),
        partner=np.array([-1, -1]),
        types=ones,
        keys=ones,
        places=np.array([places]),
        table=np.array([table]),
        luck=np.array([0.5]),
        policy=ones,
    )


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_world_repeats_and_its_chances_are_chances(name: str) -> None:
    one, other = world(name, seed=3), world(name, seed=3)
    assert np.array_equal(one.table, other.table)
    assert np.array_equal(one.places, other.places)
    assert one.table.min() > 0
    assert one.table.max() < 1
    assert one.places.shape == (300, MOST)
    assert all(kind in FATE for kind in one.kinds)


def test_the_oracle_is_the_mean_over_the_tosses_of_the_rest() -> None:
    made = hand_made([0.1, 0.2, 0.4, 0.9], [0, 1])
    effects = made.direct(np.array([[0.5, 0.8]]))
    assert effects[0, 0] == pytest.approx(0.8 * (0.9 - 0.4) + 0.2 * (0.2 - 0.1))
    assert effects[0, 1] == pytest.approx(0.5 * (0.9 - 0.2) + 0.5 * (0.4 - 0.1))


def test_lessons_tossed_together_have_one_effect() -> None:
    made = hand_made([0.1, 0.2, 0.4, 0.9], [0, 1])
    effects = made.direct(np.array([[0.5, 0.5]]), group=np.array([[7, 7]]))
    assert effects.tolist() == [[pytest.approx(0.8), pytest.approx(0.8)]]


def test_an_empty_place_has_no_effect() -> None:
    made = hand_made([0.1, 0.2, 0.1, 0.2], [0, -1])
    assert made.direct(np.full((1, 2), 0.5)).tolist() == [[pytest.approx(0.1), 0.0]]


def test_useless_lessons_do_nothing_and_others_what_their_kind_says() -> None:
    made = world("mixed", episodes=1000)
    effects = made.direct(np.full(made.places.shape, 0.5))
    for lesson, kind in enumerate(made.kinds):
        own = effects[made.places == lesson]
        if kind == "useless":
            assert np.abs(own).max() < 1e-12
        else:
            assert (own > 0).all() if kind == "helpful" else (own < 0).all()


def test_twins_hide_each_other_unless_they_are_tossed_together() -> None:
    made = world("twins", episodes=1000)
    pair = np.where(made.places >= 0, np.minimum(made.places, made.partner[made.places]), -1)
    pair = np.where(pair >= 0, pair, -2 - made.places)
    shown = np.where(made.places >= 0, 1.0, 0.0)
    alone, together = made.direct(shown), made.direct(shown, group=pair)
    twin = np.isin(made.places, [i for i, kind in enumerate(made.kinds) if kind == "twin"])
    both = twin & (np.sum(pair[:, :, None] == pair[:, None, :], axis=2) == 2)
    assert both.any()
    assert np.abs(alone[both]).max() < 1e-12
    assert (together[both] > 0).all()


def test_company_helps_only_beside_its_partner() -> None:
    made = world("company", episodes=1000)
    rest = made.direct(np.zeros(made.places.shape))
    company = np.isin(made.places, [i for i, kind in enumerate(made.kinds) if kind == "company"])
    assert np.abs(rest[company]).max() < 1e-12
    assert made.direct(np.ones(made.places.shape))[company].max() > 0.05


def test_the_measured_rates_are_correlated() -> None:
    up = np.zeros((len(RATES.ranked), RATES.lessons))
    for row, ranked in enumerate(RATES.ranked):
        up[row, list(ranked[:MOST])] = 1
    correlation = np.corrcoef(up.T) - np.eye(RATES.lessons)
    assert up.sum(axis=1).mean() > 3.9
    assert 0.5 < np.median(correlation.max(axis=1)) < 0.9
