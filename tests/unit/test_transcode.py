"""The transcoder: what kind of body it is, when it begins, and when it is over."""

import json
from typing import Any

import pytest

from packyproxy.errors import FailureKind
from packyproxy.transcode import Transcoder
from packyproxy.translate.contract import Note
from packyproxy.translate.messages.facts import MessagesFacts
from packyproxy.translate.messages.fold import fold
from packyproxy.translate.messages.stream import MessagesWriter


def transcoder(**options: Any) -> Transcoder:
    """Return a transcoder to Messages."""
    facts = MessagesFacts(model="m", scope="0" * 10, original_names={})
    return Transcoder(MessagesWriter(facts, answer_id="msg_1", request_id="req_1"), **options)


TEXT = b'data: {"type":"response.output_text.delta","output_index":0,"content_index":0,"delta":"hi"}\n\n'
COMPLETED = b'data: {"type":"response.completed","response":{"status":"completed"}}\n\n'
ITEMS = [
    {"type": "message", "content": [{"type": "output_text", "text": "hi"}]},
    {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
]
RESPONSE = {"object": "response", "status": "completed", "error": None, "output": ITEMS}


def run(*chunks: bytes, **options: Any) -> tuple[bytes, Transcoder]:
    """Feed all chunks and the end."""
    subject = transcoder(**options)
    return b"".join([*map(subject.feed, chunks), subject.finish()]), subject


def test_events_of_one_chunk_are_one_write() -> None:
    """Everything found in one read comes back as one piece."""
    subject = transcoder()
    out = subject.feed(TEXT * 3 + COMPLETED)
    assert (3, True, True) == (out.count(b"text_delta"), subject.is_finished, subject.is_over)


def test_start_precedes_the_first_output() -> None:
    """With ``writes_start`` the handshake alone writes nothing, and the first output is preceded by the start."""
    subject = transcoder(writes_start=True)
    assert b"" == subject.feed(b'data: {"type":"response.created"}\n\n')
    assert subject.feed(TEXT).startswith(b"event: message_start\n")
    assert b"message_start" not in subject.feed(TEXT)


@pytest.mark.parametrize(
    "prefix", [b"", b"\xef\xbb\xbf", b" \r\n\t", b"\n\n"], ids=["none", "bom", "blanks", "lines"]
)
def test_whole_json_answer(prefix: bytes) -> None:
    """A response object instead of a stream becomes the stream it stands for."""
    out, subject = run(prefix + json.dumps(RESPONSE).encode(), writes_start=True)
    answer = json.loads(fold(out))
    assert (["text", "tool_use"], "tool_use") == (
        [b["type"] for b in answer["content"]],
        answer["stop_reason"],
    )
    assert subject.is_finished


def test_whole_json_answer_in_pieces() -> None:
    """A JSON answer is cut like any other body."""
    body = b"\xef\xbb\xbf " + json.dumps(RESPONSE).encode()
    assert run(body)[0] == run(*(body[i : i + 1] for i in range(len(body))))[0]


def test_whole_json_answer_with_half_a_character() -> None:
    """A lone surrogate costs one character, not the answer."""
    body = json.dumps(
        {"output": [{"type": "message", "content": [{"type": "output_text", "text": "a\ud83d"}]}]}
    )
    out, _ = run(body.encode(), writes_start=True)
    assert "a\ufffd" == json.loads(fold(out))["content"][0]["text"]


BODIES = {
    "HTML": (b"<html>Bad gateway</html>", FailureKind.SERVER_ERROR),
    "HTML after blanks": (b"\n <!doctype html>", FailureKind.SERVER_ERROR),
    "error object": (b'{"error":{"code":"rate_limit_exceeded","message":"m"}}', FailureKind.RATE_LIMIT),
    "error object with a null status": (
        b'{"error":{"code":"rate_limit_exceeded"},"output":[]}',
        FailureKind.RATE_LIMIT,
    ),
    "failed response": (b'{"status":"failed","error":{"code":"server_error"}}', FailureKind.SERVER_ERROR),
    "cancelled response": (b'{"status":"cancelled","output":[]}', FailureKind.CANCELLED),
    "unfinished response": (b'{"status":"in_progress","output":[]}', FailureKind.TRUNCATED),
    "some other JSON": (b'{"choices":[]}', FailureKind.BAD_STREAM),
    "JSON cut short": (b'{"output":[', FailureKind.BAD_STREAM),
    "nothing": (b"", FailureKind.TRUNCATED),
    "plain text": (b"upstream says hi", FailureKind.TRUNCATED),
    "half a byte order mark": (b"\xef\xbb", FailureKind.TRUNCATED),
}


@pytest.mark.parametrize(("body", "kind"), BODIES.values(), ids=BODIES.keys())
def test_bodies_that_are_no_answer(body: bytes, kind: FailureKind) -> None:
    """What is no answer fails for the right reason and writes nothing."""
    out, subject = run(body)
    assert subject.failure is not None
    assert (b"", kind, True) == (out, subject.failure.kind, subject.is_over)


@pytest.mark.parametrize("body", [b"data: " + b"x" * 200 + b"\n\n", b"{" + b" " * 200], ids=["frame", "JSON"])
def test_too_large(body: bytes) -> None:
    """A frame or a document over the limit fails the stream."""
    _, subject = run(body, max_bytes=100)
    assert subject.failure is not None
    assert FailureKind.BAD_STREAM == subject.failure.kind


def test_output_before_an_overlong_frame_is_kept() -> None:
    """What came before the overlong frame is returned."""
    out, subject = run(TEXT + b"data: " + b"x" * 200 + b"\n\n", max_bytes=120)
    assert (1, False) == (out.count(b"text_delta"), subject.is_finished)


def test_nothing_after_the_end() -> None:
    """After the terminal event nothing is returned, not even for the end of the bytes."""
    subject = transcoder()
    subject.feed(TEXT + COMPLETED)
    assert (b"", b"") == (subject.feed(TEXT), subject.finish())


def test_done_marker_ends_the_stream() -> None:
    """Bytes after ``[DONE]`` are ignored."""
    out, subject = run(TEXT + b"data: [DONE]\n\n" + COMPLETED)
    assert b"message_stop" not in out
    assert subject.failure is not None


def test_done_marker_after_the_terminal_event() -> None:
    """A relay that adds ``[DONE]`` to a whole answer changes nothing, also within one read."""
    assert run(TEXT + COMPLETED)[0] == run(TEXT + COMPLETED + b"data: [DONE]\n\n")[0]


def test_done_marker_with_white_space_after_it() -> None:
    """A relay that writes ``[DONE]`` and a space means the same."""
    item = b'{"type":"message","content":[{"type":"output_text","text":"hi"}]}'
    done = b'data: {"type":"response.output_item.done","output_index":0,"item":' + item + b"}\n\n"
    out, subject = run(done + b"data: [DONE] \n\n")
    assert (True, []) == (b"message_stop" in out, subject.notes)


def test_notes_are_unique_and_bounded() -> None:
    """A hostile stream cannot fill the log."""
    frames = b"".join(b'data: {"type":"x.%d"}\n\ndata: rubbish\n\n' % number for number in range(100))
    _, subject = run(frames)
    assert (32, [Note("unknown_event", "x.0"), Note("unparsable_data")]) == (
        len(subject.notes),
        subject.notes[:2],
    )


def test_nothing_is_noted_after_the_end() -> None:
    """What follows the terminal event within one read is ignored like what comes later."""
    _, subject = run(COMPLETED + b'data: {"type":"response.brand_new"}\n\n' + b"data: rubbish\n\n")
    assert [] == subject.notes


def test_usage_is_the_upstreams() -> None:
    """The upstream's own numbers are kept as they are."""
    usage = b'{"input_tokens":3,"output_tokens":4}'
    _, subject = run(b'data: {"type":"response.completed","response":{"usage":' + usage + b"}}\n\n")
    assert subject.usage is not None
    assert (3, 4) == (subject.usage.input_tokens, subject.usage.output_tokens)


class Passer(MessagesWriter):
    """A writer that passes on whatever says so."""

    def pass_on(self, frames: bytes) -> bool:
        """Take frames with the word."""
        return b"as it is" in frames and b"data: x\n" not in frames

    def runs(self, frames: bytes) -> list[bytes]:
        """Cut between all frames."""
        return [frame + b"\n\n" for frame in frames.split(b"\n\n")[:-1]]


def passing(**options: Any) -> Transcoder:
    """Return a transcoder whose writer passes some frames on."""
    facts = MessagesFacts(model="m", scope="0" * 10, original_names={})
    return Transcoder(Passer(facts, answer_id="msg_1", request_id="req_1"), **options)


def test_frames_that_the_writer_passes_on() -> None:
    """They come back as they were read; any others are read one by one."""
    subject = passing()
    frames = b"event: a\ndata: as it is\n\n: and a comment\n\n"
    assert [b"", frames] == [subject.feed(b"data: x\n\n"), subject.feed(frames)]
    assert [Note("unparsable_data")] == subject.notes


def test_some_frames_of_a_read_are_passed_on() -> None:
    """What may go on does so as it was read, between what is written for the others."""
    subject = passing()
    frames = b"data: x\n\n" + b"event: a\ndata: as it is\n\n" + b"data: x\n\n" + b"id: as it is\n\n"
    assert b"event: a\ndata: as it is\n\nid: as it is\n\n" == subject.feed(frames)
    assert [Note("unparsable_data")] == subject.notes


def test_nothing_of_a_read_is_passed_on_after_the_end() -> None:
    """The rest of the read that ends an answer goes to nobody."""
    subject = passing()
    out = subject.feed(b"data: x\n\n" + COMPLETED + b"data: as it is\n\n")
    assert (True, False) == (subject.is_over, b"as it is" in out)


class Taker(MessagesWriter):
    """A writer that takes any read of one letter for a whole delta."""

    def take_lone(self, read: bytes) -> bytes:
        """Return such a read in brackets."""
        return b"[" + read + b"]" if len(read) == 1 else b""


def taking(**options: Any) -> Transcoder:
    """Return a transcoder whose writer takes some reads as they come."""
    facts = MessagesFacts(model="m", scope="0" * 10, original_names={})
    return Transcoder(Taker(facts, answer_id="msg_1", request_id="req_1"), **options)


@pytest.mark.parametrize("before", [b"data: x\n\n", b"data: x\r\r\n", b": a comment\n\n"])
def test_reads_that_the_writer_takes(before: bytes) -> None:
    """Where a frame may begin, the writer is asked first whether a read is all it needs."""
    subject = taking()
    assert [b"", b"[a]", b"", b"[b]"] == list(map(subject.feed, (before, b"a", b"data: x\n\n", b"b")))


@pytest.mark.parametrize(
    "before", [b"", b"\xef\xbb", b"\n", b"data: x", b"data: x\n\ndata", b"data: x\r\n\r"]
)
def test_reads_within_a_frame_are_not_taken(before: bytes) -> None:
    """What may be the rest of a frame, or of its line ends, is read as such."""
    subject = taking()
    assert [b"", b""] == list(map(subject.feed, (before, b"a")))


def test_reads_over_the_limit_are_not_taken() -> None:
    """A writer is not asked about what is too large."""
    subject = taking(max_bytes=0)
    assert [b"", b""] == list(map(subject.feed, (b"\n\n", b"a")))


def test_passed_frames_are_whole() -> None:
    """What was cut is put together first, with LF for any line end."""
    subject = passing()
    pieces = [b"data: as", b" it is\r\n", b"\r\ndata: ano"]
    assert [b"", b"", b"data: as it is\n\n"] == list(map(subject.feed, pieces))


def test_passed_frames_are_within_the_limit() -> None:
    """A frame over the limit fails whatever the writer would do with it."""
    subject = passing(max_bytes=100)
    assert b"" == subject.feed(b"data: as it is" + b"x" * 100 + b"\n\n")
    assert subject.failure is not None
    assert FailureKind.BAD_STREAM == subject.failure.kind
