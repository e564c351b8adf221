"""The tables of how answers end, 4.8 and 6.3: each reason of the upstream, and what the client is told."""

import re
from typing import Any, get_args

import pytest

from packyproxy.wire.chat_events import FinishReason
from packyproxy.wire.messages_events import StopReason
from tests.wire_mapping.page import Row, section, spans
from tests.wire_mapping.trying import Answering, asked

CALL = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "ls", "arguments": "{}"}
TEXT = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hello " * 9}]}
REFUSAL = {"type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": "No"}]}


def completed(*output: Any) -> dict[str, Any]:
    return {"type": "response.completed", "response": {"output": list(output)}}


def incomplete(reason: str | None, *output: Any) -> dict[str, Any]:
    details = None if reason is None else {"reason": reason}
    return {
        "type": "response.incomplete",
        "response": {"output": list(output), "incomplete_details": details},
    }


LIMIT = {"max_tokens": 2}

MESSAGES: dict[str, list[tuple[dict[str, Any], dict[str, Any]]]] = {
    "completed, with tool blocks": [({}, completed(CALL))],
    "completed, with refusal text and no tools": [({}, completed(REFUSAL))],
    "completed otherwise, also without any output": [({}, completed(TEXT)), ({}, completed())],
    "incomplete, `max_output_tokens`": [({}, incomplete("max_output_tokens", item)) for item in (TEXT, CALL)],
    "incomplete, `content_filter`": [({}, incomplete("content_filter", TEXT))],
    "incomplete, the reason is `context_length_exceeded` or contains `context`": [
        ({}, incomplete("context_length_exceeded")),
        ({}, incomplete("model_context_window")),
    ],
    "incomplete, `max_messages` or `max_tool_calls`": [
        ({}, incomplete("max_messages")),
        ({}, incomplete("max_tool_calls")),
    ],
    "incomplete, `steered`, an unknown reason or none": [
        ({}, incomplete("steered", TEXT)),
        ({}, incomplete("brand_new", CALL)),
        ({}, incomplete(None)),
    ],
    "the local token limit (1.9)": [(LIMIT, completed(TEXT))],
    "a local stop sequence (4.9)": [({"stop_sequences": ["lo H"]}, completed(TEXT))],
}

CHAT: dict[str, list[tuple[dict[str, Any], dict[str, Any]]]] = {
    "completed, with tool calls": [
        ({}, completed(CALL)),
        ({"functions": [{"name": "ls"}]}, completed(CALL)),
    ],
    "completed otherwise, with a refusal too; a local stop sequence (4.9)": [
        ({}, completed(TEXT)),
        ({}, completed(REFUSAL)),
        ({"stop": "lo H"}, completed(TEXT)),
    ],
    "incomplete, `max_output_tokens` or a reason that contains `context`; the local token limit (1.9)": [
        ({}, incomplete("max_output_tokens")),
        ({}, incomplete("model_context_window")),
        (LIMIT, completed(TEXT)),
    ],
    "incomplete, `content_filter`": [({}, incomplete("content_filter"))],
    "incomplete for another reason": [({}, incomplete("steered")), ({}, incomplete(None))],
}


def reasons(cell: str) -> list[str]:
    """Return the reasons that a cell names: the spans that are one word."""
    return [span for span in spans(cell) if re.fullmatch(r"[a-z_]+", span)]


def test_every_end_is_tried() -> None:
    """The tests know all rows of both tables."""
    messages, chat = section("4.8").tables[0], section("6.3").tables[1]
    assert (list(MESSAGES), list(CHAT)) == ([row[0] for row in messages], [row[0] for row in chat])


@pytest.mark.parametrize("row", [pytest.param(row, id=row[0]) for row in section("4.8").tables[0]])
def test_stop_reasons(row: Row) -> None:
    """An answer to a Messages client ends for one of the reasons of its row, and each of them occurs."""
    answers = [Answering("messages", asked(**fields)).whole(event) for fields, event in MESSAGES[row[0]]]
    assert set(reasons(row[1])) == {answer["stop_reason"] for answer in answers}


def test_refusals_are_explained() -> None:
    """The details of a refusal have the keys of its row; those of a filter say nothing."""
    details = re.findall(r'"(\w+)":', section("4.8").tables[0][1][1])[1:]
    told = Answering("messages").whole(completed(REFUSAL))["stop_details"]
    filtered = Answering("messages").whole(incomplete("content_filter"))["stop_details"]
    assert (details, None) == (list(told), filtered["explanation"])


@pytest.mark.parametrize("row", [pytest.param(row, id=row[0]) for row in section("6.3").tables[1]])
def test_finish_reasons(row: Row) -> None:
    """An answer to a Chat client likewise."""
    answers = [Answering("chat", asked(**fields)).whole(event) for fields, event in CHAT[row[0]]]
    assert set(reasons(row[1])) == {answer["choices"][0]["finish_reason"] for answer in answers}


def test_reasons_are_known_to_the_wire() -> None:
    """No reason stands on the page that clients could not be told."""
    told = {reason for row in section("4.8").tables[0] for reason in reasons(row[1])}
    finished = {reason for row in section("6.3").tables[1] for reason in reasons(row[1])}
    assert (told, finished) == (set(get_args(StopReason)), set(get_args(FinishReason)))


USAGE = section("4.10").tables[0]


def test_usage_rows_are_the_fields() -> None:
    """Each row of 4.10 but the last is a field of the usage that clients are told."""
    searched = {
        "type": "web_search_call",
        "id": "ws_1",
        "status": "completed",
        "action": {"type": "search", "query": "q"},
    }
    counts = {"input_tokens": 9, "output_tokens": 5, "output_tokens_details": {"reasoning_tokens": 1}}
    event = completed(searched, TEXT)
    event["response"]["usage"] = counts
    usage = Answering("messages").whole(event)["usage"]
    told = {name for name in usage if name != "cache_creation"}
    assert told == {spans(row[0])[0].partition(".")[0] for row in USAGE[:-1]}


@pytest.mark.parametrize(
    ("counts", "fields"),
    [
        (
            {"input_tokens": 9, "output_tokens": 5},
            {"input_tokens": 9, "cache_read_input_tokens": 0, "output_tokens": 5},
        ),
        (
            {
                "input_tokens": 9,
                "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 3},
                "output_tokens": 5,
            },
            {"input_tokens": 2, "cache_read_input_tokens": 4, "cache_creation_input_tokens": 3},
        ),
        (
            {"input_tokens": 9, "input_tokens_details": {"cached_tokens": 9}, "output_tokens": 5},
            {"input_tokens": 1, "cache_read_input_tokens": 9},
        ),
        ({"input_tokens": 0, "output_tokens": 0}, {"output_tokens": 17}),
    ],
    ids=["plain", "cached", "all cached", "zeros"],
)
def test_usage_formulas(counts: dict[str, Any], fields: dict[str, int]) -> None:
    """The formulas of 4.10, worked out by hand for a text of 54 bytes."""
    event = completed(TEXT)
    event["response"]["usage"] = counts
    usage = Answering("messages").whole(event)["usage"]
    assert fields == {name: usage[name] for name in fields}
