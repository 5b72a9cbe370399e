from __future__ import annotations

from typing import Any

import pytest

from memory.types import Exposure, Lesson, Scope, Source, StepRecord, Trajectory


def learned(memory: Any, *, text: str = "Look in the drawer first", **more: Any) -> Lesson:
    """A lesson that comes from step 1 of a run of two."""
    steps = (
        StepRecord(index=0, action="look", observation="A drawer."),
        StepRecord(index=1, action="open drawer", observation="In it is a key."),
    )
    run = Trajectory(
        id="r1", env="toy", task="t", task_key="k", split="train", goal="find the key", steps=steps
    )
    memory.ledger.add_trajectory(run)
    lesson = Lesson(
        id="",
        kind="strategy",
        text=text,
        situation="looking for a key",
        scope=Scope(env="toy"),
        source=Source(trajectory="r1", first_step=1, last_step=1, quote="a key"),
        **more,
    )
    change = memory.add(lesson, reason="drafted", evidence=("r1",))
    return memory.ledger.lesson(change.target)


async def test_lessons_are_listed_in_pages_with_their_total(opens: Any) -> None:
    async with opens() as door:
        for number in range(5):
            door.place.memory.typed(f"Fact number {number} of five")
        learned(door.place.memory)
        page = (await door.client.get("/api/memory?limit=2&offset=1")).json()
        facts = (await door.client.get("/api/memory?kind=fact&limit=1")).json()
        candidates = (await door.client.get("/api/memory?status=candidate")).json()
        toy = (await door.client.get("/api/memory?env=toy")).json()
    assert (page["total"], len(page["items"])) == (6, 2)
    assert (facts["total"], facts["items"][0]["kind"]) == (5, "fact")
    assert [item["kind"] for item in candidates["items"]] == ["strategy"]
    assert toy["total"] == 1


async def test_lessons_are_searched_by_meaning(opens: Any) -> None:
    async with opens() as door:
        door.place.memory.typed("Cups stand in the cupboard")
        door.place.memory.typed("Taxes are due in May")
        found = (await door.client.get("/api/memory", params={"q": "cups in a cupboard"})).json()
    assert found["items"][0]["text"] == "Cups stand in the cupboard"
    assert found["items"][0]["similarity"] > found["items"][-1]["similarity"]


async def test_a_lesson_is_shown_with_its_source_history_and_exposures(opens: Any) -> None:
    async with opens() as door:
        lesson = learned(door.place.memory)
        seen = Exposure(episode="r1", lesson=lesson.id, version=1, first_step=0, shown=True)
        door.place.ledger.expose(seen)
        page = (await door.client.get(f"/api/memory/{lesson.id}")).json()
    assert page["lesson"]["text"] == "Look in the drawer first"
    assert page["goal"] == "find the key"
    assert [step["action"] for step in page["steps"]] == ["open drawer"]
    assert [change["op"] for change in page["history"]] == ["add"]
    assert page["exposures"][0]["episode"] == "r1"
    assert page["exposures_total"] == 1


async def test_a_lesson_is_added_and_the_same_again_is_refused(opens: Any) -> None:
    body = {"text": "  Ada prefers tea  ", "scope": {"user": "ada"}, "pinned": True}
    async with opens() as door:
        first = await door.client.post("/api/memory", json=body)
        again = await door.client.post("/api/memory", json=body)
    stored = first.json()
    assert first.status_code == 201
    assert stored["lesson"]["text"] == "Ada prefers tea"
    assert stored["lesson"]["trust"] == "user"
    assert stored["lesson"]["pinned"] is True
    assert stored["change"]["actor"] == "user"
    assert again.status_code == 409
    assert stored["lesson"]["id"] in again.json()["error"]["message"]


async def test_prune_shows_first_and_then_does_it(opens: Any) -> None:
    rule = {"contains": "drawer"}
    async with opens() as door:
        memory = door.place.memory
        lesson = learned(memory)
        memory.typed("Something else")
        preview = (await door.client.post("/api/memory/prune", json=rule)).json()
        assert memory.ledger.lesson(lesson.id).status == "candidate"
        done = (await door.client.post("/api/memory/prune", json={**rule, "apply": True})).json()
        assert memory.ledger.lesson(lesson.id).status == "retired"
        back = await door.client.post(f"/api/changes/{done['changes'][0]['id']}/undo")
        assert memory.ledger.lesson(lesson.id).status == "candidate"
        empty = await door.client.post("/api/memory/prune", json={})
        blank = {"contains": " ", "apply": True}
        all_ = await door.client.post("/api/memory/prune", json=blank)
        assert memory.ledger.lesson(lesson.id).status == "candidate"
    assert preview["applied"] is False
    assert preview["changes"] == []
    assert [item["lesson"]["id"] for item in preview["items"]] == [lesson.id]
    assert "drawer" in preview["items"][0]["why"]
    assert back.json()["op"] == "undo"
    assert all_.status_code == 400
    assert empty.status_code == 409


async def test_a_lesson_is_retired_with_a_reason_and_brought_back(opens: Any) -> None:
    async with opens() as door:
        memory = door.place.memory
        lesson = memory.typed("Water boils at 90 degrees")
        gone = await door.client.delete(f"/api/memory/{lesson.id}", params={"reason": "wrong"})
        again = await door.client.delete(f"/api/memory/{lesson.id}")
        assert memory.ledger.lesson(lesson.id).status == "retired"
        undone = await door.client.post(
            f"/api/memory/{lesson.id}/undo", json={"reason": "at that height it does"}
        )
        assert memory.ledger.lesson(lesson.id).status == "active"
    assert gone.json()["change"]["reason"] == "wrong"
    assert gone.json()["lesson"]["status"] == "retired"
    assert again.status_code == 409
    assert undone.json()["reason"].startswith("at that height")


async def test_an_undo_that_is_too_late_names_the_change_in_between(opens: Any) -> None:
    async with opens() as door:
        lesson = door.place.memory.typed("Water boils at 90 degrees")
        add = door.place.ledger.history(lesson.id)[0]
        gone = (await door.client.delete(f"/api/memory/{lesson.id}")).json()
        late = await door.client.post(f"/api/changes/{add.id}/undo")
    assert late.status_code == 409
    assert gone["change"]["id"] in late.json()["error"]["message"]


async def test_changes_are_listed_and_shown(opens: Any) -> None:
    async with opens() as door:
        for number in range(3):
            door.place.memory.typed(f"Fact number {number}")
        page = (await door.client.get("/api/changes?limit=2")).json()
        rest = (await door.client.get("/api/changes?limit=2&offset=2")).json()
        one = await door.client.get(f"/api/changes/{page['items'][0]['id']}")
    assert (len(page["items"]), page["more"]) == (2, True)
    assert (len(rest["items"]), rest["more"]) == (1, False)
    assert one.json() == page["items"][0]


async def test_runs_are_listed_and_shown_with_their_steps(opens: Any, counts: Any) -> None:
    async with opens(counts("6 * 7", answer="42.")) as door:
        answer = (await door.say("How much is 6 * 7?")).json()
        run = answer["journeyman"]["run"]
        listed = (await door.client.get("/api/runs")).json()
        failed = (await door.client.get("/api/runs?status=failed")).json()
        page = (await door.client.get(f"/api/runs/{run}")).json()
        trajectory = await door.client.get(f"/api/trajectories/{run}")
    assert [item["id"] for item in listed["items"]] == [run]
    assert failed["items"] == []
    assert page["run"]["status"] == "done"
    assert page["trajectory"] == trajectory.json()
    assert "42" in page["trajectory"]["steps"][0]["observation"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/memory/L404", 404),
        ("DELETE", "/api/memory/L404", 404),
        ("POST", "/api/memory/L404/undo", 404),
        ("POST", "/api/changes/c404/undo", 404),
        ("GET", "/api/changes/c404", 404),
        ("GET", "/api/runs/r404", 404),
        ("GET", "/api/trajectories/r404", 404),
        ("GET", "/api/memory/%00%ff", 404),
        ("GET", "/api/nothing", 404),
        ("PUT", "/api/memory", 405),
        ("GET", "/api/memory?limit=0", 400),
        ("GET", "/api/memory?limit=many", 400),
        ("GET", "/api/memory?offset=99999999999999999999", 400),
        ("GET", "/api/memory?status=dead", 400),
        ("GET", "/api/runs?status=dead", 400),
    ],
)
async def test_what_does_not_exist_is_one_line(
    opens: Any, method: str, path: str, status: int
) -> None:
    async with opens() as door:
        answer = await door.client.request(method, path)
    assert answer.status_code == status
    assert "\n" not in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "body",
    [
        {"text": ""},
        {"text": "\ufffd" * 5000},
        {"text": "x", "kind": "rumour"},
        {"text": "x", "surprise": 1},
        {"text": "x", "scope": {"planet": "Mars"}},
        {"text": "   "},
    ],
)
async def test_a_lesson_that_does_not_fit_is_one_line(opens: Any, body: dict[str, Any]) -> None:
    async with opens() as door:
        answer = await door.client.post("/api/memory", json=body)
        assert door.place.ledger.lessons() == []
    assert answer.status_code == 400
    assert "\n" not in answer.json()["error"]["message"]
