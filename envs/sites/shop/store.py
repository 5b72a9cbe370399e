"""The shop's rules over its state, a plain dictionary; no page and no network here."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

DATA: dict[str, Any] = json.loads((Path(__file__).parent / "data.json").read_text("utf-8"))
PRODUCTS: dict[str, dict[str, Any]] = {one["id"]: one for one in DATA["products"]}
CATEGORIES = tuple(dict.fromkeys(one["category"] for one in DATA["products"]))
MOST = 9
"""Most pieces of one thing in a cart."""
LONGEST = 400
"""Characters kept of whatever is typed into a field."""

State = dict[str, Any]
Line = dict[str, Any]


class Refusal(Exception):
    """What the shop cannot do, in words for the customer."""


def fresh() -> State:
    """The state that every episode begins with."""
    return copy.deepcopy(DATA["state"])


def title(line: Line) -> str:
    """`Stoneware mug (Blue, 400 ml)`."""
    name = PRODUCTS[line["product"]]["name"]
    return f"{name} ({line['choice']})" if line["choice"] else name


def search(
    *, words: str = "", category: str = "", most: int = 0, stars: float = 0.0, order: str = ""
) -> list[dict[str, Any]]:
    """Products that hold all words and pass all filters. `most` in cents, 0 is no limit."""
    found = [
        one
        for one in DATA["products"]
        if all(
            word in f"{one['name']} {one['category']} {one['blurb']}".casefold()
            for word in words.casefold().split()
        )
        and category in ("", one["category"])
        and (not most or one["price"] <= most)
        and one["rating"] >= stars
    ]
    if order == "Price: low to high":
        found.sort(key=lambda one: one["price"])
    elif order == "Price: high to low":
        found.sort(key=lambda one: -one["price"])
    elif order == "Best rated":
        found.sort(key=lambda one: -one["rating"])
    return found


def sign_in(state: State, *, email: str, password: str) -> str:
    """The user's id."""
    for user, known in state["users"].items():
        if known["email"] == email.strip().casefold() and known["password"] == password:
            for line in state["carts"].pop("guest", []):
                add(state, user, **line)
            return user
    raise Refusal("That email and password do not belong together.")


def register(state: State, *, name: str, email: str, password: str) -> str:
    """Opens an account and answers with its id."""
    name, email = name.strip()[:LONGEST], email.strip().casefold()[:LONGEST]
    if not name or "@" not in email or len(password) < 6:
        raise Refusal("Please give a name, an email address and a password of six characters.")
    if any(known["email"] == email for known in state["users"].values()):
        raise Refusal("There is an account with that email address already.")
    user = f"user{len(state['users']) + 1}"
    state["users"][user] = {
        "name": name,
        "email": email,
        "password": password[:LONGEST],
        "phone": "",
        "newsletter": False,
        "addresses": [],
    }
    state["carts"][user] = state["carts"].pop("guest", [])
    return user


def cart(state: State, user: str) -> list[Line]:
    """The lines of a user's cart, in the order of adding."""
    return state["carts"].get(user, [])


def _line(state: State, user: str, wanted: Line) -> Line:
    lines = state["carts"].setdefault(user, [])
    for line in lines:
        if (line["product"], line["choice"]) == (wanted["product"], wanted["choice"]):
            return line
    lines.append({"product": wanted["product"], "choice": wanted["choice"], "quantity": 0})
    return lines[-1]


def add(state: State, user: str, *, product: str, choice: str, quantity: int) -> Line:
    """Puts pieces into the cart; the line that now holds them."""
    if product not in PRODUCTS:
        raise Refusal("There is no such product.")
    if choice not in choices(product):
        raise Refusal("Please choose all options first.")
    line = _line(state, user, {"product": product, "choice": choice})
    line["quantity"] = min(MOST, line["quantity"] + max(0, quantity))
    return line


def choices(product: str) -> list[str]:
    """All ways in which a product comes, as `Blue, 250 ml`; one empty one without options."""
    ways = [""]
    for values in PRODUCTS[product]["options"].values():
        ways = [f"{way}, {value}" if way else value for way in ways for value in values]
    return ways


def change(state: State, user: str, *, number: int, quantity: int) -> Line:
    """Sets the pieces of line `number` of the cart; 0 takes it out."""
    lines = cart(state, user)
    if not 0 <= number < len(lines):
        raise Refusal("That is not in the cart any more.")
    line = lines[number]
    line["quantity"] = max(0, min(MOST, quantity))
    if not line["quantity"]:
        lines.remove(line)
    return line


def costs(lines: list[Line], *, coupon: str = "", delivery: str = "") -> dict[str, int]:
    """Subtotal, discount, delivery and total in cents."""
    price = sum(
        line.get("price", PRODUCTS[line["product"]]["price"]) * line["quantity"] for line in lines
    )
    rule = DATA["coupons"].get(coupon)
    off = price * rule["percent"] // 100 if rule and price >= rule["over"] else 0
    sent = DATA["delivery"].get(delivery, 0)
    return {"subtotal": price, "discount": off, "delivery": sent, "total": price - off + sent}


def check_coupon(state: State, user: str, *, code: str) -> str:
    """The code as it is kept with an order; raises where it is no good for this cart."""
    code = code.strip().upper()
    if not code:
        return ""
    rule = DATA["coupons"].get(code)
    if rule is None:
        raise Refusal("That code is not valid.")
    if costs(cart(state, user))["subtotal"] < rule["over"]:
        raise Refusal(f"That code needs an order of at least {rule['over'] / 100:.2f} euros.")
    return code


def place(
    state: State, user: str, *, address: str, delivery: str, gift: str, coupon: str
) -> dict[str, Any]:
    """Turns the cart into an order."""
    lines = cart(state, user)
    if not lines:
        raise Refusal("The cart is empty.")
    if address not in {one["label"] for one in state["users"][user]["addresses"]}:
        raise Refusal("Please choose an address.")
    if delivery not in DATA["delivery"]:
        raise Refusal("Please choose how it is sent.")
    order = {
        "number": state["next"],
        "user": user,
        "date": DATA["today"],
        "status": "Processing",
        "address": address,
        "delivery": delivery,
        "gift": gift.strip()[:LONGEST],
        "coupon": check_coupon(state, user, code=coupon),
        "lines": [{**line, "price": PRODUCTS[line["product"]]["price"]} for line in lines],
    }
    state["orders"].append(order)
    state["next"] += 1
    state["carts"][user] = []
    return order


def orders(state: State, user: str) -> list[dict[str, Any]]:
    """A user's orders, the latest first."""
    return [one for one in reversed(state["orders"]) if one["user"] == user]


def order_of(state: State, user: str, number: int) -> dict[str, Any]:
    """One order of this user."""
    for one in state["orders"]:
        if one["number"] == number and one["user"] == user:
            return one
    raise Refusal("There is no such order.")


def cancel(state: State, user: str, *, number: int) -> None:
    """Possible until an order is sent."""
    order = order_of(state, user, number)
    if order["status"] != "Processing":
        raise Refusal("This order can't be cancelled any more.")
    order["status"] = "Cancelled"


def sent_back(state: State, number: int) -> set[int]:
    """Which lines of an order were returned."""
    return {line for one in state["returns"] if one["order"] == number for line in one["numbers"]}


def give_back(
    state: State, user: str, *, number: int, lines: list[int], reason: str, refund: str
) -> None:
    """Returns lines of a delivered order."""
    order = order_of(state, user, number)
    if order["status"] != "Delivered":
        raise Refusal("Only delivered orders can be returned.")
    left = set(range(len(order["lines"]))) - sent_back(state, number)
    if not lines or not set(lines) <= left:
        raise Refusal("Please tick the items that you send back.")
    if reason not in DATA["reasons"]:
        raise Refusal("Please choose a reason.")
    if refund not in DATA["refunds"]:
        raise Refusal("Please choose where the money goes.")
    state["returns"].append(
        {
            "order": number,
            "user": user,
            "numbers": sorted(set(lines)),
            "items": [title(order["lines"][line]) for line in sorted(set(lines))],
            "reason": reason,
            "refund": refund,
        }
    )


def wish(state: State, user: str, *, product: str, on: bool) -> None:
    """Puts a product on the wish list or takes it off."""
    if product not in PRODUCTS:
        raise Refusal("There is no such product.")
    wishes = state["wishes"].setdefault(user, [])
    if on and product not in wishes:
        wishes.append(product)
    if not on and product in wishes:
        wishes.remove(product)


def review(state: State, user: str, *, product: str, stars: int, text: str) -> None:
    """Writes a review, or writes the user's own anew."""
    if product not in PRODUCTS:
        raise Refusal("There is no such product.")
    if stars not in range(1, 6) or not text.strip():
        raise Refusal("Please choose the stars and write a sentence.")
    others = [one for one in state["reviews"] if (one["user"], one["product"]) != (user, product)]
    new = {"user": user, "product": product, "stars": stars, "text": text.strip()[:LONGEST]}
    state["reviews"] = [*others, new]


def save_address(state: State, user: str, *, old: str, new: dict[str, str]) -> None:
    """Adds an address (`old` empty), or replaces the one labelled `old`."""
    new = {key: value.strip()[:LONGEST] for key, value in new.items()}
    if not all(new.values()):
        raise Refusal("Please fill in every line of the address.")
    addresses = state["users"][user]["addresses"]
    if any(one["label"] == new["label"] and one["label"] != old for one in addresses):
        raise Refusal("There is an address with that label already.")
    for number, one in enumerate(addresses):
        if one["label"] == old:
            addresses[number] = new
            return
    addresses.append(new)


def drop_address(state: State, user: str, *, label: str) -> None:
    """Takes an address off the list."""
    addresses = state["users"][user]["addresses"]
    addresses[:] = [one for one in addresses if one["label"] != label]


def save_profile(state: State, user: str, *, name: str, phone: str, newsletter: bool) -> None:
    """Changes what the account says of a person."""
    if not name.strip():
        raise Refusal("Please give a name.")
    state["users"][user].update(
        name=name.strip()[:LONGEST], phone=phone.strip()[:LONGEST], newsletter=newsletter
    )
