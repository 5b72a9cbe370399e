"""LoRA training with TRL and PEFT: rows in, an adapter with its manifest out.

The same code on a CPU (bf16) and a GPU. Rows of one length are computed together, the vocabulary's
logits only where there is a loss, and a training that was killed goes on from its last checkpoint.
The only file that imports `trl`.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from distill.bases import sha256_of
from distill.batches import (
    EXTRA,
    HALVES,
    Collator,
    PairCollator,
    columns_of,
    count_of,
    log_probs,
    ordered,
    pair_columns,
    with_old,
)
from distill.composing import packed
from distill.lora import delta_of, with_lora
from distill.losses import dpo_loss, nft_loss, weighted_loss
from distill.plan import Manifest, Plan
from distill.rows import Pair, Row
from distill.rows_pairs import sides
from distill.tokens import Encoded, Template
from envs.errors import JourneymanError, Missing, Refused

LIBRARIES = ("journeyman", "torch", "transformers", "peft", "trl", "datasets")
OLD = "old.safetensors"
Examples = list[tuple[Row | Pair, tuple[Encoded, ...]]]
"""Rows with their tokens; a pair has two encodings, the better one first."""


def never() -> bool:
    """Trains to the end."""
    return False


class Stopped(JourneymanError):
    """A training was asked to stop; what it did so far is kept."""


class Trainer(Protocol):
    """What a round asks of a trainer."""

    def train(
        self,
        rows: Sequence[Row | Pair],
        *,
        out: Path,
        parent: bytes = b"",
        stop: Callable[[], bool] = never,
    ) -> Trained:
        """An adapter from rows, beginning from the weights of another where one is given.

        Once `stop` says so it ends soon, raising `Stopped`; the same call goes on from there.
        """
        ...


@dataclass(frozen=True, slots=True)
class Trained:
    """A trained adapter, not registered yet."""

    weights: bytes
    """As `composing.packed` makes them, in half precision."""
    manifest: Manifest
    """What it came from."""


@dataclass(frozen=True, slots=True)
class LoraTrainer:
    """Trains adapters for one base by one plan. `told` gets a line now and then."""

    base: Path
    """Folder of the base (`bases.prepared`)."""
    plan: Plan
    """How."""
    told: Callable[[str], None] = lambda _line: None
    """Where progress goes."""
    base_sha256: str = ""
    """Of the file that the folder was made from; empty: that of the folder's weights."""

    def train(
        self,
        rows: Sequence[Row | Pair],
        *,
        out: Path,
        parent: bytes = b"",
        stop: Callable[[], bool] = never,
    ) -> Trained:
        """See `Trainer`; it stops after a step. `out` keeps checkpoints until the training is done.

        Raises `Missing` where the libraries aren't installed and `Refused` for rows without a token
        to learn from, for rows that the plan's loss does not read, and for a folder that another
        training (rows, plan or parent) has left.
        """
        _fitting(rows, self.plan)
        torch = _libraries()
        template = Template(self.base)
        examples, left_out = self._encoded(rows, template)
        mark = _mark(self.plan, examples, parent)
        _claim(out, mark)
        torch.manual_seed(self.plan.seed)
        model = with_lora(self.base, self.plan, parent=parent)
        columns = [_columns(row, encoded) for row, encoded in examples]
        if self.plan.loss != "sft":
            read = [one[half] for one in columns for half in HALVES if half in one] or columns
            with_old(read, model, out / OLD, padding=template.padding)
        trainer = self._trainer(model, columns, template, out)
        began, spent = time.perf_counter(), _spent(out)
        checkpoint = max(out.glob("checkpoint-*"), key=_number, default=None)
        if checkpoint is not None:
            self.told(f"going on from step {_number(checkpoint)}")
        trainer.add_callback(_ending(stop))
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        if trainer.state.global_step < trainer.state.max_steps:
            raise Stopped(
                f"training was stopped after step {trainer.state.global_step} of "
                f"{trainer.state.max_steps}",
                repair="the same command goes on from there",
            )
        seconds = spent + time.perf_counter() - began
        manifest = self._manifest(trainer.state, examples, mark, str(model.device))
        manifest = manifest.model_copy(update={"left_out": left_out, "seconds": round(seconds, 1)})
        weights = packed(delta_of(model))
        for folder in out.glob("checkpoint-*"):
            shutil.rmtree(folder)
        return Trained(weights=weights, manifest=manifest)

    def _manifest(self, state: Any, examples: Examples, mark: str, device: str) -> Manifest:
        """What a training came from and where it got to."""
        rows = [row for row, _ in examples]
        encoded = [one for _, some in examples for one in some]
        losses = [entry["loss"] for entry in state.log_history if "loss" in entry]
        last = losses[-max(1, len(losses) // 10) :]
        return Manifest(
            plan=self.plan,
            rows=len(examples),
            rows_sha256=mark,
            tokens=sum(len(one.ids) for one in encoded),
            trained_tokens=sum(weight > 0 for one in encoded for weight in one.weights),
            steps=state.global_step,
            loss=round(sum(last) / max(1, len(last)), 4),
            seconds=0.0,
            base_sha256=self.base_sha256 or sha256_of(self.base),
            envs=tuple(sorted({row.metadata.env for row in rows})),
            teachers=tuple(sorted({r.metadata.teacher or r.metadata.model for r in rows})),
            sources=tuple(sorted({r.metadata.trajectory for r in rows} - {""})),
            versions=_versions(),
            device=device,
        )

    def _encoded(self, rows: Sequence[Row | Pair], template: Template) -> tuple[Examples, int]:
        longest = self.plan.longest
        encoded: Examples = [
            (
                row,
                tuple(
                    template.encode(one.messages)
                    for one in (sides(row) if isinstance(row, Pair) else (row,))
                ),
            )
            for row in rows
        ]
        fitting = [
            (row, both)
            for row, both in encoded
            if all(len(one.ids) <= longest and any(one.weights) for one in both)
        ]
        if not fitting:
            raise Refused(
                f"none of {len(rows)} rows has a turn to learn from within {self.plan.longest} "
                "tokens",
                repair="collect more successes, or raise plan.longest",
            )
        return fitting, len(encoded) - len(fitting)

    def _trainer(
        self, model: Any, columns: list[dict[str, Any]], template: Template, out: Path
    ) -> Any:
        from datasets import Dataset
        from trl.trainer.sft_trainer import SFTTrainer

        plan, seen = self.plan, ordered(columns, self.plan)
        # The last batch may be short: a pair in it counts as much as any other.
        batch = min(plan.batch, len(seen))

        class Weighted(SFTTrainer):
            """TRL's trainer, with the weight of each token, NFT's signs, and DPO's pairs."""

            def compute_loss(
                self,
                model: Any,
                inputs: dict[str, Any],
                return_outputs: bool = False,
                num_items_in_batch: Any = None,
            ) -> Any:
                extra = {k: inputs.pop(k) for k in EXTRA}
                found = log_probs(model, inputs["input_ids"], inputs["labels"])
                count = count_of(num_items_in_batch, extra["weights"])
                if plan.loss == "dpo":
                    # Where the trainer doesn't count, it takes means of what is computed at once.
                    pairs = batch if num_items_in_batch is not None else len(found) // 2
                    loss = dpo_loss(found, extra, beta=plan.beta, count=pairs)
                elif plan.loss == "nft":
                    loss = nft_loss(found, extra, count=count)
                else:
                    loss = weighted_loss(found, extra["weights"], count=count)
                return (loss, {"log_probs": found}) if return_outputs else loss

        trainer = Weighted(
            model=model,
            args=_config(plan, out, rows=len(seen)),
            train_dataset=Dataset.from_list(seen),
            data_collator=(PairCollator if plan.loss == "dpo" else Collator)(template.padding),
            processing_class=template.tokenizer,
        )
        trainer.remove_callback(_printer())
        tokens = sum(one["length"] for one in seen)
        trainer.add_callback(_progress(self.told, out, tokens=tokens))
        return trainer


def _config(plan: Plan, out: Path, *, rows: int) -> Any:
    """The plan in TRL's words."""
    import torch
    from trl.trainer.sft_config import SFTConfig

    together = min(plan.together, plan.batch)
    if plan.loss == "dpo":  # a pair is two rows
        together = max(1, together // 2)
    on_gpu = torch.cuda.is_available()
    steps = max(1, -(-rows // plan.batch))
    return SFTConfig(
        output_dir=str(out),
        per_device_train_batch_size=together,
        gradient_accumulation_steps=max(1, plan.batch // together),
        num_train_epochs=1,
        learning_rate=plan.rate,
        lr_scheduler_type={"constant": "constant_with_warmup"}.get(plan.schedule, plan.schedule),
        warmup_steps=round(plan.warmup * steps),
        max_grad_norm=1.0,
        bf16=True,
        use_cpu=not on_gpu,
        gradient_checkpointing=plan.checkpointing,
        train_sampling_strategy="sequential",
        remove_unused_columns=False,
        dataset_kwargs={"skip_prepare_dataset": True},
        dataloader_pin_memory=on_gpu,
        logging_steps=1,
        save_steps=plan.save_steps,
        save_total_limit=1,
        seed=plan.seed,
        report_to=[],
        disable_tqdm=True,
        optim="adamw_torch",
    )


def _printer() -> Any:
    from transformers.trainer_callback import PrinterCallback

    return PrinterCallback


def _progress(told: Callable[[str], None], out: Path, *, tokens: int) -> Any:
    """A line for each step: loss, tokens a second, time left."""
    from transformers import TrainerCallback

    began, spent, start = time.perf_counter(), _spent(out), [-1]

    class Progress(TrainerCallback):
        def on_log(self, *told_of: Any, logs: Any = None, **_: Any) -> None:
            if not logs or "loss" not in logs:
                return
            state = told_of[1]
            if start[0] < 0:
                start[0] = state.global_step - 1
            here = time.perf_counter() - began
            done, left = state.global_step - start[0], state.max_steps - state.global_step
            speed = tokens / state.max_steps * done / here
            told(
                f"step {state.global_step} of {state.max_steps}: loss {float(logs['loss']):.3f}, "
                f"{speed:.0f} tokens/s, {left * here / done / 60:.0f} min left"
            )

        def on_save(self, *_args: Any, **_: Any) -> None:
            kept = {"seconds": spent + time.perf_counter() - began}
            (out / "spent.json").write_text(json.dumps(kept), "utf-8")

    return Progress()


def _ending(stop: Callable[[], bool]) -> Any:
    """Keeps what is there and ends, after the step in which `stop` was seen."""
    from transformers import TrainerCallback

    class Ending(TrainerCallback):
        def on_step_end(self, *given: Any, **_: Any) -> None:
            if stop():
                control = given[2]
                control.should_save = control.should_training_stop = True

    return Ending()


def _spent(out: Path) -> float:
    """Seconds that earlier parts of an interrupted training took, up to their last checkpoint."""
    file = out / "spent.json"
    return float(json.loads(file.read_text("utf-8"))["seconds"]) if file.is_file() else 0.0


def _fitting(rows: Sequence[Row | Pair], plan: Plan) -> None:
    """Raises `Refused` where the plan's loss does not read these rows."""
    wanted = Pair if plan.loss == "dpo" else Row
    others = sum(not isinstance(row, wanted) for row in rows)
    if others:
        raise Refused(
            f"loss {plan.loss} does not train on {others} of {len(rows)} rows",
            repair="pairs (recipe dpo) are trained with plan.loss dpo, other rows with sft or nft",
        )


def _columns(row: Row | Pair, encoded: tuple[Encoded, ...]) -> dict[str, Any]:
    if isinstance(row, Pair):
        return pair_columns(row, encoded[0], encoded[1])
    return columns_of(row, encoded[0])


def _mark(plan: Plan, examples: Examples, parent: bytes) -> str:
    """One hash of all that a training depends on."""
    without = {"save_steps", "together"} | ({"beta"} if plan.loss != "dpo" else set())
    digest = hashlib.sha256(plan.model_dump_json(exclude=without).encode())
    digest.update(hashlib.sha256(parent).digest())
    for row, encoded in examples:
        for one in encoded:
            digest.update(json.dumps([one.ids, one.weights, row.metadata.trajectory]).encode())
    return digest.hexdigest()


def _claim(out: Path, mark: str) -> None:
    out.mkdir(parents=True, exist_ok=True)
    file = out / "training.json"
    if file.is_file() and json.loads(file.read_text("utf-8"))["mark"] != mark:
        raise Refused(
            f"{out} holds another training, of other rows or settings",
            repair="remove it, or give another --out",
        )
    file.write_text(json.dumps({"mark": mark}), "utf-8")


def _number(checkpoint: Path) -> int:
    return int(checkpoint.name.rpartition("-")[2])


def _versions() -> dict[str, str]:
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "none"
    return found


def _libraries() -> Any:
    """PyTorch, once all that training needs is known to be there."""
    missing = [name for name in ("torch", "datasets", "peft", "trl") if find_spec(name) is None]
    if missing:
        raise Missing(
            f"training needs {', '.join(missing)}", repair="pip install 'journeyman[distill]'"
        )
    # Threads that spin while they wait for each other starve when a core is busy elsewhere.
    os.putenv("OMP_WAIT_POLICY", "passive")
    os.putenv("GOMP_SPINCOUNT", "0")
    warnings.filterwarnings("ignore", ".*gradient_checkpointing` is deprecated", FutureWarning)
    import torch

    random.seed(0)
    return torch
