"""The parent's side: starts a contender in its environment, asks, feeds it vectors, kills it."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import numpy as np

from envs.errors import InternalError, Missing
from envs.types import Frozen
from memory.embed import Embedder

SHARED = 512
"""Texts embedded and written down at once."""
ROOT = Path(__file__).resolve().parents[2]
RIVALS = ROOT / ".venv-rivals"
INSTALL = "make rivals (or: python -m venv .venv-rivals && .venv-rivals/bin/pip install -r {file})"
NEEDS: Mapping[str, str] = {
    "mem0": "mem0",
    "mem0-qdrant": "mem0",
    "langgraph": "langgraph/store/sqlite",
    "langgraph-ram": "langgraph/store/sqlite",
}
"""What has to be installed in the rivals' environment; others run in this one."""
QUIET = {
    "ANONYMIZED_TELEMETRY": "False",
    "HF_HUB_OFFLINE": "1",
    "MEM0_TELEMETRY": "False",
    "OPENAI_API_KEY": "none",
    "POSTHOG_DISABLED": "1",
    "PYTHONPATH": str(ROOT),
    "PYTHONWARNINGS": "ignore",
    "TOKENIZERS_PARALLELISM": "false",
}
"""Environment of a child: telemetry off, nothing to be fetched, no key to anything."""


class Answer(Frozen):
    """What a contender did."""

    value: Any = None
    """What its verb returned."""
    ms: float
    """Milliseconds in its process, less those spent waiting for vectors."""
    cpu: float = 0.0
    """Of them, milliseconds of processor time, all its threads together."""
    texts: int = 0
    """Texts that had to be embedded."""
    resident: int = 0
    """Bytes of its memory afterwards."""


class Child:
    """One contender's process. Raises `Missing` where its packages are not installed."""

    def __init__(
        self, name: str, folder: Path, *, shared: Path, embedder: Embedder, rivals: Path = RIVALS
    ) -> None:
        self.name = name
        self._embedder = embedder
        folder.mkdir(parents=True, exist_ok=True)
        python = python_of(name, rivals=rivals)
        with (folder.parent / f"{folder.name}.log").open("a", encoding="utf-8") as log:
            self._process = subprocess.Popen(
                [str(python), "-m", "bench.memory.contender", name, str(folder), str(shared)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=ROOT,
                text=True,
                env={
                    "PATH": "/usr/bin:/bin",
                    "HOME": str(folder),
                    "MEM0_DIR": str(folder),
                    **QUIET,
                },
            )
        self._hears, self._says = _pipes(self._process)
        self._log = folder.parent / f"{folder.name}.log"
        self.opened = self._answer()
        """How long opening took, the import of its packages left out."""

    def ask(self, do: str, **more: Any) -> Answer:
        """One verb, done. Raises `Missing` where the process broke."""
        self._say({"do": do, **more})
        return self._answer()

    def begin(self, do: str, **more: Any) -> None:
        """One verb, begun and not waited for."""
        self._say({"do": do, **more})

    def kill(self) -> None:
        """Ends it at once (SIGKILL), whatever it is at."""
        self._process.kill()
        self._reap()

    def close(self) -> None:
        """Lets it close its store and end; may be called twice."""
        if self._process.poll() is None:
            self.ask("close")
            self._hears.close()
        self._reap()

    def _reap(self) -> None:
        self._process.wait(30)
        for pipe in (self._hears, self._says):
            with suppress(BrokenPipeError):
                pipe.close()

    def _say(self, order: dict[str, Any]) -> None:
        self._hears.write(json.dumps(order) + "\n")
        self._hears.flush()

    def _answer(self) -> Answer:
        while True:
            line = self._says.readline()
            if not line:
                last = self._log.read_text("utf-8", "replace").strip().splitlines()[-1:]
                raise Missing(
                    f"contender {self.name} broke off ({last[0] if last else 'no word'})",
                    repair=f"look into {self._log}",
                )
            said = json.loads(line)
            if "embed" not in said:
                said.pop("import", None)
                return Answer.model_validate(said)
            rows = np.asarray(self._embedder.embed(said["embed"]), np.float32)
            self._say({"vectors": base64.b64encode(rows.tobytes()).decode()})


def _pipes(process: subprocess.Popen[str]) -> tuple[IO[str], IO[str]]:
    if process.stdin is None or process.stdout is None:
        raise InternalError("a contender without pipes", repair="report this line")
    return process.stdin, process.stdout


@contextmanager
def children(
    names: Sequence[str], folder: Path, *, shared: Path, embedder: Embedder, rivals: Path = RIVALS
) -> Iterator[dict[str, Child]]:
    """A child for each name, each with a folder of its own; all are ended afterwards."""
    begun: dict[str, Child] = {}
    try:
        for name in names:
            place = folder / name
            begun[name] = Child(name, place, shared=shared, embedder=embedder, rivals=rivals)
        yield begun
    finally:
        for child in begun.values():
            child.kill()


def python_of(name: str, *, rivals: Path = RIVALS) -> Path:
    """The interpreter for a contender. Raises `Missing` with the line that installs it."""
    if name not in NEEDS:
        return Path(sys.executable)
    found = list((rivals / "lib").glob(f"python3*/site-packages/{NEEDS[name]}"))
    python = rivals / "bin" / "python"
    if not found or not python.exists():
        file = Path(__file__).with_name("rivals.txt").relative_to(ROOT)
        raise Missing(f"{name} is not installed", repair=INSTALL.format(file=file))
    return python


def share(
    folder: Path,
    texts: Sequence[str],
    embedder: Embedder,
    *,
    told: Callable[[str], None] = lambda _text: None,
) -> None:
    """Writes the vectors of `texts` where all children find them; those that are there stay.

    It goes on where it was stopped: vectors first, then the texts that they belong to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    about = json.dumps({"name": embedder.name, "dimensions": embedder.dimensions})
    names, rows = folder / "texts.jsonl", folder / "vectors.f32"
    if not (folder / "about.json").exists() or (folder / "about.json").read_text("utf-8") != about:
        names.write_text("", "utf-8")
        rows.write_bytes(b"")
        (folder / "about.json").write_text(about, "utf-8")
    known = [json.loads(line) for line in names.read_text("utf-8").splitlines()]
    have = set(known)
    new = [text for text in dict.fromkeys(texts) if text not in have]
    with rows.open("r+b") as vectors, names.open("a", encoding="utf-8") as words:
        vectors.truncate(len(known) * embedder.dimensions * 4)
        vectors.seek(0, 2)
        for start in range(0, len(new), SHARED):
            part = new[start : start + SHARED]
            vectors.write(np.asarray(embedder.embed(part), np.float32).tobytes())
            vectors.flush()
            words.write("".join(json.dumps(text) + "\n" for text in part))
            words.flush()
            if start % (SHARED * 10) == 0 and len(new) > SHARED:
                told(f"vectors: {start + len(part)} of {len(new)}")
