"""Adapters on a model: activated by tags, composed with weights, taken off to the last bit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from torch import nn

from distill.adapters import Adapter, Registry
from distill.composing import (
    Activated,
    Delta,
    LowRank,
    activated,
    composed,
    loaded,
    packed,
    unpacked,
    weights_hash,
)
from envs.errors import InternalError, Refused

BASE = "tiny"
WEIGHT = "0.weight"


def model() -> nn.Sequential:
    """Two layers of 4 by 4, always the same."""
    made = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    draw = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for weight in made.parameters():
            weight.copy_(torch.randn(weight.shape, generator=draw))
    return made


def skill(seed: int, *, name: str = WEIGHT, alpha: float = 3.0) -> dict[str, LowRank]:
    draw = torch.Generator().manual_seed(seed)
    a, b = (torch.randn(shape, generator=draw) for shape in ((2, 4), (4, 2)))
    return {name: LowRank(a, b, alpha)}


def adapter(name: str, *tags: str, base: str = BASE, active: bool = True) -> Adapter:
    status = "active" if active else "candidate"
    return Adapter(id=name, base=base, licence="Apache-2.0", status=status, tags=tags)


def added(delta: Delta) -> torch.Tensor:
    low = delta[WEIGHT]
    return low.b @ low.a * (low.alpha / low.a.shape[0])


@contextmanager
def added_and_subtracted(
    module: nn.Module, parts: Sequence[tuple[Delta, float]]
) -> Iterator[nn.Module]:
    """Adapters as they are merged and unmerged where nothing sees to the rounding."""
    weight = module.get_parameter(WEIGHT)
    with torch.no_grad():
        for delta, share in parts:
            weight += share * added(delta)
        yield module
        for delta, share in parts:
            weight -= share * added(delta)


@pytest.mark.paper("skill-expansion")
def test_two_adapters_are_listed_activated_composed_and_removed_and_leave_the_base_as_it_was(
    tmp_path: Path, mechanism: bool
) -> None:
    registry, base, put, clean = Registry(tmp_path / "adapters"), model(), skill(1), skill(2)
    registry.add(adapter("clean-1", "clean"), weights=packed(clean))
    registry.add(adapter("put-1", "put"), weights=packed(put))
    before = weights_hash(base)
    listed = registry.listed().adapters
    chosen = activated(listed, ("put", "clean"), base=BASE)
    assert [(one.id, one.weight) for one in chosen] == [("clean-1", 0.5), ("put-1", 0.5)]
    on = composed if mechanism else added_and_subtracted
    expected = base.get_parameter(WEIGHT).detach() + 0.5 * added(put) + 0.5 * added(clean)
    with on(base, loaded(registry, chosen)):
        assert torch.allclose(base.get_parameter(WEIGHT), expected, atol=1e-5)
        assert weights_hash(base) != before
    assert weights_hash(base) == before
    for one in listed:
        registry.remove(one.id)
    assert registry.listed().adapters == ()
    assert activated(registry.listed().adapters, ("put", "clean"), base=BASE) == ()


@pytest.mark.paper("skill-expansion")
def test_a_task_that_asks_for_two_skills_gets_both(tmp_path: Path, mechanism: bool) -> None:
    """One skill writes the first output, the other the second; neither does the task alone."""
    registry, bare = Registry(tmp_path / "adapters"), nn.Sequential(nn.Linear(4, 4, bias=False))
    nn.init.zeros_(bare.get_parameter(WEIGHT))
    for name, row in (("first", 0), ("second", 1)):
        b = torch.zeros(4, 1)
        b[row] = 1.0
        delta = {WEIGHT: LowRank(torch.ones(1, 4), b, 2.0)}
        registry.add(adapter(name, name), weights=packed(delta))
    chosen = activated(registry.listed().adapters, ("first", "second"), base=BASE)
    if not mechanism:
        chosen = (Activated(id=chosen[0].id, weight=1.0),)
    with composed(bare, loaded(registry, chosen)) as able:
        assert able(torch.ones(1, 4)).tolist() == [[4.0, 4.0, 0.0, 0.0]]


def shares(adapters: Sequence[Adapter], *tags: str) -> dict[str, float]:
    return {one.id: one.weight for one in activated(adapters, tags, base=BASE)}


def test_each_tag_has_a_share_that_its_adapters_divide() -> None:
    three = [adapter("a", "put"), adapter("b", "put"), adapter("c", "clean")]
    assert shares(three, "put", "clean") == {"a": 0.25, "b": 0.25, "c": 0.5}
    assert shares(three, "put", "put", "heat") == {"a": 0.5, "b": 0.5}
    assert shares([adapter("a", "put", "clean"), adapter("c", "clean")], "clean", "put") == {
        "a": 0.75,
        "c": 0.25,
    }
    assert shares(three, "heat") == shares(three) == shares([], "put") == {}


def test_only_active_adapters_of_the_base_are_activated() -> None:
    others = [adapter("a", "put", active=False), adapter("b", "put", base="large")]
    assert shares(others, "put") == {}
    assert shares([*others, adapter("c", "put")], "put") == {"c": 1.0}


def test_a_delta_is_packed_and_unpacked_to_the_last_bit() -> None:
    delta = skill(1, alpha=0.1) | skill(2, name="1.weight")
    delta["2.weight"] = LowRank(torch.ones(1, 3).bfloat16(), torch.ones(2, 1).bfloat16(), 1.0)
    back = unpacked(packed(delta))
    assert set(back) == set(delta)
    for name, low in delta.items():
        assert torch.equal(back[name].a, low.a)
        assert torch.equal(back[name].b, low.b)
        assert (back[name].alpha, back[name].a.dtype) == (low.alpha, low.a.dtype)


def test_a_slice_or_a_transposed_matrix_is_packed_whole() -> None:
    low = LowRank(torch.arange(8.0).reshape(4, 2).T, torch.arange(16.0).reshape(4, 4)[:, :2], 1.0)
    assert torch.equal(unpacked(packed({WEIGHT: low}))[WEIGHT].a, low.a)


def test_a_file_that_is_no_delta_is_one_line() -> None:
    from safetensors.torch import save

    a, b, alpha = torch.ones(2, 4), torch.ones(4, 2), torch.tensor(1.0)
    whole = {"w.lora_A": a, "w.lora_B": b, "w.alpha": alpha}
    for content, said in (
        (b"", "no adapter's weights"),
        (b"x" * 64, "no adapter's weights"),
        (packed(skill(1))[:-4], "no adapter's weights"),
        (save({}), "nothing"),
        (save({"w.lora_A": a}), r"see w\.alpha"),
        (save({**whole, "v": a + 1}), "should hold"),
        (save({**whole, "w.alpha": torch.ones(2)}), "alpha is one number"),
        (save({**whole, "w.alpha": torch.tensor(float("inf"))}), "alpha is inf"),
        (save({**whole, "w.lora_A": torch.ones(3, 4)}), "no LoRA delta"),
        (save({**whole, "w.lora_B": b * float("nan")}), "not of finite numbers"),
        (save({**whole, "w.lora_B": b.int()}), "not of finite numbers"),
    ):
        with pytest.raises(Refused, match=said) as caught:
            unpacked(content)
        assert "\n" not in str(caught.value)
    with pytest.raises(Refused, match="names no weight"):
        packed({})


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.float64])
def test_the_base_comes_back_to_the_last_bit(dtype: torch.dtype) -> None:
    base = model().to(dtype)
    with torch.no_grad():
        base.get_parameter("1.weight")[0, :2] = torch.tensor([float("nan"), -0.0])
    before, place = weights_hash(base), base.get_parameter(WEIGHT).data_ptr()
    for _ in range(3):
        with composed(base, [(skill(1), 1e4), (skill(2, name="1.weight"), -0.3)]):
            assert base.get_parameter(WEIGHT).dtype == dtype
            assert weights_hash(base) != before
    assert (weights_hash(base), base.get_parameter(WEIGHT).data_ptr()) == (before, place)
    assert base.get_parameter(WEIGHT).requires_grad


def test_after_an_error_the_base_is_as_it_was() -> None:
    base = model()
    before = weights_hash(base)
    with pytest.raises(KeyError, match="own"), composed(base, [(skill(1), 1.0)]):
        raise KeyError("the block's own")
    assert weights_hash(base) == before
    with composed(base, []):
        assert weights_hash(base) == before


def test_what_the_block_does_to_the_composed_weights_goes_with_them() -> None:
    base = model()
    before = weights_hash(base)
    with composed(base, [(skill(1), 1.0)]), torch.no_grad():
        base.get_parameter(WEIGHT).zero_()
    assert weights_hash(base) == before


def test_a_block_that_alters_the_base_is_told() -> None:
    base = model()
    on = composed(base, [(skill(1), 1.0)])
    with pytest.raises(InternalError, match="altered"), on, torch.no_grad():
        base.get_parameter("1.weight").zero_()


def test_adapters_go_on_in_one_block() -> None:
    base = model()
    before = weights_hash(base)
    again = pytest.raises(Refused, match="on this model already")
    with composed(base, []), again, composed(base, []):
        pass
    with composed(base, [(skill(1), 1.0)]):
        pass
    assert weights_hash(base) == before


def test_what_does_not_fit_is_refused_and_changes_nothing() -> None:
    base, last, tied = nn.Sequential(nn.Linear(4, 4)), nn.Linear(4, 4), nn.Linear(4, 4)
    base.extend([last, tied])
    tied.weight = last.weight
    base.register_parameter("whole", nn.Parameter(torch.ones(4, 4).int(), requires_grad=False))
    before = weights_hash(base)
    for parts, said in (
        ([(skill(1), 1.0), (skill(1, name="9.weight"), 1.0)], "no such weight"),
        ([({WEIGHT: LowRank(torch.ones(1, 3), torch.ones(4, 1), 1.0)}, 1.0)], r"\(4, 3\)"),
        ([(skill(1, name="0.bias"), 1.0)], "take the base"),
        ([(skill(1, name="whole"), 1.0)], "take the base"),
        ([(skill(1, name="1.weight"), 1.0)], "second name"),
        ([(skill(1), float("nan"))], "weight is nan"),
    ):
        with pytest.raises(Refused, match=said), composed(base, parts):
            pass
        assert weights_hash(base) == before


def test_the_hash_knows_names_types_and_shapes() -> None:
    def held(name: str, tensor: torch.Tensor) -> str:
        made = nn.Module()
        made.register_buffer(name, tensor)
        return weights_hash(made)

    zeros = torch.zeros(2, 3)
    tensors = (
        zeros,
        zeros.T,
        zeros.int(),
        zeros - 0.0 * 2,
        -zeros,
        torch.zeros(0),
        torch.zeros(()),
    )
    hashes = [held("a", one) for one in tensors] + [held("b", zeros)]
    assert hashes[0] == hashes[3]
    assert len(set(hashes)) == 7
