"""The whole answer of a Responses client: what its last event holds, made complete."""

import json
from typing import Any

import pytest
from openai.types.responses import Response

from packyproxy.translate.responses import stream
from packyproxy.translate.responses.facts import ResponsesFacts
from packyproxy.translate.responses.fold import fold
from packyproxy.translate.responses.frames import frame
from packyproxy.translate.responses.stream import ResponsesWriter

ITEM = {"type": "message", "id": "m", "content": []}


def frames(*events: dict[str, Any]) -> bytes:
    """Return what a writer makes of some events."""
    writer = ResponsesWriter(
        ResponsesFacts(model="mine", scope="0" * 10, original_names={}),
        answer_id="resp_1",
        request_id="req_1",
    )
    return b"".join(writer.event(writer.decode(json.dumps(event).encode())) for event in events)


def ended(**response: Any) -> dict[str, Any]:
    """Return the event that ends an answer."""
    return {"type": "response.completed", "response": {"id": "r", "output": [], **response}}


def done(number: int, **fields: Any) -> dict[str, Any]:
    """Return the end of an item."""
    return {"type": "response.output_item.done", "output_index": number, "item": {**ITEM, **fields}}


def test_answer_is_the_last_response() -> None:
    """Everything in it is kept, also what nobody knows, in its order."""
    response = {
        "id": "r",
        "model": "mine",
        "new": {"b": 1, "a": [2]},
        "output": [ITEM],
        "status": "incomplete",
    }
    written = frames(done(0), {"type": "response.incomplete", "response": response})
    assert list(response.items()) == list(json.loads(fold(written)).items())


def test_output_of_a_response_that_lists_none() -> None:
    """The items that were done are the output."""
    assert [ITEM] == json.loads(fold(frames(done(0), ended())))["output"]


def test_output_that_was_too_large_to_keep(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the writer had to forget still stands in its frames."""
    monkeypatch.setattr(stream, "MAX_KEPT_BYTES", 100)
    written = frames(done(1, id="b"), done(0, id="a"), {"type": "response.output_text.delta"}, ended())
    assert b'"output": []' in written or b'"output":[]' in written
    assert ["a", "b"] == [item["id"] for item in json.loads(fold(written))["output"]]


USAGES: dict[str, tuple[Any, Any]] = {
    "whole": (
        {
            "input_tokens_details": {"cached_tokens": 2, "cache_write_tokens": 1},
            "output_tokens_details": {"reasoning_tokens": 3},
        },
        {
            "input_tokens_details": {"cached_tokens": 2, "cache_write_tokens": 1},
            "output_tokens_details": {"reasoning_tokens": 3},
        },
    ),
    "without details": (
        {"input_tokens": 5},
        {
            "input_tokens": 5,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens_details": {"reasoning_tokens": 0},
        },
    ),
    "with some details": (
        {"input_tokens_details": {"cached_tokens": 2, "new": 1}, "output_tokens_details": None},
        {
            "input_tokens_details": {"cached_tokens": 2, "cache_write_tokens": 0, "new": 1},
            "output_tokens_details": {"reasoning_tokens": 0},
        },
    ),
    "none": (None, None),
    "odd": ("x", "x"),
}


@pytest.mark.parametrize(("told", "expected"), USAGES.values(), ids=USAGES.keys())
def test_usage_details(told: Any, expected: Any) -> None:
    """Details that the SDK requires and the upstream left out are 0."""
    assert expected == json.loads(fold(frames(ended(usage=told))))["usage"]


def test_sdk_reads_the_answer() -> None:
    """A usage without details becomes one that the openai SDK accepts."""
    usage = {"input_tokens": 5, "output_tokens": 2, "total_tokens": 7}
    fields = {
        "object": "response",
        "created_at": 1,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
    }
    answer = Response.model_validate_json(fold(frames(ended(usage=usage, **fields))))
    assert answer.usage is not None
    assert (7, 0) == (answer.usage.total_tokens, answer.usage.output_tokens_details.reasoning_tokens)


def test_comments_are_no_part_of_the_answer() -> None:
    """What only showed life leaves no trace."""
    writer = ResponsesWriter(
        ResponsesFacts(model="m", scope="0" * 10, original_names={}), answer_id="resp_1", request_id="req_1"
    )
    data = json.dumps(ended(model="m")).encode()
    expected = json.dumps(ended(model="m")["response"], separators=(",", ":")).encode()
    assert expected == fold(writer.keep_alive() + frame(b"response.completed", data))
