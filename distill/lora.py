"""LoRA on a base: put on, begun from another's weights, read off. The only file on `peft`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from distill.composing import Delta, LowRank, unpacked
from distill.plan import Plan
from envs.errors import Refused

PREFIX = "base_model.model."
"""What PEFT puts before a weight's own name."""


def with_lora(base: Path, plan: Plan, *, parent: bytes = b"") -> Any:
    """The base in bf16 with an adapter that learns, on a GPU where there is one.

    The adapter begins as no change, or as `parent`. Raises `Refused` where that has another shape.
    """
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(str(base), dtype=torch.bfloat16)
    many = model.config.num_hidden_layers
    chosen = list(range(many - plan.layers, many)) if plan.layers else None
    tuned = get_peft_model(
        model,
        LoraConfig(
            r=plan.rank,
            lora_alpha=plan.alpha,  # pyright: ignore[reportArgumentType]
            lora_dropout=plan.dropout,
            target_modules="all-linear",
            layers_to_transform=chosen,
        ),
    )
    if parent:
        _begin_from(tuned, parent)
    if torch.cuda.is_available():
        tuned.to("cuda")
    return tuned


def delta_of(model: Any) -> Delta:
    """What PEFT has learnt, by the names of the weights that it adds to."""
    import torch
    from peft import get_peft_model_state_dict

    found = get_peft_model_state_dict(model)
    alpha = model.peft_config["default"].lora_alpha
    names = sorted({key.removeprefix(PREFIX).rpartition(".lora_")[0] for key in found})
    half = {key: tensor.detach().to(torch.float16).cpu() for key, tensor in found.items()}
    return {
        f"{name}.weight": LowRank(
            half[f"{PREFIX}{name}.lora_A.weight"], half[f"{PREFIX}{name}.lora_B.weight"], alpha
        )
        for name in names
    }


def _begin_from(model: Any, parent: bytes) -> None:
    """Raises `Refused` where the parent's shape is another one than the plan's."""
    from peft import set_peft_model_state_dict

    state = {}
    for name, low in unpacked(parent).items():
        stem = PREFIX + name.removesuffix(".weight")
        state[f"{stem}.lora_A.weight"], state[f"{stem}.lora_B.weight"] = (
            low.a.float(),
            low.b.float(),
        )
    own = {k: v for k, v in model.state_dict().items() if ".lora_" in k}
    fitting = {k.replace(".default", ""): tuple(v.shape) for k, v in own.items()}
    if fitting != {k: tuple(v.shape) for k, v in state.items()}:
        raise Refused(
            "the adapter to begin from has another rank or other layers than the plan",
            repair="take the plan that it was trained by",
        )
    set_peft_model_state_dict(model, state)
