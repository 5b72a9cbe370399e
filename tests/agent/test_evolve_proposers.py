"""What the loop's proposers come to on the toy environment, with scripted models."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agent.applied import applied, proposed
from agent.evolving import Bounds, Capacity, Proposal
from agent.evolving_desk import Desk, specs
from agent.evolving_gates import Arena, judge, settle
from agent.home import Home, home
from agent.models.scripted import Answer, PolicyModel
from agent.models.types import Message
from agent.once import once
from agent.proposers.evolving import Staff, chosen
from agent.proposers.prompts import Prompts
from agent.proposers.settings_tuner import SettingsTuner
from agent.proposers.skilling import SkillSynthesis
from agent.settings import load
from agent.transcript import prompt
from envs.errors import Missing, UnknownName
from envs.toy import THINGS, Toy
from memory.embed import HashEmbedder
from memory.index import ListIndex
from memory.ledger import Ledger
from memory.recall import Memory
from memory.types import Trajectory, Usage
from skills.library import Library
from skills.types import Draft, Shown, Skill

TOY = Toy()
TASKS = {task.tags[1]: task for task in TOY.tasks("train")}
HOMES = {thing: TOY.open(TASKS[thing]).demonstrate()[0].text for thing in THINGS}
CODE = f'''\
HOMES = {HOMES!r}


def bring(x: str) -> bool:
    """Brings a thing."""
    if x not in HOMES:
        return False
    act(HOMES[x])
    act("take " + x)
    return act("give " + x).startswith("Thank you")
'''
MAP = "Every thing has its drawer, and you know which."
BOUNDS = Bounds(tasks=3, judged=12, least=8, held=6, episodes=24)


@dataclass
class Player:
    """Knows where things are, if it may think or was told so; else it opens the first drawer."""

    thinks: bool = False
    always: bool = False

    def __call__(self, messages: Sequence[Message], schema: dict[str, Any] | None) -> Answer:
        said = json.dumps([one["content"] for one in messages])
        if schema is None:
            return f"```\n{MAP}\n```"
        choices = schema["properties"]["action"]["enum"]
        asked = re.search(r"Bring me the (\w+)", said)
        thing = asked[1] if asked else ""
        thought = {"thought": "hm"} if "thought" in schema["properties"] else {}
        calls = [one for one in choices if "(" in one]
        knows = self.always or MAP in said or (self.thinks and bool(thought))
        wishes = [*calls, *([f"give {thing}", f"take {thing}", HOMES[thing]] if knows else [])]
        return {**thought, "action": next((w for w in wishes if w in choices), choices[0])}


@asynccontextmanager
async def place(folder: Path, player: Player, **settings: Any) -> AsyncIterator[Home]:
    memory = Memory(Ledger(folder / "ledger.db"), ListIndex(HashEmbedder()))
    chosen_ = load(home=str(folder), **settings)
    async with home(chosen_, memory=memory, models={"model": PolicyModel(player)}) as opened:
        yield opened


async def desk(here: Home, *, name: str = "toy/round-1/x") -> tuple[Desk, list[Trajectory]]:
    """A desk, and the train runs of its round."""
    crew = await here.crew()
    made = Desk(crew=crew, env=TOY, name=name, folder=here.settings.home / "r1", bounds=BOUNDS)
    tasks = list(TOY.tasks("train"))[:4]
    return made, await once(crew, TOY, specs(tasks, "toy/round-1"))


async def test_the_tuner_proposes_the_setting_that_solves_more_and_the_gate_keeps_it(
    tmp_path: Path,
) -> None:
    async with place(tmp_path, Player(thinks=True)) as here:
        at, runs = await desk(here)
        grid = {"solver.think": (False, True), "memory.most": (1, 3)}
        (change,) = await SettingsTuner(at, grid=grid).propose(runs)
        assert change.after == {"name": "solver.think", "value": True}
        assert change.target == "toy/solver.think"
        assert at.episodes <= BOUNDS.episodes
        assert len(change.evidence) > 3
        proposal = Proposal(by="settings", changes=(change,))
        decision = await judge(Arena(await here.crew(), TOY, BOUNDS), proposal, name=at.name)
        assert decision.promote, decision
        settle(here.memory, proposal, decision, batch="B1", why="round 1")
        settle(here.memory, proposal, decision, batch="B1", why="round 1")
        assert len(here.ledger.changes(kind="setting")) == 1
        assert applied(here.settings, here.ledger, "toy").solver.think
        here.memory.take_back("B1", reason="asked for")
        assert not applied(here.settings, here.ledger, "toy").solver.think


async def test_the_tuner_proposes_nothing_where_nothing_solves_more(tmp_path: Path) -> None:
    async with place(tmp_path, Player(always=True)) as here:
        at, runs = await desk(here)
        few = {"memory.most": (1, 3)}
        assert await SettingsTuner(at, grid=few).propose(runs) == ()
        assert "solved more than what is set" in at.note
        played = at.episodes
        again, _ = await desk(here)
        await SettingsTuner(again, grid=few).propose(runs)
        assert again.episodes == played
        assert len(here.ledger.trajectories(limit=-1)) == played + 4, "no run is played twice"


class Dawdler(Player):
    """Knows where things are, but looks elsewhere first if it may not think."""

    def __call__(self, messages: Sequence[Message], schema: dict[str, Any] | None) -> Answer:
        answer = super().__call__(messages, schema)
        first = "In it you see" not in json.dumps([one["content"] for one in messages])
        if schema is None or "thought" in schema["properties"] or not first:
            return answer
        choices = schema["properties"]["action"]["enum"]
        assert isinstance(answer, dict)
        return {"action": next(one for one in choices if one != answer["action"])}


async def test_the_tuner_proposes_what_solves_as_much_for_a_fifth_less(tmp_path: Path) -> None:
    async with place(tmp_path, Dawdler(always=True), memory={"recall": False}) as here:
        at, runs = await desk(here)
        (change,) = await SettingsTuner(at, grid={"solver.think": (True,)}).propose(runs)
        assert change.after == {"name": "solver.think", "value": True}
        said = r"solved (\d+) of \1 train tasks with .*25% fewer steps than with solver.think as"
        assert re.match(said, change.reason), change.reason


async def test_a_setting_that_stands_can_be_altered_and_a_chosen_one_is_left_alone(
    tmp_path: Path,
) -> None:
    async with place(tmp_path, Player(), solver={"think": False}) as here:
        given = {"env": "toy", "ledger": here.ledger, "reason": "tried"}
        here.ledger.apply(proposed("setting", "memory.most", 1, **given))
        second = proposed("setting", "memory.most", 5, **given)
        assert (second.op, second.before) == ("edit", {"name": "memory.most", "value": 1})
        tried = applied(here.settings, here.ledger, "toy", tried=(second,))
        assert tried.memory.most == 5
        at, _ = await desk(here)
        drawn = SettingsTuner(at)._drawn(here.settings, seed="x")
        assert "solver.think" not in {one.name for one in drawn}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_gepa_rewrites_the_instructions_under_our_budget(tmp_path: Path) -> None:
    async with place(tmp_path, Player()) as here:
        at, runs = await desk(here)
        (change,) = await Prompts(at, reflector=here.model).propose(runs)
        assert change.after == {"name": "solver", "value": MAP}
        assert "100% of 6 train tasks, 0% before" in change.reason
        assert at.episodes <= BOUNDS.episodes + 2 * 6
        assert at.usage.calls > at.episodes
        played = {run.split for run in here.ledger.trajectories(limit=-1)}
        assert played == {"train"}, "the search sees no val task"
        proposal = Proposal(by="prompts", changes=(change,))
        decision = await judge(Arena(await here.crew(), TOY, BOUNDS), proposal, name=at.name)
        assert decision.promote, decision


async def test_instructions_that_solve_no_more_are_not_proposed(tmp_path: Path) -> None:
    async with place(tmp_path, Player(always=True)) as here:
        at, runs = await desk(here)
        assert await Prompts(at, reflector=here.model).propose(runs) == ()
        assert at.note == "nothing that GEPA wrote solved more (100% of 6)"
    async with place(tmp_path / "b", Player(), prompts={"solver": prompt("solver")}) as here:
        at, runs = await desk(here)
        assert await Prompts(at, reflector=here.model).propose(runs) == ()
        assert at.note == "the prompt solver was written by a person"


class Writer:
    """Knows where each thing is kept."""

    name = "writer"

    async def write(
        self, ways: Sequence[Shown], known: Sequence[Skill]
    ) -> tuple[list[Draft], Usage]:
        assert len(ways) >= 2
        requires = ("open * drawer", "take *", "give *")
        goals = ("Bring me the {x}.",)
        return [
            Draft(name="bring", code=CODE, goals=goals, requires=requires, ways=(0, 1))
        ], Usage()


async def test_skills_that_pass_their_trials_wait_for_the_gate_and_an_undo_takes_them_back(
    tmp_path: Path,
) -> None:
    player = Player(always=True)
    async with place(tmp_path, player, memory={"withhold": False}) as here:
        at, runs = await desk(here)
        (change,) = await SkillSynthesis(at, writer=Writer()).propose(runs)
        shelf = Library(here.ledger)
        assert [one.status for one in shelf.all()] == ["probation"]
        assert at.episodes > 24, "its trials count"
        again = await SkillSynthesis(at, writer=Writer()).propose(runs)
        assert [one.target for one in again] == [change.target], "as after a kill"
        player.always = False
        proposal = Proposal(by="skills", changes=(change,))
        arena = Arena(await here.crew(), TOY, BOUNDS)
        none = BOUNDS.model_copy(update={"capacity": Capacity(skills=0)})
        full = await judge(Arena(arena.crew, TOY, none), proposal, name="full")
        assert full.reasons == ("capacity: 1 skills, at most 0",)
        decision = await judge(arena, proposal, name=at.name)
        assert decision.promote, decision
        assert [one.status for one in shelf.all()] == ["probation"], "the gate writes nothing"
        settle(here.memory, proposal, decision, batch="B1", why="round 1")
        assert [one.status for one in Library(here.ledger).all()] == ["active"]
        here.memory.take_back("B1", reason="asked for")
        assert [one.status for one in Library(here.ledger).all()] == ["probation"]


def test_unknown_proposers_are_refused_with_those_that_there_are() -> None:
    async def nobody() -> PolicyModel:
        return PolicyModel(Player())

    staff = Staff(model=nobody)
    assert set(chosen(["lessons", "notes", "settings"], staff)) == {"notes", "settings"}
    with pytest.raises(UnknownName, match="no proposer named 'wishes'"):
        chosen(["wishes"], staff)
    with pytest.raises(Missing, match="nobody to train students"):
        chosen(["distill"], staff)


def first_bring(shelf: Library, *, knows: int) -> Skill:
    """An active skill that knows where some things are kept, which the writer's is to replace."""
    some = {thing: HOMES[thing] for thing in THINGS[:knows]}
    skill = Skill(
        id="",
        name="bring",
        env="toy",
        code=CODE.replace(repr(HOMES), repr(some)),
        goals=("Bring me the {x}.",),
        requires=("open * drawer", "take *", "give *"),
    )
    added = shelf.add(skill, reason="learned before")
    return shelf.move(added, "active", reason="proven")[-1]


@pytest.mark.parametrize("helps", [True, False])
async def test_a_new_version_of_an_active_skill_waits_for_the_gate_and_the_old_one_stands(
    tmp_path: Path, helps: bool
) -> None:
    player = Player(always=True)
    async with place(tmp_path, player, memory={"withhold": False}) as here:
        shelf = Library(here.ledger)
        old = first_bring(shelf, knows=1 if helps else len(THINGS) - 1)
        at, runs = await desk(here)
        (change,) = await SkillSynthesis(at, writer=Writer()).propose(runs)
        assert (change.op, change.target, change.after and change.after["version"]) == (
            "edit", old.id, 2,
        )  # fmt: skip
        stands = Library(here.ledger).get("bring")
        assert (stands.version, stands.status, stands.code) == (1, "active", old.code)
        again, _ = await desk(here)
        assert await SkillSynthesis(again, writer=Writer()).propose(runs) == (change,)
        assert again.episodes == at.episodes, "what was tried is not tried again"
        player.always = False
        proposal = Proposal(by="skills", changes=(change,))
        few = BOUNDS if helps else BOUNDS.model_copy(update={"judged": 4, "least": 4})
        decision = await judge(Arena(await here.crew(), TOY, few), proposal, name=at.name)
        assert decision.promote is helps, decision
        settle(here.memory, proposal, decision, batch="B1", why="round 1")
        assert Library(here.ledger).get("bring").version == (2 if helps else 1)
        if helps:
            here.memory.take_back("B1", reason="asked for")
        stands = Library(here.ledger).get("bring")
        assert (stands.version, stands.status, stands.code) == (1, "active", old.code)
        kept = [one.decision for one in here.ledger.changes(target=old.id, limit=2)]
        assert ("rejected" in kept) is not helps


async def test_a_skill_that_was_refused_once_does_not_get_in_by_another_that_calls_it(
    tmp_path: Path,
) -> None:
    async with place(tmp_path, Player(always=True), memory={"withhold": False}) as here:
        shelf = Library(here.ledger)
        old = first_bring(shelf, knows=len(THINGS))
        shelf.move(old, "probation", reason="refused in an earlier round")
        at, runs = await desk(here)

        class Caller:
            """Writes what calls the skill that waits."""

            name = "caller"

            async def write(
                self, ways: Sequence[Shown], known: Sequence[Skill]
            ) -> tuple[list[Draft], Usage]:
                code = CODE.replace("def bring", "def fetch")
                code = code.replace("return False", "return bring(x)")
                needs = ("open * drawer", "take *", "give *")
                goals = ("Bring me the {x}.",)
                draft = Draft(
                    name="fetch", code=code, goals=goals, requires=needs, uses=("bring",),
                    ways=(0, 1),
                )  # fmt: skip
                return [draft], Usage()

        changes = await SkillSynthesis(at, writer=Caller()).propose(runs)
        assert [(one.op, one.after and one.after["name"]) for one in changes] == [
            ("status", "bring"),
            ("status", "fetch"),
        ], at.note
        assert {one.status for one in Library(here.ledger).all()} == {"probation"}


async def test_what_is_as_good_and_cheaper_is_kept_for_its_price_and_the_journal_says_so(
    tmp_path: Path,
) -> None:
    bounds = BOUNDS.model_copy(update={"judged": 44, "least": 20})
    async with place(tmp_path, Player(always=True), memory={"recall": False}) as here:
        given = {"env": "toy", "ledger": here.ledger, "reason": "tried"}
        change = proposed("prompt", "solver", "Go.", **given)
        proposal = Proposal(by="prompts", changes=(change,))
        arena = Arena(await here.crew(), TOY, bounds)
        decision = await judge(arena, proposal, name="toy/1/prompts")
        assert decision.promote, decision
        pairs = decision.evidence.target
        assert pairs is not None
        assert (pairs.champion, pairs.challenger) == (pairs.n, pairs.n)
        assert str(decision).startswith("capacity: ")
        assert re.search(
            r"; cheaper: \d+% of the tokens saved \(.*not worse by 10 poi", str(decision)
        )
        (written,) = settle(here.memory, proposal, decision, batch="B1", why="round 1")
        assert "cheaper: " in written.reason
        assert applied(here.settings, here.ledger, "toy").prompts == {"solver": "Go."}
