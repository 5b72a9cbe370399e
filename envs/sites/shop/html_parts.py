"""Pieces of HTML that the shop's pages are made of; all text that comes in is escaped."""

from __future__ import annotations

import json
from collections.abc import Iterable
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from art import picture
from store import CATEGORIES, DATA, MOST, Line, State, cart, choices, title

FRAME = Template((Path(__file__).parent / "index.html").read_text("utf-8"))


def euros(cents: int) -> str:
    """`1400` as `€14.00`."""
    return f"€{cents / 100:.2f}"


def frame(
    state: State,
    user: str,
    *,
    heading: str,
    body: str,
    flash: str = "",
    bad: bool = False,
    words: str = "",
) -> str:
    """A whole page."""
    pieces = sum(line["quantity"] for line in cart(state, user))
    links = [link("/cart", f"Cart ({pieces})")]
    if user == "guest":
        links += [link("/sign-in", "Sign in"), link("/register", "Create account")]
    else:
        name = state["users"][user]["name"].split()[0]
        links = [
            f'<span class="soft">Hello, {escape(name)}</span>',
            link("/orders", "Orders"),
            link("/wish-list", "Wish list"),
            link("/account", "Account"),
            *links,
            post("/sign-out", "", button("Sign out", look="plain")),
        ]
    kinds = [link(f"/search?category={kind}", kind) for kind in CATEGORIES]
    note = f'<p class="flash{" bad" if bad else ""}" role="status">{escape(flash)}</p>'
    return FRAME.substitute(
        title=escape(heading),
        q=escape(words),
        account="".join(links),
        categories="".join([link("/search", "Everything"), *kinds]),
        flash=note if flash else "",
        body=body,
    )


def link(where: str, text: str) -> str:
    """A link."""
    return f'<a href="{escape(where)}">{escape(text)}</a>'


def button(text: str, *, name: str = "", look: str = "") -> str:
    """A button; `name` where its text alone would not say what it does."""
    label = f' aria-label="{escape(name)}"' if name else ""
    style = f' class="{look}"' if look else ""
    return f"<button{style}{label}>{escape(text)}</button>"


def post(where: str, inside: str, submit: str, *, look: str = "", **hidden: Any) -> str:
    """A form that changes something; `hidden` travels with it."""
    kept = "".join(
        f'<input type="hidden" name="{name}" value="{escape(str(value))}">'
        for name, value in hidden.items()
    )
    style = f' class="{look}"' if look else ""
    return f'<form method="post" action="{where}"{style}>{kept}{inside}{submit}</form>'


def field(label: str, name: str, *, value: str = "", kind: str = "text") -> str:
    """A labelled box to type in."""
    return (
        f'<label>{escape(label)}<input type="{kind}" name="{name}" value="{escape(value)}"'
        ' autocomplete="off"></label>'
    )


def choose(
    label: str,
    name: str,
    values: Iterable[str | int],
    *,
    chosen: str | int = "",
    hide: bool = False,
) -> str:
    """A labelled list to choose from; with `hide` the label is only read out."""
    options = "".join(
        f"<option{' selected' if value == chosen else ''}>{escape(str(value))}</option>"
        for value in values
    )
    if hide:
        return f'<select name="{name}" aria-label="{escape(label)}">{options}</select>'
    return f'<label>{escape(label)}<select name="{name}">{options}</select></label>'


def tick(
    label: str, name: str, *, value: str = "yes", on: bool = False, kind: str = "checkbox"
) -> str:
    """A labelled box to tick; `kind` radio: one of several."""
    state = " checked" if on else ""
    return (
        f'<label><input type="{kind}" name="{name}" value="{escape(value)}"{state}>'
        f"{escape(label)}</label>"
    )


def stars(number: float) -> str:
    """`★★★★☆ 4.1`."""
    full = round(number)
    return (
        f'<span class="stars" aria-label="{number:g} of 5 stars">{"★" * full}{"☆" * (5 - full)}'
        f" <span>{number:g}</span></span>"
    )


def badge(text: str) -> str:
    """A status."""
    return f'<span class="badge {escape(text)}">{escape(text)}</span>'


def tile(product: dict[str, Any]) -> str:
    """A product in a list of products."""
    first = choices(product["id"])[0]
    return (
        f'<li class="tile"><div class="pic">{picture(product["art"], first)}</div>'
        f'<div class="words"><h3>{link("/product/" + product["id"], product["name"])}</h3>'
        f'<span class="price">{euros(product["price"])}</span> {stars(product["rating"])}'
        "</div></li>"
    )


def pictures(product: dict[str, Any]) -> str:
    """The large picture of a product, with those of its other colours for the script."""
    drawn = {
        value: picture(product["art"], value)
        for values in product["options"].values()
        for value in values
        if picture(product["art"], value) != picture(product["art"], "")
    }
    first = picture(product["art"], choices(product["id"])[0])
    return f'<div class="shown" data-pictures="{escape(json.dumps(drawn))}">{first}</div>'


def quantities(label: str, *, chosen: int = 1, least: int = 1, hide: bool = False) -> str:
    """How many."""
    return choose(label, "quantity", range(least, MOST + 1), chosen=chosen, hide=hide)


def sums(costs: dict[str, int]) -> str:
    """The table of what is to be paid."""
    rows = [("Subtotal", costs["subtotal"])]
    if costs["discount"]:
        rows.append(("Discount", -costs["discount"]))
    rows += [("Delivery", costs["delivery"]), ("Total", costs["total"])]
    cells = "".join(
        f"<tr><td>{name}</td><td>{euros(value) if value >= 0 else '−' + euros(-value)}</td></tr>"
        for name, value in rows
    )
    return f'<table class="sum">{cells}</table>'


def item(line: Line, *, more: str = "") -> str:
    """One line of a cart or an order."""
    product = next(one for one in DATA["products"] if one["id"] == line["product"])
    price = line.get("price", product["price"])
    return (
        f'<div class="line">{picture(product["art"], line["choice"])}<div class="grow">'
        f"{link('/product/' + product['id'], title(line))}<br>"
        f'<span class="soft">{line["quantity"]} × {euros(price)}</span></div>{more}</div>'
    )
