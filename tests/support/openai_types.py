"""The openai SDK's types as schemas of what a server must send, and its bytes read by them.

Validation is pydantic's strict one: a required field that is absent, and a value of another type, are errors.
"""

from collections.abc import Iterator
from typing import Any, get_args

import msgspec
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import BaseModel

__all__ = [
    "DONE",
    "RESPONSE_FIELDS",
    "Frame",
    "is_lifecycle",
    "read_chunk",
    "read_completion",
    "read_event",
    "read_frames",
    "read_response",
]

DONE = b"[DONE]"

RESPONSE_FIELDS = frozenset(
    {
        "background",
        "completed_at",
        "created_at",
        "error",
        "id",
        "incomplete_details",
        "instructions",
        "max_output_tokens",
        "max_tool_calls",
        "metadata",
        "model",
        "object",
        "output",
        "parallel_tool_calls",
        "previous_response_id",
        "prompt_cache_key",
        "reasoning",
        "safety_identifier",
        "service_tier",
        "status",
        "store",
        "temperature",
        "text",
        "tool_choice",
        "tools",
        "top_logprobs",
        "top_p",
        "truncation",
        "usage",
    }
)
"""What the Open Responses specification requires of a response, as far as the upstream's own has it."""

_LIFECYCLE = ("created", "queued", "in_progress", "completed", "incomplete", "failed")
_UNION: Any = get_args(ResponseStreamEvent)[0]
_EVENTS: dict[str, type[BaseModel]] = {
    name: model for model in get_args(_UNION) for name in get_args(model.model_fields["type"].annotation)
}


class Frame(msgspec.Struct, frozen=True):
    """One SSE frame as it was written."""

    event: str | None
    data: bytes


def read_frames(body: bytes) -> list[Frame]:
    """Cut a stream as it must be written: an optional event line, one data line, a blank line; comments between."""
    return list(_cut(body))


def read_event(data: bytes) -> Any:
    """Read one event of a Responses stream."""
    return _EVENTS[msgspec.json.decode(data)["type"]].model_validate_json(data, strict=True)


def read_response(body: bytes) -> Response:
    """Read a whole response."""
    return Response.model_validate_json(body, strict=True)


def read_chunk(data: bytes) -> ChatCompletionChunk:
    """Read one chunk of a Chat stream."""
    return ChatCompletionChunk.model_validate_json(data, strict=True)


def read_completion(body: bytes) -> ChatCompletion:
    """Read a whole completion."""
    return ChatCompletion.model_validate_json(body, strict=True)


def is_lifecycle(event: Any) -> bool:
    """Tell whether an event carries the whole response."""
    return event.type.removeprefix("response.") in _LIFECYCLE


def _cut(body: bytes) -> Iterator[Frame]:
    assert body.endswith(b"\n\n")
    for text in body.split(b"\n\n")[:-1]:
        if text.startswith(b":"):
            continue
        *event, data = text.split(b"\n")
        assert data.startswith(b"data: ")
        assert len(event) <= 1
        assert all(line.startswith(b"event: ") for line in event)
        yield Frame(event[0][7:].decode() if event else None, data[6:])
