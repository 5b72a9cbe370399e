"""mem0's open-source `Memory` with `infer=False` (no model), over Chroma and over its default.

Read in mem0ai 2.2.1: every search has to name a user, so Chroma is asked with a filter; over Chroma
there is no keyword search; over Qdrant keywords need fastembed's vocabulary and entities spaCy's
model, both fetched on first use and left out where there is no network. Telemetry is off.
"""

from __future__ import annotations

import hashlib
import importlib
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.memory.contender import SPACE, Served


class Mem0:
    """Over Chroma, whose index is not compared one by one: its quickest local store."""

    def __init__(self, folder: Path, served: Served) -> None:
        self._served = served
        folder.mkdir(parents=True, exist_ok=True)
        self.memory = self._made(folder)
        self.memory.embedding_model = _Embeds(served)

    def _made(self, folder: Path, **more: Any) -> Any:
        vendor = importlib.import_module("mem0")
        return vendor.Memory.from_config(
            {
                "vector_store": self._vectors(folder),
                "llm": {"provider": "openai", "config": {"model": "counted", **_endpoint(folder)}},
                "embedder": {"provider": "openai", "config": _key()},
                "history_db_path": str(folder / "history.db"),
                **more,
            }
        )

    def _vectors(self, folder: Path) -> dict[str, Any]:
        return {
            "provider": "chroma",
            "config": {"collection_name": "bench", "path": str(folder / "chroma")},
        }

    def fill(self, entries: Sequence[dict[str, str]]) -> None:
        """See `Store`. Straight into its vector store with what `add` would put there: one by one
        it takes minutes.
        """
        now = datetime.now(UTC).isoformat()
        self.memory.vector_store.insert(
            vectors=self._served.embed([entry["text"] for entry in entries]).tolist(),
            ids=[str(uuid.uuid5(uuid.NAMESPACE_URL, entry["id"])) for entry in entries],
            payloads=[
                {
                    "data": entry["text"],
                    "hash": hashlib.md5(entry["text"].encode()).hexdigest(),  # noqa: S324
                    "text_lemmatized": entry["text"].lower(),
                    "created_at": now,
                    "updated_at": now,
                    "user_id": SPACE,
                    "role": "user",
                    "entry": entry["id"],
                    "say": entry["say"],
                }
                for entry in entries
            ],
        )

    def write(self, entry: dict[str, str]) -> str:
        """See `Store`."""
        about = {"entry": entry["id"], "say": entry["say"]}
        done = self.memory.add(entry["text"], user_id=SPACE, infer=False, metadata=about)
        return done["results"][0]["id"]

    def recall(self, query: dict[str, Any], *, most: int) -> list[str]:
        """See `Store`."""
        found = self.memory.search(query["text"], top_k=most, filters={"user_id": SPACE})
        return [item["metadata"]["entry"] for item in found["results"]]

    def learn(self, messages: Sequence[dict[str, str]]) -> int:
        """Lets its model pick what to remember (`infer=True`); how many memories came of it."""
        done = self.memory.add(list(messages), user_id=SPACE, infer=True)
        return len(done["results"])

    def missing(self, names: Sequence[str]) -> list[str]:
        """See `Store`."""
        return [name for name in names if not self.memory.get(name)]

    def close(self) -> None:
        """See `Store`."""
        self.memory.close()


class Mem0Qdrant(Mem0):
    """Over Qdrant in local mode, mem0's default: it compares with every vector."""

    def _vectors(self, folder: Path) -> dict[str, Any]:
        return {
            "provider": "qdrant",
            "config": {
                "collection_name": "bench",
                "path": str(folder / "qdrant"),
                "embedding_model_dims": self._served.dimensions,
                "on_disk": True,
            },
        }


class _Embeds:
    """mem0's embedder: `embed` and `embed_batch`."""

    def __init__(self, served: Served) -> None:
        self._served = served

    def embed(self, text: str, memory_action: str | None = None) -> list[float]:  # noqa: ARG002
        return self._served.embed([text])[0].tolist()

    def embed_batch(
        self,
        texts: Sequence[str],
        memory_action: str | None = None,  # noqa: ARG002
    ) -> list[list[float]]:
        return self._served.embed(list(texts)).tolist()


def _key() -> dict[str, Any]:
    return {"api_key": "none", "model": "none"}


def _endpoint(folder: Path) -> dict[str, Any]:
    """The model that counts, where there is one; else one that can't be reached."""
    named = folder / "endpoint"
    url = named.read_text("utf-8") if named.exists() else "http://127.0.0.1:9/v1"
    return {"api_key": "none", "openai_base_url": url}
