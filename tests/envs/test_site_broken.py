"""Apps of others that are not as they should be: each fault is one line with its repair."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from envs.errors import EnvError, JourneymanError, UserError
from envs.site import Site
from envs.siteapps import apps_in, copied, solution
from envs.siteserver import AppServer, judge
from envs.types import SPLITS, Task
from tests.envs.plain import PlainBrowser
from tests.envs.test_site import FOREIGN, foreign

HELD = FOREIGN.replace('{"state": None, "seed": None}', '{"state": {"a": 1}, "seed": {"a": 1}}')
FALSE = "def verify(state):\n    return state['a'] == 2"


def app(folder: Path, *, server: str = HELD, verifier: str = FALSE) -> Path:
    made = foreign(folder / "apps of øthers", verifier=verifier) / "mail"
    (made / "server.py").write_text(server)
    (made / "index.html").write_text("<title>Mail</title><p>Mail</p>")
    return made


def opened(folder: Path) -> None:
    site = Site(folder, browser=PlainBrowser())
    try:
        site.open(a_task(site)).close()
    finally:
        site.close()


def a_task(site: Site) -> Task:
    return next(task for split in SPLITS for task in site.tasks(split))


def test_blanks_and_letters_of_other_languages_in_a_path_do_no_harm(tmp_path: Path) -> None:
    opened(app(tmp_path))


@pytest.mark.parametrize(
    ("server", "verifier", "told"),
    [
        (HELD, "def verify(state):\n    return True", "content before anything was done"),
        (HELD, "def verify(state):\n    return float('nan')", "NaN"),
        (HELD, "def verify(state):\n    return {}", "answers with a truth value"),
        ("raise OSError('no room')", FALSE, r"does not start \(OSError: no room\)"),
        ("", FALSE, "has to be a server of the standard library"),
        (HELD.replace("do_POST", "do_PATCH"), FALSE, "answers 501 to POST /api/reset"),
        (HELD.replace("json.dumps(body)", "'oops'"), FALSE, "with what is no JSON"),
        (HELD.replace('held["state"] = held', "raise SystemExit #"), FALSE, "does not answer"),
    ],
)
def test_what_is_wrong_with_an_app_is_told_in_a_line(
    tmp_path: Path, server: str, verifier: str, told: str
) -> None:
    folder = app(tmp_path, server=server, verifier=verifier)
    with pytest.raises(JourneymanError, match=told) as error:
        opened(folder)
    assert "\n" not in str(error.value)


TASK = {"id": "a", "instruction": "Send it", "verify": "verify.py", "split": "train"}


@pytest.mark.parametrize(
    ("tasks", "told"),
    [
        ([TASK, TASK], r"task 2 has the id 'a' of another; give each an id of its own"),
        ([TASK, {**TASK, "id": "b", "verify": ""}], r"task 2 lacks verify; .*\"verify\.py\""),
        ([{**TASK, "instruction": ""}], "task 1 lacks instruction"),
        ([{**TASK, "split": "valid"}], r"'split' of task 1 \('a'\) is 'valid'"),
        ([{**TASK, "expect": [1]}], r"'expect' of task 1 \('a'\) is \[1\]"),
        ([3], "task 1 is no object"),
        ({"tasks": [TASK]}, "it is no list"),
    ],
)
def test_what_is_wrong_with_a_task_is_told_with_its_number(
    tmp_path: Path, tasks: object, told: str
) -> None:
    folder = app(tmp_path)
    (folder / "tasks.json").write_text(json.dumps(tasks))
    with pytest.raises(UserError, match=told) as error:
        Site(folder).tasks("train")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("written", ["{", "[1]", '{"a": ["x"]}', '{"a": {"gold": "click"}}'])
def test_solutions_that_are_none_are_told_in_a_line(tmp_path: Path, written: str) -> None:
    folder = app(tmp_path)
    (folder / "tasks.json").write_text(json.dumps([TASK]))
    (folder / "solutions.json").write_text(written)
    (one,) = apps_in(folder)
    with pytest.raises(UserError, match=r"solutions\.json"):
        solution(one, next(task for task in one.tasks if task.name == "a"))


def test_a_verifier_that_is_not_there_is_named(tmp_path: Path) -> None:
    folder = app(tmp_path)
    (folder / "real-tasks" / "task_e1.py").unlink()
    with pytest.raises(EnvError, match=r"task_e1\.py of site/.* is not there"):
        opened(folder)


def test_what_a_verifier_prints_is_no_answer(tmp_path: Path) -> None:
    folder = app(tmp_path, verifier="print('{\"value\": 1}')\n" + FALSE)
    made = apps_in(folder)[0]
    server = AppServer(made, folder=copied(made, tmp_path / "copy"))
    try:
        assert not judge(server, made.tasks[0], state={"a": 1}).passed
        assert judge(server, made.tasks[0], state={"a": 2}).passed
    finally:
        server.close()


def test_links_lead_to_nothing_that_is_secret(tmp_path: Path) -> None:
    folder = app(tmp_path)
    (tmp_path / "outside.txt").write_text("outside")
    for name, aim in (
        ("away.txt", tmp_path / "outside.txt"),
        ("nowhere.txt", tmp_path / "none"),
        ("answers.json", folder / "real-tasks.json"),
        ("round", folder),
        ("good.html", folder / "index.html"),
    ):
        (folder / name).symlink_to(aim)
    names = {path.name for path in copied(apps_in(folder)[0], tmp_path / "copy").iterdir()}
    assert names == {"server.py", "index.html", "good.html"}
