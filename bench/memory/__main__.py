"""`python -m bench.memory [--sizes 1000,10000,100000] [--million] [--growth N] [--page FILE]`.

Parts: `write`, `recall`, `quality`, `calls`, `growth`; `--million` is one of its own. Each part and
each size is kept under `--out` as soon as it is measured, and a run that was stopped goes on there;
`--again PART` measures one anew.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from typing import TypeVar

import psutil

from agent.settings import load
from agent.worlds import alfworld_data
from bench.memory.calls import Costs, Story, calls
from bench.memory.child import NEEDS, RIVALS, python_of
from bench.memory.contender import STORES
from bench.memory.episodes import RetrievalSet, build
from bench.memory.growth import Point, capacity, grow, lived, script
from bench.memory.million import Million, measure
from bench.memory.page import Results, page, tables
from bench.memory.retrieval import Quality
from bench.memory.rows import keep, read
from bench.memory.timings import (
    VOLATILE,
    Embedding,
    Recalling,
    Writing,
    embedding,
    recalling,
    writing,
)
from bench.memory.ways import journeyman, plain, rival
from envs.errors import JourneymanError, Missing
from envs.types import Frozen
from memory.embed import Embedder, HashEmbedder, MiniLM
from memory.life import Bounds

PARTS = ("write", "recall", "quality", "calls", "growth", "million")
SIZES = (1000, 10_000, 100_000)
MILLION = 1_000_000
EPISODES = 10_000
CAPACITY = 500
"""Lessons kept in the arm of growth that has a bound."""
STORIES = 5
"""Episodes that are learned from, to count model calls."""
WRITE_ONLY = frozenset({"journeyman-ledger"})
Row = TypeVar("Row", bound=Frozen)


class _Kept(Frozen):
    """Rows of one part, as JSON."""

    rows: tuple[str, ...]
    """Each as it dumps itself."""
    made: str
    """When."""


class Run:
    """One call of the command: what was asked, and where it is kept."""

    def __init__(self, asked: argparse.Namespace) -> None:
        self.out: Path = asked.out
        self.again: frozenset[str] = frozenset(asked.again)
        self.embedder: Embedder = HashEmbedder() if asked.no_model else MiniLM()
        self.data = alfworld_data(load())
        self.rivals: Path = asked.venv
        self.names, self.left_out = _present(asked.rivals, rivals=self.rivals)
        self._began = time.monotonic()

    def told(self, text: str) -> None:
        """Progress, on stderr."""
        print(f"{time.monotonic() - self._began:6.0f} s  {text}", file=sys.stderr, flush=True)

    def kept(self, name: str, shape: type[Row], make: Callable[[], Sequence[Row]]) -> list[Row]:
        """The rows of a part: those kept under its name, else made and kept now."""
        path = self.out / "rows" / f"{name}-{self.embedder.name.replace('/', '-')}.json"
        kept = None if self.again & {name, name.partition("-")[0]} else read(_Kept, path)
        if kept is None:
            rows = list(make())
            made = time.strftime("%Y-%m-%d %H:%M")
            keep(_Kept(rows=tuple(row.model_dump_json() for row in rows), made=made), path)
            return rows
        self.told(f"{name}: kept from {kept.made}")
        return [shape.model_validate_json(row) for row in kept.rows]

    def write(self) -> tuple[Embedding, list[Writing]]:
        """Write to durable."""
        cost = self.kept("embedding", Embedding, lambda: [embedding(self.embedder)])[0]
        names = [name for name in self.names if name not in VOLATILE]

        def make() -> list[Writing]:
            return writing(
                names,
                self._fresh("write"),
                embedder=self.embedder,
                rivals=self.rivals,
                told=self.told,
            )

        return cost, self.kept("write", Writing, make)

    def recall(self, sizes: Sequence[int]) -> list[Recalling]:
        """Recall at each size."""
        names = [name for name in self.names if name not in WRITE_ONLY]
        rows: list[Recalling] = []
        for size in sizes:

            def make(size: int = size) -> list[Recalling]:
                folder = self.out / f"recall-{size}"
                return recalling(
                    names,
                    folder,
                    size=size,
                    embedder=self.embedder,
                    rivals=self.rivals,
                    told=self.told,
                )

            rows += self.kept(f"recall-{size}", Recalling, make)
        return rows

    def built(self) -> RetrievalSet:
        """The retrieval set. Raises `Missing` without ALFWorld's games."""
        path = self.out / "set.json"
        kept = read(RetrievalSet, path)
        if kept is None:
            kept = build(self.data, cache=self.out / "cache", told=self.told)
            keep(kept, path)
        return kept

    def quality(self) -> tuple[str, list[Quality]]:
        """How well past episodes are found."""
        built = self.built()
        rows = self.kept(
            "quality-plain", Quality, lambda: plain(built, self.embedder, told=self.told)
        )
        floor = load().memory.floor

        def ours() -> list[Quality]:
            folder = self._fresh("quality-ours")
            return journeyman(built, folder, self.embedder, floor=floor, told=self.told)

        rows += self.kept("quality-journeyman", Quality, ours)
        for name in self.names:
            if name in VOLATILE or name.startswith("journeyman"):
                continue

            def make(name: str = name) -> list[Quality]:
                return rival(
                    name,
                    built,
                    self.out / "quality",
                    embedder=self.embedder,
                    rivals=self.rivals,
                    told=self.told,
                )

            rows += self.kept(f"quality-{name}", Quality, make)
        return built.digest(), rows

    def calls(self) -> list[Costs]:
        """Model calls."""
        names = [name for name in self.names if name not in VOLATILE | WRITE_ONLY]
        built = self.built()
        stories = [
            Story(
                goal=one.goal,
                first=one.observation,
                steps=tuple((action, "Nothing happens.") for action in [*one.recent, "look"] * 5),
            )
            for one in [moment for moment in built.dev if len(moment.recent) > 2][:STORIES]
        ]

        def make() -> list[Costs]:
            return calls(
                names,
                self._fresh("calls"),
                stories,
                embedder=self.embedder,
                rivals=self.rivals,
                told=self.told,
            )

        return self.kept("calls", Costs, make)

    def growth(self, episodes: int) -> list[Point]:
        """All rules, one after the other."""
        played = script(self.data, cache=self.out / "cache")
        bounds = load().memory
        rules = {
            "nothing": None,
            f"the newest {CAPACITY}": capacity(CAPACITY),
            "life": lived(Bounds(capacity=bounds.capacity, unused=bounds.unused)),
        }
        rows: list[Point] = []
        for arm, rule in rules.items():
            rows += grow(
                arm,
                played,
                self.out / f"growth-{arm.replace(' ', '-')}",
                embedder=self.embedder,
                episodes=episodes,
                rule=rule,
                told=self.told,
            )
        return rows

    def million(self, entries: int) -> Million:
        """Journeyman alone."""

        def make() -> list[Million]:
            folder = self.out / f"million-{entries}"
            return [measure(folder, entries=entries, asked=300, told=self.told)]

        return self.kept(f"million-{entries}", Million, make)[0]

    def _fresh(self, name: str) -> Path:
        folder = self.out / name
        shutil.rmtree(folder, ignore_errors=True)
        return folder


def machine(names: Sequence[str], *, rivals: Path) -> str:
    """A line on where and with what the figures were made."""
    memory = psutil.virtual_memory().total / 1e9
    versions = [f"chromadb {metadata.version('chromadb')}"]
    for package in ("mem0ai", "langmem", "langgraph_checkpoint_sqlite"):
        found = sorted((rivals / "lib").glob(f"python3*/site-packages/{package}-*.dist-info"))
        if found and set(names) & set(NEEDS):
            versions.append(found[0].name.removesuffix(".dist-info").replace("-", " "))
    return (
        f"Made {time.strftime('%Y-%m-%d')} on {os.cpu_count()} cores ({platform.machine()}, "
        f"{memory:.0f} GB), load average {os.getloadavg()[0]:.1f} at the end (other work was going "
        f"on where that is above 1), Python {platform.python_version()}, {', '.join(versions)}."
    )


def _present(asked: Sequence[str], *, rivals: Path) -> tuple[list[str], list[str]]:
    names, left_out = [], []
    for name in asked:
        if name not in STORES:
            raise Missing(f"no contender {name!r}", repair=f"one of {', '.join(STORES)}")
        try:
            python_of(name, rivals=rivals)
            names.append(name)
        except Missing as error:
            left_out.append(f"{error.message}: {error.repair}")
    return names, left_out


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m bench.memory", description=__doc__)
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)), help="entries, with commas")
    parser.add_argument("--rivals", nargs="*", default=list(STORES), help=f"of {', '.join(STORES)}")
    parser.add_argument("--parts", nargs="*", default=list(PARTS[:5]), choices=PARTS)
    parser.add_argument(
        "--million", nargs="?", const=MILLION, type=int, help="also this many (default a million)"
    )
    parser.add_argument("--growth", type=int, default=EPISODES, help=f"episodes ({EPISODES})")
    parser.add_argument("--out", type=Path, default=Path(".journeyman-memory"))
    parser.add_argument("--page", type=Path, help="write the page there")
    parser.add_argument("--again", nargs="*", default=[], help="parts to measure anew")
    parser.add_argument("--venv", type=Path, default=RIVALS, help="the rivals' environment")
    parser.add_argument("--no-model", action="store_true", help="hashed vectors in place of MiniLM")
    asked = parser.parse_args(arguments)
    try:
        results = measured(asked)
    except JourneymanError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    print(tables(results))
    for line in results.left_out:
        print(f"left out: {line}")
    if asked.page:
        asked.page.write_text(page(results), "utf-8")


def measured(asked: argparse.Namespace) -> Results:
    """All that was asked for."""
    run = Run(asked)
    parts = [*asked.parts, *(["million"] if asked.million else [])]
    found: dict[str, object] = {"left_out": tuple(run.left_out)}
    if "write" in parts:
        found["embedding"], writes = run.write()
        found["writes"] = tuple(writes)
    if "recall" in parts:
        sizes = [int(size) for size in asked.sizes.split(",") if size]
        found["recalls"] = tuple(run.recall(sizes))
    if "million" in parts:
        found["million"] = run.million(asked.million or MILLION)
    if "quality" in parts:
        found["set_digest"], quality = run.quality()
        found["quality"] = tuple(quality)
    if "calls" in parts:
        found["costs"] = tuple(run.calls())
    if "growth" in parts:
        found["growth"] = tuple(run.growth(asked.growth))
    return Results.model_validate({**found, "machine": machine(run.names, rivals=run.rivals)})


if __name__ == "__main__":
    main()
