"""The traffic of the benchmarks: what clients send and what the upstream answers, as prebuilt bytes.

Events are written by ``packyproxy.testing``, so they have the keys, the key order and the sizes of the real
API's: a text delta with its ``event:`` line is about 290 bytes.
"""

import json
import re
from collections.abc import Iterator, Mapping
from itertools import count
from types import MappingProxyType
from typing import Any, Protocol

from msgspec import Struct

from packyproxy.testing.upstream.encrypted_content import ReasoningVault
from packyproxy.testing.upstream.events import AnswerWriter, Ids
from packyproxy.testing.upstream.framing import frame
from packyproxy.testing.upstream.script import Call, Framing, Turn
from rig.upstream_server import STAMP

__all__ = [
    "SURFACES",
    "UPSTREAM_CONTENT",
    "UPSTREAM_ENDING",
    "MakeRequest",
    "Surface",
    "long_text",
    "messages_request",
    "mixed_answer",
    "small_answer",
    "stamped_delta",
    "text_answer",
    "unlike",
]

UPSTREAM_CONTENT = b'"response.output_text.delta"'
"""In the first frame that shows content, as the upstream wrote it."""

UPSTREAM_ENDING = b"}}\n\n"
"""In the last bytes of a whole answer, as the upstream wrote them."""

_DELTA_CHARACTERS = 9
_WORDS = (
    "the model answers in short pieces so that a reader sees them at once while the rest is still being made "
)
_SESSION = "eb557eef-d6a0-6f07-f5c8-aa69e3f0badd"
_QUESTION = b"Please answer question 00000000."
_ARGUMENTS = '{"path":"/src/main.py"}'
_PLAIN = Framing()


class MakeRequest(Protocol):
    """Makes a request of one surface, as its clients send it."""

    def __call__(
        self, *, body_bytes: int = 30_000, marker: int | None = None, is_stream: bool = True
    ) -> bytes:
        """Return a request with a system prompt, tools, a history and a question.

        Args:
            body_bytes: about this many, most of them in the tools' descriptions and the history.
            marker: written into the question as ``marker-<n>``.
            is_stream: ask for an SSE answer.
        """


class Surface(Struct, frozen=True):
    """One of the proxy's client protocols: what is posted where, and how the answers look."""

    name: str
    request: MakeRequest
    content_mark: bytes
    """Found in the read that brings the first content."""
    ending: bytes
    """Found in the last bytes of a whole answer."""


def messages_request(*, body_bytes: int = 30_000, marker: int | None = None, is_stream: bool = True) -> bytes:
    """Return a Messages request as Claude Code sends it; see ``MakeRequest``."""
    share = _share(body_bytes)
    body = {
        "model": "claude-opus-4-8",
        "max_tokens": 32_000,
        "system": [{"type": "text", "text": _prose(share), "cache_control": {"type": "ephemeral"}}],
        "messages": _history(share, _question(marker)),
        "tools": _tools(share),
        "metadata": {
            "user_id": json.dumps({"device_id": "0" * 64, "account_uuid": "", "session_id": _SESSION})
        },
        "stream": is_stream,
    }
    headers = {
        "accept": "application/json",
        "user-agent": "claude-cli/2.1.197 (external, sdk-cli)",
        "x-claude-code-session-id": _SESSION,
        "anthropic-version": "2023-06-01",
        "x-api-key": "client-key-1",
        "accept-encoding": "gzip, deflate, br, zstd",
    }
    return _post("/v1/messages?beta=true", headers, body)


def _chat_request(*, body_bytes: int = 30_000, marker: int | None = None, is_stream: bool = True) -> bytes:
    """Return a Chat Completions request as the openai SDK sends it, of the same content."""
    share = _share(body_bytes)
    body: dict[str, Any] = {
        "model": "gpt-5",
        "messages": [
            {"role": "system", "content": _prose(share)},
            *_chat_history(share, _question(marker)),
        ],
        "tools": [
            {
                "type": "function",
                "function": {
                    "name": tool["name"],
                    "description": tool["description"],
                    "parameters": tool["input_schema"],
                },
            }
            for tool in _tools(share)
        ],
        "stream": is_stream,
    }
    if is_stream:
        body["stream_options"] = {"include_usage": True}
    headers = {
        "accept": "application/json",
        "user-agent": "AsyncOpenAI/Python 3.52.0",
        "authorization": "Bearer client-key-1",
        "accept-encoding": "gzip, deflate, br, zstd",
    }
    return _post("/v1/chat/completions", headers, body)


def _responses_request(
    *, body_bytes: int = 30_000, marker: int | None = None, is_stream: bool = True
) -> bytes:
    """Return a Responses request as the Codex CLI sends it, of the same content."""
    share = _share(body_bytes)
    body = {
        "model": "gpt-5",
        "instructions": _prose(share),
        "input": _items(share, _question(marker)),
        "tools": [
            {
                "type": "function",
                "name": tool["name"],
                "description": tool["description"],
                "strict": False,
                "parameters": tool["input_schema"],
            }
            for tool in _tools(share)
        ],
        "tool_choice": "auto",
        "parallel_tool_calls": True,
        "reasoning": {"summary": "auto"},
        "store": False,
        "stream": is_stream,
        "include": ["reasoning.encrypted_content"],
        "prompt_cache_key": _SESSION,
    }
    headers = {
        "accept": "text/event-stream",
        "originator": "codex_exec",
        "user-agent": "codex_exec/0.169.0 (Debian 12; x86_64) unknown",
        "session-id": _SESSION,
        "thread-id": _SESSION,
        "x-client-request-id": _SESSION,
        "x-codex-window-id": f"{_SESSION}:0",
        "authorization": "Bearer client-key-1",
    }
    return _post("/v1/responses", headers, body)


SURFACES: Mapping[str, Surface] = MappingProxyType(
    {
        surface.name: surface
        for surface in (
            Surface("messages", messages_request, b'"content_block_delta"', b'"message_stop"'),
            Surface("chat", _chat_request, b'"delta":{"content":', b"data: [DONE]"),
            Surface("responses", _responses_request, UPSTREAM_CONTENT, UPSTREAM_ENDING),
        )
    }
)
"""By name; their requests hold the same conversation in about 30 KB each."""


def unlike(request: bytes) -> Iterator[bytes]:
    """Yield a request again and again, each time with another question: no cache may know a whole body."""
    before, _, after = request.partition(_QUESTION)
    for number in count(1):
        yield before + b"Please answer question %08d." % number + after


def small_answer() -> tuple[bytes, ...]:
    """Return the frames of a short answer: 20 events, 12 of them text deltas."""
    return text_answer(20)


def text_answer(events: int) -> tuple[bytes, ...]:
    """Return the frames of a text answer; all but eight of them are deltas, each with a word or two."""
    deltas = events - 8
    frames = _frames(Turn(_prose(deltas * _DELTA_CHARACTERS), delta_characters=_DELTA_CHARACTERS))
    assert len(frames) == events, "created, in_progress, item and part opened, deltas, 3 done, completed"
    return frames


def long_text() -> tuple[tuple[bytes, ...], bytes, tuple[bytes, ...]]:
    """Return a text answer as its opening frames, one delta to repeat at will, and its closing frames."""
    frames = small_answer()
    return frames[:5], frames[6], frames[16:]


def stamped_delta() -> bytes:
    """Return the frame of a text delta that tells when it was written."""
    _, delta, _ = long_text()
    return re.sub(rb'"delta":"[^"]*"', b'"delta":"%b"' % STAMP, delta)


def mixed_answer() -> tuple[bytes, ...]:
    """Return the frames of reasoning, a text and two tool calls, with 20 KB of echoed instructions."""
    turn = Turn(
        _prose(200 * _DELTA_CHARACTERS),
        reasoning=[_prose(100 * _DELTA_CHARACTERS)],
        calls=[Call("Bash", {"command": _prose(300)}), Call("Grep", {"pattern": _prose(300)})],
        shows_summary_unasked=True,
        delta_characters=_DELTA_CHARACTERS,
    )
    return _frames(turn, instructions=_prose(20_000))


def _frames(turn: Turn, *, instructions: str | None = None) -> tuple[bytes, ...]:
    request: dict[str, Any] = {
        "model": "gpt-5",
        "instructions": instructions,
        "include": ["reasoning.encrypted_content"],
        "reasoning": {"effort": "high", "summary": "auto"},
        "store": False,
    }
    writer = AnswerWriter(
        request,
        request_bytes=30_000,
        ids=Ids("bench"),
        vault=ReasoningVault("bench"),
        created_at=1_795_224_607,
    )
    return tuple(frame(event, _PLAIN) for event in writer.turn(turn))


def _prose(characters: int) -> str:
    return (_WORDS * (characters // len(_WORDS) + 1))[:characters]


def _share(body_bytes: int) -> int:
    """Return how many characters the system prompt, the tools and the history have each."""
    return max(1, (body_bytes - 2_500) // 3)


def _post(target: str, headers: Mapping[str, str], body: Mapping[str, Any]) -> bytes:
    content = json.dumps(body, separators=(",", ":")).encode()
    fields = {
        "host": "127.0.0.1",
        "content-type": "application/json",
        **headers,
        "content-length": str(len(content)),
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"POST {target} HTTP/1.1\r\n{head}\r\n".encode() + content


def _question(marker: int | None) -> str:
    return _QUESTION.decode() if marker is None else f"{_QUESTION.decode()} marker-{marker}"


def _history(characters: int, question: str) -> list[dict[str, Any]]:
    """Two turns with a tool call each, then the question."""
    result = _prose(characters // 2)
    messages: list[dict[str, Any]] = [{"role": "user", "content": "Look around."}]
    for number in range(2):
        call = {
            "type": "tool_use",
            "id": f"toolu_{number}",
            "name": "Tool0",
            "input": {"path": "/src/main.py"},
        }
        answer = {"type": "tool_result", "tool_use_id": f"toolu_{number}", "content": result}
        messages.append({"role": "assistant", "content": [{"type": "text", "text": "I will look."}, call]})
        messages.append({"role": "user", "content": [answer]})
    messages.append({"role": "assistant", "content": [{"type": "text", "text": "I have looked."}]})
    messages.append({"role": "user", "content": [{"type": "text", "text": question}]})
    return messages


def _chat_history(characters: int, question: str) -> list[dict[str, Any]]:
    """``_history`` as Chat has it."""
    messages: list[dict[str, Any]] = [{"role": "user", "content": "Look around."}]
    for number in range(2):
        call = {
            "id": f"call_{number}",
            "type": "function",
            "function": {"name": "Tool0", "arguments": _ARGUMENTS},
        }
        messages.append({"role": "assistant", "content": "I will look.", "tool_calls": [call]})
        messages.append(
            {"role": "tool", "tool_call_id": f"call_{number}", "content": _prose(characters // 2)}
        )
    messages.append({"role": "assistant", "content": "I have looked."})
    messages.append({"role": "user", "content": question})
    return messages


def _items(characters: int, question: str) -> list[dict[str, Any]]:
    """``_history`` as Responses has it."""

    def message(role: str, text: str) -> dict[str, Any]:
        part = {"type": "output_text" if role == "assistant" else "input_text", "text": text}
        return {"type": "message", "role": role, "content": [part]}

    items = [message("user", "Look around.")]
    for number in range(2):
        call_id = f"call_{number}"
        items.append(message("assistant", "I will look."))
        items.append({"type": "function_call", "call_id": call_id, "name": "Tool0", "arguments": _ARGUMENTS})
        items.append({"type": "function_call_output", "call_id": call_id, "output": _prose(characters // 2)})
    return [*items, message("assistant", "I have looked."), message("user", question)]


def _tools(characters: int) -> list[dict[str, Any]]:
    schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "properties": {
            "path": {"type": "string", "description": "Where to look"},
            "limit": {"type": "number"},
        },
        "required": ["path"],
        "additionalProperties": False,
    }
    number_of_tools = 10
    return [
        {
            "name": f"Tool{number}",
            "description": _prose(characters // number_of_tools),
            "input_schema": schema,
        }
        for number in range(number_of_tools)
    ]
