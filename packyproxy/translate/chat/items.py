"""How the output items of an answer become deltas, one class per kind (wire-mapping 6.3, 6.4).

Only the item at the head of the queue writes. All messages become one ``content``, all reasoning one
``reasoning_content``; calls are counted in the order in which they open.
"""

from abc import ABC, abstractmethod

from msgspec import Raw

from packyproxy.translate import items
from packyproxy.translate.chat.chunks import ChunkWriter, Framing
from packyproxy.translate.chat.facts import ChatFacts
from packyproxy.translate.citations import UrlCitation, read_citation
from packyproxy.translate.item_text import MessageText, ReasoningText
from packyproxy.translate.parts import Part, as_text, decode_literal, literal_or_nothing, mention_image
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
    "MessageItem",
    "ReasoningItem",
]

_NO_ARGUMENTS = b'"{}"'
_SEPARATOR = b'"\\n\\n"'
_SEPARATOR_CHARS = 2


class Answer(items.Answer):
    """What the items of one answer share."""

    def __init__(self, facts: ChatFacts, answer_id: str) -> None:
        super().__init__(facts, answer_id)
        self.chunks = ChunkWriter(facts, answer_id)
        self.uses_functions = facts.uses_functions
        self.is_folded = facts.is_folded
        self.texts: list[ContentItem] = []
        """The items whose text is in the content, in order."""
        self.last_thought: tuple[ReasoningItem, int] | None = None
        """The item and part whose reasoning was shown last."""

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

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer)
        self._framing: Framing = (b"", b"")

    def framing(self) -> Framing:
        """Return what stands around the deltas of the part that ``open_part`` returned."""
        return self._framing


class IgnoredItem(Item):
    """An item of a type that has no place in a Chat answer, or reasoning that the client does not see."""


class ContentItem(Item, ABC):
    """An item whose text becomes a part of the content; a blank line keeps it from what is before it."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer)
        self.citations: dict[UrlCitation, int] = {}
        """Each link and the content index whose text it marks, in order."""
        self.is_open = False

    @abstractmethod
    def length(self) -> int:
        """Return how many characters of content it was."""

    def annotations(self, offset: int) -> list[chat_events.Annotation]:
        """Return its links; ``offset`` is where its text begins in the content."""
        return []

    def show_text(self, literal: bytes) -> bytes:
        """Write a piece of content."""
        if not literal:
            return b""
        chunks = self.answer.chunks
        out = b""
        if not self.is_open:
            out = chunks.start()
            self.is_open = True
            self._framing = chunks.content
            if self.answer.texts:
                out += chunks.text(self._framing, _SEPARATOR)
            self.answer.texts.append(self)
        return out + chunks.text(self._framing, literal)


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
        """Return the part of answer text that nothing limits."""
        is_plain = type(event) is upstream.TextDelta and self.answer.limiter is None
        return self.text.part(False, event.part_index or 0) if is_plain and self.is_open else None

    def write(self, event: ResponsesEvent, literal: bytes) -> bytes:
        """Show text that an event adds."""
        return self._show(literal, is_refusal=self.text.is_refusal(event))

    def finish(self, item: OutputItem | None) -> bytes:
        """Write the rest, also what a limit held back unless it is met in it."""
        parts = [read_part(raw) for raw in (item and item.content) or ()]
        for index, part in enumerate(parts):
            self._cite(part.annotations, index)
        out = [
            self._show(self.checked(literal), is_refusal=is_refusal)
            for is_refusal, literal in self.text.complete(parts)
        ]
        limiter = self.answer.limiter
        if limiter is not None:
            out.append(self.show_text(literal_or_nothing(limiter.end_block())))
        self.is_finished = not self.answer.is_stopped
        return b"".join(out)

    def length(self) -> int:
        """Return how many characters of content it was."""
        return sum(len(part.text) for (is_refusal, _), part in self.text.parts.items() if not is_refusal)

    def annotations(self, offset: int) -> list[chat_events.Annotation]:
        """Return its links, none for a text that was cut; a range that is not in the text marks nothing."""
        if not self.is_finished:
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

    def _show(self, literal: bytes, *, is_refusal: bool) -> bytes:
        """Write a piece of a refusal, or of text within the client's limits."""
        if not literal:
            return b""
        if is_refusal:
            chunks = self.answer.chunks
            return chunks.start() + chunks.text(chunks.refusal, literal)
        limiter = self.answer.limiter
        if limiter is None:
            return self.show_text(literal)
        return self.show_text(literal_or_nothing(limiter.feed(decode_literal(literal) or "")))

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
        self.is_finished = True
        if item is None:
            return b""
        self._mention = mention_image(item)
        return self.show_text(literal_or_nothing(self._mention))

    def length(self) -> int:
        """Return how many characters of content it was."""
        return len(self._mention)


class ReasoningItem(items.StreamedItem[Answer, ReasoningText], Item):
    """Visible reasoning, with a blank line between its parts and between items."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer)
        self.text = ReasoningText()

    def open_part(self, event: upstream.DeltaEvent) -> Part | None:
        """Return the part that was shown last."""
        is_last = self.answer.last_thought == (self, self.text.index_of(event))
        return self.text.part_of(event) if is_last else None

    def write(self, event: ResponsesEvent, literal: bytes) -> bytes:
        """Show text that an event adds."""
        return self._show(literal, self.text.index_of(event))

    def finish(self, item: OutputItem | None) -> bytes:
        """Write text not yet streamed."""
        self.is_finished = True
        out = [self._show(self.checked(literal), index) for index, literal in self.text.complete(item)]
        return b"".join(out)

    def _show(self, literal: bytes, index: int) -> bytes:
        """Write a piece of the part ``index``."""
        if not literal:
            return b""
        chunks, last = self.answer.chunks, self.answer.last_thought
        start = chunks.start()
        self._framing = chunks.reasoning
        if last is not None and last != (self, index):
            start += chunks.text(self._framing, _SEPARATOR)
        self.answer.last_thought = (self, index)
        return start + chunks.text(self._framing, literal)


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
            self._framing = chunks.function_arguments
            return opening
        is_custom = self.text.is_custom and answer.is_folded
        opening = chunks.open_call(index, call_id, self.client_name, is_custom=is_custom)
        self._framing = chunks.custom_input(index) if is_custom else chunks.arguments(index)
        return opening

    def show(self, literal: bytes) -> bytes:
        """Write a piece of the arguments."""
        return b"" if self._is_hidden else self.answer.chunks.text(self._framing, literal)

    def finish(self, item: OutputItem | None) -> bytes:
        """Write the rest; a finished call without any arguments has none, which clients read as JSON."""
        if not self.is_callable(item):
            return b""
        out = [] if self.is_open else [self.open()]
        final = None if item is None else as_text(item.input if self.text.is_custom else item.arguments)
        out += [self.argue(self.checked(self.text.part.complete(text))) for text in (final, None)]
        is_whole = item is not None and item.status != "incomplete"
        if is_whole and not self.text.is_custom and not self.text.part.sent:
            out.append(self.show(_NO_ARGUMENTS))
        self.is_finished = True
        return b"".join(out)

    def shown_bytes(self) -> int:
        """Return how many UTF-8 bytes of arguments were shown."""
        return 0 if self._is_hidden else super().shown_bytes()


def _annotation(found: UrlCitation, offset: int, text: str) -> chat_events.Annotation:
    start, end = found.range_in(text) or (0, 0)
    return chat_events.Annotation(
        url_citation=chat_events.UrlCitation(
            start_index=offset + start, end_index=offset + end, title=found.shown_title, url=found.url
        )
    )
