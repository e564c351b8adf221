"""The local token estimate of items and tools that stay JSON (wire-mapping 9).

Types that the table does not know count as the JSON they are. Nothing is validated: what has another form
than its type should have counts as JSON too, or not at all.
"""

from msgspec import UNSET, Raw, Struct, UnsetType, ValidationError, json

from packyproxy.translate.media_size import URL_FILE_TOKENS, file_tokens, image_tokens
from packyproxy.translate.responses.heads import ItemHead, ToolHead, read_inner_tools
from packyproxy.translate.responses.json_fields import Fields, kind_of
from packyproxy.translate.token_count import (
    CALL_TOKENS,
    FORMAT_TOKENS,
    INSTRUCTIONS_TOKENS,
    MESSAGE_TOKENS,
    OUTPUT_TOKENS,
    TOOL_TOKENS,
    WEB_SEARCH_TOKENS,
    encrypted_tokens,
    json_tokens,
    text_tokens,
)
from packyproxy.wire import json_text

__all__ = ["format_tokens", "instructions_tokens", "item_tokens", "other_item_tokens", "tool_tokens"]

_MADE_IMAGE_TOKENS = 1500

_OUTPUTS = frozenset({"function_call_output", "custom_tool_call_output", "computer_call_output"})
_NAMED_TOOLS = frozenset({"function", "custom", "namespace"})
_PLAIN_TEXT = b'"text"'
_QUOTE, _OPEN_LIST, _OPEN_OBJECT = b'"[{'


class _Part(Struct, frozen=True, gc=False):
    text: Raw | UnsetType = UNSET
    refusal: Raw | UnsetType = UNSET
    image_url: Raw | UnsetType = UNSET
    file_data: Raw | UnsetType = UNSET
    file_url: Raw | UnsetType = UNSET
    file_id: Raw | UnsetType = UNSET


_PARTS = json.Decoder(list[_Part])
_PART = json.Decoder(_Part)


def instructions_tokens(literal: Raw) -> int:
    """Estimate the instructions; none cost nothing."""
    tokens = text_tokens(literal)
    return INSTRUCTIONS_TOKENS + tokens if tokens else 0


def item_tokens(kind: str, item: ItemHead) -> int | None:
    """Estimate one input item; None for one of a type that counts as the JSON it is.

    Args:
        kind: its type.
        item: what is known of it.
    """
    if kind == "message":
        return MESSAGE_TOKENS + _content_tokens(item.content)
    if kind == "function_call":
        return CALL_TOKENS + _text_tokens(item.name) + _text_tokens(item.arguments)
    if kind in _OUTPUTS:
        return OUTPUT_TOKENS + _content_tokens(item.output)
    if json_text.is_text(item.encrypted_content):
        return encrypted_tokens(len(memoryview(item.encrypted_content)) - len(b'""'))
    if kind == "custom_tool_call":
        return CALL_TOKENS + _text_tokens(item.name) + _text_tokens(item.input)
    return _MADE_IMAGE_TOKENS if kind == "image_generation_call" else None


def other_item_tokens(raw: Raw) -> int:
    """Estimate an input item of which ``item_tokens`` knows nothing."""
    return MESSAGE_TOKENS + json_tokens(raw)


def tool_tokens(kind: str, tool: ToolHead, raw: Raw) -> int:
    """Estimate one tool, without the share of the list as a whole.

    Args:
        kind: its type.
        tool: what is known of it.
        raw: the tool in one piece.
    """
    if kind == "web_search":
        return WEB_SEARCH_TOKENS
    if kind not in _NAMED_TOOLS:
        return TOOL_TOKENS + json_tokens(raw)
    tokens = TOOL_TOKENS + _text_tokens(tool.name) + _text_tokens(tool.description)
    if kind_of(tool.parameters) == "object":
        tokens += json_tokens(tool.parameters)
    if kind_of(tool.format) == "object":
        tokens += json_tokens(tool.format)
    return tokens + sum(tool_tokens("function", inner, raw) for inner in read_inner_tools(tool))


def format_tokens(form: Fields) -> int:
    """Estimate the form that the answer must have; plain text costs nothing."""
    if bytes(form.get("type", _PLAIN_TEXT)) == _PLAIN_TEXT:
        return 0
    schema = form.get("schema")
    return FORMAT_TOKENS + (0 if schema is None else json_tokens(schema))


def _text_tokens(value: Raw | UnsetType) -> int:
    if isinstance(value, UnsetType):
        return 0
    data = bytes(value)
    return text_tokens(data) if data[0] == _QUOTE else 0


def _content_tokens(value: Raw) -> int:
    data = bytes(value)
    if data[0] == _QUOTE:
        return text_tokens(data)
    try:
        if data[0] == _OPEN_LIST:
            return sum([_part_tokens(part) for part in _PARTS.decode(data)])
        if data[0] == _OPEN_OBJECT:
            return _part_tokens(_PART.decode(data))
    except ValidationError:
        return json_tokens(value)
    return 0


def _part_tokens(part: _Part) -> int:
    if part.image_url is not UNSET:
        return image_tokens(part.image_url)
    if part.file_data is not UNSET:
        return file_tokens(part.file_data)
    if part.file_url is not UNSET or part.file_id is not UNSET:
        return URL_FILE_TOKENS
    return _text_tokens(part.text) + _text_tokens(part.refusal)
