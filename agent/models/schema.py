"""Replies held to a JSON schema: how a schema is asked for, and how text is read under it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from agent.models.types import Message
from envs.errors import clip, one_line


def fault_of(value: Any, schema: dict[str, Any]) -> str:
    """What is wrong with `value` under `schema` in one line; empty when it is valid."""
    worst = best_match(Draft202012Validator(schema).iter_errors(value))
    if worst is None:
        return ""
    where = ".".join(str(part) for part in worst.absolute_path)
    return clip(one_line(f"{where}: {worst.message}" if where else worst.message), most=300)


def read_object(text: str, schema: dict[str, Any]) -> dict[str, Any] | None:
    """The first JSON object in `text` that is valid under `schema`, else the first of any shape.

    Words, code fences and a `<think>` block around it are skipped.
    """
    text = text.rpartition("</think>")[2]
    decoder = json.JSONDecoder()
    first: dict[str, Any] | None = None
    start = text.find("{")
    while start >= 0:
        try:
            value, end = decoder.raw_decode(text, start)
        except ValueError:
            end = start + 1
        else:
            if isinstance(value, dict):
                if not fault_of(value, schema):
                    return value
                first = value if first is None else first
        start = text.find("{", end)
    return first


def choice_of(schema: dict[str, Any]) -> tuple[str, tuple[str, ...]] | None:
    """Field and choices of a schema that asks for one word of a list and nothing else."""
    properties = schema.get("properties") or {}
    if len(properties) != 1 or list(schema.get("required") or ()) != list(properties):
        return None
    field, rule = next(iter(properties.items()))
    choices = rule.get("enum") if isinstance(rule, dict) else None
    if not choices or not all(isinstance(choice, str) for choice in choices):
        return None
    return field, tuple(choices)


def closest(text: str, schema: dict[str, Any]) -> dict[str, Any] | None:
    """For a schema of one choice: the choice that `text` names or resembles most, if any does."""
    single = choice_of(schema)
    if single is None:
        return None
    field, choices = single
    found = read_object(text, schema)
    said = str(found[field] if found and field in found else text.rpartition("</think>")[2])
    named = [choice for choice in choices if choice.lower() in said.lower()]
    near = [max(named, key=len)] if named else get_close_matches(said.strip(), choices, n=1)
    return {field: near[0]} if near else None


def grammar_of(schema: dict[str, Any]) -> str:
    """A grammar for llama.cpp that admits `schema` in the one-line layout of `json.dumps`.

    The server's own `json_schema` admits any white space and code fences around the object: the
    same reply took 15 to 32 tokens there, and takes 12 here.
    """
    layout = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
    return "%llguidance {}\nstart: %json " + json.dumps(schema | {"x-guidance": layout})


def choice_request(
    messages: Sequence[Message], field: str, choices: Sequence[str]
) -> tuple[list[Message], str]:
    """Messages that already begin the reply, and the grammar of what is left of it to generate.

    All of `{"field": "` is certain, so the server reads it with the prompt (8 tokens, not 12).
    """
    opened = json.dumps({field: ""}, ensure_ascii=False)[:-2]
    words = " | ".join(json.dumps(json.dumps(word, ensure_ascii=False)[1:-1]) for word in choices)
    grammar = f'%llguidance {{}}\nstart: ({words}) "\\"}}"'
    return [*messages, {"role": "assistant", "content": opened}], grammar


def in_words(messages: Sequence[Message], schema: dict[str, Any]) -> list[Message]:
    """`messages` with the schema spelled out at the end, for servers that don't hold to it."""
    note = (
        "Answer with one JSON object and nothing else. It has to be valid under this JSON schema:\n"
        + json.dumps(schema, ensure_ascii=False)
    )
    rest, last = list(messages[:-1]), messages[-1] if messages else None
    if last and last.get("role") == "user" and isinstance(last.get("content"), str):
        return [*rest, {**last, "content": f"{last['content']}\n\n{note}"}]
    return [*messages, {"role": "user", "content": note}]
