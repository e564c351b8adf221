"""How the output items of an answer become deltas, one class per kind (wire-mapping 6.3, 6.4).

Calls may interleave: their index tells them apart. Texts may not, as all messages become one ``content`` and
all reasoning one ``reasoning_content``: the items of such a field stand in a lane, where one writes and the
text of those behind it waits for it to be done.
"""

from abc import ABC, abstractmethod

import msgspec
from msgspec import Raw

from packyproxy.translate import items
from packyproxy.translate.chat.chunks import ChunkWriter, Framing
from packyproxy.translate.chat.facts import ChatFacts
from packyproxy.translate.citations import UrlCitation, read_citation
from packyproxy.translate.item_text import MessageText, ReasoningText
from packyproxy.translate.parts import Part, as_text, decode_literal
from packyproxy.wire import chat_events
from packyproxy.wire import responses_events as upstream
from packyproxy.wire.responses_events import ResponsesEvent
from packyproxy.wire.responses_output import OutputItem, read_part

__all__ = [
    "Answer",
    "CallItem",
    "ContentItem",
    "IgnoredItem",
    "ImageItem",
    "Item",
    "Lane",
    "LaneItem",
    "MessageItem",
    "ReasoningItem",
    "output_order",
]

_SEPARATOR = b'"\\n\\n"'
_SEPARATOR_CHARS = 2
_encode = msgspec.json.Encoder().encode


class Lane:
    """The items whose texts follow each other in one field, in order of first appearance."""

    def __init__(self) -> None:
        self._items: list[LaneItem] = []

    def join(self, item: "LaneItem") -> None:
        """Put a new item behind all others."""
        self._items.append(item)

    def is_head(self, item: "LaneItem") -> bool:
        """Tell whether an item may write."""
        return self._items[0] is item

    def sort(self) -> None:
        """Put those that wait in the upstream's order, because nothing more will be heard of them."""
        self._items[1:] = sorted(self._items[1:], key=output_order)

    def advance(self) -> bytes:
        """Let everyone write whose turn it is."""
        out: list[bytes] = []
        while self._items:
            head = self._items[0]
            out.append(head.release())
            if not head.is_finished or head.answer.is_stopped:
                break
            out.append(head.end())
            del self._items[0]
        return b"".join(out)


class Answer(items.Answer):
    """What the items of one answer share."""

    def __init__(self, facts: ChatFacts, answer_id: str) -> None:
        super().__init__(facts, answer_id)
        self.chunks = ChunkWriter(facts, answer_id)
        self.uses_functions = facts.uses_functions
        self.is_folded = facts.is_folded
        self.content = Lane()
        self.reasoning = Lane()
        self.texts: list[ContentItem] = []
        """The items whose text is in the content, in order."""
        self.last_thought: tuple[ReasoningItem, int] | None = None
        """The item and part whose reasoning was shown last."""
        self.has_refusal = False
        self.held_bytes = 0
        """How much text waits for earlier items."""

    def annotations(self) -> list[chat_events.Annotation]:
        """Return the links of the texts that were shown whole, in order."""
        found: list[chat_events.Annotation] = []
        offset = 0
        if any(item.citations for item in self.texts):
            for item in self.texts:
                found += item.annotations(offset)
                offset += item.length() + _SEPARATOR_CHARS
        return found


class Item(items.Item[Answer]):
    """What every item has; on its own, an item that shows nothing."""

    framing: Framing = (b"", b"")
    """What stands around a delta of the part that ``open_part`` returned."""


class IgnoredItem(Item):
    """An item of a type that has no place in a Chat answer, or reasoning that the client does not see."""


class LaneItem(Item, ABC):
    """An item whose texts wait for those of the items before it."""

    def __init__(self, answer: Answer, lane: Lane) -> None:
        super().__init__(answer)
        self.lane = lane
        self._waiting: list[tuple[int, bytearray]] = []
        lane.join(self)

    @abstractmethod
    def show(self, key: int, literal: bytes) -> bytes:
        """Write a piece of text; ``key`` is what ``put`` was given."""

    def end(self) -> bytes:
        """Write what only the end of the item shows, when its turn is over."""
        return b""

    def put(self, key: int, literal: bytes) -> bytes:
        """Show a piece of text, or keep it until it is this item's turn.

        Pieces with one key become one, so that a long text does not wait as thousands of objects.
        """
        if not literal:
            return b""
        if self.lane.is_head(self):
            return self.show(key, literal)
        if not self._waiting or self._waiting[-1][0] != key:
            self._waiting.append((key, bytearray()))
        self._waiting[-1][1].extend(literal[1:-1])
        self.answer.held_bytes += len(literal) - 2
        return b""

    def release(self) -> bytes:
        """Show what waited."""
        waiting, self._waiting = self._waiting, []
        self.answer.held_bytes -= sum(len(text) for _, text in waiting)
        return b"".join([self.show(key, b'"%b"' % bytes(text)) for key, text in waiting])

    def leave(self) -> bytes:
        """Take note that all text has come, and let those behind write if this was their turn."""
        self.is_finished = True
        return self.lane.advance()


class ContentItem(LaneItem, ABC):
    """An item whose text becomes a part of the content; a blank line keeps it from what is before it."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer, answer.content)
        self.citations: dict[UrlCitation, int] = {}
        """Each link and the content index whose text it marks, in order."""
        self.is_open = False
        self.is_whole = False
        """Whether its text was shown to the end."""

    @abstractmethod
    def length(self) -> int:
        """Return how many characters of content it was."""

    def annotations(self, offset: int) -> list[chat_events.Annotation]:
        """Return its links; ``offset`` is where its text begins in the content."""
        return []

    def end(self) -> bytes:
        """Take note that the text is whole."""
        self.is_whole = True
        return b""

    def show_text(self, literal: bytes) -> bytes:
        """Write a piece of content."""
        if not literal:
            return b""
        chunks = self.answer.chunks
        out = b""
        if not self.is_open:
            out = chunks.start()
            self.is_open = True
            self.framing = chunks.content
            if self.answer.texts:
                out += chunks.text(self.framing, _SEPARATOR)
            self.answer.texts.append(self)
        return out + chunks.text(self.framing, literal)


class MessageItem(items.StreamedItem[Answer, MessageText], ContentItem):
    """Answer text and refusals."""

    is_answer = True

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer)
        self.text = MessageText()

    def take(self, event: ResponsesEvent) -> bytes:
        """Write what one event adds; links are only noted."""
        if type(event) is upstream.AnnotationAdded:
            self._cite([event.annotation], event.part_index or 0)
            return b""
        if type(event) is upstream.ContentPartDone:
            self._cite(event.part.annotations, event.part_index or 0)
        return super().take(event)

    def open_part(self, event: upstream.DeltaEvent) -> Part | None:
        """Return the part of answer text that nothing limits and nothing keeps waiting."""
        is_plain = type(event) is upstream.TextDelta and self.answer.limiter is None
        is_shown = is_plain and self.is_open and self.lane.is_head(self)
        return self.text.part(False, event.part_index or 0) if is_shown else None

    def write(self, event: ResponsesEvent, literal: bytes) -> bytes:
        """Show text that an event adds."""
        return self.put(self.text.is_refusal(event), literal)

    def show(self, key: int, literal: bytes) -> bytes:
        """Write a piece of a refusal, or of text within the client's limits."""
        if key:
            chunks = self.answer.chunks
            self.answer.has_refusal = True
            return chunks.start() + chunks.text(chunks.refusal, literal)
        limiter = self.answer.limiter
        if limiter is None:
            return self.show_text(literal)
        return self.show_text(_literal_or_nothing(limiter.feed(decode_literal(literal) or "")))

    def finish(self, item: OutputItem | None) -> bytes:
        """Write the rest."""
        parts = [read_part(raw) for raw in (item and item.content) or ()]
        for index, part in enumerate(parts):
            self._cite(part.annotations, index)
        out = [
            self.put(is_refusal, self.checked(literal)) for is_refusal, literal in self.text.complete(parts)
        ]
        return b"".join(out) + self.leave()

    def end(self) -> bytes:
        """Show the text that a limit held back, unless it is met in it."""
        limiter = self.answer.limiter
        out = self.show_text(_literal_or_nothing(limiter.end_block())) if limiter is not None else b""
        self.is_whole = not self.answer.is_stopped
        return out

    def length(self) -> int:
        """Return how many characters of content it was."""
        return sum(len(part.text) for (is_refusal, _), part in self.text.parts.items() if not is_refusal)

    def annotations(self, offset: int) -> list[chat_events.Annotation]:
        """Return its links; a range that is not in the text marks nothing."""
        if not self.is_whole:
            return []
        starts: dict[int, int] = {}
        for (is_refusal, index), part in self.text.parts.items():
            if not is_refusal:
                starts[index] = offset
                offset += len(part.text)
        return [
            _annotation(found, starts.get(index, offset), self.text.part(False, index).text)
            for found, index in self.citations.items()
        ]

    def shown_bytes(self) -> int:
        """Return how many UTF-8 bytes were shown that no limiter has counted."""
        return self.text.size if self.answer.limiter is None else 0

    def _cite(self, annotations: list[Raw] | None, index: int) -> None:
        for raw in annotations or ():
            found = read_citation(raw)
            if found is not None:
                self.citations.setdefault(found, index)


class ImageItem(ContentItem):
    """A generated image, which a Chat answer can only mention."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer)
        self._mention = ""

    def finish(self, item: OutputItem | None) -> bytes:
        """Mention the image."""
        if item is None:
            return self.leave()
        self._mention = f"[generated image omitted: {item.output_format or 'png'}]"
        return self.put(0, _encode(self._mention)) + self.leave()

    def show(self, key: int, literal: bytes) -> bytes:
        """Write the mention."""
        return self.show_text(literal)

    def length(self) -> int:
        """Return how many characters of content it was."""
        return len(self._mention)


class ReasoningItem(items.StreamedItem[Answer, ReasoningText], LaneItem):
    """Visible reasoning, with a blank line between its parts and between items."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer, answer.reasoning)
        self.text = ReasoningText()

    def open_part(self, event: upstream.DeltaEvent) -> Part | None:
        """Return the part that was shown last."""
        is_last = self.answer.last_thought == (self, self.text.index_of(event))
        return self.text.part_of(event) if is_last else None

    def write(self, event: ResponsesEvent, literal: bytes) -> bytes:
        """Show text that an event adds."""
        return self.put(self.text.index_of(event), literal)

    def show(self, key: int, literal: bytes) -> bytes:
        """Write a piece of the part ``key``."""
        chunks, last = self.answer.chunks, self.answer.last_thought
        start = chunks.start()
        self.framing = chunks.reasoning
        if last is not None and last != (self, key):
            start += chunks.text(self.framing, _SEPARATOR)
        self.answer.last_thought = (self, key)
        return start + chunks.text(self.framing, literal)

    def finish(self, item: OutputItem | None) -> bytes:
        """Write text not yet streamed."""
        out = [self.put(index, self.checked(literal)) for index, literal in self.text.complete(item)]
        return b"".join(out) + self.leave()


class CallItem(items.CallItem[Answer], Item):
    """A call of a client's tool; a client of the older protocol is told of the first one only."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer)
        self._is_hidden = False

    def open_part(self, event: upstream.DeltaEvent) -> Part | None:
        """Return the part of a call that is shown."""
        return self.text.part_of(event) if self.is_open and not self._is_hidden else None

    def show_opening(self, call_id: str) -> bytes:
        """Write the call's id and name."""
        answer, chunks = self.answer, self.answer.chunks
        index = len(answer.tool_ids) - 1
        if answer.uses_functions:
            self._is_hidden = index > 0
            if self._is_hidden:
                return b""
            opening = chunks.open_function(self.client_name)
            self.framing = chunks.function_arguments
            return opening
        is_custom = self.text.is_custom and answer.is_folded
        opening = chunks.open_call(index, call_id, self.client_name, is_custom=is_custom)
        self.framing = chunks.custom_input(index) if is_custom else chunks.arguments(index)
        return opening

    def show(self, literal: bytes) -> bytes:
        """Write a piece of the arguments."""
        return b"" if self._is_hidden else self.answer.chunks.text(self.framing, literal)

    def finish(self, item: OutputItem | None) -> bytes:
        """Write the rest."""
        if not self.is_callable(item):
            return b""
        out = [] if self.is_open else [self.open()]
        final = None if item is None else as_text(item.input if self.text.is_custom else item.arguments)
        out += [self.argue(self.checked(self.text.part.complete(text))) for text in (final, None)]
        self.is_finished = True
        return b"".join(out)

    def shown_bytes(self) -> int:
        """Return how many UTF-8 bytes of arguments were shown."""
        return 0 if self._is_hidden else super().shown_bytes()


def output_order(item: Item) -> float:
    """Return where an item stands in the upstream's output; those that never said so come last."""
    return float("inf") if item.output_index is None else item.output_index


def _annotation(found: UrlCitation, offset: int, text: str) -> chat_events.Annotation:
    start, end = found.range_in(text) or (0, 0)
    return chat_events.Annotation(
        url_citation=chat_events.UrlCitation(
            start_index=offset + start, end_index=offset + end, title=found.shown_title, url=found.url
        )
    )


def _literal_or_nothing(text: str) -> bytes:
    return _encode(text) if text else b""
