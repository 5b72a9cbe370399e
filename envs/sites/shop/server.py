"""Serves the shop: `python server.py --port 8000`, then open the address that it prints.

`GET` and `PUT /api/state` and `POST /api/reset` answer only with the header `X-Token` that was
given as the first line of standard input (`--token-stdin`); no page ever holds it.
"""

from __future__ import annotations

import argparse
import json
import secrets
import sys
import threading
from collections.abc import Callable
from http.cookies import CookieError, SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import account
import buying
import doings
import store
from html_parts import frame, link

HERE = Path(__file__).parent
FILES = {"/style.css": "text/css", "/app.js": "text/javascript"}
BODY_MOST = 200_000
"""Bytes of the largest form."""
MEMBERS = ("/orders", "/wish-list", "/account", "/addresses", "/checkout")
"""Pages for people who signed in."""


class Shop:
    """The state and who is signed in where."""

    def __init__(self, token: str) -> None:
        self.token = token
        self.lock = threading.Lock()
        self.reset("")

    def reset(self, user: str) -> None:
        """The first state; whoever comes next is signed in as `user`."""
        self.state = store.fresh()
        self.visits: dict[str, doings.Visit] = {}
        self.expected = user if user in self.state["users"] else "guest"

    def visit(self, number: str) -> tuple[str, doings.Visit]:
        """The visit of a cookie, or a new one."""
        if number not in self.visits:
            number = secrets.token_hex(12)
            self.visits[number] = doings.Visit(user=self.expected)
            self.expected = "guest"
        return number, self.visits[number]


class Handler(BaseHTTPRequestHandler):
    """One request."""

    shop: Shop
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "Shop", ""

    def do_GET(self) -> None:
        """A page, a file or the state."""
        self._answer(self._get)

    def do_POST(self) -> None:
        """A form, or a reset."""
        self._answer(self._post)

    def do_PUT(self) -> None:
        """A new state, for those who hold the token."""
        self._answer(self._put)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Says nothing."""

    def _answer(self, doing: Callable[[str, dict[str, str], bytes], None]) -> None:
        length = self.headers.get("Content-Length") or "0"
        if not length.isdecimal() or int(length) > BODY_MOST:
            self.close_connection = True
            self._send(413, b"too large", kind="text/plain")
            return
        body = self.rfile.read(int(length))
        where = urlsplit(self.path)
        asked = dict(parse_qsl(where.query, keep_blank_values=True))
        with self.shop.lock:
            doing(unquote(where.path), asked, body)

    def _get(self, path: str, asked: dict[str, str], _body: bytes) -> None:
        if path in FILES:
            self._send(200, (HERE / path[1:]).read_bytes(), kind=FILES[path])
        elif path == "/api/state":
            self._guarded(lambda: self.shop.state)
        else:
            self._page(path, asked)

    def _put(self, path: str, _asked: dict[str, str], body: bytes) -> None:
        def write() -> dict[str, str]:
            self.shop.state = json.loads(body)
            return {"status": "ok"}

        if path == "/api/state":
            self._guarded(write)
        else:
            self._missing()

    def _post(self, path: str, asked: dict[str, str], body: bytes) -> None:
        def reset() -> dict[str, str]:
            self.shop.reset(str(json.loads(body or b"{}").get("user", "")))
            return {"status": "ok"}

        if path == "/api/reset":
            self._guarded(reset)
            return
        _, visit = self._visit()
        form = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
        try:
            where = doings.do(self.shop.state, visit, path, form)
        except store.Refusal as error:
            visit.flash, visit.bad = str(error), True
            self._page(doings.page_of(path, form), {**asked, **form})
            return
        if where is None:
            self._missing()
        else:
            self._send(303, b"", more={"Location": quote(where, safe="/?=&")})

    def _guarded(self, doing: Callable[[], Any]) -> None:
        given = self.headers.get("X-Token") or ""
        if not self.shop.token or not secrets.compare_digest(
            given.encode(), self.shop.token.encode()
        ):
            self._send(403, b"not for visitors", kind="text/plain")
            return
        try:
            answer = doing()
        except ValueError:
            self._send(400, b"not JSON", kind="text/plain")
            return
        self._send(200, json.dumps(answer).encode(), kind="application/json")

    def _visit(self) -> tuple[str, doings.Visit]:
        cookie: SimpleCookie = SimpleCookie()
        try:
            cookie.load(self.headers.get("Cookie") or "")
        except CookieError:
            cookie.clear()
        return self.shop.visit(cookie["visit"].value if "visit" in cookie else "")

    def _page(self, path: str, asked: dict[str, str]) -> None:
        number, visit = self._visit()
        if visit.user == "guest" and path.startswith(MEMBERS):
            asked, path = {**asked, "then": path}, "/sign-in"
            visit.flash = visit.flash or "Please sign in first."
        try:
            found = body_of(self.shop.state, visit.user, path, asked)
        except store.Refusal as error:
            found, visit.flash, visit.bad = None, str(error), True
        if found is None:
            heading = "Not found"
            found = f'<p class="empty">There is no such page. {link("/", "Back to the shop")}</p>'
            status = 404
        else:
            heading, status = path.strip("/").partition("/")[0].replace("-", " ").title(), 200
        page = frame(
            self.shop.state,
            visit.user,
            heading=heading or "Home",
            body=found,
            flash=visit.flash,
            bad=visit.bad,
            words=asked.get("q", "") if path == "/search" else "",
        )
        visit.flash, visit.bad = "", False
        cookie = {"Set-Cookie": f"visit={number}; Path=/; HttpOnly; SameSite=Strict"}
        self._send(status, page.encode(), more=cookie)

    def _missing(self) -> None:
        self._send(404, b"no such page", kind="text/plain")

    def _send(
        self,
        status: int,
        body: bytes,
        *,
        kind: str = "text/html",
        more: dict[str, str] | None = None,
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Frame-Options", "DENY")
        for name, value in (more or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def body_of(state: store.State, user: str, path: str, asked: dict[str, str]) -> str | None:
    """What stands on a page; None for one that isn't there."""
    first, _, rest = path.strip("/").partition("/")
    if first == "orders" and rest:
        return _order(state, user, rest)
    if first == "product":
        return buying.product(state, user, rest) if rest in store.PRODUCTS else None
    if first == "addresses":
        known = {one["label"]: one for one in state["users"][user]["addresses"]}
        old = asked.get("old", "") or (rest if rest in known else "")
        return account.address({**known.get(old, {}), **asked}, old=old)
    pages: dict[str, Callable[[], str]] = {
        "": buying.home,
        "search": lambda: buying.results(asked),
        "cart": lambda: buying.basket(state, user),
        "checkout": lambda: buying.checkout(state, user, asked),
        "sign-in": lambda: buying.sign_in(asked),
        "register": lambda: buying.register(asked),
        "orders": lambda: account.order_list(state, user),
        "wish-list": lambda: account.wish_list(state, user),
        "account": lambda: account.profile(state, user),
    }
    return pages[first]() if first in pages and not rest else None


def _order(state: store.State, user: str, rest: str) -> str | None:
    number, _, what = rest.partition("/")
    one = store.order_of(state, user, int(number) if number.isdecimal() else 0)
    if what == "return":
        return account.returning(state, one)
    return None if what else account.order(state, one)


def main() -> None:
    """Serves until it is stopped."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--port", type=int, default=8000)
    options.add_argument("--token-stdin", action="store_true")
    asked = options.parse_args()
    token = sys.stdin.readline().strip() if asked.token_stdin else ""
    handler = type("ShopHandler", (Handler,), {"shop": Shop(token)})
    server = ThreadingHTTPServer(("127.0.0.1", asked.port), handler)
    server.daemon_threads = True
    sys.stdout.write(f"Serving on http://127.0.0.1:{server.server_address[1]}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main()
