"""What a server's refusal means, in one line with its repair."""

from __future__ import annotations

from agent.settings import ModelSettings
from envs.errors import ModelError, clip, one_line


class Unreachable(ModelError):
    """Nobody answers at the address, or the connection broke."""


def explain(error: Exception, *, settings: ModelSettings, name: str) -> ModelError:
    """The `ModelError` for an error of the OpenAI client, told apart by its status."""
    url = settings.base_url
    said = clip(one_line(str(getattr(error, "message", "") or error)), most=200)
    status = getattr(error, "status_code", None)
    kind = type(error).__name__
    if kind == "APITimeoutError":
        return ModelError(
            f"{url} gave no answer in {settings.timeout_s:g} s",
            repair="raise model.timeout_s, or look at the server's load",
        )
    if kind == "APIConnectionError":
        cause = one_line(str(error.__cause__ or "")) or said
        return Unreachable(
            f"no connection to {url} ({clip(cause, most=120)})",
            repair=f"is the server at {url} running? `journeyman doctor` shows which is asked",
        )
    if status in (401, 403):
        return ModelError(
            f"{url} refuses the key ({status}): {said}",
            repair="set OPENAI_API_KEY or model.api_key to a key of that server",
        )
    if status == 404:
        return ModelError(
            f"{url} knows no model {name!r}, or no such route: {said}",
            repair="set model.name to one that it serves, and model.base_url up to /v1",
        )
    if status == 400 and "context" in said.lower():
        return ModelError(
            f"the prompt is longer than the context of {name!r}: {said}",
            repair="raise model.context (for a model of this machine) or shorten the task",
        )
    if status == 429:
        return ModelError(
            f"{url} is busy or the quota is used up (429): {said}",
            repair="wait, raise model.retries, or check the account",
        )
    if status is not None and status >= 500:
        return ModelError(
            f"{url} failed with {status} after {settings.retries} retries: {said}",
            repair="look at the server's log, or ask again later",
        )
    return ModelError(
        f"{url} can't be used ({status or kind}): {said}", repair="mend the request or the settings"
    )
