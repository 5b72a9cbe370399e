"""Ways that turn pages, or meet what is called otherwise each time, become one program."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from envs.types import Step, Task
from skills.pages import FACADE
from skills.pages_induction import induce_pages
from skills.pages_turning import turns_of
from skills.pages_writing import written_pages
from skills.types import Shown

NEXT = 'click button "Next"'


def way(goal: str, lines: Sequence[str], *, late: str = "") -> Shown:
    """A way on which what is done is there at once, but `late` just before it is done."""
    task = Task(id=goal, env="e", goal=goal, key=goal, split="train", tags=("k",))
    at = lines.index(late) if late else 0
    every = tuple(dict.fromkeys(lines))
    early = tuple(line for line in every if line != late)
    steps = [
        Step(observation="", admissible=every if n >= at else early) for n in range(len(lines) + 1)
    ]
    return Shown(task=task, first=steps[0], actions=tuple(lines), steps=tuple(steps[1:]))


def paged(name: str, turns: int) -> Shown:
    row = f'click button "Delete" in "{name}"'
    return way(
        f"Delete {name}.", [*[NEXT] * turns, row, 'click button "Yes"'], late=row if turns else ""
    )


def test_turning_pages_is_done_as_often_as_it_takes() -> None:
    names = ("Ann Lee", "Bo Ek", "Cy Fox")
    for turns in ((0, 1), (2, 2), (0, 1, 3)):
        ways = [paged(name, n) for name, n in zip(names, turns, strict=False)]
        assert turns_of(ways) == {NEXT}
        (draft,) = written_pages(induce_pages(ways), taken=set())
        assert draft.goals == ("Delete {item+}.",)
        assert 'while not page.has("button", "Delete", near=item):' in draft.code
        assert draft.requires == (NEXT, 'click button "Delete" in "*"', 'click button "Yes"')


def test_what_only_opens_something_or_is_counted_is_no_turn() -> None:
    assert not turns_of([paged("Ann Lee", 1), paged("Bo Ek", 1)])
    more = 'click button "+"'
    assert not turns_of([way(f"{n} of it.", [*[more] * n, 'click button "Add"']) for n in (1, 2)])


def run(code: str, pages: Sequence[Sequence[str]], **given: str) -> tuple[Any, list[str]]:
    """Runs the function on pages that `NEXT` leads through."""
    done: list[str] = []
    at = 0

    def act(command: str) -> str:
        nonlocal at
        there = command in pages[at]
        if there:
            done.append(command)
            at += command == NEXT
        return f"{command}: done" if there else f"there is no {command}"

    space: dict[str, Any] = {
        "act": act,
        "seen": lambda: "\n".join(line.partition(" in ")[2].strip('"') for line in pages[at]),
        "offered": lambda: list(pages[at]),
    }
    exec(FACADE + code, space)
    return space[code.split("(")[0].removeprefix("def ")](**given), done


def test_a_program_looks_on_all_pages_and_ends_with_the_last() -> None:
    (draft,) = written_pages(induce_pages([paged("Ann Lee", 0), paged("Bo Ek", 1)]), taken=set())
    rows = [[f'click button "Delete" in "{name}"'] for name in ("Ann Lee", "Bo Ek", "Cy Fox")]
    yes = 'click button "Yes"'
    pages = [[NEXT, *rows[0], yes], [NEXT, *rows[1], yes], [*rows[2], yes]]
    assert run(draft.code, pages, item="Cy Fox") == (
        None,
        [NEXT, NEXT, *rows[2], 'click button "Yes"'],
    )
    assert run(draft.code, pages, item="Di Orr") == (False, [NEXT, NEXT])


def test_what_is_called_after_what_it_shows_is_met_by_its_label() -> None:
    ways = [
        way(f'Set "{what}" to {to}.', [f'click item "{now}" in "{what}"', f'click item "{to}"'])
        for what, now, to in (("Theme", "Light", "Dark"), ("Tongue", "English", "Welsh"))
    ]
    (draft,) = written_pages(induce_pages(ways), taken=set())
    assert draft.goals == ('Set "{item}" to {item_2}.',)
    assert 'page.click("item", "", near=item)' in draft.code
    assert draft.requires == ('click item in "*"', 'click item "*"')


def test_the_object_clicks_whatever_has_a_label() -> None:
    done: list[str] = []
    space: dict[str, Any] = {
        "act": lambda line: done.append(line) or f"{line}: done",
        "seen": lambda: 'Theme\nitem "Light"',
        "offered": lambda: ['click item "Light"'],
    }
    exec(FACADE, space)
    assert space["page"].click("item", near="Theme")
    assert not space["page"].click("item")
    assert not space["page"].click("button", near="Theme")
    assert done == ['click item in "Theme"']
