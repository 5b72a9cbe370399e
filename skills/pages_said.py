"""What pages say when something worked, for a program to look for."""

from __future__ import annotations

import re
from collections.abc import Sequence

from skills.types import Shown


def said(ways: Sequence[tuple[Shown, Sequence[str]]], names: Sequence[str]) -> str:
    """What every page said in the end, and not before, that tells of it: a message, or a line with
    a parameter in it. With each way come the values of the parameters that `names` names.
    """
    common: dict[str, bool] | None = None
    for way, given in ways:
        steps = [way.first, *way.steps]
        last = _lines(steps[-1].observation)
        new = {
            line: told for line, told in last.items() if line not in _lines(steps[-2].observation)
        }
        values = sorted(zip(given, names, strict=True), key=lambda one: -len(one[0]))
        lines: dict[str, bool] = {}
        for line, message in new.items():
            for value, name in values:
                line = re.sub(re.escape(value), "{" + name + "}", line, flags=re.IGNORECASE)
            if message or "{" in line:
                lines[line] = message
        common = lines if common is None else {k: v for k, v in common.items() if k in lines}
    told = [line for line in common or {} if re.search(r"[A-Za-z]{3}", re.sub(r"{\w+}", "", line))]
    ranked = sorted(told, key=lambda line: (not (common or {})[line], "{" not in line, len(line)))
    return ranked[0] if ranked else ""


def _lines(observation: str) -> dict[str, bool]:
    """What stands on a page, without roles; True where it is a message."""
    found: dict[str, bool] = {}
    for line in observation.split("\n")[1:]:
        match = re.fullmatch(r'\s*([a-z]+) "((?:[^"\\]|\\.)*)".*', line)
        if match:
            found[match[2]] = match[1] in ("status", "alert")
        elif '"' not in line and "{" not in line and not line.startswith("["):
            found[line.strip()] = False
    return found
