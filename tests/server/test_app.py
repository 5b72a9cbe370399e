from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx

from agent.settings import Settings
from server.app import app_from_settings

MODEL = {"base_url": "http://127.0.0.1:9/v1", "name": "stub"}


async def test_health_needs_nothing(opens: Any) -> None:
    async with opens() as door:
        health = await door.client.get("/healthz")
    assert health.json() == {"status": "ok"}


async def test_the_schema_names_every_route_and_the_shape_of_errors(opens: Any) -> None:
    async with opens() as door:
        schema = (await door.client.get("/openapi.json")).json()
    operations = [
        (path, name, operation)
        for path, methods in schema["paths"].items()
        for name, operation in methods.items()
    ]
    assert {path for path, _, _ in operations} >= {
        "/v1/chat/completions",
        "/v1/models",
        "/api/memory",
        "/api/memory/prune",
        "/api/memory/{lesson}",
        "/api/memory/{lesson}/undo",
        "/api/changes",
        "/api/changes/{change}/undo",
        "/api/runs",
        "/api/runs/{run}",
        "/api/trajectories/{trajectory}",
        "/healthz",
        "/readyz",
    }
    assert not [path for path, _, operation in operations if "422" in operation["responses"]]


async def test_an_application_opens_and_closes_its_own_home(tmp_path: Path) -> None:
    app = app_from_settings(Settings.model_validate({"home": tmp_path, "model": MODEL}))
    transport = httpx.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://localhost") as client,
    ):
        ready = await client.get("/readyz")
        listed = await client.get("/v1/models")
    assert ready.json()["status"] == "ready"
    assert "stub" in ready.json()["model"]
    assert listed.json()["data"][0]["id"] == "journeyman"
    assert (tmp_path / "ledger.db").exists()


async def test_a_fault_of_its_own_is_one_line_without_a_trace(opens: Any) -> None:
    async with opens() as door:
        door.place.ledger.close()
        answers = [
            await door.client.get("/api/runs"),
            await door.client.get("/readyz"),
            await door.say("Hello"),
        ]
    for answer in answers:
        assert answer.status_code in (500, 502, 503)
        assert "Traceback" not in answer.text
        assert "\n" not in answer.json()["error"]["message"]
