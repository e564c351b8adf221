"""The answer half of Chat Completions: the chunks of its stream, and the completion they add up to.

Field names and order are the protocol's own, with ``reasoning_content``, which many servers add to it. What
is ``UNSET`` was not in the stream, or has no place in the answer.
"""

from typing import Literal, TypeAlias

import msgspec
from msgspec import UNSET, Struct, UnsetType

__all__ = [
    "Annotation",
    "CallDelta",
    "Choice",
    "Chunk",
    "ChunkChoice",
    "Completion",
    "CompletionMessage",
    "CompletionTokensDetails",
    "CustomCall",
    "Delta",
    "FinishReason",
    "FunctionCall",
    "PromptTokensDetails",
    "ToolCall",
    "UrlCitation",
    "Usage",
    "decode_chunk",
]

FinishReason: TypeAlias = Literal["stop", "length", "tool_calls", "content_filter", "function_call"]
"""Why an answer ended."""


class PromptTokensDetails(Struct, kw_only=True):
    """What part of the prompt came from, or went to, the prompt cache."""

    cached_tokens: int = 0
    cache_write_tokens: int | UnsetType = UNSET


class CompletionTokensDetails(Struct, kw_only=True):
    """What part of the completion was reasoning."""

    reasoning_tokens: int = 0


class Usage(Struct, kw_only=True):
    """Token counts; ``prompt_tokens`` includes cached ones, ``completion_tokens`` reasoning."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptTokensDetails
    completion_tokens_details: CompletionTokensDetails


class UrlCitation(Struct, kw_only=True):
    """A link; the indexes count characters of the message's whole content."""

    start_index: int
    end_index: int
    title: str
    url: str


class Annotation(Struct, kw_only=True, tag_field="type", tag="url_citation"):
    """A mark on the content."""

    url_citation: UrlCitation


class FunctionCall(Struct, kw_only=True):
    """A function and its arguments, as JSON text; in a delta, the name once and the arguments in pieces."""

    name: str | UnsetType = UNSET
    arguments: str = ""


class CustomCall(Struct, kw_only=True):
    """A custom tool and its input, which is free text; in a delta as ``FunctionCall``."""

    name: str | UnsetType = UNSET
    input: str = ""


class CallDelta(Struct, kw_only=True):
    """More of the call with that index; id, type and name come with the first delta only.

    On the wire, calls of custom tools are ``function`` ones too (wire-mapping 6.4); ``custom`` is for the
    non-stream answer.
    """

    index: int
    id: str | UnsetType = UNSET
    type: Literal["function", "custom"] | UnsetType = UNSET
    function: FunctionCall | UnsetType = UNSET
    custom: CustomCall | UnsetType = UNSET


class Delta(Struct, kw_only=True):
    """What a chunk adds to the message."""

    role: Literal["assistant"] | UnsetType = UNSET
    content: str | UnsetType | None = UNSET
    reasoning_content: str | UnsetType = UNSET
    refusal: str | UnsetType = UNSET
    annotations: list[Annotation] | UnsetType = UNSET
    tool_calls: list[CallDelta] | UnsetType = UNSET
    function_call: FunctionCall | UnsetType = UNSET


class ChunkChoice(Struct, kw_only=True):
    """The one choice of a chunk."""

    index: int = 0
    delta: Delta
    logprobs: None = None
    finish_reason: FinishReason | None = None


class Chunk(Struct, kw_only=True):
    """One event of a stream; the one that tells the usage has no choice."""

    id: str
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    created: int
    model: str
    choices: list[ChunkChoice]
    usage: Usage | UnsetType | None = UNSET
    service_tier: str | UnsetType = UNSET


class ToolCall(Struct, kw_only=True):
    """A whole call, of a function or of a custom tool."""

    id: str
    type: Literal["function", "custom"]
    function: FunctionCall | UnsetType = UNSET
    custom: CustomCall | UnsetType = UNSET


class CompletionMessage(Struct, kw_only=True):
    """The message of a whole answer."""

    role: Literal["assistant"] = "assistant"
    content: str | None
    reasoning_content: str | UnsetType = UNSET
    refusal: str | None = None
    annotations: list[Annotation]
    tool_calls: list[ToolCall] | UnsetType = UNSET
    function_call: FunctionCall | UnsetType = UNSET


class Choice(Struct, kw_only=True):
    """The one choice of a whole answer."""

    index: int = 0
    message: CompletionMessage
    logprobs: None = None
    finish_reason: FinishReason | None


class Completion(Struct, kw_only=True):
    """A whole answer."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[Choice]
    usage: Usage | None
    service_tier: str
    system_fingerprint: None = None


_CHUNK = msgspec.json.Decoder(Chunk)


def decode_chunk(data: bytes) -> Chunk:
    """Decode the data of one frame of a stream that this package wrote.

    Raises:
        msgspec.DecodeError: the data is no chunk.
    """
    return _CHUNK.decode(data)
