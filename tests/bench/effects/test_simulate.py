from pathlib import Path

import pytest

from bench.effects.rivals import RULES
from bench.effects.simulate import LOOKED_AT, choose, digest, main, pieces
from bench.effects.table import BEGIN, END, Piece, put, tables
from envs.errors import UnknownName

SHORT = choose(["mixed", "twins"], episodes=400)


def test_pieces_are_kept_and_read_again(tmp_path: Path) -> None:
    first = list(pieces(SHORT[:1], worlds=1, out=tmp_path))
    path = tmp_path / "mixed-400-0.json"
    stamp = path.stat().st_mtime_ns
    assert list(pieces(SHORT[:1], worlds=1, out=tmp_path)) == first
    assert path.stat().st_mtime_ns == stamp
    assert set(first[0].plays) == set(RULES)
    assert set(first[0].looks) == set(LOOKED_AT)


@pytest.mark.parametrize("text", ["", "{", '{"scenario": "mixed"}'])
def test_a_damaged_piece_is_made_anew(tmp_path: Path, text: str) -> None:
    (tmp_path / "mixed-400-0.json").write_text(text)
    made = list(pieces(SHORT[:1], worlds=1, out=tmp_path))
    assert Piece.model_validate_json((tmp_path / "mixed-400-0.json").read_text()) == made[0]


def test_a_piece_of_other_code_is_made_anew(tmp_path: Path) -> None:
    (made,) = pieces(SHORT[:1], worlds=1, out=tmp_path)
    path = tmp_path / "mixed-400-0.json"
    path.write_text(made.model_copy(update={"digest": "old"}).model_dump_json())
    assert next(pieces(SHORT[:1], worlds=1, out=tmp_path)).digest == digest()


def test_the_tables_have_every_rule_and_go_into_the_page(tmp_path: Path) -> None:
    page = tmp_path / "effects.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    main(
        [
            *("--worlds", "1", "--episodes", "400", "--scenarios", "mixed", "twins"),
            *("--out", str(tmp_path / "pieces"), "--page", str(page)),
        ]
    )
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith(f"{END}\nafter\n")
    assert "old" not in text
    for rule in RULES:
        assert f"| mixed | {rule} |" in text
        assert f"| twins | {rule} |" in text


def test_nothing_is_put_into_a_page_without_marks() -> None:
    with pytest.raises(ValueError, match="lacks the marks"):
        put("a page", "tables")


def test_the_error_is_over_worlds(tmp_path: Path) -> None:
    made = list(pieces(SHORT[:1], worlds=2, out=tmp_path))
    regrets = [piece.plays["show nothing"].regret * 100 for piece in made]
    error = abs(regrets[0] - regrets[1]) / 2
    assert f"| {sum(regrets) / 2:.1f} ± {error:.1f} |" in tables(made)


def test_an_unknown_scenario_is_named() -> None:
    with pytest.raises(UnknownName, match="no scenario named 'mixd'; choose from: mixed"):
        choose(["mixd"], episodes=None)
