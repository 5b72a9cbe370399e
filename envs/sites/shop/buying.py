"""The shop's pages up to the order: home, search, products, cart, checkout, signing in."""

from __future__ import annotations

from html import escape
from typing import Any

from art import picture
from html_parts import (
    button,
    choose,
    euros,
    field,
    item,
    link,
    pictures,
    post,
    quantities,
    stars,
    sums,
    tick,
    tile,
)
from store import CATEGORIES, DATA, PRODUCTS, State, cart, costs, search, title

ORDERS = ("Our choice", "Price: low to high", "Price: high to low", "Best rated")
RATINGS = {
    "Any rating": 0.0,
    "3.5 stars and up": 3.5,
    "4 stars and up": 4.0,
    "4.5 stars and up": 4.5,
}


def home() -> str:
    """The first page."""
    shown = [PRODUCTS[name] for name in FEATURED]
    tiles = "".join(tile(one) for one in shown)
    return (
        '<section class="hero"><div><h1>Good things for the kitchen, the desk and the road</h1>'
        "<p>Made by small workshops, mended for free, and returned within sixty days if they are "
        f"not right.</p></div>{picture('kettle', 'Copper')}{picture('lamp', 'Yellow')}</section>"
        f'<h2>This week</h2><ul class="grid">{tiles}</ul>'
    )


FEATURED = (
    "stoneware-mug",
    "wool-blanket",
    "floor-lamp",
    "day-backpack",
    "dotted-notebook",
    "storm-umbrella",
    "over-ear-headphones",
    "plant-pot",
    "gooseneck-kettle",
    "camping-lantern",
)


def results(asked: dict[str, str]) -> str:
    """Search results with their filters."""
    most = asked.get("most", "").strip()
    found = search(
        words=asked.get("q", ""),
        category=asked.get("category", "") if asked.get("category") in CATEGORIES else "",
        most=round(float(most) * 100) if most.replace(".", "", 1).isdecimal() else 0,
        stars=RATINGS.get(asked.get("rating", ""), 0.0),
        order=asked.get("order", ""),
    )
    words = asked.get("q", "").strip()
    heading = f"Results for “{words}”" if words else asked.get("category") or "Everything"
    filters = (
        '<form class="side" method="get" action="/search" aria-label="Filters"><h2>Filters</h2>'
        f'<input type="hidden" name="q" value="{escape(words)}">'
        + choose("Category", "category", ["All", *CATEGORIES], chosen=asked.get("category", ""))
        + field("Most expensive (€)", "most", value=most)
        + choose("Rating", "rating", RATINGS, chosen=asked.get("rating", ""))
        + choose("Sort by", "order", ORDERS, chosen=asked.get("order", ""))
        + button("Apply filters")
        + "</form>"
    )
    tiles = "".join(tile(one) for one in found)
    shown = f'<ul class="grid">{tiles}</ul>' if found else '<p class="empty">Nothing found.</p>'
    count = f'<p class="soft">{len(found)} product{"" if len(found) == 1 else "s"}</p>'
    return (
        f'<h1>{escape(heading)}</h1><div class="with-side">{filters}<div>{count}{shown}</div></div>'
    )


def product(state: State, user: str, name: str) -> str:
    """One product: options, wish list and reviews."""
    one = PRODUCTS[name]
    options = "".join(
        choose(option, option.casefold(), ["Choose …", *values])
        for option, values in one["options"].items()
    )
    buy = post(
        "/cart/add",
        options + quantities("Quantity"),
        button("Add to cart"),
        look="buy",
        product=name,
    )
    wished = name in state["wishes"].get(user, [])
    words = "Remove from wish list" if wished else "Add to wish list"
    wish = post("/wish", "", button(words, look="quiet"), product=name, on="" if wished else "1")
    return (
        f'<div class="product">{pictures(one)}<div>'
        f'<p class="soft small">{link("/search?category=" + one["category"], one["category"])}'
        f" · {stars(one['rating'])}</p><h1>{escape(one['name'])}</h1>"
        f'<p class="price">{euros(one["price"])}</p><p>{escape(one["blurb"])}</p>{buy}{wish}'
        f"</div></div>{_reviews(state, user, name)}"
    )


def _reviews(state: State, user: str, name: str) -> str:
    written = [one for one in state["reviews"] if one["product"] == name]
    shown = "".join(
        f'<article class="card">{stars(one["stars"])} <strong>'
        f"{escape(state['users'][one['user']]['name'])}</strong><br>{escape(one['text'])}</article>"
        for one in written
    )
    form = post(
        "/review",
        choose("Stars", "stars", [5, 4, 3, 2, 1])
        + '<label>Your review<textarea name="text" rows="3"></textarea></label>',
        button("Send review"),
        look="stack",
        product=name,
    )
    ask = f'<div class="card narrow"><h3>Write a review</h3>{form}</div>'
    if user == "guest":
        ask = f'<p class="soft">{link("/sign-in", "Sign in to write a review")}</p>'
    none = "" if written else '<p class="soft">No reviews yet.</p>'
    return f"<h2>Reviews</h2>{shown}{none}{ask}"


def basket(state: State, user: str) -> str:
    """The cart."""
    lines = cart(state, user)
    if not lines:
        return '<h1>Cart</h1><p class="empty">Your cart is empty.</p>'
    rows = ""
    for number, line in enumerate(lines):
        name = title(line)
        amount = quantities(f"Quantity of {name}", chosen=line["quantity"], hide=True)
        update = button("Update", name=f"Update {name}", look="quiet")
        remove = button("Remove", name=f"Remove {name}", look="quiet")
        forms = post("/cart/change", amount, update, line=number) + post(
            "/cart/change", "", remove, line=number, quantity=0
        )
        rows += item(line, more=forms)
    total = sums(costs(lines))
    on = '<form action="/checkout" method="get" class="stack">' + button("Checkout") + "</form>"
    return (
        f'<h1>Cart</h1><div class="two"><div class="card">{rows}</div>'
        f'<div class="card">{total}<p class="soft small">Delivery is added at checkout.</p>{on}'
        "</div></div>"
    )


def checkout(state: State, user: str, asked: dict[str, str]) -> str:
    """Address, delivery, gift, code, and the button that orders."""
    lines = cart(state, user)
    addresses = state["users"][user]["addresses"]
    where = asked.get("address") or (addresses[0]["label"] if addresses else "")
    how = asked.get("delivery") or "Standard"
    shown = "".join(
        tick(
            f"{one['label']}: {one['street']}, {one['postcode']} {one['city']}",
            "address",
            value=one["label"],
            on=one["label"] == where,
            kind="radio",
        )
        for one in addresses
    )
    sent = "".join(
        tick(
            f"{name}, {euros(price) if price else 'free'}",
            "delivery",
            value=name,
            on=name == how,
            kind="radio",
        )
        for name, price in DATA["delivery"].items()
    )
    gift = tick("Wrap as a gift", "wrap", on=bool(asked.get("wrap"))) + field(
        "Gift message", "gift", value=asked.get("gift", "")
    )
    inside = (
        f"<fieldset><legend>Deliver to</legend>{shown}"
        f'<p class="small">{link("/addresses/new", "Add another address")}</p></fieldset>'
        f"<fieldset><legend>Delivery</legend>{sent}</fieldset>"
        f"<fieldset><legend>Gift</legend>{gift}</fieldset>"
        f"<fieldset><legend>Discount</legend>"
        f"{field('Discount code', 'coupon', value=asked.get('coupon', ''))}</fieldset>"
    )
    rows = "".join(item(line) for line in lines)
    return (
        f'<h1>Checkout</h1><div class="two">{post("/order", inside, button("Place order"))}'
        f'<div class="card">{rows}{sums(costs(lines, delivery=how))}</div></div>'
    )


def sign_in(asked: dict[str, str]) -> str:
    """Email and password."""
    fields = field("Email", "email", value=asked.get("email", "")) + field(
        "Password", "password", kind="password"
    )
    form = post("/sign-in", fields, button("Sign in to your account"), then=asked.get("then", "/"))
    new = link("/register", "New here? Create an account")
    return f'<div class="card narrow"><h1>Sign in</h1>{form}<p class="small">{new}</p></div>'


def register(asked: dict[str, Any]) -> str:
    """A new account."""
    fields = (
        field("Full name", "name", value=asked.get("name", ""))
        + field("Email", "email", value=asked.get("email", ""))
        + field("Password", "password", kind="password")
    )
    form = post("/register", fields, button("Open account"))
    return f'<div class="card narrow"><h1>Create an account</h1>{form}</div>'
