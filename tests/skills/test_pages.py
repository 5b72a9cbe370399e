"""What skills can do to pages, what they can't, and how programs are written from ways."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from envs.types import Action, Step, Task
from skills.calling import bound
from skills.pages import STUBS, equipped, of_pages, spoken_of
from skills.pages_induction import induce_pages
from skills.pages_writing import written_pages
from skills.playing import TEXT_STUBS, Played, Stage, play
from skills.program import problems
from skills.sandbox import Sandbox
from skills.types import Draft, Shown

PAGE = """[/] Shop
textbox "Search" [focused]
  combobox "Colour"
    option "Dark green"
button "Remove": Remove
link "Wool blanket" #2
checkbox "Linen towel (Red), 2 pieces"
It is "on" sale."""
OFFERED = (
    'click link "Cart (3)"',
    'click link "Camping lantern"',
    'select combobox "Colour" option "Light \\"new\\" red"',
    'click item "No role"',
)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(workers=1) as made:
        yield made


def done(
    sandbox: Sandbox, body: str, *, requires: Sequence[str] = ("*",), told: str = "done"
) -> Played:
    """Plays `body`, whose actions all succeed and change nothing."""
    step = Step(observation=PAGE, admissible=OFFERED)
    stage = Stage(step, requires=requires)

    def do(action: Action) -> Step:
        return step.model_copy(update={"observation": f"{action.text}: {told}\n{PAGE}"})

    code = f"def trick(x: str) -> bool:\n    return {body}\n"
    return play(sandbox, code, "trick", {"x": "lantern"}, stage=stage, do=do)


@pytest.mark.parametrize(
    ("body", "action"),
    [
        ('page.click("link", "Camping lantern")', 'click link "Camping lantern"'),
        ('page.click("link", x, like=True)', 'click link "Camping lantern"'),
        ('page.click("link", "Cart (", like=True)', 'click link "Cart (3)"'),
        ('page.click("link", "Wool blanket", nth=2)', 'click link "Wool blanket" #2'),
        ('page.fill("textbox", "Search", x)', 'fill textbox "Search" with "lantern"'),
        (
            'page.select("combobox", "Colour", "dark green")',
            'select combobox "Colour" option "Dark green"',
        ),
        (
            'page.select("combobox", "Colour", "new")',
            'select combobox "Colour" option "Light \\"new\\" red"',
        ),
        (
            'page.check("checkbox", "linen towel", like=True)',
            'check checkbox "Linen towel (Red), 2 pieces"',
        ),
        ('page.click("item", "No role")', 'click item "No role"'),
        ('page.press("Enter")', "press Enter"),
    ],
)
def test_elements_are_met_by_role_and_name(sandbox: Sandbox, body: str, action: str) -> None:
    played = done(sandbox, body)
    assert ([one.text for one in played.actions], played.claimed) == ([action], True), played


@pytest.mark.parametrize(
    "body",
    [
        'page.click("link", "camping lantern")',
        'page.click("link", "Wool blanket")',
        'page.click("button", "Buy", like=True)',
        'page.click("link", "wub", like=True)',
        'page.has("link", "", like=True)',
        'page.shows("sold out")',
    ],
)
def test_what_does_not_stand_there_is_not_done(sandbox: Sandbox, body: str) -> None:
    played = done(sandbox, body)
    assert (played.actions, played.claimed, played.error) == ((), False, "")


@pytest.mark.parametrize(
    ("told", "claimed"),
    [
        ("done; a dialog came up", True),
        ("done; a dialog said 'Sent' and was closed", True),
        ("done; a new tab was closed", True),
        ("done; the field 'Email' was not accepted: Please fill out this field.", False),
        ("done; the address it leads to can't be reached from here", False),
        ("it is disabled", False),
    ],
)
def test_what_came_of_an_action_tells_whether_it_was_done(
    sandbox: Sandbox, told: str, claimed: bool
) -> None:
    assert done(sandbox, 'page.press("Enter")', told=told).claimed is claimed


def test_what_stands_there_is_told(sandbox: Sandbox) -> None:
    assert done(sandbox, 'page.has("button", "Remove") and page.shows("on\\" SALE")').claimed


@pytest.mark.parametrize(
    "body",
    [
        'page.evaluate("core.endEpisode(1)")',
        'page.goto("/api/state")',
        'page.route("*", None)',
        "page.request",
        "page.context.new_page()",
        'page.add_init_script("x")',
        'page.expose_function("f", print)',
    ],
)
def test_a_skill_has_no_browser(sandbox: Sandbox, body: str) -> None:
    played = done(sandbox, f"bool({body})")
    assert played.actions == ()
    assert "attribute" in played.error


def test_what_a_skill_does_not_require_is_refused(sandbox: Sandbox) -> None:
    played = done(sandbox, 'page.click("link", x, like=True)', requires=['click link "Cart*"'])
    assert played.refused == ('click link "Camping lantern"',)
    assert played.actions == ()


def test_code_of_its_own_called_page_is_left_alone() -> None:
    own = "def f() -> bool:\n    for page in offered():\n        act(page)\n    return True\n"
    assert not spoken_of(own)
    assert equipped(own) == own
    assert spoken_of('def f() -> bool:\n    return page.press("Enter")\n')
    assert not spoken_of("def f(:")
    assert problems("def page() -> bool:\n    return True\n", "page")


def test_lines_that_are_done_to_pages() -> None:
    assert of_pages(['fill textbox "a" with "b"', "press Enter"])
    assert not of_pages(["press Enter"])
    assert not of_pages(['click link "a"', "take mug 1 from shelf 2"])
    assert not of_pages([])


def way(goal: str, *actions: str, last: str = "", kind: str = "k") -> Shown:
    task = Task(id=goal, env="site", goal=goal, key=goal, split="train", tags=(kind,))
    steps = [Step(observation=f"{one}: done\n[/] Shop") for one in actions]
    steps[-1] = Step(observation=f"{actions[-1]}: done\n[/] Shop\n{last}")
    return Shown(task=task, first=steps[0], actions=actions, steps=tuple(steps))


def drafts(*ways: Shown) -> list[Draft]:
    return written_pages(induce_pages(ways), taken=set())


def test_what_varies_and_stands_in_the_goal_becomes_a_parameter(sandbox: Sandbox) -> None:
    ways = [
        way(
            f"Put the {thing} on the list.",
            f'fill textbox "Search" with "{thing.split()[-1]}"',
            'click button "Search"',
            f'click link "{thing.capitalize()}"',
            f'click link "Cart ({number})"',
            'click button "Save"',
            last=f'status "{thing.capitalize()} is on your list."',
        )
        for number, thing in enumerate(("wool blanket", "camping lantern", "mug"))
    ]
    (draft,) = drafts(*ways)
    assert draft.goals == ("Put the {item+} on the list.",)
    assert draft.ways == (0, 1, 2)
    assert draft.name == "put_list"
    assert 'page.fill("textbox", "Search", item)' in draft.code
    assert 'page.click("link", item, like=True)' in draft.code
    assert 'page.click("link", "Cart (", like=True)' in draft.code
    assert draft.code.endswith('return page.shows(f"{item} is on your list.")\n')
    assert draft.requires[0] == 'fill textbox "Search" with "*"'
    assert 'click link "Cart (*"' in draft.requires
    assert not problems(draft.code, draft.name)
    assert sandbox.run(draft.code, stubs=TEXT_STUBS + STUBS).error == ""


def test_what_a_goal_quotes_is_a_parameter_even_if_it_never_varies() -> None:
    ways = [
        way(
            f'Send "{text}" to "ann@example.com" about order {number}.',
            f'click link "Order {number}"',
            'fill textbox "To" with "ann@example.com"',
            f'fill textbox "Words" with "{text}"',
            'click button "Send"',
        )
        for number, text in ((17, "Hello, you!"), (23, "Bye."))
    ]
    (draft,) = drafts(*ways)
    assert draft.goals == ('Send "{words}" to "{to}" about order {order}.',)
    assert 'page.click("link", f"Order {order}", like=True)' in draft.code
    assert "-> bool | None:" in draft.code


def test_ways_that_have_too_little_in_common_become_nothing() -> None:
    assert drafts(way("Buy tea.", 'click link "Tea"')) == []
    assert drafts(way("Buy tea.", 'click link "Tea"'), way("Sell milk.", 'click link "A"')) == []
    assert drafts(way("Buy tea.", 'click link "Tea"'), way("Buy tea.", 'click link "Tea"')) == []
    other = way("Buy milk.", 'click button "Milk"')
    assert drafts(way("Buy tea.", 'click link "Tea"'), other) == []
    unbound = [way(f"Buy at {x}.", f'click link "{x}"') for x in ("a (b) c", "d (e) f")]
    assert drafts(*unbound) == []


def opened(goal: str, *actions: str, offered: Sequence[str] = (), kind: str = "k") -> Shown:
    """A way whose page offered some actions at first."""
    plain = way(goal, *actions, kind=kind)
    return plain.model_copy(update={"first": Step(observation="page", admissible=tuple(offered))})


def test_what_is_done_to_each_of_a_list_is_one_move() -> None:
    (draft,) = drafts(
        way("Tick red and go.", 'check checkbox "red"', 'click button "Go"'),
        way("Tick a, b4 and c and go.", *(f'check checkbox "{x}"' for x in ("c", "a", "b4"))),
        way(
            "Tick a, b4 and c and go.",
            *(f'check checkbox "{x}"' for x in ("c", "a", "b4")),
            'click button "Go"',
        ),
        way("Tick x, y and go.", 'check checkbox "x"', 'check checkbox "y"', 'click button "Go"'),
    )
    assert draft.goals == ("Tick {items,} and go.",)
    assert draft.ways == (0, 2, 3)
    assert '    for this_one in items.replace(" and ", ", ").split(", "):' in draft.code
    assert '        if not page.check("checkbox", this_one, like=True):' in draft.code
    assert bound(draft.goals, "Tick p, q and go.") == {"items": "p, q"}
    assert not problems(draft.code, draft.name)


def test_a_list_is_gone_through(sandbox: Sandbox) -> None:
    (draft,) = drafts(
        way("Open Camping lantern, Cart (3) now", 'click link "Camping lantern"'),
        way("Open a, b now", 'click link "a"', 'click link "b"'),
        way("Open c, d, e now", 'click link "d"', 'click link "c"', 'click link "e"'),
    )
    body = f"{draft.name}('Cart (3), Camping lantern') is None\n{draft.code}"
    played = done(sandbox, body)
    links = ['click link "Cart (3)"', 'click link "Camping lantern"']
    assert ([one.text for one in played.actions], played.claimed) == (links, True), played


def test_what_is_entered_in_capitals_is_written_so() -> None:
    (draft,) = drafts(
        way('Type "ann" in capitals.', 'fill textbox with "ANN"', "press Enter"),
        way('Type "Bo" in capitals.', 'fill textbox with "BO"', "press Enter"),
    )
    assert 'page.fill("textbox", "", text.upper())' in draft.code


def test_a_program_looks_for_what_it_needs_before_it_does_anything() -> None:
    offered = ('fill textbox with "x"', 'click button "Go"')
    (draft,) = drafts(
        opened('Say "a".', 'fill textbox with "a"', 'click button "Go"', offered=offered),
        opened('Say "b".', 'fill textbox with "b"', 'click button "Go"', offered=offered),
    )
    first, second, _ = [one.strip() for one in draft.code.splitlines() if "if not" in one]
    assert first == 'if not page.has("button", "Go"):'
    assert second.startswith("if not page.fill(")


def test_one_program_for_several_wordings() -> None:
    (draft,) = drafts(
        way('Say "a".', 'fill textbox with "a"', kind="say"),
        way('Say "b".', 'fill textbox with "b"', kind="say"),
        way('Note "c" down.', 'fill textbox with "c"', kind="note"),
        way('Note "d" down.', 'fill textbox with "d"', kind="note"),
    )
    assert sorted(draft.goals) == ['Note "{text}" down.', 'Say "{text}".']
    assert draft.ways == (0, 1, 2, 3)


def test_the_same_goal_on_other_pages_is_enough_to_write_from() -> None:
    one = way("Close it.", 'click button "Close"')
    other = one.model_copy(update={"task": one.task.model_copy(update={"key": "another page"})})
    (draft,) = drafts(one, other)
    assert (draft.goals, draft.ways) == (("Close it.",), (0, 1))
    assert drafts(one, one) == []
