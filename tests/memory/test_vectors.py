"""The index in memory finds what a fresh one with the same entries finds, whatever came before."""

from __future__ import annotations

import random

from memory.embed import HashEmbedder
from memory.vectors import ListIndex

TEXTS = [f"{verb} the {thing}" for verb in ("open", "find", "heat") for thing in ("mug", "egg")]


def test_what_was_added_and_removed_is_found_as_if_it_were_put_in_anew() -> None:
    rng = random.Random(0)
    index, stands = ListIndex(HashEmbedder()), dict[str, str]()
    for number in range(200):
        if stands and rng.random() < 0.4:
            gone = rng.sample(sorted(stands), rng.randint(1, min(3, len(stands))))
            index.remove([*gone, "unknown"])
            for id_ in gone:
                stands.pop(id_)
        else:
            items = [(f"L{rng.randrange(20)}", rng.choice(TEXTS)) for _ in range(2)]
            index.add(items)
            stands.update(items)
        anew = ListIndex(HashEmbedder())
        anew.add(sorted(stands.items()))
        sought = rng.choice(TEXTS)
        found, right = (dict(one.search(sought, most=50)) for one in (index, anew))
        assert found.keys() == right.keys() == stands.keys(), number
        assert all(abs(found[id_] - right[id_]) < 1e-6 for id_ in right)
