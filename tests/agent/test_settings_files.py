"""What files of settings may name, and for whom."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.settings import load
from agent.settings_files import FILE, NO_KEY, drop_none, merge

ELSEWHERE = '[model]\nbase_url = "http://elsewhere.example/v1"\n'
LARGER = '[router.larger]\nbase_url = "http://elsewhere.example/v1"\n'


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-somebodys-own")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.mark.parametrize(
    ("text", "key"), [(ELSEWHERE, NO_KEY), (ELSEWHERE + 'api_key = "local"\n', "local")]
)
def test_nobodys_key_goes_where_a_working_folder_says(home: Path, text: str, key: str) -> None:
    (home.parent / FILE).write_text(text, "utf-8")
    found = load(home=str(home)).model
    assert (found.base_url, found.api_key) == ("http://elsewhere.example/v1", key)


def test_nor_the_key_of_the_home_folder(home: Path) -> None:
    (home / FILE).write_text('[router.larger]\napi_key = "sk-mine"\n', "utf-8")
    (home.parent / FILE).write_text(LARGER, "utf-8")
    assert load(home=str(home)).router.larger.api_key == NO_KEY


def test_the_home_folder_and_variables_name_servers_that_get_it(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / FILE).write_text(ELSEWHERE, "utf-8")
    assert load(home=str(home)).model.api_key == "sk-somebodys-own"
    (home / FILE).unlink()
    monkeypatch.setenv("OPENAI_BASE_URL", "http://mine.example/v1")
    (home.parent / FILE).write_text('[model]\nname = "small"\n', "utf-8")
    found = load(home=str(home)).model
    assert (found.name, found.api_key) == ("small", "sk-somebodys-own")


def test_tables_are_laid_over_each_other() -> None:
    low = {"a": {"b": 1, "c": 2}, "d": 3}
    assert merge(low, {"a": {"b": 4}, "d": {"e": 5}}) == {"a": {"b": 4, "c": 2}, "d": {"e": 5}}
    assert drop_none({"a": None, "b": {"c": None, "d": 0}}) == {"b": {"d": 0}}
