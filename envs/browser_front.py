"""What of a page can be used while a dialog is open: what lies behind it is not offered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from envs.pages_snapshot import Node, walk

MODAL = "dialog:modal"
"""What has to be closed before anything else on the page can be used."""
CLAIMED = "[aria-modal=true]:visible"
"""What says so of itself; lists that it opens may stand outside of it."""


async def in_front(
    top: Sequence[Node], *, count: Callable[[str], Awaitable[int]]
) -> Sequence[Node]:
    """The elements of a page that can be used now, out of those that were read.

    `count` says how many elements of the page a selector finds.
    """
    if await count(MODAL):
        return _dialogs(top)[-1:] or top
    return onward(top) if await count(CLAIMED) else top


def onward(top: Sequence[Node]) -> Sequence[Node]:
    """The one dialog of a page and what stands behind it in reading order, where lists open.

    All of it where there is no dialog, or more than one: which of them says that it is modal, a
    snapshot doesn't tell.
    """
    dialogs = _dialogs(top)
    if len(dialogs) != 1:
        return top
    found: list[Node] = [dialogs[0]]
    node: Node | None = dialogs[0]
    while node is not None:
        beside = node.parent.children if node.parent else top
        at = next(number for number, one in enumerate(beside) if one is node)
        found += beside[at + 1 :]
        node = node.parent
    return found


def _dialogs(top: Sequence[Node]) -> list[Node]:
    return [node for node in walk(top) if node.role in ("dialog", "alertdialog")]
