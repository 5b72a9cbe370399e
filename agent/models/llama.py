"""The child process that runs llama.cpp: `python -m agent.models.llama --file FILE ...`.

The only file that imports `xllamacpp`. Its first line on stdout is `{"url": ...}` once the model
is loaded; what goes wrong stands on stderr. It ends when its stdin closes or its parent is gone.
With `--keyed` the key that clients have to send is the first line of stdin: a command line can be
read by other users of the machine.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import sys
import threading
import time
from pathlib import Path
from typing import Any

SMALL_FILE = 600_000_000
"""Bytes below which one thread generates as fast as two: the work is too little to share."""
CACHE_MIB = 1024
"""Most memory for prompts that have no slot at the moment (llama.cpp's default is 8192)."""


def watch(parent: int) -> None:
    """Ends this process with its parent, however that ends.

    A closed stdin tells it at once; the look at the parent's id covers a pipe that a forked
    sibling holds open. (Linux's death signal follows the parent's thread, not its process.)
    """
    while True:
        readable, _, _ = select.select([0], [], [], 1.0)
        if (readable and not os.read(0, 4096)) or os.getppid() != parent:
            os._exit(0)


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Asked(argparse.Namespace):
    """The command line."""

    file: Path
    """Model."""
    adapter: Path | None
    """LoRA file beside it."""
    name: str
    """What the model is called."""
    context: int
    """Tokens per stream; llama.cpp counts them over all streams."""
    parallel: int
    """Streams."""
    threads: int
    """0: as many as are good."""
    host: str
    """Address."""
    port: int
    """0: any that is free."""
    keyed: bool
    """A key comes over stdin."""
    parent: int
    """Process to end with."""


def serve(asked: Asked, *, key: str = "") -> Any:
    """Loads the model and serves it while the result is kept."""
    # Threads that spin while they wait for each other starve when a core is busy elsewhere:
    # 66 tokens/s without spinning, 0.7 to 30 with, on 2 cores with other work on them.
    os.putenv("GOMP_SPINCOUNT", "0")
    os.putenv("OMP_WAIT_POLICY", "passive")
    import xllamacpp

    params = xllamacpp.CommonParams()  # pyright: ignore[reportAttributeAccessIssue]
    params.model.path = str(asked.file)
    params.model_alias = {asked.name}
    if asked.adapter is not None:
        lora = xllamacpp.CommonAdapterLoraInfo()  # pyright: ignore[reportAttributeAccessIssue]
        lora.path = str(asked.adapter)
        lora.scale = 1.0
        params.lora_adapters = [lora]
    params.hostnames = [asked.host]
    params.port = asked.port
    if key:
        params.api_keys = [key]
    params.n_parallel = asked.parallel
    params.n_ctx = asked.context * asked.parallel
    params.cache_ram_mib = CACHE_MIB
    params.use_jinja = True
    params.ui = False
    params.endpoint_slots = False
    params.warmup = False
    params.verbosity = 1
    many = asked.threads or cores()
    small = asked.file.stat().st_size < SMALL_FILE
    few = asked.threads or (max(1, many // 2) if small else many)
    params.cpuparams_batch.n_threads = many
    params.cpuparams.n_threads = few
    return xllamacpp.Server(params)  # pyright: ignore[reportAttributeAccessIssue]


def _line() -> str:
    """The first line of stdin, read so that `watch` sees all that follows."""
    read = bytearray()
    while (byte := os.read(0, 1)) not in (b"", b"\n"):
        read += byte
    return read.decode()


def main() -> None:
    """Reads the command line, serves until the parent ends."""
    parser = argparse.ArgumentParser(prog="agent.models.llama")
    parser.add_argument("--file", type=Path, required=True)
    parser.add_argument("--adapter", type=Path)
    parser.add_argument("--name", required=True)
    parser.add_argument("--host", default="127.0.0.1")
    for number in ("context", "parallel", "threads", "parent"):
        parser.add_argument(f"--{number}", type=int, required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--keyed", action="store_true")
    asked = parser.parse_args(namespace=Asked())
    key = _line() if asked.keyed else ""
    threading.Thread(target=watch, args=(asked.parent,), daemon=True).start()
    # Whatever the library prints must not be taken for our one line.
    answer = os.dup(1)
    os.dup2(2, 1)
    try:
        server = serve(asked, key=key)
    except (ImportError, RuntimeError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(1)
    os.write(answer, (json.dumps({"url": server.listening_address}) + "\n").encode())
    while True:
        time.sleep(3600)


if __name__ == "__main__":
    main()
