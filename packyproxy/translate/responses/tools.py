"""``tools`` and ``tool_choice``: read for what must be known of them, and left alone (wire-mapping 7.2).

Names and schemas are the client's and the upstream's business. Only the old name of the web search is mended,
and ``strict`` left out where an upstream refuses it.
"""

from msgspec import Raw, Struct, json

from packyproxy.translate.responses.heads import read_tool_heads
from packyproxy.translate.responses.json_fields import (
    Fields,
    kind_of,
    optional,
    read_elements,
    read_object,
    require_kind,
)
from packyproxy.translate.responses.tokens import tool_tokens
from packyproxy.translate.token_count import TOOLS_TOKENS
from packyproxy.wire import json_text

__all__ = ["ToolList", "read_choice", "read_tools"]

_OLD_SEARCH = "web_search_preview"
_SEARCH = "web_search"
_SEARCH_LITERAL = Raw(b'"web_search"')


class ToolList(Struct, frozen=True, kw_only=True):
    """The tools of a request."""

    whole: Raw
    """As every provider gets them."""
    count: int
    searches_web: bool
    tokens: int

    def __len__(self) -> int:
        return self.count

    def without_strict(self) -> Raw:
        """Return the tools without ``strict``, also those inside a namespace."""
        if b'"strict"' not in bytes(self.whole):
            return self.whole
        return Raw(json.encode([_plain(tool) for tool in read_elements(self.whole)]))


def read_tools(value: Raw) -> ToolList:
    """Read ``tools``.

    Raises:
        InvalidRequest: a tool is no object, or its type no text.
    """
    raws = read_elements(require_kind(value, "tools", "array"))
    sent: list[Raw | Fields] = list(raws)
    is_changed = searches_web = False
    tokens = 0
    for at, tool in enumerate(read_tool_heads(value, raws)):
        kind = tool.type or ""
        if kind.startswith(_OLD_SEARCH):
            is_changed = True
            sent[at] = {**read_object(raws[at], f"tools[{at}]"), "type": _SEARCH_LITERAL}
        if kind.startswith(_SEARCH):  # dated at times: web_search_2025_08_26
            kind, searches_web = _SEARCH, True
        tokens += tool_tokens(kind, tool, raws[at])
    return ToolList(
        whole=Raw(json.encode(sent)) if is_changed else value,
        count=len(raws),
        searches_web=searches_web,
        tokens=TOOLS_TOKENS + tokens if raws else 0,
    )


def read_choice(value: Raw) -> Raw:
    """Return ``tool_choice`` as every provider gets it.

    Raises:
        InvalidRequest: it is neither text nor object, or its type no text.
    """
    if kind_of(require_kind(value, "tool_choice", "string", "object")) == "string":
        return value
    choice = read_object(value, "tool_choice")
    kind = _kind(choice, "tool_choice")
    if kind.startswith(_OLD_SEARCH):
        return Raw(json.encode({**choice, "type": _SEARCH_LITERAL}))
    allowed = choice.get("tools")
    if kind != "allowed_tools" or allowed is None or kind_of(allowed) != "array":
        return value
    tools = read_elements(allowed)
    mended = [_with_new_search(tool) for tool in tools]
    return value if mended == tools else Raw(json.encode({**choice, "tools": mended}))


def _kind(fields: Fields, at: str) -> str:
    kind = optional(fields, "type", "string", within=at)
    return "" if kind is None else json_text.unquote(kind)


def _with_new_search(tool: Raw) -> Raw | Fields:
    if kind_of(tool) != "object" or _OLD_SEARCH.encode() not in bytes(tool):
        return tool
    fields = read_object(tool, "tool_choice.tools")
    return (
        {**fields, "type": _SEARCH_LITERAL}
        if _kind(fields, "tool_choice.tools").startswith(_OLD_SEARCH)
        else tool
    )


def _plain(tool: Raw) -> Fields:
    """Return a tool without ``strict``, also in the tools of a namespace."""
    fields = _without_strict(tool)
    inner = fields.get("tools")
    if inner is not None and kind_of(inner) == "array":
        tools = [
            _without_strict(each) if kind_of(each) == "object" else each for each in read_elements(inner)
        ]
        fields["tools"] = Raw(json.encode(tools))
    return fields


def _without_strict(tool: Raw) -> Fields:
    return {name: value for name, value in read_object(tool, "tools").items() if name != "strict"}
