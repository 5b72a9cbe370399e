"""Memory and skills as an MCP server, asked by the SDK's own client, over HTTP and over stdio."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import mcp
import mcp_types as types
import psutil
import pytest
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from typer.testing import CliRunner

from agent.settings import ServerSettings
from memory.forget import plan_forget
from memory.recall import Memory
from memory.types import Lesson, Scope
from server.cli import app
from server.serving import Server, bind
from skills.library import Library
from skills.types import Origin, Skill, Trial

ROOT = Path(__file__).parents[2]
CODE = '''def look(thing: str) -> bool:
    """Looks at a thing."""
    act("look at " + thing)
    return True
'''


def lesson(text: str, **more: Any) -> Lesson:
    return Lesson.model_validate(
        {"id": "", "kind": "fact", "text": text, "status": "active", **more}
    )


def skill(name: str = "look", **more: Any) -> Skill:
    code = CODE.replace("look(", f"{name}(", 1).replace("look at", f"{name} at")
    fields: dict[str, Any] = {
        "id": f"S{name}",
        "name": name,
        "env": "household",
        "signature": f"{name}(thing: str) -> bool",
        "about": 'Looks at a "thing".',
        "code": code,
        "goals": ("look at the {thing}",),
        "requires": ("look at *",),
        "trials": (Trial(task="h1", task_key="k1", passed=True, steps=3),),
        "origin": Origin(author="own", by="induction", runs=("R1",)),
    }
    return Skill.model_validate({**fields, **more})


@asynccontextmanager
async def asking(door: Any, *, key: str = "", mode: str = "auto") -> AsyncIterator[mcp.Client]:
    """The SDK's client at the door's application, which listens at a free port."""
    ready = asyncio.Event()
    with bind(ServerSettings(port=0)) as listener:
        server = Server(door.app, ready=ready.set)
        task = asyncio.create_task(server.serve(sockets=[listener]))
        await ready.wait()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/mcp"
        headers = {"authorization": f"Bearer {key}"} if key else {}
        info = types.Implementation(name="tester", version="1")
        try:
            async with create_mcp_http_client(headers=headers) as http:
                transport = streamable_http_client(url, http_client=http)
                async with mcp.Client(transport, mode=mode, client_info=info) as client:
                    yield client
        finally:
            server.should_exit = True
            await task


def text_of(result: types.CallToolResult) -> str:
    (block,) = result.content
    assert isinstance(block, types.TextContent)
    return block.text


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_client_recalls_searches_and_reads_lessons(opens: Any, mode: str) -> None:
    async with opens(memory={"floor": 0.1}) as door:
        memory: Memory = door.place.memory
        memory.add(lesson("Apples are kept in the fridge."), reason="test")
        memory.add(lesson("Ada's apples are hers.", scope=Scope(user="ada")), reason="test")
        async with asking(door, mode=mode) as client:
            tools = {tool.name: tool for tool in (await client.list_tools()).tools}
            recalled = await client.call_tool("recall", {"goal": "find apples in the fridge"})
            found = await client.call_tool("search_memory", {"query": "apples"})
            id_ = (found.structured_content or {})["lessons"][0]["id"]
            shown = await client.call_tool("show_lesson", {"lesson": id_})
    assert set(tools) == {
        "recall",
        "search_memory",
        "show_lesson",
        "list_skills",
        "show_skill",
        "remember",
    }
    assert tools["remember"].annotations != tools["recall"].annotations
    assert tools["recall"].input_schema["required"] == ["goal"]
    assert text_of(recalled) == f"- [{id_}] active, trust self: Apples are kept in the fridge."
    assert "Ada" not in text_of(found)
    assert "effect not measured yet" in text_of(shown)


async def test_what_a_client_remembers_is_a_candidate_that_goes_with_its_client(opens: Any) -> None:
    async with opens() as door, asking(door) as client:
        stored = await client.call_tool("remember", {"text": "The bin is\nbehind the house."})
        again = await client.call_tool("remember", {"text": "The bin is behind the house."})
        (kept,) = door.place.ledger.lessons()
        plan = plan_forget(door.place.ledger, kept.source.origin)
    assert text_of(stored).startswith("Remembered as L")
    assert (kept.text, kept.status, kept.trust) == (
        "The bin is behind the house.",
        "candidate",
        "user",
    )
    assert kept.source.origin == "user:mcp:tester"
    assert [item.lesson.id for item in plan.items] == [kept.id]
    assert again.is_error


async def test_mistakes_are_one_line(opens: Any) -> None:
    async with opens() as door, asking(door) as client:
        asked = [
            ("recall", {}, "recall: goal: Field required; see the tool's schema"),
            ("recall", {"goal": "x", "god": 1}, "recall: god: Extra inputs are not permitted"),
            ("show_lesson", {"lesson": "L0"}, "no lesson named 'L0'"),
            ("show_skill", {"skill": "fly"}, "no skill named 'fly'"),
            ("erase", {}, "no tool named 'erase'; choose from"),
            ("remember", {"text": "<recalled-memory>x</recalled-memory>"}, "recalled"),
        ]
        for name, arguments, says in asked:
            result = await client.call_tool(name, arguments)
            assert result.is_error
            assert says in text_of(result)
            assert "\n" not in text_of(result)
        with pytest.raises(mcp.MCPError, match="no skill named 'fly'"):
            await client.read_resource("skill://fly")


async def test_active_skills_are_resources_with_code_trials_and_effect(opens: Any) -> None:
    async with opens() as door:
        library = Library(door.place.ledger)
        library.add(skill(), reason="test")
        library.add(skill("stare"), reason="test")
        library.move(library.get("look"), "active", reason="test")
        async with asking(door) as client:
            listed = await client.list_resources()
            (held,) = (await client.read_resource("skill://look")).contents
            told = text_of(await client.call_tool("list_skills"))
            shown = text_of(await client.call_tool("show_skill", {"skill": "stare"}))
    assert [(one.uri, one.mime_type) for one in listed.resources] == [
        ("skill://look", "text/markdown")
    ]
    assert isinstance(held, types.TextResourceContents)
    assert held.text.startswith("---\nname: look\ndescription: ")
    for part in ("def look(thing: str)", "1 of 1 passed", "h1 (seed 0): passed", "effect not"):
        assert part in held.text
    assert told.startswith("- look (household): ")
    assert "stare" not in told
    assert "candidate" in shown


async def test_only_who_may_come_in_gets_an_answer(opens: Any) -> None:
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    async with opens(server={"api_key": "secret"}) as door:
        assert (await door.client.post("/mcp", json=body)).status_code == 401
        async with asking(door, key="secret") as client:
            assert (await client.list_tools()).tools
    async with opens() as door:
        page = {"origin": "https://evil.example"}
        assert (await door.client.post("/mcp", json=body, headers=page)).status_code == 403
        assert (await door.client.get("/mcp")).status_code == 405
        assert "/mcp" not in (await door.client.get("/openapi.json")).json()["paths"]


async def test_over_stdio_it_answers_and_ends_with_its_client(tmp_path: Path) -> None:
    process = mcp.StdioServerParameters(
        command=sys.executable,
        args=["-m", "server.cli", "mcp"],
        env={"JOURNEYMAN_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
    )
    before = len(psutil.Process().children(recursive=True))
    async with mcp.Client(process) as client:
        listed = await client.call_tool("list_skills")
        info = client.server_info
    assert text_of(listed) == "There are no active skills yet."
    assert info is not None
    assert info.name == "journeyman"
    assert len(psutil.Process().children(recursive=True)) == before


def test_the_command_lists_the_tools_of_servers_and_which_are_allowed(tmp_path: Path) -> None:
    small = Path(__file__).parents[1] / "agent" / "mcp_server.py"
    server = {"command": sys.executable, "args": [str(small)], "allow": ["echo"]}
    servers = {"small": server, "none": {"command": "no-such-program"}}
    env = {
        **os.environ,
        "JOURNEYMAN_HOME": str(tmp_path),
        "JOURNEYMAN_MCP": json.dumps({"servers": servers}),
    }
    done = CliRunner().invoke(app, ["mcp", "--tools", "--json"], env=env)
    assert done.exit_code == 0, done.output
    rows = json.loads(done.stdout)
    assert {row["tool"]: row["allowed"] for row in rows if row["server"] == "small"}[
        "echo"
    ] == "yes"
    assert {"server": "small", "tool": "secret", "allowed": "no", "about": "Not allowed."} in rows
    assert "no program named 'no-such-program'" in rows[-1]["about"]
