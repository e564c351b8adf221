"""The answer half of the Messages protocol: the message, its blocks and usage, and the events of its stream.

Field names and order are the protocol's own. Optional members are ``UNSET`` when the stream did not carry
them, so a folded answer has exactly the keys its stream had.
"""

from typing import Literal, TypeAlias

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

__all__ = [
    "BlockDelta",
    "BlockStart",
    "BlockStop",
    "CacheCreation",
    "Citation",
    "CitationsDelta",
    "ContextManagement",
    "ErrorFrame",
    "InputJsonDelta",
    "Message",
    "MessageDelta",
    "MessageDeltaEvent",
    "MessageStart",
    "MessageStop",
    "OutputTokensDetails",
    "Ping",
    "SearchError",
    "SearchResult",
    "SearchResultBlock",
    "ServerToolUsage",
    "ServerToolUseBlock",
    "SignatureDelta",
    "StopDetails",
    "StopReason",
    "StreamEvent",
    "TextBlock",
    "TextDelta",
    "ThinkingBlock",
    "ThinkingDelta",
    "ToolUseBlock",
    "Usage",
    "decode_stream_event",
]

StopReason = Literal[
    "end_turn",
    "max_tokens",
    "model_context_window_exceeded",
    "pause_turn",
    "refusal",
    "stop_sequence",
    "tool_use",
]
"""The stop reasons that are ever written; ``compaction`` is not (wire-mapping 4.8)."""


class CacheCreation(Struct, kw_only=True):
    """Cache writes by lifetime; always zero, as the upstream does not tell lifetimes apart."""

    ephemeral_5m_input_tokens: int = 0
    ephemeral_1h_input_tokens: int = 0


class OutputTokensDetails(Struct, kw_only=True):
    """What part of the output was thinking."""

    thinking_tokens: int


class ServerToolUsage(Struct, kw_only=True):
    """How often the upstream used its own tools."""

    web_search_requests: int
    web_fetch_requests: int = 0


class Usage(Struct, kw_only=True):
    """Token counts; ``input_tokens`` excludes what went through the cache (wire-mapping 4.10)."""

    input_tokens: int
    cache_creation_input_tokens: int = 0
    cache_read_input_tokens: int = 0
    output_tokens: int
    output_tokens_details: OutputTokensDetails | UnsetType = UNSET
    cache_creation: CacheCreation | UnsetType = UNSET
    server_tool_use: ServerToolUsage | UnsetType = UNSET
    service_tier: str | UnsetType = UNSET


class StopDetails(Struct, kw_only=True, tag_field="type", tag="refusal"):
    """Why the answer was refused."""

    category: None = None
    explanation: str | None = None


class ContextManagement(Struct, kw_only=True):
    """The echo of a request's ``context_management``: nothing was edited."""

    applied_edits: list[Raw]


class Citation(Struct, kw_only=True, tag_field="type", tag="web_search_result_location"):
    """A link between a stretch of text and a page."""

    url: str
    title: str
    cited_text: str
    encrypted_index: str = ""


class TextBlock(Struct, kw_only=True, tag_field="type", tag="text"):
    """Answer text; ``citations`` is there only when there are some."""

    text: str
    citations: list[Citation] | UnsetType = UNSET


class ThinkingBlock(Struct, kw_only=True, tag_field="type", tag="thinking"):
    """What the model thought, and the signature that carries its reasoning back."""

    thinking: str
    signature: str


class ToolUseBlock(Struct, kw_only=True, tag_field="type", tag="tool_use"):
    """A call of one of the client's tools; ``input`` keeps the model's own JSON text."""

    id: str
    name: str
    input: Raw


class ServerToolUseBlock(Struct, kw_only=True, tag_field="type", tag="server_tool_use"):
    """A search that the upstream made."""

    id: str
    name: str
    input: Raw


class SearchResult(Struct, kw_only=True, tag_field="type", tag="web_search_result"):
    """One page found."""

    url: str
    title: str
    encrypted_content: str = ""
    page_age: str | None = None


class SearchError(Struct, kw_only=True, tag_field="type", tag="web_search_tool_result_error"):
    """A search that failed."""

    error_code: str


class SearchResultBlock(Struct, kw_only=True, tag_field="type", tag="web_search_tool_result"):
    """What a search found, or why it found nothing."""

    tool_use_id: str
    content: list[SearchResult] | SearchError


Block: TypeAlias = TextBlock | ThinkingBlock | ToolUseBlock | ServerToolUseBlock | SearchResultBlock


class Message(Struct, kw_only=True):
    """A whole answer."""

    id: str
    type: Literal["message"] = "message"
    role: Literal["assistant"] = "assistant"
    model: str
    content: list[Block]
    stop_reason: StopReason | None = None
    stop_sequence: str | None = None
    stop_details: StopDetails | None = None
    usage: Usage
    context_management: ContextManagement | UnsetType = UNSET


class MessageStart(Struct, kw_only=True, tag_field="type", tag="message_start"):
    """The first event: the message as far as it is known."""

    message: Message


class Ping(Struct, tag_field="type", tag="ping"):
    """A sign of life."""


class BlockStart(Struct, kw_only=True, tag_field="type", tag="content_block_start"):
    """A block opens."""

    index: int
    content_block: Block


class TextDelta(Struct, kw_only=True, tag_field="type", tag="text_delta"):
    """More text of a text block."""

    text: str


class ThinkingDelta(Struct, kw_only=True, tag_field="type", tag="thinking_delta"):
    """More text of a thinking block."""

    thinking: str


class SignatureDelta(Struct, kw_only=True, tag_field="type", tag="signature_delta"):
    """The signature of a thinking block."""

    signature: str


class InputJsonDelta(Struct, kw_only=True, tag_field="type", tag="input_json_delta"):
    """More JSON text of a tool's input."""

    partial_json: str


class CitationsDelta(Struct, kw_only=True, tag_field="type", tag="citations_delta"):
    """One more citation of a text block."""

    citation: Citation


class BlockDelta(Struct, kw_only=True, tag_field="type", tag="content_block_delta"):
    """The open block grows."""

    index: int
    delta: TextDelta | ThinkingDelta | SignatureDelta | InputJsonDelta | CitationsDelta


class BlockStop(Struct, kw_only=True, tag_field="type", tag="content_block_stop"):
    """The open block is complete."""

    index: int


class MessageDelta(Struct, kw_only=True):
    """What ``message_delta`` changes in the message."""

    stop_reason: StopReason
    stop_sequence: str | None = None
    stop_details: StopDetails | UnsetType = UNSET


class MessageDeltaEvent(Struct, kw_only=True, tag_field="type", tag="message_delta"):
    """The answer's end: why it stopped and what it cost."""

    delta: MessageDelta
    usage: Usage
    context_management: ContextManagement | UnsetType = UNSET


class MessageStop(Struct, tag_field="type", tag="message_stop"):
    """The last event."""


class ErrorFrame(Struct, kw_only=True, tag_field="type", tag="error"):
    """An error after the status line is spent."""

    error: Raw
    request_id: str | UnsetType = UNSET


StreamEvent: TypeAlias = (
    MessageStart | Ping | BlockStart | BlockDelta | BlockStop | MessageDeltaEvent | MessageStop | ErrorFrame
)
"""Every event of a Messages stream."""

_STREAM_EVENT: msgspec.json.Decoder[StreamEvent] = msgspec.json.Decoder(StreamEvent)


def decode_stream_event(data: bytes) -> StreamEvent:
    """Decode the data of one frame of a stream that this package wrote.

    Raises:
        msgspec.DecodeError: the data is not such an event.
    """
    return _STREAM_EVENT.decode(data)
