"""Folding a stream into the non-stream message."""

import json
from typing import Any

import pytest

from packyproxy.translate.messages import frames
from packyproxy.translate.messages.blocks import BlockWriter
from packyproxy.translate.messages.fold import fold
from packyproxy.wire.messages_events import Citation, Usage


def folded(blocks: bytes = b"", **end: Any) -> dict[str, Any]:
    """Fold a stream of the given blocks."""
    start = frames.message_start("msg_1", "claude-x", input_tokens=9, service_tier="standard")
    ending = frames.message_end("end_turn", Usage(input_tokens=1, output_tokens=2), **end)
    message: dict[str, Any] = json.loads(fold(start + frames.PING + blocks + ending))
    return message


def test_empty_message() -> None:
    """A message has exactly the protocol's keys; the final usage replaces the estimate."""
    assert {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-x",
        "content": [],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "stop_details": None,
        "usage": {
            "input_tokens": 1,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": 2,
            "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
            "service_tier": "standard",
        },
    } == folded()


def test_context_management_only_when_echoed() -> None:
    """The key is there only when the stream had it."""
    assert {"applied_edits": []} == folded(echoes_context_management=True)["context_management"]


INPUTS = {
    "nothing": ("", {}),
    "object": ('{"a": 1.10}', {"a": 1.10}),
    "cut": ('{"a":', {"__invalid_json": '{"a":'}),
    "list": ("[1]", {"__invalid_json": "[1]"}),
    "null": ("null", {"__invalid_json": "null"}),
    "too deep": ("[" * 5000, {"__invalid_json": "[" * 5000}),
}


@pytest.mark.parametrize(("arguments", "expected"), INPUTS.values(), ids=INPUTS.keys())
def test_tool_input(arguments: str, expected: dict[str, Any]) -> None:
    """Arguments become an object; what is none is kept as text."""
    blocks = BlockWriter()
    stream = blocks.open_tool("t", "f") + blocks.argue(json.dumps(arguments).encode()) + blocks.close()
    assert [{"type": "tool_use", "id": "t", "name": "f", "input": expected}] == folded(stream)["content"]


def test_numbers_in_tool_input_keep_their_digits() -> None:
    """The input is the model's own JSON text."""
    blocks = BlockWriter()
    stream = blocks.open_tool("t", "f") + blocks.argue(rb'"{\"a\":1.10}"') + blocks.close()
    start = frames.message_start("m", "m", input_tokens=1, service_tier="standard")
    assert b'"input":{"a":1.10}' in fold(start + stream)


def test_text_with_citations() -> None:
    """Citations become a key of their block; a block without any has no such key."""
    blocks = BlockWriter()
    cited = Citation(url="u", title="t", cited_text="c")
    stream = blocks.open_text() + blocks.text(b'"a"') + blocks.cite(cited) + blocks.close()
    stream += blocks.open_text() + blocks.text(b'"b"') + blocks.close()
    assert [
        {
            "type": "text",
            "text": "a",
            "citations": [
                {
                    "type": "web_search_result_location",
                    "url": "u",
                    "title": "t",
                    "cited_text": "c",
                    "encrypted_index": "",
                }
            ],
        },
        {"type": "text", "text": "b"},
    ] == folded(stream)["content"]
