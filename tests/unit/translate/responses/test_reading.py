"""What is read of Responses events: where the deltas of a read stand, and of which form they are."""

import pytest

from packyproxy.translate.responses.reading import Begun, Lifecycle, delta_form, delta_runs, read_event

TEXT = b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta"}\n\n'
THOUGHT = (
    b"event: response.reasoning_summary_text.delta\n"
    b'data: {"type":"response.reasoning_summary_text.delta"}\n\n'
)
PART = b'event: response.content_part.added\ndata: {"type":"response.content_part.added"}\n\n'
DONE = b'event: response.content_part.done\ndata: {"type":"response.content_part.done"}\n\n'
BARE = b'data: {"type":"response.output_text.delta"}\n\n'

RUNS = {
    "one delta": [TEXT],
    "deltas of one type": [TEXT * 3],
    "deltas of two types": [THOUGHT * 2, TEXT * 2, THOUGHT],
    "deltas between others": [PART + DONE, TEXT * 2, DONE + PART],
    "no deltas": [PART + DONE],
    "what is framed otherwise, and all behind it": [TEXT, PART, BARE + TEXT + PART],
    "a comment": [TEXT, b": a comment\n\n" + TEXT],
    "two lines of data": [TEXT, TEXT[:-1] + b"data: x\n\n" + TEXT],
    "a line before the event's": [TEXT, b"id: 1\n" + TEXT],
}


@pytest.mark.parametrize("runs", RUNS.values(), ids=RUNS)
def test_where_runs_begin_and_end(runs: list[bytes]) -> None:
    """Together they are the frames, and deltas of one type in a row are one run."""
    assert runs == delta_runs(b"".join(runs))


NO_DELTAS = {
    "another type in the data": TEXT.replace(b'"response.output_text', b'"response.refusal'),
    "deltas of two types": THOUGHT + TEXT,
    "data that is no JSON": TEXT.replace(b"}", b",}"),
    "a frame without data": TEXT + b"event: response.output_text.delta\n\n",
    "bytes that are not UTF-8": TEXT.replace(b"}", b',"a":"\xff"}'),
    "events that are no deltas": PART * 2,
}


@pytest.mark.parametrize("frames", NO_DELTAS.values(), ids=NO_DELTAS)
def test_what_is_not_passed_as_a_whole(frames: bytes) -> None:
    """Only deltas of one type that stand there as they would be written are."""
    form = delta_form(frames)
    assert form is None or not form.are_all(frames)


def test_what_is_passed_as_a_whole() -> None:
    """Any number of deltas of one type."""
    form = delta_form(TEXT)
    assert form is not None
    assert [True, True] == [form.are_all(TEXT), form.are_all(TEXT * 2)]


ONE = {
    "a delta": (TEXT, True),
    "other characters": (TEXT.replace(b"}", b',"delta":"\xc3\xa9"}'), True),
    "white space between tokens": (TEXT.replace(b"}", b' , "delta" : "x" }'), True),
    "two deltas": (TEXT * 2, False),
    "half a delta": (TEXT[:-9], False),
    "a delta whose blank line is to come": (TEXT[:-1], False),
    "a delta and half of one": (TEXT + TEXT[:9], False),
    "a delta of another type": (THOUGHT, False),
    "no event line": (BARE, False),
    "the type elsewhere": (TEXT.replace(b'{"type"', b'{"n":1,"type"'), False),
    "no type": (TEXT.replace(b'{"type":"response.output_text.delta"', b'{"n":1'), False),
    "another type behind it": (TEXT.replace(b"}", b',"type":"response.refusal.delta"}'), False),
    "two lines of data": (TEXT.replace(b"}", b',\ndata: "a":1}'), False),
    "CR as white space": (TEXT.replace(b"}", b"\r}"), False),
    "CRLF": (TEXT.replace(b"\n", b"\r\n"), False),
    "bytes that are not UTF-8": (TEXT.replace(b"}", b',"delta":"\xff"}'), False),
    "data that is no JSON": (TEXT.replace(b"}", b",}"), False),
    "nothing": (b"", False),
}


@pytest.mark.parametrize(("read", "expected"), ONE.values(), ids=ONE)
def test_one_delta(read: bytes, expected: bool) -> None:
    """A read that is surely one delta, and would be written as it stands."""
    form = delta_form(TEXT)
    assert form is not None
    assert expected is (form.read_lone(read) is not None)


def test_what_is_read_of_a_beginning() -> None:
    """Of a response that goes on: what names it and its model, in one pass."""
    event = read_event(b'{"type":"response.created","response":{"id":"resp_1","model":"m","output":[]}}')
    assert isinstance(event, Lifecycle)
    assert isinstance(event.begun, Begun)
    response = event.begun.response
    assert (b'"resp_1"', b'"m"') == (bytes(response.id), bytes(response.model))  # type: ignore[union-attr,arg-type]


@pytest.mark.parametrize("response", [b"null", b"[]", b'"text"'])
def test_beginning_of_odd_form(response: bytes) -> None:
    """An event whose response is no object is of the handshake all the same."""
    event = read_event(b'{"type":"response.created","response":' + response + b"}")
    assert isinstance(event, Lifecycle)
    assert event.begun is None
