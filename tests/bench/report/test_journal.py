"""The journal as a page: the curve, rounds in words, the forest of effects, every change."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from agent.evolving import Decided, Evolved
from agent.gate import Decision
from agent.journal_rounds import fates_of
from agent.roundlog import Held
from agent.stages import keep
from bench.report.forest import Entry, section
from bench.report.journal import entries, journal, write
from bench.report.timeline import section as timeline
from bench.report.view import Chart, Table
from envs.errors import StoreError
from envs.types import Score
from memory.ledger import Ledger
from memory.types import Change, Effect, Exposure, Lesson, Measured, Run, Trajectory

TEXTS = {
    "L1": ("Spoons are in the red drawer: open that one first.", (0.4, 0.9)),
    "L2": ("Close every drawer before you open the next one.", (0.7, 0.2)),
    "L3": ("The hall has green tiles <b>and</b> a lamp.", (0.5, 0.5)),
}


def taught(folder: Path, *, episodes: int = 120) -> Ledger:
    """A home with three tossed lessons, changes kept, refused and undone, and two rounds."""
    ledger = Ledger(folder / "ledger.db")
    for id_, (text, _) in TEXTS.items():
        one = Lesson.model_validate({"id": id_, "kind": "fact", "text": text})
        ledger.apply(
            Change(
                id="", kind="lesson", target=id_, op="add", reason="drafted after a run",
                after=one.model_dump(mode="json", exclude={"effect"}),
            )
        )  # fmt: skip
    rng = random.Random(3)
    for number in range(episodes):
        id_ = rng.choice(list(TEXTS))
        shown = rng.random() < 0.5
        won = rng.random() < TEXTS[id_][1][shown]
        run = f"r{number:04d}"
        spec: dict[str, Any] = {"id": run, "env": "toy", "task": "t", "goal": "g"}
        ledger.begin_run(Run(**spec, status="running"))
        ledger.expose(
            Exposure(episode=run, lesson=id_, version=1, first_step=0, shown=shown, probability=0.5)
        )
        ledger.add_trajectory(
            Trajectory(
                **spec,
                task_key=f"k{number}",
                split="train",
                score=Score(value=float(won), passed=won),
            )
        )
    value = {"name": "memory.most", "value": 5}
    more = {
        "id": "",
        "kind": "setting",
        "target": "toy/memory.most",
        "op": "add",
        "reason": "halves",
    }
    kept = ledger.apply(Change.model_validate({**more, "after": value, "batch": "B1"}))[0]
    skill = {"name": "fetch", "env": "toy", "code": "def fetch(): ...", "status": "active"}
    ledger.apply(
        Change(
            id="", kind="skill", target="S1", op="add", reason="passed", after={"id": "S1", **skill}
        )
    )
    ledger.apply(
        Change(
            id="", kind="prompt", target="toy/solver", op="add", reason="evolved",
            after={"name": "solver", "value": "Sing."}, decision="rejected",
        )
    )  # fmt: skip
    ledger.undo(ledger.history("L2")[0].id, reason="it does harm")
    rounds = folder / "learning" / "toy"
    keep(rounds / "start.json", Held(student="", won=11, total=30))
    decision = Decision(promote=True, reasons=("target: 8 solved only now, 1 only before",))
    for number, won in ((1, 17), (2, 24)):
        done = Decided(by="settings", decision=decision, batch="B1", changes=(kept.id,))
        found = Evolved(
            number=number,
            why="6 of types never solved",
            won=13,
            played=24,
            lessons=tuple(TEXTS),
            decided=(done,) if number == 1 else (),
            held=Held(student="", won=won, total=30),
            episodes=24 * number,
        )
        keep(rounds / f"round-{number}" / "round.json", found)
        (rounds / f"round-{number}" / "tasks.json").write_text("{}", "utf-8")
    return ledger


def test_the_page_tells_the_whole_story_without_a_network(tmp_path: Path) -> None:
    ledger = taught(tmp_path)
    path = write(tmp_path, ledger, tmp_path / "reports")
    ledger.close()
    html = path.read_text("utf-8")
    assert path.name == "journal.html"
    for words in (
        "11 of 30 held-out tasks solved at the beginning, 24 of 30 after round 2",
        "Round by round: toy",
        "set memory.most to 5, proposed by settings",
        "(journeyman undo B1)",
        "Spoons are in the red drawer",
        "refused the prompt solver",
        "rounds; the gates kept 1 and refused 0.",
    ):
        assert words in html
    assert "<b>and</b>" not in html
    assert "http://" not in html.replace("http://www.w3.org", "")
    assert html.count("<svg") >= 6


def test_effects_are_sorted_and_say_how_much_is_known(tmp_path: Path) -> None:
    ledger = taught(tmp_path, episodes=60)
    found = section(entries(ledger))
    ledger.close()
    chart = next(one for one in found.blocks if isinstance(one, Chart))
    table = next(one for one in found.blocks if isinstance(one, Table))
    points = [row[3].sort for row in table.rows]
    assert points == sorted(points, key=lambda at: -(at or 0))
    assert "n = " in chart.wide
    assert len(table.rows) in (2, 3)


def test_the_plot_keeps_those_of_which_most_is_known_and_replays_count() -> None:
    def entry(number: int, shown: int) -> Entry:
        effect = Effect(estimate=0.1, shown=shown, withheld=shown, low=-0.2, high=0.4)
        return Entry(
            id=f"L{number:02d}",
            kind="lesson",
            text=f"note {number}",
            status="active",
            effect=effect,
        )

    replayed = Measured(estimate=0.5, low=0.1, high=0.8, shown=10, verdict="helps")
    pair = Entry(
        id="S", kind="skill", text="fetch()", status="active", effect=Effect(replayed=replayed)
    )
    unknown = Entry(id="U", kind="lesson", text="?", status="candidate", effect=Effect())
    found = section([*(entry(n, shown=n + 1) for n in range(40)), pair, unknown])
    table = next(one for one in found.blocks if isinstance(one, Table))
    assert len(table.rows) == 41
    assert table.rows[0][0].text == "fetch()"
    assert table.rows[0][8].text == "it helps"
    chart = next(one for one in found.blocks if isinstance(one, Chart))
    assert "note 39" in chart.alt
    assert "note 0:" not in chart.alt
    assert section([unknown]).blocks[0].kind == "text"


def test_every_change_has_its_fate(tmp_path: Path) -> None:
    ledger = taught(tmp_path, episodes=0)
    changes = list(reversed(ledger.changes(limit=-1)))
    ledger.close()
    found = timeline(changes, fates_of(changes))
    table = next(one for one in found.blocks if isinstance(one, Table))
    told = {row[1].text: row[2].text for row in table.rows}
    assert told["refused the prompt solver: “Sing.”"] == "refused"
    assert told["learned the lesson “Close every drawer before you open the next one.”"] == "undone"
    assert told["set memory.most to 5"] == "kept"
    assert timeline([], {}).blocks[0].kind == "text"


def test_an_empty_home_has_a_page_and_a_file_in_the_way_is_said(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.db")
    html = journal(tmp_path, ledger)
    assert "No rounds yet" in html
    assert "No effect is measured yet" in html
    (tmp_path / "file").write_text("", "utf-8")
    with pytest.raises(StoreError, match=r"journal\.html can't be written"):
        write(tmp_path, ledger, tmp_path / "file")
    ledger.close()
