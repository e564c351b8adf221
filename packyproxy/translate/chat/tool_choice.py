"""Which tool a Chat client leaves to the model or demands of it (wire-mapping 6.1)."""

from typing import Literal

from msgspec import Raw, UnsetType, json

from packyproxy.errors import InvalidRequest
from packyproxy.translate.chat.tools import ToolList, built_in
from packyproxy.translate.decoding import decode_part, safe_name
from packyproxy.translate.tool_names import ToolNames
from packyproxy.wire import json_text
from packyproxy.wire.chat import AllowedTools as Allowed
from packyproxy.wire.chat import NamedTool, ToolChoice
from packyproxy.wire.responses import AllowedTool, AllowedTools, CustomChoice, FunctionChoice
from packyproxy.wire.responses import ToolChoice as UpstreamChoice

__all__ = ["read_choice", "read_function_call"]

_WORDS: dict[bytes, Literal["auto", "none", "required"]] = {
    b'"auto"': "auto",
    b'"none"': "none",
    b'"required"': "required",
}
_MODES: dict[str, Literal["auto", "required"]] = {"auto": "auto", "required": "required"}

_CHOICE = json.Decoder(ToolChoice)
_NAMED = json.Decoder(NamedTool)


def read_choice(choice: Raw | UnsetType, tools: ToolList, names: ToolNames) -> UpstreamChoice:
    """Read ``tool_choice``; ``auto`` when there is none.

    Args:
        choice: as the client sent it.
        tools: of the request.
        names: of the request.

    Raises:
        InvalidRequest: it is no choice, or one of a tool that is not in the list.
    """
    if isinstance(choice, UnsetType) or json_text.is_null(choice):
        return "auto"
    if json_text.is_text(choice):
        word = _WORDS.get(bytes(choice))
        if word is None:
            raise InvalidRequest("must be one of none, auto, required, or an object", field="tool_choice")
        if word == "required" and not tools:
            raise _no_tool()
        return word
    wanted = decode_part(_CHOICE, choice, "tool_choice", with_brackets=True)
    if not tools:
        raise _no_tool()
    if wanted.type == "allowed_tools":
        return _allowed(wanted.allowed_tools, tools, names)
    return _one_tool(wanted, choice, "tool_choice", tools, names)


def read_function_call(choice: Raw | UnsetType, tools: ToolList, names: ToolNames) -> UpstreamChoice:
    """Read the older ``function_call``; ``auto`` when there is none.

    Raises:
        InvalidRequest: it is no choice, or one of a function that is not in the list.
    """
    if isinstance(choice, UnsetType) or json_text.is_null(choice):
        return "auto"
    if json_text.is_text(choice):
        word = _WORDS.get(bytes(choice))
        if word is None or word == "required":
            raise InvalidRequest("must be one of none, auto, or an object", field="function_call")
        return word
    wanted = decode_part(_NAMED, choice, "function_call", with_brackets=True)
    if ("function", wanted.name) not in tools.choices:
        reason = f'function "{safe_name(wanted.name)}" not found in functions'
        raise InvalidRequest(reason, field="function_call.name")
    return FunctionChoice(names.to_upstream(wanted.name))


def _no_tool() -> InvalidRequest:
    reason = "tool_choice requires at least one usable tool"
    return InvalidRequest(reason, field="tool_choice", says_all=True)


def _allowed(allowed: Allowed | None, tools: ToolList, names: ToolNames) -> AllowedTools:
    field = "tool_choice.allowed_tools"
    if allowed is None:
        raise InvalidRequest("field required", field=field)
    mode = _MODES.get(allowed.mode)
    if mode is None:
        raise InvalidRequest("must be auto or required", field=f"{field}.mode")
    if not allowed.tools:
        raise InvalidRequest("at least one tool is required", field=f"{field}.tools")
    wanted: list[AllowedTool] = []
    for at, entry in enumerate(allowed.tools):
        where = f"{field}.tools[{at}]"
        named = decode_part(_CHOICE, entry, where, with_brackets=True)
        wanted.append(_one_tool(named, entry, where, tools, names))
    return AllowedTools(tuple(wanted), mode)


def _one_tool(
    wanted: ToolChoice, entry: Raw, field: str, tools: ToolList, names: ToolNames
) -> FunctionChoice | CustomChoice | Raw:
    """Return one tool that is named, in the upstream's flat form."""
    if wanted.type == "function":
        name = _name(wanted.function, f"{field}.function")
        _require(("function", name), tools, f"{field}.function.name")
        return FunctionChoice(names.to_upstream(name))
    if wanted.type == "custom":
        name = _name(wanted.custom, f"{field}.custom")
        _require(("custom", name), tools, f"{field}.custom.name")
        return CustomChoice(names.to_upstream(name))
    kind, choice = built_in(wanted.type, entry)
    _require((kind, None), tools, f"{field}.type")
    return choice


def _name(named: NamedTool | None, field: str) -> str:
    if named is None:
        raise InvalidRequest("field required", field=field)
    return named.name


def _require(wanted: tuple[str, str | None], tools: ToolList, field: str) -> None:
    if wanted not in tools.choices:
        kind, name = wanted
        raise InvalidRequest(f'tool "{safe_name(name or kind)}" not found in tools', field=field)
