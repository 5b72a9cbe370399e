"""Writes `tasks.json` and `solutions.json` from the templates: `python write_tasks.py`."""

from __future__ import annotations

import json
from itertools import chain
from pathlib import Path
from typing import Any

import compositions
import errands
import practice

HERE = Path(__file__).parent
SPLITS = {
    "train": (errands.train, practice.train),
    "val": (errands.val, practice.val),
    "test": (compositions.test,),
}


def made() -> tuple[list[dict[str, Any]], dict[str, dict[str, list[str]]]]:
    """The tasks, and for each the actions that do it and those that nearly do."""
    tasks, solutions = [], {}
    for split, sources in SPLITS.items():
        count: dict[str, int] = {}
        for one in chain.from_iterable(source() for source in sources):
            count[one.kind] = count.get(one.kind, 0) + 1
            name = f"{one.kind}-{count[one.kind]}"
            solutions[name] = {"gold": one.gold, "near": one.near}
            tasks.append(
                {
                    "id": name,
                    "split": split,
                    "kind": one.kind,
                    "instruction": one.instruction,
                    "start": {"user": one.user},
                    "verify": "verify.py",
                    "expect": one.expect,
                }
            )
    return tasks, solutions


if __name__ == "__main__":
    for name, content in zip(("tasks.json", "solutions.json"), made(), strict=True):
        text = json.dumps(content, indent=1, ensure_ascii=False)
        (HERE / name).write_text(text + "\n", "utf-8")
