"""The graph. The only file that imports LangGraph, which takes a second: with the first run.

recall -> act -> observe -+-> recall             (before every action)
+-> verify -+-> learn -> end
+-> reflect -> recall      (retries left)
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

import aiosqlite

from agent import nodes
from agent.kit import Kit
from agent.state import State
from envs.errors import StoreError, one_line

if TYPE_CHECKING:
    from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
    from langgraph.graph import StateGraph
    from langgraph.graph.state import CompiledStateGraph

Node = Callable[[State, Kit], Awaitable[State]]
NODES: dict[str, Node] = {
    "recall": nodes.recall,
    "act": nodes.act,
    "observe": nodes.observe,
    "verify": nodes.verify,
    "reflect": nodes.reflect,
    "learn": nodes.learn,
}
MOST_NODES = 1_000_000
"""LangGraph stops a run after so many nodes; ours end by their budget."""


class Runtime(Protocol):
    """LangGraph's object of that name, as nodes need it."""

    context: Kit
    """What the run was given."""


class Graph:
    """The graph over one checkpoint database, compiled when it is first needed."""

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._connection = connection
        self._lock = asyncio.Lock()
        self._made: tuple[AsyncSqliteSaver, CompiledStateGraph[State, Kit]] | None = None

    async def run(self, run_id: str, kit: Kit, *, state: State | None) -> State:
        """Runs to the end from `state`, or with None from the last checkpoint of this run."""
        _, app = await self._ready()
        done = await app.ainvoke(
            state, _config(run_id), context=kit, durability="sync", stream_mode="values"
        )
        return cast("State", done)

    async def state(self, run_id: str) -> State | None:
        """The state at the last checkpoint; None where there is none."""
        _, app = await self._ready()
        snapshot = await app.aget_state(_config(run_id))
        return cast("State", snapshot.values) if snapshot.values else None

    async def forget(self, run_id: str) -> None:
        """Drops the checkpoints of a run whose trajectory is written."""
        saver, _ = await self._ready()
        await saver.adelete_thread(run_id)

    async def _ready(self) -> tuple[AsyncSqliteSaver, CompiledStateGraph[State, Kit]]:
        from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

        async with self._lock:
            if self._made is None:
                saver = AsyncSqliteSaver(self._connection)
                await saver.setup()
                self._made = saver, _build().compile(checkpointer=saver)
            return self._made


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[Graph]:
    """A graph whose checkpoints lie at `path`. Raises `StoreError` where that can't be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = await aiosqlite.connect(path, timeout=30)
    except (OSError, aiosqlite.Error) as error:
        raise _unusable(path, error) from error
    try:
        await connection.execute("pragma journal_mode=wal")
        await connection.execute("pragma synchronous=normal")
        yield Graph(connection)
    except aiosqlite.DatabaseError as error:
        raise _unusable(path, error) from error
    finally:
        await connection.close()


def _unusable(path: Path, error: Exception) -> StoreError:
    return StoreError(
        f"checkpoints at {path} can't be used: {one_line(str(error))}",
        repair="make the folder writable, or remove the file (interrupted runs then end as failed)",
    )


def _config(run_id: str) -> Any:
    return {"configurable": {"thread_id": run_id}, "recursion_limit": MOST_NODES}


def _node(function: Node) -> Callable[[State, Runtime], Awaitable[State]]:
    async def timed(state: State, runtime: Runtime) -> State:
        began = time.perf_counter()
        update = await function(state, runtime.context)
        return {**update, "elapsed": time.perf_counter() - began}

    return timed


def _build() -> StateGraph[State, Kit]:
    from langgraph.graph import END, START, StateGraph

    graph: StateGraph[State, Kit] = StateGraph(State, context_schema=Kit)
    for name, function in NODES.items():
        graph.add_node(name, cast("Any", _node(function)))
    graph.add_edge(START, "recall")
    graph.add_edge("recall", "act")
    graph.add_edge("act", "observe")
    graph.add_conditional_edges("observe", nodes.after_observe, ["recall", "verify"])
    graph.add_conditional_edges("verify", cast("Any", _after_verify), ["reflect", "learn"])
    graph.add_edge("reflect", "recall")
    graph.add_edge("learn", END)
    return graph


def _after_verify(state: State, runtime: Runtime) -> str:
    return nodes.after_verify(state, runtime.context)
