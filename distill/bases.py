"""The base of a student: a GGUF file as the folder that transformers trains from."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from pathlib import Path

from envs.errors import Refused, UserError, one_line

DONE = "model.safetensors"


def prepared(file: Path, *, cache: Path) -> Path:
    """A folder with the model and its tokenizer, made out of a GGUF file once (half a minute).

    The weights are those of the file, dequantised to bf16: what is trained beside them fits the
    file that is served. A folder is given back as it is. Raises `UserError` for a file that can't
    be read.
    """
    if file.is_dir():
        if not (file / "config.json").is_file():
            raise UserError(f"{file} is no model's folder", repair="give a GGUF file, or a folder")
        return file
    folder = cache / sha256_of(file)[:16]
    if (folder / DONE).is_file():
        return folder
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix=".draft-") as made:
        draft = Path(made) / "base"
        try:
            model = AutoModelForCausalLM.from_pretrained(
                str(file.parent),
                gguf_file=file.name,
                quantization_config=GgufConfig(dequantize=True),
                dtype=torch.bfloat16,
            )
            tokenizer = AutoTokenizer.from_pretrained(str(file.parent), gguf_file=file.name)
        except (OSError, ValueError, KeyError) as error:
            raise UserError(
                f"{file} can't be trained from: {one_line(str(error))}",
                repair="give a GGUF file of an architecture that transformers reads, or a folder",
            ) from error
        model.save_pretrained(str(draft))
        tokenizer.save_pretrained(str(draft))
        shutil.rmtree(folder, ignore_errors=True)
        draft.rename(folder)
    return folder


def sha256_of(file: Path) -> str:
    """SHA-256 in hex of a file, or of the weights in a model's folder. Raises `Refused`."""
    path = file / DONE if file.is_dir() else file
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise Refused(
            f"{path} can't be read: {error.strerror}", repair="mend model.file"
        ) from error
