"""Adapters as folders in PEFT's format, which vLLM and `peft` load.

    OUT/adapter_config.json           rank, alpha, the modules that are altered, the base
    OUT/adapter_model.safetensors     `base_model.model.MODULE.lora_A.weight` and `.lora_B.weight`

vLLM reads one rank and one alpha for a whole adapter (no `rank_pattern`, no `alpha_pattern`), so
deltas of several ranks are filled up with zeros, and those of several scales get theirs put into
B. Nothing is trained here and nothing served.
Source: "LoRA Adapters" in vLLM's documentation; "Checkpoint format" in PEFT's.
"""

from __future__ import annotations

import json
import os
import struct
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from distill.adapters import Adapter
from distill.composing import Delta, LowRank, packed, unpacked
from envs.errors import Refused

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
PREFIX = "base_model.model."
"""What PEFT puts before the name of a module."""
Tensors = Mapping[str, tuple[str, tuple[int, ...], bytes]]
"""By name: type (as safetensors spells it), shape, content."""


def peft_folder(weights: Delta | bytes, about: Adapter, out: Path) -> Path:
    """Writes an adapter as the folder `out`, whole or not at all, and gives it back.

    `weights` is a delta, or the file that `composing.packed` made of one; `about` says which base
    it is for. A folder that is there already is kept if it holds just that. Raises `Refused` where
    it holds something else, can't be written, or where the bytes are no adapter.
    """
    delta = unpacked(weights) if isinstance(weights, bytes) else dict(weights)
    low = _evened(delta)
    first = next(iter(low.values()))
    tensors = {
        f"{PREFIX}{module_of(name)}.{part}.weight": read
        for name in sorted(low)
        for part, read in _parts(low[name]).items()
    }
    config = _config(about.base, low, rank=first.a.shape[0], alpha=first.alpha)
    return _written(out, {CONFIG: _json(config), WEIGHTS: safetensors_of(tensors)})


def blank_folder(base: str, shapes: Mapping[str, tuple[int, int]], out: Path) -> Path:
    """A folder of an adapter of rank 8 that changes nothing, to try a server with.

    `shapes` has (out, in) of the weights, by module. Raises `Refused` like `peft_folder`.
    """
    tensors: dict[str, tuple[str, tuple[int, ...], bytes]] = {}
    for module, (height, width) in shapes.items():
        for part, shape in (("lora_A", (8, width)), ("lora_B", (height, 8))):
            content = bytes(2 * shape[0] * shape[1])
            tensors[f"{PREFIX}{module_of(module)}.{part}.weight"] = ("F16", shape, content)
    config = _config(base, shapes, rank=8, alpha=8.0)
    return _written(out, {CONFIG: _json(config), WEIGHTS: safetensors_of(tensors)})


def shapes_of(config: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
    """A weight (out, in) that a blank adapter may have, by the base's `config.json`."""
    hidden, heads = int(config["hidden_size"]), int(config["num_attention_heads"])
    head = int(config.get("head_dim") or hidden // heads)
    return {"model.layers.0.self_attn.q_proj": (heads * head, hidden)}


def module_of(name: str) -> str:
    """The module that a weight belongs to: `model.layers.0.mlp.up_proj` for its `.weight` too."""
    return name.removesuffix(".weight")


def rank_of(folder: Path) -> int:
    """Rank of the adapter in a folder. Raises `Refused` where there is none."""
    try:
        return int(json.loads((folder / CONFIG).read_text("utf-8"))["r"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Refused(
            f"{folder} holds no adapter in PEFT's format", repair=f"it has to have a {CONFIG}"
        ) from error


def tensors_of(content: bytes) -> dict[str, tuple[str, tuple[int, ...], bytes]]:
    """What a safetensors file holds. Raises `Refused` where it is none."""
    try:
        (length,) = struct.unpack_from("<Q", content)
        head = json.loads(content[8 : 8 + length])
        body = memoryview(content)[8 + length :]
        return {
            name: (str(it["dtype"]), tuple(it["shape"]), bytes(body[slice(*it["data_offsets"])]))
            for name, it in head.items()
            if name != "__metadata__"
        }
    except (struct.error, ValueError, KeyError, TypeError, AttributeError) as error:
        raise Refused("these are no safetensors", repair="give an adapter's weights") from error


def safetensors_of(tensors: Tensors) -> bytes:
    """The file of these: 8 bytes with the length of a JSON header, the header, the content."""
    head: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    at = 0
    for name, (dtype, shape, content) in tensors.items():
        head[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [at, at + len(content)]}
        at += len(content)
    text = json.dumps(head, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return b"".join(
        (struct.pack("<Q", len(text)), text, *(content for *_, content in tensors.values()))
    )


def _parts(low: LowRank) -> dict[str, tuple[str, tuple[int, ...], bytes]]:
    """A and B of one weight, as they stand in a file."""
    held = tensors_of(packed({"it": low}))
    return {part: held[f"it.{part}"] for part in ("lora_A", "lora_B")}


def _evened(delta: Delta) -> dict[str, LowRank]:
    """The same delta with one rank and one alpha."""
    if not delta:
        raise Refused("the adapter alters no weight", repair="give it one at least")
    ranks = {low.a.shape[0] for low in delta.values()}
    if len(ranks) == 1 == len({low.alpha for low in delta.values()}):
        return dict(delta)
    rank = max(ranks)
    even: dict[str, LowRank] = {}
    for name, low in delta.items():
        own = low.a.shape[0]
        a, b = low.a.new_zeros((rank, low.a.shape[1])), low.b.new_zeros((low.b.shape[0], rank))
        a[:own], b[:, :own] = low.a, low.b * (low.alpha / own)
        even[name] = LowRank(a, b, float(rank))
    return even


def _config(base: str, names: Mapping[str, object], *, rank: int, alpha: float) -> dict[str, Any]:
    return {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base,
        "r": rank,
        "lora_alpha": int(alpha) if alpha == int(alpha) else alpha,
        "lora_dropout": 0.0,
        "bias": "none",
        "use_rslora": False,
        "use_dora": False,
        "inference_mode": True,
        "target_modules": sorted(module_of(name) for name in names),
    }


def _json(config: dict[str, Any]) -> bytes:
    return (json.dumps(config, indent=1) + "\n").encode()


def _written(out: Path, files: Mapping[str, bytes]) -> Path:
    try:
        if out.exists():
            if all((out / name).read_bytes() == content for name, content in files.items()):
                return out
            raise Refused(f"{out} holds another adapter", repair="give a folder of its own")
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=".draft-") as made:
            draft = Path(made) / "whole"
            draft.mkdir()
            for name, content in files.items():
                with (draft / name).open("xb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
            draft.rename(out)
    except OSError as error:
        why = error.strerror or str(error)
        raise Refused(f"{out} can't be written: {why}", repair="give another folder") from error
    return out
