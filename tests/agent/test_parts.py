"""Parts of the agent that need no graph: loops, workflows, budgets, settings, verifiers."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.budget import exceeded
from agent.loops import worthwhile
from agent.player import Seen
from agent.settings import BudgetSettings, load
from agent.state import Attempt
from agent.verifier import Shown, ToolResults
from envs.errors import UserError
from envs.types import Task
from memory.essence import essential
from memory.intervals import newcombe, wilson
from memory.types import StepRecord

TASK = Task(id="t", env="toy", goal="Bring me the spoon.", key="k", split="train")


def step(index: int, action: str, observation: str) -> StepRecord:
    return StepRecord(index=index, action=action, observation=observation)


def attempt(
    *steps: StepRecord, answer: str = "", terminated: bool = False, truncated: bool = False
) -> Attempt:
    seen = steps[-1].observation if steps else ""
    last = Seen(observation=seen, terminated=terminated, truncated=truncated)
    return Attempt(task=TASK, number=0, first="", steps=steps, last=last, answer=answer)


def test_an_idle_action_is_withdrawn_at_once_and_a_fruitless_one_after_two_tries() -> None:
    choices = ("look", "open box", "take pen")
    assert worthwhile(choices, [step(0, "take pen", "Nothing happens.")]) == choices[:2]
    twice = [step(0, "open box", "It is empty."), step(1, "open box", "It is empty.")]
    assert worthwhile(choices, twice) == ("look", "take pen")


def test_a_place_that_still_shows_news_may_be_visited_a_third_time() -> None:
    visits = [step(0, "go to desk 1", "A pen."), step(1, "go to desk 1", "A pen and a mug.")]
    assert "go to desk 1" in worthwhile(("go to desk 1",), [*visits])
    assert worthwhile(("go to desk 1", "look"), [*visits, step(2, "go to desk 1", "Empty.")]) == (
        "look",
    )


def test_when_nothing_is_left_the_least_tried_are_offered() -> None:
    steps = [step(n, "go to desk 1", "A desk.") for n in range(3)]
    steps += [step(3 + n, "go to shelf 1", "A shelf.") for n in range(2)]
    choices = ("go to desk 1", "go to shelf 1", "look")
    assert worthwhile(choices, [*steps, step(5, "look", "A room.")]) == ("go to shelf 1",)
    assert worthwhile(("look",), [step(0, "look", "Nothing happens.")]) == ("look",)


def test_places_are_worth_another_visit_when_something_was_done_for_the_first_time() -> None:
    walks = [step(n, "go to desk 1", "A desk.") for n in range(2)]
    taken = step(2, "take pen 1 from shelf 1", "You pick up the pen 1.")
    choices = ("go to desk 1", "move pen 1 to shelf 1", "look")
    assert worthwhile(choices, [*walks, taken]) == ("go to desk 1", "look")


def test_a_place_is_visited_again_only_when_all_were_and_opening_is_no_reason_to() -> None:
    walk = [step(0, "go to desk 1", "It is closed."), step(1, "open desk 1", "It is empty.")]
    choices = ("go to desk 1", "go to shelf 1", "look")
    assert worthwhile(choices, walk) == ("go to shelf 1", "look")
    assert worthwhile(choices, [*walk, step(2, "go to shelf 1", "A mug.")]) == choices


def test_a_workflow_keeps_what_mattered() -> None:
    steps = [
        step(0, "go to desk 1", "You see nothing."),
        step(1, "go to fridge 1", "The fridge 1 is closed."),
        step(2, "open fridge 1", "You see an apple 1."),
        step(3, "take apple 1 from fridge 1", "You pick up the apple 1."),
        step(4, "examine apple 1", "There's nothing special."),
        step(5, "go to shelf 1", "You see nothing."),
        step(6, "go to table 1", "You see nothing."),
        step(7, "move apple 1 to table 1", "You move the apple 1."),
    ]
    assert [s.action for s in essential(steps)] == [
        "go to fridge 1",
        "open fridge 1",
        "take apple 1 from fridge 1",
        "go to table 1",
        "move apple 1 to table 1",
    ]


def test_a_workflow_leaves_out_what_was_put_back() -> None:
    steps = [
        step(0, "go to bed 1", "You see a book 1, and a pen 1."),
        step(1, "take pen 1 from bed 1", "You pick up the pen 1."),
        step(2, "go to shelf 1", "You see nothing."),
        step(3, "go to bed 1", "You see a book 1."),
        step(4, "move pen 1 to bed 1", "You move the pen 1."),
        step(5, "take book 1 from bed 1", "You pick up the book 1."),
        step(6, "go to shelf 1", "You see nothing."),
        step(7, "move book 1 to shelf 1", "You move the book 1."),
    ]
    assert [s.index for s in essential(steps)] == [0, 5, 6, 7]


@pytest.mark.parametrize(
    ("name", "bound"), [("steps", 1), ("tokens", 5), ("seconds", 0.5), ("cost", 0.01)]
)
def test_each_bound_of_the_budget_ends_a_run(name: str, bound: float) -> None:
    state = {
        "steps": [{}],
        "elapsed": 1.0,
        "usage": {"prompt_tokens": 3, "completion_tokens": 3, "cost": 0.02},
    }
    assert exceeded(state, BudgetSettings(**{name: bound})) == f"budget:{name}"  # type: ignore[arg-type]
    assert exceeded(state, BudgetSettings()) == ""  # type: ignore[arg-type]


async def test_the_environment_verdict_goes_by_how_the_episode_ended() -> None:
    done, _ = await Shown().verify(attempt(step(0, "give", "Thanks."), terminated=True))
    cut, _ = await Shown().verify(attempt(step(0, "look", "A room."), truncated=True))
    assert (done.accepted, done.evidence, cut.accepted) == (True, ("step 0",), False)


async def test_an_answer_must_carry_what_the_calculator_worked_out() -> None:
    call = '{"tool":"calculator","arguments":{"expression":"12*34"}}'
    result = step(0, call, "[r1] 408")
    right, _ = await ToolResults().verify(attempt(result, answer="It is 408."))
    wrong, _ = await ToolResults().verify(attempt(result, answer="It is 418."))
    unknown, _ = await ToolResults().verify(attempt(answer="Hello."))
    assert (right.accepted, wrong.accepted, unknown.accepted) == (True, False, None)
    assert "408" in wrong.critique


def test_intervals_agree_with_published_examples() -> None:
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert newcombe((56, 48), (70, 80)) == pytest.approx((0.0524, 0.3339), abs=1e-4)


def test_settings_come_from_flags_then_variables_then_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "journeyman.toml").write_text("[memory]\nmost = 7\nfloor = 0.1\n")
    monkeypatch.setenv("JOURNEYMAN_HOME", str(tmp_path))
    monkeypatch.setenv("JOURNEYMAN_MEMORY__FLOOR", "0.2")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    settings = load(memory={"budget_tokens": 9, "most": None})
    assert settings.memory.model_dump(include={"most", "floor", "budget_tokens"}) == {
        "most": 7,
        "floor": 0.2,
        "budget_tokens": 9,
    }
    assert settings.model.base_url == "http://127.0.0.1:1/v1"


def test_a_configured_model_wins_over_the_exported_endpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    chosen = load(home=str(tmp_path), model={"file": "qwen2.5-0.5b"}).model
    assert (chosen.base_url, chosen.file) == ("", "qwen2.5-0.5b")
    assert load(home=str(tmp_path)).model.api_key == "k"


def test_a_working_folder_chooses_no_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In it lie programs that are started, as `HOME/browsergym/bin/python`."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "journeyman.toml").write_text('home = "."\n')
    mine = tmp_path / "mine"
    with pytest.raises(UserError, match=r"names a home folder, and a working folder .*mine"):
        load(home=str(mine))
    (tmp_path / "journeyman.toml").write_text("[memory]\nmost = 7\n")
    assert load(home=str(mine)).home == mine


def test_a_setting_that_does_not_fit_is_named_with_its_repair(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"setting server\.port = 99999.*JOURNEYMAN_SERVER__PORT"):
        load(home=str(tmp_path), server={"port": 99999})
    (tmp_path / "journeyman.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match=r"journeyman\.toml can't be read"):
        load(home=str(tmp_path))
