from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from agent.settings import ServerSettings
from envs.errors import Refused
from server.auth import MOST_BYTES, check_binding, loopback

KEY = {"server": {"api_key": "a-kéy"}}
BEARER = {"authorization": "Bearer a-kéy".encode()}


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.8.8", "::1"])
def test_loopback_needs_no_key(host: str) -> None:
    assert loopback(host)
    check_binding(ServerSettings(host=host))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.168.1.7", "example.org", "127.0.0.1.x"])
def test_addresses_that_others_reach_need_a_key(host: str) -> None:
    with pytest.raises(Refused, match="set JOURNEYMAN_SERVER__API_KEY, or serve on 127"):
        check_binding(ServerSettings(host=host))
    check_binding(ServerSettings(host=host, api_key="secret"))


@pytest.mark.parametrize(
    "base", ["http://localhost:8321", "http://127.0.0.1", "http://[::1]:8321", "http://LOCALHOST"]
)
async def test_this_machine_is_let_in(opens: Any, base: str) -> None:
    async with opens(base=base) as door:
        assert (await door.client.get("/api/memory")).status_code == 200


@pytest.mark.parametrize("path", ["/api/memory", "/healthz", "/openapi.json", "/nowhere"])
async def test_a_name_that_was_rebound_to_loopback_is_shut_out(opens: Any, path: str) -> None:
    async with opens(base="http://evil.example:8321") as door:
        answer = await door.client.get(path)
    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "forbidden_host"


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1.evil.com"])
async def test_pages_from_elsewhere_are_shut_out(opens: Any, origin: str) -> None:
    async with opens() as door:
        answer = await door.client.post(
            "/api/memory", json={"text": "x"}, headers={"origin": origin}
        )
        assert door.place.ledger.lessons() == []
    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "forbidden_origin"


async def test_pages_of_this_machine_are_let_in(opens: Any) -> None:
    async with opens(headers={"origin": "http://localhost:3000"}) as door:
        assert (await door.client.get("/v1/models")).status_code == 200


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"authorization": "Bearer wrong"},
        {"authorization": "a-key"},
        {"authorization": "Bearer"},
    ],
)
@pytest.mark.parametrize("path", ["/v1/models", "/api/memory", "/readyz", "/docs", "/openapi.json"])
async def test_with_a_key_everything_asks_for_it(
    opens: Any, path: str, given: dict[str, str]
) -> None:
    async with opens(**KEY) as door:
        answer = await door.client.get(path, headers=given)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.json()["error"]["type"] == "authentication_error"


async def test_the_key_opens_from_everywhere(opens: Any) -> None:
    async with opens(base="http://journeyman.example", **KEY) as door:
        assert (await door.client.get("/healthz")).json() == {"status": "ok"}
        assert (await door.client.get("/v1/models", headers=BEARER)).status_code == 200


async def test_the_key_is_checked_before_the_body_is_read(opens: Any) -> None:
    async def endless() -> AsyncIterator[bytes]:
        raise AssertionError("the body was read")
        yield b""

    async with opens(**KEY) as door:
        answer = await door.client.post("/api/memory", content=endless())
    assert answer.status_code == 401


@pytest.mark.parametrize("announced", [True, False])
async def test_a_body_that_is_too_large_is_a_413(opens: Any, announced: bool) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(5):
            yield b" " * 2**20

    content = b" " * (MOST_BYTES + 1) if announced else pieces()
    async with opens() as door:
        answer = await door.client.post("/v1/chat/completions", content=content)
    assert answer.status_code == 413
    assert "larger than 4 MB" in answer.json()["error"]["message"]


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/api/memory", "/api/memory/prune"])
@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b'{"text": "\xff"}', "not valid UTF-8 (byte 10)"),
        (b"{", "not valid JSON"),
        (b"", "Field required"),
        (b"[1]", "valid dict"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a": ' + b"9" * 5000 + b"}", "can't be read"),
    ],
)
async def test_bodies_that_make_no_sense_are_one_line(
    opens: Any, path: str, content: bytes, says: str
) -> None:
    headers = {"content-type": "application/json"}
    async with opens() as door:
        answer = await door.client.post(path, content=content, headers=headers)
    message = answer.json()["error"]["message"]
    assert answer.status_code == 400
    assert says in message
    assert "\n" not in message
