"""Law: no request of a few megabytes keeps the event loop for long, however often it repeats something."""

import json
import time
from typing import Any

import pytest

from packyproxy.errors import InvalidRequest
from packyproxy.translate.contract import Target
from packyproxy.translate.messages.request import read, to_responses

TARGET = Target(model="gpt-5", scope="1f2e3d4c5b", efforts=("low",))
SECONDS = 15.0
"""A generous limit for a busy machine: each takes well under a second, and quadratic code took over twenty."""


def blocks(role: str, block: dict[str, Any], times: int) -> dict[str, Any]:
    return {"messages": [{"role": role, "content": [block] * times}]}


def schema(root: dict[str, Any]) -> dict[str, Any]:
    return {"tools": [{"name": "t", "strict": True, "input_schema": root}]}


NAMES = [f"p{number}" for number in range(60_000)]
CASES = {
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


@pytest.mark.parametrize("fields", CASES.values(), ids=CASES)
def test_repetition_stays_cheap(fields: dict[str, Any]) -> None:
    """Many of anything cost no more than their number."""
    body = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}], **fields}
    raw = json.dumps(body).encode()
    started = time.perf_counter()
    to_responses(read(raw), TARGET)
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
            read(raw)
    else:
        to_responses(read(raw), TARGET)
    assert time.perf_counter() - started < SECONDS
