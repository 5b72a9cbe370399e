"""More of two kinds of errands, so that what was learned from some can be tried on others."""

from __future__ import annotations

from collections.abc import Iterator

from steps import Errand, click, fill, find
from store import DATA, PRODUCTS

WISHES: dict[str, list[str]] = DATA["state"]["wishes"]


def train() -> Iterator[Errand]:
    """Wishes and phone numbers."""
    things = ("travel-mug", "enamel-pan", "table-lamp", "bedside-lamp", "clip-on-lamp", "plant-pot")
    for product in (*things, "desk-organiser", "over-ear-headphones", "storm-umbrella"):
        yield wish(product, user="ada", kind="wish")
    numbers = ("0160 901 2233", "0171 424 19", "0221 99 47 12", "0176 3380 0511", "030 8871 206")
    for number in (*numbers, "0151 600 4477", "0511 38 290", "0179 200 3001"):
        yield phone(number, user="ben", kind="profile")


def val() -> Iterator[Errand]:
    """The same for other customers, things and numbers."""
    yield wish("wireless-earbuds", user="ben", kind="wish-of-others")
    yield wish("beeswax-candle", user="cara", kind="wish-of-others")
    yield phone("0163 777 8090", user="ada", kind="phone-of-others")
    yield phone("0345 22 81 90", user="cara", kind="phone-of-others")


def wish(product: str, *, user: str, kind: str) -> Errand:
    """One more thing on the wish list."""
    name = PRODUCTS[product]["name"]
    other = next(one for one in PRODUCTS if one not in (product, *WISHES[user]))
    return Errand(
        kind=kind,
        instruction=f"Put the {name.lower()} on the wish list.",
        expect={"wishes": {user: sorted([*WISHES[user], product])}},
        gold=[*find(product), click("button", "Add to wish list")],
        near=[*find(other), click("button", "Add to wish list")],
        user=user,
    )


def phone(number: str, *, user: str, kind: str) -> Errand:
    """Another phone number of the account."""
    begin = [click("link", "Account")]
    return Errand(
        kind=kind,
        instruction=f'Change the phone number of the account to "{number}".',
        expect={"users": {user: {"phone": number}}},
        gold=[*begin, fill("Phone", number), click("button", "Save profile")],
        near=[*begin, fill("Phone", number[::-1]), click("button", "Save profile")],
        user=user,
    )
