"""Plays every rule in every world and prints the tables of `docs/effects.md`.

`python -m bench.effects.simulate` for all of it (about fifteen minutes of one core), `--small` for
a look (half a minute), `--page docs/effects.md` to put the tables there. Each world is a piece
of its own, kept in `--out`: a run that was stopped goes on where it was, and pieces made by other
code than this are made anew.
"""

from __future__ import annotations

import argparse
import hashlib
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import ValidationError

from bench.effects import judging, rates, rivals, scenarios
from bench.effects.judging import judge, looks
from bench.effects.rivals import RULES, Adaptive, Ours
from bench.effects.scenarios import SCENARIOS, Scenario, build
from bench.effects.table import Piece, put, tables
from envs.errors import UnknownName
from memory import effects, families, sequences

WORLDS = 32
"""Worlds of each scenario in a full run."""
SMALL = (2, 1200)
"""Worlds and episodes of a small run."""
LOOKED_AT = (Ours.name, Adaptive.name)
"""Rules whose intervals are held against the truth."""


def digest() -> str:
    """Hash of everything on which a piece depends."""
    modules = (judging, rates, rivals, scenarios, effects, families, sequences)
    files = [Path(module.__file__ or "") for module in modules]
    whole = b"".join(path.read_bytes() for path in [*files, rates.FILE])
    return hashlib.sha256(whole).hexdigest()[:16]


def play(scenario: Scenario, *, seed: int, code: str) -> Piece:
    """All rules in one world. The same arguments give the same piece."""
    world = build(scenario, rates=rates.load(), seed=seed)
    plays, seen = {}, {}
    for name, make in RULES.items():
        rule = make(world, seed=seed)
        rule.play()
        plays[name] = judge(rule)
        if name in LOOKED_AT and isinstance(rule, Ours):
            seen[name] = tuple(looks(rule))
    return Piece(scenario=scenario.name, seed=seed, digest=code, plays=plays, looks=seen)


def pieces(chosen: Sequence[Scenario], *, worlds: int, out: Path) -> Iterator[Piece]:
    """Every piece, those that are kept in `out` and fit this code first read than played."""
    out.mkdir(parents=True, exist_ok=True)
    code = digest()
    for seed in range(worlds):
        for scenario in chosen:
            name = f"{scenario.name.replace(' ', '-')}-{scenario.episodes}-{seed}.json"
            kept = _read(out / name, code=code)
            if kept is None:
                began = time.monotonic()
                kept = play(scenario, seed=seed, code=code)
                part = out / f"{name}.part"
                part.write_text(kept.model_dump_json(), "utf-8")
                part.replace(out / name)
                print(f"{scenario.name} {seed}: {time.monotonic() - began:.1f} s", flush=True)
            yield kept


def choose(names: Sequence[str], *, episodes: int | None) -> list[Scenario]:
    """Scenarios by name, all for none. Raises `UnknownName`."""
    for name in names:
        if name not in SCENARIOS:
            raise UnknownName("scenario", name, SCENARIOS)
    chosen = [SCENARIOS[name] for name in names or SCENARIOS]
    return [one.model_copy(update={"episodes": episodes or one.episodes}) for one in chosen]


def _read(path: Path, *, code: str) -> Piece | None:
    if not path.exists():
        return None
    try:
        piece = Piece.model_validate_json(path.read_text("utf-8"))
    except ValidationError:
        return None
    return piece if piece.digest == code else None


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="a look in half a minute")
    parser.add_argument("--worlds", type=int, default=None, help=f"default {WORLDS}")
    parser.add_argument("--episodes", type=int, default=None, help="length of each stream")
    parser.add_argument("--scenarios", nargs="*", default=[], help=f"of {', '.join(SCENARIOS)}")
    parser.add_argument("--out", type=Path, default=Path(".journeyman-effects"))
    parser.add_argument("--page", type=Path, help="put the tables into this page")
    given = parser.parse_args(arguments)
    worlds, episodes = SMALL if given.small else (WORLDS, None)
    chosen = choose(given.scenarios, episodes=given.episodes or episodes)
    found = list(pieces(chosen, worlds=given.worlds or worlds, out=given.out))
    text = tables(found)
    print(text)
    if given.page:
        given.page.write_text(put(given.page.read_text("utf-8"), text), "utf-8")


if __name__ == "__main__":
    main()
