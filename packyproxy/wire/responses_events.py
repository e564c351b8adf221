"""The events of a Responses stream, as far as any client protocol needs them (wire-mapping 4.5).

Upstreams differ and grow, so reading is forgiving: every field is optional, a field of the wrong type counts
as missing, and no event type can make decoding fail. Text stays a ``Raw`` JSON string literal, because what
is only forwarded need not be unescaped.

``NoEffect`` covers the types that mean nothing to a translation; ``UnknownEvent`` and ``UnparsableEvent`` are
told apart from it because they deserve a log line.
"""

import json
import re
from typing import ClassVar, TypeAlias, Union, cast

import msgspec
from msgspec import Raw, Struct, defstruct, field

from packyproxy.wire.responses_output import (
    UNREADABLE,
    AcceptedResponse,
    ContentPart,
    OutputItem,
    ResponseObject,
    Usage,
    read_fields,
    salvage,
)

__all__ = [
    "EVENT_TYPES",
    "AnnotationAdded",
    "ArgumentsDelta",
    "ArgumentsDone",
    "BrokenDelta",
    "Cancelled",
    "Completed",
    "CompletedAlias",
    "ContentPartDone",
    "Created",
    "CustomInputDelta",
    "CustomInputDone",
    "DeltaEvent",
    "ErrorEvent",
    "ErrorEventAlias",
    "Failed",
    "Incomplete",
    "ItemAdded",
    "ItemDone",
    "NoEffect",
    "ReasoningDelta",
    "ReasoningDone",
    "RefusalDelta",
    "RefusalDone",
    "ResponsesEvent",
    "SummaryDelta",
    "SummaryDone",
    "TextDelta",
    "TextDone",
    "UnknownEvent",
    "UnparsableEvent",
    "Usage",
    "decode_event",
    "mend_json",
    "safe_name",
]

_EMPTY_TEXT = Raw(b'""')
_NULL = Raw(b"null")


class _Event(Struct, tag_field="type", gc=False):
    """What tells events apart on the wire.

    Nothing that comes out of JSON can refer back to it, so the garbage collector need not know of it.
    """


class Created(_Event, tag="response.created"):
    """The upstream has accepted the request."""

    response: AcceptedResponse = AcceptedResponse()


class _Ending(_Event):
    response: ResponseObject = ResponseObject()


class Completed(_Ending, tag="response.completed"):
    """The answer is whole."""


class CompletedAlias(Completed, tag="response.done"):
    """The older name of ``response.completed``."""


class Incomplete(_Ending, tag="response.incomplete"):
    """The answer ended early for a stated reason."""


class Failed(_Ending, tag="response.failed"):
    """The upstream gave up."""


class Cancelled(_Ending, tag="response.cancelled"):
    """Somebody upstream cancelled the response."""


class ErrorEvent(_Event, tag="error"):
    """An error outside a response object; the flat and the nested form (wire-mapping 4.5)."""

    error: Raw = _NULL
    detail: Raw = _NULL
    code: Raw = _NULL
    message: Raw = _NULL
    param: Raw = _NULL
    plan_type: Raw = _NULL
    resets_at: Raw = _NULL
    resets_in_seconds: Raw = _NULL
    status: int | None = None

    _FLAT: ClassVar[tuple[str, ...]] = (
        "code",
        "message",
        "param",
        "plan_type",
        "resets_at",
        "resets_in_seconds",
    )

    @property
    def error_object(self) -> bytes:
        """The JSON of the nested error object, or of one made from the flat fields."""
        nested = bytes(self.error)
        if nested[:1] == b"{":
            return nested
        flat = {name: getattr(self, name) for name in self._FLAT}
        if nested[:1] == b'"':
            flat["message"] = self.error
        elif bytes(self.detail) != b"null":
            flat["message"] = self.detail
        return msgspec.json.encode(flat)


class ErrorEventAlias(ErrorEvent, tag="response.error"):
    """The form of ``error`` that some relays send."""


class _ItemEvent(_Event):
    output_index: int | None = None
    item_id: str | None = None


class ItemAdded(_Event, tag="response.output_item.added"):
    """An item begins."""

    output_index: int | None = None
    item: OutputItem = OutputItem()


class ItemDone(_Event, tag="response.output_item.done"):
    """An item is whole; ``item`` is authoritative."""

    output_index: int | None = None
    item: OutputItem = OutputItem()


class _ContentEvent(_ItemEvent):
    part_index: int | None = field(default=None, name="content_index")


class _SummaryEvent(_ItemEvent):
    part_index: int | None = field(default=None, name="summary_index")


class ContentPartDone(_ContentEvent, tag="response.content_part.done"):
    """A content part is whole."""

    part: ContentPart = ContentPart()


class TextDelta(_ContentEvent, tag="response.output_text.delta"):
    """More answer text."""

    delta: Raw = _EMPTY_TEXT


class TextDone(_ContentEvent, tag="response.output_text.done"):
    """All text of one part."""

    text: Raw = _NULL


class AnnotationAdded(_ContentEvent, tag="response.output_text.annotation.added"):
    """A citation or another mark on the text."""

    annotation: Raw = _NULL


class RefusalDelta(_ContentEvent, tag="response.refusal.delta"):
    """More text of a refusal."""

    delta: Raw = _EMPTY_TEXT


class RefusalDone(_ContentEvent, tag="response.refusal.done"):
    """All text of one refusal part."""

    refusal: Raw = _NULL


class SummaryDelta(_SummaryEvent, tag="response.reasoning_summary_text.delta"):
    """More text of one part of a reasoning summary."""

    delta: Raw = _EMPTY_TEXT


class SummaryDone(_SummaryEvent, tag="response.reasoning_summary_text.done"):
    """All text of one part of a reasoning summary."""

    text: Raw = _NULL


class ReasoningDelta(_ContentEvent, tag="response.reasoning_text.delta"):
    """More raw reasoning text."""

    delta: Raw = _EMPTY_TEXT


class ReasoningDone(_ContentEvent, tag="response.reasoning_text.done"):
    """All text of one raw reasoning part."""

    text: Raw = _NULL


class ArgumentsDelta(_ItemEvent, tag="response.function_call_arguments.delta"):
    """More JSON text of a function call's arguments."""

    delta: Raw = _EMPTY_TEXT
    part_index: ClassVar[None] = None


class ArgumentsDone(_ItemEvent, tag="response.function_call_arguments.done"):
    """All JSON text of a function call's arguments."""

    arguments: Raw = _NULL
    name: str | None = None


class CustomInputDelta(_ItemEvent, tag="response.custom_tool_call_input.delta"):
    """More free text for a custom tool."""

    delta: Raw = _EMPTY_TEXT
    part_index: ClassVar[None] = None


class CustomInputDone(_ItemEvent, tag="response.custom_tool_call_input.done"):
    """All free text for a custom tool."""

    input: Raw = _NULL


class NoEffect(_Event):
    """An event of a known type that no translation reads."""


class UnknownEvent(Struct, frozen=True):
    """An event of a type that is not in the table; ``type`` is cut to 64 safe characters."""

    type: str


class UnparsableEvent(Struct, frozen=True):
    """Data that is not a JSON object with a type."""


class BrokenDelta(Struct, frozen=True):
    """A delta whose text holds half a surrogate pair, as relays send that cut a character in two.

    ``event`` has everything but the text; ``text`` may begin or end with a lone surrogate.
    """

    event: "DeltaEvent"
    text: str


DeltaEvent: TypeAlias = (
    TextDelta | RefusalDelta | SummaryDelta | ReasoningDelta | ArgumentsDelta | CustomInputDelta
)

ResponsesEvent: TypeAlias = (
    DeltaEvent
    | Created
    | Completed
    | Incomplete
    | Failed
    | Cancelled
    | ErrorEvent
    | ItemAdded
    | ItemDone
    | ContentPartDone
    | TextDone
    | AnnotationAdded
    | RefusalDone
    | SummaryDone
    | ReasoningDone
    | ArgumentsDone
    | CustomInputDone
    | NoEffect
    | UnknownEvent
    | UnparsableEvent
    | BrokenDelta
)
"""Everything ``decode_event`` returns."""

_NO_EFFECT_TYPES = (
    "codex.rate_limits",
    "codex.response.metadata",
    "keepalive",
    "response.apply_patch_call_operation_diff.delta",
    "response.apply_patch_call_operation_diff.done",
    "response.audio.delta",
    "response.audio.done",
    "response.audio.transcript.delta",
    "response.audio.transcript.done",
    "response.code_interpreter_call.completed",
    "response.code_interpreter_call.in_progress",
    "response.code_interpreter_call.interpreting",
    "response.code_interpreter_call_code.delta",
    "response.code_interpreter_call_code.done",
    "response.compaction.compacting",
    "response.content_part.added",
    "response.file_search_call.completed",
    "response.file_search_call.in_progress",
    "response.file_search_call.searching",
    "response.image_generation_call.completed",
    "response.image_generation_call.generating",
    "response.image_generation_call.in_progress",
    "response.image_generation_call.partial_image",
    "response.in_progress",
    "response.mcp_call.completed",
    "response.mcp_call.failed",
    "response.mcp_call.in_progress",
    "response.mcp_call_arguments.delta",
    "response.mcp_call_arguments.done",
    "response.mcp_list_tools.completed",
    "response.mcp_list_tools.failed",
    "response.mcp_list_tools.in_progress",
    "response.metadata",
    "response.queued",
    "response.reasoning_summary_part.added",
    "response.reasoning_summary_part.done",
    "response.safety_buffering",
    "response.shell_call_command.added",
    "response.shell_call_command.delta",
    "response.shell_call_command.done",
    "response.shell_call_output_content.delta",
    "response.shell_call_output_content.done",
    "response.steer.accepted",
    "response.steer.failed",
    "response.steer.pending",
    "response.web_search_call.completed",
    "response.web_search_call.in_progress",
    "response.web_search_call.searching",
)

_READ_TYPES: tuple[type[_Event], ...] = (
    TextDelta,
    ArgumentsDelta,
    SummaryDelta,
    ReasoningDelta,
    RefusalDelta,
    CustomInputDelta,
    Created,
    Completed,
    CompletedAlias,
    Incomplete,
    Failed,
    Cancelled,
    ErrorEvent,
    ErrorEventAlias,
    ItemAdded,
    ItemDone,
    ContentPartDone,
    TextDone,
    AnnotationAdded,
    RefusalDone,
    SummaryDone,
    ReasoningDone,
    ArgumentsDone,
    CustomInputDone,
)
# One class per type name keeps ignored events on the fast path: an unknown tag would cost an exception each.
_NO_EFFECT = tuple(
    defstruct("NoEffect", (), bases=(NoEffect,), tag_field="type", tag=name) for name in _NO_EFFECT_TYPES
)
_CLASS_BY_TYPE: dict[str, type[_Event]] = {
    cast("str", cls.__struct_config__.tag): cast("type[_Event]", cls) for cls in (*_READ_TYPES, *_NO_EFFECT)
}

EVENT_TYPES = frozenset(_CLASS_BY_TYPE)
"""Every value of ``type`` that is known."""

_EVENT: msgspec.json.Decoder[ResponsesEvent] = msgspec.json.Decoder(
    cast("type[ResponsesEvent]", Union[(*_READ_TYPES, *_NO_EFFECT)])
)
_DELTA_CLASSES = (TextDelta, RefusalDelta, SummaryDelta, ReasoningDelta, ArgumentsDelta, CustomInputDelta)
_UNSAFE = re.compile(r"[^A-Za-z0-9_.:-]")


def decode_event(data: bytes) -> ResponsesEvent:
    """Decode the data of one frame; total: whatever the bytes, some event is returned."""
    try:
        return _EVENT.decode(data)
    except msgspec.ValidationError:
        # JSON that is odd in its beginning may still turn out broken further on.
        return _decode_oddity(data) or _decode_broken(data)
    except UNREADABLE:
        return _decode_broken(data)


def safe_name(name: str) -> str:
    """Cut an upstream's type name to 64 characters that are safe in a log line."""
    return _UNSAFE.sub("_", name)[:64]


def _decode_oddity(data: bytes) -> ResponsesEvent | None:
    """Decode JSON that fits no event class: an unknown type, a missing one, or a field of the wrong type.

    Returns None for what is no JSON object.
    """
    fields = read_fields(data)
    if fields is None:
        return None
    if "type" not in fields:
        # Relays that wrap an error of their own sometimes send it bare.
        is_error = "error" in fields or "detail" in fields
        return salvage(ErrorEvent, fields) if is_error else UnparsableEvent()
    try:
        name = msgspec.json.decode(fields["type"], type=str)
    except UNREADABLE:
        return UnparsableEvent()
    cls = _CLASS_BY_TYPE.get(name)
    if cls is not None:
        return cast("ResponsesEvent", salvage(cls, fields))
    if name.startswith("responsesapi."):
        return NoEffect()
    return UnknownEvent(safe_name(name))


def _decode_broken(data: bytes) -> ResponsesEvent:
    """Decode what msgspec refuses: JSON with half a surrogate pair in it; anything else is unparsable."""
    mended = mend_json(data)
    if mended is None:
        return UnparsableEvent()
    try:
        event = _EVENT.decode(mended)
    except msgspec.ValidationError:
        return _decode_oddity(mended) or UnparsableEvent()
    except UNREADABLE:
        return UnparsableEvent()
    if isinstance(event, _DELTA_CLASSES):
        delta = json.loads(data.decode(errors="replace")).get("delta")
        if isinstance(delta, str):
            return BrokenDelta(event, delta)
    return event


def mend_json(data: bytes) -> bytes | None:
    """Rewrite JSON with U+FFFD for all that is not valid Unicode; None if it is no JSON."""
    try:
        document = json.loads(data.decode(errors="replace"))
        text = json.dumps(document, ensure_ascii=False)
    except (ValueError, RecursionError):
        return None
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()
