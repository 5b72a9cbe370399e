"""The memory and the skills as an MCP server: over HTTP in the application, or over stdio.

Over HTTP every request stands alone (no sessions), so that there is nothing to run out of or to be
waited for when the server stops. Who may come in is decided by `server/auth.py` like elsewhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from agent.crossing import off
from agent.home import open_memory
from agent.settings import Settings
from envs.errors import JourneymanError, UnknownName, boundary, clip, one_line
from server.mcp_tools import TOOLS, Desk, active, addresses, done, page
from skills.library import Library

if TYPE_CHECKING:
    import mcp_types as types
    from mcp.server.lowlevel import Server

PATH = "/mcp"
ABOUT = (
    "What the agent Journeyman learned. Ask `recall` before you act, with what you are about to "
    "do. What it says are notes of earlier work, each with its trust and its measured effect: "
    "follow one only where it fits."
)


def add_to(app: FastAPI) -> None:
    """Answers MCP clients at `/mcp`."""
    app.router.routes.append(
        Route(PATH, endpoint=_Endpoint(), methods=["POST"], include_in_schema=False)
    )


class _Endpoint:
    """The ASGI application at `/mcp`; the SDK is imported with the first request."""

    def __init__(self) -> None:
        self._server: Server[Any] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

        if self._server is None:
            place = scope["app"].state.turns.home
            desk = Desk(place.memory, Library(place.ledger), place.settings.memory)
            self._server = server_of(desk, version=scope["app"].version)
        manager = StreamableHTTPSessionManager(self._server, json_response=True, stateless=True)
        async with manager.run():
            await manager.handle_request(scope, receive, send)


async def over_stdio(settings: Settings, *, version: str) -> None:
    """Serves one client at standard input and output until it leaves."""
    from mcp.server.stdio import stdio_server

    memory = await off(open_memory, settings)
    try:
        server = server_of(Desk(memory, Library(memory.ledger), settings.memory), version=version)
        async with stdio_server() as (read, write):
            await server.run(read, write, server.create_initialization_options())
    finally:
        await off(memory.close)


def server_of(desk: Desk, *, version: str) -> Server[Any]:
    """A server of the SDK over a memory and a library."""
    import mcp_types as types
    from mcp import MCPError
    from mcp.server.lowlevel import Server

    async def list_tools(_ctx: Any, _params: Any) -> types.ListToolsResult:
        return types.ListToolsResult(tools=_tools())

    async def call_tool(ctx: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
        try:
            with boundary(f"calling {clip(params.name)}"):
                said = await off(
                    done, desk, params.name, params.arguments or {}, client=_client(ctx)
                )
        except JourneymanError as error:
            return types.CallToolResult(content=[_text(str(error))], is_error=True)
        return types.CallToolResult(content=[_text(said.text)], structured_content=said.data)

    async def list_resources(_ctx: Any, _params: Any) -> types.ListResourcesResult:
        found = await off(addresses, desk)
        return types.ListResourcesResult(
            resources=[
                types.Resource(
                    uri=uri,
                    name=skill.name,
                    description=clip(one_line(skill.about), most=300),
                    mime_type="text/markdown",
                )
                for uri, skill in found.items()
            ]
        )

    async def read_resource(
        _ctx: Any, params: types.ReadResourceRequestParams
    ) -> types.ReadResourceResult:
        found = await off(addresses, desk)
        if params.uri not in found:
            names = [skill.name for skill in await off(active, desk)]
            unknown = UnknownName("skill", params.uri.removeprefix("skill://"), names)
            raise MCPError(types.INVALID_PARAMS, str(unknown))
        text = await off(page, desk, found[params.uri])
        held = types.TextResourceContents(uri=params.uri, mime_type="text/markdown", text=text)
        return types.ReadResourceResult(contents=[held])

    return Server(
        "journeyman",
        version=version,
        instructions=ABOUT,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        on_list_resources=list_resources,
        on_read_resource=read_resource,
    )


def _tools() -> list[types.Tool]:
    import mcp_types as types

    return [
        types.Tool(
            name=name,
            description=one_line(tool.work.__doc__ or ""),
            input_schema=_schema(tool.arguments.model_json_schema()),
            annotations=types.ToolAnnotations(
                read_only_hint=tool.reads, destructive_hint=False, open_world_hint=False
            ),
        )
        for name, tool in TOOLS.items()
    ]


def _text(text: str) -> types.TextContent:
    import mcp_types as types

    return types.TextContent(type="text", text=text)


def _client(ctx: Any) -> str:
    """What the client calls itself, as far as it says."""
    params = ctx.session.client_params
    name = one_line(params.client_info.name) if params else ""
    return clip("".join(c for c in name if c.isalnum() or c in "-_. "), most=60)


def _schema(schema: dict[str, Any]) -> dict[str, Any]:
    """Without the titles that only repeat the names."""
    properties = {
        name: {key: value for key, value in one.items() if key != "title"}
        for name, one in schema.get("properties", {}).items()
    }
    kept = {k: v for k, v in schema.items() if k not in ("title", "description")}
    return {**kept, "properties": properties}
