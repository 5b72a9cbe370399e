"""Whether the shop's state is what a task asks for, and nothing else has changed.

`verify(state, expect)` compares what changed since the first state with `expect`: orders, returns
and reviews by the fields that `expect` names (`*` stands for anything), the rest as a whole.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

from store import State, fresh, title

Changes = dict[str, Any]


def verify(state: State, expect: Changes) -> tuple[bool, str]:
    """Whether it is done, and in one line for people what is missing."""
    seen = changes(state)
    for part in sorted({*seen, *expect}):
        if not matches(expect.get(part), seen.get(part)):
            return False, f"{part}: wanted {expect.get(part)}, found {seen.get(part)}"
    return True, "as asked"


def changes(state: State) -> Changes:
    """What changed since the first state, in a form that does not depend on any order."""
    old = fresh()
    was = {one["number"]: one for one in old["orders"]}
    reviews = [one for one in state["reviews"] if one not in old["reviews"]]
    gone = [one for one in old["reviews"] if one not in state["reviews"]]
    kept = {(one["user"], one["product"]) for one in reviews}
    found = {
        "orders": [
            {**one, "lines": things(one["lines"])}
            for one in state["orders"]
            if one["number"] not in was
        ],
        "status": {
            str(one["number"]): one["status"]
            for one in state["orders"]
            if one["number"] in was and one["status"] != was[one["number"]]["status"]
        },
        "returns": state["returns"],
        "reviews": reviews,
        "reviews lost": [one for one in gone if (one["user"], one["product"]) not in kept],
        "carts": _changed(old, state, "carts", things),
        "wishes": _changed(old, state, "wishes", sorted),
        "users": {
            user: new
            for user in state["users"]
            if (new := _profile(old["users"].get(user, {}), state["users"][user]))
        },
    }
    return {part: value for part, value in found.items() if value}


def things(lines: list[dict[str, Any]]) -> list[str]:
    """`2 x Linen tea towel (Red)`, sorted."""
    return sorted(f"{line['quantity']} x {title(line)}" for line in lines)


def _changed(old: State, new: State, part: str, form: Any) -> dict[str, Any]:
    return {
        user: form(new[part].get(user, []))
        for user in {*old[part], *new[part]}
        if form(new[part].get(user, [])) != form(old[part].get(user, []))
    }


def _profile(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    changed = {key: value for key, value in new.items() if value != old.get(key)}
    if "addresses" in changed:
        changed["addresses"] = sorted(
            f"{one['label']}: {one['street']}, {one['postcode']} {one['city']}"
            for one in new["addresses"]
        )
    return changed


def matches(wanted: Any, seen: Any) -> bool:
    """Whether `seen` is what is wanted. Of records in a list only the wanted fields count."""
    if isinstance(wanted, list) and isinstance(seen, list):
        left = list(seen)
        for one in wanted:
            found = next((other for other in left if _record(one, other)), None)
            if found is None:
                return False
            left.remove(found)
        return not left
    if isinstance(wanted, dict) and isinstance(seen, dict):
        return wanted.keys() == seen.keys() and all(matches(wanted[k], seen[k]) for k in wanted)
    if isinstance(wanted, str) and isinstance(seen, str):
        return fnmatchcase(seen.casefold(), wanted.casefold())
    return wanted == seen


def _record(wanted: Any, seen: Any) -> bool:
    if isinstance(wanted, dict) and isinstance(seen, dict):
        return all(key in seen and matches(wanted[key], seen[key]) for key in wanted)
    return matches(wanted, seen)
