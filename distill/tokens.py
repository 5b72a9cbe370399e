"""Rows as token ids: the model's own chat template, and which tokens are learnt from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from envs.errors import Refused
from envs.types import Frozen
from memory.text import defused

ROLE, TEXT = "assistant", "content"


class Encoded(Frozen):
    """One row in tokens."""

    ids: tuple[int, ...]
    """The conversation as the model reads it when it serves."""
    weights: tuple[float, ...]
    """For each token, how much it is learnt from; 0 for all that the agent didn't say."""


class Template:
    """The chat template and the tokenizer in a folder of a transformers model.

    A server that is sent the same messages reads the same ids: a test holds it to that.
    """

    def __init__(self, folder: Path) -> None:
        from transformers import AutoTokenizer

        self._tokenizer = AutoTokenizer.from_pretrained(str(folder))
        if not self._tokenizer.chat_template:
            raise Refused(f"{folder} has no chat template", repair="take an instruct model as base")

    @property
    def tokenizer(self) -> Any:
        """The tokenizer of transformers."""
        return self._tokenizer

    @property
    def padding(self) -> int:
        """Token that fills up rows of a batch."""
        known = self._tokenizer.pad_token_id
        return int(self._tokenizer.eos_token_id if known is None else known)

    def text(self, messages: Sequence[Mapping[str, Any]], *, ask: bool) -> str:
        """The conversation as text; with `ask`, up to where the agent's next turn begins.

        What looks like the end of a turn is words, as where it is served.
        """
        plain = [{"role": one["role"], TEXT: defused(one[TEXT])} for one in messages]
        return str(
            self._tokenizer.apply_chat_template(plain, tokenize=False, add_generation_prompt=ask)
        )

    def prompt(self, messages: Sequence[Mapping[str, Any]]) -> tuple[int, ...]:
        """What a server reads before it answers."""
        return tuple(self._ids(self.text(messages, ask=True))["input_ids"])

    def encode(self, messages: Sequence[Mapping[str, Any]]) -> Encoded:
        """A whole row. The end of a turn is learnt from as the turn is.

        Raises `Refused` for a template that tells a finished turn otherwise than an asked one: what
        is learnt would not be what is served.
        """
        whole = self.text(messages, ask=False)
        spans: list[tuple[int, int, float]] = []
        for number, message in enumerate(messages):
            if message["role"] != ROLE:
                continue
            before = self.text(messages[:number], ask=True)
            after = self.text(messages[: number + 1], ask=False)
            if not (whole.startswith(after) and after.startswith(before + defused(message[TEXT]))):
                raise Refused(
                    "this base's chat template rewrites earlier turns, so it can't learn from them",
                    repair="take another base",
                )
            end = len(after.rstrip("\n"))
            spans.append((len(before), end, float(message.get("weight", 1))))
        found = self._ids(whole, offsets=True)
        weights = [0.0] * len(found["input_ids"])
        at = 0
        for place, (start, end) in enumerate(found["offset_mapping"]):
            while at < len(spans) and start >= spans[at][1]:
                at += 1
            if at < len(spans) and start >= spans[at][0] and end <= spans[at][1]:
                weights[place] = spans[at][2]
        return Encoded(ids=tuple(found["input_ids"]), weights=tuple(weights))

    def _ids(self, text: str, *, offsets: bool = False) -> Any:
        return self._tokenizer(text, add_special_tokens=False, return_offsets_mapping=offsets)
