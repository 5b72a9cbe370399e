"""Writes down what the pages ask for, seed by seed: `python -m envs.miniwob_goals`."""

from __future__ import annotations

import json
import sys

from envs.miniwob import HERE, SEEDS, MiniWob, rows_of_split


def goals(env: MiniWob, *, seeds: int = SEEDS) -> dict[str, list[str]]:
    """The instructions of every page under its first `seeds` seeds, as the pages give them."""
    return {
        row.name: [instruction(env, row.name, seed=seed) for seed in range(seeds)]
        for row in rows_of_split()
    }


def instruction(env: MiniWob, page: str, *, seed: int) -> str:
    """What a page asks for under a seed."""
    with env.loaded(page) as tab:
        return env.begin(tab, seed=seed, mark="")[0]


if __name__ == "__main__":
    env = MiniWob()
    try:
        found = goals(env)
    finally:
        env.close()
    text = json.dumps(found, ensure_ascii=False, indent=0, sort_keys=True)
    (HERE / "miniwob_goals.json").write_text(text + "\n", "utf-8")
    sys.stdout.write(f"{sum(map(len, found.values()))} instructions of {len(found)} pages\n")
