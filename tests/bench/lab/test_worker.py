"""One cell from its beginning to its row: what arms do, what guards refuse, what breaks."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from agent.models.types import Sampling
from agent.settings import ModelSettings, Settings
from bench.lab.conduct import Done, common
from bench.lab.pool import Here, Seat
from bench.lab.table import packed, unpacked
from bench.lab.types import ArmSpec, Cell, Experiment, Row, same
from bench.lab.worker import NoModel, Order, Result
from envs.errors import InternalError, ModelError, UserError
from envs.toy import Toy
from envs.types import Split

Plays = Callable[..., Result]


@pytest.fixture
def cell(settings: Settings) -> Any:
    """Plays one cell of an arm in this process; `state` is what the arm keeps."""

    def played(
        kind: str,
        *,
        split: Split = "val",
        task: int = 0,
        state: Any = None,
        played: dict[str, str] | None = None,
        note_tokens: int = 256,
        steps: int | None = None,
        model: ModelSettings | None = None,
        **options: Any,
    ) -> Result:
        phase = "learn" if split == "train" else "measure"
        chosen = Toy().tasks(split)[task]
        one = Cell(
            experiment="e", arm="a", seed=0, phase=phase, learned=len(played or {}), task=chosen
        )
        order = Order(
            cell=one,
            arm=ArmSpec(name="a", kind=kind, model="m" if model else "", options=options),
            model=model,
            settings=common(settings, model),
            note_tokens=note_tokens,
            steps=steps,
            state=packed(state or {}),
            played=played or {},
            session="s",
        )
        seat = Seat()
        try:
            return seat.play(order)
        finally:
            seat.close()

    return played


def test_a_cell_becomes_a_row_and_plays_the_same_again(cell: Plays) -> None:
    first, again = cell("random"), cell("random")
    assert same(first.row, again.row)
    assert first.transcript[:2] == again.transcript[:2]
    assert (first.row.session, first.row.failure == "", first.flags) == ("s", first.row.won, ())
    assert first.row.wall_s > 0
    assert not same(first.row, cell("random", task=1).row)


def test_fewer_steps_than_the_task_allows(cell: Plays) -> None:
    row = cell("brought:Still", steps=2).row
    assert (row.steps, row.won, row.stop) == (2, False, "limit")


def test_what_an_arm_learned_is_its_state_and_can_be_taken_up(cell: Plays) -> None:
    one = cell("brought:Learns", split="train")
    assert one.state is not None
    kept = unpacked(one.state)
    assert kept["kept"][0]["runs"] == [one.row.cell]
    runs = {one.row.cell: one.row.task_key}
    two = cell("brought:Learns", split="train", task=1, state=kept, played=runs)
    assert two.row.notes == ("n0",)
    assert two.state is not None
    assert len(unpacked(two.state)["kept"]) == 2
    assert (one.row.prompt_tokens, one.row.cost) == (10, 0.01)


def test_a_measured_cell_changes_nothing_that_the_arm_keeps(cell: Plays) -> None:
    assert cell("brought:Learns").state is None


def test_notes_of_the_task_itself_are_left_out_and_others_stay_in_their_budget(
    cell: Plays,
) -> None:
    one = cell("brought:Learns", split="train")
    kept, runs = unpacked(one.state or b""), {one.row.cell: one.row.task_key}
    assert cell("brought:Learns", split="train", state=kept, played=runs).row.notes == ()
    other = cell("brought:Learns", state=kept, played=runs).row
    assert (other.notes, 0 < other.note_tokens <= 256) == (("n0",), True)
    assert cell("brought:Learns", state=kept, played=runs, note_tokens=2).row.notes == ()


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("brought:OpensGame", "opens the game file"),
        ("brought:OpensGameFirst", "opens the game file"),
        ("brought:AsksScore", "asks for the score"),
    ],
)
def test_an_arm_that_reaches_for_the_key_is_stopped(
    cell: Plays, kind: str, said: str, tmp_path: Path
) -> None:
    game = tmp_path / "game.tw-pddl"
    game.write_text("the spoon is in the red drawer")
    result = cell(kind, **({"file": str(game)} if "Opens" in kind else {}))
    assert (result.row.failure, result.row.passed, result.row.won) == ("leak", None, False)
    assert said in result.row.error
    assert len(result.flags) == 1
    assert said in result.flags[0]


def test_the_tables_of_the_laboratory_are_out_of_reach(cell: Plays, settings: Settings) -> None:
    table = settings.home / "experiments" / "other" / "table.db"
    table.parent.mkdir(parents=True)
    table.write_text("rows")
    result = cell("brought:OpensGame", file=str(table))
    assert "belongs to the experiment" in result.row.error
    assert result.row.failure == "leak"


def test_no_arm_but_the_expert_is_given_the_environment(cell: Plays) -> None:
    result = cell("brought:KeepsEnv")
    assert unpacked(result.transcript)["notes"][0]["text"] == "None"


@pytest.mark.parametrize("how", ["run", "key"])
def test_a_note_that_is_not_accounted_for_stops_the_cell(cell: Plays, how: str) -> None:
    one = cell("brought:Learns", split="train")
    kept, runs = unpacked(one.state or b""), {one.row.cell: one.row.task_key}
    result = cell("brought:Forges", state=kept, played=runs, how=how, key="steal it | room 60")
    assert result.row.failure == "leak"
    assert "'n0' goes back to" in result.flags[0]


def test_a_note_of_the_task_itself_is_dropped(cell: Plays) -> None:
    one = cell("brought:Learns", split="train")
    kept, runs = unpacked(one.state or b""), {one.row.cell: one.row.task_key}
    result = cell("brought:Forges", state=kept, played=runs, how="own")
    assert (result.row.notes, result.flags) == ((), ())


def test_a_forged_lesson_stops_learning_and_the_arm_keeps_what_it_had(cell: Plays) -> None:
    result = cell("brought:ForgesLessons", split="train")
    assert (result.row.failure, result.state) == ("leak", packed({}))
    assert "'Lforged'" in result.flags[0]


def test_what_is_no_train_task_is_not_learned_from(cell: Plays) -> None:
    result = cell("brought:Learns")
    assert result.row.phase == "measure"
    assert result.state is None


def test_a_model_that_fails_while_its_arm_learns_costs_that_lesson_alone(cell: Plays) -> None:
    one = cell("brought:Fails", split="train")
    kept, runs = unpacked(one.state or b""), {one.row.cell: one.row.task_key}
    two = cell("brought:Fails", split="train", task=1, state=kept, played=runs)
    assert two.row.error == "learned nothing: the model said nothing; ask again"
    assert two.row.passed is not None
    assert unpacked(two.state or b"") == kept


def test_a_model_that_fails_while_its_arm_writes_notes_is_a_crash(cell: Plays) -> None:
    row = cell("brought:Fails", when="notes").row
    assert (row.failure, row.passed, row.steps) == ("crashed", None, 0)
    assert row.error == "the model said nothing; ask again"


def test_a_fault_of_an_arm_is_one_line_and_no_row(cell: Plays) -> None:
    with pytest.raises(InternalError, match=r"cell c\w+ of arm 'a' failed: KeyError: 'nothing'"):
        cell("brought:Faulty")


def test_options_out_of_range_are_the_users_mistake(cell: Plays) -> None:
    with pytest.raises(UserError, match="retries is 1 or more"):
        cell("resampling", retries=0)


def test_a_server_that_is_not_there_is_no_failure_of_the_arm(cell: Plays) -> None:
    gone = ModelSettings(base_url="http://127.0.0.1:9/v1", name="m", retries=0)
    with pytest.raises(ModelError, match=r"no connection to http://127\.0\.0\.1:9/v1"):
        cell("bare", model=gone)


def test_an_arm_without_model_that_asks_one_crashes_with_the_repair(cell: Plays) -> None:
    row = cell("brought:Memory").row
    assert row.failure in ("", "unfinished", "searching", "looping", "idle")
    crashed = cell("bare").row
    assert (crashed.failure, "ArmSpec.model" in crashed.error) == ("crashed", True)


async def test_no_model_answers_nothing() -> None:
    with pytest.raises(ModelError, match=r"name one: ArmSpec\.model"):
        await NoModel().reply([], sampling=Sampling())


def test_the_worker_of_this_process_can_be_closed_and_used_again(
    settings: Settings, play: Callable[..., Done], small: Callable[..., Experiment]
) -> None:
    with closing(Here()) as pool:
        pool.close()
        pool.close()
    assert play(small("random", n=1)).played == 1


def test_lessons_that_memory_recalled_are_in_the_row(cell: Plays) -> None:
    state: Any = None
    runs: dict[str, str] = {}
    rows: list[Row] = []
    for number in range(8):
        result = cell("brought:Memory", split="train", task=number, state=state, played=runs)
        state = unpacked(result.state or b"")
        runs[result.row.cell] = result.row.task_key
        rows.append(result.row)
    wrote = {lesson for row in rows for lesson in row.wrote}
    shown = cell("brought:Memory", state=state, played=runs)
    assert wrote
    assert set(shown.row.notes) <= wrote
    assert shown.row.notes
    assert shown.flags == ()
