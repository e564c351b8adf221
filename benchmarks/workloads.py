"""The traffic of the benchmarks: what clients send and what the upstream answers, as prebuilt bytes.

Events are written by ``packyproxy.testing``, so they have the keys, the key order and the sizes of the real
API's: a text delta with its ``event:`` line is about 290 bytes.
"""

import json
from collections.abc import Iterator
from itertools import count
from typing import Any

from packyproxy.testing.encrypted_content import ReasoningVault
from packyproxy.testing.events import AnswerWriter, Ids
from packyproxy.testing.framing import frame
from packyproxy.testing.script import Call, Framing, Turn

__all__ = ["UPSTREAM_CONTENT", "long_text", "messages_request", "mixed_answer", "small_answer", "unlike"]

UPSTREAM_CONTENT = b'"response.output_text.delta"'
"""In the first frame that shows content, as the upstream wrote it."""

_DELTA_CHARACTERS = 9
_WORDS = (
    "the model answers in short pieces so that a reader sees them at once while the rest is still being made "
)
_SESSION = "eb557eef-d6a0-6f07-f5c8-aa69e3f0badd"
_QUESTION = b"Please answer question 00000000."
_PLAIN = Framing()


def messages_request(*, body_bytes: int = 30_000, marker: int | None = None, is_stream: bool = True) -> bytes:
    """Return a Messages request as Claude Code sends it: a system prompt, tools, a history and a question.

    Args:
        body_bytes: about this many, most of them in the tools' descriptions and the history.
        marker: written into the question as ``marker-<n>``.
        is_stream: ask for an SSE answer.
    """
    question = _QUESTION.decode() if marker is None else f"{_QUESTION.decode()} marker-{marker}"
    share = max(1, (body_bytes - 2_500) // 3)
    body = json.dumps(
        {
            "model": "claude-opus-4-8",
            "max_tokens": 32_000,
            "system": [{"type": "text", "text": _prose(share), "cache_control": {"type": "ephemeral"}}],
            "messages": _history(share, question),
            "tools": _tools(share),
            "metadata": {
                "user_id": json.dumps({"device_id": "0" * 64, "account_uuid": "", "session_id": _SESSION})
            },
            "stream": is_stream,
        },
        separators=(",", ":"),
    ).encode()
    head = (
        b"POST /v1/messages?beta=true HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: application/json\r\n"
        b"content-type: application/json\r\nuser-agent: claude-cli/2.1.197 (external, sdk-cli)\r\n"
        b"x-claude-code-session-id: " + _SESSION.encode() + b"\r\n"
        b"anthropic-version: 2023-06-01\r\nx-api-key: client-key-1\r\n"
        b"accept-encoding: gzip, deflate, br, zstd\r\n"
    )
    return head + b"content-length: %d\r\n\r\n" % len(body) + body


def unlike(request: bytes) -> Iterator[bytes]:
    """Yield a request again and again, each time with another question: no cache may know a whole body."""
    before, _, after = request.partition(_QUESTION)
    for number in count(1):
        yield before + b"Please answer question %08d." % number + after


def small_answer() -> tuple[bytes, ...]:
    """Return the frames of a short answer: 20 events, 12 of them text deltas."""
    frames = _frames(Turn(_prose(12 * _DELTA_CHARACTERS), delta_characters=_DELTA_CHARACTERS))
    assert len(frames) == 20, "created, in_progress, item and part opened, 12 deltas, 3 done, completed"
    return frames


def long_text() -> tuple[tuple[bytes, ...], bytes, tuple[bytes, ...]]:
    """Return a text answer as its opening frames, one delta to repeat at will, and its closing frames."""
    frames = small_answer()
    return frames[:5], frames[6], frames[16:]


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
