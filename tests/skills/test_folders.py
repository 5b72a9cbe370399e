"""Skills as folders: out and in again, valid by the public specification, and hostile ones."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from envs.errors import Refused
from memory.ledger import Ledger
from skills.folders import export, files, read_folder, take_in
from skills.library import Library
from skills.types import Origin, Skill, Trial

LOW = '''\
def clean(thing: str) -> bool:
    """Cleans a thing --- "really": yes."""
    return "clean" in act("clean " + thing)
'''
HIGH = '''\
# tidies — first version
TRIES = 3


def tidy_up(thing: str, place: str = "desk") -> bool:
    """Cleans a thing and puts it away."""
    return clean(thing) and "You" in act(f"move {thing} to {place}")
'''


@pytest.fixture
def libraries(tmp_path: Path) -> Iterator[Callable[[str], Library]]:
    opened: dict[str, Ledger] = {}

    def library(name: str) -> Library:
        opened[name] = opened.get(name) or Ledger(tmp_path / name / "ledger.db")
        return Library(opened[name])

    yield library
    for ledger in opened.values():
        ledger.close()


@pytest.fixture
def mine(libraries: Callable[[str], Library]) -> Library:
    library = libraries("mine")
    low = library.add(
        Skill(id="", name="clean", env="household", code=LOW, requires=("clean *",)), reason="found"
    )
    high = Skill(
        id="",
        name="tidy_up",
        env="household:tiny",
        code=HIGH,
        goals=("tidy the {thing} away.", "put a clean {thing} in {place}: now."),
        requires=("move * to *", "clean *"),
        uses=(low.id,),
        origin=Origin(author="expert", by="induction", runs=("r1",), task_keys=("key of r1",)),
    )
    trials = [
        Trial(task="t1", task_key="key 1", seed=3, passed=True, claimed=True, steps=2),
        Trial(task="t2", task_key="key 2", purpose="decline", error="ValueError: naïve"),
    ]
    added = library.add(high, reason="found")
    library.move(added, "active", reason="passed", trials=trials, cascade=True)
    return library


@pytest.fixture
def folder(mine: Library, tmp_path: Path) -> Path:
    return export(mine, "tidy_up", to=tmp_path / "out", license="Apache-2.0")


def same(one: Skill) -> dict[str, object]:
    """All of a skill but what is of its library."""
    return one.model_dump(exclude={"id", "status", "trust", "uses", "effect"})


def test_out_and_in_again_is_the_same(mine: Library, folder: Path) -> None:
    assert folder.name == "tidy-up"
    found = read_folder(folder)
    assert same(found.skill) == same(mine.get("tidy_up"))
    assert [same(one) for one in found.needs] == [same(mine.get("clean"))]
    assert found.skill.uses == ("clean",)
    assert found.altered == ()


def test_what_is_imported_is_untrusted_and_its_trials_count_for_nothing(
    folder: Path, libraries: Callable[[str], Library]
) -> None:
    theirs = libraries("theirs")
    low, high = take_in(theirs, folder)
    assert (low.name, high.name, high.uses) == ("clean", "tidy_up", (low.id,))
    assert (high.code, high.goals) == (
        HIGH,
        ("tidy the {thing} away.", "put a clean {thing} in {place}: now."),
    )
    assert (high.status, high.trust, high.trials) == ("candidate", "web", ())
    assert high.origin == Origin(
        author="import",
        by="induction",
        runs=("r1",),
        task_keys=("key of r1", "key 1", "key 2"),
        address=str(folder),
    )
    assert "1 of 1 trials to solve passed, 0 of 1 trials to decline passed" in high.note
    (change,) = theirs.history("tidy_up")
    assert change.evidence[0].startswith("claimed by the exporter: 1 of 1")
    again = theirs.get("tidy_up")
    with pytest.raises(Refused, match="tidy_up exists already"):
        take_in(theirs, folder)
    assert theirs.get("tidy_up") == again


def test_a_skill_that_is_here_is_not_added_again(
    folder: Path, libraries: Callable[[str], Library]
) -> None:
    theirs = libraries("theirs")
    code = LOW.replace("thing", "item")
    here = theirs.add(Skill(id="", name="clean", env="household", code=code), reason="mine")
    (added,) = take_in(theirs, folder)
    assert added.uses == (here.id,)


def test_an_import_that_fails_adds_nothing(
    folder: Path, libraries: Callable[[str], Library]
) -> None:
    theirs = libraries("theirs")
    body = "def tidy_up():\n    return True\n"
    theirs.add(Skill(id="", name="tidy_up", env="household", code=body), reason="mine")
    with pytest.raises(Refused, match="tidy_up exists already"):
        take_in(theirs, folder)
    assert [one.name for one in theirs.all()] == ["tidy_up"]


def test_altered_code_is_told(folder: Path, libraries: Callable[[str], Library]) -> None:
    script = folder / "scripts/tidy_up.py"
    script.write_text(HIGH.replace("TRIES = 3", "TRIES = 4"), "utf-8")
    assert read_folder(folder).altered == ("tidy_up",)
    assert "altered after it was exported" in take_in(libraries("theirs"), folder)[-1].note


def test_a_reader_is_told_how_it_is_called(folder: Path) -> None:
    text = (folder / "SKILL.md").read_text("utf-8")
    assert "`tidy_up(thing: str, place: str='desk') -> bool`" in text
    assert "functions of its environment: `act`." in text
    assert "other skills: `scripts/clean.py`" in text
    assert "- `move * to *`" in text


def test_the_public_validator_takes_it(folder: Path, mine: Library) -> None:
    public = pytest.importorskip("skills_ref", reason="pip install skills-ref")
    assert public.validate(folder) == []
    properties = public.read_properties(folder)
    assert properties.name == "tidy-up"
    assert properties.description == (
        "Cleans a thing and puts it away. Use it in household for goals like: "
        "tidy the {thing} away.; put a clean {thing} in {place}: now."
    )
    assert properties.metadata["journeyman-author"] == "expert"
    assert public.validate(export(mine, "clean", to=folder.parent)) == []


def test_a_folder_that_exists_is_left_alone(mine: Library, folder: Path) -> None:
    with pytest.raises(Refused, match="tidy-up exists; take another place"):
        export(mine, "tidy_up", to=folder.parent)
    with pytest.raises(Refused, match="can't be written"):
        export(mine, "tidy_up", to=folder / "SKILL.md")
    assert [one.name for one in folder.parent.iterdir()] == ["tidy-up"]


def rewrite(folder: Path, place: str, old: str, new: str) -> None:
    file = folder / place
    text = file.read_text("utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), "utf-8")


@pytest.mark.parametrize(
    ("place", "old", "new", "why"),
    [
        ("SKILL.md", 'name: "tidy-up"', 'name: "../up"', "no name of lowercase letters"),
        ("SKILL.md", 'name: "tidy-up"', 'name: "other"', "folder and name have to be the same"),
        ("SKILL.md", 'name: "tidy-up"', 'nam: "tidy-up"', "no name of lowercase"),
        (
            "SKILL.md",
            'name: "tidy-up"',
            'name: &a "tidy-up"\nx: [*a, *a]',
            "an alias, anchor or tag",
        ),
        (
            "SKILL.md",
            'name: "tidy-up"',
            'name: !!python/name:os.system ""',
            "an alias, anchor or tag",
        ),
        ("SKILL.md", 'name: "tidy-up"', "name: " + "[" * 20_000, "is no YAML"),
        ("SKILL.md", "description:", "metadata2:", "no description"),
        ("SKILL.md", "---", "+++", "does not begin with YAML"),
        ("SKILL.md", "## Evidence", "\x1b[2J", "invisible or control characters"),
        ("SKILL.md", "## Evidence", "x" * 200_000, "more than 100,000 bytes"),
        ("scripts/tidy_up.py", "first", "\u202efirst", "invisible or control characters"),
        ("scripts/tidy_up.py", "first", "x" * 900_000, "more than 800,000 bytes"),
        (
            "assets/skills.json",
            '"name": "tidy_up"',
            '"name": "../../x"',
            "without a name of its own",
        ),
        ("assets/skills.json", '"name": "tidy_up"', '"name": "clean"', "without a name of its own"),
        (
            "assets/skills.json",
            '"name": "tidy_up"',
            '"name": "tidy"',
            "scripts/tidy.py can't be read",
        ),
        ("assets/skills.json", '"version": 1', '"version": 0', "has version 0"),
        ("assets/skills.json", '"version": 1', '"version": "one"', "version: Input should be"),
        ("assets/skills.json", '"env":', '"colour":', "Extra inputs are not permitted"),
        (
            "assets/skills.json",
            '"author": "expert"',
            '"author": "\\u001b[2J"',
            "author: Input should",
        ),
        ("assets/skills.json", '"by": "induction"', '"by": "\\u001b[2J"', "control characters"),
        ("assets/skills.json", '"by": "induction"', '"by": "\\ud800"', "control characters"),
        ("assets/skills.json", '"clean"\n', '"wash"\n', "uses 'wash', which is not before it"),
        ("assets/skills.json", '"format": 1', '"format": 2', "has format 2, this version reads 1"),
        ("assets/skills.json", '"skills"', '"skill"', "no list of 1 to 50"),
        ("assets/skills.json", "{", "[" * 50_000 + "{", "is no JSON"),
        ("assets/skills.json", '"version": 1', f'"version": {"9" * 5000}', "is no JSON"),
    ],
)
def test_hostile_folders_are_one_line(
    folder: Path, libraries: Callable[[str], Library], place: str, old: str, new: str, why: str
) -> None:
    rewrite(folder, place, old, new)
    theirs = libraries("theirs")
    with pytest.raises(Refused, match=why) as caught:
        take_in(theirs, folder)
    assert len(str(caught.value)) < 600
    assert "\n" not in str(caught.value)
    assert theirs.all() == []


def test_files_elsewhere_are_not_read(folder: Path, tmp_path: Path) -> None:
    script = folder / "scripts/tidy_up.py"
    secret = tmp_path / "secret.py"
    script.rename(secret)
    script.symlink_to(secret)
    with pytest.raises(Refused, match=r"scripts/tidy_up\.py is a link"):
        read_folder(folder)
    script.unlink()
    os.mkfifo(script)
    with pytest.raises(Refused, match="is no plain file"):
        read_folder(folder)
    script.unlink()
    script.mkdir()
    with pytest.raises(Refused, match="can't be read: Is a directory"):
        read_folder(folder)
    (folder / "scripts").rename(tmp_path / "scripts")
    (folder / "scripts").symlink_to(tmp_path / "scripts")
    with pytest.raises(Refused, match="scripts is a link"):
        read_folder(folder)


def test_other_bytes_and_other_folders(folder: Path, tmp_path: Path) -> None:
    (folder / "scripts/clean.py").write_bytes(b"\xff\xfe")
    with pytest.raises(Refused, match=r"scripts/clean\.py is not UTF-8"):
        read_folder(folder)
    with pytest.raises(Refused, match="is no folder"):
        read_folder(tmp_path / "nothing")
    with pytest.raises(Refused, match=r"SKILL\.md can't be read"):
        read_folder(tmp_path)


def test_what_is_written_is_plain_text(mine: Library) -> None:
    bell = mine.get("clean").model_copy(update={"about": "rings \x07 --- the bell"})
    written = files(bell)
    front = written["SKILL.md"].split("---")[1]
    assert "\\u002d-- the bell" in front
    assert "\x07" not in front
    assert json.loads(written["assets/skills.json"])["skills"][0]["name"] == "clean"


def test_a_folder_that_may_do_anything_is_refused(
    tmp_path: Path, libraries: Callable[[str], Library]
) -> None:
    mine = libraries("loose")
    one = mine.add(
        Skill(id="", name="clean", env="household", code=LOW, requires=("*",)), reason="found"
    )
    made = export(mine, one.name, to=tmp_path)
    with pytest.raises(Refused, match=r"requires '\*', which may be anything"):
        take_in(libraries("other"), made)
