"""Law: no request of a few megabytes keeps the event loop for long, however often it repeats something."""

import json
import time
from typing import Any

import pytest

from packyproxy.errors import InvalidRequest
from packyproxy.translate.contract import AttemptFacts, Capabilities
from tests.laws.request_protocols import REQUESTS, RequestsUnderTest, target
from tests.laws.request_strategies import Body

MESSAGES, CHAT, RESPONSES = REQUESTS
TARGET = target("gpt-5", Capabilities())
NOTHING = AttemptFacts()
REFUSED = AttemptFacts(removed_parameters=frozenset({"detail", "strict", "phase", "include[y]"}))
"""What makes it take every item, part and tool of a Responses request apart."""
SECONDS = 15.0
"""A generous limit for a busy machine: each takes well under a second, and quadratic code took over twenty."""


def blocks(role: str, block: Body, times: int) -> Body:
    return {"messages": [{"role": role, "content": [block] * times}]}


def schema(root: Body) -> Body:
    return {"tools": [{"name": "t", "strict": True, "input_schema": root}]}


def calls(times: int, **call: Any) -> Body:
    return {"role": "assistant", "tool_calls": [{"id": "c", **call}] * times}


def said(role: str, times: int, **fields: Any) -> Body:
    return {"messages": [{"role": role, **fields}] * times}


def functions(times: int) -> list[Body]:
    return [{"type": "function", "function": {"name": f"f{number}"}} for number in range(times)]


NAMES = [f"p{number}" for number in range(60_000)]
OF_MESSAGES: dict[str, Body] = {
    "one id for all calls": blocks(
        "assistant", {"type": "tool_use", "id": "c", "name": "f", "input": {}}, 20_000
    ),
    "server calls in a user message": blocks(
        "user", {"type": "mcp_tool_use", "id": "c", "name": "f"}, 12_000
    ),
    "compactions": blocks("user", {"type": "compaction", "content": "x"}, 15_000),
    "browser states": blocks(
        "user",
        {"type": "tool_result", "tool_use_id": "c", "content": [{"type": "browser_state"}] * 24_000},
        1,
    ),
    "variants of a schema": schema({"anyOf": [{"required": NAMES[:300]}] * 5000}),
    "required properties": schema(
        {
            "type": "object",
            "additionalProperties": False,
            "properties": {name: {} for name in NAMES},
            "required": NAMES,
        }
    ),
}


NAMED = {"name": "f", "arguments": "{}"}
IMAGE = {"type": "image_url", "image_url": {"url": "data:x," + "A" * 2_000_000}}
OF_CHAT: dict[str, Body] = {
    "one id for all calls": {"messages": [calls(20_000, type="function", function=NAMED)]},
    "calls of unknown kinds": {"messages": [calls(20_000, type="hologram")]},
    "functions without answers": said("assistant", 20_000, function_call=NAMED),
    "answers without functions": said("function", 20_000, name="f", content="x"),
    "outputs without calls": said("tool", 20_000, tool_call_id="c", content="x"),
    "instructions": said("system", 40_000, content="x"),
    "parts": said("user", 1, content=[{"type": "text", "text": "x"}] * 60_000),
    "data URLs": said("user", 1, content=[IMAGE] * 3),
    "allowed tools": {
        "tools": functions(10_000),
        "tool_choice": {
            "type": "allowed_tools",
            "allowed_tools": {"mode": "auto", "tools": functions(10_000)},
        },
    },
}
OF_RESPONSES: dict[str, Body] = {
    "items": {"input": [{"type": "function_call", "id": "fc_1", "call_id": "c", "name": "f"}] * 50_000},
    "parts with marks": {
        "input": [{"role": "user", "content": [{"text": "x", "prompt_cache_breakpoint": {}}] * 100_000}]
    },
    "odd items": {"input": [{"type": "x", "id": 5}] * 50_000},
    "tools": {"input": [], "tools": [{"type": "function", "name": "f", "parameters": {}}] * 50_000},
    "nested tools": {"input": [], "tools": [{"type": "namespace", "tools": [{"name": "f"}] * 1000}] * 50},
    "included": {"input": [], "include": ["x"] * 200_000},
}

LEAST: dict[str, Body] = {
    "messages": {"max_tokens": 9, "messages": [{"role": "user", "content": "x"}]},
    "chat": {"messages": [{"role": "user", "content": "x"}]},
    "responses": {"input": "x"},
}
"""What a request of a protocol must have."""

CASES = [
    pytest.param(protocol, learned, fields, id=f"{protocol.name}: {name}")
    for protocol, learned, cases in (
        (MESSAGES, NOTHING, OF_MESSAGES),
        (CHAT, NOTHING, OF_CHAT),
        (RESPONSES, REFUSED, OF_RESPONSES),
    )
    for name, fields in cases.items()
]


@pytest.mark.parametrize(("protocol", "learned", "fields"), CASES)
def test_repetition_stays_cheap(protocol: RequestsUnderTest, learned: AttemptFacts, fields: Body) -> None:
    """Many of anything cost no more than their number."""
    raw = json.dumps({"model": "m", **LEAST[protocol.name], **fields}).encode()
    started = time.perf_counter()
    protocol.translate(raw, TARGET, learned)
    assert time.perf_counter() - started < SECONDS


@pytest.mark.parametrize(
    "text",
    [r"\n" * 6_000_000, r"\n" * 6_000_000 + r"\ud83d", r"\u3000" * 4_000_000],
    ids=["escapes", "a lone surrogate behind escapes", "wide blanks"],
)
@pytest.mark.parametrize("end", ["", "x"], ids=["whole", "broken"])
def test_long_texts_stay_cheap(text: str, end: str) -> None:
    """Mending and looking for blanks read a text a fixed number of times."""
    raw = f'{{"model":"m","max_tokens":9,"messages":[{{"role":"user","content":"{text}"}}]}}{end}'.encode()
    started = time.perf_counter()
    if end:
        with pytest.raises(InvalidRequest):
            MESSAGES.read(raw)
    else:
        MESSAGES.translate(raw, TARGET, NOTHING)
    assert time.perf_counter() - started < SECONDS
