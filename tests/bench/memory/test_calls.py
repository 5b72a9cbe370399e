import json
import urllib.request
from pathlib import Path

from bench.memory.calls import Story, calls
from bench.memory.endpoint import endpoint
from memory.embed import HashEmbedder

STORY = Story(
    goal="heat some mug",
    first="You are in a room.",
    steps=(("go to fridge 1", "The fridge 1 is closed."), ("take mug", "Nothing happens.")),
)


def asked(url: str, **more) -> dict:
    body = {"model": "m", "messages": [{"role": "user", "content": "hello"}], **more}
    request = urllib.request.Request(
        f"{url}/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request) as answer:
        return json.loads(answer.read())["choices"][0]["message"]


def test_the_stand_in_counts_and_fits_what_is_asked_for() -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}, "k": {"enum": ["x"]}}}
    tool = {"type": "function", "function": {"name": "note", "parameters": schema}}
    form = {"type": "json_schema", "json_schema": {"name": "s", "schema": schema}}
    with endpoint() as model:
        assert "microwave" in asked(model.url)["content"]
        assert json.loads(asked(model.url, response_format=form)["content"]) == {"n": 0, "k": "x"}
        call = asked(model.url, tools=[tool])["tool_calls"][0]["function"]
        assert (call["name"], json.loads(call["arguments"])) == ("note", {"n": 0, "k": "x"})
        count = model.take()
        assert (count.calls, model.take().calls) == (3, 0)
        assert count.sent > count.calls


def test_storing_asks_no_model_and_a_failure_is_reflected_on_once(tmp_path: Path) -> None:
    rows = calls(
        ["journeyman"], tmp_path, [STORY, STORY.model_copy(update={"goal": "cool some mug"})],
        embedder=HashEmbedder(), rivals=Path("/nowhere"),
    )  # fmt: skip
    assert [(row.what, row.times, row.asked.calls) for row in rows] == [
        ("store", 2, 0),
        ("learn", 2, 2),
    ]
    assert rows[1].asked.received < 300 * 2
