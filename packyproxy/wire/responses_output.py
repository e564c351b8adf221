"""What Responses events carry: the response object, its items and its usage (wire-mapping 4.5, 4.10).

Reading is forgiving, because upstreams differ: no field is required, and one of the wrong type counts as
missing. Events hold these structs ready-made, so that decoding an event decodes what is in it, once and in
the same pass.
"""

from typing import Any, TypeVar

import msgspec
from msgspec import Raw, Struct

__all__ = [
    "UNREADABLE",
    "AcceptedResponse",
    "ContentPart",
    "IncompleteDetails",
    "InputTokensDetails",
    "OutputItem",
    "OutputTokensDetails",
    "ResponseObject",
    "SearchUsage",
    "ToolUsage",
    "Usage",
    "read_fields",
    "read_item",
    "read_lenient",
    "read_part",
    "read_response",
    "read_usage",
    "salvage",
]

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""Everything msgspec raises for bytes that it cannot decode."""

_NULL = Raw(b"null")

S = TypeVar("S", bound=Struct)


class InputTokensDetails(Struct, frozen=True):
    """What part of the input came from, or went to, the prompt cache."""

    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


class OutputTokensDetails(Struct, frozen=True):
    """What part of the output was reasoning."""

    reasoning_tokens: int | None = None


class Usage(Struct, frozen=True):
    """The upstream's token counts; ``input_tokens`` includes cached ones, ``output_tokens`` reasoning."""

    input_tokens: int = 0
    output_tokens: int = 0
    input_tokens_details: InputTokensDetails | None = None
    output_tokens_details: OutputTokensDetails | None = None

    @property
    def cached_tokens(self) -> int:
        """Input tokens read from the prompt cache; 0 when the upstream did not say."""
        details = self.input_tokens_details
        return (details.cached_tokens or 0) if details else 0

    @property
    def cache_write_tokens(self) -> int:
        """Input tokens written to the prompt cache; 0 when the upstream did not say."""
        details = self.input_tokens_details
        return (details.cache_write_tokens or 0) if details else 0

    @property
    def reasoning_tokens(self) -> int | None:
        """Output tokens spent on reasoning; None when the upstream did not say."""
        return self.output_tokens_details.reasoning_tokens if self.output_tokens_details else None


class IncompleteDetails(Struct, frozen=True):
    """Why an answer ended early."""

    reason: str | None = None


class SearchUsage(Struct, frozen=True):
    """How often the upstream searched."""

    num_requests: int | None = None


class ToolUsage(Struct, frozen=True):
    """What the upstream's own tools did."""

    web_search: SearchUsage | None = None


class AcceptedResponse(Struct, frozen=True):
    """What is read of a response that has only just begun."""

    created_at: float | None = None
    """Unix seconds."""
    service_tier: str | None = None


class ResponseObject(Struct, frozen=True):
    """The ``response`` member of the events that end an answer."""

    id: str | None = None
    model: str | None = None
    service_tier: str | None = None
    status: str | None = None
    usage: Raw = _NULL
    error: Raw = _NULL
    incomplete_details: IncompleteDetails | None = None
    tool_usage: ToolUsage | None = None
    headers: Raw = _NULL
    """Those that a relay got with it."""
    output: list[Raw] = []


class ContentPart(Struct, frozen=True):
    """One part of a message's or reasoning item's content or summary."""

    type: str = ""
    text: Raw = _NULL
    refusal: Raw = _NULL
    annotations: list[Raw] | None = None

    @property
    def size(self) -> int:
        """How many bytes of JSON it holds."""
        return len(self.text) + len(self.refusal) + sum(map(len, self.annotations or ()))


class OutputItem(Struct, frozen=True):
    """One output item of any type; fields of other types keep their defaults."""

    type: str = ""
    id: str | None = None
    status: str | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: Raw = _NULL
    input: Raw = _NULL
    content: list[Raw] | None = None
    summary: list[Raw] | None = None
    encrypted_content: str | None = None
    action: Raw = _NULL
    output_format: str | None = None

    @property
    def size(self) -> int:
        """How many bytes of JSON it holds, short fields aside."""
        values = (self.arguments, self.input, self.action, *(self.content or ()), *(self.summary or ()))
        return sum(map(len, values)) + len(self.encrypted_content or "")


_FIELDS = msgspec.json.Decoder(dict[str, Raw])
_ITEM = msgspec.json.Decoder(OutputItem)
_PART = msgspec.json.Decoder(ContentPart)
_RESPONSE = msgspec.json.Decoder(ResponseObject)
_USAGE = msgspec.json.Decoder(Usage)


def read_item(raw: Raw) -> OutputItem:
    """Decode an output item; one that cannot be read has the type ``""``."""
    return read_lenient(raw, _ITEM, OutputItem) or OutputItem()


def read_part(raw: Raw) -> ContentPart:
    """Decode a part of an item; one that cannot be read has the type ``""``."""
    return read_lenient(raw, _PART, ContentPart) or ContentPart()


def read_response(raw: Raw) -> ResponseObject:
    """Decode a response object; fields that cannot be read count as missing."""
    return read_lenient(raw, _RESPONSE, ResponseObject) or ResponseObject()


def read_usage(raw: Raw) -> Usage | None:
    """Decode the ``usage`` of a response object; None when it is missing or counts nothing."""
    usage = read_lenient(raw, _USAGE, Usage)
    return usage if usage is not None and (usage.input_tokens or usage.output_tokens) else None


def read_lenient(raw: Raw | bytes, decoder: msgspec.json.Decoder[S], cls: type[S]) -> S | None:
    """Decode an object of which no field is required, leaving out the fields that have the wrong type.

    Returns None when ``raw`` is not a JSON object at all.
    """
    try:
        return decoder.decode(raw)
    except UNREADABLE:
        fields = read_fields(raw)
    return None if fields is None else salvage(cls, fields)


def read_fields(raw: Raw | bytes) -> dict[str, Raw] | None:
    """Decode an object without looking at its values; None when ``raw`` is not one."""
    try:
        return _FIELDS.decode(raw)
    except UNREADABLE:
        return None


def salvage(cls: type[S], fields: dict[str, Raw]) -> S:
    """Build ``cls`` from those of ``fields`` that have the type it wants; objects are salvaged in turn."""
    kept: dict[str, Any] = {}
    for field in msgspec.structs.fields(cls):
        raw = fields.get(field.encode_name)
        if raw is None:
            continue
        if isinstance(field.type, type) and issubclass(field.type, Struct):
            nested = read_fields(raw)
            if nested is not None:
                kept[field.name] = salvage(field.type, nested)
            continue
        try:
            kept[field.name] = msgspec.json.decode(raw, type=field.type)
        except UNREADABLE:
            continue
    return cls(**kept)
