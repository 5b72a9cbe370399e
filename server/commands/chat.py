"""`journeyman chat`: talk in the terminal."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from agent.chat import Chats, Turn, new_thread
from agent.home import home
from agent.kit import Event
from agent.settings import Settings, load
from envs.errors import ModelError, clip
from server.commands.memory import Json
from server.console import err, go, out, safe, say_json


def add_to(app: typer.Typer) -> None:
    """Registers the command."""
    app.command("chat")(chat)


def chat(
    message: Annotated[str, typer.Argument(help="One question; empty: a conversation")] = "",
    thread: Annotated[str, typer.Option(help="Conversation to continue")] = "",
    user: Annotated[str, typer.Option(help="Whose memory")] = "",
    as_json: Json = False,
) -> None:
    """Talks with the agent; conversations are kept."""
    go(_chat(load(), message, thread=thread or new_thread(), user=user, as_json=as_json))


async def _chat(settings: Settings, message: str, *, thread: str, user: str, as_json: bool) -> None:
    async with home(settings) as place:
        chats = Chats(place)
        asked = [message] if message else None
        waiting = "thinking; the first answer loads the model"
        if not asked and sys.stdin.isatty() and not as_json:
            name = (await place.model()).name
            out.print(f"[dim]{name} · conversation {thread} · an empty line ends it[/dim]")
        while text := (asked.pop() if asked else "" if asked == [] else _read()):
            try:
                with err.status(waiting):
                    turn = await chats.turn(text, thread=thread, user=user, emit=_progress(as_json))
                waiting = "thinking"
            except ModelError as error:
                if asked is not None:
                    raise
                err.print(f"[red]error:[/red] {safe(str(error))}")
                continue
            _tell(turn, as_json=as_json)


def _read() -> str:
    if sys.stdin.isatty():
        out.print("[bold]you[/bold] › ", end="")
    return sys.stdin.readline().strip()


def _progress(as_json: bool):
    def show(event: Event) -> None:
        if not as_json and event.kind in ("recalled", "action"):
            if event.text.startswith('{"tool":"reply"'):
                return
            err.print(f"[dim]{event.kind}: {safe(clip(event.text, most=160))}[/dim]")

    return show


def _tell(turn: Turn, *, as_json: bool) -> None:
    if as_json:
        say_json(turn.model_dump(mode="json", exclude={"trajectory"}))
    else:
        out.print(f"[bold]journeyman[/bold] › {safe(turn.answer)}")
