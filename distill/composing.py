"""Adapters put on a model together, each with a weight, and taken off again to the last bit.

A skill is a LoRA delta: for a weight W of shape (out, in) two matrices, A (r, in) and B (out, r),
and `alpha`; it adds alpha / r · B A to W. Skills compose by the weighted sum of what they add.
Source: Liu et al. 2025, Skill Expansion and Composition in Parameter Space (PSEC), arXiv
2502.05932. The module that there learns from data which skills to activate, and how much, is here
a rule over the tags of a task. Nothing is trained here and nothing served.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from distill.adapters import Adapter, Registry
from envs.errors import InternalError, Refused, clip
from envs.types import Frozen

if TYPE_CHECKING:
    import torch

PARTS = ("lora_A", "lora_B", "alpha")
"""What a file holds for each weight: `NAME.lora_A`, `NAME.lora_B` and the number `NAME.alpha`."""
ON = "_adapters_on"
"""Attribute of a module while adapters are on it."""


@dataclass(frozen=True, slots=True, eq=False)
class LowRank:
    """What a skill adds to one weight. Raises `Refused` where the matrices don't fit each other."""

    a: torch.Tensor
    """(r, in), floating point, finite."""
    b: torch.Tensor
    """(out, r), floating point, finite."""
    alpha: float
    """The product is scaled by alpha / r."""

    def __post_init__(self) -> None:
        shapes = f"A {tuple(self.a.shape)}, B {tuple(self.b.shape)}"
        if self.a.dim() != 2 or self.b.dim() != 2 or not 0 < self.a.shape[0] == self.b.shape[1]:
            raise Refused(f"no LoRA delta: {shapes}", repair="A is (r, in), B is (out, r)")
        numbers = [self.a, self.b]
        if not all(t.is_floating_point() and bool(t.isfinite().all()) for t in numbers):
            raise Refused(f"a LoRA delta ({shapes}) is not of finite numbers", repair="retrain it")
        if not math.isfinite(self.alpha):
            raise Refused(f"alpha is {self.alpha}", repair="give a finite number")


Delta = Mapping[str, LowRank]
"""A skill: what it adds, by the name of the weight."""


class Activated(Frozen):
    """An adapter that a task calls for."""

    id: str
    """Which."""
    weight: float
    """How much of it, from 0 to 1; those of a task sum to 1."""


def activated(
    adapters: Sequence[Adapter], tags: Sequence[str], *, base: str
) -> tuple[Activated, ...]:
    """The active adapters of a base that share a tag with a task, by id; none: the bare base.

    Every tag of the task for which there is an adapter has the same share, and its adapters divide
    it equally: five adapters for one tag do not drown the one for another.
    """
    able = [one for one in adapters if one.status == "active" and one.base == base]
    shares: dict[str, float] = {}
    answered = 0
    for tag in dict.fromkeys(tags):
        named = [one.id for one in able if tag in one.tags]
        answered += bool(named)
        for name in named:
            shares[name] = shares.get(name, 0.0) + 1 / len(named)
    return tuple(Activated(id=name, weight=shares[name] / answered) for name in sorted(shares))


def loaded(registry: Registry, which: Sequence[Activated]) -> tuple[tuple[Delta, float], ...]:
    """Deltas with their weights, for `composed`. Raises like `Registry.weights` and `unpacked`."""
    return tuple((unpacked(registry.weights(one.id)), one.weight) for one in which)


def packed(delta: Delta) -> bytes:
    """A delta as a safetensors file. Raises `Refused` where it is empty."""
    import torch
    from safetensors.torch import save

    if not delta:
        raise Refused("the delta names no weight", repair="give it one at least")
    tensors: dict[str, torch.Tensor] = {}
    for name, low in delta.items():
        alpha = torch.tensor(low.alpha, dtype=torch.float64)
        for part, tensor in zip(PARTS, (low.a, low.b, alpha), strict=True):
            tensors[f"{name}.{part}"] = tensor.detach().cpu().clone().contiguous()
    return save(tensors)


def unpacked(content: bytes) -> dict[str, LowRank]:
    """The delta in a safetensors file. Raises `Refused` where there is none."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        tensors = load(content)
    except (SafetensorError, KeyError, ValueError) as error:
        raise _foreign(clip(str(error))) from error
    names = sorted({key.rpartition(".")[0] for key in tensors})
    wanted = {f"{name}.{part}" for name in names for part in PARTS}
    if not names or "" in names or wanted != set(tensors):
        odd = sorted(wanted ^ set(tensors)) or ["nothing"]
        raise _foreign(f"it should hold {', '.join(PARTS)} for each weight; see {clip(odd[0])}")
    alphas = {name: tensors[f"{name}.alpha"] for name in names}
    if any(alpha.numel() != 1 for alpha in alphas.values()):
        raise _foreign("alpha is one number")
    return {
        name: LowRank(
            tensors[f"{name}.lora_A"], tensors[f"{name}.lora_B"], float(alphas[name].item())
        )
        for name in names
    }


@contextmanager
def composed(
    module: torch.nn.Module, parts: Sequence[tuple[Delta, float]], *, check: bool = True
) -> Iterator[torch.nn.Module]:
    """`module` with the weighted sum of deltas on its weights, for as long as the block lasts.

    Inside, the named weights are other tensors; the base's own are never written to and come back
    as they are, also after an error. With `check` the SHA-256 of all weights before and after is
    compared (twice a pass over them), and `InternalError` raised where the block left them altered.
    Raises `Refused` where a delta doesn't fit the module or adapters are on it already.
    """
    mine = object()
    if module.__dict__.setdefault(ON, mine) is not mine:
        raise Refused("adapters are on this model already", repair="compose all in one block")
    try:
        before = weights_hash(module) if check else ""
        merged = _merged(module, parts)
        base = [(weight, weight.data) for weight, _ in merged]
        try:
            for weight, new in merged:
                weight.data = new
            yield module
        finally:
            for weight, old in base:
                weight.data = old
        if check and weights_hash(module) != before:
            raise InternalError(
                "the base weights were altered while adapters were on", repair="load the base anew"
            )
    finally:
        del module.__dict__[ON]


def weights_hash(module: torch.nn.Module) -> str:
    """SHA-256 of a module's state dict: names, types, shapes and bytes, whatever the device."""
    import torch

    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        if isinstance(tensor, torch.Tensor):
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
            flat = tensor.detach().cpu().contiguous().reshape(-1)
            digest.update(flat.view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _merged(
    module: torch.nn.Module, parts: Sequence[tuple[Delta, float]]
) -> list[tuple[torch.nn.Parameter, torch.Tensor]]:
    """Each weight that is named, with what it becomes; summed in float32 or better."""
    import torch

    weights = dict(module.named_parameters(remove_duplicate=False))
    holders = Counter(id(weight) for weight in weights.values())
    sums: dict[str, torch.Tensor] = {}
    for delta, share in parts:
        if not math.isfinite(share):
            raise Refused(f"an adapter's weight is {share}", repair="give a finite number")
        for name, low in delta.items():
            weight = weights.get(name)
            shape = (low.b.shape[0], low.a.shape[1])
            if weight is None or tuple(weight.shape) != shape or not weight.is_floating_point():
                found = "no such weight" if weight is None else f"{tuple(weight.shape)}"
                raise Refused(
                    f"an adapter alters {name} of shape {shape}; the model has {found}",
                    repair="take the base that it was trained on",
                )
            if holders[id(weight)] > 1:
                raise Refused(f"{name} has a second name in the model", repair="untie it first")
            exact = torch.promote_types(weight.dtype, torch.float32)
            a, b = (t.detach().to(weight.device, exact) for t in (low.a, low.b))
            added = (b @ a) * (share * low.alpha / a.shape[0])
            sums[name] = sums[name] + added if name in sums else added
    return [
        (weights[name], (weights[name].detach() + total).to(weights[name].dtype))
        for name, total in sums.items()
    ]


def _foreign(why: str) -> Refused:
    return Refused(f"these are no adapter's weights: {why}", repair="pack them with `packed`")
