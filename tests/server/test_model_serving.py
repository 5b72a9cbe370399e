"""`journeyman models list|serve|export`, for students."""

from __future__ import annotations

import json
import socket
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from agent.models.pull import EMBEDDED, find
from distill.adapters import Adapter, Registry
from distill.composing import LowRank, packed

FILE = find(EMBEDDED, home=Path("/nonexistent"))


def register(home: Path, name: str) -> None:
    torch: Any = pytest.importorskip("torch")
    low = LowRank(torch.ones(1, 576).half(), torch.ones(576, 1).half(), 1.0)
    about = Adapter(id=name, base="SmolLM2-135M-Instruct", licence="Apache-2.0")
    weights = packed({"model.layers.0.self_attn.q_proj": low})
    Registry(home / "adapters").add(about, weights=weights)


def test_students_are_listed_with_the_models(tmp_path: Path, journeyman: Any) -> None:
    register(tmp_path, "put-1")
    (tmp_path / "adapters" / "bad").mkdir()
    done = journeyman("models", "list", "--json", home=tmp_path)
    rows = {row["name"]: row for row in json.loads(done.stdout)}
    assert rows["put-1"]["source"] == "adapter (candidate) for SmolLM2-135M-Instruct"
    assert rows["put-1"]["path"] == str(tmp_path / "adapters" / "put-1" / "adapter.safetensors")
    assert rows["smollm2-135m"]["licence"] == "Apache-2.0"
    assert "bad is damaged or foreign" in done.stderr


@pytest.mark.skipif(
    FILE is None or find_spec("gguf") is None,
    reason="pip install 'journeyman[local]' && journeyman models pull smollm2-135m",
)
def test_a_student_is_exported_as_a_model_of_its_own(tmp_path: Path, journeyman: Any) -> None:
    register(tmp_path, "put-1")
    out = tmp_path / "out" / "student.gguf"
    done = journeyman("models", "export", "put-1", "--out", str(out), "--json", home=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["bytes"] == out.stat().st_size > 90_000_000
    recipe = (out.parent / "Modelfile").read_text()
    assert recipe.startswith("FROM ./student.gguf\n")
    assert 'SYSTEM """You act in a text world' in recipe


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("serve", "--adapter", "none"), "no adapter named 'none'"),
        (("serve", "--engine", "onnx"), "no engine named 'onnx'; choose from: llama.cpp"),
        (("serve", "--host", "0.0.0.0"), "no API key is set"),
        (("export", "none"), "no adapter named 'none'"),
    ],
)
def test_a_mistake_is_one_line(
    arguments: tuple[str, ...], said: str, tmp_path: Path, journeyman: Any
) -> None:
    done = journeyman("models", *arguments, home=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_port_that_is_taken_is_named(tmp_path: Path, journeyman: Any) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = journeyman("models", "serve", "--port", port, home=tmp_path)
    assert done.returncode == 2
    assert f"port {port} is in use" in done.stderr
