"""Skills that a model writes: what it is told, what goes back to it, what comes out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from agent.models.scripted import ScriptedModel
from agent.skillwriter import (
    ROUNDS,
    Written,
    code_of,
    example,
    failed_before,
    kinds_of,
    shortened,
)
from agent.synthesis import learned
from envs.errors import ModelError
from envs.toy import Toy
from envs.types import Action, Score, Step, Task, ToolSpec
from memory.ledger import Ledger
from memory.types import StepRecord, Trajectory
from skills.checking import mentioned, practised
from skills.grammar import Grammar
from skills.library import Library
from skills.sandbox import Sandbox
from skills.showing import demonstrated
from skills.trials import Bounds, Ground
from skills.types import Shown, Skill
from skills.ways import commands

TOY = Toy()
HOMES = {
    task.tags[1]: action.text
    for task in TOY.tasks("train")[:6]
    for action in TOY.open(task).demonstrate()[:1]
}
GOOD = f'''\
HOMES: dict[str, str] = {HOMES!r}


def bring(x: str) -> bool:
    """Opens the drawer that a thing is kept in, takes it and gives it."""
    if x not in HOMES:
        return False
    act(HOMES[x])
    if f"take {{x}}" not in offered():
        return False
    act(f"take {{x}}")
    return act(f"give {{x}}").startswith("Thank you")
'''
UNTYPED = GOOD.replace("x: str", "x")
HASTY = 'def bring(x: str) -> bool:\n    """Hopes."""\n    act(f"take {x}")\n    return True\n'
OS = 'import os\n\n\ndef bring(x: str) -> bool:\n    """Reads."""\n    return bool(os.listdir())\n'


def fenced(code: str) -> str:
    return f"Here it is:\n```python\n{code}```\nIt works."


def asked(model: ScriptedModel, number: int) -> str:
    """All that a model was told in one of its requests."""
    return "\n".join(str(one["content"]) for one in model.requests[number].messages)


@pytest.fixture(scope="module")
def ways() -> list[Shown]:
    tasks = [task for task in TOY.tasks("train") if task.seed < 2]
    return [way for task in tasks if (way := demonstrated(TOY, task))]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(workers=1) as opened:
        yield opened


@pytest.fixture
def ground(tmp_path: Path, sandbox: Sandbox) -> Iterator[Ground]:
    ledger = Ledger(tmp_path / "ledger.db")
    yield Ground(TOY, sandbox, Library(ledger))
    ledger.close()


async def test_a_skill_is_written_from_ways_and_admitted_by_trials(
    ways: list[Shown], ground: Ground
) -> None:
    model = ScriptedModel([fenced(GOOD)], name="coder")
    writer = Written(
        model,
        sandbox=ground.sandbox,
        practise=lambda draft, way: practised(ground, draft, way),
    )
    done = await learned(ground, writer, ways, bounds=Bounds(solve=12))
    assert [(one.name, one.admitted) for one in done.outcomes] == [("bring", True)]
    skill = ground.library.get("bring")
    assert skill.origin.by == "coder"
    assert skill.requires == ("open * drawer", "take *", "give *")
    assert skill.goals == ("Bring me the {x}.",)
    assert not set(skill.origin.task_keys) & {one.task_key for one in skill.trials}
    assert done.usage.calls == 1
    assert done.usage.prompt_tokens > 0
    told = asked(model, 0)
    assert "def act(command: str) -> str" in told
    assert "def bring(x: str) -> bool:" in told
    assert "Example 3:" in told
    assert "> open " in told


async def test_what_checks_find_goes_back_and_is_mended(
    ways: list[Shown], sandbox: Sandbox
) -> None:
    model = ScriptedModel([fenced(UNTYPED), fenced(GOOD)])
    drafts, usage = await Written(model, sandbox=sandbox).write(ways, ())
    assert [one.name for one in drafts] == ["bring"]
    assert usage.calls == 2
    assert "its signature is `bring(x) -> bool`" in asked(model, 1)
    assert UNTYPED in asked(model, 1)
    assert model.requests[1].sampling.temperature > model.requests[0].sampling.temperature


async def test_what_happened_in_practice_goes_back(ways: list[Shown], ground: Ground) -> None:
    model = ScriptedModel([fenced(HASTY), fenced(GOOD)])
    writer = Written(
        model,
        sandbox=ground.sandbox,
        practise=lambda draft, way: practised(ground, draft, way),
    )
    drafts, _ = await writer.write(ways, ())
    assert drafts[0].code == GOOD
    assert "Nothing happens." in asked(model, 1)
    assert "it returned True, and the task was not solved" in asked(model, 1)


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (fenced(UNTYPED), "its signature is"),
        ("First I would open all drawers, and then take what I need.", "There is no code"),
        (fenced(OS), "it imports 'os'; a skill has"),
        (fenced("def bring(x: str) -> bool:\n    return act(1)\n"), "no docstring"),
        (fenced(GOOD.replace("offered()", "hidden()")), "`hidden` used when not defined"),
        (
            fenced('def bring(x: str) -> bool:\n    """Is idle."""\n    return True\n'),
            "does nothing",
        ),
        ("```python\ndef bring(x: str) -> bool:\n    act(", "it does not parse"),
    ],
)
async def test_what_is_never_mended_ends_within_its_bound(
    ways: list[Shown], sandbox: Sandbox, reply: str, reason: str
) -> None:
    model, lines = ScriptedModel([reply] * 9), list[str]()
    writer = Written(model, sandbox=sandbox, told=lines.append)
    drafts, usage = await writer.write(ways, ())
    assert drafts == []
    assert usage.calls == len(model.requests) == ROUNDS
    assert reason in writer.refusals[0].reason
    assert lines[0].startswith("bring: nothing to try: ")


async def test_a_draft_that_fails_in_practice_to_the_end_is_left_to_the_trials(
    ways: list[Shown], ground: Ground
) -> None:
    model = ScriptedModel([fenced(HASTY)] * ROUNDS)
    writer = Written(
        model,
        sandbox=ground.sandbox,
        practise=lambda draft, way: practised(ground, draft, way),
    )
    done = await learned(ground, writer, ways)
    assert done.drafts == 1
    assert not done.outcomes[0].admitted
    assert "it said that it was done" in done.outcomes[0].reason
    assert ground.library.get("bring").status == "quarantined"


async def test_a_model_that_is_gone_says_so(ways: list[Shown], sandbox: Sandbox) -> None:
    with pytest.raises(ModelError, match="used up"):
        await Written(ScriptedModel([]), sandbox=sandbox).write(ways, ())


async def test_known_skills_are_told_and_may_be_called(ways: list[Shown], sandbox: Sandbox) -> None:
    helper = Skill(
        id="S1",
        name="hand_over",
        env="toy",
        signature="hand_over(x: str) -> bool",
        about="Gives a thing.",
        code="",
        requires=("give *",),
    )
    calling = GOOD.replace('act(f"give {x}").startswith("Thank you")', "hand_over(x)")
    model = ScriptedModel([fenced(calling)])
    drafts, _ = await Written(model, sandbox=sandbox).write(ways, (helper,))
    assert "hand_over(x: str) -> bool  # Gives a thing." in asked(model, 0)
    assert drafts[0].uses == ("hand_over",)
    assert set(drafts[0].requires) == {"open * drawer", "take *", "give *"}
    solved = helper.model_copy(update={"goals": ("Bring me the {x}.",)})
    silent = ScriptedModel([])
    assert (await Written(silent, sandbox=sandbox).write(ways, (solved,)))[0] == []


def failed(task: Task, *, began: str = "2026-01-01") -> Trajectory:
    step = StepRecord(index=0, action="open every drawer", observation="Nothing happens.")
    return Trajectory(
        id="r-lost",
        env="toy",
        task=task.id,
        task_key=task.key,
        split="train",
        goal=task.goal,
        steps=(step,),
        score=Score(value=0, passed=False),
        began=began,
    )


async def test_a_failure_is_told_before_what_solved_it(
    ways: list[Shown], sandbox: Sandbox, ground: Ground
) -> None:
    way = ways[-1]
    ground.library.ledger.add_trajectory(failed(way.task))
    before = failed_before(ground.library.ledger, ways)
    assert list(before) == [way.task.key]
    model = ScriptedModel([fenced(GOOD)])
    drafts, _ = await Written(model, sandbox=sandbox, failed=before).write(ways, ())
    told = asked(model, 0)
    assert told.index("> open every drawer") < told.index("What solved it:")
    assert drafts[0].ways[0] == len(ways) - 1


def test_failures_after_the_solution_are_not_its_repair(ways: list[Shown], ground: Ground) -> None:
    ledger, task = ground.library.ledger, ways[0].task
    won = failed(task, began="2026-01-02").model_copy(
        update={"id": "r-won", "score": Score(value=1, passed=True)}
    )
    ledger.add_trajectory(won)
    ledger.add_trajectory(failed(task, began="2026-01-03"))
    own = ways[0].model_copy(update={"run": "r-won"})
    assert failed_before(ledger, [own]) == {}


SHOP = (
    ToolSpec(
        name="type_text",
        description="Types into a field.",
        parameters={
            "type": "object",
            "properties": {"field": {"type": "string"}, "text": {"type": "string"}},
            "required": ["field", "text"],
        },
    ),
    ToolSpec(name="press", description="Presses the button."),
)


async def test_tools_of_an_environment_are_host_functions(sandbox: Sandbox) -> None:
    def way(item: str) -> Shown:
        calls = (
            Action(tool="type_text", arguments={"field": "item", "text": item}),
            Action(tool="press"),
        )
        task = Task(id=item, env="shop", goal=f"Order {item}!", key=item, split="train")
        return Shown(
            task=task,
            first=Step(observation="A shop."),
            actions=tuple(one.model_dump_json(exclude={"text"}) for one in calls),
            steps=(Step(observation="Typed."), Step(observation="Ordered.")),
        )

    code = '''\
def order(x: str) -> bool:
    """Orders a thing."""
    type_text("item", x)
    return "Ordered" in press()
'''
    model = ScriptedModel([fenced(code.replace("press()", "press(1)")), fenced(code)])
    writer = Written(model, sandbox=sandbox, tools=SHOP)
    drafts, _ = await writer.write([way("a lamp"), way("tea")], ())
    assert drafts[0].requires == ("type_text", "press")
    assert drafts[0].goals == ("Order {x+}!",)
    assert "def type_text(field: str, text: str) -> str" in asked(model, 0)
    assert "> type_text(field='item', text='a lamp')" in asked(model, 0)
    assert "Too many positional arguments" in asked(model, 1)
    assert drafts[0].ways == (0, 1)


def test_ways_are_told_within_the_room_that_there_is(ways: list[Shown]) -> None:
    (kind,) = kinds_of(ways, (), failed={})
    long = ways[0].model_copy(update={"actions": ways[0].actions * 40, "steps": ways[0].steps * 40})
    told = example(1, long, kind, None, most=1500)
    assert len(told) < 1600
    assert "actions before)" in told
    assert told.endswith(example(1, ways[0], kind, None, most=1500)[-60:])


def test_what_names_and_changes_nothing_is_not_told(ways: list[Shown]) -> None:
    grammar = Grammar(commands(ways))
    way, look = ways[0], Step(observation="A cabinet.", admissible=ways[0].first.admissible)
    longer = way.model_copy(update={"actions": ("look", *way.actions), "steps": (look, *way.steps)})
    assert shortened(longer, grammar) == way
    assert shortened(way, grammar) == way


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        ("```python\na = 1\n```", "a = 1\n"),
        ("```\na = 1\n```", "a = 1\n"),
        ("```py\nshort\n```\nor\n```py\nmuch longer\n```", "much longer\n"),
        ("```python\na = 1", "a = 1\n"),
        ("def f() -> bool:\n    return True", "def f() -> bool:\n    return True\n"),
        ("Use a loop.", ""),
        ("", ""),
    ],
)
def test_code_is_found_in_a_reply(reply: str, code: str) -> None:
    assert code_of(reply) == code


def test_requires_are_the_commands_that_the_code_names() -> None:
    forms: Sequence[str] = ("go to *", "take * from *", "open *", "look")
    code = (
        'def f(x: str) -> bool:\n    """Does not open or look."""\n'
        '    act(f"go to {x} 1")\n    return "retake" in act(rf"Take {x} from shelf 1")\n'
    )
    assert mentioned(code, forms) == ("go to *", "take * from *")


async def test_a_skill_that_breaks_in_practice_is_told_with_its_line(
    ways: list[Shown], ground: Ground
) -> None:
    broken = GOOD.replace('f"take {x}" not in offered()', "not offered()[9]")
    model = ScriptedModel([fenced(broken), fenced(GOOD)])
    writer = Written(
        model,
        sandbox=ground.sandbox,
        practise=lambda draft, way: practised(ground, draft, way),
    )
    drafts, _ = await writer.write(ways, ())
    assert drafts[0].code == GOOD
    assert "IndexError: list index out of range (line 9)" in asked(model, 1)


PRESSES = '''\
def press(x: str) -> bool:
    """Presses a button by its name."""
    return page.click("button", x, like=True)
'''


async def test_code_for_pages_is_told_of_the_page_and_may_do_what_it_speaks_of(
    sandbox: Sandbox,
) -> None:
    def way(name: str) -> Shown:
        task = Task(
            id=name, env="site", goal=f'Press "{name}".', key=name, split="train", tags=("press",)
        )
        line = f'click button "{name}"'
        seen = Step(observation="[/] Page", admissible=(line,))
        return Shown(task=task, first=seen, actions=(line,), steps=(seen,))

    model = ScriptedModel([fenced(PRESSES)])
    writer = Written(model, sandbox=sandbox)
    drafts, _ = await writer.write([way("Go"), way("Stop")], [])
    assert "page: _Page" in asked(model, 0)
    assert [draft.requires for draft in drafts] == [("click button", "click button *")]
    assert not writer.refusals
