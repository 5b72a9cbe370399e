"""`python -m bench.distill.training_speed ROWS.jsonl [--rows 48]`: our trainer beside TRL's own.

Both train the same adapter on the same rows with the same batches for one epoch, each in a process
of its own: `SFTTrainer` as it comes (rows in random order, its own collator and head), and ours.
Prints tokens per second, without loading the model, and the peak of resident memory.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from torch import cuda

from agent.models.pull import EMBEDDED, find
from agent.settings import load
from distill.bases import prepared
from distill.lora import with_lora
from distill.plan import Plan
from distill.rows import Row
from distill.tokens import Template
from distill.training import LoraTrainer

PLAN = Plan(epochs=1.0, save_steps=1000)


def rows_of(file: Path, *, most: int) -> list[Row]:
    """The first rows of a file."""
    with file.open(encoding="utf-8") as lines:
        found = [Row.model_validate_json(line) for line in lines]
    return found[:most]


def ours(rows: list[Row], *, base: Path, out: Path) -> tuple[int, float]:
    """Tokens, and the seconds of training."""
    trained = LoraTrainer(base=base, plan=PLAN).train(rows, out=out)
    return trained.manifest.tokens, trained.manifest.seconds


def plain(rows: list[Row], *, base: Path, out: Path) -> tuple[int, float]:
    """The same with TRL as it comes: the head, the order and the padding are its own."""
    from datasets import Dataset
    from trl.trainer.sft_config import SFTConfig
    from trl.trainer.sft_trainer import SFTTrainer

    template = Template(base)
    encoded = [template.encode(row.messages) for row in rows]
    encoded = [one for one in encoded if len(one.ids) <= PLAN.longest]
    columns = [
        {
            "input_ids": list(one.ids),
            "labels": [t if w else -100 for t, w in zip(one.ids, one.weights, strict=True)],
        }
        for one in encoded
    ]
    trainer = SFTTrainer(
        model=with_lora(base, PLAN),
        args=SFTConfig(
            output_dir=str(out),
            per_device_train_batch_size=PLAN.together,
            gradient_accumulation_steps=PLAN.batch // PLAN.together,
            num_train_epochs=PLAN.epochs,
            learning_rate=PLAN.rate,
            bf16=True,
            use_cpu=not cuda.is_available(),
            gradient_checkpointing=False,
            dataloader_pin_memory=False,
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
        ),
        train_dataset=Dataset.from_list(columns),
        processing_class=template.tokenizer,
    )
    began = time.perf_counter()
    trainer.train()
    return sum(len(one.ids) for one in encoded), time.perf_counter() - began


def main() -> None:
    """Runs both and prints a table, or one of them and a line of JSON."""
    parser = argparse.ArgumentParser(prog="python -m bench.distill.training_speed")
    parser.add_argument("file", type=Path)
    parser.add_argument("--rows", type=int, default=48)
    parser.add_argument("--only", choices=("ours", "plain"))
    asked = parser.parse_args()
    settings = load()
    model = find(EMBEDDED, home=settings.home)
    if model is None:
        sys.exit("error: the embedded model is not installed: journeyman models pull smollm2-135m")
    base = prepared(model, cache=settings.home / "cache" / "bases")
    if asked.only:
        rows = rows_of(asked.file, most=asked.rows)
        with tempfile.TemporaryDirectory() as folder:
            tokens, seconds = {"ours": ours, "plain": plain}[asked.only](
                rows, base=base, out=Path(folder) / "out"
            )
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        print(json.dumps({"tokens": tokens, "seconds": seconds, "peak": peak}))
        return
    found = {}
    for name in ("ours", "plain"):
        command = [sys.executable, "-m", "bench.distill.training_speed", str(asked.file)]
        command += ["--rows", str(asked.rows), "--only", name]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found[name] = one = json.loads(done.stdout.strip().splitlines()[-1])
        print(
            f"{name:6} {one['tokens'] / one['seconds']:6.0f} tokens/s, {one['tokens']} tokens in "
            f"{one['seconds']:.0f} s, peak {one['peak'] / 2**30:.1f} GiB",
            flush=True,
        )
    speed = found["plain"]["seconds"] / found["ours"]["seconds"]
    memory = found["ours"]["peak"] / found["plain"]["peak"]
    print(f"ours / TRL's SFTTrainer: {speed:.2f} x the speed, {memory:.2f} x the memory")


if __name__ == "__main__":
    main()
