"""A world learnt from runs: foretelling, looking ahead, and playing in it, never believed."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.imagined import UNKNOWN, Imagined
from agent.lookahead import LookAhead, Worlds, standing
from agent.models.scripted import PolicyModel
from agent.runner import Spec, run
from agent.solver import Greedy
from agent.worldmodel import WorldModel, accuracy, held_out, transitions
from agent.worlds import open_env
from distill.filters import sifted
from distill.recipes import lines
from distill.rows import rows
from distill.rows_synthetic import genuine, tag_of
from envs.check import check
from envs.errors import EnvError, Missing
from envs.toy import Toy
from envs.types import Action, Env, Episode, Task
from memory.episodes import withdrawal
from memory.types import StepRecord, Trajectory, Verdict

TRAP = ("open brass door", "walk to the sign")
LOOP = ("open glass door", "back to hall", "open oak door", "stay", "climb", "stay")
WAY = ("open oak door", "climb", "take treasure")


@pytest.mark.paper("webevolver")
async def test_a_trap_some_steps_on_is_seen_and_the_goal_preferred(
    home_at: Any, plays: Any, script: Any, hall: Any, tmp_path: Path, mechanism: bool
) -> None:
    some = hall.tasks("train")
    async with home_at(tmp_path, script(TRAP, TRAP, LOOP, WAY)) as place:
        await plays(place, hall, some[:4], learn=False)
    use = ["look-ahead"] if mechanism else []
    async with home_at(tmp_path, script(), learning={"use": use}) as place:
        (done,) = await plays(place, hall, some[4:5], learn=False)
    assert [step.action for step in done.steps] == list(WAY)
    assert done.score is not None
    assert done.score.passed
    notes = [note for note in done.notes if note["by"] == "look-ahead"]
    assert (notes[0]["before"], notes[0]["after"]) == ("open brass door", "open oak door")
    assert notes[0]["foretold"] == "You are in the lamp room. A golden sign says: treasure."
    assert notes[0]["values"][0] < 0 < notes[0]["values"][1]


@pytest.mark.parametrize(("depth", "first"), [(1, "open brass door"), (3, "open oak door")])
async def test_one_step_ahead_the_trap_looks_like_the_goal(
    home_at: Any, plays: Any, script: Any, hall: Any, tmp_path: Path, depth: int, first: str
) -> None:
    some = hall.tasks("train")
    async with home_at(tmp_path, script(TRAP, TRAP, LOOP, WAY)) as place:
        await plays(place, hall, some[:4], learn=False)
        crew = await place.crew()
        learned = Worlds(place.ledger).learned
        steered = replace(crew, strategy=LookAhead(Greedy(), learned, depth=depth))
        done = await run(steered, hall, Spec(task=some[5], learn=False))
    assert done.steps[0].action == first


async def test_a_model_is_asked_only_about_what_nobody_tried(
    home_at: Any, plays: Any, script: Any, hall: Any, tmp_path: Path
) -> None:
    def foretells(messages: Any, schema: Any) -> Any:
        brass = str(messages[-1]["content"]).endswith("open brass door")
        return {"then": "A dark room.", "verdict": "spoils it" if brass else "changes little"}

    writer = PolicyModel(foretells)
    learning = {"use": ["look-ahead"]}
    async with home_at(tmp_path, script(), writer=writer, learning=learning) as place:
        (done,) = await plays(place, hall, hall.tasks("val")[:1], learn=False)
    assert done.steps[0].action != "open brass door"
    assert done.notes[0]["guess"] is True
    assert 1 <= len(writer.requests) <= 4


@pytest.mark.paper("webevolver")
async def test_the_learned_model_is_an_env_whose_runs_are_imagined(
    home_at: Any, plays: Any, script: Any, hall: Any, tmp_path: Path, mechanism: bool
) -> None:
    async with home_at(tmp_path, script(TRAP, LOOP, WAY, WAY)) as place:
        real = await plays(place, hall, hall.tasks("train")[:4])
        before = place.ledger.count()
    world: Env = Imagined("hall", real) if mechanism else hall
    episode = world.open(world.tasks("train")[0])
    assert isinstance(world, Env)
    assert isinstance(episode, Episode)
    assert episode.step(Action(text="open oak door")).observation == "You are in the stairs."
    async with home_at(tmp_path, script(WAY, TRAP)) as place:
        made = await plays(place, world, world.tasks("train")[2:4])
        after = place.ledger.count()
    assert [tag_of(env=one.env, arm=one.arm) for one in made] == ["imagined", "imagined"]
    assert [one.verdicts[-1].accepted for one in made] == [True, False]
    assert all(one.score is None for one in made)
    assert after["lessons"] == before["lessons"]
    assert after["trajectories"] == before["trajectories"] + 2
    solved = list(rows([*real, *made]))
    assert all(row.metadata.env == "hall" for row in solved)
    asked = [line for line in lines("imagined", [*real, *made]) if line is not None]
    assert [line.metadata.made for line in asked] == ["imagined"]
    kept, report = sifted([*solved, *asked], [genuine()])
    assert len(kept) == len(solved)
    assert report[0].reasons == {"imagined": 1}
    assert len(sifted(asked, [genuine(asked=["imagined"])])[0]) == 1


@pytest.mark.paper("webevolver")
def test_how_well_held_out_steps_are_foretold_is_counted(mechanism: bool) -> None:
    learnt, held = held_out([wandered(task) for task in Toy().tasks("train")[:60]])
    found = accuracy(WorldModel(learnt if mechanism else []), held)
    assert found.asked == len(held) > 20
    assert found.known > found.asked / 2
    assert found.share is not None
    assert found.share > 0.9


def wandered(task: Task) -> Trajectory:
    """A toy task played by chance."""
    episode, rng = Toy().open(task), random.Random(task.key)
    seen, pairs = episode.first, list[tuple[str, str]]()
    while not (seen.terminated or seen.truncated):
        action = rng.choice(seen.admissible or ("look",))
        seen = episode.step(Action(text=action))
        pairs.append((action, seen.observation))
    return told(*pairs, key=task.key, first=episode.first.observation)


def steps_of(*pairs: tuple[str, str]) -> tuple[StepRecord, ...]:
    return tuple(StepRecord(index=n, action=a, observation=o) for n, (a, o) in enumerate(pairs))


def told(*pairs: tuple[str, str], key: str = "k", first: str = "Room 1.") -> Trajectory:
    return Trajectory(
        id=f"r{key}", env="e", task=key, task_key=key, split="train", goal="go", stop="limit",
        first_observation=first, steps=steps_of(*pairs), verdicts=(Verdict(accepted=False),),
    )  # fmt: skip


def test_what_comes_out_differently_or_was_tried_by_this_task_alone_is_not_known() -> None:
    model = WorldModel(transitions([told(("press", "A bell rings."))]))
    assert model.predict("Room 1.", "press") is not None
    assert model.predict("Room 2.", "press") is not None  # differs in its number alone
    assert model.predict("A hall.", "press") is None
    assert model.predict("Room 1.", "press", without="k") is None
    both = [told(("press", "A bell rings.")), told(("press", "Nothing."), key="j")]
    assert WorldModel(transitions(both)).predict("Room 1.", "press") is None


def test_an_action_that_does_the_same_everywhere_does_so_in_new_places() -> None:
    some = [told(("home", "The start page."), key=name, first=name) for name in ("a", "b")]
    found = WorldModel(transitions(some)).predict("never seen", "home")
    assert found is not None
    assert (found.observation, found.level) == ("The start page.", "action")


def test_only_train_runs_that_did_not_break_are_learnt_from() -> None:
    run_ = told(("press", "A bell rings."))
    other = [
        run_.model_copy(update={"split": "test"}),
        run_.model_copy(update={"error": "broke"}),
        run_.model_copy(update={"env": "imagined:e"}),
    ]
    assert transitions(other) == []
    assert len(transitions([run_])) == 1


def test_what_nobody_knows_cuts_an_imagined_episode_off() -> None:
    world = Imagined("e", [told(("press", "A bell rings."))])
    episode = world.open(world.tasks("train")[0])
    seen = episode.step(Action(text="fly"))
    assert (seen.observation, seen.truncated, episode.score()) == (UNKNOWN, True, None)
    with pytest.raises(EnvError, match="the episode is over; open the task again"):
        episode.step(Action(text="fly"))


async def test_an_imagined_env_is_opened_by_its_name_and_says_what_is_missing(
    home_at: Any, plays: Any, script: Any, hall: Any, tmp_path: Path
) -> None:
    async with home_at(tmp_path, script(WAY)) as place:
        with pytest.raises(Missing, match=r"no train runs of hall .*journeyman run hall"):
            open_env("imagined:hall", place.settings)
        (done,) = await plays(place, hall, hall.tasks("train")[:1])
        world = open_env("imagined:hall", place.settings)
        assert [task.key for task in world.tasks("train")] == ["treasure 0"]
        assert world.tasks("val") == ()
        assert [finding for finding in check(world) if not finding.holds] == []
        place.ledger.apply(withdrawal(done.id, reason="forgotten", actor="user"))
        assert standing(place.ledger, "hall") == []
