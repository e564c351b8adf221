"""Reads that are one delta and nothing else."""

import pytest

from packyproxy.wire import responses_events as upstream
from packyproxy.wire.lone_delta import LoneDelta

_NAME = b"response.output_text.delta"
_BEGINNING = b'event: %b\ndata: {"type":"%b"' % (_NAME, _NAME)
_REST = b',"sequence_number":4,"item_id":"msg_1","output_index":2,"content_index":1,"delta":"%b","logprobs":[]}\n\n'
_READ = _BEGINNING + _REST % b"hi"

_TEXT = LoneDelta(upstream.TextDelta)


@pytest.mark.parametrize(
    "text", [b"hi", b"", b"a\\n\\u00e9\\ud83d\\ude00", "\u2028 caf\u00e9 \U0001f600".encode()]
)
def test_the_usual_delta_is_read(text: bytes) -> None:
    """Text and place are those of the event."""
    read = _BEGINNING + _REST % text
    found = _TEXT.read(read)
    event = upstream.decode_event(read.partition(b"data: ")[2].strip())
    assert found is not None
    assert isinstance(event, upstream.TextDelta)
    assert (event.output_index, event.part_index, bytes(event.delta)) == (
        found.output_index,
        found.part_index,
        bytes(found.delta),
    )


def test_a_call_has_no_parts() -> None:
    """Arguments are of the item as a whole."""
    name = b"response.function_call_arguments.delta"
    read = b'event: %b\ndata: {"type":"%b","output_index":1,"delta":"{"}\n\n' % (name, name)
    found = LoneDelta(upstream.ArgumentsDelta).read(read)
    assert found is not None
    assert (1, None, b'"{"') == (found.output_index, found.part_index, bytes(found.delta))


@pytest.mark.parametrize(
    "read",
    [
        b"",
        _READ[:-1],
        _READ + b"\n",
        _READ + _READ,
        b": ping\n\n" + _READ,
        _READ.replace(b"\n", b"\r\n"),
        _READ[:-2] + b"\r\n\n",
        _READ[:-2] + b"\ndata: {}\n\n",
        _READ[:-2] + b"\nid: 1\n\n",
        _READ.replace(b"output_text", b"refusal"),
        _READ.replace(b"data: ", b"data:"),
        _READ[:-3] + b"\n\n",
        _READ[:-3] + b',"type":"response.refusal.delta"}\n\n',
        _BEGINNING + _REST % b"\xff",
        _BEGINNING + _REST % b"\\ud83d",
        _READ.replace(b'"output_index":2', b'"output_index":"2"'),
    ],
    ids=[
        "nothing",
        "half a blank line",
        "a line more",
        "two",
        "comment before",
        "CRLF",
        "CR",
        "two lines of data",
        "a field more",
        "another type",
        "no space",
        "no JSON",
        "two types",
        "no UTF-8",
        "half a surrogate pair",
        "a field of another type",
    ],
)
def test_anything_else_is_left_alone(read: bytes) -> None:
    """Whatever is not surely one such delta goes the long way, which knows what it means."""
    assert _TEXT.read(read) is None
