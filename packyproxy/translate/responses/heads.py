"""What is looked at of items and tools; the rest of them is never taken apart.

Types that are not known here may give any field another meaning, so a field of the wrong type is an error
only where its type is known.
"""

from msgspec import UNSET, Raw, Struct, UnsetType, ValidationError, json

from packyproxy.translate.responses.json_fields import kind_of, optional, read_elements, read_object
from packyproxy.wire import json_text

__all__ = [
    "NULL",
    "Elements",
    "ItemHead",
    "ToolHead",
    "id_prefix",
    "read_inner_tools",
    "read_item_heads",
    "read_tool_heads",
]

NULL = Raw(b"null")
"""What stands for the value of a field that is not there."""

_ID_PREFIXES = {
    "message": "msg",
    "reasoning": "rs",
    "function_call": "fc",
    "function_call_output": "fc",
    "custom_tool_call": "ctc",
    "custom_tool_call_output": "ctco",
    "web_search_call": "ws",
}


class ItemHead(Struct, frozen=True):
    """An item of ``input``; what it does not have is null."""

    type: str | None = None
    role: str | None = None
    id: str | UnsetType | None = UNSET
    name: Raw = NULL
    content: Raw = NULL
    arguments: Raw = NULL
    input: Raw = NULL
    output: Raw = NULL
    encrypted_content: Raw = NULL
    phase: Raw | UnsetType = UNSET


class ToolHead(Struct, frozen=True):
    """A tool, or one inside a namespace; what it does not have is null."""

    type: str | None = None
    name: Raw = NULL
    description: Raw = NULL
    parameters: Raw = NULL
    format: Raw = NULL
    tools: Raw = NULL


class Elements:
    """The items of ``input``, cut apart when one of them is asked for: most requests pass on in one piece."""

    def __init__(self, whole: Raw) -> None:
        self.whole = whole
        """All of them as the client sent them."""
        self._raws: list[Raw] | None = None

    @property
    def raws(self) -> list[Raw]:
        """Each by itself."""
        if self._raws is None:
            self._raws = read_elements(self.whole)
        return self._raws


_ITEM, _ITEMS = json.Decoder(ItemHead), json.Decoder(list[ItemHead])
_TOOL, _TOOLS = json.Decoder(ToolHead), json.Decoder(list[ToolHead])


def id_prefix(kind: str) -> str | None:
    """Return what the id of an item must begin with; None where an id is none of our business.

    Outputs that are not listed have ids too, of unknown form.
    """
    return _ID_PREFIXES.get(kind, "" if kind.endswith("_output") else None)


def read_item_heads(elements: Elements) -> list[ItemHead]:
    """Read the items of ``input``.

    Raises:
        InvalidRequest: one is no object, or a field of it has the wrong type.
    """
    try:
        return _ITEMS.decode(elements.whole)
    except ValidationError:
        return [_read_item(raw, f"input[{at}]") for at, raw in enumerate(elements.raws)]


def _read_item(raw: Raw, at: str) -> ItemHead:
    fields = read_object(raw, at)
    named = optional(fields, "type", "string", within=at)
    kind = "message" if named is None else json_text.unquote(named)
    if kind == "message":
        optional(fields, "role", "string", within=at)
    if id_prefix(kind) is not None:
        optional(fields, "id", "string", within=at)
    try:
        return _ITEM.decode(raw)
    except ValidationError:
        return ItemHead(type=kind, content=fields.get("content", NULL), output=fields.get("output", NULL))


def read_tool_heads(value: Raw, raws: list[Raw]) -> list[ToolHead]:
    """Read the tools of a request.

    Args:
        value: the list in one piece.
        raws: its tools.

    Raises:
        InvalidRequest: one is no object, or its type no text.
    """
    try:
        return _TOOLS.decode(value)
    except ValidationError:
        return [_read_tool(raw, f"tools[{at}]") for at, raw in enumerate(raws)]


def read_inner_tools(namespace: ToolHead) -> list[ToolHead]:
    """Read the tools inside a namespace, as far as they are tools."""
    if kind_of(namespace.tools) != "array":
        return []
    try:
        return _TOOLS.decode(namespace.tools)
    except ValidationError:
        return []


def _read_tool(raw: Raw, at: str) -> ToolHead:
    optional(read_object(raw, at), "type", "string", within=at)
    return _TOOL.decode(raw)
