from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from distill.adapters import Adapter
from distill.composing import LowRank, composed, packed
from distill.peft_folder import CONFIG, WEIGHTS, blank_folder, peft_folder, rank_of, tensors_of
from envs.errors import Refused

torch = pytest.importorskip("torch")
peft = pytest.importorskip("peft")
transformers = pytest.importorskip("transformers")

ABOUT = Adapter(id="put-1", base="tiny", licence="Apache-2.0")
MODULES = {"self_attn.q_proj": (32, 32), "mlp.down_proj": (32, 48)}
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


def model() -> Any:
    config = transformers.LlamaConfig(
        vocab_size=64,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
    )
    torch.manual_seed(1)
    return transformers.LlamaForCausalLM(config).eval()


def delta(*, ranks: tuple[int, int], alphas: tuple[float, float]) -> dict[str, LowRank]:
    chance = torch.Generator().manual_seed(2)
    return {
        f"model.layers.{layer}.{module}.weight": LowRank(
            torch.randn(rank, width, generator=chance).half(),
            torch.randn(height, rank, generator=chance).half() / 8,
            alpha,
        )
        for layer in (0, 1)
        for (module, (height, width)), rank, alpha in zip(
            MODULES.items(), ranks, alphas, strict=True
        )
        if (layer, module) != (1, "mlp.down_proj")  # not in every layer: the name has to say where
    }


def said(net: Any) -> Any:
    with torch.no_grad():
        return net(torch.arange(12).reshape(2, 6)).logits


@pytest.mark.parametrize(
    ("ranks", "alphas"), [((4, 4), (8.0, 8.0)), ((4, 2), (8.0, 8.0)), ((4, 4), (8.0, 3.5))]
)
def test_peft_loads_it_and_says_what_the_composed_model_says(
    tmp_path: Path, ranks: tuple[int, int], alphas: tuple[float, float]
) -> None:
    low = delta(ranks=ranks, alphas=alphas)
    net = model()
    bare = said(net)
    with composed(net, [(low, 1.0)]):
        right = said(net)
    folder = peft_folder(low, ABOUT, tmp_path / "put-1")
    loaded = said(peft.PeftModel.from_pretrained(net, folder).eval())
    assert (right - bare).abs().max() > 0.1
    assert (loaded - right).abs().max() < 2e-3
    assert rank_of(folder) == 4


def test_one_rank_and_one_alpha_stand_for_the_whole_adapter(tmp_path: Path) -> None:
    folder = peft_folder(delta(ranks=(4, 2), alphas=(8.0, 1.0)), ABOUT, tmp_path / "it")
    config = json.loads((folder / CONFIG).read_text())
    held = tensors_of((folder / WEIGHTS).read_bytes())
    assert (config["r"], config["lora_alpha"]) == (4, 4)
    assert "rank_pattern" not in config
    assert {shape[0] for name, (_, shape, _) in held.items() if "lora_A" in name} == {4}
    assert config["base_model_name_or_path"] == "tiny"


def test_names_with_and_without_weight_mean_the_same_module(tmp_path: Path) -> None:
    low = delta(ranks=(2, 2), alphas=(2.0, 2.0))
    bare: Mapping[str, LowRank] = {name.removesuffix(".weight"): it for name, it in low.items()}
    one, two = (peft_folder(it, ABOUT, tmp_path / n) for it, n in ((low, "a"), (bare, "b")))
    assert (one / WEIGHTS).read_bytes() == (two / WEIGHTS).read_bytes()
    assert (one / CONFIG).read_text() == (two / CONFIG).read_text()


def test_the_packed_file_gives_the_same_folder_and_a_second_call_keeps_it(tmp_path: Path) -> None:
    low = delta(ranks=(2, 2), alphas=(2.0, 2.0))
    folder = peft_folder(packed(low), ABOUT, tmp_path / "it")
    before = (folder / WEIGHTS).stat().st_mtime_ns
    assert peft_folder(low, ABOUT, tmp_path / "it") == folder
    assert (folder / WEIGHTS).stat().st_mtime_ns == before
    other = delta(ranks=(3, 3), alphas=(2.0, 2.0))
    with pytest.raises(Refused, match="holds another adapter"):
        peft_folder(other, ABOUT, tmp_path / "it")


def test_a_blank_adapter_changes_nothing(tmp_path: Path) -> None:
    net = model()
    bare = said(net)
    shapes = {"model.layers.0.self_attn.q_proj": (32, 32)}
    folder = blank_folder("tiny", shapes, tmp_path / "blank")
    assert torch.equal(said(peft.PeftModel.from_pretrained(net, folder).eval()), bare)


def test_what_is_no_adapter_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="alters no weight"):
        peft_folder({}, ABOUT, tmp_path / "it")
    with pytest.raises(Refused, match="no adapter's weights"):
        peft_folder(b"nothing", ABOUT, tmp_path / "it")
    with pytest.raises(Refused, match="no safetensors"):
        tensors_of(b"nothing")
    with pytest.raises(Refused, match="no adapter in PEFT's format"):
        rank_of(tmp_path)
    assert list(tmp_path.iterdir()) == []
