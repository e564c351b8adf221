"""Responses events to Messages frames: who writes, and when it is over (wire-mapping 4.1, 4.2, 4.5, 4.8).

Only the item at the head of the queue writes; events of later items wait in their own queue until it is done,
because blocks may not overlap on the wire. A finished search stays at the head until the text that cites it
is known. Items that show nothing never enter the queue.

Deltas of the head's open block take a short cut through ``event``, which any other event closes again.
"""

from collections.abc import Callable
from typing import Any

from packyproxy.errors import Failure, FailureKind
from packyproxy.translate.contract import Note, StreamFacts
from packyproxy.translate.failures import classify_error_object
from packyproxy.translate.messages import finish, frames
from packyproxy.translate.messages.blocks import BlockState
from packyproxy.translate.messages.item_table import ItemTable
from packyproxy.translate.messages.items import Answer, IgnoredItem, Item, MessageItem
from packyproxy.translate.messages.search_items import SearchItem
from packyproxy.translate.messages.tool_items import ToolItem
from packyproxy.translate.text_limits import text_limiter
from packyproxy.wire import responses_events as upstream
from packyproxy.wire.messages_events import StopDetails, StopReason
from packyproxy.wire.messages_events import Usage as MessagesUsage
from packyproxy.wire.responses_events import ResponsesEvent, Usage
from packyproxy.wire.responses_output import OutputItem, ResponseObject, read_item, read_usage

__all__ = ["MAX_HELD_BYTES", "MAX_ITEMS", "MessagesWriter"]

MAX_HELD_BYTES = 16 * 1024 * 1024
"""What may wait for earlier items: a whole long answer behind a web search, but no endless one."""

MAX_ITEMS = 4096
"""Far more than any answer has; every step that looks at all items stays cheap under it."""

_DELTA_END = frames.DELTA_END


class MessagesWriter:
    """Turn the events of one upstream stream into Messages frames.

    Args:
        facts: what the request says about its answer.
        answer_id: the message id.
        request_id: part of the contract; Messages shows it only in error bodies, which come in whole.
    """

    def __init__(self, facts: StreamFacts, *, answer_id: str, request_id: str) -> None:
        self.is_finished = False
        """Whether ``message_stop`` was returned."""
        self.failure: Failure | None = None
        """What the upstream said went wrong."""
        self.usage: Usage | None = None
        """The upstream's own numbers, once known."""
        self._facts = facts
        self._answer_id = answer_id
        self._answer = Answer(facts, answer_id, text_limiter(facts.stop_sequences, facts.max_text_tokens))
        self._table = ItemTable(self._answer)
        self._queue: list[Item] = []
        self._tier: str | None = None
        self._held_bytes = 0
        self._listed_urls: set[str] = set()
        """What the searches before the next message listed."""
        self._is_flushing = False
        self._is_over = False
        # The short cut: which deltas belong to the open block, and what was sent of their part.
        self._fast_type: type[upstream.DeltaEvent] | None = None
        self._fast_output: int | None = None
        self._fast_part: int | None = None
        self._fast_sent = bytearray()
        self._fast_prefix = b""

    @property
    def has_content(self) -> bool:
        """Whether a block was started."""
        return self._answer.blocks.has_started

    @property
    def notes(self) -> list[Note]:
        """Findings since the start, in order."""
        return self._answer.notes

    @property
    def decode(self) -> Callable[[bytes], ResponsesEvent]:
        """How the data of a frame is read."""
        return upstream.decode_event

    @property
    def fails_in_stream(self) -> bool:
        """Whether a failure goes into the stream although the status line could tell it: never."""
        return False

    def start(self) -> bytes:
        """Write ``message_start`` and ``ping``."""
        start = frames.message_start(
            self._answer_id,
            self._facts.model,
            input_tokens=self._facts.input_tokens_estimate,
            service_tier=finish.service_tier(self._tier),
        )
        return start + frames.PING

    def event(self, event: Any) -> bytes:
        """Take one upstream event."""
        if (
            type(event) is self._fast_type
            and event.output_index == self._fast_output
            and event.part_index == self._fast_part
        ):
            literal = bytes(event.delta)
            if len(literal) > 2 and literal[0] == 0x22:
                self._fast_sent += literal[1:-1]
                return self._fast_prefix + literal + _DELTA_END
            return b""
        handler = _HANDLERS.get(type(event))
        if handler is None or self._is_over:
            return b""
        self._fast_type = None
        return handler(self, event)

    def take_document(self, document: bytes) -> None:
        """Leave an answer in one piece to be replayed as events."""

    def upstream_ended(self, *, said_done: bool) -> bytes:
        """Take the end of the upstream's bytes; only ``[DONE]`` after a whole item counts as a good end."""
        if self._is_over:
            return b""
        self._fast_type = None
        items = [item for item in self._table.items if type(item) is not IgnoredItem]
        is_whole = any(isinstance(item, (MessageItem, ToolItem)) for item in items) and all(
            i.is_done for i in items
        )
        if said_done and is_whole:
            return self._end(ResponseObject(), is_incomplete=False)
        return self._fail(
            Failure(kind=FailureKind.TRUNCATED, message="Upstream stream ended before response.completed")
        )

    def answer_locally(self) -> bytes:
        """Write the ending of an answer without content: the client only wanted to warm a cache."""
        usage = finish.estimated_usage(self._facts.input_tokens_estimate, 0, 0)
        return self._message_end("max_tokens", usage)

    def fail(self, status: int, body: bytes) -> bytes:
        """Write the ``error`` frame; nothing may follow it."""
        self._is_over = True
        self._fast_type = None
        return frames.error(body)

    def keep_alive(self) -> bytes:
        """Write a ``ping``."""
        return frames.PING

    def _created(self, event: upstream.Created) -> bytes:
        self._tier = self._tier or event.response.service_tier
        return b""

    def _item_added(self, event: upstream.ItemAdded) -> bytes:
        item = event.item
        known = self._table.find_announced(event.output_index, item)
        if known is None:
            known = self._register(item.type, event.output_index, item.id)
        known.introduce(item)
        return self._advance() if self._queue and known is self._queue[0] else b""

    def _item_done(self, event: upstream.ItemDone) -> bytes:
        item = event.item
        cls = self._table.class_for(item.type)
        known = self._table.find_announced(event.output_index, item)
        if known is None and event.output_index is None and not item.id:
            known = self._table.newest(cls)
        if known is None:
            known = self._register(item.type, event.output_index, item.id)
        if cls is IgnoredItem and item.type not in _QUIET_ITEMS:
            self._answer.note(Note("ignored_item", upstream.safe_name(item.type)))
        return self._deliver(known, event)

    def _message_event(self, event: Any) -> bytes:
        return self._deliver(self._find(event, "message"), event)

    def _reasoning_event(self, event: Any) -> bytes:
        return self._deliver(self._find(event, "reasoning"), event)

    def _tool_event(self, event: Any) -> bytes:
        return self._deliver(self._find(event, "function_call"), event)

    def _part_done(self, event: upstream.ContentPartDone) -> bytes:
        known = self._table.find(event.output_index, event.item_id)
        return b"" if known is None else self._deliver(known, event)

    def _broken_delta(self, event: upstream.BrokenDelta) -> bytes:
        return self._deliver(self._find(event.event, _OWNERS[type(event.event)]), event)

    def _find(self, event: Any, item_type: str) -> Item:
        """Return the item of a delta or ``done``; one that was never announced begins here."""
        item = self._table.find(event.output_index, event.item_id)
        if item is None and event.output_index is None and not event.item_id:
            item = self._table.newest(self._table.class_for(item_type))
        return item or self._register(item_type, event.output_index, event.item_id)

    def _register(self, item_type: str, output_index: int | None, item_id: str | None) -> Item:
        cls = self._table.class_for(item_type)
        if len(self._table.items) >= MAX_ITEMS:
            self._fail(
                Failure(kind=FailureKind.BAD_STREAM, message="the upstream sent too many output items")
            )
            return IgnoredItem(self._answer)
        item = self._table.register(cls, output_index, item_id)
        if cls is not IgnoredItem:
            self._queue.append(item)
        return item

    def _deliver(self, item: Item, event: ResponsesEvent) -> bytes:
        """Give an event to its item now, if that is the head, or later."""
        if item.is_done or type(item) is IgnoredItem:
            item.is_done = item.is_done or type(event) is upstream.ItemDone
            return b""
        if type(event) is upstream.ItemDone:
            item.is_done = True
        item.harvest(event)
        if item is self._queue[0]:
            return self._write_now(item, event)
        self._held_bytes += item.hold(event)
        if self._held_bytes > MAX_HELD_BYTES:
            return self._fail(
                Failure(kind=FailureKind.BAD_STREAM, message="the upstream sent too much out of order")
            )
        # A message that is done may be what a search at the head waits for.
        return self._advance() if item.is_done else b""

    def _write_now(self, head: Item, event: ResponsesEvent) -> bytes:
        """Give an event to the item that writes; nothing waits there, because ``_advance`` leaves nothing."""
        out = head.take(event) if head.has_begun else _begin(head) + head.take(event)
        if type(event) is upstream.ItemDone:
            return out + self._advance()
        limiter = self._answer.limiter
        if limiter is not None and limiter.stop is not None:
            out += self._stop_locally()
        elif type(event) in _PLAIN_DELTAS:
            self._open_short_cut(head, event)
        return out

    def _advance(self) -> bytes:
        """Let the head write, and whoever follows once it is done."""
        out: list[bytes] = []
        queue, answer = self._queue, self._answer
        while queue:
            head = queue[0]
            if not head.has_begun:
                out.append(_begin(head))
            if head.held:
                self._held_bytes -= head.held_bytes
                out += [head.take(event) for event in head.take_held()]
            if not head.is_finished and self._is_flushing:
                out.append(head.finish(None))
            if answer.limiter is not None and answer.limiter.stop is not None:
                out.append(self._stop_locally())
                break
            if not head.is_finished:
                break
            if isinstance(head, SearchItem) and head.awaits_result:
                message = next((item for item in queue if isinstance(item, MessageItem)), None)
                if not self._is_flushing and (message is None or not message.is_done):
                    break
                out.append(self._resolve(head, message))
            del queue[0]
        return b"".join(out)

    def _resolve(self, search: SearchItem, message: MessageItem | None) -> bytes:
        listed = self._listed_urls
        listed.update(search.urls)
        between = self._queue[1 : self._queue.index(message)] if message is not None else self._queue[1:]
        later = [item for item in between if isinstance(item, SearchItem) and item.is_search]
        if not later:
            self._listed_urls = set()
        return search.resolve(message, listed=listed, is_last=not later)

    def _open_short_cut(self, item: Item, event: Any) -> None:
        # Half a key is not enough: the next event may complete it, which the table has to learn.
        if item.item_id and event.output_index == item.output_index is not None:
            part = item.open_part(event)
            if part is not None and not part.half and not part.is_done:
                self._fast_type, self._fast_sent = type(event), part.sent
                self._fast_output, self._fast_part = event.output_index, event.part_index
                self._fast_prefix = self._answer.blocks.delta_prefix

    def _completed(self, event: upstream.Completed) -> bytes:
        return self._terminal(event.response, is_incomplete=False)

    def _incomplete(self, event: upstream.Incomplete) -> bytes:
        return self._terminal(event.response, is_incomplete=True)

    def _terminal(self, response: ResponseObject, *, is_incomplete: bool) -> bytes:
        self.usage = read_usage(response.usage)
        if response.status == "failed":
            return self._fail(classify_error_object(bytes(response.error)))
        if response.status == "cancelled":
            return self._fail(_cancelled())
        out = self._replay(list(map(read_item, response.output)))
        if self._is_over:
            return out
        return out + self._end(response, is_incomplete=is_incomplete or response.status == "incomplete")

    def _replay(self, output: list[OutputItem]) -> bytes:
        """Take the items that only the finished response has, or has whole."""
        out: list[bytes] = []
        for place, (streamed, item) in enumerate(self._table.match_final(output)):
            known = streamed or self._register(item.type, place, item.id)
            if not known.is_done and not self._is_over:
                out.append(self._deliver(known, upstream.ItemDone(output_index=place, item=item)))
        return b"".join(out)

    def _end(self, response: ResponseObject, *, is_incomplete: bool) -> bytes:
        """Flush what waits, in output order behind the item that is writing, and finish."""
        out = self._flush() if self._queue else b""
        if self._is_over:
            return out
        answer = self._answer
        searches = finish.searches_made(response.tool_usage, answer.searches)
        if self.usage is None:
            usage = finish.estimated_usage(self._facts.input_tokens_estimate, self._shown_bytes(), searches)
        else:
            usage = finish.answer_usage(self.usage, searches)
        reason, details = finish.stop(response, answer, is_incomplete=is_incomplete)
        return out + answer.blocks.release() + self._message_end(reason, usage, stop_details=details)

    def _flush(self) -> bytes:
        self._is_flushing = True
        self._queue[1:] = sorted(self._queue[1:], key=_output_order)
        return self._advance()

    def _stop_locally(self) -> bytes:
        """End the answer at a limit of the client's; the upstream is still talking and has told no usage."""
        answer = self._answer
        assert answer.limiter is not None
        assert answer.limiter.stop is not None
        closing = answer.blocks.close() if answer.blocks.state is BlockState.TEXT else answer.blocks.release()
        usage = finish.estimated_usage(
            self._facts.input_tokens_estimate, self._shown_bytes(), answer.searches
        )
        local = answer.limiter.stop
        return closing + self._message_end(local.reason, usage, stop_sequence=local.sequence)

    def _shown_bytes(self) -> int:
        limiter = self._answer.limiter
        shown = 0 if limiter is None else limiter.emitted_bytes
        return shown + sum(
            item.shown_bytes()
            for item in self._table.items
            if limiter is None or type(item) is not MessageItem
        )

    def _message_end(
        self,
        reason: StopReason,
        usage: MessagesUsage,
        *,
        stop_sequence: str | None = None,
        stop_details: StopDetails | None = None,
    ) -> bytes:
        self._is_over = self.is_finished = True
        return frames.message_end(
            reason,
            usage,
            stop_sequence=stop_sequence,
            stop_details=stop_details,
            echoes_context_management=self._facts.echoes_context_management,
        )

    def _failed(self, event: upstream.Failed) -> bytes:
        self.usage = read_usage(event.response.usage)
        return self._fail(classify_error_object(bytes(event.response.error)))

    def _cancelled(self, event: upstream.Cancelled) -> bytes:
        return self._fail(_cancelled())

    def _error(self, event: upstream.ErrorEvent) -> bytes:
        return self._fail(classify_error_object(event.error_object, status=event.status))

    def _fail(self, failure: Failure) -> bytes:
        self.failure = failure
        self._is_over = True
        return b""


def _begin(item: Item) -> bytes:
    item.has_begun = True
    return item.begin()


def _cancelled() -> Failure:
    return Failure(kind=FailureKind.CANCELLED, message="The upstream cancelled the response")


def _output_order(item: Item) -> float:
    return float("inf") if item.output_index is None else item.output_index


_OWNERS: dict[type, str] = {
    upstream.TextDelta: "message",
    upstream.RefusalDelta: "message",
    upstream.SummaryDelta: "reasoning",
    upstream.ReasoningDelta: "reasoning",
    upstream.ArgumentsDelta: "function_call",
    upstream.CustomInputDelta: "function_call",
}
"""The type of item that a delta belongs to."""

_PLAIN_DELTAS = frozenset(
    {upstream.TextDelta, upstream.SummaryDelta, upstream.ReasoningDelta, upstream.ArgumentsDelta}
)
"""Those that can have a short cut."""

_QUIET_ITEMS = frozenset({"reasoning", "compaction"})

_HANDLERS: dict[type, Callable[[MessagesWriter, Any], bytes]] = {
    upstream.TextDelta: MessagesWriter._message_event,
    upstream.ArgumentsDelta: MessagesWriter._tool_event,
    upstream.SummaryDelta: MessagesWriter._reasoning_event,
    upstream.ReasoningDelta: MessagesWriter._reasoning_event,
    upstream.RefusalDelta: MessagesWriter._message_event,
    upstream.CustomInputDelta: MessagesWriter._tool_event,
    upstream.TextDone: MessagesWriter._message_event,
    upstream.RefusalDone: MessagesWriter._message_event,
    upstream.AnnotationAdded: MessagesWriter._message_event,
    upstream.ContentPartDone: MessagesWriter._part_done,
    upstream.SummaryDone: MessagesWriter._reasoning_event,
    upstream.ReasoningDone: MessagesWriter._reasoning_event,
    upstream.ArgumentsDone: MessagesWriter._tool_event,
    upstream.CustomInputDone: MessagesWriter._tool_event,
    upstream.BrokenDelta: MessagesWriter._broken_delta,
    upstream.ItemAdded: MessagesWriter._item_added,
    upstream.ItemDone: MessagesWriter._item_done,
    upstream.Created: MessagesWriter._created,
    upstream.Completed: MessagesWriter._completed,
    upstream.CompletedAlias: MessagesWriter._completed,
    upstream.Incomplete: MessagesWriter._incomplete,
    upstream.Failed: MessagesWriter._failed,
    upstream.Cancelled: MessagesWriter._cancelled,
    upstream.ErrorEvent: MessagesWriter._error,
    upstream.ErrorEventAlias: MessagesWriter._error,
}
