"""The non-stream answer: the fold of the very frames a streaming client would get (wire-mapping 5.1)."""

from typing import cast

import msgspec
from msgspec import UNSET, Raw

from packyproxy.wire.messages_events import (
    BlockDelta,
    BlockStart,
    BlockStop,
    Citation,
    CitationsDelta,
    InputJsonDelta,
    Message,
    MessageDeltaEvent,
    MessageStart,
    ServerToolUseBlock,
    SignatureDelta,
    TextBlock,
    TextDelta,
    ThinkingBlock,
    ThinkingDelta,
    ToolUseBlock,
    Usage,
    decode_stream_event,
)

__all__ = ["fold"]

_encode = msgspec.json.Encoder().encode
_OBJECT = msgspec.json.Decoder(dict[str, Raw])


def fold(frames: bytes) -> bytes:
    """Fold a whole, successful stream into the JSON of its message.

    Args:
        frames: what a ``MessagesWriter`` returned, from ``start`` to ``message_stop``. A stream that ended in
            an error has no such message: its caller answers with the error instead.
    """
    message: Message | None = None
    texts: list[str] = []
    citations: list[Citation] = []
    signature = ""
    for frame in frames.split(b"\n\n"):
        _, mark, data = frame.partition(b"\ndata: ")
        if not mark:
            continue
        event = decode_stream_event(data)
        if type(event) is BlockDelta:
            delta = event.delta
            if type(delta) is TextDelta:
                texts.append(delta.text)
            elif type(delta) is InputJsonDelta:
                texts.append(delta.partial_json)
            elif type(delta) is ThinkingDelta:
                texts.append(delta.thinking)
            elif type(delta) is SignatureDelta:
                signature += delta.signature
            else:
                citations.append(cast("CitationsDelta", delta).citation)
        elif type(event) is MessageStart:
            message = event.message
        else:
            assert message is not None, "a stream begins with message_start"
            if type(event) is BlockStart:
                message.content.append(event.content_block)
            elif type(event) is BlockStop:
                _close(message, "".join(texts), signature, citations)
                texts, citations, signature = [], [], ""
            elif type(event) is MessageDeltaEvent:
                _end(message, event)
    return _encode(message)


def _close(message: Message, text: str, signature: str, citations: list[Citation]) -> None:
    """Put what the deltas added into the last block."""
    block = message.content[-1]
    if isinstance(block, TextBlock):
        block.text += text
        block.citations = citations or UNSET
    elif isinstance(block, ThinkingBlock):
        block.thinking += text
        block.signature += signature
    elif isinstance(block, (ToolUseBlock, ServerToolUseBlock)):
        block.input = _input(text)


def _input(text: str) -> Raw:
    """Read a tool's arguments; what is no JSON object is handed on as text, under a name of its own."""
    if not text:
        return Raw(b"{}")
    try:
        _OBJECT.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return Raw(_encode({"__invalid_json": text}))
    return Raw(text.encode())


def _end(message: Message, event: MessageDeltaEvent) -> None:
    message.stop_reason = event.delta.stop_reason
    message.stop_sequence = event.delta.stop_sequence
    message.stop_details = None if event.delta.stop_details is UNSET else event.delta.stop_details
    message.context_management = event.context_management
    for name in Usage.__struct_fields__:
        value = getattr(event.usage, name)
        if value is not UNSET:
            setattr(message.usage, name, value)
