"""A chat turn behaves as an episode, and what a model calls wrongly is something it can read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from envs.chat import LONGEST_MESSAGE, Chat, ChatEpisode, Toolset, chat_task, mismatch
from envs.errors import EnvError, Refused, StoreError, UserError
from envs.types import SPLITS, Action, Env, Episode, Limits, Task, ToolSpec

ADD = ToolSpec(
    name="add",
    description="Adds.",
    parameters={
        "type": "object",
        "properties": {
            "a": {"type": "integer"},
            "b": {"type": "integer"},
            "unit": {"type": "string", "enum": ["m", "cm"]},
        },
        "required": ["a", "b"],
        "additionalProperties": False,
    },
)


def _add(arguments: dict[str, Any]) -> str:
    return str(arguments["a"] + arguments["b"])


def _tools(call: Callable[[dict[str, Any]], str] = _add) -> Toolset:
    return {"add": (ADD, call)}


def _episode(*, steps: int = 12, call: Callable[[dict[str, Any]], str] = _add) -> ChatEpisode:
    task = chat_task("What is 2 + 3?", thread="t1", limits=Limits(steps=steps))
    return ChatEpisode(task, tools=_tools(call))


def _call(tool: str, **arguments: Any) -> Action:
    return Action(tool=tool, arguments=arguments)


def test_a_turn_is_an_episode() -> None:
    env = Chat(lambda _task: _tools())
    episode = env.open(chat_task("hello", thread="t1"))
    assert isinstance(env, Env)
    assert isinstance(episode, Episode)
    assert env.name == "chat"
    assert [env.tasks(split) for split in SPLITS] == [()] * 5
    assert episode.first.observation == "hello"
    assert [spec.name for spec in episode.tools] == ["add", "reply"]
    assert episode.score() is None


def test_results_are_numbered() -> None:
    episode = _episode()
    first = episode.step(_call("add", a=2, b=3))
    second = episode.step(_call("add", a=5, b=5))
    assert (first.observation, first.info["result"]) == ("[r1] 5", "r1")
    assert (second.observation, second.info["result"]) == ("[r2] 10", "r2")
    assert not (first.terminated or first.truncated)


def test_a_reply_ends_the_turn() -> None:
    episode = _episode()
    end = episode.step(_call("reply", text=" It is 5. "))
    assert (end.terminated, end.truncated, end.info["reply"]) == (True, False, "It is 5.")
    with pytest.raises(EnvError, match="this turn is over; open a new one"):
        episode.step(_call("reply", text="again"))


def test_words_without_a_tool_are_a_reply() -> None:
    end = _episode().step(Action(text="It is 5."))
    assert (end.terminated, end.info["reply"]) == (True, "It is 5.")


@pytest.mark.parametrize(
    ("action", "says"),
    [
        (_call("subtract", a=1), "no tool named 'subtract'; call one of: add, reply"),
        (Action(text="  "), "nothing was called; call one of: add, reply"),
        (_call("add", a=1), "the argument 'b' is missing; it takes: a, b, unit"),
        (_call("add", a=1, b=2, c=3), "no argument is named 'c'; it takes: a, b, unit"),
        (_call("add", a="1", b=2), "the argument 'a' must be of type integer, not str"),
        (_call("add", a=True, b=2), "the argument 'a' must be of type integer, not bool"),
        (_call("add", a=1, b=2, unit="km"), "the argument 'unit' must be one of: m, cm"),
        (_call("reply"), "the argument 'text' is missing; it takes: text"),
        (_call("reply", text=" "), "the answer is empty; call reply with words"),
        (_call("reply", text=5), "the argument 'text' must be of type string, not int"),
    ],
)
def test_a_wrong_call_is_an_observation_without_a_number(action: Action, says: str) -> None:
    episode = _episode()
    step = episode.step(action)
    assert step.observation == f"error: {says}"
    assert "result" not in step.info
    assert not step.terminated
    assert episode.step(_call("add", a=1, b=1)).observation == "[r1] 2"


def test_arguments_without_a_type_pass() -> None:
    assert mismatch({"x": object()}, {"properties": {"x": {}}}) == ""
    assert mismatch({"y": 1}, {"type": "object", "properties": {}}) == ""


def test_a_tool_that_breaks_is_an_observation() -> None:
    def broken(_arguments: dict[str, Any]) -> str:
        raise StoreError("the ledger is read-only", repair="make it writable")

    def bug(arguments: dict[str, Any]) -> str:
        return arguments["nothing"]

    step = _episode(call=broken).step(_call("add", a=1, b=2))
    assert step.observation == "[r1] error: the ledger is read-only; make it writable"
    assert (
        "error: add failed: KeyError" in _episode(call=bug).step(_call("add", a=1, b=2)).observation
    )


def test_a_long_result_is_clipped() -> None:
    step = _episode(call=lambda _arguments: "x" * 10_000).step(_call("add", a=1, b=2))
    assert step.observation.endswith("x… (2000 more characters)")


def test_the_turn_is_cut_off_at_its_limit_and_says_so_before() -> None:
    episode = _episode(steps=3)
    first, second, third = (episode.step(_call("add", a=1, b=n)) for n in range(3))
    assert "left" not in first.observation
    assert second.observation == "[r2] 2\n(One call is left: reply now.)"
    assert (third.truncated, third.terminated) == (True, False)
    with pytest.raises(EnvError, match="this turn is over"):
        episode.step(_call("reply", text="late"))


def test_wrong_calls_count_towards_the_limit() -> None:
    episode = _episode(steps=2)
    assert not episode.step(_call("nothing")).truncated
    assert episode.step(_call("nothing")).truncated


def test_a_reply_as_the_last_call_ends_the_turn_well() -> None:
    episode = _episode(steps=1)
    end = episode.step(_call("reply", text="5"))
    assert (end.terminated, end.truncated) == (True, False)


def test_the_turn_is_cut_off_when_its_time_is_up() -> None:
    times = iter([0.0, 1.0, 9.0])
    task = chat_task("hi", thread="t1", limits=Limits(steps=9, seconds=5.0))
    episode = ChatEpisode(task, tools=_tools(), clock=lambda: next(times))
    assert not episode.step(_call("add", a=1, b=2)).truncated
    assert episode.step(_call("add", a=1, b=2)).truncated


def test_reply_cannot_be_replaced() -> None:
    with pytest.raises(Refused, match="'reply' is built in; give your tool another name"):
        ChatEpisode(chat_task("hi", thread="t1"), tools={"reply": (ADD, _add)})


def test_a_message_is_a_task() -> None:
    task = chat_task("  What is\n2 + 3? ", thread="t1", user="ada")
    assert task.goal == "What is\n2 + 3?"
    assert (task.env, task.split, task.tags) == ("chat", "train", ("chat", "user:ada"))
    assert task.key.startswith("chat:t1:")
    assert chat_task("hi", thread="t1").tags == ("chat",)


def test_equal_messages_of_a_thread_are_the_same_task() -> None:
    key = chat_task("What is 2 + 3?", thread="t1").key
    assert chat_task("what  is 2 + 3?", thread="t1").key == key
    assert chat_task("What is 2 + 3?", thread="t2").key != key
    assert chat_task("What is 2 + 4?", thread="t1").key != key


@pytest.mark.parametrize("text", ["", " \n\t "])
def test_an_empty_message_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="the message is empty; say something"):
        chat_task(text, thread="t1")


def test_half_characters_are_replaced_and_whole_ones_stay() -> None:
    task = chat_task("a\ud800b \ud83d\ude00 \0c é 日本", thread="t\udfff1")
    assert task.goal == "a�b 😀 �c é 日本"
    assert task.key.encode("utf-8").startswith("chat:t�1:".encode())
    episode = ChatEpisode(task, tools=_tools())
    assert episode.step(_call("reply", text="x\ud800")).info["reply"] == "x�"


def test_a_message_of_1_mb_loses_its_middle_and_says_so() -> None:
    text = "Summarise this. " + "word " * 200_000 + "Keep it under ten lines."
    task = chat_task(text, thread="t1")
    assert len(task.goal) < LONGEST_MESSAGE + 100
    assert task.goal.startswith("Summarise this. word")
    assert task.goal.endswith("Keep it under ten lines.")
    assert "[984,040 characters are left out here]" in task.goal
    assert chat_task(text.replace("word ", "work ", 1), thread="t1").key != task.key


def test_a_task_of_another_environment_is_refused() -> None:
    task = Task(id="x", env="toy", goal="g", key="k", split="train")
    with pytest.raises(UserError, match="task 'x' is one of 'toy'; make one with chat_task"):
        Chat(lambda _task: _tools()).open(task)
