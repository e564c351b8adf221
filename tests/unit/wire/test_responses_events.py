"""Reading upstream events: forgiving, total, and cheap about what it does not need."""

import json

import pytest
from msgspec import Raw

from packyproxy.wire.responses_events import (
    BrokenDelta,
    Completed,
    CompletedAlias,
    ErrorEvent,
    ItemDone,
    NoEffect,
    TextDelta,
    UnknownEvent,
    UnparsableEvent,
    decode_event,
    mend_json,
)
from packyproxy.wire.responses_output import OutputItem, Usage, read_item, read_response, read_usage


def test_text_delta_keeps_its_literal() -> None:
    """The text of a delta stays the literal that arrived, escapes included."""
    event = decode_event(rb'{"type":"response.output_text.delta","output_index":1,"delta":"a\u00e9\n"}')
    assert isinstance(event, TextDelta)
    assert (1, rb'"a\u00e9\n"') == (event.output_index, bytes(event.delta))


@pytest.mark.parametrize(
    "body", [b"{}", b"[]", b"1", b"", b"{", b"\xff", b'{"type":3}', b"[" * 5000, b'{"a":' * 5000]
)
def test_rubbish_is_unparsable(body: bytes) -> None:
    """Data that is no typed object never raises."""
    assert isinstance(decode_event(body), UnparsableEvent)


def test_unknown_type_is_told_apart() -> None:
    """A type that is not in the table is named, cut to safe characters."""
    assert UnknownEvent("response.new_thing_x_") == decode_event(b'{"type":"response.new_thing x\\n"}')


def test_unknown_type_is_cut() -> None:
    """A type name of any length is cut to 64 characters."""
    event = decode_event(json.dumps({"type": "x" * 500}).encode())
    assert UnknownEvent("x" * 64) == event


@pytest.mark.parametrize(
    "name",
    [
        "response.in_progress",
        "codex.rate_limits",
        "keepalive",
        "response.audio.delta",
        "responsesapi.anything",
    ],
)
def test_known_events_without_effect(name: str) -> None:
    """Types of the table that change nothing need no note."""
    assert isinstance(decode_event(json.dumps({"type": name}).encode()), NoEffect)


def test_field_of_the_wrong_type_counts_as_missing() -> None:
    """One odd field does not cost the event."""
    event = decode_event(
        b'{"type":"response.output_text.delta","output_index":"0","item_id":"m","delta":"a"}'
    )
    assert isinstance(event, TextDelta)
    assert (None, "m", b'"a"') == (event.output_index, event.item_id, bytes(event.delta))


def test_odd_field_of_an_item_counts_as_missing() -> None:
    """One odd field does not cost the rest of the item within an event."""
    event = decode_event(b'{"type":"response.output_item.done","item":{"type":"message","id":3,"name":"n"}}')
    assert isinstance(event, ItemDone)
    assert OutputItem(type="message", name="n") == event.item


def test_item_that_is_no_object_counts_as_missing() -> None:
    """An event without a readable item still is one."""
    event = decode_event(b'{"type":"response.output_item.done","output_index":1,"item":[]}')
    assert isinstance(event, ItemDone)
    assert (1, OutputItem()) == (event.output_index, event.item)


def test_odd_field_before_half_a_surrogate_pair() -> None:
    """JSON that is odd first and broken later is mended like any other."""
    event = decode_event(rb'{"type":"response.output_item.done","item":{"id":3,"name":"a\ud83d"}}')
    assert isinstance(event, ItemDone)
    assert OutputItem(name="a\ufffd") == event.item


def test_older_name_of_completed() -> None:
    """``response.done`` is a completed response."""
    event = decode_event(b'{"type":"response.done","response":{}}')
    assert isinstance(event, Completed)
    assert isinstance(event, CompletedAlias)


ERRORS = {
    "nested": (b'{"type":"error","error":{"code":"c"}}', {"code": "c"}),
    "nested under the other name": (b'{"type":"response.error","error":{"code":"c"}}', {"code": "c"}),
    "bare": (b'{"error":{"code":"c"}}', {"code": "c"}),
}


@pytest.mark.parametrize(("data", "expected"), ERRORS.values(), ids=ERRORS.keys())
def test_error_object(data: bytes, expected: dict[str, str]) -> None:
    """The nested error object is found in each form."""
    event = decode_event(data)
    assert isinstance(event, ErrorEvent)
    assert expected == json.loads(event.error_object)


@pytest.mark.parametrize(
    "data",
    [b'{"type":"error","message":"m","code":"c"}', b'{"error":"m","code":"c"}', b'{"detail":"m","code":"c"}'],
    ids=["flat", "bare text", "detail"],
)
def test_flat_error(data: bytes) -> None:
    """Flat errors are read from their own fields."""
    event = decode_event(data)
    assert isinstance(event, ErrorEvent)
    fields = json.loads(event.error_object)
    assert ("m", "c") == (fields["message"], fields["code"])


def test_half_a_surrogate_pair_is_kept() -> None:
    """A delta that ends in half a character keeps that half for the next delta."""
    event = decode_event(rb'{"type":"response.output_text.delta","output_index":2,"delta":"a\ud83d"}')
    assert isinstance(event, BrokenDelta)
    assert (2, "a\ud83d") == (
        event.event.output_index if isinstance(event.event, TextDelta) else None,
        event.text,
    )


BROKEN = {
    "a final text": rb'{"type":"response.output_text.done","text":"a\ud83d"}',
    "a delta that is no text": rb'{"type":"response.output_text.delta","delta":3,"item_id":"a\ud83d"}',
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN.keys())
def test_half_a_surrogate_pair_elsewhere(data: bytes) -> None:
    """Half a character outside a delta's text is replaced before the event is read."""
    mended = mend_json(data)
    assert mended is not None
    assert decode_event(mended) == decode_event(data)


def test_half_a_surrogate_pair_outside_a_delta_is_replaced() -> None:
    """A final text with half a character in it is read with U+FFFD."""
    assert b'{"text": "a\xef\xbf\xbd"}' == mend_json(rb'{"text":"a\ud83d"}')


def test_response_with_odd_fields() -> None:
    """Fields of a response object that have the wrong type count as missing."""
    response = read_response(Raw(b'{"id":3,"model":"m","output":null,"status":["x"]}'))
    assert (None, "m", [], None) == (response.id, response.model, response.output, response.status)


USAGES = {
    "null": (b"null", None),
    "empty": (b"{}", None),
    "text": (b'"many"', None),
    "details only": (b'{"input_tokens_details":{"cached_tokens":0}}', None),
    "plain": (b'{"input_tokens":3,"output_tokens":4}', Usage(input_tokens=3, output_tokens=4)),
    "odd details": (
        b'{"input_tokens":3,"output_tokens":4,"input_tokens_details":7}',
        Usage(input_tokens=3, output_tokens=4),
    ),
}


@pytest.mark.parametrize(("raw", "expected"), USAGES.values(), ids=USAGES.keys())
def test_usage(raw: bytes, expected: Usage | None) -> None:
    """Usage is read as far as it says anything."""
    assert expected == read_usage(Raw(raw))


@pytest.mark.parametrize("raw", [b"null", b"[]", b'"x"', b'{"type":3}'])
def test_item_that_cannot_be_read(raw: bytes) -> None:
    """An item that is none has no type."""
    assert OutputItem() == read_item(Raw(raw))


@pytest.mark.parametrize(
    "data",
    [
        b'{"type":"response.output_text.delta","delta":"a","logprobs":NaN}',
        b"[" * 100_000,
        b'{"type":"x',
        b"\xff",
    ],
    ids=["NaN", "endless nesting", "cut off", "no text"],
)
def test_data_that_is_no_json(data: bytes) -> None:
    """What no JSON reader of ours takes is unparsable, not an exception."""
    assert UnparsableEvent() == decode_event(data)
