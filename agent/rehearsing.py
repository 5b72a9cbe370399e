"""What a model can already say, learnt along, so that a narrow training leaves it alone.

A student that only ever sees commands of a game answers a greeting with a command. So some rows are
the base's own answers to everyday questions (`agent/prompts/rehearsal.md`; none of them is among
the questions of the gate). Source: Shin et al. 2017, Continual Learning with Deep Generative
Replay, arXiv 1705.08690: the old model makes the rows that keep its old tasks.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

from agent.crossing import off
from agent.models.types import Model, Sampling
from agent.stages import read_rows
from agent.transcript import prompt
from distill.rows import Origin, Row, write_jsonl

TOKENS = 120
"""Longest answer."""
LEAST = 4
"""Words of the shortest that is kept."""
VARIED = 0.5
"""Share of different words below which an answer repeats itself."""


async def rehearsed(model: Model, *, told: Callable[[str], None] = lambda _line: None) -> list[Row]:
    """The model's greedy answers that are whole and don't repeat themselves, as rows."""
    rows: list[Row] = []
    questions = prompt("rehearsal").splitlines()
    for number, question in enumerate(questions):
        asked = [{"role": "user", "content": question}]
        reply = await model.reply(asked, sampling=Sampling(max_tokens=TOKENS))
        if whole(reply.text):
            answer = {"role": "assistant", "content": reply.text, "weight": 1}
            rows.append(Row(messages=(*asked, answer), metadata=_origin(number, model.name)))
        told(f"rehearsing: {number + 1} of {len(questions)}, {len(rows)} kept")
    return rows


async def rehearsed_once(
    home: Path,
    base: str,
    opens: Callable[[], Awaitable[Model]],
    *,
    told: Callable[[str], None] = lambda _line: None,
) -> list[Row]:
    """The same, asked once in a home for each base, and read from a file from then on.

    `opens` opens the model the first time; whoever gives it closes it. Raises `StoreError` for a
    file that can't be read.
    """
    path = home / "learning" / f"rehearsed-{base}.jsonl"
    if not await off(path.is_file):
        await off(write_jsonl, path, await rehearsed(await opens(), told=told))
    return [row for row in await off(read_rows, path) if isinstance(row, Row)]


def whole(answer: str) -> bool:
    """Whether an answer ends, and says more than one thing."""
    words = answer.split()
    varied = len({word.casefold() for word in words}) >= VARIED * len(words)
    return len(words) >= LEAST and varied and answer.rstrip()[-1] in ".!?`}"


def _origin(number: int, model: str) -> Origin:
    return Origin(
        trajectory="",
        env="chat",
        task=f"rehearsal-{number}",
        task_key=f"rehearsal {number}",
        task_type="rehearsal",
        model=model,
        config="",
        arm="rehearsal",
        score=1.0,
        steps=1,
        attempts=1,
        recalled=(),
        rebuilt=False,
        teacher=f"model {model}",
    )
