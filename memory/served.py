"""Which lessons are close in meaning, asked of a Chroma server that several machines share.

Where it stands is said by a collection without entries, in its metadata: the generation it has
reached, and the *build* to which its collections belong. Whoever builds anew fills new collections
and then turns that pointer, so nobody sees half an index. Putting in and taking out is done by one
process at a time (`Ledger.alone`): two would overwrite each other's newer texts with older ones.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol, TypeVar
from urllib.parse import unquote, urlsplit

import httpx
import numpy as np

from envs.errors import StoreError, UserError, one_line
from memory.embed import Embedder
from memory.index import FORMAT, Index
from memory.vectors import Damaged

T = TypeVar("T")
PATIENCE = 30.0
"""Seconds for which nobody waits again for a process that took long, as one that builds anew."""
TIMEOUT = 30.0
"""Seconds that the server may take to answer."""
PAGE = 500
"""Collections listed at once."""


class Owner(Protocol):
    """The ledger that an index is derived from, as far as it is needed here."""

    origin: str

    def alone(self, *, wait: float) -> AbstractContextManager[Callable[[], bool] | None]:
        """See `Ledger.alone`."""
        ...


class ServedIndex(Index):
    """The collections of one ledger and one embedder on the server at `url` (`http://host:port`).

    Raises `StoreError` where the server doesn't answer, and `Damaged` where collections are gone.
    """

    def __init__(
        self, url: str, embedder: Embedder, *, ledger: Owner, name: str = "lessons"
    ) -> None:
        made = hashlib.blake2b(
            f"{embedder.name}/{embedder.dimensions}/{FORMAT}".encode(), digest_size=4
        ).hexdigest()
        super().__init__(Path(), embedder, name=f"journeyman-{ledger.origin}-{name}-{made}")
        self.url = _shown(url)
        self._address = url
        self._ledger = ledger
        self._pointer = self.name
        self._build = ""
        self._state: dict[str, Any] = {}
        self._handle: Any = None
        self._known = False
        self._still: Callable[[], bool] | None = None
        self._sessions: list[Any] = []
        self._impatient = 0.0

    @contextmanager
    def alone(self, *, wait: float) -> Iterator[bool]:
        """See `VectorIndex`."""
        if self._still is not None:
            yield True
            return
        patient = time.monotonic() >= self._impatient
        with self._ledger.alone(wait=wait if patient else 0.0) as still:
            if still is None and patient:
                self._impatient = time.monotonic() + PATIENCE
            self._still = still
            try:
                yield still is not None
            finally:
                self._still = None
                self._known = False

    @property
    def origin(self) -> str:
        """See `VectorIndex`."""
        return str(self._read().get("origin", ""))

    @property
    def generation(self) -> int:
        """See `VectorIndex`."""
        return int(self._read().get("generation", 0))

    def mark(self, *, origin: str, generation: int) -> None:
        """See `VectorIndex`. Raises `StoreError` where another process may have come between."""
        with self._opened():
            if self._still is not None and not self._still():
                raise StoreError(
                    f"index {self.url} was let go while it was brought up",
                    repair="try again; nothing is lost, it is brought up from the ledger",
                )
            state = {"origin": origin, "generation": generation, "build": self._build}
            if self._handle is None:
                self._handle = self._client.get_or_create_collection(
                    self._pointer, embedding_function=None, metadata=state
                )
            if self._handle.metadata != state:
                self._handle.modify(metadata=state)
            fresh = self._state.get("build") != self._build
            self._state = state
            self._unsettled.clear()
            if fresh:
                self._delete_others(prefix=self._pointer)

    def search(
        self, text: str, *, most: int, shelves: Sequence[str] | None = None
    ) -> list[tuple[str, float]]:
        """See `VectorIndex`."""
        ask = super().search
        return self._again(lambda: ask(text, most=most, shelves=shelves))

    def vectors(self, ids: Sequence[str], *, shelf: str = "") -> dict[str, np.ndarray]:
        """See `VectorIndex`."""
        ask = super().vectors
        return self._again(lambda: ask(ids, shelf=shelf))

    def clear(self) -> None:
        """See `VectorIndex`. The others keep what there is until the new build is marked."""
        with self._lock, self._mended():
            self._connect()
            self._begin()

    def sweep(self) -> int:
        """See `VectorIndex`; also deletes what was made with other embedders."""
        with self._opened():
            self._delete_others(prefix=f"journeyman-{self._ledger.origin}-")
        return 0

    def close(self) -> None:
        """See `VectorIndex`."""
        with self._lock:
            if self._client is not None:  # else nothing of Chroma was loaded, nor need be now
                with suppress(StoreError), self._mended():
                    self._drop()

    def answers(self) -> int:
        """How many entries it has. Raises `StoreError` where the server doesn't answer."""
        with self._opened() as shelves:
            return sum(entries.count() for entries in shelves.values())

    # the server

    @contextmanager
    def _opened(self) -> Iterator[dict[str, Any]]:
        with self._lock, self._mended():
            if not self._build:
                self._connect()
                self._follow()
            yield self._shelves

    @contextmanager
    def _mended(self) -> Iterator[None]:
        """Chroma's errors as `Damaged`; those of the way to it as `StoreError`."""
        from chromadb.errors import ChromaError

        try:
            yield
        except (httpx.HTTPError, ValueError, OSError) as error:
            self._drop()
            raise StoreError(
                f"index {self.url} does not answer ({one_line(str(error))[:200]})",
                repair="start it (`chroma run --path FOLDER`), or mend store.index",
            ) from error
        except ChromaError as error:
            raise Damaged(
                f"index {self.url} can't be used ({one_line(str(error))[:200]})",
                repair="look at the server's log",
            ) from error

    def _connect(self) -> None:
        import chromadb
        from chromadb.config import Settings

        if self._client is not None:
            return
        parts = urlsplit(self._address)
        headers = {}
        if parts.username:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            headers["Authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
        secure = parts.scheme == "https"
        self._client = chromadb.HttpClient(
            host=parts.hostname or "",
            port=parts.port or (443 if secure else 8000),
            ssl=secure,
            headers=headers,
            settings=Settings(anonymized_telemetry=False),
        )
        # by itself chromadb waits for ever, and leaves its connections open
        self._sessions = [
            part._server._session for part in (self._client, self._client._admin_client)
        ]
        for session in self._sessions:
            session.timeout = TIMEOUT

    def _read(self) -> dict[str, Any]:
        """Where the index stands now; nothing while a new build of this process isn't marked."""
        with self._opened():
            if self._state and not self._known:
                self._follow()
                self._known = self._still is not None  # nobody else alters it meanwhile
            return self._state

    def _follow(self) -> bool:
        """Turns to the build that the pointer names; whether that is another one."""
        from chromadb.errors import NotFoundError

        before, known = self._build, self._state.get("generation")
        try:
            self._handle = self._client.get_collection(self._pointer, embedding_function=None)
            self._state = dict(self._handle.metadata or {})
        except NotFoundError:
            self._handle, self._state = None, {}
        build = str(self._state.get("build", ""))
        if not build:
            self._begin()
        elif build != before or self._state.get("generation") != known:
            self._name_build(build)
            self._shelves = {
                entries.metadata["shelf"]: entries for entries in self._listed(f"{self.name}-")
            }
        return self._build != before

    def _begin(self) -> None:
        """A build of its own, which the others don't see before it is marked."""
        self._name_build(secrets.token_hex(4))
        self._state = {}
        self._shelves = {}

    def _name_build(self, build: str) -> None:
        self._build = build
        self.name = f"{self._pointer}-{build}"

    def _again(self, ask: Callable[[], T]) -> T:
        """An answer, also where another process has turned the pointer meanwhile."""
        try:
            return ask()
        except Damaged:
            with self._opened():
                if not self._state or not self._follow() or not self._state:
                    raise
            return ask()

    def _listed(self, prefix: str) -> list[Any]:
        found: list[Any] = []
        while True:
            page = self._client.list_collections(limit=PAGE, offset=len(found))
            found += page
            if len(page) < PAGE:
                return [entries for entries in found if entries.name.startswith(prefix)]

    def _delete_others(self, *, prefix: str) -> None:
        from chromadb.errors import NotFoundError

        for entries in self._listed(prefix):
            mine = entries.name == self._pointer or entries.name.startswith(f"{self.name}-")
            if not mine:
                with suppress(NotFoundError):
                    self._client.delete_collection(entries.name)

    def _drop(self) -> None:
        super()._drop()
        for session in self._sessions:
            session.close()
        self._sessions = []
        self._build, self._state = "", {}
        self._handle, self._known = None, False


def is_server(place: str) -> bool:
    """Whether `place` is the address of a Chroma server. Raises `UserError` for any other."""
    if not place:
        return False
    parts = urlsplit(place)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UserError("store.index is no address of a server", repair="write http://HOST:PORT")
    return True


def _shown(url: str) -> str:
    """The address without its password."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
