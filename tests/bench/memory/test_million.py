from pathlib import Path

import numpy as np

from bench.memory.million import Synthetic, fill, measure
from memory.index import Index
from memory.ledger import Ledger
from memory.recall import Memory


def test_a_number_has_one_vector() -> None:
    embedder = Synthetic(topics=8)
    rows = embedder.embed(["case 3: a thing", "again case 3", "case 11"])
    assert np.allclose(np.linalg.norm(rows, axis=1), 1.0, atol=1e-5)
    assert np.array_equal(rows[0], rows[1])
    assert rows[0] @ rows[2] > 0.2  # the same topic


def test_a_small_million_is_measured(tmp_path: Path) -> None:
    row = measure(tmp_path, entries=300, asked=10, exact=5)
    assert (row.entries, row.recall.count, row.filled.entries) == (300, 10, 300)
    assert row.found > 0.9
    assert row.filled.whole
    assert min(row.resident, row.ledger, row.index) > 0


def test_filling_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    memory = Memory(Ledger(tmp_path / "ledger.db"), Index(tmp_path / "index", Synthetic()))
    first = fill(memory, tmp_path, entries=20)
    second = fill(memory, tmp_path, entries=50)
    assert (first.entries, second.entries, second.whole) == (20, 50, True)
    assert second.ledger > first.ledger
    (tmp_path / "filled.json").unlink()
    assert not fill(memory, tmp_path, entries=60).whole
    memory.close()
