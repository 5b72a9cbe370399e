"""A lending library as a web app of its own, and pages without a browser that can be filled in."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from envs.pages import Seen, quote
from tests.envs.plain import PlainBrowser, PlainPage

SERVER = '''
import html, http.server, json, sys, urllib.parse
BOOKS = json.load(open("books.json"))
held = {"state": {"loans": []}}
class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self, text, kind="text/html; charset=utf-8", status=200, **headers):
        self.send_response(status)
        for key, value in {"Content-Type": kind, **headers}.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(text.encode())
    def show(self, title, body):
        self.answer(f"""<title>{title}</title><h1>{title}</h1>
<form action="/find"><label>Title or author <input name="q"></label><button>Find</button></form>
<a href="/">Front page</a> <a href="/rules">House rules</a> <a href="/mine">My loans</a>{body}""")
    def do_GET(self):
        where = urllib.parse.urlsplit(self.path)
        asked = urllib.parse.parse_qs(where.query)
        if where.path == "/api/state":
            self.answer(json.dumps(held["state"]), "application/json")
        elif where.path == "/find":
            q = asked.get("q", [""])[0].casefold()
            hits = [n for n, one in enumerate(BOOKS) if q and q in one.casefold()]
            links = "".join(f'<a href="/book?n={n}">{BOOKS[n]}</a>' for n in hits)
            self.show("Found", links or "<p>Nothing was found.</p>")
        elif where.path == "/book":
            n = int(asked["n"][0])
            self.show(BOOKS[n], f"""<form method="post" action="/borrow">
<input type="hidden" name="n" value="{n}"><button>Borrow it</button></form>
<form method="post" action="/hold"><input type="hidden" name="n" value="{n}">
<button>Put on hold</button></form>""")
        elif where.path == "/mine":
            lent = [html.escape(BOOKS[n]) for n in held["state"]["loans"]]
            told = f"<p>You have borrowed {lent[-1]}.</p>" if lent else ""
            self.show("My loans", told)
        else:
            self.show("Library", "<p>Welcome.</p>")
    def do_PUT(self):
        held["state"] = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.answer('"ok"')
    def do_POST(self):
        sent = self.rfile.read(int(self.headers["Content-Length"] or 0)).decode()
        if self.path == "/api/reset":
            held["state"] = {"loans": []}
            return self.answer('"ok"')
        n = int(urllib.parse.parse_qs(sent)["n"][0])
        if self.path == "/borrow":
            held["state"]["loans"].append(n)
        self.answer("", status=303, Location="/mine" if self.path == "/borrow" else "/")
    def log_message(self, *args): pass
port = int(sys.argv[sys.argv.index("--port") + 1])
http.server.ThreadingHTTPServer(("", port), Handler).serve_forever()
'''
VERIFY = "def verify(state, expect):\n    return state == expect, 'looked'\n"
BOOKS = (
    *("Dune", "Emma", "Ulysses", "Middlemarch", "Walden", "The Trial", "Moby Dick", "Kim"),
    *("Dracula", "Persuasion", "Candide", "Hard Times"),
)
HELD_OUT = 2


def library(folder: Path) -> Path:
    """A folder with the app; its last books are asked for in `val` only."""
    app = folder / "library"
    app.mkdir(parents=True)
    (app / "server.py").write_text(SERVER)
    (app / "verify_loans.py").write_text(VERIFY)
    (app / "books.json").write_text(json.dumps(BOOKS))
    tasks = [
        {
            "id": f"borrow-{number}",
            "split": "train" if number < len(BOOKS) - HELD_OUT else "val",
            "kind": "borrow",
            "instruction": f'Borrow the book "{title}".',
            "verify": "verify_loans.py",
            "expect": {"loans": [number]},
        }
        for number, title in enumerate(BOOKS)
    ]
    (app / "tasks.json").write_text(json.dumps(tasks))
    return folder


class FormPage(PlainPage):
    """A plain page whose fields can be filled with words of the goal."""

    def look(self, *, words: tuple[str, ...] = ()) -> Seen:
        seen = super().look(words=words)
        fields = [one for one in self._read.elements if one.role == "textbox"]
        fills = [f"fill textbox {quote(f.name)} with {quote(w)}" for f in fields for w in words]
        names = [f"{one.role} {quote(one.name)}" for one in self._read.elements]
        held = [f"  {one.value}" for one in fields if one.value]
        text = "\n".join([seen.text, *names, *held])
        return seen.model_copy(update={"text": text, "actions": (*seen.actions, *fills)})


class FormBrowser(PlainBrowser):
    """Opens such pages."""

    def open(self, *, origins: Sequence[str]) -> FormPage:
        return FormPage(origins)
