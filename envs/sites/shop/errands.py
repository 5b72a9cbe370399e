"""Single errands: those to learn from (`train`), and other kinds to check with (`val`)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from steps import (
    EXPRESS,
    PEOPLE,
    PICK_UP,
    Errand,
    Steps,
    click,
    enter,
    fill,
    find,
    homes,
    into_cart,
    named,
    pay,
    place,
    select,
    send_back,
    spoken,
)
from store import DATA, PRODUCTS


def train() -> Iterator[Errand]:
    """Kinds with one goal each."""
    yield from _buying()
    yield from _carts()
    yield from _wishing()
    yield from _orders()
    yield from _reviews()
    yield from _accounts()


def _bought(user: str, lines: list[str], **more: str) -> dict[str, Any]:
    emptied = {"carts": {user: []}} if cart(user) else {}
    return {"orders": [{"user": user, "lines": lines, **more}], **emptied}


def _buying() -> Iterator[Errand]:
    for product, choice, wrong, number in (
        ("stoneware-mug", "Green, 250 ml", "Green, 400 ml", 1),
        ("wool-blanket", "Rust", "Grey", 1),
        ("storm-umbrella", "Yellow", "Black", 2),
        ("fountain-pen", "Red, Medium", "Red, Fine", 1),
    ):
        yield Errand(
            kind="buy",
            instruction=f"Order {number} {spoken(product, choice, number)}.",
            expect=_bought("ada", [f"{number} x {named(product, choice)}"]),
            gold=into_cart(product, choice, number) + pay(),
            near=into_cart(product, wrong, number) + pay(),
        )
    for product, choice, code, wrong in (
        ("table-lamp", "Yellow", "WELCOME10", ""),
        ("day-backpack", "Green", "SPRING15", "WELCOME10"),
    ):
        yield Errand(
            kind="code",
            instruction=f'Order 1 {spoken(product, choice)} with the discount code "{code}".',
            expect=_bought("ada", [f"1 x {named(product, choice)}"], coupon=code),
            gold=into_cart(product, choice) + pay(code=code),
            near=into_cart(product, choice) + pay(code=wrong),
        )


def _carts() -> Iterator[Errand]:
    for user, product, choice, number in (
        ("ben", "water-bottle", "Orange, 1 litre", 1),
        ("cara", "plant-pot", "White, Large", 2),
    ):
        known, wanted = PEOPLE[user], f"{number} x {named(product, choice)}"
        held = [f"{one['quantity']} x {named(one['product'], one['choice'])}" for one in cart(user)]
        yield Errand(
            kind="sign-in",
            instruction=(
                f'Sign in as "{known["email"]}" with the password "{known["password"]}" and put '
                f"{number} {spoken(product, choice, number)} into the cart. Do not order yet."
            ),
            expect={"carts": {user: sorted([*held, wanted])}},
            gold=enter(user) + into_cart(product, choice, number),
            near=into_cart(product, choice, number),
            user="",
        )
    yield Errand(
        kind="cart",
        instruction="Change the cart so that it holds 4 mustard velvet cushions.",
        expect=_left("ben", "4 x Velvet cushion (Mustard)", drop="Velvet cushion"),
        gold=[
            click("link", "Cart (4)"),
            select("Quantity of Velvet cushion (Mustard)", "4"),
            click("button", "Update Velvet cushion (Mustard)"),
        ],
        near=[
            click("link", "Cart (4)"),
            select("Quantity of Velvet cushion (Mustard)", "4"),
        ],
        user="ben",
    )
    for user, out, wrong, pieces in (
        ("ben", "Clip-on lamp (White)", "Dotted notebook (Red)", 4),
        ("cara", "Travel mug (Steel)", "Wireless earbuds (White)", 3),
    ):
        yield Errand(
            kind="cart",
            instruction=f"Take the {out.partition(' (')[0].lower()} out of the cart.",
            expect=_left(user, drop=out),
            gold=[click("link", f"Cart ({pieces})"), click("button", f"Remove {out}")],
            near=[click("link", f"Cart ({pieces})"), click("button", f"Remove {wrong}")],
            user=user,
        )


def cart(user: str) -> list[dict[str, Any]]:
    """What lies in a user's cart at the start."""
    return DATA["state"]["carts"].get(user, [])


def _left(user: str, *more: str, drop: str = "") -> dict[str, Any]:
    lines = [f"{one['quantity']} x {named(one['product'], one['choice'])}" for one in cart(user)]
    kept = [line for line in lines if drop not in line]
    return {"carts": {user: sorted([*kept, *more])}}


def _wishing() -> Iterator[Errand]:
    for product, other in (("camping-lantern", "table-lamp"), ("velvet-cushion", "wool-blanket")):
        yield Errand(
            kind="wish",
            instruction=f"Put the {PRODUCTS[product]['name'].lower()} on the wish list.",
            expect={"wishes": {"ada": sorted(["wall-clock", product])}},
            gold=[*find(product), click("button", "Add to wish list")],
            near=[*find(other), click("button", "Add to wish list")],
        )
    yield Errand(
        kind="wish",
        instruction="Take the wool blanket off the wish list.",
        expect={"wishes": {"ben": ["gooseneck-kettle", "picnic-blanket"]}},
        gold=[click("link", "Wish list"), click("button", "Remove Wool blanket")],
        near=[click("link", "Wish list"), click("button", "Remove Picnic blanket")],
        user="ben",
    )


def _orders() -> Iterator[Errand]:
    for user, number, items, reason, wrong in (
        ("ada", 1031, ["Linen tea towel (Red), 2 pieces"], "Changed my mind", "Wrong item"),
        ("ada", 1033, ["Fountain pen (Black, Fine), 1 piece"], "Arrived damaged", "Wrong item"),
        ("ben", 1029, ["Day backpack (Navy), 1 piece"], "Does not fit", "Changed my mind"),
    ):
        what = items[0].partition(" (")[0].lower()
        yield Errand(
            kind="return",
            instruction=f'Send the {what} of order {number} back. The reason: "{reason}".',
            expect={
                "returns": [
                    {"order": number, "reason": reason, "items": [items[0].rpartition(", ")[0]]}
                ]
            },
            gold=send_back(number, items, reason),
            near=send_back(number, items, wrong),
            user=user,
        )
    for user, number in (("ada", 1040), ("cara", 1041)):
        begin = [click("link", "Orders"), click("link", f"Order {number}")]
        yield Errand(
            kind="cancel",
            instruction=f"Cancel order {number}.",
            expect={"status": {str(number): "Cancelled"}},
            gold=[*begin, click("button", "Cancel order")],
            near=[*begin, click("button", "Buy again")],
            user=user,
        )


def _reviews() -> Iterator[Errand]:
    for product, stars, text, wrong in (
        ("linen-tea-towel", 4, "Dries well and looks good.", 5),
        ("dotted-notebook", 5, "The paper takes ink.", 4),
        ("beeswax-candle", 2, "It smokes.", 1),
    ):
        gold = [*find(product), select("Stars", str(stars)), fill("Your review", text)]
        near = [*find(product), select("Stars", str(wrong)), fill("Your review", text)]
        name = PRODUCTS[product]["name"].lower()
        yield Errand(
            kind="review",
            instruction=f'Review the {name} with {stars} stars and the words "{text}"',
            expect={"reviews": [{"user": "ada", "product": product, "stars": stars, "text": text}]},
            gold=[*gold, click("button", "Send review")],
            near=[*near, click("button", "Send review")],
        )


def new_address(label: str, street: str, postcode: str, city: str) -> Steps:
    """Fills in and saves the form of an address."""
    return [
        fill("Label", label),
        fill("Street", street),
        fill("Postcode", postcode),
        fill("City", city),
        click("button", "Save address"),
    ]


def _accounts() -> Iterator[Errand]:
    for user, label, street, code, city in (
        ("ada", "Cabin", "5 Lake Path", "16831", "Rheinsberg"),
        ("ben", "Studio", "19 Foundry Lane", "80339", "Munich"),
    ):
        begin = [click("link", "Account"), click("link", "Add an address")]
        asked = f'"{street}", postcode "{code}", city "{city}", labelled "{label}"'
        yield Errand(
            kind="address",
            instruction=f"Save a new address: {asked}.",
            expect={
                "users": {
                    user: {"addresses": sorted([*homes(user), f"{label}: {street}, {code} {city}"])}
                }
            },
            gold=begin + new_address(label, street, code, city),
            near=begin + new_address(label, street, code[::-1], city),
            user=user,
        )
    for user, phone in (("ada", "0170 555 0190"), ("cara", "0341 555 77")):
        begin = [click("link", "Account"), fill("Phone", phone)]
        yield Errand(
            kind="profile",
            instruction=f'Change the phone number of the account to "{phone}".',
            expect={"users": {user: {"phone": phone}}},
            gold=[*begin, click("button", "Save profile")],
            near=[
                *begin,
                'uncheck checkbox "Send me the newsletter"',
                click("button", "Save profile"),
            ],
            user=user,
        )


def val() -> Iterator[Errand]:
    """Other kinds, with one goal each."""
    yield from _cheapest()
    yield from _from_wishes()
    yield from _again()
    yield from _gifts()


def _cheapest() -> Iterator[Errand]:
    for words, stars, best, wrong in (
        ("lamp", "4 stars and up", ("bedside-lamp", "Green"), ("clip-on-lamp", "Red")),
        ("blanket", "4.5 stars and up", ("wool-blanket", "Navy"), ("picnic-blanket", "Green")),
    ):
        begin = [fill("Search the shop", words), click("button", "Search")]
        begin += [select("Rating", stars), select("Sort by", "Price: low to high")]
        begin += [click("button", "Apply filters")]
        colour = best[1]
        gold = [*begin, click("link", PRODUCTS[best[0]]["name"]), select("Colour", colour)]
        yield Errand(
            kind="cheapest",
            instruction=(
                f"Order the cheapest {words} that has {stars.replace(' and up', '')} or more, in "
                f"{colour.lower()}."
            ),
            expect=_bought("ada", [f"1 x {named(*best)}"]),
            gold=[*gold, click("button", "Add to cart"), *pay()],
            near=into_cart(*wrong) + pay(),
        )


def _from_wishes() -> Iterator[Errand]:
    for user, wish, choice, held in (
        ("ada", "wall-clock", "Green", ""),
        ("cara", "fountain-pen", "Black, Medium", "all"),
    ):
        lines = [
            f"{one['quantity']} x {named(one['product'], one['choice'])}" for one in cart(user)
        ]
        begin = [click("link", "Wish list"), click("link", PRODUCTS[wish]["name"])]
        options = zip(PRODUCTS[wish]["options"], choice.split(", "), strict=True)
        begin += [select(option, value) for option, value in options]
        begin += [click("button", "Add to cart")]
        also = " together with what is in the cart" if held else ""
        yield Errand(
            kind="from-wishes",
            instruction=f"Order the {spoken(wish, choice)} from the wish list{also}.",
            expect=_bought(user, sorted([*lines, f"1 x {named(wish, choice)}"])),
            gold=begin + pay(),
            near=begin,
            user=user,
        )


def _again() -> Iterator[Errand]:
    begin = [click("link", "Orders"), click("link", "Order 1033"), click("button", "Buy again")]
    lines = ["1 x Fountain pen (Black, Fine)", "3 x Dotted notebook (Navy)"]
    yield Errand(
        kind="again",
        instruction="Order all items of order 1033 again, by express delivery.",
        expect=_bought("ada", lines, delivery="Express"),
        gold=begin + pay(delivery=EXPRESS),
        near=begin + pay(),
    )
    begin = [click("link", "Orders"), click("link", "Order 1027"), click("button", "Buy again")]
    kept = [f"{one['quantity']} x {named(one['product'], one['choice'])}" for one in cart("cara")]
    lines = ["1 x Table lamp (Yellow)", "2 x Velvet cushion (Rose)"]
    yield Errand(
        kind="again",
        instruction="Order what is in the cart and all items of order 1027 to a pick-up point.",
        expect=_bought("cara", sorted([*kept, *lines]), delivery="Pick-up point"),
        gold=begin + pay(delivery=PICK_UP),
        near=begin + pay(delivery=EXPRESS),
        user="cara",
    )


def _gifts() -> Iterator[Errand]:
    for user, product, label, words in (
        ("ada", "beeswax-candle", "Office", "Happy birthday, Jon!"),
        ("ada", "desk-organiser", "Office", "Welcome to the team"),
    ):
        choice = "Oak" if product == "desk-organiser" else ""
        yield Errand(
            kind="gift",
            instruction=(
                f"Order 1 {spoken(product, choice)} as a wrapped gift to the address "
                f'"{label}" with the message "{words}"'
            ),
            expect=_bought(user, [f"1 x {named(product, choice)}"], address=label, gift=words),
            gold=into_cart(product, choice) + pay(address=place(user, label), gift=words),
            near=into_cart(product, choice) + pay(gift=words),
            user=user,
        )
