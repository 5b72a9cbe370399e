"""The one place where async code calls the sync rooms below."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


async def off(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Calls a sync function in a thread, so that other runs go on meanwhile."""
    return await asyncio.to_thread(function, *args, **kwargs)
