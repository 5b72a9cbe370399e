"""A student in llama.cpp against the same weights in transformers: log-probabilities and choices.

    python -m bench.distill.check_gguf [--adapter FOLDER] [--folder BASE] [--positions 8]

Three ways of serving it (adapter beside the embedded base; merged, in half precision and in 8
bits), each asked for the next token along greedy continuations of transformers' own. Without an
adapter a random one (rank 8, all linear layers) is made.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from agent.models.local import LocalServer
from agent.models.pull import EMBEDDED, find
from agent.models.students import student, weights_of
from distill.bases import prepared
from distill.composing import Delta, LowRank, composed, unpacked
from distill.gguf import lora_gguf, merged_gguf

ASKED = (
    "You are in the middle of a room. You see a cabinet 1 and a fridge 1. Goal: cool a mug.",
    "Name three fruits and their colours.",
    "What is the capital of France? Answer with one word.",
)
TOP = 20
"""Tokens compared at each position: the likeliest of transformers."""


def drawn(model: Any, *, rank: int = 8) -> Delta:
    """A random adapter that moves log-probabilities by about one."""
    chance = torch.Generator().manual_seed(0)
    delta = {}
    for name, weight in model.named_parameters():
        if "_proj" in name:
            out, into = weight.shape
            a = torch.randn(rank, into, generator=chance) / into**0.5
            b = torch.randn(out, rank, generator=chance) * 0.3 / out**0.5
            delta[name] = LowRank(a.half(), b.half(), 2.0 * rank)
    return delta


def expected(model: Any, prompts: Sequence[list[int]], positions: int) -> list[list[Any]]:
    """For each prompt and position: (tokens before, log-probabilities of all tokens)."""
    found = []
    with torch.inference_mode():
        for prompt in prompts:
            ids, along = list(prompt), []
            for _ in range(positions):
                logits = model(torch.tensor([ids])).logits[0, -1].float()
                along.append((list(ids), torch.log_softmax(logits, -1).numpy()))
                ids.append(int(logits.argmax()))
            found.append(along)
    return found


async def compared(
    file: Path, wanted: Sequence[Sequence[Any]], *, adapter: Path | None = None
) -> dict[str, float]:
    """How far llama.cpp is from what was expected."""
    server = LocalServer(file, context=1024, adapter=adapter)
    apart, same = list[float](), list[bool]()
    try:
        url = (await server.start()).removesuffix("/v1")
        async with httpx.AsyncClient(trust_env=False, timeout=120) as client:
            for ids, theirs in (one for along in wanted for one in along):
                body = {"prompt": ids, "n_predict": 1, "n_probs": 500, "temperature": 0}
                said = (await client.post(f"{url}/completion", json=body)).json()
                if not said.get("completion_probabilities"):
                    continue  # half a letter, or the end
                ours = {
                    one["id"]: one["logprob"]
                    for one in said["completion_probabilities"][0]["top_logprobs"]
                }
                best = np.argsort(-theirs)[:TOP]
                apart += [abs(ours[t] - float(theirs[t])) for t in best.tolist() if t in ours]
                same.append(max(ours, key=lambda t: ours[t]) == int(best[0]))
    finally:
        await server.stop()
    return {
        "positions": len(same),
        "max": round(max(apart), 4),
        "mean": round(float(np.mean(apart)), 4),
        "same choice": round(float(np.mean(same)), 3),
    }


async def main() -> None:
    """Prints one line of JSON for each way of serving."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--adapter", default="")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--positions", type=int, default=8)
    asked = parser.parse_args()
    base = find(EMBEDDED, home=Path("/nonexistent"))
    if base is None:
        raise SystemExit("journeyman models pull smollm2-135m")
    with tempfile.TemporaryDirectory() as made:
        place = Path(made)
        folder = asked.folder or prepared(base, cache=place / "bases")
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        tokenizer = AutoTokenizer.from_pretrained(folder)
        delta = (
            unpacked(weights_of(student(asked.adapter, home=place)))
            if asked.adapter
            else drawn(model)
        )
        named = {f"{name.removesuffix('.weight')}.weight": low for name, low in delta.items()}
        prompts = [
            tokenizer.apply_chat_template(
                [{"role": "user", "content": text}], add_generation_prompt=True, return_dict=False
            )
            for text in ASKED
        ]
        bare = expected(model, prompts, asked.positions)
        with composed(model, [(named, 1.0)], check=False):
            apt = expected(model, prompts, asked.positions)
        print(json.dumps({"way": "the base without it", **await compared(base, bare)}))
        lora = place / "lora.gguf"
        lora_gguf(delta, base=base, out=lora)
        print(
            json.dumps(
                {"way": "adapter beside the base", **await compared(base, apt, adapter=lora)}
            )
        )
        for kind in ("f16", "q8_0"):
            out, began = place / f"{kind}.gguf", time.perf_counter()
            merged_gguf(delta, base=base, out=out, kind=kind)
            seconds = round(time.perf_counter() - began, 1)
            size = round(out.stat().st_size / 1e6)
            told = {"way": f"merged, {kind}", "MB": size, "merged in s": seconds}
            print(json.dumps({**told, **await compared(out, apt)}))


if __name__ == "__main__":
    asyncio.run(main())
