"""Pages without a browser: links and forms over HTTP, enough for the shop, in milliseconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlencode, urljoin, urlsplit

from envs.pages import PageAction, Seen


@dataclass
class Form:
    action: str = ""
    method: str = "get"
    fields: list[Element] = field(default_factory=list)


@dataclass
class Element:
    role: str
    name: str = ""
    key: str = ""
    value: str = ""
    on: bool = True
    options: list[str] = field(default_factory=list)
    form: Form | None = None


class Reader(HTMLParser):
    """Collects what can be acted on, and the text."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[Element] = []
        self.words: list[str] = []
        self._form: Form | None = None
        self._open: Element | None = None
        self._label: str | None = None
        self._unnamed: Element | None = None
        self._option = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {key: value or "" for key, value in attrs}
        if tag == "form":
            self._form = Form(given.get("action", ""), given.get("method", "get"))
        elif tag == "label":
            self._label = ""
        elif tag == "option":
            self._option = True
            if self._open:
                self._open.options.append("")
                self._open.on = self._open.on or "selected" in given
                if "selected" in given:
                    self._open.value = "?"
        elif tag in ("a", "button", "input", "select", "textarea"):
            self._begin(tag, given)

    def _begin(self, tag: str, given: dict[str, str]) -> None:
        kind = given.get("type", "text")
        role = {"a": "link", "button": "button", "select": "combobox"}.get(tag, "textbox")
        role = kind if tag == "input" and kind in ("checkbox", "radio", "hidden") else role
        on = "checked" in given if role in ("checkbox", "radio") else True
        value = given.get("href") or given.get("value", "")
        made = Element(role, given.get("aria-label", ""), given.get("name", ""), value, on)
        made.form = self._form
        if self._form and role not in ("link", "button"):
            self._form.fields.append(made)
        if role != "hidden":
            self.elements.append(made)
        if tag != "input":
            self._open = made
        if self._label is not None and role != "hidden":
            made.name, self._unnamed = self._label.strip(), made

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        elif tag == "label":
            self._label = self._unnamed = None
        elif tag == "option":
            self._option = False
            if self._open and self._open.value == "?":
                self._open.value = self._open.options[-1]
        elif tag in ("a", "button", "select", "textarea") and self._open:
            if tag == "select" and not self._open.value:
                self._open.value = self._open.options[0]
            self._open = None

    def handle_data(self, data: str) -> None:
        if self._option and self._open:
            self._open.options[-1] += data
        elif self._open and self._open.role in ("link", "button") and not self._open.name.strip():
            self._open.name = data
        elif self._label is not None:
            self._label += data
            if self._unnamed and self._unnamed.role in ("checkbox", "radio"):
                self._unnamed.name = self._label.strip()
        self.words.append(data.strip())


class PlainPage:
    """One page; what its server sets as a cookie is kept."""

    def __init__(self, origins: Sequence[str]) -> None:
        self._origins = tuple(origins)
        self._url = ""
        self._cookie = ""
        self._read = Reader()

    def look(self, *, words: tuple[str, ...] = ()) -> Seen:
        actions = [f'click {e.role} "{e.name}"' for e in self._read.elements if e.role != "textbox"]
        text = "\n".join(filter(None, self._read.words))
        return Seen(url=self._url, title="", text=text, actions=tuple(dict.fromkeys(actions)))

    def act(self, action: PageAction) -> str:
        alike = [e for e in self._read.elements if (e.role, e.name) == (action.role, action.name)]
        if len(alike) < action.nth:
            return f"there is no {action.role} {action.name!r}"
        spot = alike[action.nth - 1]
        if action.verb in ("fill", "select"):
            if action.verb == "select" and action.value not in spot.options:
                return f"{action}: it has no such option"
            spot.value = action.value
        elif action.verb in ("check", "uncheck"):
            spot.on = action.verb == "check"
        elif spot.role == "radio" and spot.form:
            for other in spot.form.fields:
                if other.role == "radio" and other.key == spot.key:
                    other.on = other is spot
        elif spot.role == "link":
            self.goto(urljoin(self._url, spot.value))
        elif spot.role == "button" and spot.form:
            self._send(spot.form)
        return f"{action}: done"

    def _send(self, form: Form) -> None:
        sent = urlencode([(e.key, e.value) for e in form.fields if e.on])
        where = urljoin(self._url, form.action or self._url)
        if form.method == "post":
            self._ask("POST", where, sent)
        else:
            self._ask("GET", f"{where}?{sent}" if sent else where)

    def goto(self, url: str) -> str:
        parts = urlsplit(url)
        if f"{parts.scheme}://{parts.netloc}" not in self._origins:
            return f"{url} was not opened: it is not of the origins allowed"
        self._ask("GET", url)
        return f"opened {self._url}"

    def _ask(self, method: str, url: str, body: str = "") -> None:
        parts = urlsplit(url)
        line = HTTPConnection(parts.netloc, timeout=10)
        headers = {"Cookie": self._cookie, "Content-Type": "application/x-www-form-urlencoded"}
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        try:
            line.request(method, path or "/", body.encode(), headers)
            answer = line.getresponse()
            content = answer.read().decode()
        except (OSError, HTTPException) as error:
            self._read = Reader()
            self._read.words = [f"(no answer: {error})"]
            return
        finally:
            line.close()
        if cookie := answer.getheader("Set-Cookie"):
            self._cookie = cookie.partition(";")[0]
        if answer.status == 303:
            self._ask("GET", urljoin(url, answer.getheader("Location") or "/"))
            return
        self._url, self._read = url, Reader()
        self._read.feed(content)

    def shot(self) -> bytes:
        return b""

    def close(self) -> None:
        """Nothing to free."""


class PlainBrowser:
    """Opens plain pages."""

    def open(self, *, origins: Sequence[str]) -> PlainPage:
        return PlainPage(origins)

    def close(self) -> None:
        """Nothing to free."""
