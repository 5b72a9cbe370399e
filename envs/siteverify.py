"""Runs one verifier of an app and says what it found, as JSON.

A program of its own: `python -I siteverify.py verifier.py`, with `{"state", "expect", "url"}` on
standard input. The verifier is `verify(state, expect)` or `verify(state)`; a single parameter
called `server_url` or `url` gets the address of the server instead. It answers with a number or a
truth value, alone or as the first of two, the second being a note.
"""

from __future__ import annotations

import inspect
import json
import runpy
import sys
from pathlib import Path
from typing import Any


def judged(path: Path, *, given: dict[str, Any]) -> dict[str, Any]:
    """What the verifier in this file says: `{"value": 0 to 1, "note": text}`."""
    sys.path.insert(0, str(path.parent))
    verify = runpy.run_path(str(path))["verify"]
    names = list(inspect.signature(verify).parameters)
    if names and names[0] in ("server_url", "url", "base_url"):
        answer = verify(given["url"])
    elif len(names) > 1:
        answer = verify(given["state"], given["expect"])
    else:
        answer = verify(given["state"])
    value, note = answer if isinstance(answer, tuple) else (answer, "")
    value = float(value)
    if value != value:
        raise ValueError("it answers with NaN")
    return {"value": min(1.0, max(0.0, value)), "note": str(note)}


def main() -> None:
    """One verdict, on the real standard output; what the verifier prints goes elsewhere."""
    out, sys.stdout = sys.stdout, sys.stderr
    out.write(json.dumps(judged(Path(sys.argv[1]).resolve(), given=json.load(sys.stdin))))


if __name__ == "__main__":
    main()
