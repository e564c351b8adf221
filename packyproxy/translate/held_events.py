"""Events that wait until their item may write (wire-mapping 4.2)."""

from typing import cast

from msgspec import Raw

from packyproxy.wire import responses_events as upstream
from packyproxy.wire.responses_events import ResponsesEvent

__all__ = ["HeldEvents"]

_EVENT_OVERHEAD_BYTES = 256
"""Roughly what one waiting event costs besides its text."""

_LARGE_FIELDS = ("delta", "text", "arguments", "refusal", "input", "annotation")


class HeldEvents:
    """The events of one item that came before its turn, in order.

    Deltas of one part become one event, so that a long text does not wait as thousands of objects.
    """

    __slots__ = ("_events", "_run", "_run_key", "size")

    def __init__(self) -> None:
        self.size = 0
        """What they cost, in bytes."""
        self._events: list[ResponsesEvent] = []
        self._run = bytearray()
        self._run_key: tuple[object, ...] | None = None

    def hold(self, event: ResponsesEvent) -> int:
        """Keep an event for later and return what it costs in bytes."""
        delta = getattr(event, "delta", None)
        size = _EVENT_OVERHEAD_BYTES + _size(event)
        if delta is None:
            self._end_run()
            self._events.append(event)
        else:
            key = (type(event), cast("upstream.DeltaEvent", event).part_index)
            if key == self._run_key:
                size = len(delta)
            else:
                self._end_run()
                self._run_key = key
                self._events.append(event)
            self._run += bytes(delta)[1:-1] if bytes(delta)[:1] == b'"' else b""
        self.size += size
        return size

    def take(self) -> list[ResponsesEvent]:
        """Return the events and keep none."""
        self._end_run()
        events, self._events, self.size = self._events, [], 0
        return events

    def _end_run(self) -> None:
        if self._run_key is not None:
            cast("upstream.DeltaEvent", self._events[-1]).delta = Raw(b'"' + self._run + b'"')
            self._run_key = None
            self._run.clear()


def _size(event: ResponsesEvent) -> int:
    """Return how many bytes of JSON an event holds, short fields aside."""
    if type(event) is upstream.ItemDone:
        return event.item.size
    if type(event) is upstream.ContentPartDone:
        return event.part.size
    return sum(len(getattr(event, name, b"")) for name in _LARGE_FIELDS)
