"""What a session was played with, and what may differ from the one before."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent.settings import ModelSettings, Settings
from bench.lab.manifest import check_same, code_hash, grown, machine, manifest
from bench.lab.types import ArmSpec, Experiment, Tasks, keyless
from envs.errors import Missing, UserError
from envs.toy import Toy

Small = Callable[..., Experiment]
TASKS = Toy().tasks("val")[:3]


def test_the_same_call_has_the_same_id_and_any_change_another(
    small: Small, settings: Settings
) -> None:
    one = manifest(small("random"), settings, TASKS, command="c")
    again = manifest(small("random"), settings, TASKS, command="c")
    assert one["id"] == again["id"]
    others = [
        manifest(small("random", n=9), settings, TASKS, command="c"),
        manifest(small("random"), settings, TASKS[:2], command="c"),
        manifest(small("random"), settings, TASKS, command="d"),
    ]
    assert len({one["id"], *(other["id"] for other in others)}) == 4
    assert one["seeds"] == [0]
    assert one["code"]
    assert one["files"] > 50
    assert "numpy" in one["packages"]


def test_only_models_that_arms_use_have_to_be_there(small: Small, settings: Settings) -> None:
    models = {"here": ModelSettings(base_url="http://127.0.0.1:9/v1", name="m"),
              "gone": ModelSettings(file="gone.gguf")}  # fmt: skip
    uses = ArmSpec(name="a", kind="brought:Wanders", model="here")
    found = manifest(small(uses, models=models), settings, TASKS, command="")
    assert list(found["models"]) == ["here"]
    assert found["models"]["here"]["server"] == "http://127.0.0.1:9/v1"
    with pytest.raises(Missing, match=r"gone\.gguf"):
        manifest(
            small(uses.model_copy(update={"model": "gone"}), models=models),
            settings,
            TASKS,
            command="",
        )


def test_the_source_of_own_arms_is_on_record(small: Small, settings: Settings) -> None:
    found = manifest(small("random", "brought:Still"), settings, TASKS, command="")
    assert list(found["arms"]) == ["brought:Still"]
    assert len(found["arms"]["brought:Still"]) == 16


def test_a_file_more_or_changed_is_other_code(tmp_path: Path) -> None:
    (tmp_path / "bench" / "arms").mkdir(parents=True)
    path = tmp_path / "bench" / "arms" / "a.md"
    path.write_text("one")
    first = code_hash(tmp_path)
    path.write_text("two")
    second = code_hash(tmp_path)
    (tmp_path / "bench" / "data.json").write_text("not code")
    assert first[1] == second[1] == 1
    assert first[0] != second[0]
    assert code_hash(tmp_path) == second


def test_the_machine_is_told_without_its_name() -> None:
    assert machine().keys() == {
        "system", "machine", "python", "cores", "memory_gib", "processor",
    }  # fmt: skip


def test_what_differs_from_earlier_sessions_is_told(small: Small, settings: Settings) -> None:
    experiment = small("random")
    now = manifest(experiment, settings, TASKS, command="")

    def notes(**earlier: Any) -> list[str]:
        one = {**now, "began": "2026-01-01", **earlier}
        return check_same([one], now, known=experiment, experiment=experiment)

    assert notes() == []
    assert notes(code="x", packages={}) == [
        "rows of 2026-01-01 were played with other code",
        "rows of 2026-01-01 were played with other packages",
    ]
    older = {key: value for key, value in now.items() if key != "arms"}
    (note,) = check_same([older], now, known=experiment, experiment=experiment)
    assert note.endswith("other arms")


def test_a_model_file_that_changed_is_refused(small: Small, settings: Settings) -> None:
    now = manifest(small("random"), settings, TASKS, command="")
    one = {**now, "models": {"m": {"sha256": "a"}, "old": {"sha256": "c"}}}
    two = {**now, "models": {"m": {"sha256": "b"}}}
    with pytest.raises(UserError, match="'small' was begun with another model 'm'; move its"):
        check_same([one], two, known=None, experiment=small("random"))


def test_growing_keeps_what_was_there_and_its_order(small: Small) -> None:
    known = small("random", "expert", n=5, seeds=(3, 1))
    sets = (Tasks(env="toy", split="val", n=2), Tasks(env="toy", split="test", n=4))
    whole = grown(known, small("brought:Still", "random", measure=sets, seeds=(1, 2)))
    assert [arm.name for arm in whole.arms] == ["random", "expert", "Still"]
    assert whole.seeds == (3, 1, 2)
    assert [(asked.name, asked.n) for asked in whole.measure] == [("toy/val", 5), ("toy/test", 4)]
    assert grown(None, known) == known
    assert grown(known, known) == known


def test_keys_are_not_written_down(small: Small) -> None:
    models = {"m": ModelSettings(base_url="http://127.0.0.1:9/v1", api_key="hidden-key")}
    experiment = small("random", models=models)
    assert "hidden-key" not in keyless(experiment).model_dump_json()
    assert experiment.models["m"].api_key == "hidden-key"
    assert keyless(experiment).models["m"].base_url == "http://127.0.0.1:9/v1"
