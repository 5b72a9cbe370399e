"""What of the web chat may look at. Off as long as no origin is allowed."""

from __future__ import annotations

import re
from typing import Self

from pydantic import Field, model_validator

from agent.browsing_addresses import literal_kind, origin_in
from envs.errors import clip
from envs.types import Frozen


class BrowsingSettings(Frozen):
    """Pages that chat may open; see `docs/browser.md`."""

    allow: tuple[str, ...] = ()
    """Origins, such as `https://example.org`; none by default, and then there is no browser."""
    loopback: bool = False
    """Origins of `allow` may lead to this machine."""
    private: bool = False
    """Origins of `allow` may lead to private networks (10/8, 172.16/12, 192.168/16, fc00::/7)."""
    idle_s: float = Field(default=300.0, gt=0, le=86_400)
    """Seconds after which the page of a conversation that does nothing is closed."""
    most: int = Field(default=8, ge=1, le=64)
    """Pages that are open at once, one a conversation; the longest idle makes room."""

    @model_validator(mode="after")
    def _origins(self) -> Self:
        for one in self.allow:
            if not origin_in(one) or not re.fullmatch(r"\w+://[^/?#]+/?", one):
                raise ValueError(
                    f"{clip(one)!r} is no origin; write https://HOST or https://HOST:PORT, "
                    "without path and without *"
                )
            kind = literal_kind(one)
            if kind == "never" or (kind != "public" and not getattr(self, kind)):
                set_it = "no setting allows it" if kind == "never" else f"set {kind} = true besides"
                raise ValueError(f"{clip(one)!r} is no address of the public web; {set_it}")
        return self
