import numpy as np
import pytest

from memory.families import SUMMED, alike, ebh, first_to_go, share_out, units


def test_ebh_picks_by_the_rule_of_its_paper() -> None:
    # size 4, alpha 0.1: the k-th largest e-value has to reach 40 / k
    assert ebh(np.log([41, 1, 1, 1])).tolist() == [True, False, False, False]
    assert ebh(np.log([39, 19, 1, 1])).tolist() == [False] * 4
    assert ebh(np.log([39, 21, 1, 1])).tolist() == [True, True, False, False]
    assert ebh(np.log([14, 1, 14, 14])).tolist() == [True, False, True, True]


def test_a_larger_memory_asks_for_more() -> None:
    assert ebh([np.log(50)], size=4).all()
    assert not ebh([np.log(50)], size=100).any()
    assert not ebh([]).any()


def test_false_discoveries_stay_below_the_share_also_when_lessons_depend_on_each_other() -> None:
    rng = np.random.default_rng(0)
    shares = []
    for _ in range(2000):
        common = rng.normal()
        normal = 0.8 * common + 0.6 * rng.normal(size=20)
        normal[:5] += 5
        picked = ebh(3 * normal - 4.5)
        shares.append(picked[5:].sum() / max(1, picked.sum()))
    assert 0 < np.mean(shares) < 0.1


def test_moves_one_after_the_other_keep_the_share() -> None:
    rng = np.random.default_rng(1)
    shares = []
    for _ in range(400):
        drift = np.where(np.arange(20) < 5, 0.3, 0.0)
        log_e, gone = np.zeros(20), np.zeros(20, bool)
        for _ in range(100):
            gone |= ebh(log_e)
            step = 0.3 * (rng.normal(size=20) + drift) - 0.045
            log_e = np.where(gone, log_e, log_e + step)
        shares.append(gone[5:].sum() / max(1, gone.sum()))
    assert np.mean(shares) < 0.1


def test_a_chain_of_close_ones_is_one_cluster() -> None:
    angles = np.radians([0, 15, 30, 90, 180])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    assert alike(vectors, least=0.95) == (0, 0, 0, 3, 4)
    assert alike(vectors, least=0.99) == (0, 1, 2, 3, 4)
    assert alike(np.zeros((0, 2))) == ()


def test_a_cluster_is_one_unit_and_loses_one_member_at_a_time() -> None:
    named = units([["L2", "L1"], ["L3"]])
    assert named == {"L1": "L1+L2", "L2": "L1+L2", "L3": "L3"}
    assert first_to_go("L1+L2", standing={"L1": 0.1, "L2": 0.3}) == "L1"
    assert first_to_go("L1+L2", standing={}) == "L2"
    assert first_to_go("L3", standing={}) == "L3"


@pytest.mark.parametrize("count", [1, 7])
def test_overwhelming_evidence_is_picked_whatever_the_count(count: int) -> None:
    assert ebh([800.0] * count).all()


def test_shares_sum_up_to_one_at_most_and_spare_small_memories() -> None:
    for size in (1, 10, 2000):
        shares = np.exp(share_out(np.arange(2_000_000), size=size))
        assert 0.9 < shares.sum() + 0.5 / (SUMMED * np.log(2_000_000)) <= 1.0
        assert (np.diff(shares) <= 0).all()
    assert share_out([0], size=2000)[0] > np.log(0.2)
    assert share_out([1999], size=2000)[0] >= np.log(0.5 / 2000)


def test_weighted_ebh_is_ebh_where_shares_are_alike_and_goes_by_hand_else() -> None:
    said = np.log([900.0, 30.0, 3.0, 900.0])
    alike_ = np.full(4, -np.log(50))
    assert (ebh(said, log_shares=alike_) == ebh(said, size=50)).all()
    # shares 1/2, 1/4, 1/8, 1/8 at alpha 0.1: 450, 7.5, 0.375, 112.5; k = 2 needs 5, k = 3 needs 3.3
    assert ebh(said, log_shares=np.log([0.5, 0.25, 0.125, 0.125])).tolist() == [1, 1, 0, 1]


def test_weighted_ebh_keeps_false_picks_rare_when_looked_at_forever() -> None:
    rng = np.random.default_rng(7)
    false = 0
    for _ in range(200):
        steps = rng.choice([-np.log(2.0), np.log(1.5)], size=(60, 40))  # fair bets: mean 1
        courses = np.cumsum(steps, axis=1)
        shares = share_out(np.arange(60), size=2000)
        false += any(ebh(now, log_shares=shares).any() for now in courses.T)
    assert false <= 0.1 * 200
