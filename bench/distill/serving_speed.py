"""`python -m bench.distill.serving_speed [--adapter ID]`: a student served, beside transformers.

The same conversation, the same weights and greedy replies of a fixed length: llama.cpp with the
adapter beside the quantised base, as Journeyman serves it, and transformers in bf16 with the
adapter merged. Prints tokens per second of reading the prompt and of writing.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from pathlib import Path
from typing import Any

from agent.models.pull import EMBEDDED, find
from agent.models.resolve import resolve
from agent.models.students import student
from agent.models.types import Message, Sampling
from agent.settings import ModelSettings, Settings, load
from distill.bases import prepared
from distill.composing import composed, unpacked
from distill.tokens import Template

WRITTEN = 64
TIMES = 5


def conversation(turns: int) -> list[Message]:
    """About 60 tokens a turn."""
    found: list[Message] = [{"role": "system", "content": "You act in a text world."}]
    for number in range(turns):
        seen = f"You arrive at shelf {number}. On the shelf {number}, you see a book {number}, a "
        found.append({"role": "user", "content": seen + "candle 1, a vase 2, and a watch 3."})
        found.append({"role": "assistant", "content": f'{{"action": "go to shelf {number + 1}"}}'})
    return [*found, {"role": "user", "content": "Tell me all that you have seen, in order."}]


async def served(settings: Settings, adapter: str) -> tuple[float, float]:
    """Tokens per second of reading and of writing, over llama.cpp's own counts."""
    model = await resolve(ModelSettings(adapter=adapter, context=4096), home=settings.home)
    read: list[float] = []
    wrote: list[float] = []
    try:
        for number in range(TIMES + 1):
            asked = conversation(12)
            asked[0] = {"role": "system", "content": f"{number} You act in a text world."}
            began = time.perf_counter()
            first = await model.reply(asked, sampling=Sampling(max_tokens=1))
            middle = time.perf_counter()
            reply = await model.reply(asked, sampling=Sampling(max_tokens=WRITTEN))
            ended = time.perf_counter()
            if number:
                read.append(first.usage.prompt_tokens / (middle - began))
                wrote.append(reply.usage.completion_tokens / (ended - middle))
    finally:
        await model.close()
    return sorted(read)[len(read) // 2], sorted(wrote)[len(wrote) // 2]


def transformed(base: Path, weights: bytes) -> tuple[float, float]:
    """The same with transformers."""
    import torch
    from transformers import AutoModelForCausalLM

    template = Template(base)
    model: Any = AutoModelForCausalLM.from_pretrained(str(base), dtype=torch.bfloat16)
    model.eval()
    ids = torch.tensor([template.prompt(conversation(12))])
    read: list[float] = []
    wrote: list[float] = []
    with torch.no_grad(), composed(model, [(unpacked(weights), 1.0)], check=False):
        for number in range(TIMES + 1):
            began = time.perf_counter()
            model.generate(ids, max_new_tokens=1, do_sample=False)
            middle = time.perf_counter()
            model.generate(ids, max_new_tokens=WRITTEN, min_new_tokens=WRITTEN, do_sample=False)
            ended = time.perf_counter()
            if number:
                reading = middle - began
                read.append(ids.shape[1] / reading)
                wrote.append(WRITTEN / (ended - middle - reading))
    return sorted(read)[len(read) // 2], sorted(wrote)[len(wrote) // 2]


def main() -> None:
    """Measures both and prints a table."""
    parser = argparse.ArgumentParser(prog="python -m bench.distill.serving_speed")
    parser.add_argument("--adapter", default="shipped:alfworld")
    asked = parser.parse_args()
    settings = load()
    model = find(EMBEDDED, home=settings.home)
    if model is None:
        sys.exit("error: the embedded model is not installed: journeyman models pull smollm2-135m")
    about = student(asked.adapter, home=settings.home)
    if about.path is None:
        sys.exit(f"error: {asked.adapter} has no folder")
    ours = asyncio.run(served(settings, asked.adapter))
    print(
        f"llama.cpp, as served   {ours[0]:6.0f} tokens/s read, {ours[1]:5.0f} written", flush=True
    )
    base = prepared(model, cache=settings.home / "cache" / "bases")
    theirs = transformed(base, (about.path / "adapter.safetensors").read_bytes())
    print(f"transformers, bf16     {theirs[0]:6.0f} tokens/s read, {theirs[1]:5.0f} written")
    print(f"ratio: {ours[0] / theirs[0]:.2f} x reading, {ours[1] / theirs[1]:.2f} x writing")


if __name__ == "__main__":
    main()
