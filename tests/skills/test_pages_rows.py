"""Skills for pages with many elements of one name: the row that a goal speaks of tells which."""

from __future__ import annotations

from typing import Any

from envs.pages import Spot, parse
from envs.pages_snapshot import actions, find, read
from envs.types import Step, Task
from skills.pages import FACADE
from skills.pages_induction import induce_pages
from skills.pages_writing import written_pages
from skills.types import Shown


def way(name: str) -> Shown:
    goal = f"Cancel the booking of {name}."
    task = Task(id=name, env="e", goal=goal, key=goal, split="train", tags=("cancel",))
    step = Step(observation="")
    lines = ('click link "Bookings"', f'click button "Cancel" in "{name}"')
    return Shown(task=task, first=step, actions=lines, steps=(step, step))


def test_the_row_becomes_a_parameter() -> None:
    programs = induce_pages([way("Ann Lee"), way("Bo Ek"), way("Cy Fox")])
    (draft,) = written_pages(programs, taken=set())
    assert draft.goals == ("Cancel the booking of {item+}.",)
    assert 'page.click("button", "Cancel", near=item)' in draft.code
    assert draft.requires == ('click link "Bookings"', 'click button "Cancel" in "*"')


def test_an_action_names_the_row() -> None:
    done: list[str] = []

    def act(command: str) -> str:
        done.append(command)
        return f"{command}: done"

    given: dict[str, Any] = {
        "act": act,
        "seen": lambda: 'row: Ann | 3\n  button "Cancel"\nrow: Bo | 4\n  button "Cancel" #2',
        "offered": lambda: ['click button "Cancel" in "Ann"', 'click button "Cancel" in "Bo"'],
    }
    exec(FACADE, given)
    page = given["page"]
    assert page.click("button", "Cancel", near="Bo")
    assert done == ['click button "Cancel" in "Bo"']
    assert page.has("button", "Cancel", near="Bo")
    assert not page.has("button", "Cancel", near="Cy")
    assert not page.click("button", "Keep", near="Bo")


def spot(line: str) -> Spot:
    found = parse(line).spot
    assert found is not None
    return found


ROWS = """\
- table [ref=e1]:
  - row [ref=e2]:
    - cell "501" [ref=e3]
    - cell "Ann Lee" [ref=e4]
    - cell "Oak" [ref=e5]
    - cell [ref=e6]:
      - button "Cancel" [ref=e7]
  - row [ref=e8]:
    - cell "502" [ref=e9]
    - cell "Bo Ek" [ref=e10]
    - cell "Oak" [ref=e11]
    - cell [ref=e12]:
      - button "Cancel" [ref=e13]
- group "Contact" [ref=e14]:
  - textbox "Name" [ref=e15]
- group "Payer" [ref=e16]:
  - textbox "Name" [ref=e17]
"""


def test_rows_are_called_by_what_the_goal_speaks_of() -> None:
    top = read(ROWS)
    told = actions(top, words=("Bo Ek",))
    assert told[:2] == ('click button "Cancel" in "Ann Lee"', 'click button "Cancel" in "Bo Ek"')
    assert 'fill textbox "Name" in "Payer" with "Bo Ek"' in told
    assert actions(top, words=("502",))[1] == 'click button "Cancel" in "502"'
    from_row = find(top, spot('click button "Cancel" in "bo ek"'))
    assert from_row is not None and from_row.ref == "e13"
    part = find(top, spot('click button "Cancel" in "Ek"'))
    assert part is not None and part.ref == "e13"
    assert find(top, spot('click button "Cancel" in "Oak"')) is not None
    assert find(top, spot('click button "Cancel" in "Cy"')) is None
    second = find(top, spot('click button "Cancel" #2'))
    assert second is not None and second.ref == "e13"
