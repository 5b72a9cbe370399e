from __future__ import annotations

from pathlib import Path

import pytest

from agent.models.pull import KNOWN, find, list_models, pull
from envs.errors import UnknownName


def test_names_are_unique_and_each_has_a_licence() -> None:
    assert len({model.name for model in KNOWN}) == len(KNOWN)
    assert all(model.licence and model.size for model in KNOWN)
    assert all(m.source.startswith("pypi:") or m.source.count("/") == 2 for m in KNOWN)


def test_what_lies_in_the_folder_is_listed_and_found(tmp_path: Path) -> None:
    folder = tmp_path / "models"
    assert all(m.path is None for m in list_models(tmp_path) if m.name != "smollm2-135m")
    folder.mkdir()
    (folder / "mine.gguf").write_bytes(b"GGUF")
    (folder / "qwen2.5-0.5b.gguf").write_bytes(b"GGUF")
    rows = {model.name: model for model in list_models(tmp_path)}
    assert rows["mine"].source == "local"
    assert rows["mine"].path == folder / "mine.gguf"
    assert rows["qwen2.5-0.5b"].path == folder / "qwen2.5-0.5b.gguf"
    assert find("mine.gguf", home=tmp_path) == folder / "mine.gguf"
    assert find("../models/mine", home=tmp_path) == folder / "mine.gguf"
    assert find("none", home=tmp_path) is None


def test_what_is_there_is_not_fetched_again(tmp_path: Path) -> None:
    file = tmp_path / "models" / "some-file.gguf"
    file.parent.mkdir()
    file.write_bytes(b"GGUF")
    said: list[str] = []
    assert pull("owner/repo/some-file.gguf", home=tmp_path, progress=said.append) == file
    assert said == []


def test_an_unknown_name_lists_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match=r"no model .*'qwen'; choose from: .*qwen2\.5"):
        pull("qwen", home=tmp_path)
    with pytest.raises(UnknownName, match="OWNER/REPO/FILE"):
        pull("owner/repo/readme.md", home=tmp_path)
