"""Students in GGUF, held against the same weights in transformers; llama.cpp is the judge."""

from __future__ import annotations

import math
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import numpy as np
import pytest

from agent.models.local import LocalServer
from distill.composing import Delta, LowRank, composed, packed
from distill.gguf import derived, lora_gguf, merged_gguf, modelfile, names_in
from envs.errors import Refused, StoreError

gguf: Any = pytest.importorskip("gguf")
torch: Any = pytest.importorskip("torch")
transformers: Any = pytest.importorskip("transformers")

needs_llama = pytest.mark.skipif(
    find_spec("xllamacpp") is None, reason="pip install 'journeyman[local]'"
)
HIDDEN, LAYERS, HEADS, PAIRS, INNER = 32, 2, 4, 2, 64
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
PROMPT = [72, 101, 108, 108, 111, 32, 119, 111, 114, 108, 100]
NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}


def letters() -> list[str]:
    """The 256 letters that byte-level tokenizers write bytes with."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = iter(range(256, 512))
    return [chr(byte if byte in plain else next(rest)) for byte in range(256)]


def tiny() -> Any:
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=256 + len(SPECIAL),
        hidden_size=HIDDEN,
        intermediate_size=INNER,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        num_key_value_heads=PAIRS,
        max_position_embeddings=512,
        initializer_range=0.4,
        tie_word_embeddings=True,
        pad_token_id=256,
        bos_token_id=257,
        eos_token_id=258,
    )
    return transformers.LlamaForCausalLM(config).eval()


def rows(name: str, size: int) -> list[int]:
    """Where llama.cpp takes its rows from: pairs that are turned together lie side by side."""
    heads = {"attn_q": HEADS, "attn_k": PAIRS}.get(name)
    if heads is None:
        return list(range(size))
    half = size // heads // 2
    return [h * 2 * half + p * half + i for h in range(heads) for i in range(half) for p in (0, 1)]


def write_base(model: Any, path: Path) -> None:
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_type(gguf.GGUFType.MODEL)
    writer.add_name("Tiny")
    writer.add_license("apache-2.0")
    writer.add_context_length(512)
    writer.add_embedding_length(HIDDEN)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(PAIRS)
    writer.add_layer_norm_rms_eps(model.config.rms_norm_eps)
    writer.add_rope_freq_base(10000.0)
    writer.add_rope_dimension_count(HIDDEN // HEADS)
    writer.add_vocab_size(model.config.vocab_size)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list([*letters(), *SPECIAL])
    writer.add_token_types([1] * 256 + [3] * len(SPECIAL))
    writer.add_token_merges(["a b"])
    writer.add_bos_token_id(257)
    writer.add_eos_token_id(258)
    writer.add_chat_template("{% for m in messages %}<|im_start|>{{ m['content'] }}{% endfor %}")
    weights = {name: tensor.detach().numpy() for name, tensor in model.named_parameters()}
    writer.add_tensor("token_embd.weight", weights["model.embed_tokens.weight"])
    writer.add_tensor("output_norm.weight", weights["model.norm.weight"])
    for layer in range(LAYERS):
        for theirs, ours in NAMES.items():
            weight = weights[f"model.layers.{layer}.{theirs}.weight"]
            sorted_rows = np.ascontiguousarray(weight[rows(ours, len(weight))])
            writer.add_tensor(f"blk.{layer}.{ours}.weight", sorted_rows)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def adapter(model: Any, *, rank: int = 2, suffix: str = "") -> dict[str, LowRank]:
    """A delta that turns the model's answers round, on all its linear layers; alphas differ."""
    drawn = torch.Generator().manual_seed(1)
    delta = {}
    for name, weight in model.named_parameters():
        if "_proj" in name:
            out, into = weight.shape
            a = torch.randn(rank, into, generator=drawn).half() * 0.3
            b = torch.randn(out, rank, generator=drawn).half() * 0.3
            alpha = 8.0 if "mlp" in name else 4.0
            delta[name.removesuffix(".weight") + suffix] = LowRank(a, b, alpha)
    return delta


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    folder = tmp_path_factory.mktemp("gguf")
    model, base = tiny(), folder / "Tiny.F32.gguf"
    write_base(model, base)
    delta = adapter(model)
    with torch.inference_mode():
        bare = torch.log_softmax(model(torch.tensor([PROMPT])).logits[0, -1], -1).numpy()
        named = {f"{name}.weight": low for name, low in delta.items()}
        with composed(model, [(named, 1.0)]):
            apt = torch.log_softmax(model(torch.tensor([PROMPT])).logits[0, -1], -1).numpy()
    yield SimpleNamespace(model=model, base=base, delta=delta, bare=bare, apt=apt)


async def served(file: Path, *, adapter: Path | None = None) -> np.ndarray:
    """Log-probabilities of the next token after PROMPT, as llama.cpp has them."""
    server = LocalServer(file, context=512, threads=1, adapter=adapter)
    try:
        url = (await server.start()).removesuffix("/v1")
        # A token that is half a letter is not shown; the grammar leaves the probabilities alone.
        body = {"prompt": PROMPT, "n_predict": 1, "n_probs": 259, "grammar": "root ::= [a-z]"}
        async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
            reply = (await client.post(f"{url}/completion", json=body)).raise_for_status().json()
    finally:
        await server.stop()
    found = np.full(259, -math.inf)
    for token in reply["completion_probabilities"][0]["top_logprobs"]:
        found[token["id"]] = token["logprob"]
    return found


def apart(ours: np.ndarray, theirs: np.ndarray) -> float:
    seen = np.isfinite(ours)
    assert seen.sum() >= 250
    return float(np.abs(ours - theirs)[seen].max())


@needs_llama
async def test_llama_cpp_with_the_lora_file_answers_as_transformers_with_the_delta(
    ground: SimpleNamespace, tmp_path: Path
) -> None:
    assert np.abs(ground.bare - ground.apt).max() > 2
    lora_gguf(ground.delta, base=ground.base, out=tmp_path / "a.gguf")
    assert apart(await served(ground.base), ground.bare) < 0.02
    assert apart(await served(ground.base, adapter=tmp_path / "a.gguf"), ground.apt) < 0.02


@needs_llama
async def test_the_merged_model_answers_as_transformers_with_the_delta(
    ground: SimpleNamespace, tmp_path: Path
) -> None:
    merged_gguf(ground.delta, base=ground.base, out=tmp_path / "f16.gguf")
    assert apart(await served(tmp_path / "f16.gguf"), ground.apt) < 0.02
    merged_gguf(ground.delta, base=ground.base, out=tmp_path / "q8.gguf", kind="q8_0")
    assert apart(await served(tmp_path / "q8.gguf"), ground.apt) < 0.3
    assert (tmp_path / "q8.gguf").stat().st_size < (tmp_path / "f16.gguf").stat().st_size


def test_the_lora_file_says_what_it_is_and_adds_what_the_delta_adds(
    ground: SimpleNamespace, tmp_path: Path
) -> None:
    out = tmp_path / "a.gguf"
    lora_gguf(ground.delta, base=ground.base, out=out, name="put-1")
    read = gguf.GGUFReader(out)
    said = {key: field.contents() for key, field in read.fields.items()}
    assert said["general.type"] == "adapter"
    assert (said["adapter.type"], said["general.name"]) == ("lora", "put-1")
    tensors = {t.name: np.asarray(t.data, np.float32) for t in read.tensors}
    assert len(tensors) == 2 * len(ground.delta)
    for theirs, ours in list(NAMES.items())[:7]:
        low = ground.delta[f"model.layers.1.{theirs}"]
        whole = (low.b.float() @ low.a.float()).numpy() * low.alpha
        a, b = (tensors[f"blk.1.{ours}.weight.lora_{part}"] for part in "ab")
        back = (b @ a) * said["adapter.lora.alpha"]
        assert np.abs(back - whole[rows(ours, len(whole))]).max() < 0.01


def test_a_merged_model_keeps_what_the_adapter_leaves_alone(
    ground: SimpleNamespace, tmp_path: Path
) -> None:
    one = {k: low for k, low in ground.delta.items() if "layers.0.mlp" in k}
    merged_gguf(one, base=ground.base, out=tmp_path / "m.gguf", name="Tiny (student x)")
    old, new = gguf.GGUFReader(ground.base), gguf.GGUFReader(tmp_path / "m.gguf")
    for field in ("tokenizer.ggml.tokens", "tokenizer.chat_template", "general.license"):
        assert new.fields[field].contents() == old.fields[field].contents()
    assert new.fields["general.name"].contents() == "Tiny (student x)"
    before = {t.name: t for t in old.tensors}
    assert [t.name for t in new.tensors] == [t.name for t in old.tensors]
    for tensor in new.tensors:
        same = bytes(tensor.data) == bytes(before[tensor.name].data)
        assert same == (not tensor.name.startswith("blk.0.ffn_") or "norm" in tensor.name)


def test_a_derived_file_is_made_once_and_named_by_the_weights(
    ground: SimpleNamespace, tmp_path: Path
) -> None:
    weights = packed(ground.delta)
    first = derived(weights, base=ground.base, cache=tmp_path / "adapters")
    made = first.stat().st_mtime_ns
    assert derived(weights, base=ground.base, cache=tmp_path / "adapters") == first
    assert first.stat().st_mtime_ns == made
    assert [p.name for p in first.parent.iterdir()] == [first.name]


def bent(delta: Delta, **changes: Any) -> dict[str, LowRank]:
    name, low = next(iter(delta.items()))
    parts = {"a": low.a, "b": low.b, "alpha": low.alpha, **changes}
    return {name: LowRank(**parts)}


def test_what_does_not_fit_is_refused_and_leaves_nothing(
    ground: SimpleNamespace, tmp_path: Path
) -> None:
    out = tmp_path / "a.gguf"
    other = bent(ground.delta, a=torch.zeros(2, 64))
    with pytest.raises(
        Refused, match=r"of shape \(32, 64\); Tiny\.F32\.gguf has \(32, 32\); serve"
    ):
        lora_gguf(other, base=ground.base, out=out)
    low = next(iter(ground.delta.values()))
    for name in ("model.layers.7.self_attn.q_proj", "model.embed_tokens", "x"):
        with pytest.raises(Refused, match=r"has none that can be served; serve it beside"):
            lora_gguf({name: low}, base=ground.base, out=out)
    with pytest.raises(Refused, match="adds nothing; train one"):
        lora_gguf(bent(ground.delta, alpha=0.0), base=ground.base, out=out)
    huge = bent(ground.delta, b=torch.full((32, 2), 1e30))
    with pytest.raises(Refused, match=r"blk\.0\.attn_q\.weight is too large for half"):
        lora_gguf(huge, base=ground.base, out=out)
    with pytest.raises(Refused, match="too large for half"):
        merged_gguf(huge, base=ground.base, out=out)
    assert list(tmp_path.iterdir()) == []


def test_a_base_that_is_none_is_named(ground: SimpleNamespace, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.gguf"
    damaged.write_bytes(ground.base.read_bytes()[:300])
    with pytest.raises(StoreError, match=r"damaged\.gguf can't be read as GGUF.*fetch the model"):
        lora_gguf(ground.delta, base=damaged, out=tmp_path / "a.gguf")
    foreign = tmp_path / "foreign.gguf"
    writer = gguf.GGUFWriter(foreign, "mamba")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(Refused, match=r"architecture 'mamba' .*take a base of llama"):
        lora_gguf(ground.delta, base=foreign, out=tmp_path / "a.gguf")


def test_ollama_is_told_the_file_the_template_and_the_prompt(ground: SimpleNamespace) -> None:
    said = modelfile(Path("/any/student.gguf"), base=ground.base, system="Answer with the action.")
    assert said.startswith("FROM ./student.gguf\n")
    assert 'PARAMETER stop "<|im_end|>"' in said
    assert 'SYSTEM """Answer with the action."""' in said


def test_a_file_goes_by_its_stem_with_and_without_its_quantisation() -> None:
    assert names_in(Path("/m/SmolLM2-135M-Instruct.Q4_1.gguf")) == (
        "SmolLM2-135M-Instruct.Q4_1",
        "SmolLM2-135M-Instruct",
    )
    assert names_in(Path("/m/smollm2-135m.gguf")) == ("smollm2-135m",)
