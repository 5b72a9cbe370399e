"""The child's side: one store behind four verbs, driven over pipes, timed where it runs.

`python -m bench.memory.contender NAME FOLDER SHARED` runs one. It imports nothing of Journeyman's
but what the store needs, so that it starts in the rivals' environment too. Vectors come from files
shared by all (`SHARED`), and for texts that are not there from the parent, over the pipe; the time
spent waiting for them is taken off, and the texts are counted.
"""

from __future__ import annotations

import base64
import importlib
import json
import os
import sys
import time
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np

SPACE = "household"
"""The one name space (user, environment) that everything is filed under."""
REMEMBERED = 1024
"""Texts whose vectors Journeyman's embedder keeps, so that a goal is embedded once a run."""
STORES = {
    "journeyman": "bench.memory.ours:Ours",
    "journeyman-ledger": "bench.memory.ours:OursLedger",
    "chroma": "bench.memory.barechroma:BareChroma",
    "mem0": "bench.memory.mem0store:Mem0",
    "mem0-qdrant": "bench.memory.mem0store:Mem0Qdrant",
    "langgraph": "bench.memory.langstore:LangGraphSqlite",
    "langgraph-ram": "bench.memory.langstore:LangGraphMemory",
}
"""Where each contender is; a store is made by `Class(folder, served)`."""


class Store(Protocol):
    """One memory under measurement. An entry is `{"id", "text", "say"}`: found by its text."""

    def fill(self, entries: Sequence[dict[str, str]]) -> None:
        """Stores many, by the quickest way there is."""
        ...

    def write(self, entry: dict[str, str]) -> str:
        """Stores one as a user would; returns the name it goes by. Has returned: acknowledged."""
        ...

    def recall(self, query: dict[str, Any], *, most: int) -> list[str]:
        """Ids of entries for a query `{"goal", "observation", "recent", "text"}`, best first."""
        ...

    def missing(self, names: Sequence[str]) -> list[str]:
        """Of the names that `write` returned, those that are gone."""
        ...

    def close(self) -> None:
        """Frees what it holds."""
        ...


class Served:
    """The same vectors for all; counts what it is asked and the time spent waiting."""

    def __init__(self, shared: Path, talk: Talk) -> None:
        about = json.loads((shared / "about.json").read_text("utf-8"))
        self.name, self.dimensions = str(about["name"]), int(about["dimensions"])
        self._talk = talk
        self._known: dict[str, int] = {}
        self._rows: np.ndarray = np.zeros((0, self.dimensions), np.float32)
        lines = (shared / "texts.jsonl").read_text("utf-8").splitlines()
        if lines:
            self._known = {json.loads(line): row for row, line in enumerate(lines)}
            shape = (len(lines), self.dimensions)
            self._rows = np.memmap(shared / "vectors.f32", np.float32, mode="r", shape=shape)
        self.waited = 0.0
        """Seconds spent waiting for the parent's vectors."""
        self.texts = 0
        """Texts that had to be embedded: those not among the latest `REMEMBERED`."""
        self._latest: OrderedDict[str, None] = OrderedDict()

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """float32 of shape (len(texts), dimensions)."""
        self._count(texts)
        rows = [self._known.get(text) for text in texts]
        absent = [text for text, row in zip(texts, rows, strict=True) if row is None]
        fresh = self._fetch(list(dict.fromkeys(absent)))
        made = [
            fresh[text] if row is None else self._rows[row]
            for text, row in zip(texts, rows, strict=True)
        ]
        return np.stack(made) if made else np.zeros((0, self.dimensions), np.float32)

    def _count(self, texts: Sequence[str]) -> None:
        for text in texts:
            self.texts += text not in self._latest
            self._latest[text] = None
            self._latest.move_to_end(text)
        while len(self._latest) > REMEMBERED:
            self._latest.popitem(last=False)

    def _fetch(self, texts: list[str]) -> dict[str, np.ndarray]:
        if not texts:
            return {}
        began = time.perf_counter()
        answer = self._talk.ask({"embed": texts})
        raw = np.frombuffer(base64.b64decode(answer["vectors"]), np.float32)
        self.waited += time.perf_counter() - began
        return dict(zip(texts, raw.reshape(len(texts), -1), strict=True))


class Talk:
    """Lines of JSON to and from the parent."""

    def __init__(self, hears: IO[str], says: IO[str]) -> None:
        self._hears, self._says = hears, says

    def say(self, answer: dict[str, Any]) -> None:
        """One line to the parent."""
        self._says.write(json.dumps(answer) + "\n")
        self._says.flush()

    def hear(self) -> dict[str, Any] | None:
        """The parent's next line; None when it has gone."""
        line = self._hears.readline()
        return json.loads(line) if line else None

    def ask(self, question: dict[str, Any]) -> dict[str, Any]:
        """Says something and waits for the answer. Raises `EOFError` when the parent has gone."""
        self.say(question)
        answer = self.hear()
        if answer is None:
            raise EOFError("the parent has gone")
        return answer


def serve(store: Store, served: Served, talk: Talk) -> None:
    """Does what the parent says until it says no more."""
    while (order := talk.hear()) is not None:
        waited, texts = served.waited, served.texts
        began, spent = time.perf_counter(), time.process_time()
        value = _done(store, order)
        took = time.perf_counter() - began - (served.waited - waited)
        talk.say(
            {
                "value": value,
                "ms": took * 1e3,
                "cpu": (time.process_time() - spent) * 1e3,
                "texts": served.texts - texts,
                "resident": _resident(),
            }
        )


def _done(store: Any, order: dict[str, Any]) -> Any:
    match order["do"]:
        case "fill":
            store.fill(order["entries"])
            return len(order["entries"])
        case "write":
            return store.write(order["entry"])
        case "recall":
            return store.recall(order["query"], most=order["most"])
        case "learn":
            return store.learn(order["messages"])
        case "missing":
            return store.missing(order["names"])
        case _:
            store.close()
            return None


def _resident() -> int:
    """Bytes of memory of this process; 0 where the system doesn't say it in /proc."""
    try:
        pages = int(Path("/proc/self/statm").read_text("utf-8").split()[1])
    except (OSError, IndexError, ValueError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def main(name: str, folder: str, shared: str) -> None:
    """Serves one store on stdin and stdout; what the store itself prints goes to stderr."""
    says = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    talk = Talk(sys.stdin, says)
    served = Served(Path(shared), talk)
    place, _, kind = STORES[name].partition(":")
    began = time.perf_counter()
    make = getattr(importlib.import_module(place), kind)
    imported = time.perf_counter()
    store: Store = make(Path(folder), served)
    opened = time.perf_counter()
    talk.say({"value": "ready", "ms": (opened - imported) * 1e3, "import": imported - began})
    serve(store, served, talk)


if __name__ == "__main__":
    main(*sys.argv[1:4])
