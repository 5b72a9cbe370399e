"""Tasks that a model makes up for itself, after looking round; only what is proven comes out.

Paper: Zhou et al. 2025, Self-Challenging Language Model Agents, arXiv 2506.01716 (row
`self-challenging`). What differs: nothing is trained here; the admitted tasks are an environment
(`skills/challenges.py`) that any run, trial or training may draw on. Verifiers see what was done
and observed, in place of a database, and two failures (doing nothing, and the solution without its
last action) are added to those that the model writes.
"""

from __future__ import annotations

import random
import re

from agent.crossing import off
from agent.models.types import Message, Model, Sampling
from agent.skillwriter import REPLY, ROUNDS, WARMER
from agent.transcript import CHARS_A_TOKEN, prompt
from envs.errors import clip, one_line
from envs.types import Action, Env, Task
from memory.text import strip_marked
from memory.types import Usage
from skills.challenges import Challenge, refusal
from skills.checking import stubs_of
from skills.sandbox import Sandbox

LOOKS = 12
"""Actions by chance that a challenger looks round with."""
BLOCK = re.compile(r"```(?:python|py)?[ \t]*\n(.*?)(?:\n```|\Z)", re.DOTALL)


class Challenger:
    """Explores the world of a train task, and has a model make up a task in it."""

    def __init__(
        self, env: Env, model: Model, *, sandbox: Sandbox, rng: random.Random, context: int = 8192
    ) -> None:
        self._env = env
        self._model = model
        self._sandbox = sandbox
        self._rng = rng
        self._context = context

    async def challenge(self, world: Task) -> tuple[Challenge | None, str, Usage]:
        """An admitted challenge, or why there is none; raises `ModelError`.

        What speaks against it goes back to the model, `ROUNDS` replies at most.
        """
        seen = await off(explored, self._env, world, rng=self._rng)
        room = int((self._context - 2 * REPLY) * CHARS_A_TOKEN)
        head: list[Message] = [
            {"role": "system", "content": prompt("challenge")},
            {"role": "user", "content": clip(strip_marked(seen), most=max(1000, room))},
        ]
        messages, usage, wrong = head, Usage(), ""
        for number in range(ROUNDS):
            sampling = Sampling(max_tokens=REPLY, temperature=WARMER * number)
            reply = await self._model.reply(messages, sampling=sampling)
            usage += reply.usage
            made = read_challenge(reply.text, world=world.id)
            wrong = "there is no instruction with three blocks of code in it"
            if made is not None:
                wrong = await off(refusal, self._env, self._sandbox, made)
                if not wrong:
                    return made, "", usage
            messages = [
                *head,
                {"role": "assistant", "content": clip(reply.text, most=4 * REPLY)},
                {"role": "user", "content": f"That is refused: {wrong}. Mend it; answer in full."},
            ]
        return None, wrong, usage


def explored(env: Env, world: Task, *, rng: random.Random) -> str:
    """What a few actions by chance showed, as text, and what may be called."""
    episode = env.open(world)
    step = episode.first
    lines = [one_line(step.observation)]
    try:
        tools = tuple(episode.tools)
        for _ in range(LOOKS):
            if step.terminated or step.truncated or not step.admissible:
                break
            command = rng.choice(step.admissible)
            step = episode.step(Action(text=command))
            lines += [f"> {command}", clip(one_line(step.observation), most=200)]
    finally:
        episode.close()
    goals = list(dict.fromkeys(one.goal for one in env.tasks("train")))
    return "\n".join(
        [
            f"What code may call:\n{stubs_of(tools, ())}",
            f"Given goals: {' '.join(rng.sample(goals, min(5, len(goals))))}",
            "\n".join(["What was seen:", *lines]),
        ]
    )


def read_challenge(reply: str, *, world: str) -> Challenge | None:
    """A challenge as a model writes it; None where parts are missing."""
    asked = re.search(r"^\W*instruction\W*[:\s]\s*(.+)$", reply, re.IGNORECASE | re.MULTILINE)
    blocks = [block.strip() + "\n" for block in BLOCK.findall(reply)]
    if asked is None or len(blocks) < 3:
        return None
    return Challenge(
        world=world,
        instruction=clip(one_line(asked[1]).strip("*` "), most=300),
        verifier=blocks[0],
        solution=blocks[1],
        failures=tuple(blocks[2:]),
    )
