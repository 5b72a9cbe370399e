"""What is asked of vLLM: the line that starts it, and each request with what must come back.

A contract in one file. `contract.replay` asks all of it, in order, of whatever answers at a URL:
in the tests of a stand-in built from vLLM's published API, and with `journeyman models check URL`
of a real one. Sources are pages of vLLM's documentation: "OpenAI-Compatible Server", "Structured
Outputs", "LoRA Adapters" (section "Dynamically serving LoRA Adapters"), "Engine Arguments",
"Security"; each request names its own.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Literal

from agent.models.contract import Ask, Came, Known
from envs.errors import Refused, clip

RUNTIME_LORA = "VLLM_ALLOW_RUNTIME_LORA_UPDATING=True"
"""Without this variable the two routes for adapters do not exist ("LoRA Adapters")."""
RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""What `--max-lora-rank` takes ("Engine Arguments", LoRAConfig)."""
OLDEST = (0, 12)
"""First version with `structured_outputs`; it took `guided_json` and its like before."""
PROBE = "journeyman-check"
"""Name under which the check loads an adapter, and unloads it."""
WORDS = ("go to shelf 1", "open drawer 2")
"""Two actions, one of which a constrained reply has to be."""


def serve_line(
    base: str,
    *,
    port: int = 8000,
    host: str = "127.0.0.1",
    rank: int = 32,
    name: str = "",
    dtype: Literal["auto", "bfloat16", "float16", "float32"] = "auto",
    context: int = 0,
    loras: int = 2,
) -> tuple[str, ...]:
    """The command that starts vLLM with LoRA; run it with `RUNTIME_LORA` in its environment.

    `base` is a folder in transformers' format, or a name of the hub; `rank` the largest of its
    adapters, rounded up to what vLLM takes; `context` in tokens (0: the model's); `loras` the
    adapters that answer at once: during a swap there are two. vLLM binds to all interfaces unless
    it is told otherwise, and checks its key under /v1 only ("Security"): so, loopback.
    Raises `Refused` for a rank that vLLM does not take.
    """
    taken = next((one for one in RANKS if one >= rank), 0)
    if rank < 1 or not taken:
        raise Refused(f"vLLM takes no adapters of rank {rank}", repair=f"use 1 to {RANKS[-1]}")
    line = ["vllm", "serve", base, "--host", host, "--port", str(port), "--dtype", dtype]
    line += ["--served-model-name", name] if name else []
    line += ["--max-model-len", str(context)] if context else []
    line += ["--generation-config", "vllm"]  # Else the model's own temperature is the default.
    line += ["--enable-lora", "--max-lora-rank", str(taken), "--max-loras", str(loras)]
    # Versions that forget an adapter's name on unloading keep its weights until others push them
    # out, so there is room for some that are gone (vLLM's issue 54839).
    return (*line, "--max-cpu-loras", str(4 * loras))


def _chat(known: Known, *, model: str = "", **more: Any) -> dict[str, Any]:
    say = {"role": "user", "content": f"Say one of: {', '.join(WORDS)}."}
    chosen = {"model": model or known.base, "messages": [say]}
    return {**chosen, "temperature": 0.0, "max_tokens": 24, **more}


def _long(known: Known) -> list[dict[str, str]]:
    words = " word" * max(known.context, 1000)
    return [{"role": "user", "content": words}]


def _held(schema: dict[str, Any]) -> dict[str, Any]:
    named = {"name": "reply", "strict": True, "schema": schema}
    return {"response_format": {"type": "json_schema", "json_schema": named}}


ACTION = {
    "type": "object",
    "properties": {"action": {"type": "string", "enum": list(WORDS)}},
    "required": ["action"],
    "additionalProperties": False,
}


def _status(came: Came, *wanted: int) -> str:
    told = " or ".join(str(one) for one in wanted)
    return "" if came.status in wanted else f"status {came.status}, not {told}"


def _version(came: Came, _known: Known) -> str:
    told = str(came.data.get("version", ""))
    parts = told.split(".")
    if not all(part.isdigit() for part in parts[:2]) or len(parts) < 2:
        return _status(came, 200) or f"no version: {clip(told)!r}"
    oldest = ".".join(str(one) for one in OLDEST)
    new = (int(parts[0]), int(parts[1])) >= OLDEST
    return "" if new else f"{told} is older than {oldest}"


def _models(came: Came, known: Known) -> str:
    for name, card in came.models().items():
        if not card.get("parent"):
            known.base = known.base or name
            known.context = known.context or int(card.get("max_model_len") or 0)
    return _status(came, 200) or ("" if known.base else "it lists no base model")


def _whole(came: Came, model: str) -> str:
    """An answer with all that a client reads: words, an end, the model's name, usage."""
    if wrong := _status(came, 200):
        return wrong
    data, usage = came.data, came.data.get("usage") or {}
    ended = (data.get("choices") or [{}])[0].get("finish_reason")
    counted = all(isinstance(usage.get(n), int) for n in ("prompt_tokens", "completion_tokens"))
    lacking = [
        what
        for what, there in (
            ("content", bool(came.said)),
            ("finish_reason", ended in ("stop", "length")),
            ("usage", counted),
            (f"model {model!r}", data.get("model") == model),
        )
        if not there
    ]
    return f"without {', '.join(lacking)}" if lacking else ""


def _action(came: Came, _known: Known) -> str:
    try:
        action = json.loads(came.said)["action"]
    except (ValueError, KeyError, TypeError):
        return _status(came, 200) or f"not held to the schema: {clip(came.said)!r}"
    return _status(came, 200) or ("" if action in WORDS else f"{action!r} is no choice")


def _choice(came: Came, _known: Known) -> str:
    return _status(came, 200) or ("" if came.said in WORDS else f"{clip(came.said)!r}: no choice")


def _stream(came: Came, _known: Known) -> str:
    lines = [x.removeprefix("data: ") for x in came.text.splitlines() if x.startswith("data: ")]
    ended = bool(lines) and lines[-1] == "[DONE]"
    reasons = [line for line in lines[:-1] if '"finish_reason":"' in line.replace(": ", ":")]
    wrong = "" if ended and reasons else "no finish_reason, or no [DONE] at its end"
    return _status(came, 200) or wrong


def _logged(came: Came, _known: Known) -> str:
    choice = (came.data.get("choices") or [{}])[0]
    tokens = (choice.get("logprobs") or {}).get("content") or []
    numbers = bool(tokens) and all(isinstance(t.get("logprob"), (int, float)) for t in tokens)
    return _status(came, 200) or ("" if numbers else "no logprobs.content")


def _refused(*statuses: int, word: str = "") -> Callable[[Came, Known], str]:
    """An error in OpenAI's shape, with a word in its message that repairs are chosen by."""

    def wants(came: Came, _known: Known) -> str:
        if wrong := _status(came, *statuses):
            return wrong
        message = str(came.error.get("message", ""))
        if not message:
            return "an error without error.message"
        return "" if word in message.lower() else f"its message lacks {word!r}"

    return wants


def _loaded(came: Came, known: Known) -> str:
    if came.status == 404 and not came.error:
        known.unable = f"there is no such route: start vLLM with {RUNTIME_LORA}"
        return known.unable
    if came.status != 200:
        known.unable = f"the adapter could not be loaded: {clip(str(came.error.get('message')))}"
    return _status(came, 200) or ("" if "success" in came.text.lower() else "no word of success")


def _listed(came: Came, known: Known) -> str:
    card = came.models().get(PROBE)
    if card is None:
        return _status(came, 200) or f"{PROBE} is not listed"
    parent, root = card.get("parent"), card.get("root")
    if parent != known.base or root != str(known.adapter):
        return f"its card says parent {parent!r}, root {root!r}"
    return ""


def _unlisted(came: Came, _known: Known) -> str:
    gone = PROBE not in came.models()
    return _status(came, 200) or ("" if gone else f"{PROBE} is still listed")


def _load(known: Known) -> dict[str, str]:
    return {"lora_name": PROBE, "lora_path": str(known.adapter)}


CHAT, LOAD, UNLOAD = "/v1/chat/completions", "/v1/load_lora_adapter", "/v1/unload_lora_adapter"
LORA = "LoRA Adapters: Dynamically serving LoRA Adapters"
HELD = "Structured Outputs: Online Serving (OpenAI API)"
CONTRACT: tuple[Ask, ...] = (
    Ask(
        "it is ready",
        "/health",
        lambda came, _: _status(came, 200),
        repair="wait until it is loaded, or look at its log",
        keyed=False,
    ),
    Ask("it says its version", "/version", _version, keyed=False, repair="update vLLM"),
    Ask(
        "it lists its models",
        "/v1/models",
        _models,
        repair="check the address, and the key",
    ),
    Ask("it answers in full", CHAT, lambda came, known: _whole(came, known.base), _chat),
    Ask(
        "it holds a reply to a JSON schema",
        CHAT,
        _action,
        lambda known: _chat(known, **_held(ACTION)),
        special="response_format json_schema",
        repair="take --structured-outputs-config.backend off its command line",
        source=HELD,
    ),
    Ask(
        "it holds a reply to a choice",
        CHAT,
        _choice,
        lambda known: _chat(known, structured_outputs={"choice": list(WORDS)}),
        special="structured_outputs choice",
        repair="update vLLM: before 0.12 this was guided_choice",
        source=HELD,
    ),
    Ask(
        "it streams to the end",
        CHAT,
        _stream,
        lambda known: _chat(known, stream=True),
        special="stream",
    ),
    Ask(
        "it gives log-probabilities",
        CHAT,
        _logged,
        lambda known: _chat(known, logprobs=True),
        special="logprobs",
    ),
    Ask(
        "it refuses what can't be",
        CHAT,
        _refused(400, 422),
        lambda known: _chat(known) | {"temperature": -1.0},
        special="temperature -1",
    ),
    Ask(
        "it says when a prompt is too long",
        CHAT,
        _refused(400, word="context"),
        lambda known: _chat(known) | {"messages": _long(known)},
        special="a prompt longer than max_model_len",
    ),
    Ask(
        "it knows what it does not serve",
        CHAT,
        _refused(404),
        lambda known: _chat(known, model="no-such-model"),
        special="an unknown model",
    ),
    Ask(
        "it loads an adapter",
        LOAD,
        _loaded,
        _load,
        special=PROBE,
        repair=f"start it with --enable-lora, --max-lora-rank and {RUNTIME_LORA}",
        source=LORA,
        adapters=True,
    ),
    Ask(
        "a loaded adapter is listed",
        "/v1/models",
        _listed,
        source="LoRA Adapters: LoRA model lineage in model card",
        adapters=True,
    ),
    Ask(
        "an adapter answers by its name",
        CHAT,
        lambda came, _: _whole(came, PROBE),
        lambda known: _chat(known, model=PROBE),
        special=PROBE,
        source="LoRA Adapters: Serving LoRA Adapters",
        adapters=True,
    ),
    Ask(
        "an adapter is held to a schema",
        CHAT,
        _action,
        lambda known: _chat(known, model=PROBE, **_held(ACTION)),
        special=f"{PROBE}, response_format json_schema",
        source=HELD,
        adapters=True,
    ),
    Ask(
        "a name is taken once",
        LOAD,
        _refused(400, word="already"),
        _load,
        special=f"{PROBE} again",
        source=LORA,
        adapters=True,
    ),
    Ask(
        "a folder that is none is refused",
        LOAD,
        _refused(400, 404, 500),
        lambda known: {"lora_name": f"{PROBE}-none", "lora_path": f"{known.adapter}-none"},
        special="no such folder",
        source=LORA,
        adapters=True,
    ),
    Ask(
        "it unloads an adapter",
        UNLOAD,
        lambda came, _: (
            _status(came, 200) or ("" if "success" in came.text.lower() else "no success")
        ),
        lambda _: {"lora_name": PROBE},
        special=PROBE,
        source=LORA,
        adapters=True,
    ),
    Ask("an unloaded adapter is gone", "/v1/models", _unlisted, source=LORA, adapters=True),
    Ask(
        "unloading it again is refused",
        UNLOAD,
        _refused(404),
        lambda _: {"lora_name": PROBE},
        special=f"{PROBE} again",
        source=LORA,
        adapters=True,
    ),
)
