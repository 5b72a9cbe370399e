"""`/api/skills`: list, read, retire, undo."""

from __future__ import annotations

from typing import Any

from skills.library import Library
from skills.types import Skill


def learn(library: Library, name: str, body: str, uses: tuple[str, ...] = ()) -> Skill:
    code = f'def {name}(thing: str) -> bool:\n    """Does {name}."""\n    return {body}\n'
    given = Skill(id="", name=name, env="toy", code=code, uses=uses)
    return library.add(given, reason="found")


async def test_skills_are_listed_read_retired_and_brought_back(opens: Any) -> None:
    async with opens() as door:
        library = Library(door.place.ledger)
        low = learn(library, "clean", "'ok' in act('clean ' + thing)")
        high = learn(library, "wash", "clean(thing)", (low.id,))
        library.move(high, "active", reason="passed", cascade=True)
        listed = (await door.client.get("/api/skills", params={"limit": 1})).json()
        none = (await door.client.get("/api/skills", params={"env": "household"})).json()
        page = (await door.client.get("/api/skills/wash")).json()
        called = await door.client.delete(f"/api/skills/{low.id}")
        gone = await door.client.delete("/api/skills/wash", params={"reason": "not needed"})
        after = (await door.client.get("/api/skills", params={"status": "retired"})).json()
        back = await door.client.post("/api/skills/wash/undo", json={"reason": "needed"})
        status = library.get("wash").status
        missing = await door.client.get("/api/skills/none")
        never = await door.client.post("/api/skills/none/undo")
    assert (listed["total"], [one["name"] for one in listed["items"]]) == (2, ["wash"])
    assert none == {"total": 0, "items": []}
    assert [one["name"] for one in page["uses"]] == ["clean"]
    assert page["callers"] == []
    assert [one["version"] for one in page["versions"]] == [1]
    assert [one["op"] for one in page["history"]] == ["add", "status"]
    assert "not measured yet" in page["effect_in_words"][0]
    assert called.status_code in (403, 409)
    assert "is called by: wash" in called.text
    assert gone.json()["reason"] == "not needed"
    assert [one["name"] for one in after["items"]] == ["wash"]
    assert (back.json()["op"], status) == ("undo", "active")
    assert (missing.status_code, never.status_code) == (404, 404)
