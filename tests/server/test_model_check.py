from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from agent.models.vllm import CONTRACT
from distill.peft_folder import blank_folder
from envs.errors import UnknownName, UserError
from server.cli import app

STAND_IN = Path(__file__).parents[1] / "agent" / "models" / "vllm_stand_in.py"


def stand_in() -> Any:
    found = importlib.util.spec_from_file_location("vllm_stand_in", STAND_IN)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    sys.modules["vllm_stand_in"] = module
    found.loader.exec_module(module)
    return module.serving


SERVING = stand_in()


def check(folder: Path, *arguments: str) -> Any:
    wide = {"JOURNEYMAN_HOME": str(folder / "home"), "COLUMNS": "300"}
    return CliRunner().invoke(app, ["models", "check", *arguments], env=wide)


def base(folder: Path) -> Path:
    (folder / "base").mkdir()
    config = {"hidden_size": 32, "num_attention_heads": 4, "head_dim": 16}
    (folder / "base" / "config.json").write_text(json.dumps(config))
    return folder / "base"


def test_a_good_server_has_an_ok_in_each_line(tmp_path: Path) -> None:
    with SERVING(root=str(base(tmp_path))) as it:
        done = check(tmp_path, it.url)
        assert it.adapters == {}
    assert done.exit_code == 0, done.output
    assert done.stdout.count("ok") >= len(CONTRACT)
    assert f"{len(CONTRACT)} of {len(CONTRACT)} hold; 0 not asked" in done.stdout
    assert "POST /v1/load_lora_adapter (journeyman-check)" in done.stdout


def test_what_does_not_hold_is_a_line_with_its_repair_and_exit_code_1(tmp_path: Path) -> None:
    with SERVING(runtime=False, key="k") as it:
        done = check(tmp_path, it.url, "--key", "k", "--base", str(base(tmp_path)), "--json")
    lines = json.loads(done.stdout)
    (wrong,) = [line for line in lines if line["ok"] is False]
    assert done.exit_code == 1
    assert wrong["name"] == "it loads an adapter"
    assert "VLLM_ALLOW_RUNTIME_LORA_UPDATING=True" in wrong["repair"]
    assert sum(line["ok"] is None for line in lines) == 8


def test_without_a_base_at_hand_adapters_are_not_asked_about(tmp_path: Path) -> None:
    with SERVING(root="org/some-model") as it:
        done = check(tmp_path, it.url)
    assert done.exit_code == 0, done.output
    assert "not asked: no adapter was given" in done.stdout
    assert "give --adapter" in done.stderr


def test_a_folder_in_peft_s_format_may_be_given(tmp_path: Path) -> None:
    folder = blank_folder("tiny", {"model.layers.0.self_attn.q_proj": (8, 8)}, tmp_path / "mine")
    with SERVING() as it:
        done = check(tmp_path, it.url, "--adapter", str(folder))
        loaded = [name for path, name, _ in it.log if path.endswith("/load_lora_adapter")]
    assert done.exit_code == 0, done.output
    assert loaded[0] == "journeyman-check"


def test_nobody_there_is_told_in_one_line(tmp_path: Path) -> None:
    with SERVING() as it:
        url = it.url
    done = check(tmp_path, url)
    assert done.exit_code == 1
    assert "nobody answers" in done.stdout


def test_names_that_do_not_exist_are_the_user_s_mistake(tmp_path: Path) -> None:
    with SERVING() as it:
        unknown = check(tmp_path, it.url, "--adapter", "nobody")
        empty = check(tmp_path, it.url, "--base", str(tmp_path))
    assert isinstance(unknown.exception, UnknownName)
    assert isinstance(empty.exception, UserError)
    with pytest.raises(UserError, match=r"has no config.json; give the base's own folder"):
        raise empty.exception
