"""vLLM's published API without vLLM: a small server on loopback, or a program like `vllm serve`.

Built from its documentation ("OpenAI-Compatible Server", "Structured Outputs", "LoRA Adapters")
and the answers that its routes are written to give. It computes nothing: a reply is the first
choice that a schema allows, or words that name the model. It knows the flags that the real one
knows, and refuses others; it takes an adapter when its folder is in PEFT's format and its rank
fits, as the real one does.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)


@dataclass
class StandIn:
    """What it serves, and how it differs from a good one."""

    base: str = "tiny"
    root: str = ""
    runtime: bool = True
    """The routes for adapters exist."""
    rank: int = 16
    context: int = 512
    key: str = ""
    version: str = "0.23.1"
    faults: frozenset[str] = frozenset()
    """`no-schema`, `no-usage`, `no-unload`, `sick`, `old`."""
    adapters: dict[str, str] = field(default_factory=dict)
    log: list[tuple[str, str, str]] = field(default_factory=list)
    """(path, name of the model or adapter, "begun" or "done"), as it happened."""
    go: threading.Event = field(default_factory=threading.Event)
    """A prompt that says "wait" is answered when it is set."""
    url: str = ""

    def load(self, name: str, path: str, *, inplace: bool) -> tuple[int, str]:
        if not name or not path:
            return 400, "Both 'lora_name' and 'lora_path' must be provided."
        if name in self.adapters and not inplace:
            return 400, (
                f"The lora adapter '{name}' has already been loaded. If you want to load the "
                "adapter in place, set 'load_inplace' to True."
            )
        config = Path(path) / "adapter_config.json"
        if not config.is_file() or not (config.parent / "adapter_model.safetensors").is_file():
            return 404, f"Loading lora {name} failed: No adapter found for {path}"
        rank = json.loads(config.read_text())["r"]
        if rank > self.rank:
            return 500, f"LoRA rank {rank} is greater than max_lora_rank {self.rank}."
        wrong = [key for key in weights(config.parent) if not key.startswith("base_model.model.")]
        if wrong:
            return 500, f"While loading {path}, expected target modules but received {wrong}"
        self.adapters[name] = path
        return 200, f"Success: LoRA adapter '{name}' added successfully."

    def unload(self, name: str) -> tuple[int, str]:
        if name not in self.adapters:
            return 404, f"The lora adapter '{name}' cannot be found."
        if "no-unload" in self.faults:
            return 500, f"Failed to remove lora adapter '{name}' from the engine."
        del self.adapters[name]
        return 200, f"Success: LoRA adapter '{name}' removed successfully."

    def cards(self) -> list[dict[str, Any]]:
        head = {"object": "model", "created": 0, "owned_by": "vllm", "permission": []}
        base = {**head, "id": self.base, "root": self.root or self.base, "parent": None}
        own = [
            {**head, "id": name, "root": path, "parent": self.base, "max_model_len": None}
            for name, path in self.adapters.items()
        ]
        return [{**base, "max_model_len": self.context}, *own]


def weights(folder: Path) -> list[str]:
    """Names in a safetensors file."""
    content = (folder / "adapter_model.safetensors").read_bytes()
    head = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    return [key for key in head if key != "__metadata__"]


KINDS = {400: "BadRequestError", 404: "NotFoundError", 500: "InternalServerError"}


class Handler(BaseHTTPRequestHandler):
    it: StandIn
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Stays quiet."""

    def send(self, status: int, body: dict[str, Any] | str, *, kind: str = "") -> None:
        data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        told = kind or ("text/plain" if isinstance(body, str) else "application/json")
        self.send_header("Content-Type", told)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def refuse(self, status: int, message: str) -> None:
        kind = KINDS.get(status, "BadRequestError")
        error = {"message": message, "type": kind, "param": None, "code": status}
        self.send(status, {"error": error})

    def allowed(self) -> bool:
        wanted = f"Bearer {self.it.key}"
        if (
            self.it.key
            and self.path.startswith("/v1")
            and self.headers.get("authorization") != (wanted)
        ):
            self.send(401, {"error": "Unauthorized"})
            return False
        return True

    def do_GET(self) -> None:
        if not self.allowed():
            return
        if self.path == "/health":
            self.send(503 if "sick" in self.it.faults else 200, "")
        elif self.path == "/version":
            self.send(200, {"version": "0.11.0" if "old" in self.it.faults else self.it.version})
        elif self.path == "/v1/models":
            self.send(200, {"object": "list", "data": self.it.cards()})
        else:
            self.send(404, {"detail": "Not Found"})

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not self.allowed():
            return
        name = str(asked.get("lora_name", ""))
        if self.path == "/v1/chat/completions":
            self.chat(asked)
        elif self.path == "/v1/load_lora_adapter" and self.it.runtime:
            inplace = bool(asked.get("load_inplace"))
            self.told(name, *self.it.load(name, str(asked.get("lora_path", "")), inplace=inplace))
        elif self.path == "/v1/unload_lora_adapter" and self.it.runtime:
            self.told(name, *self.it.unload(name))
        else:
            self.send(404, {"detail": "Not Found"})

    def told(self, name: str, status: int, message: str) -> None:
        self.it.log.append((self.path, name, "done"))
        if status == 200:
            self.send(200, message)
        else:
            self.refuse(status, message)

    def chat(self, asked: dict[str, Any]) -> None:
        model = str(asked.get("model") or self.it.base)
        if model not in (self.it.base, *self.it.adapters):
            return self.refuse(404, f"The model `{model}` does not exist.")
        if float(asked.get("temperature") or 0) < 0:
            return self.refuse(400, f"temperature must be non-negative, got {asked['temperature']}")
        words = sum(len(str(m.get("content", "")).split()) for m in asked["messages"])
        if words + int(asked.get("max_tokens") or 0) > self.it.context:
            return self.refuse(
                400,
                f"This model's maximum context length is {self.it.context} tokens. However, you "
                f"requested {asked.get('max_tokens')} output tokens and your prompt contains "
                f"{words} input tokens.",
            )
        self.it.log.append((self.path, model, "begun"))
        if "wait" in str(asked["messages"][-1]["content"]):
            self.it.go.wait(20)
        said = self.said(asked, model)
        self.it.log.append((self.path, model, "done"))
        if asked.get("stream"):
            return self.stream(model, said)
        choice: dict[str, Any] = {"index": 0, "finish_reason": "stop"}
        choice["message"] = {"role": "assistant", "content": said}
        if asked.get("logprobs"):
            token = {"token": said, "logprob": -0.5, "bytes": None, "top_logprobs": []}
            choice["logprobs"] = {"content": [token]}
        body = {"id": "chatcmpl-1", "object": "chat.completion", "created": 0, "model": model}
        count = {"prompt_tokens": words, "completion_tokens": 3, "total_tokens": words + 3}
        usage = {} if "no-usage" in self.it.faults else {"usage": count}
        return self.send(200, {**body, "choices": [choice], **usage})

    def said(self, asked: dict[str, Any], model: str) -> str:
        held = asked.get("response_format", {}).get("json_schema", {}).get("schema")
        choice = asked.get("structured_outputs", {}).get("choice")
        if "no-schema" in self.it.faults or (held is None and choice is None):
            return f"{model} says hello"
        if choice:
            return str(choice[0])
        assert held is not None
        return json.dumps({name: it["enum"][0] for name, it in held["properties"].items()})

    def stream(self, model: str, said: str) -> None:
        head = {"id": "x", "object": "chat.completion.chunk", "created": 0, "model": model}
        pieces = [({"content": word}, None) for word in said.split(" ")] + [({}, "stop")]
        lines = [
            {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}
            for delta, reason in pieces
        ]
        sent = "".join(f"data: {json.dumps(line)}\n\n" for line in lines) + "data: [DONE]\n\n"
        self.send(200, sent, kind="text/event-stream")


@contextmanager
def serving(**options: Any) -> Iterator[StandIn]:
    """The server in a thread, for as long as the block lasts."""
    it = StandIn(**options)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"it": it}))
    server.daemon_threads = True
    it.url = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield it
    finally:
        it.go.set()
        server.shutdown()
        server.server_close()
        thread.join()


def main() -> None:
    """`vllm serve MODEL ...`, with the flags of the real one that are used here."""
    parser = argparse.ArgumentParser(prog="vllm", allow_abbrev=False)
    parser.add_argument("command", choices=["serve"])
    parser.add_argument("model")
    parser.add_argument("--host")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--dtype", choices=["auto", "bfloat16", "float16", "float32"])
    parser.add_argument("--served-model-name", nargs="+")
    parser.add_argument("--max-model-len", type=int, default=2048)
    parser.add_argument("--generation-config", default="auto")
    parser.add_argument("--enable-lora", action="store_true")
    parser.add_argument("--max-lora-rank", type=int, choices=RANKS, default=16)
    parser.add_argument("--max-loras", type=int, default=1)
    parser.add_argument("--max-cpu-loras", type=int)
    given = parser.parse_args()
    assert given.max_cpu_loras is None or given.max_cpu_loras >= given.max_loras
    sys.stderr.write("INFO Initializing a V1 LLM engine\n")
    if given.model == "no-gpu":
        raise RuntimeError("Failed to infer device type")
    if given.model == "slow":
        time.sleep(60)
    it = StandIn(
        base=given.served_model_name[0] if given.served_model_name else given.model,
        root=given.model,
        runtime=os.environ.get("VLLM_ALLOW_RUNTIME_LORA_UPDATING") in ("1", "True"),
        rank=given.max_lora_rank if given.enable_lora else 0,
        context=given.max_model_len,
    )
    time.sleep(0.3)
    sys.stderr.write("INFO Loading weights took 0.30 seconds\n")
    sys.stderr.flush()
    time.sleep(0.3)
    bound = type("Bound", (Handler,), {"it": it})
    ThreadingHTTPServer((given.host, given.port), bound).serve_forever()


if __name__ == "__main__":
    main()
