"""What a recording has of a request: sizes and words of the protocol, and nothing of anybody's."""

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from packyproxy.testing.cassettes.recorded_request import (
    InputItem,
    RecordedRequest,
    RecordedTool,
    is_summary,
    summarise,
)

BODY = {
    "model": "gpt-5",
    "stream": True,
    "reasoning": {"effort": "high"},
    "input": [{"role": "user", "content": "Hi"}, {"type": "function_call", "name": "ls"}, "odd"],
    "tools": [{"type": "function", "name": "ls"}, {"type": "secret"}],
    "x-own": 1,
}


def summary(body: bytes, path: str = "/v1/responses", method: str = "POST") -> RecordedRequest:
    """Summarise a request of the first of 2027."""
    return summarise(at=1798761600.5, upstream=2, method=method, path=path, body=body)


def test_a_request() -> None:
    """Types, sizes and the words that say what was asked for."""
    body = msgspec.json.encode(BODY)
    expected = RecordedRequest(
        at="2027-01-01T00:00:00.500Z",
        upstream=2,
        method="POST",
        path="/responses",
        bytes=len(body),
        model="gpt-5",
        effort="high",
        stream=True,
        fields={"model": 7, "stream": 4, "reasoning": 17, "input": 75, "tools": 51, "other": 1},
        input=[
            InputItem(type="message", role="user", bytes=30),
            InputItem(type="function_call", bytes=36),
            InputItem(type="message", bytes=5),
        ],
        tools=[RecordedTool(type="function", bytes=31), RecordedTool(type="other", bytes=17)],
    )
    assert expected == summary(body)


@pytest.mark.parametrize(
    "body",
    [b"", b"no JSON", b"[]", b'{"model":1,"input":"Hi","tools":{},"reasoning":[],"stream":"yes"}'],
    ids=["empty", "text", "list", "odd"],
)
def test_any_body(body: bytes) -> None:
    """What cannot be read is left out."""
    found = summary(body)
    assert (len(body), "", "", False) == (found.bytes, found.model, found.effort, found.stream)
    assert ([], []) == (found.input, found.tools)


@pytest.mark.parametrize(
    ("member", "value"),
    [("model", "my-model"), ("effort", "my-effort"), ("method", "MINE"), ("role", "my-role")],
)
def test_words_of_ones_own(member: str, value: str) -> None:
    """They are not kept."""
    body = {"model": "gpt-5", "reasoning": {"effort": "low"}, "input": [{"role": "user"}], "method": "POST"}
    match member:
        case "effort":
            body["reasoning"] = {"effort": value}
        case "role":
            body["input"] = [{"role": value}]
        case _:
            body[member] = value
    method = str(body.pop("method"))
    assert value.encode() not in msgspec.json.encode(summary(msgspec.json.encode(body), method=method))


def test_a_summary_is_known_as_one() -> None:
    """Also when it was made of odd requests."""
    assert all(is_summary(summary(body)) for body in (msgspec.json.encode(BODY), b'{"model":"a"}', b""))


@pytest.mark.parametrize(
    "changes",
    [
        {"at": "yesterday"},
        {"method": "MINE"},
        {"path": "/v1/secret"},
        {"model": "mine"},
        {"effort": "mine"},
        {"fields": {"mine": 1}},
        {"input": [InputItem(type="mine", bytes=1)]},
        {"input": [InputItem(type="message", role="mine", bytes=1)]},
        {"tools": [RecordedTool(type="mine", bytes=1)]},
    ],
    ids=str,
)
def test_what_is_no_summary(changes: dict[str, Any]) -> None:
    """A word of somebody's own anywhere gives it away."""
    assert not is_summary(replace(summary(b"{}"), **changes))
