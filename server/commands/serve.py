"""`journeyman serve`: the REST API."""

from __future__ import annotations

from typing import Annotated

import typer

from agent.settings import load
from server.commands.memory import Json
from server.console import go, out, say_json
from server.serving import detach, serve, stop


def add_to(app: typer.Typer) -> None:
    """Registers the command."""
    app.command("serve")(serve_)


def serve_(
    host: Annotated[str | None, typer.Option(help="Address; default 127.0.0.1")] = None,
    port: Annotated[int | None, typer.Option(help="Port; default 8321, 0 picks one")] = None,
    background: Annotated[bool, typer.Option("--detach", help="In the background")] = False,
    stop_: Annotated[bool, typer.Option("--stop", help="End the one in the background")] = False,
    as_json: Json = False,
) -> None:
    """Serves the OpenAI-compatible API and the memory API."""
    settings = load(server={"host": host, "port": port})
    if stop_:
        stopped = stop(settings)
        if as_json:
            say_json({"stopped": stopped})
        else:
            out.print("stopped" if stopped else "no server runs in the background")
    elif background:
        url, pid = detach(settings)
        if as_json:
            say_json({"url": url, "pid": pid})
        else:
            out.print(f"serving at {url} (process {pid}); `journeyman serve --stop` ends it")
    else:

        def ready(url: str) -> None:
            if as_json:
                say_json({"url": url})
            else:
                out.print(f"serving at {url} (chat: {url}/v1, schema: {url}/docs); Ctrl-C ends it")

        go(serve(settings, on_ready=ready))
