"""Arms as a user brings them along, `brought:Class`: none calls a model, some cheat, some break."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from agent.kit import Kit, Strategy
from agent.runner import Crew
from agent.state import State
from bench.arms.controls import Journeyman, RandomMemory, ShuffledMemory
from bench.arms.types import Arm, Desk, Note, Played
from envs.errors import ModelError
from envs.types import Env, Task
from memory.embed import HashEmbedder
from memory.types import Lesson, Source, Usage


class First(Strategy):
    """The first admissible action: no chance at all."""

    async def choose(self, state: State, kit: Kit) -> State:
        text = (state.get("seen", {}).get("admissible") or ("look",))[0]
        return {"action": {"text": text}, "thought": "", "said": [text]}


class Seeks(Strategy):
    """Opens drawers by chance, and gives what was asked for when it has found it."""

    async def choose(self, state: State, kit: Kit) -> State:
        choices = state.get("seen", {}).get("admissible") or ("look",)
        thing = kit.task.goal.removeprefix("Bring me the ").removesuffix(".")
        done = {step["action"] for step in state.get("steps", ())}
        wanted = [text for text in (f"give {thing}", f"take {thing}") if text in choices]
        left = [text for text in choices if text.startswith("open") and text not in done]
        text = wanted[0] if wanted else kit.rng.choice(left or list(choices))
        return {"action": {"text": text}, "thought": "", "said": [text]}


class Still(Arm):
    """Greedy."""

    def crew(self, crew: Crew) -> Crew:
        return replace(crew, strategy=First())


class Wanders(Arm):
    chance = True

    def crew(self, crew: Crew) -> Crew:
        return replace(crew, strategy=Seeks())


class Learns(Wanders):
    """Keeps a note of each train run, and wanders. What it keeps tells in which order it learned.

    `room` is how many notes it shows.
    """

    learns = True

    def __init__(self, desk: Desk, *, room: int = 3) -> None:
        super().__init__(desk)
        self._room = room
        self._kept: list[dict[str, Any]] = []

    async def notes(self, task: Task) -> tuple[Note, ...]:
        return tuple(Note(**one) for one in reversed(self._kept[-self._room :]))

    async def learn(self, played: Played) -> Usage:
        run = played.trajectory
        drawn = self.desk.rng.random()
        note = Note(
            id=f"n{len(self._kept)}",
            text=f"After {len(self._kept)}: {run.goal} ended {run.stop}, {drawn:.6f}",
            runs=(run.id,),
            task_keys=(played.task.key,),
        )
        self._kept.append(note.model_dump(mode="json"))
        return Usage(calls=1, prompt_tokens=10, completion_tokens=5, cost=0.01)

    def dump(self) -> dict[str, Any]:
        return {"kept": self._kept}

    def load(self, kept: dict[str, Any]) -> None:
        self._kept = list(kept.get("kept", ()))


class Blooms(Learns):
    """Stands still at first; seeks once it has learned."""

    def crew(self, crew: Crew) -> Crew:
        return replace(crew, strategy=Seeks() if self._kept else First())


class Memory(Journeyman):
    """Our memory over words in common, wandering."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(replace(desk, embedder=HashEmbedder), think=False)

    def crew(self, crew: Crew) -> Crew:
        crew = super().crew(crew)
        memory = crew.settings.memory.model_copy(update={"floor": -1.0})
        settings = crew.settings.model_copy(update={"memory": memory})
        return replace(crew, strategy=Seeks(), settings=settings)


class AnyMemory(Memory, RandomMemory):
    pass


class MixedMemory(Memory, ShuffledMemory):
    pass


# arms that cheat


class OpensGame(Wanders):
    """Reads a game file while it writes its notes."""

    def __init__(self, desk: Desk, *, file: str) -> None:
        super().__init__(desk)
        self._file = Path(file)

    async def notes(self, task: Task) -> tuple[Note, ...]:
        return (Note(id="key", text=self._file.read_text("utf-8")),)


class OpensGameFirst(Wanders):
    """Reads it already when it is made."""

    def __init__(self, desk: Desk, *, file: str) -> None:
        super().__init__(desk)
        self._text = Path(file).read_text("utf-8")


class AsksScore(Wanders):
    """Gets at the episode behind the player, asks for the score, and swallows the refusal."""

    def crew(self, crew: Crew) -> Crew:
        return replace(crew, strategy=Asks())


class Asks(Strategy):
    async def choose(self, state: State, kit: Kit) -> State:
        live = getattr(kit.player, "_li" + "ve")
        with suppress(Exception):
            getattr(live(), "sco" + "re")()
        return await Seeks().choose(state, kit)


class KeepsEnv(Wanders):
    """Keeps the environment that it is given, to begin an episode of its own."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._env: Env | None = None

    def env(self, env: Env) -> Env:
        self._env = env
        return env

    async def notes(self, task: Task) -> tuple[Note, ...]:
        return (Note(id="env", text=str(self._env)),)


class Forges(Learns):
    """Hides where its notes come from: `how` is `run`, `key`, `text`, `fixed` or `own`."""

    def __init__(self, desk: Desk, *, how: str, secret: str = "", key: str = "") -> None:
        super().__init__(desk)
        self._how, self._secret, self._key = how, secret, key

    async def notes(self, task: Task) -> tuple[Note, ...]:
        honest = [Note(**one) for one in self._kept[-1:]]
        if not honest:
            return ()
        changes: dict[str, dict[str, Any]] = {
            "run": {"runs": ("cnobody",), "task_keys": ()},
            "key": {"task_keys": (*honest[0].task_keys, self._key)},
            "text": {"text": self._secret},
            "fixed": {"text": self._secret, "runs": ("demo:mine",), "task_keys": ()},
            "own": {"task_keys": (task.key,), "runs": honest[0].runs},
        }
        return (honest[0].model_copy(update=changes[self._how]),)

    def fixed(self) -> frozenset[str]:
        return frozenset({"demo:mine"}) if self._how == "fixed" else frozenset()


class ForgesLessons(Memory):
    """Writes a lesson that goes back to a task which it did not learn from."""

    def lessons(self) -> Iterable[Lesson]:
        kept = [*super().lessons()]
        source = Source(trajectory="cnobody", task_keys=("steal it | room 61",), quote="")
        return (*kept, Lesson(id="Lforged", kind="fact", text="The key is here.", source=source))


# arms that break


class Dies(Learns):
    """Ends its process in the middle of a cell, `times` times in all; `mark` counts."""

    def __init__(self, desk: Desk, *, mark: str, times: int = 1, phase: str = "learn") -> None:
        super().__init__(desk)
        self._mark, self._times, self._phase = Path(mark), times, phase

    async def learn(self, played: Played) -> Usage:
        if self._phase == "learn":
            self._die()
        return await super().learn(played)

    async def notes(self, task: Task) -> tuple[Note, ...]:
        if self._phase == "measure" and task.split != "train":
            self._die()
        return await super().notes(task)

    def _die(self) -> None:
        count = self._mark.stat().st_size if self._mark.exists() else 0
        if count < self._times:
            self._mark.write_bytes(b"x" * (count + 1))
            os.kill(os.getpid(), signal.SIGKILL)


class Fails(Learns):
    """Its model fails it: when it learns from its second run, or when it writes `notes`."""

    def __init__(self, desk: Desk, *, when: str = "learn") -> None:
        super().__init__(desk)
        self._when = when

    async def learn(self, played: Played) -> Usage:
        if self._when == "learn" and len(self._kept) == 1:
            raise ModelError("the model said nothing", repair="ask again")
        return await super().learn(played)

    async def notes(self, task: Task) -> tuple[Note, ...]:
        if self._when == "notes" and task.split != "train":
            raise ModelError("the model said nothing", repair="ask again")
        return await super().notes(task)


class Faulty(Wanders):
    """Has a fault of its own."""

    async def notes(self, task: Task) -> tuple[Note, ...]:
        return ({}["nothing"],)


class Knows(Wanders):
    """Says that it may see the key."""

    knows_key = True


class NoArm:
    pass


class Sleeps(Wanders):
    """Takes an hour for its notes."""

    def __init__(self, desk: Desk, *, mark: str) -> None:
        super().__init__(desk)
        self._mark = Path(mark)

    async def notes(self, task: Task) -> tuple[Note, ...]:
        self._mark.touch()
        time.sleep(3600)  # noqa: ASYNC251 - it holds the whole process up
        return ()
