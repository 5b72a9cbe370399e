"""The actions of `envs/pages.py` as typed tools, for models that call tools instead of writing."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from envs.errors import UserError, clip, one_line
from envs.pages import PageAction, Spot, parse
from envs.types import Action, ToolSpec

_ROLE = {"type": "string", "description": "role as the page shows it: button, link, item ..."}
_NAME = {"type": "string", "description": "name as the page shows it; empty if it has none"}
_NTH = {"type": "integer", "minimum": 1, "description": "which, if several are alike"}
_XY = {"type": "integer", "minimum": 0, "description": "pixels from the left, or from the top"}
_NEAR = {"type": "string", "description": "words of the row that it is in, if several are alike"}
_SPOT = {"role": _ROLE, "name": _NAME, "near": _NEAR, "nth": _NTH}


def _tool(name: str, description: str, required: str, /, **properties: Any) -> ToolSpec:
    schema = {"type": "object", "properties": properties, "required": required.split()}
    return ToolSpec(
        name=name, description=description, parameters={**schema, "additionalProperties": False}
    )


def _text(description: str) -> dict[str, str]:
    return {"type": "string", "description": description}


TOOLS: tuple[ToolSpec, ...] = (
    _tool("click", "Clicks an element.", "role name", **_SPOT),
    _tool("double_click", "Clicks an element twice.", "role name", **_SPOT),
    _tool("check", "Ticks a box.", "role name", **_SPOT),
    _tool("uncheck", "Takes the tick from a box.", "role name", **_SPOT),
    _tool("hover", "Moves the mouse over an element.", "role name", **_SPOT),
    _tool("fill", "Puts text into a field.", "role name text", **_SPOT, text=_text("the text")),
    _tool("select", "Picks an option.", "role name option", **_SPOT, option=_text("its words")),
    _tool(
        "press", "Presses a key.", "key", key=_text("Enter, Tab, ArrowDown, Control+a ..."), **_SPOT
    ),
    _tool("type_text", "Types where the cursor is.", "text", text=_text("the text")),
    _tool(
        "drag",
        "Drags an element onto another.",
        "role name to_role to_name",
        **_SPOT,
        to_role=_ROLE,
        to_name=_NAME,
        to_nth=_NTH,
    ),
    _tool("scroll", "Scrolls.", "direction", direction={"enum": ["up", "down"]}, **_SPOT),
    _tool("click_at", "Clicks a point of the page.", "x y", x=_XY, y=_XY),
    _tool(
        "drag_at", "Drags from point to point.", "x y to_x to_y", x=_XY, y=_XY, to_x=_XY, to_y=_XY
    ),
    _tool("wait", "Waits a second.", ""),
    _tool("back", "Goes back to the page before.", ""),
)
"""What episodes with pages offer."""

_KNOWN = {tool.name: tool for tool in TOOLS}
_VALUES = ("text", "option", "key", "direction")
_VERBS = {
    "double_click": "double-click",
    "type_text": "type",
    "click_at": "click",
    "drag_at": "drag",
}


def read_action(action: Action) -> PageAction:
    """The page action that a line of text or a call of a tool means. Raises `UserError`."""
    if action.tool is None:
        return parse(action.text)
    known, given = _KNOWN.get(action.tool), action.arguments
    if known is None:
        raise UserError(
            f"there is no tool {clip(action.tool)!r}", repair=f"tools: {', '.join(_KNOWN)}"
        )
    lacking = [name for name in known.parameters["required"] if name not in given]
    if lacking:
        raise UserError(f"{action.tool} lacks {', '.join(lacking)}", repair="give all of them")
    try:
        return PageAction.model_validate(_fields(action.tool, given))
    except (ValidationError, TypeError) as error:
        told = clip(one_line(str(error)), most=160)
        raise UserError(f"{action.tool} was given what it can't take ({told})") from error


def _fields(tool: str, given: dict[str, Any]) -> dict[str, Any]:
    fields: dict[str, Any] = {"verb": _VERBS.get(tool, tool)}
    fields |= {name: given[name] for name in ("role", "name", "near", "nth") if name in given}
    fields["value"] = next((given[name] for name in _VALUES if name in given), "")
    if "x" in given:
        fields["at"] = (given["x"], given["y"])
    if tool == "drag_at":
        fields["to"] = Spot(at=(given["to_x"], given["to_y"]))
    elif tool == "drag":
        nth = given.get("to_nth", 1)
        fields["to"] = Spot(role=given["to_role"], name=given["to_name"], nth=nth)
    return fields
