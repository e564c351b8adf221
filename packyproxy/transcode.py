"""Upstream bytes to client bytes: all of a stream but the sockets (wire-mapping 0.4, 5.3).

The upstream's ``content-type`` is not trusted: the first byte that is no white space tells an event stream
from a whole JSON answer and from an HTML page.
"""

from collections.abc import Callable
from typing import cast

import msgspec
from msgspec import Raw

from packyproxy.errors import Failure, FailureKind, UpstreamFailed
from packyproxy.translate.contract import FramePasser, LoneTaker, Note, StreamWriter
from packyproxy.translate.failures import classify_response
from packyproxy.wire.responses_events import UnknownEvent, UnparsableEvent, Usage, mend_json
from packyproxy.wire.responses_output import read_fields, read_response
from packyproxy.wire.sse import BOM, MAX_FRAME_BYTES, FrameDecoder

__all__ = ["Transcoder"]

_MAX_NOTES = 32
"""A hostile stream could make up a new event type for every frame."""

_BLANKS = b" \t\r\n"
_DONE = b"[DONE]"

_ENDINGS = frozenset({"completed", "incomplete", "failed", "cancelled"})
"""The values of ``status`` that end a response, each with an event of that name."""


class Transcoder:
    """Feed it what one upstream sends, in any pieces; it returns what the client gets.

    ``feed`` each piece and ``finish`` in the end; neither raises. Whether the answer ended well is
    ``is_finished``, and what went wrong otherwise ``failure``: also with a stream that just ended too early.

    Args:
        writer: fresh, or at least unused by any other upstream stream.
        writes_start: put ``writer.start()`` before the first output; the runtime writes it at the commit.
        max_bytes: limit of one frame, and of a whole JSON answer.
    """

    def __init__(
        self, writer: StreamWriter, *, writes_start: bool = False, max_bytes: int = MAX_FRAME_BYTES
    ) -> None:
        self.is_over = False
        """Whether nothing more will be returned: the answer ended, well or not."""
        self._writer = writer
        self._decode = writer.decode
        self._take = writer.event
        # To ask a protocol class of its instances costs as much as several events.
        self._passer = cast("FramePasser", writer) if hasattr(writer, "pass_on") else None
        self._take_lone = cast("LoneTaker", writer).take_lone if hasattr(writer, "take_lone") else None
        self._short_cut: Callable[[bytes], bytes] | None = None
        """``take_lone`` where a read may be a whole frame."""
        self._owes_start = writes_start
        self._max_bytes = max_bytes
        self._frames = FrameDecoder(max_frame_bytes=max_bytes)
        self._is_stream = False
        self._document: bytearray | None = None
        """The body so far, when it is one JSON document."""
        self._head = b""
        self._failure: Failure | None = None
        self._notes: list[Note] = []

    @property
    def has_content(self) -> bool:
        """Whether model output was returned; from then on nothing can be retried."""
        return self._writer.has_content

    @property
    def is_finished(self) -> bool:
        """Whether the answer ended well."""
        return self._writer.is_finished

    @property
    def failure(self) -> Failure | None:
        """What went wrong, as the upstream said it or as its bytes show it."""
        return self._writer.failure or self._failure

    @property
    def notes(self) -> list[Note]:
        """What deserves a log line: first of the frames, then of what was in them."""
        return [*self._notes, *self._writer.notes]

    @property
    def usage(self) -> Usage | None:
        """The upstream's own numbers, once known."""
        return self._writer.usage

    def feed(self, chunk: bytes) -> bytes:
        """Return the client bytes for one read of the upstream; never raises."""
        # Nearly every read of a live stream ends here, at half the cost of the long way.
        if self._short_cut is not None and len(chunk) <= self._max_bytes and (out := self._short_cut(chunk)):
            return out
        if self.is_over:
            return b""
        if not self._is_stream:
            chunk = self._sniff(chunk)
            if not chunk:
                return b""
        try:
            frames = self._frames.cut(chunk)
            self._short_cut = self._take_lone if self._frames.is_between_frames else None
            if not frames:
                return b""
            if self._passer is not None and len(frames) <= self._max_bytes:
                return frames if self._passer.pass_on(frames) else self._pass_some(self._passer, frames)
            return self._write(self._frames.read(frames))
        except UpstreamFailed as error:
            return self._fail(error.failure)

    def finish(self) -> bytes:
        """Return the client bytes for the end of the upstream's bytes; never raises."""
        if self.is_over:
            return b""
        if self._document is not None:
            out = self._replay(bytes(self._document))
        else:
            try:
                out = self._write(self._frames.finish())
            except UpstreamFailed as error:
                out = self._fail(error.failure)
        if not self.is_over:
            out += self._begun(self._writer.upstream_ended(said_done=False))
            self.is_over = True
        return out

    def _sniff(self, chunk: bytes) -> bytes:
        """Return the bytes that belong to the event stream, once it is known to be one."""
        if self._document is not None:
            self._collect(chunk)
            return b""
        head = self._head + chunk if self._head else chunk.lstrip(_BLANKS)
        if len(head) < len(BOM) and BOM.startswith(head):
            self._head = head
            return b""
        start = head.removeprefix(BOM).lstrip(_BLANKS)
        if not start:
            self._head = BOM
        elif start[:1] == b"{":
            self._document = bytearray()
            self._collect(start)
        elif start[:1] == b"<":
            self._fail(Failure(kind=FailureKind.SERVER_ERROR, message="the upstream answered with HTML"))
        else:
            self._is_stream = True
            return start
        return b""

    def _collect(self, chunk: bytes) -> None:
        assert self._document is not None
        self._document += chunk
        if len(self._document) > self._max_bytes:
            self._document.clear()
            self._fail(_bad("the upstream sent an answer that is too large"))

    def _pass_some(self, passer: FramePasser, frames: bytes) -> bytes:
        """Let of one read what may go on do so, and write the rest."""
        runs = passer.runs(frames)
        if len(runs) == 1:
            return self._write(self._frames.read(frames))
        out: list[bytes] = []
        for run in runs:
            if self.is_over:
                break
            out.append(run if passer.pass_on(run) else self._write(self._frames.read(run)))
        return b"".join(out)

    def _write(self, datas: list[bytes]) -> bytes:
        """Hand the events of one read to the writer and join what it returns."""
        writer, decode, take = self._writer, self._decode, self._take
        out: list[bytes] = []
        for data in datas:
            event = decode(data)
            if written := take(event):
                out.append(written)
            elif type(event) is UnknownEvent:
                self._note(Note("unknown_event", event.type))
            elif type(event) is UnparsableEvent:
                if data.startswith(_DONE):
                    out.append(writer.upstream_ended(said_done=True))
                    self.is_over = True
                    break
                self._note(Note("unparsable_data"))
        if writer.is_finished or writer.failure is not None:
            self.is_over = True
        return self._begun(b"".join(out))

    def _replay(self, body: bytes) -> bytes:
        """Write a whole response object as the stream it stands for."""
        document = body if _is_clean(body) else mend_json(body)
        fields = None if document is None else read_fields(document)
        if document is None or fields is None:
            return self._fail(_bad("the upstream sent JSON that cannot be read"))
        response = read_response(Raw(document))
        ending = response.status if response.status in _ENDINGS else None
        if ending is None and any(
            name in fields and bytes(fields[name]) != b"null" for name in ("error", "detail")
        ):
            return self._fail(classify_response(200, {}, document))
        whole = self._writer.take_document(document)
        if whole is not None:
            self.is_over = True
            return whole
        if ending is None:
            if "output" not in fields:
                return self._fail(_bad("the upstream's JSON is no response"))
            if response.status is not None:
                return b""
        return self._write(_as_stream(fields, response.output, ending or "completed"))

    def _fail(self, failure: Failure) -> bytes:
        self._failure = failure
        self.is_over = True
        return b""

    def _begun(self, out: bytes) -> bytes:
        if out and self._owes_start:
            self._owes_start = False
            return self._writer.start() + out
        return out

    def _note(self, note: Note) -> None:
        # What follows the terminal event in the same read is ignored, as it would be in the next.
        if self._writer.is_finished or self._writer.failure is not None:
            return
        if len(self._notes) < _MAX_NOTES and note not in self._notes:
            self._notes.append(note)


def _as_stream(fields: dict[str, Raw], output: list[Raw], status: str) -> list[bytes]:
    """Return the data of the events that a response object stands for."""
    begun = {**fields, "status": Raw(b'"in_progress"'), "output": Raw(b"[]")}
    events: list[tuple[str, dict[str, object]]] = [("created", {"response": begun})]
    for index, item in enumerate(output):
        told = {"output_index": index, "item": item}
        events += [("output_item.added", told), ("output_item.done", told)]
    events.append((status, {"response": fields}))
    return [
        msgspec.json.encode({"type": f"response.{name}", "sequence_number": number, **rest})
        for number, (name, rest) in enumerate(events)
    ]


def _is_clean(body: bytes) -> bool:
    """Tell whether every text in the JSON is valid Unicode."""
    try:
        body.decode()
        msgspec.json.decode(body, type=Raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def _bad(message: str) -> Failure:
    return Failure(kind=FailureKind.BAD_STREAM, message=message)
