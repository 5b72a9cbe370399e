"""`/api/memory`: past states, edits with ETag, forgetting, undo of all, export."""

from __future__ import annotations

import json
from typing import Any

import pytest

from memory.recall import Memory
from memory.types import Change, Lesson, Trajectory


def learn(memory: Memory, id: str, run: str, **fields: Any) -> None:  # noqa: A002
    memory.ledger.add_trajectory(
        Trajectory(id=run, env="e", task="t", task_key=f"key {run}", split="train", goal="g")
    )
    given = {"id": id, "kind": "strategy", "text": f"words of {id}", "situation": id, **fields}
    lesson = Lesson.model_validate({**given, "source": {"trajectory": run}})
    memory.add(lesson, reason="r", evidence=(run,))


async def test_a_lesson_is_edited_only_in_the_form_that_was_read(opens: Any) -> None:
    async with opens() as door:
        memory: Memory = door.place.memory
        lesson = memory.typed("Tea at four", situation="visitors")
        path = f"/api/memory/{lesson.id}"
        read = await door.client.get(path)
        tag = read.headers["etag"]
        bare = await door.client.patch(path, json={"text": "Tea at five"})
        done = await door.client.patch(
            path, json={"text": "Tea at five", "reason": "summer"}, headers={"if-match": tag}
        )
        late = await door.client.patch(path, json={"text": "Tea at six"}, headers={"if-match": tag})
        same = await door.client.patch(
            path, json={"pinned": False}, headers={"if-match": done.headers["etag"]}
        )
        anyway = await door.client.patch(path, json={"pinned": True}, headers={"if-match": "*"})
        gone = await door.client.patch(
            "/api/memory/none", json={"text": "x"}, headers={"if-match": "*"}
        )
        stored = memory.ledger.lesson(lesson.id)
        latest = await door.client.get(path)
    assert (bare.status_code, late.status_code, same.status_code) == (428, 412, 400)
    assert done.json()["lesson"]["text"] == "Tea at five"
    assert done.json()["change"]["reason"] == "summer"
    assert done.headers["etag"] != tag
    assert "read it again" in late.json()["error"]["message"]
    assert "\n" not in late.json()["error"]["message"]
    assert anyway.status_code == 200
    assert latest.headers["etag"] == anyway.headers["etag"]
    assert (stored.text, stored.situation, stored.pinned) == ("Tea at five", "visitors", True)
    assert gone.status_code == 404


@pytest.mark.parametrize(
    "body",
    [{"text": " "}, {"text": ""}, {"kind": "rumour"}, {"status": "active"}, {"trust": "self"}],
)
async def test_an_edit_that_does_not_fit_is_one_line(opens: Any, body: dict[str, Any]) -> None:
    async with opens() as door:
        lesson = door.place.memory.typed("Tea at four")
        answer = await door.client.patch(
            f"/api/memory/{lesson.id}", json=body, headers={"if-match": "*"}
        )
    assert answer.status_code == 400
    assert "\n" not in answer.json()["error"]["message"]


async def test_the_past_is_listed_read_and_compared(opens: Any) -> None:
    async with opens() as door:
        memory: Memory = door.place.memory
        lesson = memory.typed("Tea at four")
        first = memory.ledger.history(lesson.id)[0].id
        memory.edit(lesson.model_copy(update={"text": "Tea at five"}), reason="r")
        other = memory.typed("Coffee at nine")
        ask = door.client.get
        then = (await ask("/api/memory", params={"as_of": first})).json()
        now = (await ask("/api/memory", params={"as_of": "2100-01-01", "q": "tea"})).json()
        read = (await ask(f"/api/memory/{lesson.id}", params={"as_of": first})).json()
        later = memory.ledger.history(other.id)[0].id
        diff = (await ask("/api/changes/diff", params={"a": first, "b": later})).json()
        wrong = await ask("/api/memory", params={"as_of": "soon"})
        missing = await ask(f"/api/memory/{other.id}", params={"as_of": first})
    assert [one["text"] for one in then["items"]] == ["Tea at four"]
    assert [one["text"] for one in now["items"]] == ["Tea at five"]
    assert read["lesson"]["text"] == "Tea at four"
    assert len(read["history"]) == 2
    assert [item["what"] for item in diff["items"]] == ["edited", "added"]
    words = diff["items"][0]["fields"][-1]["words"]
    assert {word["text"].strip() for word in words} == {"Tea at", "four", "five"}
    assert (wrong.status_code, missing.status_code) == (409, 404)


async def test_a_source_is_forgotten_after_a_preview_and_brought_back(opens: Any) -> None:
    async with opens() as door:
        memory: Memory = door.place.memory
        learn(memory, "a", "r1")
        learn(memory, "b", "r2", supersedes=("a",))
        learn(memory, "c", "r3")
        ask = {"source": "r1"}
        preview = (await door.client.post("/api/memory/forget", json=ask)).json()
        before = len(memory.ledger.lessons())
        done = (await door.client.post("/api/memory/forget", json={**ask, "apply": True})).json()
        left = [one.id for one in memory.ledger.lessons()]
        batch = done["changes"][0]["batch"]
        back = await door.client.post(f"/api/changes/{batch}/undo-all", json={"reason": "oh"})
        unknown = await door.client.post("/api/memory/forget", json={"source": "r9"})
        after = len(memory.ledger.lessons())
    assert (preview["applied"], preview["changes"], before) == (False, [], 3)
    assert [(i["lesson"]["id"], i["what"]) for i in preview["plan"]["items"]] == [
        ("a", "remove"),
        ("b", "remove"),
    ]
    assert left == ["c"]
    assert [one["op"] for one in back.json()["changes"]] == ["undo", "undo"]
    assert after == 3
    assert unknown.status_code == 404


async def test_skills_are_forgotten_as_well(opens: Any) -> None:
    async with opens() as door:
        origin = {"author": "own", "runs": ["r1", "r2"]}
        skill = {"id": "S1", "name": "look", "env": "e", "origin": origin}
        change = Change(id="", kind="skill", target="S1", op="add", reason="r", after=skill)
        door.place.ledger.apply(change)
        ask = {"source": "r1", "apply": True}
        done = (await door.client.post("/api/memory/forget", json=ask)).json()
    (gone,) = done["plan"]["skills"]
    assert (gone["id"], gone["what"], gone["rest"]) == ("S1", "remove", 1)
    assert [(one["target"], one["op"]) for one in done["changes"]] == [("S1", "remove")]


async def test_an_undo_takes_along_what_builds_on_it_when_asked(opens: Any) -> None:
    async with opens() as door:
        memory: Memory = door.place.memory
        lesson = memory.typed("Tea at four")
        first = memory.ledger.history(lesson.id)[0].id
        edit = memory.edit(lesson.model_copy(update={"text": "Tea at five"}), reason="r").id
        refused = await door.client.post(f"/api/changes/{first}/undo-all")
        done = await door.client.post(f"/api/changes/{first}/undo-all", json={"cascade": True})
        left = memory.ledger.lessons()
    assert refused.status_code == 409
    assert edit in refused.json()["error"]["message"]
    assert [one["parents"] for one in done.json()["changes"]] == [[edit], [first]]
    assert left == []


async def test_a_contradiction_is_declared_and_shown_on_both_sides(opens: Any) -> None:
    first = {"text": "Always ring the bell at the door", "situation": "doors"}
    second = {"text": "Never ring the bell at the door", "situation": "doors"}
    async with opens() as door:
        one = (await door.client.post("/api/memory", json=first)).json()["lesson"]["id"]
        refused = await door.client.post("/api/memory", json=second)
        stored = await door.client.post("/api/memory", json={**second, "contradicts": [one]})
        page = (await door.client.get(f"/api/memory/{one}")).json()
    assert refused.status_code == 409
    assert f"contradict lesson {one}" in refused.json()["error"]["message"]
    assert [other["id"] for other in page["disputes"]] == [stored.json()["lesson"]["id"]]


async def test_all_lessons_are_exported_as_lines(opens: Any) -> None:
    async with opens() as door:
        door.place.memory.typed("Tea at four")
        answer = await door.client.get("/api/memory/export")
    header, line = (json.loads(part) for part in answer.text.splitlines())
    assert header == {"format": 1, "journeyman": "memory", "lessons": 1}
    assert line["lesson"]["text"] == "Tea at four"
    assert "effect" not in line["lesson"]


async def test_every_route_of_memory_says_what_it_does(opens: Any) -> None:
    async with opens() as door:
        schema = (await door.client.get("/openapi.json")).json()
    told = {
        (path, method): operation.get("description", "")
        for path, methods in schema["paths"].items()
        if path.startswith("/api/")
        for method, operation in methods.items()
    }
    assert ("/api/memory/{lesson}", "patch") in told
    assert all(told.values())
