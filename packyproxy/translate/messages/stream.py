"""Responses events to Messages frames: who writes, and when it is over (wire-mapping 4.1, 4.2, 4.8).

Only the item at the head of the queue writes; events of later items wait in their own queue until it is done,
because blocks may not overlap on the wire. A finished search stays at the head until the text that cites it
is known. Items that show nothing never enter the queue.
"""

from packyproxy.translate.contract import StreamFacts
from packyproxy.translate.item_table import ItemTable
from packyproxy.translate.item_writer import ItemWriter
from packyproxy.translate.messages import finish, frames
from packyproxy.translate.messages.blocks import BlockState
from packyproxy.translate.messages.items import (
    Answer,
    IgnoredItem,
    ImageItem,
    Item,
    MessageItem,
    ReasoningItem,
)
from packyproxy.translate.messages.search_items import SearchItem
from packyproxy.translate.messages.tool_items import ToolItem
from packyproxy.wire import responses_events as upstream
from packyproxy.wire.messages_events import StopDetails, StopReason
from packyproxy.wire.messages_events import Usage as MessagesUsage
from packyproxy.wire.responses_events import ResponsesEvent
from packyproxy.wire.responses_output import ResponseObject

__all__ = ["MessagesWriter"]

_CLASSES: dict[str, type[Item]] = {
    "message": MessageItem,
    "reasoning": ReasoningItem,
    "function_call": ToolItem,
    "custom_tool_call": ToolItem,
    "web_search_call": SearchItem,
    "image_generation_call": ImageItem,
}
_CLASSES_WITHOUT_THINKING = {name: cls for name, cls in _CLASSES.items() if name != "reasoning"}

_QUIET_ITEMS = frozenset({"reasoning", "compaction"})

_PLAIN_DELTAS = frozenset(
    {upstream.TextDelta, upstream.SummaryDelta, upstream.ReasoningDelta, upstream.ArgumentsDelta}
)
"""Those that can have a short cut."""


class MessagesWriter(ItemWriter[Answer, Item]):
    """Turn the events of one upstream stream into Messages frames.

    Args:
        facts: what the request says about its answer.
        answer_id: the message id.
        request_id: part of the contract; Messages shows it only in error bodies, which come in whole.
    """

    def __init__(self, facts: StreamFacts, *, answer_id: str, request_id: str) -> None:
        answer = Answer(facts, answer_id)
        classes = _CLASSES if facts.thinking_is_visible else _CLASSES_WITHOUT_THINKING
        super().__init__(answer, ItemTable(answer, classes, IgnoredItem), _QUIET_ITEMS)
        self._facts = facts
        self._queue: list[Item] = []
        self._tier: str | None = None
        self._held_bytes = 0
        self._listed_urls: set[str] = set()
        """What the searches before the next message listed."""
        self._is_flushing = False

    @property
    def has_content(self) -> bool:
        """Whether a block was started."""
        return self.answer.blocks.has_started

    def start(self) -> bytes:
        """Write ``message_start`` and ``ping``."""
        start = frames.message_start(
            self.answer.answer_id,
            self._facts.model,
            input_tokens=self._facts.input_tokens_estimate,
            service_tier=finish.service_tier(self._tier),
        )
        return start + frames.PING

    def answer_locally(self) -> bytes:
        """Write the ending of an answer without content: the client only wanted to warm a cache."""
        usage = finish.estimated_usage(self._facts.input_tokens_estimate, 0, 0)
        return self._message_end("max_tokens", usage)

    def fail(self, status: int, body: bytes) -> bytes:
        """Write the ``error`` frame; nothing may follow it."""
        self.stop()
        return frames.error(body)

    def keep_alive(self) -> bytes:
        """Write a ``ping``."""
        return frames.PING

    def created(self, event: upstream.Created) -> bytes:
        """Remember the service tier for ``message_start``."""
        self._tier = self._tier or event.response.service_tier
        return b""

    def registered(self, item: Item) -> None:
        """Let a new item wait for its turn."""
        self._queue.append(item)

    def introduced(self, item: Item) -> bytes:
        """Open the block of the item that writes, if it can open now."""
        return self._advance() if self._queue and item is self._queue[0] else b""

    def deliver(self, item: Item, event: ResponsesEvent) -> bytes:
        """Give an event to its item now, if that is the head, or later."""
        if self.is_settled(item, event):
            return b""
        item.harvest(event)
        if item is self._queue[0]:
            return self._write_now(item, event)
        self._held_bytes += item.hold(event)
        if self.gives_up_at(self._held_bytes):
            return b""
        # A message that is done may be what a search at the head waits for.
        return self._advance() if item.is_done else b""

    def _write_now(self, head: Item, event: ResponsesEvent) -> bytes:
        """Give an event to the item that writes; nothing waits there, because ``_advance`` leaves nothing."""
        out = head.take(event) if head.has_begun else _begin(head) + head.take(event)
        if type(event) is upstream.ItemDone:
            return out + self._advance()
        limiter = self.answer.limiter
        if limiter is not None and limiter.stop is not None:
            out += self._stop_locally()
        elif type(event) in _PLAIN_DELTAS:
            self.open_short_cut(head, event, self.answer.blocks.delta_prefix, frames.DELTA_END)
        return out

    def _advance(self) -> bytes:
        """Let the head write, and whoever follows once it is done."""
        out: list[bytes] = []
        queue, answer = self._queue, self.answer
        while queue:
            head = queue[0]
            if not head.has_begun:
                out.append(_begin(head))
            if head.held:
                self._held_bytes -= head.held_bytes
                out += [head.take(event) for event in head.take_held()]
            if not head.is_finished and self._is_flushing:
                out.append(head.finish(None))
            if answer.limiter is not None and answer.is_stopped:
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

    def end(self, response: ResponseObject, *, is_incomplete: bool) -> bytes:
        """Flush what waits, in output order behind the item that is writing, and finish."""
        out = self._flush() if self._queue else b""
        if self.is_over:
            return out
        answer = self.answer
        searches = finish.searches_made(response.tool_usage, answer.searches)
        if self.usage is None:
            usage = finish.estimated_usage(self._facts.input_tokens_estimate, self.shown_bytes(), searches)
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
        answer = self.answer
        assert answer.limiter is not None
        assert answer.limiter.stop is not None
        closing = answer.blocks.close() if answer.blocks.state is BlockState.TEXT else answer.blocks.release()
        usage = finish.estimated_usage(self._facts.input_tokens_estimate, self.shown_bytes(), answer.searches)
        local = answer.limiter.stop
        return closing + self._message_end(local.reason, usage, stop_sequence=local.sequence)

    def _message_end(
        self,
        reason: StopReason,
        usage: MessagesUsage,
        *,
        stop_sequence: str | None = None,
        stop_details: StopDetails | None = None,
    ) -> bytes:
        self.is_over = self.is_finished = True
        return frames.message_end(
            reason,
            usage,
            stop_sequence=stop_sequence,
            stop_details=stop_details,
            echoes_context_management=self._facts.echoes_context_management,
        )


def _begin(item: Item) -> bytes:
    item.has_begun = True
    return item.begin()


def _output_order(item: Item) -> float:
    return float("inf") if item.output_index is None else item.output_index
