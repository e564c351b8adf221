"""The bytes of Messages frames (wire-mapping 0.4.1, 4.3, 4.8).

Frames of the per-event path are byte templates around JSON string literals that come from the upstream as
they are; the few frames around them are structs.
"""

import msgspec
from msgspec import UNSET, Raw

from packyproxy.wire.messages_events import (
    BlockDelta,
    BlockStart,
    CacheCreation,
    Citation,
    CitationsDelta,
    ContextManagement,
    Message,
    MessageDelta,
    MessageDeltaEvent,
    MessageStart,
    SearchResultBlock,
    ServerToolUseBlock,
    SignatureDelta,
    StopDetails,
    StopReason,
    TextBlock,
    ThinkingBlock,
    ToolUseBlock,
    Usage,
)

__all__ = [
    "DELTA_END",
    "PING",
    "arguments_prefix",
    "block_start",
    "block_stop",
    "citation",
    "error",
    "message_end",
    "message_start",
    "signature",
    "text_prefix",
    "text_start",
    "thinking_prefix",
]

DELTA_END = b"}}\n\n"
"""What follows the literal in every templated delta."""

PING = b'event: ping\ndata: {"type":"ping"}\n\n'

_TEXT_START = (
    b'event: content_block_start\ndata: {"type":"content_block_start","index":%d,'
    b'"content_block":{"type":"text","text":""}}\n\n'
)
_STOP = b'event: content_block_stop\ndata: {"type":"content_block_stop","index":%d}\n\n'
_DELTA = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":{"type":'
_MESSAGE_STOP = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'

_encode = msgspec.json.Encoder().encode


def text_prefix(index: int) -> bytes:
    """Return what precedes the literal in a ``text_delta`` of the block ``index``."""
    return _DELTA % index + b'"text_delta","text":'


def thinking_prefix(index: int) -> bytes:
    """Return what precedes the literal in a ``thinking_delta`` of the block ``index``."""
    return _DELTA % index + b'"thinking_delta","thinking":'


def arguments_prefix(index: int) -> bytes:
    """Return what precedes the literal in an ``input_json_delta`` of the block ``index``."""
    return _DELTA % index + b'"input_json_delta","partial_json":'


def signature(index: int, text: str) -> bytes:
    """Write the ``signature_delta`` of a thinking block."""
    return _frame(b"content_block_delta", BlockDelta(index=index, delta=SignatureDelta(signature=text)))


def citation(index: int, found: Citation) -> bytes:
    """Write one ``citations_delta`` of a text block."""
    return _frame(b"content_block_delta", BlockDelta(index=index, delta=CitationsDelta(citation=found)))


def text_start(index: int) -> bytes:
    """Write the start of a text block whose text comes in deltas, as nearly every answer has one."""
    return _TEXT_START % index


def block_start(
    index: int, block: TextBlock | ThinkingBlock | ToolUseBlock | ServerToolUseBlock | SearchResultBlock
) -> bytes:
    """Write the start of a block."""
    return _frame(b"content_block_start", BlockStart(index=index, content_block=block))


def block_stop(index: int) -> bytes:
    """Write the end of a block."""
    return _STOP % index


def message_start(answer_id: str, model: str, *, input_tokens: int, service_tier: str) -> bytes:
    """Write ``message_start``; ``input_tokens`` is an estimate that ``message_delta`` corrects."""
    usage = Usage(
        input_tokens=input_tokens, output_tokens=1, cache_creation=CacheCreation(), service_tier=service_tier
    )
    message = Message(id=answer_id, model=model, content=[], usage=usage)
    return _frame(b"message_start", MessageStart(message=message))


def message_end(
    stop_reason: StopReason,
    usage: Usage,
    *,
    stop_sequence: str | None = None,
    stop_details: StopDetails | None = None,
    echoes_context_management: bool = False,
) -> bytes:
    """Write ``message_delta`` and ``message_stop``."""
    event = MessageDeltaEvent(
        delta=MessageDelta(
            stop_reason=stop_reason,
            stop_sequence=stop_sequence,
            stop_details=UNSET if stop_details is None else stop_details,
        ),
        usage=usage,
        context_management=ContextManagement(applied_edits=[]) if echoes_context_management else UNSET,
    )
    return _frame(b"message_delta", event) + _MESSAGE_STOP


def error(body: bytes) -> bytes:
    """Wrap an error object; line breaks between its tokens would break the frame and are taken out."""
    return b"event: error\ndata: " + msgspec.json.format(body, indent=-1) + b"\n\n"


EMPTY_INPUT = Raw(b"{}")
"""The input of a tool block at its start."""


def _frame(name: bytes, event: MessageStart | BlockStart | BlockDelta | MessageDeltaEvent) -> bytes:
    return b"event: " + name + b"\ndata: " + _encode(event) + b"\n\n"
