"""Everything under one folder: opens what a run needs, once, and closes it in order."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from agent.chatting import ConstrainedTools, NativeTools
from agent.crossing import off
from agent.graph import Graph, opened
from agent.kit import Event, Reflector, Verifier
from agent.mechanisms import learning_with, seen_through
from agent.models.resolve import resolve
from agent.models.router import Fork, Router
from agent.models.types import Model
from agent.promotion import derive
from agent.reflector import Plain, Written
from agent.reflectors.registry import considered, reflecting
from agent.runner import Crew
from agent.selfcheck import SelfCheck
from agent.settings import ModelSettings, Settings
from agent.skilled import Toolbox
from agent.solver import Greedy
from agent.transcript import EMBEDDED, STUDENT
from agent.verifier import FirstThatKnows, Judge, Shown, ToolResults
from agent.worlds import open_env
from envs.errors import UserError
from envs.types import Env
from memory import postgres, served
from memory.embed import Embedder, MiniLM
from memory.index import Index
from memory.ledger import Ledger
from memory.recall import Memory
from skills.finding import Finder
from skills.library import Library
from skills.sandbox import Sandbox

FOLDERS = {"lessons": "index"}
"""Where an index lies, if not in a folder of its own name."""


class Home:
    """An open `JOURNEYMAN_HOME`: ledger, index, checkpoints; models and environments on demand."""

    def __init__(
        self,
        settings: Settings,
        *,
        memory: Memory,
        graph: Graph,
        models: Mapping[str, Model] | None = None,
        follow: bool = False,
    ) -> None:
        self.settings = settings
        self._follow = follow
        self.memory = memory
        self.ledger = memory.ledger
        self._graph = graph
        self._models: dict[str, Model] = dict(models or {})
        self._envs: dict[tuple[str, int], Env] = {}
        self._closing: list[Callable[[], None]] = []
        self._toolbox: Toolbox | None = None

    async def model(self, role: str = "model") -> Model:
        """The model of a role (`model`, `verifier`, `reflector`), started when first asked for."""
        chosen: ModelSettings | None = getattr(self.settings, role)
        if chosen is None:
            return await self.model()
        if role not in self._models:
            here = self.settings.home
            await off(derive, self.ledger, home=here)
            self._models[role] = await resolve(chosen, home=here, follow=self._follow)
        return self._models[role]

    async def env(self, name: str, *, workers: int = 1) -> Env:
        """An environment by name, opened once."""
        key = (name, workers)
        if key not in self._envs:
            self._envs[key] = await off(open_env, name, self.settings, workers=workers)
        return self._envs[key]

    async def crew(
        self, *, chat: bool = False, emit: Callable[[Event], None] | None = None
    ) -> Crew:
        """Who does the work: in a text environment, or with `chat` at a conversation."""
        model = await self.model()
        native = bool(self.settings.model.base_url)
        tools = NativeTools() if native else ConstrainedTools()
        strategy = considered(
            tools if chat else Greedy(), self.settings.learning, ledger=self.ledger
        )
        learning = self.settings.learning
        memory = seen_through(self.memory, learning)
        strategy, reflector = learning_with(
            learning,
            memory,
            strategy=strategy,
            reflector=await self._reflector(),
            model=await self._writer(),
        )
        return Crew(
            settings=self.settings,
            graph=self._graph,
            memory=memory,
            model=model,
            strategy=strategy,
            verifier=await self._verifier(chat=chat),
            reflector=reflector,
            skills=None if chat or not self.settings.skills.use else self.toolbox(),
            fork=None if chat or not self.settings.router.use else await self._fork(model),
            emit=emit or (lambda _event: None),
        )

    async def _fork(self, student: Model) -> Fork:
        """The student and the larger model, and who chooses between them."""
        bounds = self.settings.router
        if "larger" not in self._models:
            self._models["larger"] = await resolve(bounds.larger, home=self.settings.home)
        larger = self._models["larger"]
        return Fork(
            router=Router(self.ledger, bounds, student=student, larger=larger),
            models={"student": student, "larger": larger},
            settings={"student": self.settings.model, "larger": bounds.larger},
            again=bounds.again,
        )

    def toolbox(self) -> Toolbox:
        """Skills of this home, and the sandbox that they run in."""
        if self._toolbox is None:
            sandbox = Sandbox()
            self.at_close(sandbox.close)
            shelf = Library(self.ledger, effects=self.memory.effects)
            embedder = self.memory.index.embedder
            index = open_index(self.settings, self.ledger, embedder, name="skills")
            self.at_close(index.close)
            self._toolbox = Toolbox(shelf, sandbox, Finder(shelf, index))
        return self._toolbox

    async def _verifier(self, *, chat: bool) -> Verifier:
        if not chat:
            return Shown()
        chain: list[Verifier] = [ToolResults()]
        if self.settings.judge:
            chain.append(Judge(await self.model("verifier")))
        if self.settings.selfcheck:
            chain.append(SelfCheck(await self.model()))
        return FirstThatKnows(chain)

    async def _reflector(self) -> Reflector:
        model, writer = await self.model("reflector"), await self._writer()
        drafting = Plain() if writer is None else Written(writer)
        return reflecting(drafting, self.settings.learning, model=model, ledger=self.ledger)

    async def _writer(self) -> Model | None:
        """Who puts lessons into words; None: rules do."""
        model = await self.model("reflector")
        drafts = self.settings.memory.drafts
        spared = drafts == "auto" and (EMBEDDED in model.name or STUDENT in model.name)
        return None if drafts == "plain" or spared else model

    def at_close(self, close: Callable[[], None]) -> None:
        """Has something closed together with this home."""
        self._closing.append(close)

    async def close(self) -> None:
        """Ends models and environments; the ledger is closed by `home`."""
        for close in self._closing:
            await off(close)
        self._closing.clear()
        for model in self._models.values():
            await model.close()
        for env in self._envs.values():
            await off(env.close)
        self._models.clear()
        self._envs.clear()


def open_memory(settings: Settings) -> Memory:
    """Ledger and index, under the home folder or where `settings.store` has them.

    Raises `StoreError` where they can't be used, and `UserError` for an address that is none.
    """
    ledger, embedder = Ledger(ledger_place(settings)), MiniLM()
    try:
        index = open_index(settings, ledger, embedder, name="lessons")
        episodes = open_index(settings, ledger, embedder, name="episodes")
        return Memory(ledger, index, episodes=episodes)
    except UserError:
        ledger.close()
        raise


def open_index(settings: Settings, ledger: Ledger, embedder: Embedder, *, name: str) -> Index:
    """An index by its name, in a folder of the home, or on the server that `settings.store` names.

    Raises `StoreError` and `UserError` as `open_memory` does.
    """
    if served.is_server(settings.store.index):
        return served.ServedIndex(settings.store.index, embedder, ledger=ledger, name=name)
    return Index(settings.home / FOLDERS.get(name, name), embedder, name=name)


def ledger_place(settings: Settings) -> Path | str:
    """The ledger's file, or the address of its server. Raises `UserError` for neither."""
    place = settings.store.ledger
    if place and not postgres.is_server(place):
        raise UserError(
            "store.ledger is no address of PostgreSQL",
            repair="write postgresql://USER:PASSWORD@HOST:PORT/DATABASE",
        )
    return place or settings.home / "ledger.db"


@asynccontextmanager
async def home(
    settings: Settings,
    *,
    memory: Memory | None = None,
    models: Mapping[str, Model] | None = None,
    follow: bool = False,
) -> AsyncIterator[Home]:
    """Opens the folder of `settings`; a memory or models by role may be brought along.

    With `follow` a student that is promoted meanwhile takes over.
    """
    own = memory or await off(open_memory, settings)
    try:
        async with opened(checkpoints(settings)) as graph:
            place = Home(settings, memory=own, graph=graph, models=models, follow=follow)
            try:
                yield place
            finally:
                await place.close()
    finally:
        await off(own.close)


def checkpoints(settings: Settings) -> Path:
    """Where unfinished runs are kept."""
    return settings.home / "checkpoints.db"
