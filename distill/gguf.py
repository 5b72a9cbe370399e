"""Students in GGUF: an adapter as llama.cpp's LoRA file, or merged into a whole model for Ollama.

The only file that imports `gguf`. A file is there whole or not at all. llama.cpp keeps the rows of
the query and key weights of llama models in another order (pairs that its rotation turns lie side
by side), so what an adapter adds to them is put in that order too.
Source: llama.cpp's convert_lora_to_gguf.py and src/llama-adapter.cpp (format of the file).
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from distill.composing import Delta, LowRank, unpacked
from envs.errors import Missing, Refused, StoreError, clip, one_line

if TYPE_CHECKING:
    import gguf

Kind = Literal["f16", "q8_0"]
"""How altered weights of a merged model are kept: half precision, or 8 bits in blocks of 32."""
TURNED = {"llama": ("attn_q", "attn_k"), "qwen2": (), "qwen3": ()}
"""Architectures that are understood, with the weights whose rows llama.cpp has in its own order."""
OWN = ("general.architecture", "general.alignment", "general.file_type", "general.name")
"""What a merged file says for itself; all else is the base's."""
BLOCK = 32
CHATML = '''TEMPLATE """{{- range .Messages }}<|im_start|>{{ .Role }}
{{ .Content }}<|im_end|>
{{ end }}<|im_start|>assistant
"""
PARAMETER stop "<|im_end|>"
'''


@dataclass(frozen=True, slots=True, eq=False)
class Added:
    """What an adapter adds to one weight, in llama.cpp's order of rows."""

    a: np.ndarray
    """(r, in), float32."""
    b: np.ndarray
    """(out, r), float32."""
    alpha: float
    """Scaled by alpha / r; never 0."""

    def full(self) -> np.ndarray:
        """The whole of it, (out, in), float32."""
        return (self.b @ self.a) * np.float32(self.alpha / self.a.shape[0])


def lora_gguf(delta: Delta, *, base: Path, out: Path, name: str = "") -> None:
    """Writes an adapter as a file that llama.cpp loads beside `base` (half precision).

    Raises `Refused` where it alters weights that `base` hasn't, or in another shape.
    """
    library = _library()
    reader = _read(base)
    added = _added(delta, reader, base=base)
    # The format has one alpha for all weights; what differs from it goes into B.
    alpha = max((one.alpha for one in added.values()), key=abs)
    made = partial(library.GGUFWriter, arch=_architecture(reader, base))
    with _whole(out) as draft, closing(made(draft)) as writer:
        writer.add_type(library.GGUFType.ADAPTER)
        writer.add_string("general.name", name)
        writer.add_string(library.Keys.Adapter.TYPE, "lora")
        writer.add_float32(library.Keys.Adapter.LORA_ALPHA, alpha)
        for weight, one in added.items():
            b = one.b * np.float32(one.alpha / alpha)
            writer.add_tensor(f"{weight}.lora_a", _half(one.a, weight))
            writer.add_tensor(f"{weight}.lora_b", _half(b, weight))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()


def merged_gguf(delta: Delta, *, base: Path, out: Path, kind: Kind = "f16", name: str = "") -> None:
    """Writes `base` with an adapter in its weights: a model of its own, with base's tokenizer.

    Weights that the adapter leaves alone are copied as they are. Raises like `lora_gguf`.
    """
    library = _library()
    reader = _read(base)
    added = _added(delta, reader, base=base)
    half = library.GGMLQuantizationType.F16
    wanted = {"f16": half, "q8_0": library.GGMLQuantizationType.Q8_0}[kind]
    # Blocks go along a row: one that is no multiple of them stays in half precision.
    kinds = {w: wanted if one.a.shape[1] % BLOCK == 0 else half for w, one in added.items()}
    made = partial(library.GGUFWriter, arch=_architecture(reader, base))
    with _whole(out) as draft, closing(made(draft)) as writer:
        _copy_fields(reader, writer, kind=kind, name=name)
        for tensor in reader.tensors:
            if tensor.name in added:
                shape = [int(size) for size in reversed(tensor.shape)]
                rows = library.quant_shape_to_byte_shape(shape, kinds[tensor.name])
                size = int(np.prod(rows))
                exact = np.dtype(np.uint8)  # with this, a shape is read as one of bytes
                writer.add_tensor_info(tensor.name, rows, exact, size, kinds[tensor.name])
            else:
                data = tensor.data
                writer.add_tensor_info(
                    tensor.name, data.shape, data.dtype, data.nbytes, tensor.tensor_type
                )
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for tensor in reader.tensors:  # one at a time: a model of 7B has to fit in no memory
            data = tensor.data
            if tensor.name in added:
                weight = library.dequantize(data, tensor.tensor_type) + added[tensor.name].full()
                _half(weight, tensor.name)
                data = library.quantize(weight, kinds[tensor.name])
            writer.write_tensor_data(data)


def derived(weights: bytes, *, base: Path, cache: Path, name: str = "") -> Path:
    """The LoRA file of an adapter's weights, made in `cache` when it isn't there yet.

    It is named by the SHA-256 of the weights, and can be removed at any time. Raises `Refused`
    where the weights don't fit `base`, or `cache` can't be written.
    """
    file = cache / f"{hashlib.sha256(weights).hexdigest()}.gguf"
    if not file.is_file():
        lora_gguf(unpacked(weights), base=base, out=file, name=name)
    return file


def names_in(base: Path) -> tuple[str, ...]:
    """Names that a GGUF file goes by: its stem, without its quantisation too.

    The name inside isn't one: models of several kinds were published under the same.
    """
    stem = base.stem
    return tuple(dict.fromkeys((stem, stem.split(".")[0])))


def modelfile(model: Path, *, base: Path, system: str = "", context: int = 8192) -> str:
    """What Ollama makes a model of: `ollama create NAME -f Modelfile` beside the merged file."""
    lines = [f"FROM ./{model.name}\n", "PARAMETER temperature 0\n"]
    lines.append(f"PARAMETER num_ctx {context}\n")
    template = _read(base).fields.get("tokenizer.chat_template")
    if template is not None and "<|im_start|>" in str(template.contents()):
        lines.append(CHATML)
    if system:
        lines.append(f'SYSTEM """{system}"""\n')
    return "".join(lines)


def _added(delta: Delta, reader: gguf.GGUFReader, *, base: Path) -> dict[str, Added]:
    """What is added, by llama.cpp's names of the weights; those of alpha 0 add nothing."""
    library = _library()
    architecture = _architecture(reader, base)
    named = {arch: key for key, arch in library.MODEL_ARCH_NAMES.items()}[architecture]
    names = library.get_tensor_name_map(named, _number(reader, f"{architecture}.block_count"))
    shapes = {t.name: tuple(int(n) for n in reversed(t.shape)) for t in reader.tensors}
    added: dict[str, Added] = {}
    for name, low in sorted(delta.items()):
        short = name.removesuffix(".weight")
        found = names.get_name(f"{short}.weight", try_suffixes=(".weight",))
        shape = (int(low.b.shape[0]), int(low.a.shape[1]))
        has = shapes.get(found, "") if found and found.startswith("blk.") else ""
        if not found or has != shape:
            has = has or "none that can be served"
            raise Refused(
                f"the adapter alters {clip(name)} of shape {shape}; {base.name} has {has}",
                repair="serve it beside the model that it was trained on",
            )
        if low.alpha:
            added[found] = _turned(low, found, reader, architecture)
    if not added:
        raise Refused("the adapter adds nothing", repair="train one, or serve the base without it")
    return added


def _turned(low: LowRank, name: str, reader: gguf.GGUFReader, architecture: str) -> Added:
    a, b = (part.detach().float().cpu().numpy() for part in (low.a, low.b))
    part = name.split(".")[2]
    if part in TURNED[architecture]:
        heads = _number(reader, f"{architecture}.attention.head_count")
        if part == "attn_k" and f"{architecture}.attention.head_count_kv" in reader.fields:
            heads = _number(reader, f"{architecture}.attention.head_count_kv")
        b = b.reshape(heads, 2, -1, b.shape[1]).swapaxes(1, 2).reshape(b.shape)
    return Added(a=a, b=b, alpha=low.alpha)


def _copy_fields(
    reader: gguf.GGUFReader, writer: gguf.GGUFWriter, *, kind: Kind, name: str
) -> None:
    library = _library()
    for key, field in reader.fields.items():
        if key.startswith("GGUF.") or key in OWN:
            continue
        inner = field.types[-1] if len(field.types) > 1 else None
        writer.add_key_value(key, field.contents(), field.types[0], inner)
    mostly = library.LlamaFileType
    writer.add_file_type(mostly.MOSTLY_F16 if kind == "f16" else mostly.MOSTLY_Q8_0)
    old = reader.fields.get("general.name")
    writer.add_string("general.name", name or (str(old.contents()) if old else ""))


def _half(array: np.ndarray, name: str) -> np.ndarray:
    """In half precision. Raises `Refused` where a number is too large for it."""
    with np.errstate(over="ignore"):
        half = np.ascontiguousarray(array, dtype=np.float16)
    if not np.isfinite(half).all():
        raise Refused(
            f"what the adapter adds to {name} is too large for half precision",
            repair="train it anew with a lower rate",
        )
    return half


def _number(reader: gguf.GGUFReader, key: str) -> int:
    field = reader.fields.get(key)
    value = field.contents() if field else None
    if not isinstance(value, int) or value < 1:
        raise Refused(
            f"the base's {key} is {clip(repr(value))}", repair="take a base with one number there"
        )
    return value


def _architecture(reader: gguf.GGUFReader, base: Path) -> str:
    field = reader.fields.get("general.architecture")
    found = str(field.contents()) if field else "unknown"
    if found not in TURNED:
        raise Refused(
            f"students of architecture {clip(found)!r} ({base.name}) can't be written as GGUF",
            repair=f"take a base of {', '.join(TURNED)}, or serve it with vLLM",
        )
    return found


def _read(base: Path) -> gguf.GGUFReader:
    library = _library()
    try:
        return library.GGUFReader(base)
    except (OSError, ValueError, KeyError, IndexError, OverflowError) as error:
        raise StoreError(
            f"{base} can't be read as GGUF: {clip(one_line(str(error)), most=200)}",
            repair="fetch the model again: journeyman models pull NAME",
        ) from error


@contextmanager
def _whole(out: Path) -> Iterator[Path]:
    """A file to write to that becomes `out`, on the disk, when all went well."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=".draft-") as made:
            draft = Path(made) / out.name
            yield draft
            with draft.open("rb+") as written:
                os.fsync(written.fileno())
            draft.replace(out)
    except OSError as error:
        raise Refused(
            f"{out} can't be written: {error.strerror or error}", repair="make room for it"
        ) from error


def _library() -> Any:
    try:
        import gguf
    except ImportError as error:
        raise Missing(
            "gguf, which writes students for llama.cpp, is not installed",
            repair="pip install 'journeyman[local]'",
        ) from error
    return gguf
