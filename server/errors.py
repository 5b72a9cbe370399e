"""Errors as clients see them: a status and one line, in OpenAI's shape, on every route."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from envs.errors import (
    JourneymanError,
    Missing,
    ModelError,
    Refused,
    StoreError,
    UnknownName,
    UserError,
    clip,
    one_line,
)
from envs.types import Frozen
from server.auth import described

STATUS: tuple[tuple[type[JourneymanError], int, str], ...] = (
    (UnknownName, 404, "not_found"),
    (Missing, 503, "missing"),
    (Refused, 409, "refused"),
    (UserError, 400, "invalid_request"),
    (ModelError, 502, "model_error"),
    (StoreError, 503, "store_error"),
    (JourneymanError, 500, "internal_error"),
)
"""The first that fits."""


class Failure(Frozen):
    """What went wrong."""

    message: str
    """One line that ends with the repair."""
    type: str
    """`invalid_request_error`, `authentication_error` or `server_error`."""
    param: str | None = None
    """Always null."""
    code: str | None = None
    """A fixed word for programs."""


class Answer(Frozen):
    """The body of every error."""

    error: Failure
    """What went wrong."""


OF_ERRORS: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": Answer, "description": "The request can't be done"},
    "5XX": {"model": Answer, "description": "The server or its model failed"},
}
"""For the schema of every route."""


def body_of(error: JourneymanError) -> tuple[int, dict[str, Any]]:
    """Status and body for an error of ours."""
    for kind, status, code in STATUS:
        if isinstance(error, kind):
            return status, described(status, str(error), code=code)
    raise error


def add_to(app: FastAPI) -> None:
    """Turns everything that can be raised into one line."""
    app.add_exception_handler(JourneymanError, _ours)
    app.add_exception_handler(RequestValidationError, _misshapen)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unforeseen)


async def _ours(_request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, JourneymanError):
        raise error
    status, body = body_of(error)
    # OpenAI's clients would ask again by themselves; the model has been asked often enough.
    return JSONResponse(body, status, headers={"x-should-retry": "false"})


async def _misshapen(request: Request, error: Exception) -> JSONResponse:
    first = error.errors()[0] if isinstance(error, RequestValidationError) else {}
    place = [str(part) for part in first.get("loc", ())]
    where = ".".join(place[1:]) or (place[0] if place else "body")
    message = one_line(str(first.get("msg", "it does not fit")))
    if first.get("type") == "json_invalid":
        message = f"not valid JSON ({one_line(str(first.get('ctx', {}).get('error', '')))})"
        where = "body"
    line = f"{clip(where)}: {clip(message, most=200)}; see {request.app.docs_url} for what fits"
    return JSONResponse(described(400, line, code="invalid_request"), 400)


async def _http(request: Request, error: Exception) -> JSONResponse:
    status = error.status_code if isinstance(error, HTTPException) else 500
    path = clip(request.url.path)
    line = {
        404: f"nothing lies at {path}; see {request.app.docs_url} for what does",
        405: f"{request.method} is not understood at {path}; see {request.app.docs_url}",
        400: "the body can't be read; send JSON that is not nested too deeply",
    }.get(status, HTTPStatus(status).phrase)
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    body = described(status, line, code=HTTPStatus(status).phrase.lower().replace(" ", "_"))
    return JSONResponse(body, status, headers=headers)


async def _unforeseen(_request: Request, error: Exception) -> JSONResponse:
    line = f"an error of the server's own ({type(error).__name__}); its log has the details"
    return JSONResponse(described(500, line, code="internal_error"), 500)
