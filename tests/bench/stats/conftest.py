from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bench.lab.types import Row

PLAIN: dict[str, Any] = {
    "cell": "c000000000000",
    "arm": "bare",
    "kind": "bare",
    "model": "",
    "seed": 0,
    "phase": "measure",
    "learned": 0,
    "env": "toy",
    "split": "val",
    "task_type": "put",
    "first_passed": None,
    "attempts": 1,
    "steps": 1,
    "stop": "done",
    "failure": "",
    "error": "",
    "accepted": None,
    "confidence": 0.0,
    "verified_by": "",
    "calls": 1,
    "prompt_tokens": 10,
    "completion_tokens": 2,
    "digest": "d",
}
Make = Callable[..., Row]


@pytest.fixture(scope="session")
def make() -> Make:
    """Builds a row: `make(True, task=3, room=1, arm="react")`."""

    def build(passed: bool | None, *, task: object = 0, room: object = 0, **more: Any) -> Row:
        own = {"task": f"t{task}", "task_key": f"k{task}", "room": f"r{room}", "passed": passed}
        return Row.model_validate({**PLAIN, **own, **more})

    return build
