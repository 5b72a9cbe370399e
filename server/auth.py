"""Who may come in, and with how much: keys, loopback, the size and encoding of bodies.

Without a key the server is for this machine only. Binding to loopback does not suffice for that: a
web page can make the browser of its visitor talk to loopback, directly (it sends its `Origin`) or
under a name of its own that it lets point to 127.0.0.1 (DNS rebinding; it shows in `Host`).
"""

from __future__ import annotations

import hmac
import ipaddress
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent.settings import ServerSettings
from envs.errors import Refused, clip

MOST_BYTES = 4 * 1024 * 1024
"""Largest body."""
OPEN = frozenset({"/healthz"})
"""Paths that need no key."""


class Guard:
    """ASGI middleware before everything else. What it refuses reaches no route."""

    def __init__(self, app: ASGIApp, *, api_key: str = "") -> None:
        self._app = app
        self._key = api_key.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refusal = self._unwelcome(scope["path"], headers)
        body = b""
        if refusal is None and scope["method"] not in ("GET", "HEAD", "OPTIONS"):
            body, refusal = await _body(receive, headers)
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        await self._app(scope, _replayed(body, receive), send)

    def _unwelcome(self, path: str, headers: Headers) -> JSONResponse | None:
        if self._key:
            if path in OPEN or self._knows_key(headers):
                return None
            return failure(
                401,
                "the API key is missing or wrong; send it as `Authorization: Bearer KEY`",
                code="invalid_api_key",
                headers={"www-authenticate": "Bearer"},
            )
        host, origin = headers.get("host", ""), headers.get("origin")
        if not loopback(_name(f"//{host}")):
            return failure(
                403,
                f"the Host header {clip(host)!r} is not of this machine, and no API key is set; "
                "use http://127.0.0.1, or set JOURNEYMAN_SERVER__API_KEY",
                code="forbidden_host",
            )
        if origin is not None and not loopback(_name(origin)):
            return failure(
                403,
                f"pages of {clip(origin)!r} may not talk to a server without an API key; "
                "set JOURNEYMAN_SERVER__API_KEY and send it",
                code="forbidden_origin",
            )
        return None

    def _knows_key(self, headers: Headers) -> bool:
        scheme, _, given = headers.get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and hmac.compare_digest(
            given.strip().encode("latin-1"), self._key
        )


def check_binding(server: ServerSettings) -> None:
    """Raises `Refused` when the address can be reached from elsewhere and there is no key."""
    if not server.api_key and not loopback(server.host):
        raise Refused(
            f"{server.host or 'every address'!r} can be reached from other machines, "
            "and no API key is set",
            repair="set JOURNEYMAN_SERVER__API_KEY, or serve on 127.0.0.1",
        )


def loopback(host: str | None) -> bool:
    """Whether a host name or address can only mean this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


def failure(
    status: int, message: str, *, code: str, headers: dict[str, str] | None = None
) -> JSONResponse:
    """An error in OpenAI's shape."""
    return JSONResponse(described(status, message, code=code), status, headers=headers)


def described(status: int, message: str, *, code: str) -> dict[str, dict[str, str | None]]:
    """The body of an error in OpenAI's shape."""
    kind = "server_error" if status >= 500 else "invalid_request_error"
    if status == 401:
        kind = "authentication_error"
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def _name(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


async def _body(receive: Receive, headers: Headers) -> tuple[bytes, JSONResponse | None]:
    announced = headers.get("content-length", "")
    if announced.isdecimal() and int(announced[:20]) > MOST_BYTES:
        return b"", _too_large()
    pieces: list[bytes] = []
    size = 0
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return b"", failure(400, "the request broke off; send it again", code="incomplete")
        piece = message.get("body", b"")
        size += len(piece)
        if size > MOST_BYTES:
            return b"", _too_large()
        pieces.append(piece)
        more = message.get("more_body", False)
    body = b"".join(pieces)
    try:
        body.decode("utf-8")
    except UnicodeDecodeError as error:
        return b"", failure(
            400,
            f"the body is not valid UTF-8 (byte {error.start}); send JSON encoded as UTF-8",
            code="invalid_encoding",
        )
    return body, None


def _too_large() -> JSONResponse:
    return failure(
        413,
        f"the body is larger than {MOST_BYTES // 2**20} MB; send less of the conversation",
        code="too_large",
        headers={"connection": "close"},
    )


def _replayed(body: bytes, receive: Receive) -> Receive:
    first: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return first.pop() if first else await receive()

    return replay
