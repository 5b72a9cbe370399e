"""What the shop's forms do: each takes a form's fields and says where to go next."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import store
from store import PRODUCTS, Refusal, State

Form = dict[str, str]


@dataclass
class Visit:
    """A browser that came by."""

    user: str = "guest"
    """Who is signed in."""
    flash: str = ""
    """What the next page says first."""
    bad: bool = False
    """Whether that is a refusal."""


def do(state: State, visit: Visit, path: str, form: Form) -> str | None:
    """Does what a form asks for; the next page, or None where there is no such form."""
    first, _, rest = path.strip("/").partition("/")
    number, _, what = rest.partition("/")
    if first == "orders" and what in WITH_ORDERS:
        _member(visit)
        return WITH_ORDERS[what](state, visit, int(number) if number.isdecimal() else 0, form)
    doing = FORMS.get(path)
    if doing is None:
        return None
    if path not in OPEN:
        _member(visit)
    return doing(state, visit, form)


def page_of(path: str, form: Form) -> str:
    """The page that a form stands on, to show it again after a refusal."""
    if path == "/cart/add" or path in ("/wish", "/review"):
        return f"/product/{form.get('product', '')}"
    if path == "/addresses":
        return "/addresses/new"
    if path.startswith("/orders/") and not path.endswith("/return"):
        return path.rpartition("/")[0]
    return {"/order": "/checkout", "/cart/change": "/cart", "/addresses/delete": "/account"}.get(
        path, path
    )


def _member(visit: Visit) -> None:
    if visit.user == "guest":
        raise Refusal("Please sign in first.")


def _number(form: Form, name: str, *, otherwise: int) -> int:
    text = form.get(name, "")
    return int(text) if text.isdecimal() and len(text) < 6 else otherwise


def _sign_in(state: State, visit: Visit, form: Form) -> str:
    visit.user = store.sign_in(
        state, email=form.get("email", ""), password=form.get("password", "")
    )
    visit.flash = f"Welcome back, {state['users'][visit.user]['name'].split()[0]}."
    then = form.get("then", "/")
    return then if then.startswith("/") and not then.startswith("//") else "/"


def _sign_out(_state: State, visit: Visit, _form: Form) -> str:
    visit.user, visit.flash = "guest", "You are signed out."
    return "/"


def _register(state: State, visit: Visit, form: Form) -> str:
    visit.user = store.register(
        state,
        name=form.get("name", ""),
        email=form.get("email", ""),
        password=form.get("password", ""),
    )
    visit.flash = "Your account is open."
    return "/account"


def _add(state: State, visit: Visit, form: Form) -> str:
    product = form.get("product", "")
    options = PRODUCTS.get(product, {}).get("options", {})
    choice = ", ".join(form.get(option.casefold(), "") for option in options)
    quantity = _number(form, "quantity", otherwise=1)
    line = store.add(state, visit.user, product=product, choice=choice, quantity=quantity)
    visit.flash = f"Added to the cart: {quantity} × {store.title(line)}."
    return "/cart"


def _change(state: State, visit: Visit, form: Form) -> str:
    line = store.change(
        state,
        visit.user,
        number=_number(form, "line", otherwise=-1),
        quantity=_number(form, "quantity", otherwise=1),
    )
    visit.flash = f"Changed: {line['quantity']} × {store.title(line)}."
    return "/cart"


def _order(state: State, visit: Visit, form: Form) -> str:
    gift = form.get("gift", "") if form.get("wrap") else ""
    if form.get("gift", "").strip() and not form.get("wrap"):
        raise Refusal("A gift message needs gift wrapping: tick the box, or empty the message.")
    order = store.place(
        state,
        visit.user,
        address=form.get("address", ""),
        delivery=form.get("delivery", ""),
        gift=gift or ("(no message)" if form.get("wrap") else ""),
        coupon=form.get("coupon", ""),
    )
    visit.flash = f"Thank you! Your order has the number {order['number']}."
    return f"/orders/{order['number']}"


def _wish(state: State, visit: Visit, form: Form) -> str:
    product, on = form.get("product", ""), bool(form.get("on"))
    store.wish(state, visit.user, product=product, on=on)
    visit.flash = f"{PRODUCTS[product]['name']} is {'on' if on else 'off'} your wish list."
    return "/wish-list"


def _review(state: State, visit: Visit, form: Form) -> str:
    product = form.get("product", "")
    stars = _number(form, "stars", otherwise=0)
    store.review(state, visit.user, product=product, stars=stars, text=form.get("text", ""))
    visit.flash = "Thank you for your review."
    return f"/product/{product}"


def _address(state: State, visit: Visit, form: Form) -> str:
    new = {name: form.get(name, "") for name in ("label", "street", "postcode", "city")}
    store.save_address(state, visit.user, old=form.get("old", ""), new=new)
    visit.flash = f"Address {new['label'].strip()} is saved."
    return "/account"


def _drop_address(state: State, visit: Visit, form: Form) -> str:
    store.drop_address(state, visit.user, label=form.get("label", ""))
    visit.flash = "The address is deleted."
    return "/account"


def _profile(state: State, visit: Visit, form: Form) -> str:
    store.save_profile(
        state,
        visit.user,
        name=form.get("name", ""),
        phone=form.get("phone", ""),
        newsletter=bool(form.get("newsletter")),
    )
    visit.flash = "Your profile is saved."
    return "/account"


def _again(state: State, visit: Visit, number: int, _form: Form) -> str:
    for line in store.order_of(state, visit.user, number)["lines"]:
        wanted = {key: line[key] for key in ("product", "choice", "quantity")}
        store.add(state, visit.user, **wanted)
    visit.flash = f"The items of order {number} are in the cart."
    return "/cart"


def _cancel(state: State, visit: Visit, number: int, _form: Form) -> str:
    store.cancel(state, visit.user, number=number)
    visit.flash = f"Order {number} is cancelled."
    return f"/orders/{number}"


def _return(state: State, visit: Visit, number: int, form: Form) -> str:
    ticked = [int(name[4:]) for name in form if name[:4] == "line" and name[4:].isdecimal()]
    store.give_back(
        state,
        visit.user,
        number=number,
        lines=ticked,
        reason=form.get("reason", ""),
        refund=form.get("refund", ""),
    )
    visit.flash = "Your return is noted; the label is on its way to your email."
    return f"/orders/{number}"


FORMS: dict[str, Callable[[State, Visit, Form], str]] = {
    "/sign-in": _sign_in,
    "/sign-out": _sign_out,
    "/register": _register,
    "/cart/add": _add,
    "/cart/change": _change,
    "/order": _order,
    "/wish": _wish,
    "/review": _review,
    "/addresses": _address,
    "/addresses/delete": _drop_address,
    "/account": _profile,
}
OPEN = ("/sign-in", "/sign-out", "/register", "/cart/add", "/cart/change")
"""Forms that need no account."""
WITH_ORDERS: dict[str, Callable[[State, Visit, int, Form], str]] = {
    "again": _again,
    "cancel": _cancel,
    "return": _return,
}
