"""`journeyman models serve|export`: a model of this machine, or a student, for other programs."""

from __future__ import annotations

import asyncio
import shutil
import signal
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from agent.crossing import off
from agent.models.local import Address, LocalServer, check_file
from agent.models.resolve import Chosen, describe
from agent.models.students import base_of, called, lora_file, student, weights_of
from agent.models.vllm_adapters import Swapping
from agent.models.vllm_server import VllmServer
from agent.settings import ModelSettings, ServerSettings, load
from agent.transcript import prompt
from distill.bases import prepared
from distill.composing import unpacked
from distill.gguf import Kind, merged_gguf, modelfile, names_in
from distill.peft_folder import peft_folder
from envs.errors import Missing, ModelError, UnknownName, UserError
from server.auth import check_binding
from server.commands.memory import Json
from server.console import err, go, out, safe, say_json
from server.serving import bind

PORT = 8322
"""Where a model is served, if nothing else is said; the agent is at 8321."""
LOOK_S = 0.5
"""Seconds between two looks at whether the server's process lives."""


@dataclass(frozen=True)
class Order:
    """What is to be served."""

    chosen: Chosen
    """The model, with its student's adapter."""
    settings: ModelSettings
    """Sizes."""
    address: Address
    """Where."""
    home: Path
    """Folder of caches."""
    ready: Callable[[str], None]
    """Told the base URL when it answers."""


def add_to(app: typer.Typer) -> None:
    """Registers the commands."""
    app.command("serve")(serve)
    app.command("export")(export)


def serve(
    model: Annotated[str, typer.Option(help="A GGUF file, or a name of `models list`")] = "",
    adapter: Annotated[str, typer.Option(help="A student: id, shipped:NAME, or folder")] = "",
    host: Annotated[
        str, typer.Option(help="Address; others than loopback need a key")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 picks one that is free", min=0, max=65535)] = PORT,
    engine: Annotated[str, typer.Option(help="What runs it")] = "llama.cpp",
    as_json: Json = False,
) -> None:
    """Serves a model or student of this machine with an OpenAI API until Ctrl-C.

    Without a name it is the one that answers by default: the promoted student, or the embedded
    model. Clients send the key of JOURNEYMAN_SERVER__API_KEY where it is set.
    """
    settings = load()
    if engine not in ENGINES:
        raise UnknownName("engine", engine, ENGINES)
    own = settings.model
    named = {"file": model, "adapter": adapter} if model or adapter else {}
    wanted = own.model_copy(update={"base_url": "", **named})
    place = ServerSettings(host=host, port=port, api_key=settings.server.api_key)
    check_binding(place)
    bind(place).close()  # says who has the port; the server's own words for that are no help
    chosen = describe(wanted, home=settings.home)

    def ready(url: str) -> None:
        if as_json:
            say_json({"url": url, "model": chosen.name})
            return
        out.print(f"serving {safe(chosen.name)} at {url}; Ctrl-C ends it")
        out.print(f"use it: OPENAI_BASE_URL={url} journeyman chat, or any OpenAI client")

    address = Address(host=host, port=port, key=settings.server.api_key)
    go(ENGINES[engine](Order(chosen, wanted, address, settings.home, ready)))


def export(
    adapter: Annotated[str, typer.Argument(help="A student: id, shipped:NAME, or folder")],
    to: Annotated[Path, typer.Option("--out", help="GGUF file to write")] = Path("student.gguf"),
    kind: Annotated[Kind, typer.Option(help="How weights are kept")] = "f16",
    as_json: Json = False,
) -> None:
    """Writes a student as one GGUF model, with a Modelfile beside it, for Ollama and llama.cpp."""
    settings = load()
    began = time.perf_counter()
    chosen = student(adapter, home=settings.home)
    base = base_of(chosen, file=None, home=settings.home)
    if not as_json:
        err.print(f"merging {safe(called(chosen, base=base))} ...")
    merged_gguf(
        unpacked(weights_of(chosen)),
        base=base,
        out=to,
        kind=kind,
        name=called(chosen, base=base),
    )
    recipe = to.with_name("Modelfile")
    recipe.write_text(modelfile(to, base=base, system=prompt("student")), "utf-8")
    size, seconds = to.stat().st_size, time.perf_counter() - began
    if as_json:
        say_json({"file": str(to), "modelfile": str(recipe), "bytes": size, "seconds": seconds})
    else:
        out.print(f"{to} ({size / 1e6:.0f} MB, {seconds:.1f} s) and {recipe}")
        out.print(f"use it: ollama create {chosen.id} -f {recipe}, or model.file = {to}")


async def with_llama_cpp(order: Order) -> None:
    """Serves with llama.cpp, in a child process, until SIGINT or SIGTERM. Raises `ModelError`."""
    chosen = order.chosen
    if chosen.file is None:
        raise Missing("no model is named", repair="name one with --model")
    check_file(chosen.file)
    lora = None
    if chosen.adapter is not None:
        lora = await off(lora_file, chosen.adapter, base=chosen.file, home=order.home)
    server = LocalServer(
        chosen.file,
        name=chosen.name,
        context=order.settings.context,
        parallel=order.settings.parallel,
        threads=order.settings.threads,
        adapter=lora,
        address=order.address,
    )
    try:
        order.ready(await server.start())
        await _until_told(server, chosen.name)
    finally:
        await server.stop()


async def with_vllm(order: Order) -> None:
    """Serves with vLLM on a GPU, the student loaded beside its base. Raises like `with_llama_cpp`.

    The base is prepared from its GGUF file once, since vLLM reads transformers' folders.
    """
    chosen = order.chosen
    if chosen.file is None:
        raise Missing("no model is named", repair="name one with --model")
    if order.address.host != "127.0.0.1" or order.address.key:
        raise UserError(
            "vLLM is started on loopback without a key",
            repair="leave --host out, and put a proxy with keys before it",
        )
    if shutil.which("vllm") is None:
        raise Missing("vLLM is not installed", repair="pip install 'journeyman[vllm]' (Linux)")
    say = lambda line: err.print(safe(line))  # noqa: E731 (one line, handed on)
    base = await off(partial(prepared, chosen.file, cache=order.home / "cache" / "bases"))
    name = names_in(chosen.file)[-1]
    server = VllmServer(
        str(base), port=order.address.port, name=name, context=order.settings.context, say=say
    )
    try:
        url = await server.start()
        if chosen.adapter is not None:
            folder = order.home / "cache" / "peft" / chosen.adapter.weights[:16]
            if not folder.exists():
                await off(peft_folder, weights_of(chosen.adapter), chosen.adapter, folder)
            answering = Swapping(ModelSettings(base_url=url, name=name))
            await answering.swap(chosen.name, folder)
            await answering.close()
        order.ready(url)
        await _until_told(server, chosen.name)
    finally:
        await server.stop()


async def _until_told(server: LocalServer | VllmServer, name: str) -> None:
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, told.set)
    while not told.is_set():
        try:
            await asyncio.wait_for(told.wait(), LOOK_S)
        except TimeoutError:
            if not server.alive:
                raise ModelError(
                    f"the server of {name} ended: {server.tail() or 'it said nothing'}",
                    repair="start it again; if it recurs, lower model.context or model.parallel",
                ) from None


ENGINES: dict[str, Callable[[Order], Coroutine[None, None, None]]] = {
    "llama.cpp": with_llama_cpp,
    "vllm": with_vllm,
}
"""What can run a model, by name."""
