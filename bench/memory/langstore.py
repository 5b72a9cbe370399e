"""LangMem's store: LangGraph's `SqliteStore` with embeddings, and the one in memory of its docs.

LangMem's tools hand every memory to such a store (`langmem/knowledge/tools.py`); it is driven
directly here, without the tools around it, which is its quickest way. `SqliteStore` compares the
query with every row by sqlite-vec, which takes a Python that loads extensions into SQLite, or
`pysqlite3`. Read in langgraph-checkpoint-sqlite 3.1.2 and langmem 0.0.30.
"""

from __future__ import annotations

import contextlib
import importlib
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.memory.contender import SPACE, Served

NAMES = ("memories", SPACE)
FIELDS = ("text", "content")
"""What is embedded: an entry's text, or what LangMem's manager wrote."""
LEARNED = ("learned", SPACE)
"""Apart, as LangMem's manager wants every entry in the form that it writes."""


class LangGraphSqlite:
    """Every put is a transaction of its own, in autocommit mode, as `from_conn_string` opens it."""

    def __init__(self, folder: Path, served: Served) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._served = served
        self._open = contextlib.ExitStack()
        self._store = self._made(folder)
        self._put = importlib.import_module("langgraph.store.base").PutOp

    def _made(self, folder: Path) -> Any:
        vendor = importlib.import_module("langgraph.store.sqlite")
        able = hasattr(sqlite3.Connection, "enable_load_extension")
        driver: Any = sqlite3 if able else importlib.import_module("pysqlite3")
        # the same connection as `SqliteStore.from_conn_string` makes
        connection = driver.connect(
            str(folder / "store.db"), check_same_thread=False, isolation_level=None
        )
        self._open.callback(connection.close)
        store = vendor.SqliteStore(connection, index=self._index())
        store.setup()
        return store

    def _index(self) -> dict[str, Any]:
        return {
            "dims": self._served.dimensions,
            "embed": lambda texts: self._served.embed(texts).tolist(),
            "fields": list(FIELDS),
            "text_fields": list(FIELDS),  # the name that `SqliteStore` reads
        }

    def fill(self, entries: Sequence[dict[str, str]]) -> None:
        """See `Store`. SQLite takes so many values at once, hence the pieces."""
        for start in range(0, len(entries), 50):
            part = entries[start : start + 50]
            self._store.batch([self._put(NAMES, entry["id"], dict(entry)) for entry in part])

    def write(self, entry: dict[str, str]) -> str:
        """See `Store`."""
        self._store.put(NAMES, entry["id"], dict(entry))
        return entry["id"]

    def recall(self, query: dict[str, Any], *, most: int) -> list[str]:
        """See `Store`."""
        return [item.key for item in self._store.search(NAMES, query=query["text"], limit=most)]

    def learn(self, messages: Sequence[dict[str, str]]) -> int:
        """LangMem's store manager lets its model pick; how many memories were written."""
        model = importlib.import_module("langchain_openai").ChatOpenAI(
            model="counted",
            api_key="none",
            base_url=(self._folder / "endpoint").read_text("utf-8"),
        )
        manager = importlib.import_module("langmem").create_memory_store_manager(
            model, namespace=LEARNED, store=self._store
        )
        return len(manager.invoke({"messages": list(messages)}))

    def missing(self, names: Sequence[str]) -> list[str]:
        """See `Store`."""
        return [name for name in names if self._store.get(NAMES, name) is None]

    def close(self) -> None:
        """See `Store`."""
        self._open.close()


class LangGraphMemory(LangGraphSqlite):
    """The store of LangMem's own examples: quick, and gone with the process."""

    def _made(self, folder: Path) -> Any:  # noqa: ARG002
        return importlib.import_module("langgraph.store.memory").InMemoryStore(index=self._index())
