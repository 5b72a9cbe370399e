"""Which lessons are close in meaning: Chroma on disk, a collection for each shelf.

An index is derived from the ledger and says how far: it carries a stamp with the ledger's name,
the generation it has reached, its embedder, and checksums of its files. A folder that doesn't fit
its stamp is not opened (Chroma would answer wrongly or crash on flipped bytes) but built anew.

Chroma's folders are for one process: a second one neither sees nor spares what the first writes
(measured with 1.5.9: 70 of 300 entries lost after concurrent writing). So each process takes a
slot of its own under `path`, the first that is free, and brings it up to date from the ledger.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import secrets
import shutil
import sys
import threading
import zlib
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

import numpy as np

from envs.errors import StoreError
from memory.embed import Embedder
from memory.vectors import Damaged, ListIndex, VectorIndex

__all__ = ["Damaged", "Index", "ListIndex", "VectorIndex"]

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

logger = logging.getLogger(__name__)
FORMAT = 2
"""Version of the layout; an index of another one is built anew."""
BATCH = 256
"""Texts embedded and written at once."""
GRAPH = {"ef_construction": 200, "max_neighbors": 32}
"""With Chroma's own 100 and 16, 2 of 15 graphs over 300 texts that are about equally close to each
other had an entry that no search could reach; with these, none of 15."""
SLOTS = 64
"""Most processes on one folder."""


class Index:
    """Chroma, embedded, under `path`; opened on first use. `name` begins its collections' names.

    Raises `Damaged` where the folder can't be used as it is and `StoreError` where it can't be
    written.
    """

    def __init__(self, path: Path, embedder: Embedder, *, name: str = "lessons") -> None:
        self.path = path
        self.name = name
        self.embedder = embedder
        self._lock = threading.RLock()
        self._slot: Path | None = None
        self._held: int | None = None
        self._client: Any = None
        self._shelves: dict[str, Any] = {}
        self._unsettled: set[str] = set()
        self._stamp: dict[str, Any] = {}
        self._sums: dict[str, tuple[tuple[int, int], int]] = {}

    @property
    def origin(self) -> str:
        """See `VectorIndex`."""
        with self._opened():
            return str(self._stamp.get("origin", ""))

    @property
    def generation(self) -> int:
        """See `VectorIndex`."""
        with self._opened():
            return int(self._stamp.get("generation", 0))

    def alone(self, *, wait: float) -> AbstractContextManager[bool]:
        """See `VectorIndex`; a process has a slot of its own."""
        return nullcontext(wait >= 0)

    def mark(self, *, origin: str, generation: int) -> None:
        """See `VectorIndex`."""
        with self._opened() as shelves:
            for shelf in self._unsettled & shelves.keys():
                # a search makes Chroma finish what it still has to write
                self._ask(shelves[shelf], self._probe(), most=1)
            self._unsettled.clear()
            self._write(origin=origin, generation=generation)

    def add(self, items: Sequence[tuple[str, str]], *, shelf: str = "") -> None:
        """See `VectorIndex`."""
        with self._opened() as shelves:
            if shelf not in shelves:
                shelves[shelf] = self._collection(shelf)
            entries = shelves[shelf]
            self._unsettled.add(shelf)
            for begin in range(0, len(items), BATCH):
                part = dict(items[begin : begin + BATCH])
                entries.upsert(ids=list(part), embeddings=self.embedder.embed(list(part.values())))
                done = begin + BATCH
                if done % (BATCH * 8) == 0 and done < len(items):
                    logger.info("index: %d of %d lessons", done, len(items))

    def remove(self, ids: Sequence[str]) -> None:
        """See `VectorIndex`."""
        with self._opened() as shelves:
            for shelf, entries in shelves.items():
                for begin in range(0, len(ids), BATCH):
                    entries.delete(ids=list(ids[begin : begin + BATCH]))
                self._unsettled.add(shelf)

    def search(
        self, text: str, *, most: int, shelves: Sequence[str] | None = None
    ) -> list[tuple[str, float]]:
        """See `VectorIndex`."""
        query = self.embedder.embed([text])
        if most < 1:
            return []
        found: list[tuple[str, float]] = []
        with self._opened() as there:
            for shelf in there if shelves is None else shelves:
                if shelf in there:
                    found += self._ask(there[shelf], query, most=most)
        return sorted(found, key=lambda pair: -pair[1])[:most]

    def vectors(self, ids: Sequence[str], *, shelf: str = "") -> dict[str, np.ndarray]:
        """See `VectorIndex`."""
        with self._opened() as there:
            if not ids or shelf not in there:
                return {}
            found = there[shelf].get(ids=list(ids), include=["embeddings"])
        if not found["ids"]:
            return {}
        rows = np.asarray(found["embeddings"], dtype=np.float32).reshape(len(found["ids"]), -1)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        return dict(zip(found["ids"], rows, strict=True))

    def clear(self) -> None:
        """See `VectorIndex`. The old folder is deleted, a new one begun."""
        with self._lock, self._mended():
            self.close()  # where the folder was deleted, so was the lock: take a slot again
            slot = self._take()
            for old in slot.iterdir():
                if old.is_dir():
                    shutil.rmtree(old, ignore_errors=True)
                else:
                    old.unlink(missing_ok=True)
            self._sums.clear()
            self._stamp = {"folder": f"chroma-{secrets.token_hex(4)}"}
            self._open(slot)
            self._write(origin="", generation=0)

    def sweep(self) -> int:
        """See `VectorIndex`."""
        others = 0
        with self._lock, self._mended():
            for lock in sorted(self.path.glob("slot-*.lock")):
                slot = lock.with_suffix("")
                if slot == self._slot:
                    continue
                held = os.open(lock, os.O_RDWR)
                free = _locked(held)
                if free:
                    shutil.rmtree(slot, ignore_errors=True)
                os.close(held)
                others += not free
        return others

    def close(self) -> None:
        """Closes Chroma and gives the slot back; may be called twice.

        Closing alters Chroma's files (SQLite tidies its log), so the stamp is written anew.
        """
        with self._lock:
            was_open = self._client is not None
            self._drop()
            if was_open and self._slot is not None:
                with suppress(OSError):
                    origin, generation = self._stamp["origin"], self._stamp["generation"]
                    self._write(origin=origin, generation=generation)
            if self._held is not None:
                os.close(self._held)
            self._held = self._slot = None

    # the folder

    @contextmanager
    def _opened(self) -> Iterator[dict[str, Any]]:
        with self._lock, self._mended():
            if self._client is None:
                slot = self._take()
                stamp = slot / "stamp.json"
                if not stamp.exists() and not any(slot.iterdir()):
                    self.clear()
                else:
                    self._verify(slot)
                    self._open(slot)
            yield self._shelves

    @contextmanager
    def _mended(self) -> Iterator[None]:
        """Chroma's errors, and those of the disk, as `Damaged`."""
        from chromadb.errors import ChromaError

        try:
            yield
        except (ChromaError, RuntimeError, ValueError, KeyError, TypeError, OSError) as error:
            self._drop()
            what = f"{type(error).__name__}: {str(error)[:200]}"
            raise Damaged(
                f"index {self.path} can't be used ({what})",
                repair="delete that folder, it is built again; check that it can be written",
            ) from error

    def _take(self) -> Path:
        """The slot of this process, locked until `close` or the end of the process."""
        if self._slot is not None:
            return self._slot
        self.path.mkdir(parents=True, exist_ok=True)
        for number in range(SLOTS):
            held = os.open(self.path / f"slot-{number}.lock", os.O_RDWR | os.O_CREAT, 0o600)
            if _locked(held):
                self._held, self._slot = held, self.path / f"slot-{number}"
                self._slot.mkdir(exist_ok=True)
                return self._slot
            os.close(held)
        raise StoreError(
            f"{SLOTS} processes use index {self.path}", repair="end one of them, then try again"
        )

    def _verify(self, slot: Path) -> None:
        """Reads the stamp and compares it with the files. Raises `Damaged`."""
        self._stamp = json.loads((slot / "stamp.json").read_text("utf-8"))
        if self._stamp.pop("stamp") != _sealed(self._stamp):
            raise Damaged(f"the stamp of index {slot} is not as it was left", repair="rebuild it")
        folder = slot / self._stamp["folder"]
        if self._stamp["format"] != FORMAT or self._stamp["embedder"] != self._name():
            raise Damaged(
                "the index was made with another embedder, or by another version",
                repair="it is built again",
            )
        self._sums.clear()
        if self._sum(folder) != self._stamp["files"]:
            raise Damaged(f"files of index {slot} are not as they were left", repair="rebuild it")

    def _open(self, slot: Path) -> None:
        import chromadb
        from chromadb.config import Settings

        folder = slot / self._stamp["folder"]
        self._client = chromadb.PersistentClient(
            path=str(folder), settings=Settings(anonymized_telemetry=False)
        )
        self._shelves = {}
        mine = f"{self.name}-"
        for entries in self._client.list_collections():
            if not entries.name.startswith(mine):
                continue
            self._shelves[entries.metadata["shelf"]] = entries
            self._ask(entries, self._probe(), most=1)

    def _collection(self, shelf: str) -> Any:
        """A new collection; the shelf's own name may hold what Chroma's may not."""
        digest = hashlib.blake2b(shelf.encode(), digest_size=8).hexdigest()
        return self._client.get_or_create_collection(
            f"{self.name}-{digest}",
            embedding_function=None,
            metadata={"shelf": shelf},
            configuration={"hnsw": {"space": "cosine", **GRAPH}},
        )

    @staticmethod
    def _ask(entries: Any, query: np.ndarray, *, most: int) -> list[tuple[str, float]]:
        found = entries.query(query_embeddings=query, n_results=most, include=["distances"])
        distances = found["distances"] or [[]]
        pairs = zip(found["ids"][0], distances[0], strict=True)
        return [(id_, 1.0 - float(distance)) for id_, distance in pairs]

    def _write(self, *, origin: str, generation: int) -> None:
        slot = self._take()
        self._stamp = {
            "format": FORMAT,
            "folder": self._stamp["folder"],
            "embedder": self._name(),
            "origin": origin,
            "generation": generation,
            "files": self._sum(slot / self._stamp["folder"]),
        }
        new = slot / "stamp.new"
        whole = {**self._stamp, "stamp": _sealed(self._stamp)}
        new.write_text(json.dumps(whole), "utf-8")
        new.replace(slot / "stamp.json")

    def _sum(self, folder: Path) -> dict[str, int]:
        """CRC-32 of each file; one that has not been touched since is not read again."""
        sums: dict[str, tuple[tuple[int, int], int]] = {}
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            name, stat = file.relative_to(folder).as_posix(), file.stat()
            touched = (stat.st_mtime_ns, stat.st_size)
            known = self._sums.get(name)
            same = known is not None and known[0] == touched
            sums[name] = known if known and same else (touched, _crc(file))
        self._sums = sums
        return {name: crc for name, (_, crc) in sums.items()}

    def _drop(self) -> None:
        client, self._client, self._shelves = self._client, None, {}
        if client is not None:
            client.close()

    def _name(self) -> str:
        return f"{self.embedder.name}/{self.embedder.dimensions}"

    def _probe(self) -> np.ndarray:
        return np.full((1, self.embedder.dimensions), self.embedder.dimensions**-0.5, np.float32)


def _sealed(stamp: dict[str, Any]) -> int:
    """Checksum of the stamp itself: a flipped bit in its generation would hide lessons."""
    return zlib.crc32(json.dumps(stamp, sort_keys=True).encode())


def _crc(file: Path) -> int:
    crc = 0
    with file.open("rb") as stream:
        while part := stream.read(1 << 20):
            crc = zlib.crc32(part, crc)
    return crc


def _locked(held: int) -> bool:
    try:
        if sys.platform == "win32":
            msvcrt.locking(held, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
