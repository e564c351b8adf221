"""Responses events to Messages frames: what begins an answer, and when it is over (wire-mapping 4.2, 4.8).

Blocks may not overlap on the wire, which the queue of items sees to. A finished search stays at its head
until the text that cites it is known.
"""

from packyproxy.translate.item_table import ItemTable
from packyproxy.translate.item_writer import ItemWriter
from packyproxy.translate.messages import finish, frames
from packyproxy.translate.messages.blocks import BlockState
from packyproxy.translate.messages.facts import MessagesFacts
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


class MessagesWriter(ItemWriter[Answer, Item]):
    """Turn the events of one upstream stream into Messages frames.

    Args:
        facts: what the request says about its answer.
        answer_id: the message id.
        request_id: part of the contract; Messages shows it only in error bodies, which come in whole.
    """

    def __init__(self, facts: MessagesFacts, *, answer_id: str, request_id: str) -> None:
        answer = Answer(facts, answer_id)
        classes = _CLASSES if facts.thinking_is_visible else _CLASSES_WITHOUT_THINKING
        super().__init__(answer, ItemTable(answer, classes, IgnoredItem), _QUIET_ITEMS)
        self._facts = facts
        self._tier: str | None = None
        self._listed_urls: set[str] = set()
        """What the searches before the next message listed."""

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

    def settle(self, head: Item) -> bytes | None:
        """Write what a search found, once the message that may cite it is done."""
        if not isinstance(head, SearchItem) or not head.awaits_result:
            return b""
        message = next((item for item in self.queue if isinstance(item, MessageItem)), None)
        if not self.is_flushing and (message is None or not message.is_done):
            return None
        return self._resolve(head, message)

    def _resolve(self, search: SearchItem, message: MessageItem | None) -> bytes:
        listed = self._listed_urls
        listed.update(search.urls)
        between = self.queue[1 : self.queue.index(message)] if message is not None else self.queue[1:]
        later = [item for item in between if isinstance(item, SearchItem) and item.is_search]
        if not later:
            self._listed_urls = set()
        return search.resolve(message, listed=listed, is_last=not later)

    def end(self, response: ResponseObject, *, is_incomplete: bool) -> bytes:
        """Write what the items still owe, and finish."""
        out = self.flush()
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

    def stop_locally(self) -> bytes:
        """End the answer at a limit of the client's, with what stood in the open block."""
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
