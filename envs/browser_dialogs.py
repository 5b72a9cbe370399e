"""Questions that a page asks in a dialog (`confirm`, `prompt`): they wait for the player's answer.

While one is open the page stands still, as it does for people, so it is all that is seen.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from envs.errors import clip, one_line
from envs.pages import NAME_MOST, PageAction, Seen, Spot

if TYPE_CHECKING:
    from playwright.async_api import Dialog

T = TypeVar("T")
ASKS = ("confirm", "prompt")
"""Types of dialogs that are questions."""
YES, NO = Spot(role="button", name="OK"), Spot(role="button", name="Cancel")
QUESTION = frozenset((f"click {YES}", f"click {NO}"))
"""All that can be clicked while a page waits for an answer."""


class Question:
    """The dialog that is open, if there is one."""

    def __init__(self) -> None:
        self._dialog: Dialog | None = None
        self._text = ""
        self._deaf = False
        self._came = asyncio.Event()

    @property
    def open(self) -> bool:
        """Whether a question waits."""
        return self._dialog is not None

    def takes(self, dialog: Dialog) -> bool:
        """Opens it, if it is a question and these are listened to."""
        if self._deaf or dialog.type not in ASKS:
            return False
        self._dialog, self._text = dialog, dialog.default_value
        self._came.set()
        return True

    def seen(self, *, url: str, words: tuple[str, ...]) -> Seen:
        """The question as a page of its own."""
        assert self._dialog is not None  # noqa: S101
        lines = [f"{Spot(role='dialog', name=self._said())}"]
        actions = [f"click {YES}", f"click {NO}"]
        if self._dialog.type == "prompt":
            lines.append(f"  {self._field()}" + (f": {self._text}" if self._text else ""))
            actions[:0] = [
                str(PageAction(verb="fill", role="textbox", name=self._said(), value=word))
                for word in words
                if word != self._text
            ]
        lines += [f"  {YES}", f"  {NO}"]
        return Seen(url=url, title="", text="\n".join(lines), actions=tuple(actions))

    async def answer(self, action: PageAction) -> str:
        """Answers it, or says how that goes."""
        assert self._dialog is not None  # noqa: S101
        spot, verb = action.spot, action.verb
        if verb == "wait":
            return "waited"
        if verb == "type" or (verb == "fill" and spot == self._field()):
            if self._dialog.type != "prompt":
                return f"{action}: the dialog takes no text"
            self._text = action.value
            return f"{action}: done"
        if (verb == "click" and spot == YES) or (verb, action.value) == ("press", "Enter"):
            await self._close(accept=True)
        elif (verb == "click" and spot == NO) or (verb, action.value) == ("press", "Escape"):
            await self._close(accept=False)
        else:
            return f"{action}: a dialog is open ({self._said()!r}); answer it with {YES} or {NO}"
        return f"{action}: done"

    @asynccontextmanager
    async def refused(self) -> AsyncIterator[None]:
        """Closes it as by Cancel, and all that come up meanwhile."""
        self._deaf = True
        try:
            if self._dialog is not None:
                await self._close(accept=False)
            yield
        finally:
            self._deaf = False

    async def unless(self, work: Coroutine[Any, Any, T]) -> T | None:
        """What `work` gives; None where a question came up, which it then waits for unwatched."""
        doing, came = asyncio.ensure_future(work), asyncio.ensure_future(self._came.wait())
        try:
            await asyncio.wait({doing, came}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            doing.cancel()
            raise
        finally:
            came.cancel()
        if doing.done():
            return doing.result()
        doing.add_done_callback(_forget)
        return None

    async def _close(self, *, accept: bool) -> None:
        dialog, self._dialog = self._dialog, None
        self._came.clear()
        assert dialog is not None  # noqa: S101
        if not accept:
            await dialog.dismiss()
        elif dialog.type == "prompt":
            await dialog.accept(self._text)
        else:
            await dialog.accept()

    def _said(self) -> str:
        assert self._dialog is not None  # noqa: S101
        return clip(one_line(self._dialog.message), most=NAME_MOST)

    def _field(self) -> Spot:
        return Spot(role="textbox", name=self._said())


def _forget(done: asyncio.Future[Any]) -> None:
    """Looks at how it ended, so that nobody complains that nobody did."""
    if not done.cancelled():
        done.exception()
