"""The shop's pages of a customer: orders, returns, wish list, profile and addresses."""

from __future__ import annotations

from html import escape
from typing import Any

from art import picture
from html_parts import (
    badge,
    button,
    choose,
    euros,
    field,
    item,
    link,
    post,
    stars,
    sums,
    tick,
)
from store import DATA, PRODUCTS, State, choices, costs, orders, sent_back, title


def order_list(state: State, user: str) -> str:
    """All orders, the latest first."""
    cards = ""
    for one in orders(state, user):
        total = costs(one["lines"], coupon=one["coupon"], delivery=one["delivery"])["total"]
        things = ", ".join(f"{line['quantity']} × {title(line)}" for line in one["lines"])
        number = one["number"]
        cards += (
            f'<article class="card"><div class="row spread"><h3>'
            f"{link(f'/orders/{number}', f'Order {number}')}</h3>"
            f"{badge(one['status'])}</div><p>{escape(things)}</p>"
            f'<p class="soft small">{one["date"]} · {euros(total)}</p></article>'
        )
    none = '<p class="empty">No orders yet.</p>'
    return f"<h1>Your orders</h1>{cards or none}"


def order(state: State, one: dict[str, Any]) -> str:
    """One order and what can still be done with it."""
    back = sent_back(state, one["number"])
    rows = "".join(
        item(line, more=badge("Returned") if number in back else "")
        for number, line in enumerate(one["lines"])
    )
    doings = post(f"/orders/{one['number']}/again", "", button("Buy again", look="quiet"))
    if one["status"] == "Processing":
        doings += post(f"/orders/{one['number']}/cancel", "", button("Cancel order", look="quiet"))
    if one["status"] == "Delivered" and len(back) < len(one["lines"]):
        doings += (
            f'<form action="/orders/{one["number"]}/return" method="get">'
            f"{button('Return items', look='quiet')}</form>"
        )
    facts = [("Ordered", one["date"]), ("Delivered to", one["address"]), ("Sent", one["delivery"])]
    facts += [("Gift message", one["gift"])] if one["gift"] else []
    facts += [("Code", one["coupon"])] if one["coupon"] else []
    listed = "".join(f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in facts)
    bill = sums(costs(one["lines"], coupon=one["coupon"], delivery=one["delivery"]))
    return (
        f'<div class="row spread"><h1>Order {one["number"]}</h1>{badge(one["status"])}</div>'
        f'<div class="two"><div class="card">{rows}</div><div class="card"><dl>{listed}</dl>{bill}'
        f'</div></div><div class="row">{doings}</div>'
    )


def returning(state: State, one: dict[str, Any]) -> str:
    """What comes back, why, and where the money goes."""
    back = sent_back(state, one["number"])
    boxes = "".join(
        tick(
            f"{title(line)}, {line['quantity']} piece{'' if line['quantity'] == 1 else 's'}",
            f"line{number}",
        )
        for number, line in enumerate(one["lines"])
        if number not in back
    )
    money = "".join(
        tick(way, "refund", value=way, on=way == DATA["refunds"][0], kind="radio")
        for way in DATA["refunds"]
    )
    inside = (
        f"<fieldset><legend>Items</legend>{boxes}</fieldset><fieldset><legend>Reason</legend>"
        f"{choose('Reason for the return', 'reason', ['Choose …', *DATA['reasons']])}</fieldset>"
        f"<fieldset><legend>Refund to</legend>{money}</fieldset>"
    )
    form = post(f"/orders/{one['number']}/return", inside, button("Send return"))
    return f"<h1>Return items of order {one['number']}</h1>{form}"


def wish_list(state: State, user: str) -> str:
    """The wish list."""
    rows = ""
    for name in state["wishes"].get(user, []):
        one = PRODUCTS[name]
        remove = button("Remove", name=f"Remove {one['name']}", look="quiet")
        rows += (
            f'<div class="line">{picture(one["art"], choices(name)[0])}<div class="grow">'
            f"{link(f'/product/{name}', one['name'])}<br>{euros(one['price'])} "
            f"{stars(one['rating'])}</div>{post('/wish', '', remove, product=name, on='')}</div>"
        )
    none = '<p class="empty">Nothing wished for yet.</p>'
    shown = f'<div class="card">{rows}</div>' if rows else none
    return f"<h1>Wish list</h1>{shown}"


def profile(state: State, user: str) -> str:
    """Name, phone, newsletter, and the addresses."""
    known = state["users"][user]
    fields = (
        field("Full name", "name", value=known["name"])
        + field("Phone", "phone", value=known["phone"])
        + tick("Send me the newsletter", "newsletter", on=known["newsletter"])
    )
    form = post("/account", fields, button("Save profile"))
    rows = ""
    for one in known["addresses"]:
        label = one["label"]
        remove = button("Delete", name=f"Delete address {label}", look="quiet")
        edit = link(f"/addresses/{label}", f"Edit address {label}")
        rows += (
            f'<div class="line"><div class="grow"><strong>{escape(label)}</strong><br>'
            f"{escape(one['street'])}, {escape(one['postcode'])} {escape(one['city'])}</div>"
            f"{edit}{post('/addresses/delete', '', remove, label=label)}</div>"
        )
    new = link("/addresses/new", "Add an address")
    return (
        f'<h1>Account</h1><div class="two"><div class="card"><h2 style="margin-top:0">Addresses'
        f'</h2>{rows}<p>{new}</p></div><div class="card"><h2 style="margin-top:0">Profile</h2>'
        f'<p class="soft small">{escape(known["email"])}</p>{form}</div></div>'
    )


def address(asked: dict[str, str], *, old: str) -> str:
    """A form for one address; `old` is the label of the one that it replaces."""
    fields = (
        field("Label", "label", value=asked.get("label", ""))
        + field("Street", "street", value=asked.get("street", ""))
        + field("Postcode", "postcode", value=asked.get("postcode", ""))
        + field("City", "city", value=asked.get("city", ""))
    )
    form = post("/addresses", fields, button("Save address"), old=old)
    heading = f"Edit {escape(old)}" if old else "A new address"
    return f'<div class="card narrow"><h1>{heading}</h1>{form}</div>'
