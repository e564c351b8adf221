"""The SSE frame decoder: line ends, cuts, limits and bytes that are not UTF-8."""

import pytest

from packyproxy.errors import FailureKind, UpstreamFailed
from packyproxy.wire.sse import FrameDecoder


def decode(*chunks: bytes, limit: int = 1000) -> list[bytes]:
    """Return all data of a stream cut into ``chunks``."""
    decoder = FrameDecoder(max_frame_bytes=limit)
    datas = [data for chunk in chunks for data in decoder.feed(chunk)]
    return datas + decoder.finish()


def one_byte_at_a_time(stream: bytes) -> list[bytes]:
    """Cut a stream as small as it goes."""
    return [stream[i : i + 1] for i in range(len(stream))]


STREAMS = {
    "event and data": (b"event: a\ndata: {}\n\n", [b"{}"]),
    "data only": (b"data: {}\n\n", [b"{}"]),
    "no space after the colon": (b"event:a\ndata:{}\n\n", [b"{}"]),
    "only one space belongs to the field": (b"data:  x\n\n", [b" x"]),
    "two frames": (b"data: 1\n\ndata: 2\n\n", [b"1", b"2"]),
    "CRLF": (b"event: a\r\ndata: 1\r\n\r\ndata: 2\r\n\r\n", [b"1", b"2"]),
    "CR": (b"event: a\rdata: 1\r\rdata: 2\r\r", [b"1", b"2"]),
    "mixed line ends": (b"event: a\rdata: 1\r\n\ndata: 2\n\r\n", [b"1", b"2"]),
    "several data lines": (b"data: {\ndata: }\n\n", [b"{\n}"]),
    "data before the event name": (b"data: 1\nevent: a\n\n", [b"1"]),
    "event, id, data": (b"event: a\nid: 4\ndata: 1\n\n", [b"1"]),
    "event, data, id": (b"event: a\ndata: 1\nid: 4\n\n", [b"1"]),
    "comments": (b": hello\n\n:\ndata: 1\n: more\n\n", [b"1"]),
    "frame without data": (b"event: a\n\nid: 3\n\ndata: 1\n\n", [b"1"]),
    "more blank lines than needed": (b"\n\n\ndata: 1\n\n\n\n\ndata: 2\n\n", [b"1", b"2"]),
    "byte order mark": (b"\xef\xbb\xbfdata: 1\n\n", [b"1"]),
    "byte order mark later on": (b"data: \xef\xbb\xbf1\n\n", [b"\xef\xbb\xbf1"]),
    "field without a colon": (b"data\ndata: 1\n\n", [b"\n1"]),
    "field of another name": (b"datax: 0\ndata: 1\n\n", [b"1"]),
    "U+2028 and U+0085 are data": ("data: a\u2028b\u0085c\n\n".encode(), ["a\u2028b\u0085c".encode()]),
    "bytes that are not UTF-8": (b"data: a\xffb\n\n", ["a\ufffdb".encode()]),
    "last frame without its blank line": (b"data: 1\n\ndata: [DONE]", [b"1", b"[DONE]"]),
    "data that looks like an event name": (b"data: event: a\ndata: 1\n\n", [b"event: a\n1"]),
    "usual frames and an unusual one": (b"event: a\ndata: 1\n\nid: 2\ndata: 2\n\n", [b"1", b"2"]),
    "usual frame without data": (b"event: a\ndata: \n\nevent: a\ndata: 1\n\n", [b"1"]),
    "usual frame that is not UTF-8": (b"event: a\ndata: \xff\n\n", ["\ufffd".encode()]),
    "nothing": (b"", []),
}


@pytest.mark.parametrize(("stream", "expected"), STREAMS.values(), ids=STREAMS.keys())
def test_stream_in_one_piece(stream: bytes, expected: list[bytes]) -> None:
    """A stream gives the data of its frames."""
    assert expected == decode(stream)


@pytest.mark.parametrize(("stream", "expected"), STREAMS.values(), ids=STREAMS.keys())
def test_stream_byte_by_byte(stream: bytes, expected: list[bytes]) -> None:
    """Cutting a stream at every byte changes nothing."""
    assert expected == decode(*one_byte_at_a_time(stream))


def test_frame_over_the_limit_fails() -> None:
    """A frame larger than the limit is the upstream's failure."""
    with pytest.raises(UpstreamFailed) as caught:
        decode(b"data: " + b"x" * 100 + b"\n\n", limit=50)
    assert FailureKind.BAD_STREAM == caught.value.failure.kind


def test_unfinished_frame_over_the_limit_fails() -> None:
    """A frame that never ends fails as soon as it is too large, and is not collected any further."""
    decoder = FrameDecoder(max_frame_bytes=50)
    decoder.feed(b"data: " + b"x" * 40)
    with pytest.raises(UpstreamFailed):
        decoder.feed(b"x" * 40)


def test_frame_of_exactly_the_limit_passes() -> None:
    """The blank line does not count as part of the frame, however it arrives."""
    stream = b"data: " + b"x" * 44
    assert [b"x" * 44] == decode(stream + b"\n", b"\n", limit=50)


def test_frames_before_the_overlong_one_are_kept() -> None:
    """What was complete before the overlong frame is returned; the failure comes with the next call."""
    decoder = FrameDecoder(max_frame_bytes=50)
    assert [b"1"] == decoder.feed(b"data: 1\n\ndata: " + b"x" * 100 + b"\n\n")
    with pytest.raises(UpstreamFailed):
        decoder.feed(b"data: 2\n\n")
    with pytest.raises(UpstreamFailed):
        decoder.finish()


def test_frames_before_an_unfinished_overlong_one_are_kept() -> None:
    """The failure comes with the next read, or with the end."""
    decoder = FrameDecoder(max_frame_bytes=50)
    assert [b"1"] == decoder.feed(b"data: 1\n\ndata: " + b"x" * 100)
    with pytest.raises(UpstreamFailed):
        decoder.finish()
