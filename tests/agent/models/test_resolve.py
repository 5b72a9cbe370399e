from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from agent.models.client import OpenAIModel
from agent.models.local import LocalModel
from agent.models.resolve import describe, resolve, sha256_of
from agent.models.students import listed, lora_file, named
from agent.settings import ModelSettings
from distill.adapters import Adapter, Registry
from distill.plan import Manifest, Plan
from envs.errors import Missing, Refused, StoreError, UnknownName


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
    base = put(tmp_path, "base.gguf")
    for name in ("s1", "../../s1"):
        promoted.write_text(json.dumps({"file": str(base), "adapter": name}))
        with pytest.raises(Missing, match=r"is gone; put its folder back, .* models rollback"):
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


def adapter(home: Path, name: str = "put-1", *, base: str = "smollm2-135m", sha: str = "") -> None:
    manifest = Manifest(
        plan=Plan(), rows=1, rows_sha256="", tokens=1, trained_tokens=1, steps=1, loss=0.0,
        seconds=1.0, base_sha256=sha,
    )  # fmt: skip
    about = Adapter(id=name, base=base, licence="Apache-2.0", manifest=manifest)
    Registry(home / "adapters").add(about, weights=b"weights")


def test_a_student_is_found_by_its_id_or_its_folder_beside_the_model_it_names(
    tmp_path: Path,
) -> None:
    file = put(tmp_path, "smollm2-135m.gguf")
    adapter(tmp_path)
    by_id = describe(ModelSettings(adapter="put-1"), home=tmp_path)
    assert (by_id.name, by_id.origin, by_id.file) == (
        "smollm2-135m (student put-1)",
        "student",
        file,
    )
    assert by_id.adapter is not None
    assert str(by_id).endswith(f"with {tmp_path / 'adapters' / 'put-1'}")
    folder = str(tmp_path / "adapters" / "put-1")
    assert describe(ModelSettings(adapter=folder, file=str(file)), home=tmp_path) == by_id


def test_a_promoted_student_has_its_adapter(tmp_path: Path) -> None:
    file = put(tmp_path, "smollm2-135m.gguf")
    adapter(tmp_path)
    promoted = tmp_path / "models" / "promoted.json"
    promoted.write_text(f'{{"file": "{file}", "name": "any", "adapter": "put-1"}}')
    chosen = describe(ModelSettings(), home=tmp_path)
    assert (chosen.name, chosen.origin) == ("smollm2-135m (student put-1)", "promoted")
    assert chosen.adapter is not None
    assert chosen.adapter.id == "put-1"


def test_an_adapter_that_cannot_be_served_says_why(tmp_path: Path) -> None:
    put(tmp_path, "smollm2-135m.gguf")
    other = put(tmp_path, "other.gguf")
    adapter(tmp_path)
    adapter(tmp_path, "far", base="qwen2.5-0.5b")
    adapter(tmp_path, "own", base="Mine")
    adapter(tmp_path, "bad")
    (tmp_path / "adapters" / "bad" / "adapter.json").write_text("{}")
    wrong = {
        ("put-2", ""): (UnknownName, r"no adapter named 'put-2'; choose from: put-1"),
        ("shipped:none", ""): (UnknownName, r"no adapter named 'shipped:none'; choose from"),
        ("put-1", str(other)): (Refused, r"alters 'smollm2-135m', and other\.gguf is another"),
        ("far", ""): (Missing, r"'far' alters, is not.*journeyman models pull qwen2\.5-0\.5b"),
        ("own", ""): (Missing, r"'Mine', which adapter 'own' alters, is not .*; set model\.file"),
        ("bad", ""): (StoreError, r"bad is damaged or foreign.*move it away"),
    }
    for (name, file), (kind, words) in wrong.items():
        with pytest.raises(kind, match=words):
            describe(ModelSettings(adapter=name, file=file), home=tmp_path)
    with pytest.raises(Refused, match=r"model\.base_url and model\.adapter are both set"):
        describe(ModelSettings(adapter="put-1", base_url="http://there/v1"), home=tmp_path)


def test_an_adapter_of_another_file_and_one_that_was_altered_are_not_loaded(
    tmp_path: Path,
) -> None:
    file = put(tmp_path, "smollm2-135m.gguf")
    adapter(tmp_path, "other", sha="f" * 64)
    adapter(tmp_path, "altered", sha=sha256_of(file))
    (tmp_path / "adapters" / "altered" / "adapter.safetensors").write_bytes(b"else")
    other, altered = (
        describe(ModelSettings(adapter=name), home=tmp_path).adapter
        for name in ("other", "altered")
    )
    assert other is not None
    assert altered is not None
    with pytest.raises(
        Refused, match=r"trained beside another file than smollm2.*\(ffffffffffff\)"
    ):
        lora_file(other, base=file, home=tmp_path)
    with pytest.raises(StoreError, match="is not what was registered"):
        lora_file(altered, base=file, home=tmp_path)
    assert not (tmp_path / "models" / "adapters").exists()


def test_students_are_listed_by_what_they_are_set_with(tmp_path: Path) -> None:
    adapter(tmp_path)
    mine = [
        named(one) for one in listed(tmp_path).adapters if one.path and tmp_path in one.path.parents
    ]
    assert mine == ["put-1"]
