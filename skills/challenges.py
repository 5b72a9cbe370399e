"""Tasks as code: an instruction, a verifier, a solution and failures, admitted by running them.

A challenge takes place in the world of a train task, whose own goal plays no part in it. Its
verifier is a function of what was done and seen: it has no way to act, and gets no score.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from envs.errors import EnvError, Refused, UnknownName, one_line
from envs.types import Action, Env, Episode, Frozen, Score, Split, Step, Task, ToolSpec
from skills.playing import Stage, play
from skills.program import problems
from skills.sandbox import Sandbox, SandboxLimits, SandboxResult
from skills.showing import action_of

FEWEST = 1
"""Failures that a challenge brings along at least; two more are made here."""
CHECKING = SandboxLimits(seconds=1.0, memory=64_000_000, calls=0, depth=200)
"""What one call of a verifier may use."""


class Challenge(Frozen):
    """A task that somebody made up, as code. Data only; `judged` says whether it may be used."""

    world: str
    """Id of the train task in whose episode it takes place."""
    instruction: str
    """What is asked, in words."""
    verifier: str
    """`verify(done: list[str], answers: list[str], offered: list[str]) -> bool`: what was done,
    what came back (one longer: the first observation stands at its front), and what could be done
    at the end."""
    solution: str
    """`solve() -> bool`: code over the tools of the world that does what is asked."""
    failures: tuple[str, ...] = ()
    """The same as the solution, but each does not do what is asked."""
    requires: tuple[str, ...] = ("*",)
    """What solution and failures may do."""

    @property
    def id(self) -> str:
        """The same for the same instruction in the same world."""
        text = f"{self.world}|{self.instruction}"
        return f"C{hashlib.sha256(text.encode()).hexdigest()[:12]}"


class Record(Frozen):
    """What a verifier is told of a play."""

    done: tuple[str, ...] = ()
    """Actions in order; a call of a tool as JSON."""
    answers: tuple[str, ...] = ()
    """Observations; the first stood there before any action."""
    offered: tuple[str, ...] = ()
    """Commands that could be given at the end, where they are listed."""
    error: str = ""
    """One line, where the code broke."""


def refusal(env: Env, sandbox: Sandbox, challenge: Challenge) -> str:
    """Why a challenge is not admitted; empty: it is.

    Its verifier has to accept the solution, and to reject each failure, doing nothing, and the
    solution without its last action, all played in fresh episodes. A verifier that breaks on any
    of them does not reject it.
    """
    codes = (("verify", challenge.verifier), ("solve", challenge.solution))
    for name, code in (*codes, *(("solve", one) for one in challenge.failures)):
        wrong = problems(code, name)
        if wrong:
            return f"{name}: {wrong[0]}"
    if len(challenge.failures) < FEWEST:
        return "it brings no failure along that its verifier could reject"
    solved = attempt(env, sandbox, challenge, challenge.solution)
    if solved.error:
        return f"its solution breaks: {solved.error}"
    if not solved.done:
        return "its solution does nothing"
    said = verdict(sandbox, challenge, solved)
    if said.error or said.value is not True:
        return f"its verifier does not accept the solution{_told(said)}"
    idle = Record(answers=solved.answers[:1], offered=_first(env, challenge).offered)
    played = [("doing nothing", idle)]
    played.append(("its solution without the last action", _shorter(env, challenge, solved)))
    for number, code in enumerate(challenge.failures, start=1):
        lost = attempt(env, sandbox, challenge, code)
        if lost.done == solved.done:
            return f"failure {number} does the same as the solution"
        played.append((f"failure {number}", lost))
    for what, record in played:
        said = verdict(sandbox, challenge, record)
        if said.error or said.value is not False:
            return f"its verifier does not reject {what}{_told(said)}"
    return ""


def attempt(env: Env, sandbox: Sandbox, challenge: Challenge, code: str) -> Record:
    """Plays `solve()` of some code in a fresh episode of the challenge's world."""
    episode = env.open(_world(env, challenge))
    done: list[Action] = []
    answers = [episode.first.observation]

    def do(action: Action) -> Step:
        step = episode.step(action)
        done.append(action)
        answers.append(step.observation)
        return step

    try:
        stage = Stage(
            episode.first,
            goal=challenge.instruction,
            requires=challenge.requires,
            tools=episode.tools,
        )
        played = play(sandbox, code, "solve", {}, stage=stage, do=do)
    except EnvError as error:
        return Record(error=one_line(str(error)))
    finally:
        episode.close()
    return Record(
        done=tuple(_line(one) for one in done),
        answers=tuple(answers),
        offered=stage.seen.admissible or (),
        error=played.error,
    )


def verdict(sandbox: Sandbox, challenge: Challenge, record: Record) -> SandboxResult:
    """What the verifier says of a record; its value is a bool, or it is wrong."""
    given = (list(record.done), list(record.answers), list(record.offered))
    inside = ", ".join(repr(one) for one in given)
    return sandbox.run(f"{challenge.verifier}\n\nverify({inside})", limits=CHECKING, seed=0)


class Challenges:
    """Admitted challenges as an environment: its reward is what their verifiers say."""

    def __init__(
        self, env: Env, challenges: Sequence[Challenge], *, sandbox: Sandbox, owned: bool = False
    ) -> None:
        """Raises `Refused` for a challenge that is not admitted; they are all played here.

        `owned`: world and sandbox are closed with it.
        """
        self.name = f"challenges:{env.name}"
        self._owned = owned
        self._env = env
        self._sandbox = sandbox
        self._known = {one.id: one for one in challenges}
        for one in challenges:
            wrong = refusal(env, sandbox, one)
            if wrong:
                raise Refused(f"challenge {one.id}: {wrong}", repair="leave it out, or mend it")

    def tasks(self, split: Split) -> Sequence[Task]:
        """One for each challenge; all are for training."""
        return tuple(self._task(one) for one in self._known.values()) if split == "train" else ()

    def open(self, task: Task, *, seed: int | None = None) -> Episode:
        """An episode of the challenge's world, under its instruction."""
        if task.id not in self._known:
            raise UnknownName("challenge", task.id, self._known)
        challenge = self._known[task.id]
        world = _world(self._env, challenge).model_copy(update={"limits": task.limits})
        inner = self._env.open(world, seed=seed)
        return ChallengeEpisode(task, inner, challenge, sandbox=self._sandbox)

    def close(self) -> None:
        """Leaves the world open for others that use it, unless it is its own."""
        if self._owned:
            self._env.close()
            self._sandbox.close()

    def _task(self, challenge: Challenge) -> Task:
        world = _world(self._env, challenge)
        place = world.key.partition("|")[2].strip() or world.key
        return Task(
            id=challenge.id,
            env=self.name,
            goal=challenge.instruction,
            key=f"{challenge.instruction} | {place}",
            split="train",
            seed=world.seed,
            limits=world.limits,
            tags=("challenge", "own"),
        )


class ChallengeEpisode:
    """One attempt at a challenge; it ends as soon as its verifier accepts."""

    def __init__(
        self, task: Task, inner: Episode, challenge: Challenge, *, sandbox: Sandbox
    ) -> None:
        self.task = task
        self._inner = inner
        self._challenge = challenge
        self._sandbox = sandbox
        self._done: list[str] = []
        self._answers: list[str] = []
        self._passed = False
        self.first = self._step(inner.first)

    @property
    def tools(self) -> Sequence[ToolSpec]:
        """Those of its world."""
        return self._inner.tools

    def step(self, action: Action) -> Step:
        """Does one action in its world; that world's own end cuts the attempt off."""
        if self._passed:
            raise EnvError("the episode is over", repair="open the task again")
        step = self._inner.step(action)
        self._done.append(_line(action))
        return self._step(step)

    def score(self) -> Score:
        """1 when the verifier has accepted."""
        return Score(value=float(self._passed), passed=self._passed)

    def close(self) -> None:
        """Closes the episode of its world."""
        self._inner.close()

    def _step(self, step: Step) -> Step:
        asked = self._inner.task.goal
        text = step.observation.replace(asked, self._challenge.instruction)
        self._answers.append(step.observation)
        if self._done:
            record = Record(
                done=tuple(self._done),
                answers=tuple(self._answers),
                offered=step.admissible or (),
            )
            said = verdict(self._sandbox, self._challenge, record)
            self._passed = said.value is True and not said.error
        over = step.truncated or step.terminated
        update = {
            "observation": text,
            "terminated": self._passed,
            "truncated": over and not self._passed,
            "reward": float(self._passed),
            "info": {},
        }
        return step.model_copy(update=update)


def _world(env: Env, challenge: Challenge) -> Task:
    known = {one.id: one for one in env.tasks("train")}
    if challenge.world not in known:
        raise UnknownName("train task", challenge.world, known)
    return known[challenge.world]


def _first(env: Env, challenge: Challenge) -> Record:
    episode = env.open(_world(env, challenge))
    try:
        return Record(offered=episode.first.admissible or ())
    finally:
        episode.close()


def _shorter(env: Env, challenge: Challenge, solved: Record) -> Record:
    """The same play, one action before its end."""
    episode = env.open(_world(env, challenge))
    try:
        step = episode.first
        for line in solved.done[:-1]:
            step = episode.step(action_of(line))
    finally:
        episode.close()
    return Record(done=solved.done[:-1], answers=solved.answers[:-1], offered=step.admissible or ())


def _line(action: Action) -> str:
    return action.text if action.tool is None else action.model_dump_json(exclude={"text"})


def _told(said: SandboxResult) -> str:
    if said.error:
        return f" ({said.error})"
    return "" if isinstance(said.value, bool) else " (it returns no bool)"
