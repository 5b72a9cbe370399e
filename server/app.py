"""The REST server as an ASGI application. Its schema lies at `/openapi.json`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from fastapi import FastAPI
from fastapi.responses import JSONResponse

from agent.crossing import off
from agent.home import Home, home
from agent.models.resolve import describe
from agent.settings import Settings
from envs.errors import JourneymanError
from server import api_routes, errors, mcp, openai_routes
from server.auth import Guard
from server.turns import Turns

DRAIN_S = 10.0
"""Seconds that turns have to end when the server stops, after their clients have left."""


def create_app(home: Home) -> FastAPI:
    """The server over an open home, which the caller closes (after `app.state.turns.drain`)."""
    app = _app(home.settings, lifespan=None)
    app.state.turns = Turns(home)
    return app


def app_from_settings(settings: Settings) -> FastAPI:
    """The server with a home of its own, opened and closed by the lifespan of the application."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with home(settings) as place:
            app.state.turns = Turns(place)
            yield
            await app.state.turns.drain(seconds=DRAIN_S)

    return _app(settings, lifespan=lifespan)


def _app(settings: Settings, *, lifespan: Any) -> FastAPI:
    app = FastAPI(
        title="Journeyman",
        version=_version(),
        summary="An agent that learns on the job, and can prove and undo what it learned",
        lifespan=lifespan,
        redoc_url=None,
    )
    app.add_middleware(Guard, api_key=settings.server.api_key)
    errors.add_to(app)
    app.include_router(openai_routes.router)
    app.include_router(api_routes.router)
    mcp.add_to(app)
    app.add_api_route("/healthz", healthz, tags=["health"])
    app.add_api_route("/readyz", readyz, tags=["health"], responses=errors.OF_ERRORS)
    return app


async def healthz() -> dict[str, str]:
    """Whether the server runs. Needs no key and touches nothing."""
    return {"status": "ok"}


async def readyz(going: openai_routes.Going) -> JSONResponse:
    """Whether it can work: the ledger answers, and there is a model to be asked."""
    place = going.home
    try:
        counts = await off(place.ledger.count)
        model = str(describe(place.settings.model, home=place.settings.home))
    except JourneymanError as error:
        _status, body = errors.body_of(error)
        return JSONResponse(body, 503)
    return JSONResponse({"status": "ready", "model": model, **counts})


def _version() -> str:
    try:
        return version("journeyman")
    except PackageNotFoundError:
        return "0"
