"""Responses events to the items they are about, for every writer of items (wire-mapping 4.1, 4.2, 4.5, 4.8).

Only the item at the head of the queue writes; events of later items wait until it is done. Items that show
nothing never enter the queue. What an item writes, and how an answer ends, is the protocol's. Deltas of one
part in a row take a short cut through ``event``, which any other event closes again.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from packyproxy.errors import Failure, FailureKind
from packyproxy.translate.contract import Note
from packyproxy.translate.failures import classify_error_object
from packyproxy.translate.held_events import HeldEvents
from packyproxy.translate.item_table import ItemTable
from packyproxy.translate.items import Answer, Item
from packyproxy.translate.parts import Part
from packyproxy.wire import responses_events as upstream
from packyproxy.wire.lone_delta import LoneDelta
from packyproxy.wire.responses_events import ResponsesEvent, Usage
from packyproxy.wire.responses_output import OutputItem, ResponseObject, read_item, read_usage

__all__ = ["MAX_HELD_BYTES", "MAX_ITEMS", "ItemWriter"]

MAX_HELD_BYTES = 16 * 1024 * 1024
"""What may wait for earlier items: a whole long answer behind a web search, but no endless one."""

MAX_ITEMS = 4096
"""Far more than any answer has; every step that looks at all items stays cheap under it."""

_QUOTE = 0x22

_LONE_DELTAS: dict[type[upstream.DeltaEvent], LoneDelta] = {
    cls: LoneDelta(cls)
    for cls in (
        upstream.TextDelta,
        upstream.SummaryDelta,
        upstream.ReasoningDelta,
        upstream.ArgumentsDelta,
        upstream.CustomInputDelta,
    )
}
"""Those that can have a short cut."""

A = TypeVar("A", bound=Answer)
I = TypeVar("I", bound=Item[Any])  # noqa: E741 - an item


class ItemWriter(ABC, Generic[A, I]):
    """Give the events of one upstream stream to their items and learn from them how the answer ends.

    Args:
        answer: what the items share.
        table: the items, none yet.
        quiet_items: item types that are left out without a note.
    """

    def __init__(self, answer: A, table: ItemTable[I], quiet_items: frozenset[str]) -> None:
        self.is_finished = False
        """Whether the last bytes of a whole answer were returned."""
        self.failure: Failure | None = None
        """What the upstream said went wrong."""
        self.usage: Usage | None = None
        """The upstream's own numbers, once known."""
        self.answer = answer
        """What the items share."""
        self.table = table
        """The items."""
        self.queue: list[I] = []
        """Those that show something and have not left, in order of first appearance; the first one writes."""
        self.is_flushing = False
        """Whether nothing more will be heard of any item."""
        self._held_bytes = 0
        self._quiet_items = quiet_items
        self.is_over = False
        """Whether nothing more is to be written."""
        # The short cut: which deltas are only framed, and what was sent of their part.
        self._fast_type: type[upstream.DeltaEvent] | None = None
        self._fast_output: int | None = None
        self._fast_part: int | None = None
        self._fast_sent = bytearray()
        self._fast_text: Part | None = None
        """The part, if it is answer text whose end may still be told."""
        self._fast_prefix = b""
        self._fast_suffix = b""

    @property
    def notes(self) -> list[Note]:
        """Findings since the start, in order."""
        return self.answer.notes

    @property
    def decode(self) -> Callable[[bytes], ResponsesEvent]:
        """How the data of a frame is read."""
        return upstream.decode_event

    @property
    def fails_in_stream(self) -> bool:
        """Whether a failure goes into the stream although the status line could tell it: never."""
        return False

    def event(self, event: Any) -> bytes:
        """Take one upstream event."""
        if (
            type(event) is self._fast_type
            and event.output_index == self._fast_output
            and event.part_index == self._fast_part
        ):
            literal = bytes(event.delta)
            if len(literal) > 2 and literal[0] == _QUOTE:
                self._fast_sent += literal[1:-1]
                return self._fast_prefix + literal + self._fast_suffix
            return b""
        handler = _HANDLERS.get(type(event))
        if handler is None or self.is_over or (self._fast_text is not None and self._only_repeats(event)):
            return b""
        self._fast_type = self._fast_text = None
        return handler(self, event)

    def take_lone(self, read: bytes) -> bytes:
        """Take a read that is surely one more delta of the short cut; nothing if that is not sure."""
        if self._fast_type is None:
            return b""
        event = _LONE_DELTAS[self._fast_type].read(read)
        if event is None or event.output_index != self._fast_output or event.part_index != self._fast_part:
            return b""
        literal = bytes(event.delta)
        if len(literal) <= 2 or literal[0] != _QUOTE:
            return b""
        self._fast_sent += literal[1:-1]
        return self._fast_prefix + literal + self._fast_suffix

    def take_document(self, document: bytes) -> None:
        """Leave an answer in one piece to be replayed as events."""

    def upstream_ended(self, *, said_done: bool) -> bytes:
        """Take the end of the upstream's bytes; only ``[DONE]`` after a whole item counts as a good end."""
        if self.is_over:
            return b""
        self._fast_type = None
        items = [item for item in self.table.items if type(item) is not self.table.ignored]
        is_whole = any(item.is_answer for item in items) and all(item.is_done for item in items)
        if said_done and is_whole:
            return self.end(ResponseObject(), is_incomplete=False)
        return self.give_up(
            Failure(kind=FailureKind.TRUNCATED, message="Upstream stream ended before response.completed")
        )

    @abstractmethod
    def created(self, event: upstream.Created) -> bytes:
        """Take what the upstream says of the response when it begins."""

    def settle(self, head: I) -> bytes | None:
        """Write what is due before a finished item leaves the queue; None: it must not leave yet."""
        return b""

    @abstractmethod
    def stop_locally(self) -> bytes:
        """End the answer at a limit of the client's; the upstream is still talking and has told no usage."""

    @abstractmethod
    def end(self, response: ResponseObject, *, is_incomplete: bool) -> bytes:
        """Write what the items still owe (``flush``), and the end."""

    def flush(self) -> bytes:
        """Let all items write the rest, in output order behind the one that is writing."""
        self.is_flushing = True
        if not self.queue:
            return b""
        self.queue[1:] = sorted(self.queue[1:], key=_output_order)
        return self._advance()

    def _item_added(self, event: upstream.ItemAdded) -> bytes:
        item = event.item
        known = self.table.find_announced(event.output_index, item)
        if known is None:
            known = self._register(item.type, event.output_index, item.id)
        known.introduce(item)
        return self._advance() if self.queue and known is self.queue[0] else b""

    def _item_done(self, event: upstream.ItemDone) -> bytes:
        item = event.item
        cls = self.table.class_for(item.type)
        known = self.table.find_announced(event.output_index, item)
        if known is None and event.output_index is None and not item.id:
            known = self.table.newest(cls)
        if known is None:
            known = self._register(item.type, event.output_index, item.id)
        if cls is self.table.ignored and item.type not in self._quiet_items:
            self.answer.note(Note("ignored_item", upstream.safe_name(item.type)))
        return self._deliver(known, event)

    def _message_event(self, event: Any) -> bytes:
        return self._deliver(self._find(event, "message"), event)

    def _reasoning_event(self, event: Any) -> bytes:
        return self._deliver(self._find(event, "reasoning"), event)

    def _tool_event(self, event: Any) -> bytes:
        return self._deliver(self._find(event, "function_call"), event)

    def _part_done(self, event: upstream.ContentPartDone) -> bytes:
        known = self.table.find(event.output_index, event.item_id)
        return b"" if known is None else self._deliver(known, event)

    def _broken_delta(self, event: upstream.BrokenDelta) -> bytes:
        return self._deliver(self._find(event.event, _OWNERS[type(event.event)]), event)

    def _find(self, event: Any, item_type: str) -> I:
        """Return the item of a delta or ``done``; one that was never announced begins here."""
        item = self.table.find(event.output_index, event.item_id)
        if item is None and event.output_index is None and not event.item_id:
            item = self.table.newest(self.table.class_for(item_type))
        return item or self._register(item_type, event.output_index, event.item_id)

    def _register(self, item_type: str, output_index: int | None, item_id: str | None) -> I:
        cls = self.table.class_for(item_type)
        if len(self.table.items) >= MAX_ITEMS:
            self.give_up(
                Failure(kind=FailureKind.BAD_STREAM, message="the upstream sent too many output items")
            )
            return self.table.ignored(self.answer)
        item = self.table.register(cls, output_index, item_id)
        if cls is not self.table.ignored:
            self.queue.append(item)
        return item

    def _deliver(self, item: I, event: ResponsesEvent) -> bytes:
        """Give an event to its item now, if that is the head, or later."""
        is_end = type(event) is upstream.ItemDone
        if item.is_done or type(item) is self.table.ignored:
            # It needs none of its events any more.
            item.is_done = item.is_done or is_end
            return b""
        item.is_done = is_end
        item.harvest(event)
        if item is self.queue[0]:
            return self._write_now(item, event)
        if item.held is None:
            item.held = HeldEvents()
        self._held_bytes += item.held.hold(event)
        if self._gives_up_at(self._held_bytes):
            return b""
        # Some items at the head wait for what a later one brings.
        return self._advance() if item.is_done else b""

    def _write_now(self, head: I, event: ResponsesEvent) -> bytes:
        """Give an event to the item that writes; nothing waits there, because ``_advance`` leaves nothing."""
        out = head.take(event) if head.has_begun else _begin(head) + head.take(event)
        if type(event) is upstream.ItemDone:
            return out + self._advance()
        limiter = self.answer.limiter
        if limiter is not None and limiter.stop is not None:
            out += self.stop_locally()
        elif type(event) in _LONE_DELTAS:
            self._open_short_cut(head, event)
        return out

    def _advance(self) -> bytes:
        """Let the head write, and whoever follows once it is done."""
        out: list[bytes] = []
        queue = self.queue
        while queue:
            head = queue[0]
            if not head.has_begun:
                out.append(_begin(head))
            if head.held is not None:
                self._held_bytes -= head.held.size
                out += [head.take(event) for event in head.held.take()]
                head.held = None
            if not head.is_finished and self.is_flushing:
                out.append(head.finish(None))
            if self.answer.is_stopped:
                out.append(self.stop_locally())
                break
            if not head.is_finished:
                break
            settled = self.settle(head)
            if settled is None:
                break
            out.append(settled)
            del queue[0]
        return b"".join(out)

    def _open_short_cut(self, item: I, event: Any) -> None:
        """Let deltas that follow one of ``item`` only be framed, if they may."""
        # Half a key is not enough: the next event may complete it, which the table has to learn.
        if item.item_id and event.output_index == item.output_index is not None:
            part = item.open_part(event)
            if part is not None and not part.half and not part.is_done:
                self._fast_type, self._fast_sent = type(event), part.sent
                self._fast_output, self._fast_part = event.output_index, event.part_index
                self._fast_prefix, self._fast_suffix = item.framing()
                self._fast_text = part if type(event) is upstream.TextDelta else None

    def _only_repeats(self, event: Any) -> bool:
        """Tell whether an event only repeats the text of the short cut; if so, that part is done."""
        if type(event) is upstream.TextDone:
            text = event.text
        elif type(event) is upstream.ContentPartDone and event.part.type != "refusal":
            if event.part.annotations:
                return False
            text = event.part.text
        else:
            return False
        part = self._fast_text
        if (
            part is None
            or event.output_index != self._fast_output
            or event.part_index != self._fast_part
            or bytes(text) != b'"' + part.sent + b'"'
        ):
            return False
        part.is_done = True
        self._fast_type = None
        return True

    def _completed(self, event: upstream.Completed) -> bytes:
        return self._terminal(event.response, is_incomplete=False)

    def _incomplete(self, event: upstream.Incomplete) -> bytes:
        return self._terminal(event.response, is_incomplete=True)

    def _terminal(self, response: ResponseObject, *, is_incomplete: bool) -> bytes:
        self.usage = read_usage(response.usage)
        if response.status == "failed":
            return self.give_up(classify_error_object(bytes(response.error)))
        if response.status == "cancelled":
            return self.give_up(_cancelled())
        out = self._replay(list(map(read_item, response.output)))
        if self.is_over:
            return out
        return out + self.end(response, is_incomplete=is_incomplete or response.status == "incomplete")

    def _replay(self, output: list[OutputItem]) -> bytes:
        """Take the items that only the finished response has, or has whole."""
        out: list[bytes] = []
        for place, (streamed, item) in enumerate(self.table.match_final(output)):
            known = streamed or self._register(item.type, place, item.id)
            if not known.is_done and not self.is_over:
                out.append(self._deliver(known, upstream.ItemDone(output_index=place, item=item)))
        return b"".join(out)

    def shown_bytes(self) -> int:
        """Return how many UTF-8 bytes of text and arguments were shown."""
        limiter = self.answer.limiter
        limited = 0 if limiter is None else limiter.emitted_bytes
        return limited + sum(item.shown_bytes() for item in self.table.items)

    def _failed(self, event: upstream.Failed) -> bytes:
        self.usage = read_usage(event.response.usage)
        return self.give_up(classify_error_object(bytes(event.response.error)))

    def _cancelled(self, event: upstream.Cancelled) -> bytes:
        return self.give_up(_cancelled())

    def _error(self, event: upstream.ErrorEvent) -> bytes:
        return self.give_up(classify_error_object(event.error_object, status=event.status))

    def _gives_up_at(self, held_bytes: int) -> bool:
        """Give up if too much waits for earlier items, and tell whether it does."""
        if held_bytes <= MAX_HELD_BYTES:
            return False
        self.give_up(Failure(kind=FailureKind.BAD_STREAM, message="the upstream sent too much out of order"))
        return True

    def stop(self) -> None:
        """Let nothing more be written."""
        self.is_over = True
        self._fast_type = None

    def give_up(self, failure: Failure) -> bytes:
        """Take note of what went wrong; nothing is written of it here."""
        self.failure = failure
        self.is_over = True
        return b""


def _begin(item: Item[Any]) -> bytes:
    item.has_begun = True
    return item.begin()


def _output_order(item: Item[Any]) -> float:
    """Return where an item stands in the upstream's output; those that never said so come last."""
    return float("inf") if item.output_index is None else item.output_index


def _cancelled() -> Failure:
    return Failure(kind=FailureKind.CANCELLED, message="The upstream cancelled the response")


_OWNERS: dict[type, str] = {
    upstream.TextDelta: "message",
    upstream.RefusalDelta: "message",
    upstream.SummaryDelta: "reasoning",
    upstream.ReasoningDelta: "reasoning",
    upstream.ArgumentsDelta: "function_call",
    upstream.CustomInputDelta: "function_call",
}
"""The type of item that a delta belongs to."""

_HANDLERS: dict[type, Callable[[ItemWriter[Any, Any], Any], bytes]] = {
    upstream.TextDelta: ItemWriter._message_event,
    upstream.ArgumentsDelta: ItemWriter._tool_event,
    upstream.SummaryDelta: ItemWriter._reasoning_event,
    upstream.ReasoningDelta: ItemWriter._reasoning_event,
    upstream.RefusalDelta: ItemWriter._message_event,
    upstream.CustomInputDelta: ItemWriter._tool_event,
    upstream.TextDone: ItemWriter._message_event,
    upstream.RefusalDone: ItemWriter._message_event,
    upstream.AnnotationAdded: ItemWriter._message_event,
    upstream.ContentPartDone: ItemWriter._part_done,
    upstream.SummaryDone: ItemWriter._reasoning_event,
    upstream.ReasoningDone: ItemWriter._reasoning_event,
    upstream.ArgumentsDone: ItemWriter._tool_event,
    upstream.CustomInputDone: ItemWriter._tool_event,
    upstream.BrokenDelta: ItemWriter._broken_delta,
    upstream.ItemAdded: ItemWriter._item_added,
    upstream.ItemDone: ItemWriter._item_done,
    # Abstract, so it is looked up on the writer.
    upstream.Created: lambda writer, event: writer.created(event),
    upstream.Completed: ItemWriter._completed,
    upstream.CompletedAlias: ItemWriter._completed,
    upstream.Incomplete: ItemWriter._incomplete,
    upstream.Failed: ItemWriter._failed,
    upstream.Cancelled: ItemWriter._cancelled,
    upstream.ErrorEvent: ItemWriter._error,
    upstream.ErrorEventAlias: ItemWriter._error,
}
