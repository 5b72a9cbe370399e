"""What a round of the loop costs: played with a script, and put into a page."""

from __future__ import annotations

from pathlib import Path

from bench.loop_costs import CLOSE, OPEN, Cost, Wanderer, played, put, section, table, taken

COST = Cost(
    tasks=19, workers=2, seconds=40, cpu=10, steps=200, tokens=60_000, lessons=3,
    memory=250_000_000, load=1.25,
)  # fmt: skip


async def test_a_round_is_played_and_counted(tmp_path: Path) -> None:
    cost = await played(tmp_path, tasks=2, workers=1, level="toy")
    assert (cost.tasks, cost.workers, cost.episodes) == (2, 1, 3)
    assert cost.steps >= 3
    assert cost.tokens > 100 * cost.steps, "prompts are counted as a model would be sent them"
    assert cost.seconds > 0
    assert cost.cpu > 0
    assert cost.memory > 10_000_000


async def test_the_player_does_the_same_at_the_same_words_and_keeps_nothing() -> None:
    player = Wanderer()
    schema = {
        "type": "object",
        "properties": {"action": {"enum": ["look", "go", "take"]}},
        "required": ["action"],
    }
    asked = [{"role": "user", "content": "You see a door. What now?"}]
    one, two = [await player.reply(asked, schema=schema) for _ in range(2)]
    assert one.data == two.data
    assert one.usage.prompt_tokens > 0
    assert player.requests == []


def test_costs_are_told_by_task_and_step() -> None:
    assert table([COST]).splitlines()[-1] == (
        "| 19 | 2 | 2.00 | 0.50 | 10.0 | 3,000 | 200 | 250 | 1.2 |"
    )


def test_a_page_gets_the_section_once_and_gives_it_back() -> None:
    first = put("# Growth\n\nwords\n", section([COST]))
    assert first.startswith("# Growth\n\nwords\n\n<!-- costs -->")
    again = put(f"{first}\nmore", section([COST, COST]))
    assert (again.count(OPEN), again.count(CLOSE)) == (1, 1)
    assert again.endswith("more")
    assert taken(again) == section([COST, COST])
    assert taken("# nothing") == ""
