"""Errands of several parts, for `test`: nothing in them was asked for in this form before."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from errands import new_address
from steps import (
    EXPRESS,
    PICK_UP,
    Errand,
    Steps,
    click,
    enter,
    fill,
    find,
    homes,
    into_cart,
    pay,
    place,
    select,
    send_back,
)


def test() -> Iterator[Errand]:
    """All of them."""
    yield from _exchanges()
    yield from _second_thoughts()
    yield from _new_places()
    yield from _complaints()
    yield from _tidy_carts()


def _order(user: str, *lines: str, **more: str) -> dict[str, Any]:
    return {"user": user, "lines": sorted(lines), **more}


def _exchanges() -> Iterator[Errand]:
    back = send_back(1039, ["Stoneware mug (Blue, 250 ml), 1 piece"], "Changed my mind")
    ben = [click("link", "Cart (4)")]
    ben += [
        click("button", f"Remove {name}")
        for name in ("Velvet cushion (Mustard)", "Clip-on lamp (White)", "Dotted notebook (Red)")
    ]
    yield Errand(
        kind="exchange",
        instruction=(
            'Send the blue mug of the last order back ("Changed my mind"), empty the cart, and '
            "order the same mug in green."
        ),
        expect={
            "returns": [
                {
                    "order": 1039,
                    "items": ["Stoneware mug (Blue, 250 ml)"],
                    "reason": "Changed my mind",
                }
            ],
            "orders": [_order("ben", "1 x Stoneware mug (Green, 250 ml)")],
            "carts": {"ben": []},
        },
        gold=back + ben + into_cart("stoneware-mug", "Green, 250 ml") + pay(),
        near=back + into_cart("stoneware-mug", "Green, 250 ml") + pay(),
        user="ben",
    )
    yield from _exchanged_by_ada()


def _exchanged_by_ada() -> Iterator[Errand]:
    back = send_back(1033, ["Fountain pen (Black, Fine), 1 piece"], "Wrong item")
    yield Errand(
        kind="exchange",
        instruction=(
            'Send the pen of order 1033 back ("Wrong item") and order the same pen in black with '
            "a medium nib to the office."
        ),
        expect={
            "returns": [
                {"order": 1033, "items": ["Fountain pen (Black, Fine)"], "reason": "Wrong item"}
            ],
            "orders": [_order("ada", "1 x Fountain pen (Black, Medium)", address="Office")],
        },
        gold=back
        + into_cart("fountain-pen", "Black, Medium")
        + pay(address=place("ada", "Office")),
        near=back + into_cart("fountain-pen", "Black, Medium") + pay(),
    )
    back = send_back(
        1031, ["Stoneware mug (Blue, 400 ml), 1 piece"], "Arrived damaged", "Store credit"
    )
    yield Errand(
        kind="exchange",
        instruction=(
            'Send the mug of order 1031 back ("Arrived damaged") for store credit and order 2 '
            "white ones of the same size."
        ),
        expect={
            "returns": [
                {
                    "order": 1031,
                    "items": ["Stoneware mug (Blue, 400 ml)"],
                    "reason": "Arrived damaged",
                    "refund": "Store credit",
                }
            ],
            "orders": [_order("ada", "2 x Stoneware mug (White, 400 ml)")],
        },
        gold=back + into_cart("stoneware-mug", "White, 400 ml", 2) + pay(),
        near=back + into_cart("stoneware-mug", "White, 400 ml", 1) + pay(),
    )


def _second_thoughts() -> Iterator[Errand]:
    for user, number, products, had in (
        ("ada", 1040, ("beeswax-candle", "plant-pot"), ["wall-clock"]),
        ("cara", 1041, ("water-bottle", "enamel-pan"), ["floor-lamp", "fountain-pen"]),
    ):
        begin = [click("link", "Orders"), click("link", f"Order {number}")]
        begin += [click("button", "Cancel order")]
        wishes = [step for name in products for step in [*find(name), WISH]]
        yield Errand(
            kind="postpone",
            instruction=(
                "Cancel the order that has not been sent yet, and put each of its items on the "
                "wish list instead."
            ),
            expect={
                "status": {str(number): "Cancelled"},
                "wishes": {user: sorted([*had, *products])},
            },
            gold=begin + wishes,
            near=[*begin, *find(products[0]), WISH],
            user=user,
        )


WISH = click("button", "Add to wish list")


def _new_places() -> Iterator[Errand]:
    for user, product, choice, where in (
        ("ada", "picnic-blanket", "Green", ("Garden", "77 Hedge Row", "14467", "Potsdam")),
        ("ada", "water-bottle", "Blue, 500 ml", ("Gym", "2 Arena Square", "10243", "Berlin")),
    ):
        label, street, code, city = where
        begin = [click("link", "Account"), click("link", "Add an address"), *new_address(*where)]
        written = f"{label}: {street}, {code} {city}"
        goods = into_cart(product, choice)
        yield Errand(
            kind="new-place",
            instruction=(
                f'Save the address "{street}", postcode "{code}", city "{city}" as "{label}" and '
                f"have a {choice.partition(',')[0].lower()} {_name(product, choice)} sent there by "
                "express."
            ),
            expect={
                "users": {user: {"addresses": sorted([*homes(user), written])}},
                "orders": [
                    _order(user, f"1 x {_full(product, choice)}", address=label, delivery="Express")
                ],
            },
            gold=begin + goods + pay(address=written, delivery=EXPRESS),
            near=begin + goods + pay(delivery=EXPRESS),
            user=user,
        )


def _name(product: str, choice: str) -> str:
    size = choice.partition(", ")[2]
    return product.replace("-", " ") + (f" of {size}" if size else "")


def _full(product: str, choice: str) -> str:
    return f"{product.replace('-', ' ').capitalize()} ({choice})"


def _complaints() -> Iterator[Errand]:
    for user, number, item, product, words in (
        ("ben", 1029, "Storm umbrella (Black)", "storm-umbrella", "Broke in the first wind."),
        ("ben", 1039, "Enamel pan (White)", "enamel-pan", "The handle is loose."),
        ("cara", 1027, "Table lamp (Yellow)", "table-lamp", "It flickers."),
    ):
        back = send_back(number, [f"{item}, 1 piece"], "Arrived damaged", "Store credit")
        said = [*find(product), select("Stars", "1"), fill("Your review", words)]
        said += [click("button", "Send review")]
        what = product.replace("-", " ")
        yield Errand(
            kind="complain",
            instruction=(
                f'Send the {what} of order {number} back for store credit ("Arrived damaged") and '
                f'review it with 1 star and the words "{words}"'
            ),
            expect={
                "returns": [
                    {
                        "order": number,
                        "items": [item],
                        "reason": "Arrived damaged",
                        "refund": "Store credit",
                    }
                ],
                "reviews": [{"user": user, "product": product, "stars": 1, "text": words}],
            },
            gold=back + said,
            near=said + back[:-2] + back[-1:],
            user=user,
        )


def _tidy_carts() -> Iterator[Errand]:
    opened: Steps = [*enter("ben"), click("link", "Cart (4)")]
    opened += [click("button", "Remove Velvet cushion (Mustard)")]
    yield Errand(
        kind="tidy",
        instruction=(
            'Sign in as "ben@example.com" with the password "harbour-7", take the cushions out of '
            'the cart and order the rest with the code "WELCOME10" to the address "Parents".'
        ),
        expect={
            "orders": [
                _order(
                    "ben",
                    "1 x Clip-on lamp (White)",
                    "1 x Dotted notebook (Red)",
                    coupon="WELCOME10",
                    address="Parents",
                )
            ],
            "carts": {"ben": []},
        },
        gold=opened + pay(address=place("ben", "Parents"), code="WELCOME10"),
        near=opened + pay(code="WELCOME10"),
        user="",
    )
    opened = [*enter("cara"), click("link", "Cart (3)")]
    opened += [
        select("Quantity of Travel mug (Steel)", "1"),
        click("button", "Update Travel mug (Steel)"),
    ]
    yield Errand(
        kind="tidy",
        instruction=(
            'Sign in as "cara@example.com" with the password "meadow-19", keep only 1 travel mug '
            "in the cart besides the earbuds, and order both to a pick-up point as a gift with "
            'the message "Good luck!"'
        ),
        expect={
            "orders": [
                _order(
                    "cara",
                    "1 x Travel mug (Steel)",
                    "1 x Wireless earbuds (White)",
                    delivery="Pick-up point",
                    gift="Good luck!",
                )
            ],
            "carts": {"cara": []},
        },
        gold=opened + pay(delivery=PICK_UP, gift="Good luck!"),
        near=opened + pay(delivery=PICK_UP),
        user="",
    )
