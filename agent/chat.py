"""Conversations: each turn is one run of the graph over a chat episode, kept like any run."""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Callable, Sequence

from agent.browsing import Browsing
from agent.browsing_words import EARLIER, told_by
from agent.crossing import off
from agent.home import Home
from agent.kit import Event
from agent.mcp import ToolServers
from agent.models.types import Message
from agent.runner import Spec, new_id, run
from envs.chat import Chat, chat_task
from envs.errors import ModelError, Refused, UserError, one_line
from envs.types import Frozen
from memory.types import Lesson, Scope, Source, Trajectory
from skills.sandbox import Sandbox
from skills.showing import action_of
from skills.tools import Tool, calculator, memory_search, python, remember

WORD = re.compile(r"\w{3,}")
EMPTY = frozenset(
    [
        "the",
        "user",
        "users",
        "that",
        "this",
        "has",
        "have",
        "and",
        "are",
        "was",
        "for",
        "with",
        "his",
        "her",
        "their",
    ]
)
"""Words that say nothing about whom or what."""
TURNS = 12
"""Turns of the conversation that the model is told."""


class Turn(Frozen):
    """One question and its answer."""

    thread: str
    """Conversation."""
    run: str
    """Id of the run."""
    answer: str
    """What the agent says, with a correction where the verifier found it wrong."""
    draft: str
    """What the model said."""
    accepted: bool | None
    """The verifier's verdict; None where it can't tell."""
    tools: tuple[str, ...]
    """Tools that were called, in order."""
    trajectory: Trajectory
    """The whole run."""


def new_thread() -> str:
    """Id of a conversation."""
    return f"t{uuid.uuid4().hex[:12]}"


class Chats:
    """Holds conversations over one `Home`."""

    def __init__(self, home: Home, *, browsing: Browsing | None = None) -> None:
        self._home = home
        self._sandbox = Sandbox()
        home.at_close(self._sandbox.close)
        self._servers = ToolServers(home.settings.mcp.servers)
        home.at_close(self._servers.close)
        settings = home.settings
        own = Browsing(settings.browsing, executable=settings.browser or "")
        self._browsing = browsing or own
        home.at_close(self._browsing.close)

    async def turn(
        self,
        text: str,
        *,
        thread: str,
        user: str = "",
        history: Sequence[Message] | None = None,
        emit: Callable[[Event], None] | None = None,
    ) -> Turn:
        """Answers `text`. Without `history` the stored conversation is continued.

        Raises `ModelError` when the model fails; the turn is then recorded as failed.
        """
        if not text.strip():
            raise UserError("the message is empty", repair="say something")
        if history is None:
            history = self.history(thread)
        run_id = new_id()
        approved = await self._begin(text, thread, history)
        task = chat_task(text + approved, thread=thread, user=user)
        env = Chat(lambda _task: self._tools(text, run_id=run_id, user=user, thread=thread))
        spec = Spec(
            task=task, thread=thread, user=user, history=tuple(history[-2 * TURNS :]), guard=False
        )
        crew = await self._home.crew(chat=True, emit=emit)
        trajectory = await run(crew, env, spec, run_id=run_id)
        if trajectory.error:
            raise ModelError(trajectory.error, repair=f"the turn is kept as run {run_id}")
        return _turn(trajectory, thread, waits=self._browsing.end(thread))

    async def _begin(self, text: str, thread: str, history: Sequence[Message]) -> str:
        """What the message approves, in words; with that, whose words the conversation heard."""
        if not self._browsing.enabled:
            return ""
        turns = await off(lambda: self._home.ledger.trajectories(thread=thread, limit=TURNS))
        heard = told_by(step for turn in turns for step in turn.steps)
        if not turns and any(message["role"] == "assistant" for message in history):
            heard.add(EARLIER)
        return self._browsing.begin(thread, text, sources=heard)

    def history(self, thread: str) -> list[Message]:
        """The stored turns of a conversation, oldest first."""
        turns = self._home.ledger.trajectories(thread=thread, limit=TURNS)
        return [
            dict(message) for turn in reversed(turns) if not turn.error for message in turn.messages
        ]

    def _tools(self, text: str, *, run_id: str, user: str, thread: str) -> dict[str, Tool]:
        memory, browsing = self._home.memory, self._browsing

        def search(query: str) -> list[tuple[str, str]]:
            return [
                (lesson.id, lesson.text)
                for lesson, _similarity in memory.search(query, most=10)
                if lesson.scope.user in ("", user)
            ][:5]

        def write(fact: str) -> str:
            if not said_in(fact, text):
                raise Refused("the message does not say that", repair="remember what was said")
            lesson = Lesson(
                id=f"L{hashlib.sha256(f'{user}|{one_line(fact).lower()}'.encode()).hexdigest()[:12]}",
                kind="fact",
                text=one_line(fact)[:1000],
                situation=one_line(fact)[:500],
                scope=Scope(env="chat", user=user),
                source=Source(trajectory=run_id, quote=text[:300], origin=browsing.page(thread)),
                trust="web" if browsing.heard(thread) else "user",
                status="active",
            )
            change = memory.add(
                lesson, reason="asked to remember", evidence=(run_id,), actor="user"
            )
            return f"{change.target}: {lesson.text}"

        tools = (
            calculator(self._sandbox),
            python(self._sandbox),
            memory_search(search),
            remember(write),
        )
        mine = {tool.spec.name: tool for tool in tools}
        return browsing.tools(thread, self._servers.tools() | mine)


def said_in(fact: str, message: str) -> bool:
    """Whether at least half of the words that carry a fact stand in the message it goes back to.

    A weak model asks to remember things that nobody said; those must not become memory.
    """
    carrying = [word for word in WORD.findall(fact.lower()) if word not in EMPTY]
    spoken = set(WORD.findall(message.lower()))
    return bool(carrying) and sum(word in spoken for word in carrying) * 2 >= len(carrying)


def _turn(trajectory: Trajectory, thread: str, *, waits: str = "") -> Turn:
    actions = [action_of(step.action) for step in trajectory.steps]
    draft = next((str(a.arguments.get("text", "")) for a in actions if a.tool == "reply"), "")
    verdict = trajectory.verdicts[-1] if trajectory.verdicts else None
    answer = draft or "I ran out of steps before I had an answer."
    if verdict is not None and verdict.accepted is False and draft:
        answer = f"{draft}\n\n(Correction: {verdict.critique})"
    answer += f"\n\n{waits}" if waits else ""
    return Turn(
        thread=thread,
        run=trajectory.id,
        answer=answer,
        draft=draft,
        accepted=verdict.accepted if verdict else None,
        tools=tuple(a.tool for a in actions if a.tool and a.tool != "reply"),
        trajectory=trajectory,
    )
