from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from agent.settings import ServerSettings, Settings
from envs.errors import Refused, UserError
from server.serving import bind, detach, serve, stop

MODEL = {"base_url": "http://127.0.0.1:9/v1", "name": "stub"}


def settings(home: Path, **server: Any) -> Settings:
    given = {"home": home, "model": MODEL, "server": {"port": 0, **server}}
    return Settings.model_validate(given)


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere only root may ask")
def test_a_port_in_use_is_named_with_who_has_it(taken: int) -> None:
    with pytest.raises(UserError, match=rf"port {taken} is in use by .*\(process {os.getpid()}\)"):
        bind(ServerSettings(port=taken))


@pytest.mark.parametrize("host", ["192.0.2.1", "a" * 300])
def test_an_address_that_can_not_be_had_is_one_line(host: str) -> None:
    with pytest.raises(UserError, match="with --host") as caught:
        bind(ServerSettings(host=host, port=0))
    assert "\n" not in str(caught.value)


async def test_without_a_key_other_machines_are_refused_before_anything_is_opened(
    tmp_path: Path,
) -> None:
    with pytest.raises(Refused, match="set JOURNEYMAN_SERVER__API_KEY"):
        await serve(settings(tmp_path / "home", host="0.0.0.0"), on_ready=print)
    assert not (tmp_path / "home").exists()


async def test_a_port_in_use_is_refused_before_anything_is_opened(
    tmp_path: Path, taken: int
) -> None:
    with pytest.raises(UserError, match="or --port 0 for any that is free"):
        await serve(settings(tmp_path / "home", port=taken), on_ready=print)
    assert not (tmp_path / "home").exists()


def test_a_server_in_the_background_is_found_again_and_ended(tmp_path: Path) -> None:
    chosen = settings(tmp_path, api_key="secret")
    url, pid = detach(chosen)
    try:
        assert detach(chosen) == (url, pid)
        with pytest.raises(Refused, match=rf"runs at {url} \(process {pid}\)"):
            detach(settings(tmp_path, api_key="secret", verify="after"))
        with httpx.Client(base_url=url, trust_env=False) as client:
            assert client.get("/healthz").status_code == 200
            assert client.get("/api/runs").status_code == 401
            ready = client.get("/readyz", headers={"authorization": "Bearer secret"})
            assert ready.json()["status"] == "ready"
    finally:
        stopped = stop(chosen)
    assert stopped
    assert not stop(chosen)
    assert not (tmp_path / "server.json").exists()
    assert "serving at" in (tmp_path / "server.log").read_text("utf-8")


def test_a_server_that_does_not_come_up_says_why(tmp_path: Path, taken: int) -> None:
    with pytest.raises(UserError, match=f"did not start: port {taken} is in use"):
        detach(settings(tmp_path, port=taken))


def test_a_signal_ends_it_with_exit_code_0(tmp_path: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-m", "server.serving"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with child:
        assert child.stdin
        assert child.stdout
        child.stdin.write(json.dumps(settings(tmp_path).model_dump(mode="json")).encode())
        child.stdin.close()
        assert b"serving at http://127.0.0.1:" in child.stdout.readline()
        child.terminate()
        assert child.wait(30) == 0
        assert child.stderr
        assert child.stderr.read() == b""
