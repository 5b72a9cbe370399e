"""What the prefix cache saves: a growing transcript with it and without, on a local model.

`python -m bench.prefix_cache [--model NAME_OR_FILE] [--steps 30]` prints, per arm, the prompt
tokens that were really processed and the seconds per step, and the price of holding the reply to a
list of 30 actions. The transcript is the same in all arms: what the model says is not fed back.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Iterator
from statistics import median

import httpx

from agent.models.client import OpenAIModel
from agent.models.local import LocalServer
from agent.models.resolve import describe
from agent.models.schema import choice_request, grammar_of
from agent.models.types import Message, Sampling
from agent.settings import ModelSettings, load
from envs.types import Frozen

ACTIONS = (*(f"go to cabinet {n}" for n in range(1, 30)), "open fridge 1")
CHOICE = {
    "type": "object",
    "properties": {"action": {"type": "string", "enum": list(ACTIONS)}},
    "required": ["action"],
    "additionalProperties": False,
}


class Arm(Frozen):
    """One way of asking, over all steps of the transcript."""

    name: str
    """What differs."""
    processed: tuple[int, ...]
    """Prompt tokens processed at each step."""
    generated: int
    """Tokens generated over all steps."""
    seconds: tuple[float, ...]
    """Seconds of each step."""


def transcript(steps: int) -> Iterator[list[Message]]:
    """The messages before each action of an episode that walks past the cabinets."""
    listed = "\n".join(f"- {action}" for action in ACTIONS)
    messages: list[Message] = [
        {"role": "system", "content": "You are in a household. Answer with the next action."},
        {"role": "user", "content": f"Task: put a mug on the desk.\nYou may:\n{listed}"},
    ]
    for step in range(steps):
        yield list(messages)
        number = step % 29 + 1
        messages += [
            {"role": "assistant", "content": f'{{"action": "go to cabinet {number}"}}'},
            {
                "role": "user",
                "content": f"You arrive at cabinet {number}. The cabinet {number} is closed.",
            },
        ]


async def with_client(url: str, name: str, *, steps: int, timeout_s: float) -> Arm:
    """The client as the agent uses it."""
    model = OpenAIModel(ModelSettings(base_url=url, name=name, timeout_s=timeout_s), llama_cpp=True)
    processed, seconds, generated = [], [], 0
    for messages in transcript(steps):
        start = time.perf_counter()
        reply = await model.reply(messages, schema=CHOICE, sampling=Sampling(max_tokens=40))
        seconds.append(time.perf_counter() - start)
        processed.append(reply.usage.prompt_tokens - reply.usage.cached_tokens)
        generated += reply.usage.completion_tokens
    await model.close()
    return Arm(
        name="cache, choice opened for it",
        processed=tuple(processed),
        generated=generated,
        seconds=tuple(seconds),
    )


async def raw(url: str, name: str, *, steps: int, timeout_s: float) -> list[Arm]:
    """The same by hand: other ways of asking."""
    form = {"type": "json_schema", "json_schema": {"name": "reply", "schema": CHOICE}}
    begun, choice = choice_request([], "action", ACTIONS)
    arms: dict[str, dict[str, object]] = {
        "cache, grammar": {"grammar": grammar_of(CHOICE)},
        "cache, response_format": {"response_format": form},
        "cache, 12 free tokens": {"max_tokens": 12, "ignore_eos": True},
        "no cache, choice opened for it": {"grammar": choice, "cache_prompt": False},
    }
    done: list[Arm] = []
    async with httpx.AsyncClient(base_url=url, timeout=timeout_s, trust_env=False) as client:
        for what, extra in arms.items():
            processed, seconds, generated = [], [], 0
            for messages in transcript(steps):
                opened = [*messages, *begun] if "opened" in what else messages
                body = {"model": name, "messages": opened, "temperature": 0, "max_tokens": 40}
                start = time.perf_counter()
                answer = await client.post("/chat/completions", json={**body, **extra})
                seconds.append(time.perf_counter() - start)
                timings = answer.raise_for_status().json()["timings"]
                processed.append(timings["prompt_n"])
                generated += timings["predicted_n"]
            done.append(
                Arm(
                    name=what,
                    processed=tuple(processed),
                    generated=generated,
                    seconds=tuple(seconds),
                )
            )
    return done


async def measure(settings: ModelSettings, *, steps: int) -> list[Arm]:
    """All arms on a server of its own, the cached one first."""
    chosen = describe(settings, home=load().home)
    if chosen.file is None:
        raise SystemExit("this measures a model of this machine: unset OPENAI_BASE_URL")
    server = LocalServer(chosen.file, context=settings.context, threads=settings.threads)
    start = time.perf_counter()
    url = await server.start()
    print(f"{chosen.name}: ready after {time.perf_counter() - start:.1f} s, {steps} steps")
    try:
        first = await with_client(url, server.name, steps=steps, timeout_s=settings.timeout_s)
        return [first, *await raw(url, server.name, steps=steps, timeout_s=settings.timeout_s)]
    finally:
        await server.stop()


def main() -> None:
    """Reads the command line, measures, prints the table."""
    parser = argparse.ArgumentParser(prog="bench.prefix_cache")
    parser.add_argument("--model", default="", help="a name or GGUF file; empty: the default")
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--threads", type=int, default=0)
    asked = parser.parse_args()
    settings = ModelSettings(file=asked.model, threads=asked.threads, timeout_s=600)
    arms = asyncio.run(measure(settings, steps=asked.steps))
    print(f"{'arm':34}{'first':>7}{'median':>8}{'last':>6}{'sum':>8}{'made':>6}{'s/step':>8}")
    for arm in arms:
        tokens = arm.processed
        print(
            f"{arm.name:34}{tokens[0]:7}{median(tokens[1:]):8.0f}{tokens[-1]:6}{sum(tokens):8}"
            f"{arm.generated:6}{median(arm.seconds[1:]):8.2f}"
        )
    without, cached = arms[-1], arms[0]
    print(
        f"without the cache {sum(without.processed) / sum(cached.processed):.1f} times the prompt "
        f"tokens and {sum(without.seconds) / sum(cached.seconds):.1f} times the seconds"
    )


if __name__ == "__main__":
    main()
