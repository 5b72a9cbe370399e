"""Parameters of a program that it only enters into fields, and looks for nowhere.

A field takes any text, so a call with one that nobody has heard of does what it says.
"""

from __future__ import annotations

import ast

from skills.pages import NAME, spoken_of

VALUE = 2
"""Place of the text among the arguments of `page.fill`."""


def entered(source: str, name: str) -> frozenset[str]:
    """Parameters of the function `name` that reach the page as texts of fields alone.

    What its last line looks for on the page may speak of them too: whether it is there is read off
    the page and not assumed.

    >>> # page.fill("textbox", "Note", note); return page.shows("Saved.") -> {"note"}
    """
    if not spoken_of(source):
        return frozenset()
    tree = ast.parse(source)
    made = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name == name]
    if len(made) != 1:
        return frozenset()
    given = {one.arg for one in made[0].args.args}
    calls = [node for node in ast.walk(made[0]) if isinstance(node, ast.Call)]
    texts = {one.id for call in calls for one in _text_of(call)}
    free = [id(one) for call in calls for one in (*_text_of(call), *_read_off(call))]
    bound = {
        node.id for node in ast.walk(made[0]) if isinstance(node, ast.Name) and id(node) not in free
    }
    return frozenset((given & texts) - bound)


def _of_page(call: ast.Call, verb: str) -> bool:
    at = call.func
    owner = at.value if isinstance(at, ast.Attribute) else None
    named = isinstance(owner, ast.Name) and owner.id == NAME
    return named and isinstance(at, ast.Attribute) and at.attr == verb


def _text_of(call: ast.Call) -> list[ast.Name]:
    """The name that is entered as it stands; none for what is made of it."""
    if not _of_page(call, "fill"):
        return []
    texts = [*call.args[VALUE : VALUE + 1], *(k.value for k in call.keywords if k.arg == "value")]
    return [text for text in texts if isinstance(text, ast.Name)]


def _read_off(call: ast.Call) -> list[ast.Name]:
    """Names in what is looked for in the words of the page."""
    if not _of_page(call, "shows"):
        return []
    return [node for one in call.args for node in ast.walk(one) if isinstance(node, ast.Name)]
