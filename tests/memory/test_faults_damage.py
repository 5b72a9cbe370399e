"""Files broken at any place: an index is built anew, a ledger says so; no crash, nothing wrong."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.faults import damage
from envs.errors import StoreError
from memory.ledger import Ledger
from memory.types import Lesson

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:chromadb.*")
SLOW = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
COLUMNS_ALONE = "a bit of a column that no index holds: `time` of an exposure, `split` of a run"


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("filled")
    damage.fill(home)
    return home


@pytest.fixture(scope="module")
def right(filled: Path) -> tuple[Any, Any]:
    """What is found, and what is told, of a memory in order."""
    return damage.found(filled), damage.told(filled)


def broken(filled: Path, scratch: Path, file: str, how: damage.How, seed: int) -> Path:
    shutil.rmtree(scratch, ignore_errors=True)
    shutil.copytree(filled, scratch)
    damage.harm(scratch / file, how, rng=random.Random(seed))
    return scratch


@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=SLOW)
@given(data=st.data(), how=st.sampled_from(damage.HOWS), seed=st.integers(0, 10**6))
def test_a_damaged_index_answers_right_or_is_built_anew_with_one_warning(
    data: st.DataObject, how: damage.How, seed: int, filled: Path, right: Any, tmp_path: Path
) -> None:
    files = [path for path in sorted((filled / "index").rglob("*")) if path.is_file()]
    file = data.draw(st.sampled_from(files)).relative_to(filled).as_posix()
    home = broken(filled, tmp_path / "home", file, how, seed)
    outcome, words = damage.judge(damage.found, home, right[0])
    assert outcome in ("right", "rebuilt"), words
    assert damage.judge(damage.found, home, right[0]) == ("right", "")


@settings(max_examples=50, deadline=None, derandomize=True, suppress_health_check=SLOW)
@given(
    how=st.sampled_from([how for how in damage.HOWS if how != "deleted"]),
    seed=st.integers(0, 10**6),
)
def test_a_damaged_ledger_says_so_or_answers_right(
    how: damage.How, seed: int, filled: Path, right: Any, tmp_path: Path
) -> None:
    home = broken(filled, tmp_path / "home", "ledger.db", how, seed)
    outcome, words = damage.judge(damage.told, home, right[1])
    assert outcome in ("right", "told"), COLUMNS_ALONE
    if outcome == "told":
        assert "\n" not in words
        assert "backup" in words or "move it away" in words or "another file" in words, words


def test_a_flipped_letter_in_a_stored_lesson_is_told(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    memory = damage.opened(tmp_path)
    memory.typed("the safe is behind the picture")
    memory.close()
    whole = path.read_bytes()
    assert whole.count(b'"text":"the safe is') == 1
    path.write_bytes(whole.replace(b'"text":"the safe is', b'"text":"the sofa is'))
    with pytest.raises(StoreError, match=r"a stored change is damaged: .*; restore a backup"):
        Ledger(path).changes()


def test_a_page_of_an_index_that_hides_a_row_is_told_on_opening(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    ledger = Ledger(path)
    ledger.close()
    damage.fill(tmp_path)
    raw = bytearray(path.read_bytes())
    places = [n for n in range(len(raw)) if raw.startswith(b"lesson-42", n)]
    hidden = 0
    for place in places:
        raw[place] ^= 1
        path.write_bytes(raw)
        raw[place] ^= 1
        try:
            ledger = Ledger(path)
        except StoreError as error:
            assert "malformed" in str(error)
            hidden += 1
        else:
            ledger.close()
    assert hidden >= 3, "the unique id of lessons, the target of changes, the lesson of exposures"


def test_a_restored_backup_gets_an_index_that_fits_it(tmp_path: Path) -> None:
    memory = damage.opened(tmp_path)
    memory.typed("the mug is on the desk")
    memory.close()
    shutil.copy(tmp_path / "ledger.db", tmp_path / "backup.db")
    memory = damage.opened(tmp_path)
    memory.add(Lesson(id="later", kind="fact", text="the key is in the vase"), reason="r")
    memory.close()
    shutil.copy(tmp_path / "backup.db", tmp_path / "ledger.db")
    memory = damage.opened(tmp_path)
    assert [one.text for one, _ in memory.search("key in the vase", most=5)] == [
        "the mug is on the desk"
    ]
    memory.close()
