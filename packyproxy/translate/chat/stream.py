"""Responses events to Chat chunks: what begins an answer, and how it is over (wire-mapping 6.4).

All texts go into one field, and clients take a call for whole as soon as the next one begins; so the items
follow each other, which the queue of items sees to.
"""

from packyproxy.translate.chat import chunks, finish
from packyproxy.translate.chat.facts import ChatFacts
from packyproxy.translate.chat.items import (
    Answer,
    CallItem,
    IgnoredItem,
    ImageItem,
    Item,
    MessageItem,
    ReasoningItem,
)
from packyproxy.translate.item_table import ItemTable
from packyproxy.translate.item_writer import ItemWriter
from packyproxy.wire import responses_events as upstream
from packyproxy.wire.chat_events import FinishReason, Usage
from packyproxy.wire.responses_output import ResponseObject

__all__ = ["ChatWriter"]

_CLASSES: dict[str, type[Item]] = {
    "message": MessageItem,
    "reasoning": ReasoningItem,
    "function_call": CallItem,
    "custom_tool_call": CallItem,
    "image_generation_call": ImageItem,
}
_CLASSES_WITHOUT_REASONING = {name: cls for name, cls in _CLASSES.items() if name != "reasoning"}

_QUIET_ITEMS = frozenset({"reasoning", "compaction", "web_search_call"})

_MAX_TIME = 2**53
"""Larger numbers are no time, and some clients cannot read them."""


class ChatWriter(ItemWriter[Answer, Item]):
    """Turn the events of one upstream stream into Chat chunks.

    Args:
        facts: what the request says about its answer.
        answer_id: the completion's id.
        request_id: part of the contract; Chat shows it only in a header.
    """

    def __init__(self, facts: ChatFacts, *, answer_id: str, request_id: str) -> None:
        answer = Answer(facts, answer_id)
        classes = _CLASSES if facts.thinking_is_visible else _CLASSES_WITHOUT_REASONING
        super().__init__(answer, ItemTable(answer, classes, IgnoredItem), _QUIET_ITEMS)
        self._input_tokens_estimate = facts.input_tokens_estimate
        self._tier: str | None = None

    @property
    def has_content(self) -> bool:
        """Whether a chunk was written; the first one comes with content."""
        return self.answer.chunks.has_started

    def start(self) -> bytes:
        """Return nothing: the role goes out with the first content."""
        return b""

    def answer_locally(self) -> bytes:
        """Write an answer without content: the client only wanted to warm a cache."""
        return self._finish("length", finish.estimated_usage(self._input_tokens_estimate, 0))

    def fail(self, status: int, body: bytes) -> bytes:
        """Write the error; nothing may follow it, also no ``[DONE]``."""
        self.stop()
        return chunks.error(body)

    def keep_alive(self) -> bytes:
        """Write a comment."""
        return chunks.KEEP_ALIVE

    def created(self, event: upstream.Created) -> bytes:
        """Remember when the answer began and its service tier."""
        told = event.response.created_at
        if self.answer.chunks.created is None and told is not None and 0 <= told < _MAX_TIME:
            self.answer.chunks.created = int(told)
        self._tier = self._tier or event.response.service_tier
        return b""

    def end(self, response: ResponseObject, *, is_incomplete: bool) -> bytes:
        """Write what the items still owe, and the end."""
        out = self.flush()
        if self.is_over:
            return out
        self._tier = response.service_tier or self._tier
        if self.usage is None:
            usage = finish.estimated_usage(self._input_tokens_estimate, self.shown_bytes())
        else:
            usage = finish.answer_usage(self.usage)
        return out + self._finish(finish.reason(response, self.answer, is_incomplete=is_incomplete), usage)

    def stop_locally(self) -> bytes:
        """End the answer at a limit of the client's, with an estimate of its usage."""
        limiter = self.answer.limiter
        assert limiter is not None
        assert limiter.stop is not None
        usage = finish.estimated_usage(self._input_tokens_estimate, self.shown_bytes())
        return self._finish("length" if limiter.stop.reason == "max_tokens" else "stop", usage)

    def _finish(self, reason: FinishReason, usage: Usage) -> bytes:
        self.is_over = self.is_finished = True
        answer = self.answer
        return answer.chunks.end(reason, answer.annotations(), usage, finish.service_tier(self._tier))
