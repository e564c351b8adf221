"""Responses events to the same Responses events (wire-mapping 0.5, 4.8, 7.3, 8.6).

Until the first content the handshake is held, so that a client sees that of one upstream only. From then on
every event passes as it is read; the response object alone is changed. How an upstream says that it failed is
kept, and shown if nothing else can be tried.
"""

from collections.abc import Callable
from typing import Any

from msgspec import Struct
from msgspec.json import Decoder

from packyproxy.errors import Failure, FailureKind
from packyproxy.translate.contract import Note
from packyproxy.translate.failures import classify_error_object
from packyproxy.translate.responses.facts import ResponsesFacts
from packyproxy.translate.responses.frames import KEEP_ALIVE, data_of
from packyproxy.translate.responses.lifecycle import ResponseWriter
from packyproxy.translate.responses.output import DoneItems
from packyproxy.translate.responses.reading import (
    DeltaForm,
    Handshake,
    Lifecycle,
    PassedEvent,
    Told,
    delta_form,
    delta_runs,
    read_event,
)
from packyproxy.wire import responses_events as upstream
from packyproxy.wire.responses_events import Usage
from packyproxy.wire.responses_output import read_lenient, read_usage

__all__ = ["MAX_HELD_BYTES", "MAX_KEPT_BYTES", "ResponsesWriter"]

MAX_HELD_BYTES = 16 * 1024 * 1024
"""More than any handshake; an upstream that never comes to content is not kept for ever."""

MAX_KEPT_BYTES = 16 * 1024 * 1024
"""How large the items of an answer may be together to fill its last event; a whole long answer."""

_MAX_NOTES = 32


class _NumberedEvent(Struct):
    sequence_number: int | None = None


_NUMBERED = Decoder(_NumberedEvent)


class ResponsesWriter:
    """Pass the events of one upstream stream on.

    Args:
        facts: what the request says about its answer.
        answer_id: the response's id if we have to end the stream before the upstream told one.
        request_id: part of the contract; Responses has no place for it.
    """

    def __init__(self, facts: ResponsesFacts, *, answer_id: str, request_id: str) -> None:
        self.has_content = False
        """Whether an event that is no handshake was returned."""
        self.is_finished = False
        """Whether the event that ends a good answer was returned."""
        self.failure: Failure | None = None
        """What the upstream said went wrong."""
        self.usage: Usage | None = None
        """The upstream's own numbers, once known."""
        self.notes: list[Note] = []
        """The types that nobody knows, each once."""
        self._facts = facts
        self._response = ResponseWriter(facts.model, answer_id, upstream_model=facts.upstream_model)
        self._items = DoneItems(max_bytes=MAX_KEPT_BYTES)
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._last = b""
        """Ends with the newest frame, which has the newest ``sequence_number``."""
        self._failed = b""
        """The frame by which the upstream said that it failed."""
        self._has_told = False
        self._is_over = False
        self._passes = False
        """Whether content was returned and more may follow: the usual state."""
        self._running: DeltaForm | None = None
        """Of the deltas that were passed on last."""

    @property
    def decode(self) -> Callable[[bytes], PassedEvent]:
        """How the data of a frame is read."""
        return read_event

    @property
    def fails_in_stream(self) -> bool:
        """Whether an event told the failure: clients look for its code in the stream (wire-mapping 7.3)."""
        return self._has_told

    def start(self) -> bytes:
        """Write nothing: the first frames are the upstream's."""
        return b""

    def pass_on(self, frames: bytes) -> bool:
        """Take frames that may go on as they are, if they are deltas of a stream that is under way."""
        form = delta_form(frames) if self._passes else None
        if form is None or not form.are_all(frames):
            return False
        self._running = form
        self._last = frames
        return True

    def take_lone(self, read: bytes) -> bytes:
        """Return a read that is one more delta of those passed on last; nothing if that is not sure."""
        if self._running is None or not self._passes or self._running.read_lone(read) is None:
            return b""
        self._last = read
        return read

    def runs(self, frames: bytes) -> list[bytes]:
        """Cut frames where deltas of one type begin and end."""
        return delta_runs(frames)

    def event(self, event: Any) -> bytes:
        """Take one upstream event."""
        if type(event) is bytes:
            if self._passes:
                self._last = event
                return event
            return b"" if self._is_over else self._pass(event)
        handler = _HANDLERS.get(type(event))
        return b"" if handler is None or self._is_over else handler(self, event)

    def take_document(self, document: bytes) -> None:
        """Leave an answer in one piece to be replayed as events."""

    def upstream_ended(self, *, said_done: bool) -> bytes:
        """Take the end of the upstream's bytes; only ``[DONE]`` after a whole answer counts as a good end."""
        if self._is_over:
            return b""
        if said_done and self._items.has_answer and self._items.are_whole:
            return self._finish(self._completed())
        return self._fail(
            Failure(kind=FailureKind.TRUNCATED, message="Upstream stream ended before response.completed")
        )

    def answer_locally(self) -> bytes:
        """Write an answer without output."""
        return self._finish(self._completed())

    def fail(self, status: int, body: bytes) -> bytes:
        """Write the upstream's own failure, or one of ours; nothing may follow it."""
        self._is_over, self._passes = True, False
        held, self._held = self._held, []
        number = self._next_number()
        return b"".join(held) + (self._failed or self._response.failed(body, sequence_number=number))

    def keep_alive(self) -> bytes:
        """Write a comment."""
        return KEEP_ALIVE

    def _pass(self, written: bytes) -> bytes:
        """Let an event of the answer out, and the handshake before the first."""
        self._last = written
        if not self._held:
            self.has_content = self._passes = True
            return written
        out = b"".join([*self._held, written])
        self._held = []
        self.has_content = self._passes = True
        return out

    def _hold(self, written: bytes) -> bytes:
        """Keep an event of the handshake until the content begins; later ones pass."""
        self._last = written
        if self._passes:
            return written
        self._held.append(written)
        self._held_bytes += len(written)
        if self._held_bytes > MAX_HELD_BYTES:
            self._held = []
            return self._fail(
                Failure(kind=FailureKind.BAD_STREAM, message="the upstream sent too much before its answer")
            )
        return b""

    def _handshake(self, event: Handshake) -> bytes:
        note = Note("unknown_event", event.unknown)
        if event.unknown and len(self.notes) < _MAX_NOTES and note not in self.notes:
            self.notes.append(note)
        return self._hold(event.frame)

    def _lifecycle(self, event: Lifecycle) -> bytes:
        return self._hold(self._response.begun(event))

    def _told(self, told: Told) -> bytes:
        event = told.event
        if type(event) is upstream.ItemDone:
            self._items.add(event, told.document)
            return self._pass(told.frame)
        if type(event) is upstream.ItemAdded:
            self._items.begin(event)
            return self._pass(told.frame)
        return _ENDINGS[type(event)](self, told)

    def _good_ending(self, told: Told) -> bytes:
        event: Any = told.event
        status = event.response.status
        if status == "failed":
            return self._failing(told)
        self.usage = read_usage(event.response.usage)
        if status == "cancelled":
            return self._cancelled(told)
        kind = "response.incomplete" if type(event) is upstream.Incomplete else "response.completed"
        return self._finish(self._response.ended(kind, told, self._items))

    def _failing(self, told: Told) -> bytes:
        event: Any = told.event
        self.usage = read_usage(event.response.usage)
        failure = classify_error_object(bytes(event.response.error))
        return self._tell(failure, self._response.failing(told))

    def _cancelled(self, told: Told) -> bytes:
        # No client knows an event of this name, so it is told in the words of ``fail``.
        return self._tell(
            Failure(kind=FailureKind.CANCELLED, message="The upstream cancelled the response"), b""
        )

    def _error(self, told: Told) -> bytes:
        event: Any = told.event
        return self._tell(classify_error_object(event.error_object, status=event.status), told.frame)

    def _tell(self, failure: Failure, written: bytes) -> bytes:
        self._failed, self._has_told = written, True
        return self._fail(failure)

    def _fail(self, failure: Failure) -> bytes:
        self.failure = failure
        self._is_over, self._passes = True, False
        return b""

    def _finish(self, written: bytes) -> bytes:
        out = self._pass(written)
        self._is_over = self.is_finished = True
        self._passes = False
        return out

    def _completed(self) -> bytes:
        return self._response.completed(
            self._items,
            input_tokens=self._facts.input_tokens_estimate,
            sequence_number=self._next_number(),
        )

    def _next_number(self) -> int:
        if not self._last:
            return 0
        event = read_lenient(data_of(self._last), _NUMBERED, _NumberedEvent)
        number = None if event is None else event.sequence_number
        return 0 if number is None else number + 1


_HANDLERS: dict[type, Callable[[ResponsesWriter, Any], bytes]] = {
    Handshake: ResponsesWriter._handshake,
    Lifecycle: ResponsesWriter._lifecycle,
    Told: ResponsesWriter._told,
}

_ENDINGS: dict[type, Callable[[ResponsesWriter, Told], bytes]] = {
    upstream.Completed: ResponsesWriter._good_ending,
    upstream.CompletedAlias: ResponsesWriter._good_ending,
    upstream.Incomplete: ResponsesWriter._good_ending,
    upstream.Failed: ResponsesWriter._failing,
    upstream.Cancelled: ResponsesWriter._cancelled,
    upstream.ErrorEvent: ResponsesWriter._error,
    upstream.ErrorEventAlias: ResponsesWriter._error,
}
