"""The grammar of a Messages stream as a table: (state, event) -> state."""

import json
from typing import Any

TABLE = {
    ("begin", "message_start"): "between",
    ("between", "ping"): "between",
    ("between", "content_block_start"): "block",
    ("between", "message_delta"): "ended",
    ("block", "content_block_delta"): "block",
    ("block", "content_block_stop"): "between",
    ("ended", "message_stop"): "over",
}

DELTAS = {
    "text": {"text_delta", "citations_delta"},
    "thinking": {"thinking_delta", "signature_delta"},
    "tool_use": {"input_json_delta"},
    "server_tool_use": {"input_json_delta"},
    "web_search_tool_result": set[str](),
}


def read(stream: bytes) -> list[dict[str, Any]]:
    """Return the events of a stream, each of exactly one ``event`` and one ``data`` line."""
    events = []
    for frame in stream.split(b"\n\n")[:-1]:
        name, data = frame.split(b"\n")
        event = json.loads(data.removeprefix(b"data: "))
        assert name == b"event: " + event["type"].encode()
        events.append(event)
    return events


def walk(stream: bytes) -> str:
    """Check a stream against the grammar and return the state it ends in."""
    state, index, kind, is_signed = "begin", -1, "", False
    for event in read(stream):
        state = TABLE[state, event["type"]]
        if event["type"] == "content_block_start":
            index += 1
            kind, is_signed = event["content_block"]["type"], False
        if event["type"].startswith("content_block_"):
            assert event["index"] == index
        if event["type"] == "content_block_delta":
            assert event["delta"]["type"] in DELTAS[kind]
            assert not is_signed, "nothing follows a signature"
            is_signed = event["delta"]["type"] == "signature_delta"
            assert event["delta"].get("text") != ""
        if event["type"] == "content_block_stop" and kind == "thinking":
            assert is_signed
    return state
