"""How the output items of an answer become blocks, one class per kind (wire-mapping 2.3, 4.5, 4.6).

Only the item at the head of the queue writes: it is given its events in order while it does, and those that
came too early are held for it.
"""

from msgspec import Raw

from packyproxy.translate import items
from packyproxy.translate.citations import UrlCitation, is_blocked, read_citation
from packyproxy.translate.item_text import MessageText, ReasoningText
from packyproxy.translate.messages import frames
from packyproxy.translate.messages.blocks import BlockState, BlockWriter
from packyproxy.translate.messages.facts import MessagesFacts
from packyproxy.translate.messages.web_search import cite
from packyproxy.translate.parts import Part, decode_literal, literal_or_nothing, mention_image
from packyproxy.translate.reasoning import can_carry, write_signature
from packyproxy.wire import responses_events as upstream
from packyproxy.wire.responses_events import ResponsesEvent
from packyproxy.wire.responses_output import ContentPart, OutputItem, read_part

__all__ = ["Answer", "IgnoredItem", "ImageItem", "Item", "MessageItem", "ReasoningItem"]

_MAX_REFUSAL_CHARS = 500


class Answer(items.Answer):
    """What the items of one answer share."""

    def __init__(self, facts: MessagesFacts, answer_id: str) -> None:
        super().__init__(facts, answer_id)
        self.blocks = BlockWriter()
        self.thinking_has_text = facts.thinking_has_text
        self.blocked_domains = facts.blocked_domains
        self.buffered_tools = facts.buffered_tools
        self.searches = 0
        self.refusal = ""
        """The beginning of all refusals, as far as it is ever shown apart from the text."""


class Item(items.Item[Answer]):
    """What every item has; on its own, an item that shows nothing."""

    def framing(self) -> tuple[bytes, bytes]:
        """Return what stands around a delta of the open block."""
        return self.answer.blocks.delta_prefix, frames.DELTA_END


class IgnoredItem(Item):
    """An item of a type that has no place in a Messages answer, or thinking that the client does not see."""


class MessageItem(items.StreamedItem[Answer, MessageText], Item):
    """Answer text and refusals: all parts share one text block."""

    is_answer = True

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer)
        self.text = MessageText()
        self.citations: dict[UrlCitation, int] = {}
        """Each link and the content index whose text it marks, in order."""
        self.is_open = False
        self._final_parts: list[ContentPart] = []
        """What the upstream says of the parts when the item is done."""

    def harvest(self, event: ResponsesEvent) -> None:
        """Note the links in an event as it arrives: a search before this item waits for them."""
        if type(event) is upstream.AnnotationAdded:
            self._add_citation(event.annotation, event.part_index or 0)
        elif type(event) is upstream.ContentPartDone:
            self._add_citations(event.part.annotations, event.part_index or 0)
        elif type(event) is upstream.ItemDone:
            self._final_parts = [read_part(part) for part in event.item.content or ()]
            for index, part in enumerate(self._final_parts):
                self._add_citations(part.annotations, index)

    def open_part(self, event: upstream.DeltaEvent) -> Part | None:
        """Return the part of answer text that nothing limits."""
        is_plain = type(event) is upstream.TextDelta and self.answer.limiter is None
        return self.text.part(False, event.part_index or 0) if is_plain and self.is_open else None

    def write(self, event: ResponsesEvent, literal: bytes) -> bytes:
        """Show text that an event adds."""
        return self._show(literal, is_refusal=self.text.is_refusal(event))

    def finish(self, item: OutputItem | None) -> bytes:
        """Write the rest and end the block."""
        out = [
            self._show(self.checked(literal), is_refusal=is_refusal)
            for is_refusal, literal in self.text.complete(self._final_parts)
        ]
        self.is_finished = True
        if self.answer.limiter is not None and not self.answer.is_stopped:
            out.append(self._show_text(literal_or_nothing(self.answer.limiter.end_block())))
        if self.is_open:
            if self.citations and not self.answer.is_stopped:
                out.append(self._cite())
            out.append(self.answer.blocks.close())
        return b"".join(out)

    def shown_bytes(self) -> int:
        """Return how many UTF-8 bytes were shown that no limiter has counted."""
        return self.text.size if self.answer.limiter is None else 0

    def _show(self, literal: bytes, *, is_refusal: bool) -> bytes:
        if not literal:
            return b""
        if is_refusal and len(self.answer.refusal) < _MAX_REFUSAL_CHARS:
            self.answer.refusal += (decode_literal(literal) or "")[:_MAX_REFUSAL_CHARS]
        limiter = self.answer.limiter
        if limiter is not None:
            literal = literal_or_nothing(limiter.feed(decode_literal(literal) or ""))
        return self._show_text(literal)

    def _show_text(self, literal: bytes) -> bytes:
        if not literal:
            return b""
        start = b"" if self.is_open else self.answer.blocks.open_text()
        self.is_open = True
        return start + self.answer.blocks.text(literal)

    def _cite(self) -> bytes:
        texts = {index: self.text.part(False, index).text for index in set(self.citations.values())}
        return b"".join(
            self.answer.blocks.cite(cite(found, texts[index])) for found, index in self.citations.items()
        )

    def _add_citations(self, annotations: list[Raw] | None, index: int) -> None:
        for raw in annotations or ():
            self._add_citation(raw, index)

    def _add_citation(self, raw: Raw, index: int) -> None:
        found = read_citation(raw)
        if found is not None and not is_blocked(found.url, self.answer.blocked_domains):
            self.citations.setdefault(found, index)


class ReasoningItem(items.StreamedItem[Answer, ReasoningText], Item):
    """Visible thinking: one block, whatever the number of parts; it stays incomplete until the next block."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer)
        self.text = ReasoningText()
        self._last_index: int | None = None

    def open_part(self, event: upstream.DeltaEvent) -> Part | None:
        """Return the part that the open block shows."""
        is_open = self.answer.blocks.state is BlockState.THINKING
        return self.text.part_of(event) if is_open and self._last_index == self.text.index_of(event) else None

    def write(self, event: ResponsesEvent, literal: bytes) -> bytes:
        """Show text that an event adds."""
        return self._show(literal, self.text.index_of(event))

    def finish(self, item: OutputItem | None) -> bytes:
        """Write text not yet streamed; the signature and the end of the block stay held."""
        out = [self._show(self.checked(literal), index) for index, literal in self.text.complete(item)]
        self.is_finished = True
        encrypted = item.encrypted_content if item is not None else None
        facts, blocks = self.answer.facts, self.answer.blocks
        if blocks.state is BlockState.THINKING or can_carry(encrypted):
            item_id = (item.id if item is not None else None) or self.item_id or ""
            blocks.hold(write_signature(facts.scope, item_id, encrypted))
        return b"".join(out)

    def _show(self, literal: bytes, index: int) -> bytes:
        if not literal or not self.answer.thinking_has_text:
            return b""
        blocks = self.answer.blocks
        if blocks.state is not BlockState.THINKING:
            start = blocks.open_thinking()
        else:
            start = blocks.think(b'"\\n\\n"') if index != self._last_index else b""
        self._last_index = index
        return start + blocks.think(literal)


class ImageItem(Item):
    """A generated image, which a Messages answer can only mention."""

    def finish(self, item: OutputItem | None) -> bytes:
        """Mention the image."""
        if item is None:
            return super().finish(item)
        self.is_finished = True
        blocks = self.answer.blocks
        mention = literal_or_nothing(mention_image(item))
        return blocks.open_text() + blocks.text(mention) + blocks.close()
