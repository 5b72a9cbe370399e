"""Chroma alone: the entries' vectors and their texts, nothing around it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import chromadb
from chromadb.config import Settings

from bench.memory.contender import Served
from memory.index import GRAPH


class BareChroma:
    """A persistent collection with cosine distance and the graph of Journeyman's index."""

    def __init__(self, folder: Path, served: Served) -> None:
        self._served = served
        self._client: Any = chromadb.PersistentClient(
            path=str(folder), settings=Settings(anonymized_telemetry=False)
        )
        self._entries = self._client.get_or_create_collection(
            "bare",
            embedding_function=None,
            configuration={"hnsw": {"space": "cosine", **GRAPH}},
        )

    def fill(self, entries: Sequence[dict[str, str]]) -> None:
        """See `Store`."""
        self._entries.upsert(
            ids=[entry["id"] for entry in entries],
            embeddings=self._served.embed([entry["text"] for entry in entries]),
            documents=[entry["say"] for entry in entries],
        )

    def write(self, entry: dict[str, str]) -> str:
        """See `Store`."""
        self.fill([entry])
        return entry["id"]

    def recall(self, query: dict[str, Any], *, most: int) -> list[str]:
        """See `Store`."""
        found = self._entries.query(
            query_embeddings=self._served.embed([query["text"]]),
            n_results=most,
            include=["distances", "documents"],
        )
        return list(found["ids"][0])

    def missing(self, names: Sequence[str]) -> list[str]:
        """See `Store`."""
        have = set(self._entries.get(ids=list(names), include=[])["ids"])
        return [name for name in names if name not in have]

    def close(self) -> None:
        """See `Store`."""
        self._client.close()
