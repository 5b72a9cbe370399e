"""`journeyman bisect` from the command line; history, diff and as-of of every kind of change."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from agent.bisecting import Broke, Played
from envs.errors import Refused, UnknownName, UserError
from envs.toy import Toy
from memory.ledger import Ledger
from memory.types import Change, Lesson
from server.cli import app
from server.commands.bisecting import lines

TASK = Toy().tasks("train")[0]
THING = TASK.tags[1]
WAY = Toy().open(TASK, seed=TASK.seed).demonstrate()[0].text
BAD = "Never open a drawer that you were told of."


class Says(BaseHTTPRequestHandler):
    """A model that brings the thing, unless the bad note stands before it."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        choices = body["response_format"]["json_schema"]["schema"]["properties"]["action"]["enum"]
        wishes = [f"give {THING}", f"take {THING}", *([] if BAD in str(body) else [WAY])]
        action = next((one for one in wishes if one in choices), "")
        action = action or next(one for one in choices if one != WAY)
        message = {"role": "assistant", "content": json.dumps({"action": action})}
        choice = {"index": 0, "finish_reason": "stop", "message": message}
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        whole = {"id": "x", "object": "chat.completion", "created": 0, "model": "says"}
        sent = json.dumps({**whole, "choices": [choice], "usage": usage}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(sent)))
        self.end_headers()
        self.wfile.write(sent)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Quiet."""


@pytest.fixture
def model() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Says)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    server.server_close()
    thread.join()


def here(*words: str, home: Path, model: str = "") -> Result:
    env = {"JOURNEYMAN_HOME": str(home), "COLUMNS": "300", "JOURNEYMAN_MODEL__BASE_URL": model}
    env["JOURNEYMAN_MODEL__NAME"] = "says"
    return CliRunner().invoke(app, words, env={key: one for key, one in env.items() if one})


def asked(*words: str, home: Path, model: str = "") -> Any:
    done = here(*words, "--json", home=home, model=model)
    assert done.exception is None, done.exception
    return json.loads(done.stdout)


def note(number: int, text: str) -> Change:
    one = Lesson(id=f"L{number}", kind="fact", text=text, situation=TASK.goal)
    after = one.model_dump(mode="json", exclude={"effect"})
    return Change(id="", kind="lesson", target=one.id, op="add", reason=f"no {number}", after=after)


@pytest.mark.timeout(280)
def test_the_bad_lesson_is_named_with_the_line_that_takes_it_back(
    tmp_path: Path, model: str
) -> None:
    ledger = Ledger(tmp_path / "ledger.db")
    made = [ledger.apply(note(n, f"Drawers number {n} are old."))[0] for n in range(3)]
    bad = ledger.apply(note(9, BAD))[0]
    last = ledger.apply(note(4, "Lamps are lit at dusk."))[0]
    count = ledger.count()
    ledger.close()
    words = ("bisect", TASK.id, "--env", "toy", "--good", made[0].id, "--once")
    found = asked(*words, home=tmp_path, model=model)
    assert (found["verdict"], found["change"]["id"]) == ("found", bad.id)
    assert found["undo"] == f"journeyman undo {bad.id}"
    assert found["in_words"] == f"learned the lesson “{BAD}”"
    again = here(*words, home=tmp_path, model=model)
    assert f"broken by change {bad.id}" in again.stdout
    assert f"take it back: journeyman undo {bad.id}" in again.stdout
    ledger = Ledger(tmp_path / "ledger.db")
    after = ledger.count()
    ledger.close()
    assert (after["lessons"], after["changes"]) == (count["lessons"], count["changes"])
    assert after["exposures"] == 0
    undone = asked("undo", bad.id, home=tmp_path)
    fine = asked(*words, "--bad", undone["id"], home=tmp_path, model=model)
    assert (fine["verdict"], fine["undo"]) == ("nothing", "")
    assert last.id != undone["id"]


def test_what_cannot_be_searched_is_said_in_one_line(tmp_path: Path) -> None:
    def why(*words: str) -> str:
        error = here("bisect", *words, home=tmp_path, model="http://127.0.0.1:9/v1").exception
        assert isinstance(error, UserError | Refused), error
        return str(error)

    assert "no run of train/0/moon is here; name its environment" in why("train/0/moon")
    assert "no task named 'moon'" in why("moon", "--env", "toy")
    assert "nothing was ever changed here" in why(TASK.id, "--env", "toy")
    ledger = Ledger(tmp_path / "ledger.db")
    ledger.apply(note(1, "One."))
    ledger.close()
    assert f"no run here solved {TASK.id}; name a moment" in why(TASK.id, "--env", "toy")
    assert "neither an ISO time" in why(TASK.id, "--env", "toy", "--good", "soon")


def test_verdicts_are_told_with_their_bound() -> None:
    change = note(1, "Sing.").model_copy(update={"id": "C1", "time": "2026-01-01T00:00:00"})
    base = Broke(
        env="toy", task="t", split="test", verdict="found", change=change, found_at=1,
        steps=5, all=7, before=(9, 10), after=(2, 11),
        plays=(Played(state=0, run="r1", won=True, left=1),),
    )  # fmt: skip
    text = "\n".join(lines(base))
    assert "(2 more can't matter to toy)" in text
    assert "9 of 10 plays solved it before, 2 of 11 after: it fell by +" in text
    assert "names a wrong change in 5% of all cases at most" in text
    assert "what is undone for a test task is chosen by it" in text
    unsure = base.model_copy(update={"verdict": "can't tell", "change": None, "left": (change,)})
    assert "1 change left:" in "\n".join(lines(unsure))
    nothing = base.model_copy(update={"verdict": "nothing", "change": None})
    assert "nothing is shown to have broken it" in "\n".join(lines(nothing))


@pytest.fixture
def kinds(tmp_path: Path) -> Path:
    """A home with a change of each kind, and one that was refused."""
    ledger = Ledger(tmp_path / "ledger.db")

    def made(kind: Any, target: str, after: dict[str, Any], **fields: Any) -> Change:
        raw = {"id": "", "kind": kind, "target": target, "op": "add", "reason": f"a {kind}"}
        return ledger.apply(Change.model_validate({**raw, "after": after, **fields}))[0]

    ledger.apply(note(1, "One."))
    skill = {"id": "S1", "name": "fetch", "env": "toy", "code": "def fetch(): ..."}
    made("skill", "S1", {**skill, "signature": "fetch()", "status": "candidate"})
    made("prompt", "toy/solver", {"name": "solver", "value": "Look before you open any drawer."})
    made("setting", "toy/memory.most", {"name": "memory.most", "value": 3})
    made("adapter", "toy-1", {"id": "toy-1", "base": "b", "status": "candidate", "turn": 0})
    made("setting", "toy/memory.floor", {"name": "memory.floor", "value": 0.5}, decision="rejected")
    made("setting", "toy/memory.most", {"name": "memory.most", "value": 5}, op="edit")
    text = "Look twice before you open any drawer."
    made("prompt", "toy/solver", {"name": "solver", "value": text}, op="edit")
    ledger.close()
    return tmp_path


def test_every_kind_has_its_history_and_past(kinds: Path) -> None:
    changes = asked("history", home=kinds)
    assert {one["kind"] for one in changes} == {"lesson", "skill", "prompt", "setting", "adapter"}
    assert [one["op"] for one in asked("history", "toy/memory.most", home=kinds)] == ["edit", "add"]
    assert [one["target"] for one in asked("history", "fetch", home=kinds)] == ["S1"]
    assert len(asked("history", "--kind", "setting", home=kinds)) == 3
    assert asked("history", changes[0]["id"], home=kinds)[0]["id"] == changes[0]["id"]
    assert isinstance(here("history", "nobody", home=kinds).exception, UnknownName)
    assert isinstance(here("history", "--kind", "wish", home=kinds).exception, UnknownName)
    then = asked("as-of", changes[2]["id"], home=kinds)
    now = asked("as-of", changes[0]["id"], home=kinds)
    assert [one["kind"] for one in now["others"]] == ["adapter", "prompt", "setting", "skill"]
    values = [
        {one["name"]: one["state"].get("value") for one in at["others"]} for at in (then, now)
    ]
    assert [one["memory.most"] for one in values] == [3, 5]
    assert len(then["lessons"]) == 1
    shown = here("as-of", changes[0]["id"], home=kinds).stdout
    assert "Look twice" in shown
    assert "fetch()" in shown
    assert "no rounds yet" in here("history", "--rounds", home=kinds).stdout


def test_every_kind_differs_word_by_word_and_is_undone(kinds: Path) -> None:
    changes = asked("history", home=kinds)
    found = asked("diff", changes[3]["id"], changes[0]["id"], home=kinds)
    assert [(one["kind"], one["what"]) for one in found["others"]] == [
        ("prompt", "edited"),
        ("setting", "edited"),
    ]
    told = here("diff", changes[3]["id"], changes[0]["id"], home=kinds).stdout
    assert "{+twice" in told
    assert "value: 3 → 5" in told
    for at, change in enumerate(changes):
        if change["decision"] == "applied":
            here("undo", change["id"], home=kinds)
        else:
            error = here("undo", change["id"], home=kinds).exception
            assert isinstance(error, Refused), at
    last = asked("history", "--limit", "1", home=kinds)[0]["id"]
    past = asked("as-of", last, home=kinds)
    assert past == {"lessons": [], "others": []}
    assert "(undone)" in here("history", home=kinds).stdout


def test_the_journal_is_written_as_a_page(kinds: Path) -> None:
    written = asked("report", "--journal", home=kinds)["written"]
    assert written == [str(kinds / "reports" / "journal.html")]
    html = Path(written[0]).read_text("utf-8")
    assert "set memory.most from 3 to 5" in html
    assert "wrote the skill fetch" in html
