"""`journeyman mcp`: memory and skills for MCP clients, and the servers whose tools chat may use."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated, Any

import typer

from agent.mcp import ToolServers
from agent.settings import Settings, load
from agent.settings_files import FILE
from envs.errors import JourneymanError, clip, one_line
from server.commands.memory import Json
from server.console import go, out, say_json, table
from server.mcp import over_stdio


def add_to(app: typer.Typer) -> None:
    """Registers the command."""
    app.command("mcp")(mcp)


def mcp(
    tools: Annotated[
        bool, typer.Option("--tools", help="List the tools of the servers in the settings instead")
    ] = False,
    as_json: Json = False,
) -> None:
    """Serves memory and active skills to an MCP client at standard input and output."""
    settings = load()
    if not tools:
        go(over_stdio(settings, version=version("journeyman")))
        return
    rows = _rows(settings)
    if as_json:
        say_json(rows)
    elif rows:
        columns = ("server", "tool", "allowed", "about")
        table("tools of MCP servers", columns, [[row[name] for name in columns] for row in rows])
    else:
        out.print(f"no servers yet: name one under \\[mcp.servers.NAME] in {settings.home / FILE}")


def _rows(settings: Settings) -> list[dict[str, Any]]:
    servers = ToolServers(settings.mcp.servers)
    rows: list[dict[str, Any]] = []
    try:
        for name, server in settings.mcp.servers.items():
            try:
                for one in servers.look(name):
                    about = clip(one_line(one.description or ""), most=200)
                    allowed = "yes" if one.name in server.allow else "no"
                    rows.append(
                        {"server": name, "tool": one.name, "allowed": allowed, "about": about}
                    )
            except JourneymanError as error:
                rows.append({"server": name, "tool": "", "allowed": "", "about": str(error)})
    finally:
        servers.close()
    return rows
