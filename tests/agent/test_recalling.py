from __future__ import annotations

import pytest

from agent.recalling import LARGE, UNKNOWN, parameters, ranking_of, recall_budget
from agent.settings import MemorySettings
from memory.ranking import DENSE, Ranking


@pytest.mark.parametrize(
    ("name", "billions"),
    [
        ("SmolLM2-135M-Instruct", 0.135),
        ("SmolLM2.q4_1-135M.gguf", 0.135),
        ("Qwen2.5-0.5B-Instruct", 0.5),
        ("Qwen2.5-Coder-1.5B-Instruct-Q4_K_M", 1.5),
        ("meta-llama/Llama-3.3-70B-Instruct", 70.0),
        ("Mixtral-8x7B-v0.1", 56.0),
        ("Qwen3-30B-A3B", 30.0),
        ("llama3.1:8b", 8.0),
        ("kimi-k2-1T", 1000.0),
        ("org-7b/model", None),
        ("gpt-5", None),
        ("model-4bit", None),
        ("", None),
    ],
)
def test_the_name_tells_the_size(name: str, billions: float | None) -> None:
    assert parameters(name) == (None if billions is None else pytest.approx(billions))


def test_larger_models_are_given_more() -> None:
    names = ["a-135M", "a-0.5B", "a-1.5B", "a-7B", "a-70B"]
    budgets = [recall_budget(None, name) for name in names]
    assert budgets == sorted(set(budgets))
    assert (budgets[0], budgets[-1]) == (96, LARGE)
    assert recall_budget(None, "gpt-5") == UNKNOWN
    assert recall_budget(40, "a-70B") == 40
    assert recall_budget(0, "a-70B") == 0


def test_settings_say_how_memory_ranks() -> None:
    assert ranking_of(MemorySettings()) == Ranking()
    off = MemorySettings(words=0, diversity=0, sway=0)
    assert ranking_of(off) == DENSE
    asked = ranking_of(MemorySettings(trust=("self", "web"), episodes=1))
    assert (asked.trust, asked.episodes) == (("self", "web"), 1)


def test_a_student_acts_without_lessons_and_still_talks_with_them() -> None:
    name = "SmolLM2-135M-Instruct (student alfworld)"
    assert recall_budget(None, name, acting=True) == 0
    assert recall_budget(None, name) == 96
    assert recall_budget(96, name, acting=True) == 96
