from pathlib import Path

from bench.memory.retrieval import by_chance, chosen, first_place, ndcg, recall_at, run
from bench.memory.ways import fused, journeyman, plain
from memory.embed import HashEmbedder

GRADES = {"a": 3, "b": 2, "c": 1}


def test_recall_counts_relevant_ones_of_as_many_as_could_be_there() -> None:
    assert recall_at(["a", "x", "b"], GRADES, k=1) == 1.0
    assert recall_at(["x", "a", "b"], GRADES, k=2) == 0.5
    assert recall_at(["c", "x", "y"], GRADES, k=3) == 0.0


def test_the_first_relevant_one_counts() -> None:
    assert first_place(["c", "b", "a"], GRADES) == 0.5
    assert first_place([], GRADES) == 0.0


def test_the_best_order_has_a_gain_of_one_and_none_counts_twice() -> None:
    assert ndcg(["a", "b", "c"], GRADES) == 1.0
    assert ndcg(["b", "a", "c"], GRADES) < 1.0
    assert ndcg(["a", "a", "a"], GRADES) == ndcg(["a"], GRADES)


def test_a_perfect_and_an_empty_way(built) -> None:
    def perfect(moment, most):
        grades = built.grades(moment)
        return sorted(grades, key=lambda id_: -grades[id_])[:most]

    best = run("perfect", "-", perfect, built, half="held")
    assert (best.recall[3], best.mrr, best.ndcg, best.misled) == (1.0, 1.0, 1.0, 0.0)
    none = run("none", "-", lambda _moment, _most: [], built, half="held")
    assert (none.recall[3], none.empty) == (0.0, 1.0)


def test_a_near_miss_on_top_misleads(built) -> None:
    cool = next(one.id for one in built.past if "cool" in one.id)
    assert run("misled", "-", lambda _moment, _most: [cool], built, half="dev").misled == 1.0


def test_the_form_is_chosen_on_the_dev_half_alone(built) -> None:
    heat = next(one.id for one in built.past if "heat" in one.id)

    def good_on_dev(moment, most):
        return [heat] if moment.id.startswith("dev") else []

    def good_on_held(moment, most):
        return [heat] if moment.id.startswith("held") else []

    rows = chosen("way", {"one": good_on_held, "two": good_on_dev}, built)
    assert [(row.half, row.form) for row in rows] == [("dev", "two"), ("held", "two")]


def test_ranks_are_fused() -> None:
    one = fused(lambda _m, _k: ["a", "b", "c"], lambda _m, _k: ["b", "c", "a"])
    assert list(one(None, 2)) == ["b", "a"]  # type: ignore[arg-type]


def test_all_plain_ways_are_judged_on_both_halves(built) -> None:
    rows = plain(built, HashEmbedder(), told=lambda _text: None)
    assert {row.half for row in rows} == {"dev", "held"}
    assert len(rows) == 8


def test_chance_is_the_same_every_time(built) -> None:
    moment = built.held[0]
    assert by_chance(built)(moment, 3) == by_chance(built)(moment, 3)


def test_journeyman_is_asked_as_the_agent_asks(built, tmp_path: Path) -> None:
    rows = journeyman(built, tmp_path, HashEmbedder(), floor=0.2, told=lambda _text: None)
    held = [row for row in rows if row.half == "held"]
    assert [row.way for row in held] == [
        "Journeyman",
        "Journeyman, by meaning alone",
        "Journeyman, no diversity",
        "Journeyman, words weighed on dev",
    ]
    assert all(row.moments == 1 for row in rows)
