"""How the output items of an answer become blocks, one class per kind (wire-mapping 2.3, 3.2, 4.5-4.7).

An item is given its events in order while it is the one that writes, ending with its ``ItemDone``, or with
``finish`` when the upstream never said that it was done. It ignores events of other kinds of items.

Events are told apart by ``type(event) is``: their metaclass makes ``isinstance`` several times as dear.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, cast

import msgspec
from msgspec import Raw

from packyproxy.translate.contract import Note, StreamFacts
from packyproxy.translate.messages.blocks import BlockState, BlockWriter
from packyproxy.translate.messages.parts import Part, decode_literal
from packyproxy.translate.messages.web_search import UrlCitation, cite, is_blocked, read_citation
from packyproxy.translate.reasoning import can_carry, write_signature
from packyproxy.translate.text_limits import TextLimiter
from packyproxy.wire import responses_events as upstream
from packyproxy.wire.responses_events import ResponsesEvent
from packyproxy.wire.responses_output import ContentPart, OutputItem, read_part

__all__ = [
    "Answer",
    "IgnoredItem",
    "ImageItem",
    "Item",
    "MessageItem",
    "ReasoningItem",
    "StreamedItem",
    "as_text",
]

_MAX_NOTES = 32
_MAX_REFUSAL_CHARS = 500
_EVENT_OVERHEAD_BYTES = 256
"""Roughly what one waiting event costs besides its text."""
_LARGE_FIELDS = ("delta", "text", "arguments", "refusal", "input", "annotation")
_encode = msgspec.json.Encoder().encode


class Answer:
    """What the items of one answer share."""

    def __init__(self, facts: StreamFacts, answer_id: str, limiter: TextLimiter | None) -> None:
        self.facts = facts
        self.answer_id = answer_id
        self.limiter = limiter
        self.blocks = BlockWriter()
        self.tool_ids: list[str] = []
        """Ids of the tool blocks opened, in order; their number decides the stop reason."""
        self.searches = 0
        self.refusal = ""
        """The beginning of all refusals, as far as it is ever shown apart from the text."""
        self.notes: list[Note] = []

    def note(self, note: Note) -> None:
        """Remember a finding once; a hostile stream could make up a new one for every event."""
        if note not in self.notes and len(self.notes) < _MAX_NOTES:
            self.notes.append(note)


class Item:
    """What every item has; on its own, an item that shows nothing."""

    kind: ClassVar[str] = "ignored"

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.output_index: int | None = None
        self.item_id: str | None = None
        self.held: list[ResponsesEvent] = []
        """Events that wait until this item may write."""
        self.held_bytes = 0
        self.has_begun = False
        """Whether the item is, or was, the one that writes."""
        self.is_done = False
        """Whether the upstream said so; the item itself may still wait."""
        self.is_finished = False
        """Whether everything was written."""
        self._run = bytearray()
        self._run_key: tuple[object, ...] | None = None

    def hold(self, event: ResponsesEvent) -> int:
        """Keep an event for later and return what it costs in bytes.

        Deltas of one part become one event, so that a long text does not wait as thousands of objects.
        """
        delta = getattr(event, "delta", None)
        size = _EVENT_OVERHEAD_BYTES + _size(event)
        if delta is None:
            self._end_run()
            self.held.append(event)
        else:
            key = (type(event), cast("upstream.DeltaEvent", event).part_index)
            if key == self._run_key:
                size = len(delta)
            else:
                self._end_run()
                self._run_key = key
                self.held.append(event)
            self._run += bytes(delta)[1:-1] if bytes(delta)[:1] == b'"' else b""
        self.held_bytes += size
        return size

    def take_held(self) -> list[ResponsesEvent]:
        """Return what was held, in order."""
        self._end_run()
        held, self.held, self.held_bytes = self.held, [], 0
        return held

    def _end_run(self) -> None:
        if self._run_key is not None:
            cast("upstream.DeltaEvent", self.held[-1]).delta = Raw(b'"' + self._run + b'"')
            self._run_key = None
            self._run.clear()

    def harvest(self, event: ResponsesEvent) -> None:
        """Look at an event as it arrives, for what others need to know of this item before it writes."""

    def introduce(self, item: OutputItem) -> None:
        """Take what the upstream says of the item when it begins."""

    def begin(self) -> bytes:
        """Write what can be written before any other event."""
        return b""

    def take(self, event: ResponsesEvent) -> bytes:
        """Write what one event adds."""
        return self.finish(event.item) if type(event) is upstream.ItemDone else b""

    def finish(self, item: OutputItem | None) -> bytes:
        """Write the rest; ``item`` is the upstream's final word, None when it never came."""
        self.is_finished = True
        return b""

    def open_part(self, event: upstream.DeltaEvent) -> Part | None:
        """Return the part of a delta just taken if the next one need only be framed and remembered."""
        return None

    def shown_bytes(self) -> int:
        """Return how many UTF-8 bytes of text and arguments were shown."""
        return 0


class IgnoredItem(Item):
    """An item of a type that has no place in a Messages answer, or thinking that the client does not see."""


class StreamedItem(Item, ABC):
    """An item whose text comes in deltas, in one part or several."""

    @abstractmethod
    def part_of(self, event: ResponsesEvent) -> Part | None:
        """Return the part that the event's text belongs to; None for an event of another kind of item."""

    @abstractmethod
    def write(self, event: ResponsesEvent, literal: bytes) -> bytes:
        """Show text of a part."""

    def take(self, event: ResponsesEvent) -> bytes:
        """Write what one event adds."""
        if type(event) is upstream.ItemDone:
            return self.finish(event.item)
        if type(event) is upstream.BrokenDelta:
            part = self.part_of(event.event)
            return self.write(event.event, part.add_broken(event.text)) if part is not None else b""
        part = self.part_of(event)
        delta = getattr(event, "delta", None)
        if part is None:
            return b""
        return self.write(
            event, part.add(delta) if delta is not None else self.completion(part, _final_text(event))
        )

    def completion(self, part: Part, final: Raw | None) -> bytes:
        """Return what the deltas of a part did not send."""
        literal = part.complete(final)
        if literal is None:
            self.answer.note(Note("contradicting_text"))
            return b""
        return literal


class MessageItem(StreamedItem):
    """Answer text and refusals: all parts share one text block."""

    kind = "message"

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer)
        self.parts: dict[tuple[bool, int], Part] = {}
        """By (is a refusal, content index)."""
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
            self._final_parts = list(map(read_part, event.item.content or ()))
            for index, part in enumerate(self._final_parts):
                self._add_citations(part.annotations, index)

    def part_of(self, event: ResponsesEvent) -> Part | None:
        """Return the part of the event's text."""
        if type(event) is upstream.TextDelta or type(event) is upstream.TextDone:
            return self.part(False, event.part_index or 0)
        if type(event) is upstream.RefusalDelta or type(event) is upstream.RefusalDone:
            return self.part(True, event.part_index or 0)
        if type(event) is upstream.ContentPartDone:
            return self.part(event.part.type == "refusal", event.part_index or 0)
        return None

    def open_part(self, event: upstream.DeltaEvent) -> Part | None:
        """Return the part of answer text that nothing limits."""
        is_plain = type(event) is upstream.TextDelta and self.answer.limiter is None
        return self.part(False, event.part_index or 0) if is_plain and self.is_open else None

    def part(self, is_refusal: bool, index: int) -> Part:
        """Return the part with that key, made on first use."""
        part = self.parts.get((is_refusal, index))
        if part is None:
            part = self.parts[is_refusal, index] = Part()
        return part

    def write(self, event: ResponsesEvent, literal: bytes) -> bytes:
        """Show text of a part."""
        if type(event) is upstream.ContentPartDone:
            is_refusal = event.part.type == "refusal"
        else:
            is_refusal = type(event) is upstream.RefusalDelta or type(event) is upstream.RefusalDone
        return self._show(literal, is_refusal=is_refusal)

    def finish(self, item: OutputItem | None) -> bytes:
        """Write the rest and end the block."""
        out = []
        for index, final_part in enumerate(self._final_parts):
            is_refusal = final_part.type == "refusal"
            if is_refusal or final_part.type == "output_text":
                final = final_part.refusal if is_refusal else final_part.text
                literal = self.completion(self.part(is_refusal, index), final)
                out.append(self._show(literal, is_refusal=is_refusal))
        for (is_refusal, _), part in self.parts.items():
            out.append(self._show(self.completion(part, None), is_refusal=is_refusal))
        self.is_finished = True
        if self.answer.limiter is not None and self.answer.limiter.stop is None:
            out.append(self._show_text(_literal_or_nothing(self.answer.limiter.end_block())))
        if self.is_open:
            if self.answer.limiter is None or self.answer.limiter.stop is None:
                out.append(self._cite())
            out.append(self.answer.blocks.close())
        return b"".join(out)

    def shown_bytes(self) -> int:
        """Return how many UTF-8 bytes were shown."""
        return sum(len(part.text.encode()) for part in self.parts.values())

    def _show(self, literal: bytes, *, is_refusal: bool) -> bytes:
        if not literal:
            return b""
        if is_refusal and len(self.answer.refusal) < _MAX_REFUSAL_CHARS:
            self.answer.refusal += (decode_literal(literal) or "")[:_MAX_REFUSAL_CHARS]
        limiter = self.answer.limiter
        if limiter is not None:
            literal = _literal_or_nothing(limiter.feed(decode_literal(literal) or ""))
        return self._show_text(literal)

    def _show_text(self, literal: bytes) -> bytes:
        if not literal:
            return b""
        start = b"" if self.is_open else self.answer.blocks.open_text()
        self.is_open = True
        return start + self.answer.blocks.text(literal)

    def _cite(self) -> bytes:
        texts = {index: self.part(False, index).text for index in set(self.citations.values())}
        return b"".join(
            self.answer.blocks.cite(cite(found, texts[index])) for found, index in self.citations.items()
        )

    def _add_citations(self, annotations: list[Raw] | None, index: int) -> None:
        for raw in annotations or ():
            self._add_citation(raw, index)

    def _add_citation(self, raw: Raw, index: int) -> None:
        found = read_citation(raw)
        if found is not None and not is_blocked(found.url, self.answer.facts.blocked_domains):
            self.citations.setdefault(found, index)


class ReasoningItem(StreamedItem):
    """Visible thinking: one block, whatever the number of parts; it stays incomplete until the next block."""

    kind = "reasoning"

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer)
        self.parts: dict[int, Part] = {}
        self._shows_raw: bool | None = None
        """Which of the two kinds of text came first; the other is ignored."""
        self._last_index: int | None = None

    def part_of(self, event: ResponsesEvent) -> Part | None:
        """Return the part of the event's text; None for text of the kind that came second."""
        if type(event) is upstream.SummaryDelta or type(event) is upstream.ReasoningDelta:
            text = event.delta
        elif type(event) is upstream.SummaryDone or type(event) is upstream.ReasoningDone:
            text = event.text
        else:
            return None
        return self._part(not _is_summary(event), _index(event), text)

    def open_part(self, event: upstream.DeltaEvent) -> Part | None:
        """Return the part that the open block shows."""
        is_open = self.answer.blocks.state is BlockState.THINKING
        return self.part_of(event) if is_open and self._last_index == _index(event) else None

    def write(self, event: ResponsesEvent, literal: bytes) -> bytes:
        """Show text of a part."""
        return self._show(literal, _index(event))

    def finish(self, item: OutputItem | None) -> bytes:
        """Write text not yet streamed; the signature and the end of the block stay held."""
        out = []
        for is_raw, parts in ((False, item and item.summary), (True, item and item.content)):
            for index, raw in enumerate(parts or ()):
                text = read_part(raw).text
                if part := self._part(is_raw, index, text):
                    out.append(self._show(self.completion(part, text), index))
        for index, part in self.parts.items():
            out.append(self._show(self.completion(part, None), index))
        self.is_finished = True
        encrypted = item.encrypted_content if item is not None else None
        facts, blocks = self.answer.facts, self.answer.blocks
        if blocks.state is BlockState.THINKING or can_carry(encrypted):
            item_id = (item.id if item is not None else None) or self.item_id or ""
            blocks.hold(write_signature(facts.scope, item_id, encrypted))
        return b"".join(out)

    def _part(self, is_raw: bool, index: int, text: Raw) -> Part | None:
        if self._shows_raw is None and len(text) > 2 and bytes(text)[:1] == b'"':
            self._shows_raw = is_raw
        return self.parts.setdefault(index, Part()) if self._shows_raw is is_raw else None

    def _show(self, literal: bytes, index: int) -> bytes:
        if not literal or not self.answer.facts.thinking_has_text:
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

    kind = "image"

    def finish(self, item: OutputItem | None) -> bytes:
        """Mention the image."""
        if item is None:
            return super().finish(item)
        self.is_finished = True
        blocks = self.answer.blocks
        text = f"[generated image omitted: {item.output_format or 'png'}]"
        return blocks.open_text() + blocks.text(_encode(text)) + blocks.close()


def _size(event: ResponsesEvent) -> int:
    """Return how many bytes of JSON an event holds, short fields aside."""
    if type(event) is upstream.ItemDone:
        return event.item.size
    if type(event) is upstream.ContentPartDone:
        return event.part.size
    return sum(len(getattr(event, name, b"")) for name in _LARGE_FIELDS)


def _is_summary(event: ResponsesEvent) -> bool:
    return type(event) is upstream.SummaryDelta or type(event) is upstream.SummaryDone


def _index(event: ResponsesEvent) -> int:
    """Return which part of its kind a reasoning event is about."""
    index: int | None = getattr(event, "part_index", None)
    return index or 0


_FINALS: dict[type, Callable[..., Raw | None]] = {
    upstream.TextDone: lambda event: event.text,
    upstream.RefusalDone: lambda event: event.refusal,
    upstream.SummaryDone: lambda event: event.text,
    upstream.ReasoningDone: lambda event: event.text,
    upstream.ArgumentsDone: lambda event: as_text(event.arguments),
    upstream.CustomInputDone: lambda event: event.input,
}


def _final_text(event: ResponsesEvent) -> Raw | None:
    """Return the whole text that a ``done`` event repeats."""
    if type(event) is upstream.ContentPartDone:
        return event.part.refusal if event.part.type == "refusal" else event.part.text
    read = _FINALS.get(type(event))
    return None if read is None else read(event)


def as_text(value: Raw) -> Raw:
    """Return a tool's arguments as a JSON string literal; some relays send the object itself."""
    return (
        Raw(_encode(msgspec.json.format(bytes(value), indent=-1).decode()))
        if bytes(value)[:1] == b"{"
        else value
    )


def _literal_or_nothing(text: str) -> bytes:
    return _encode(text) if text else b""
