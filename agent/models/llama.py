"""The child process that runs llama.cpp: `python -m agent.models.llama --file FILE ...`.

The only file that imports `xllamacpp`. Its first line on stdout is `{"url": ...}` once the model
is loaded; what goes wrong stands on stderr. It ends when its stdin closes or its parent is gone.
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


def serve(file: Path, *, name: str, context: int, parallel: int, threads: int) -> Any:
    """Loads the model and serves it on a free port of loopback while the result is kept.

    `context` is in tokens per stream; llama.cpp counts it over all `parallel` streams.
    """
    # Threads that spin while they wait for each other starve when a core is busy elsewhere:
    # 66 tokens/s without spinning, 0.7 to 30 with, on 2 cores with other work on them.
    os.putenv("GOMP_SPINCOUNT", "0")
    os.putenv("OMP_WAIT_POLICY", "passive")
    import xllamacpp

    params = xllamacpp.CommonParams()  # pyright: ignore[reportAttributeAccessIssue]
    params.model.path = str(file)
    params.model_alias = {name}
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.n_parallel = parallel
    params.n_ctx = context * parallel
    params.cache_ram_mib = CACHE_MIB
    params.use_jinja = True
    params.ui = False
    params.endpoint_slots = False
    params.warmup = False
    params.verbosity = 1
    many = threads or cores()
    few = threads or (max(1, many // 2) if file.stat().st_size < SMALL_FILE else many)
    params.cpuparams_batch.n_threads = many
    params.cpuparams.n_threads = few
    return xllamacpp.Server(params)  # pyright: ignore[reportAttributeAccessIssue]


def main() -> None:
    """Reads the command line, serves until the parent ends."""
    parser = argparse.ArgumentParser(prog="agent.models.llama")
    parser.add_argument("--file", type=Path, required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("--context", type=int, required=True)
    parser.add_argument("--parallel", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--parent", type=int, required=True)
    asked = parser.parse_args()
    threading.Thread(target=watch, args=(asked.parent,), daemon=True).start()
    # Whatever the library prints must not be taken for our one line.
    answer = os.dup(1)
    os.dup2(2, 1)
    try:
        server = serve(
            asked.file,
            name=asked.name,
            context=asked.context,
            parallel=asked.parallel,
            threads=asked.threads,
        )
    except (ImportError, RuntimeError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(1)
    os.write(answer, (json.dumps({"url": server.listening_address}) + "\n").encode())
    while True:
        time.sleep(3600)


if __name__ == "__main__":
    main()
