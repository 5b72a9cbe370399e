from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from agent.models.client import OpenAIModel
from agent.models.local import LocalModel
from agent.models.resolve import describe, resolve, sha256_of
from agent.settings import ModelSettings
from envs.errors import Missing, StoreError, UnknownName


def put(folder: Path, name: str) -> Path:
    path = folder / "models" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"GGUF and more")
    return path


def test_an_address_wins_over_everything(tmp_path: Path) -> None:
    settings = ModelSettings(base_url="http://there/v1", name="big", file="smollm2-135m")
    chosen = describe(settings, home=tmp_path)
    assert (chosen.origin, chosen.name, chosen.file) == ("server", "big", None)
    assert str(chosen) == "big at http://there/v1"


def test_a_named_file_wins_over_a_promoted_student(tmp_path: Path) -> None:
    file = put(tmp_path, "mine.gguf")
    student = put(tmp_path, "student.gguf")
    promoted = tmp_path / "models" / "promoted.json"
    promoted.write_text('{"file": "student.gguf", "name": "student 3"}')
    by_name = describe(ModelSettings(file="mine"), home=tmp_path)
    by_path = describe(ModelSettings(file=str(file)), home=tmp_path)
    assert by_name.file == by_path.file == file
    chosen = describe(ModelSettings(), home=tmp_path)
    assert (chosen.origin, chosen.name, chosen.file) == ("promoted", "student 3", student)


def test_the_embedded_model_is_the_default(tmp_path: Path) -> None:
    put(tmp_path, "smollm2-135m.gguf")
    chosen = describe(ModelSettings(), home=tmp_path)
    assert (chosen.origin, chosen.name) == ("embedded", "smollm2-135m (embedded)")


def test_a_model_that_is_not_here_names_the_command_that_gets_it(tmp_path: Path) -> None:
    with pytest.raises(Missing, match=r"journeyman models pull qwen2\.5-1\.5b"):
        describe(ModelSettings(file="qwen2.5-1.5b"), home=tmp_path)
    with pytest.raises(Missing, match=r"no model file '/none/x\.gguf'; mend model\.file"):
        describe(ModelSettings(file="/none/x.gguf"), home=tmp_path)
    with pytest.raises(UnknownName, match=r"no model named 'qwen2'; choose from: qwen2\.5"):
        describe(ModelSettings(file="qwen2"), home=tmp_path)


def test_a_promotion_that_cannot_be_followed_says_how_to_go_back(tmp_path: Path) -> None:
    promoted = put(tmp_path, "promoted.json")
    with pytest.raises(StoreError, match=r"promoted\.json can't be read.*remove it"):
        describe(ModelSettings(), home=tmp_path)
    promoted.write_text("[]")
    with pytest.raises(StoreError, match="remove it to go back to the embedded model"):
        describe(ModelSettings(), home=tmp_path)
    promoted.write_text('{"file": "gone.gguf"}')
    with pytest.raises(Missing, match=r"gone\.gguf is gone; remove"):
        describe(ModelSettings(), home=tmp_path)


async def test_models_open_without_starting_anything(tmp_path: Path) -> None:
    remote = await resolve(ModelSettings(base_url="http://there/v1"), home=tmp_path)
    assert isinstance(remote, OpenAIModel)
    file = put(tmp_path, "mine.gguf")
    local = await resolve(ModelSettings(file="mine"), home=tmp_path)
    assert isinstance(local, LocalModel)
    assert local.name == "mine"
    assert not local.server.alive
    file.write_text("not a model")
    with pytest.raises(Missing, match="not a GGUF model"):
        await resolve(ModelSettings(file="mine"), home=tmp_path)


def test_the_hash_of_a_file_follows_its_content(tmp_path: Path) -> None:
    file = put(tmp_path, "mine.gguf")
    assert sha256_of(file) == hashlib.sha256(b"GGUF and more").hexdigest()
    file.write_bytes(b"GGUF and else!")
    assert sha256_of(file) == hashlib.sha256(b"GGUF and else!").hexdigest()
