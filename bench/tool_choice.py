"""How often the model of the settings chooses the right tool first, over 20 prompts.

`python -m bench.tool_choice` prints a row per prompt; tools are called for real, in a fresh home.
"""

from __future__ import annotations

import asyncio
import tempfile
import time

from agent.chat import Chats, new_thread
from agent.home import home
from agent.settings import load
from bench.chat_prompts import CHAT_PROMPTS
from envs.errors import ModelError
from memory.intervals import wilson


async def main() -> None:
    """Prints the table."""
    right = 0
    with tempfile.TemporaryDirectory() as folder:
        async with home(load(home=folder)) as place:
            chats = Chats(place)
            print(f"model: {(await place.model()).name}")
            for prompt in CHAT_PROMPTS:
                began = time.perf_counter()
                try:
                    turn = await chats.turn(prompt.text, thread=new_thread())
                    first, said = (turn.tools or ("reply",))[0], turn.answer
                except ModelError as error:
                    first, said = "error", str(error)
                good = first in prompt.right
                right += good
                seconds = time.perf_counter() - began
                mark = "right" if good else "WRONG"
                print(f"{mark} {first:13s} {seconds:5.1f} s  {prompt.text[:60]!r} -> {said[:80]!r}")
    low, high = wilson(right, len(CHAT_PROMPTS))
    print(f"right: {right}/{len(CHAT_PROMPTS)} (95% interval {low:.0%} to {high:.0%})")


if __name__ == "__main__":
    asyncio.run(main())
