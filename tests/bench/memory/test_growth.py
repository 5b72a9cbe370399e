from pathlib import Path

from bench.memory.growth import capacity, grow, lived, seen
from memory.embed import HashEmbedder
from memory.index import Index
from memory.ledger import Ledger
from memory.life import Bounds
from memory.recall import Memory


def test_tasks_come_back_and_the_script_is_the_same_every_time(script) -> None:
    tasks = [script.task(number).id for number in range(100)]
    assert tasks == [script.task(number).id for number in range(100)]
    assert len(set(tasks)) < 13
    drafts = script.drafts(3, script.attempt(3))
    assert [draft.kind for draft in drafts] == ["workflow", "fact"]
    assert drafts == script.drafts(3, script.attempt(3))


def test_observations_have_the_wording_of_the_game() -> None:
    assert seen("take mug 1 from shelf 2") == "You pick up the mug 1 from the shelf 2."
    assert seen("heat mug 1 with microwave 1") == "You heat the mug 1 using the microwave 1."
    assert seen("open drawer 2") == "You open the drawer 2."


def test_entries_level_off_and_a_stopped_run_goes_on(script, tmp_path: Path) -> None:
    told: list[str] = []

    def play(episodes: int):
        return grow(
            "all kept",
            script,
            tmp_path / "kept",
            embedder=HashEmbedder(),
            episodes=episodes,
            rule=None,
            told=told.append,
        )

    assert [point.episodes for point in play(30)] == [30]
    points = play(60)
    assert [point.episodes for point in points] == [30, 60]
    assert points[-1].drafted == 120
    assert points[-1].entries < 120
    assert points[-1].duplicates == 0
    assert len(told) == 2
    ledger = Ledger(tmp_path / "kept" / "ledger.db")
    assert ledger.count()["trajectories"] == 60
    ledger.close()


def test_a_bound_keeps_the_newest(script, tmp_path: Path) -> None:
    folder = tmp_path / "bounded"
    grow("all kept", script, folder, embedder=HashEmbedder(), episodes=20, rule=None)
    memory = Memory(Ledger(folder / "ledger.db"), Index(folder / "index", HashEmbedder()))
    before = memory.ledger.count()["lessons"]
    capacity(5).tidy(memory)
    after = memory.ledger.count()["lessons"]
    assert after["candidate"] == 5
    assert after["retired"] == sum(before.values()) - 5
    capacity(5).tidy(memory)
    assert memory.ledger.count()["lessons"] == after
    memory.close()


def test_life_is_lived_after_each_episode(script, tmp_path: Path) -> None:
    points = grow(
        "life",
        script,
        tmp_path / "life",
        embedder=HashEmbedder(),
        episodes=30,
        rule=lived(Bounds(capacity=6)),
    )
    assert points[-1].entries == 6
    assert points[-1].tidied is not None
    assert points[-1].tidied.count == 30
