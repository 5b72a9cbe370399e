"""What the templates of tasks are made of: an errand, and the actions of its parts."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from store import DATA, PRODUCTS

PEOPLE: dict[str, dict[str, Any]] = DATA["state"]["users"]
Steps = list[str]


@dataclass
class Errand:
    """One task."""

    kind: str
    """What sort of goal; a kind belongs to one split."""
    instruction: str
    """What is asked."""
    expect: dict[str, Any]
    """What `verify.py` must find."""
    gold: Steps
    """Actions that do it."""
    near: Steps
    """Actions that nearly do it."""
    user: str = "ada"
    """Who is signed in at the start; empty: nobody."""


def click(role: str, name: str) -> str:
    """A click."""
    return f"click {role} {json.dumps(name, ensure_ascii=False)}"


def fill(name: str, value: str) -> str:
    """Typing into a box."""
    return f"fill textbox {json.dumps(name, ensure_ascii=False)} with {json.dumps(value)}"


def select(name: str, value: str) -> str:
    """Choosing from a list."""
    return f"select combobox {json.dumps(name, ensure_ascii=False)} option {json.dumps(value)}"


def find(product: str) -> Steps:
    """To the page of a product, by searching for its name."""
    name = PRODUCTS[product]["name"]
    return [fill("Search the shop", name), click("button", "Search"), click("link", name)]


def into_cart(product: str, choice: str = "", quantity: int = 1) -> Steps:
    """From anywhere to the cart, with a product in it."""
    options = zip(PRODUCTS[product]["options"], choice.split(", "), strict=False)
    steps = find(product) + [select(option, value) for option, value in options]
    if quantity != 1:
        steps.append(select("Quantity", str(quantity)))
    return [*steps, click("button", "Add to cart")]


def pay(*, address: str = "", delivery: str = "", gift: str = "", code: str = "") -> Steps:
    """From the cart to the order."""
    steps = [click("button", "Checkout")]
    steps += [click("radio", address)] if address else []
    steps += [click("radio", delivery)] if delivery else []
    if gift:
        steps += ['check checkbox "Wrap as a gift"', fill("Gift message", gift)]
    steps += [fill("Discount code", code)] if code else []
    return [*steps, click("button", "Place order")]


def send_back(number: int, items: Iterable[str], reason: str, refund: str = "") -> Steps:
    """From anywhere to a return."""
    steps = [click("link", "Orders"), click("link", f"Order {number}")]
    steps.append(click("button", "Return items"))
    steps += [f"check checkbox {json.dumps(one)}" for one in items]
    steps.append(select("Reason for the return", reason))
    steps += [click("radio", refund)] if refund else []
    return [*steps, click("button", "Send return")]


def enter(user: str) -> Steps:
    """Signing in."""
    known = PEOPLE[user]
    return [
        click("link", "Sign in"),
        fill("Email", known["email"]),
        fill("Password", known["password"]),
        click("button", "Sign in to your account"),
    ]


def named(product: str, choice: str = "") -> str:
    """As orders and carts call it."""
    name = PRODUCTS[product]["name"]
    return f"{name} ({choice})" if choice else name


def place(user: str, label: str) -> str:
    """The radio button of an address."""
    one = next(one for one in PEOPLE[user]["addresses"] if one["label"] == label)
    return f"{label}: {one['street']}, {one['postcode']} {one['city']}"


def homes(user: str) -> list[str]:
    """All addresses of a user, as the verifier writes them."""
    return [place(user, one["label"]) for one in PEOPLE[user]["addresses"]]


def spoken(product: str, choice: str, number: int = 1) -> str:
    """`blue stoneware mug (400 ml)`."""
    first, _, rest = choice.partition(", ")
    name = PRODUCTS[product]["name"].lower() + ("s" if number > 1 else "")
    what = f"{first.lower()} {name}" if first else name
    return f"{what} ({rest})" if rest else what


EXPRESS, PICK_UP = "Express, €12.90", "Pick-up point, free"
