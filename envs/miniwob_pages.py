"""MiniWoB++'s pages, served on loopback so that only their own scripts run in them.

Before its own scripts each page gets one of ours. What listens to clicks gets a pointer for cursor
and, where nothing lies in it, the role of a button, named after its words, else its colour and
class: pages show that to eyes alone. And timers that are due soon are counted, to be waited for.

Every script of a page carries a number that changes with the server and that no player learns; the
browser runs nothing else. So markup that a player enters (`<img onerror=...>`) stays markup, and
a form leads nowhere.
"""

from __future__ import annotations

import re
import secrets
import threading
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote, urlsplit

from envs.errors import Missing

KINDS = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".png": "image/png",
    ".gif": "image/gif",
    ".svg": "image/svg+xml",
    ".json": "application/json",
}
FIRST = b"""
(() => {
  const clock = {due: 0, later: window.setTimeout, soon: 1000}, never = window.clearTimeout;
  const waiting = new Set();
  const off = id => { if (waiting.delete(id)) clock.due -= 1; };
  window[Symbol.for('journeyman.clock')] = clock;
  window.setTimeout = (task, ms, ...rest) => {
    if (!(ms <= clock.soon) || typeof task !== 'function')
      return clock.later.call(window, task, ms, ...rest);
    const id = clock.later.call(window, () => { off(id); task(...rest); }, ms);
    waiting.add(id); clock.due += 1;
    return id;
  };
  window.clearTimeout = id => { off(id); never.call(window, id); };
  const listen = EventTarget.prototype.addEventListener, heard = new Set();
  const plain = 'span, div, td, li, p, i, b, img, h1, h2, h3, h4, strong, em';
  EventTarget.prototype.addEventListener = function (kind, ...rest) {
    if (/^(click|mousedown|mouseup|dblclick)$/.test(kind) && this instanceof HTMLElement
        && this.matches(plain) && !/^(wrap|area|query)$/.test(this.id)) heard.add(this);
    return listen.call(this, kind, ...rest);
  };
  clock.label = it => {
    const back = getComputedStyle(it).backgroundColor, name = it.getAttribute('class') || it.id;
    const colour = it.style.backgroundColor || (/, 0\\)$/.test(back) ? '' : back);
    return [name || it.tagName.toLowerCase(), colour];
  };
  clock.show = () => {
    for (const it of heard) {
      if (!it.isConnected) { heard.delete(it); continue; }
      it.style.cursor ||= 'pointer';
      if (it.childElementCount || (it.hasAttribute('role') && !it.dataset.heard)) continue;
      it.setAttribute('role', 'button');
      it.dataset.heard = '1';
      if (it.textContent.trim()) it.removeAttribute('aria-label');
      else it.setAttribute('aria-label', clock.label(it).reverse().join(' ').trim());
    }
  };
})();
"""
HIDDEN = b"#reward-display, #click-canvas, #sync-task-cover { display: none !important }"
_HEAD = re.compile(rb"<head[^>]*>", re.IGNORECASE)
_SCRIPT = re.compile(rb"<script\b", re.IGNORECASE)


class Served:
    """A folder of pages on a free port of loopback, until `close`."""

    def __init__(self, folder: Path) -> None:
        nonce = secrets.token_urlsafe(16)
        handler = type("Handler", (_Handler,), {"folder": folder.resolve(), "nonce": nonce})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.origin = f"http://127.0.0.1:{self._server.server_port}"
        """Scheme, host and port."""
        name = "journeyman-miniwob"
        self._thread = threading.Thread(target=self._serve, name=name, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        self._server.serve_forever(poll_interval=0.05)

    def close(self) -> None:
        """Stops serving; may be called twice."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    folder: Path
    nonce: str

    def do_GET(self) -> None:
        path = (self.folder / unquote(urlsplit(self.path).path).lstrip("/")).resolve()
        kind = KINDS.get(path.suffix)
        content = b""
        if kind and path.is_relative_to(self.folder) and path.is_file():
            content = _content(path, self.nonce)
        self.send_response(200 if content else 404)
        self.send_header("Content-Type", kind or "text/plain")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "max-age=3600")
        policy = f"script-src 'nonce-{self.nonce}'; object-src 'none'; frame-src 'none'"
        more = "base-uri 'none'; form-action 'none'; connect-src 'none'; worker-src 'none'"
        self.send_header("Content-Security-Policy", f"{policy}; {more}")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Says nothing."""


@cache
def _content(path: Path, nonce: str) -> bytes:
    content = path.read_bytes()
    if path.suffix != ".html":
        return content
    ours = b"<style>" + HIDDEN + b"</style><script>" + FIRST + b"</script>"
    content = _HEAD.sub(lambda head: head[0] + ours, content, count=1)
    return _SCRIPT.sub(b'<script nonce="' + nonce.encode() + b'"', content)


def folder() -> Path:
    """The `html` folder of the installed package. Raises `Missing` without it."""
    spec = find_spec("miniwob")
    found = Path(spec.origin).parent / "html" if spec and spec.origin else None
    if found is None or not (found / "miniwob").is_dir():
        raise Missing(
            "MiniWoB++'s pages come with the package miniwob",
            repair='pip install "journeyman[web]"',
        )
    return found
