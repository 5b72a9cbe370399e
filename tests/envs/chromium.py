"""A real browser for tests, and a server of pages that behave badly."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from envs.browser import installed
from envs.errors import Missing


def there() -> bool:
    """Whether there is a browser, and the package that drives it."""
    try:
        return bool(installed())
    except Missing:
        return False


needs_browser = pytest.mark.skipif(not there(), reason="no browser: run `make browser`")

HOME = """<title>Home</title><h1>Home</h1>
<label>User <input></label>
<button onclick="document.title = document.querySelector('input').value">Rename</button>
<div style="position:relative"><button style="position:absolute;left:0;top:0">Under</button>
<div style="position:absolute;left:0;top:0;width:300px;height:60px;background:#eee">lid</div></div>
<div style="height:80px"></div>
<a href="/loop">loop</a> <a href="/leave">leave</a> <a href="{other}/stolen">away</a>
<a href="/" target="_blank">tab</a> <a href="/file.bin" download>file</a>
<a href="javascript:document.title='ran'">script</a> <a href="data:text/html,hi">data</a>
<a href="file:///etc/passwd">disk</a>
<button onclick="window.open('{other}/opened')">open</button>
<button onclick="alert('one'); const two = confirm('two'), three = prompt('three');
  document.title = two + ' ' + three">ask</button>
<button onclick="while (true) {{}}">hang</button>
<button onclick="fetch('{other}/fetched').catch(e => document.title = 'refused');
  navigator.sendBeacon('{other}/beacon'); new WebSocket('{socket}/socket');
  new Image().src = '{other}/image'">talk</button>
<form action="{other}/form" method="post"><input name="a" value="b"><button>Send</button></form>
"""


class Rogue:
    """Pages that behave badly, and a second origin that counts who comes."""

    def __init__(self) -> None:
        self.visits: list[str] = []
        self.origin, self.other = "", ""
        rogue = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                rogue.answer(self)

            do_POST = do_GET  # noqa: N815

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Says nothing."""

        self.servers = [ThreadingHTTPServer(("127.0.0.1", 0), Handler) for _ in range(2)]
        for server in self.servers:
            server.daemon_threads = True
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        self.origin, self.other = (f"http://127.0.0.1:{s.server_port}" for s in self.servers)

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Home, the misbehaviour that the path names, or a count of the visit."""
        path = request.path.partition("?")[0]
        if request.server is self.servers[1]:
            self.visits.append(path)
        status, headers, body = 200, {"Content-Type": "text/html"}, b""
        match path:
            case "/":
                socket = self.other.replace("http", "ws")
                body = HOME.format(other=self.other, socket=socket).encode()
            case "/loop":
                status, headers = 302, {"Location": "/loop"}
            case "/leave":
                status, headers = 302, {"Location": f"{self.other}/redirected"}
            case "/long":
                body = b"<p>" + b"word " * 2_000_000
            case "/many":
                body = b"<button>b</button>" * 3000
            case "/never":
                time.sleep(4)
            case "/file.bin":
                headers, body = {"Content-Disposition": "attachment; filename=file.bin"}, b"x"
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name, value)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        try:
            request.wfile.write(body)
        except OSError:
            return

    def close(self) -> None:
        """Stops both."""
        for server in self.servers:
            server.shutdown()
            server.server_close()


@contextmanager
def rogue() -> Iterator[Rogue]:
    """A `Rogue` for the length of a block."""
    served = Rogue()
    try:
        yield served
    finally:
        served.close()
