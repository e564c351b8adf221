"""The text of an item: which part of it an event is about, and what that adds (wire-mapping 2.3, 4.5).

Every literal that comes out of here is to be shown, once: what a delta adds, or what the deltas of a part had
not sent when the upstream repeats it whole. ``None`` stands for a text that contradicts what was sent.

Events are told apart by ``type(event) is``: their metaclass makes ``isinstance`` several times as dear.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable

from msgspec import Raw

from packyproxy.translate.parts import Part, final_text
from packyproxy.wire import responses_events as upstream
from packyproxy.wire.responses_events import ResponsesEvent
from packyproxy.wire.responses_output import ContentPart, OutputItem, read_part

__all__ = ["CallText", "ItemText", "MessageText", "ReasoningText"]


class ItemText(ABC):
    """The text of one item in its parts."""

    @abstractmethod
    def part_of(self, event: ResponsesEvent) -> Part | None:
        """Return the part that the event's text belongs to; None for an event of another kind of item."""

    def add(self, event: ResponsesEvent) -> bytes | None:
        """Take one event about the text and return the literal it adds."""
        if type(event) is upstream.BrokenDelta:
            part = self.part_of(event.event)
            return part.add_broken(event.text) if part is not None else b""
        part = self.part_of(event)
        if part is None:
            return b""
        delta: Raw | None = getattr(event, "delta", None)
        return part.add(delta) if delta is not None else part.complete(final_text(event))


class MessageText(ItemText):
    """Answer text and refusals."""

    def __init__(self) -> None:
        self.parts: dict[tuple[bool, int], Part] = {}
        """By (is a refusal, content index)."""

    @staticmethod
    def is_refusal(event: ResponsesEvent) -> bool:
        """Tell which of the two an event is about."""
        if type(event) is upstream.ContentPartDone:
            return event.part.type == "refusal"
        return type(event) is upstream.RefusalDelta or type(event) is upstream.RefusalDone

    def part_of(self, event: ResponsesEvent) -> Part | None:
        """Return the part of the event's text."""
        if type(event) is upstream.TextDelta or type(event) is upstream.TextDone:
            return self.part(False, event.part_index or 0)
        if type(event) is upstream.RefusalDelta or type(event) is upstream.RefusalDone:
            return self.part(True, event.part_index or 0)
        if type(event) is upstream.ContentPartDone:
            return self.part(event.part.type == "refusal", event.part_index or 0)
        return None

    def part(self, is_refusal: bool, index: int) -> Part:
        """Return the part with that key, made on first use."""
        part = self.parts.get((is_refusal, index))
        if part is None:
            part = self.parts[is_refusal, index] = Part()
        return part

    def complete(self, final_parts: Iterable[ContentPart]) -> list[tuple[bool, bytes | None]]:
        """Take the upstream's final word on the parts; return (is a refusal, literal) for each."""
        out: list[tuple[bool, bytes | None]] = []
        for index, final_part in enumerate(final_parts):
            is_refusal = final_part.type == "refusal"
            if is_refusal or final_part.type == "output_text":
                final = final_part.refusal if is_refusal else final_part.text
                out.append((is_refusal, self.part(is_refusal, index).complete(final)))
        for (is_refusal, _), part in self.parts.items():
            if part.half:
                out.append((is_refusal, part.complete(None)))
        return out

    @property
    def size(self) -> int:
        """How many UTF-8 bytes were sent."""
        return sum(len(part.text.encode()) for part in self.parts.values())


class ReasoningText(ItemText):
    """Reasoning: the summary or the raw text, whichever comes first; the other is ignored."""

    def __init__(self) -> None:
        self.parts: dict[int, Part] = {}
        self._shows_raw: bool | None = None

    @staticmethod
    def index_of(event: ResponsesEvent) -> int:
        """Return which part of its kind an event is about."""
        index: int | None = getattr(event, "part_index", None)
        return index or 0

    def part_of(self, event: ResponsesEvent) -> Part | None:
        """Return the part of the event's text; None for text of the kind that came second."""
        if type(event) is upstream.SummaryDelta or type(event) is upstream.ReasoningDelta:
            text = event.delta
        elif type(event) is upstream.SummaryDone or type(event) is upstream.ReasoningDone:
            text = event.text
        else:
            return None
        is_raw = type(event) is upstream.ReasoningDelta or type(event) is upstream.ReasoningDone
        return self._part(is_raw, self.index_of(event), text)

    def complete(self, item: OutputItem | None) -> list[tuple[int, bytes | None]]:
        """Take the upstream's final word on the item, if there is one; return (index, literal) per part."""
        out: list[tuple[int, bytes | None]] = []
        for is_raw, parts in ((False, item and item.summary), (True, item and item.content)):
            for index, raw in enumerate(parts or ()):
                text = read_part(raw).text
                if part := self._part(is_raw, index, text):
                    out.append((index, part.complete(text)))
        for index, part in self.parts.items():
            if part.half:
                out.append((index, part.complete(None)))
        return out

    def _part(self, is_raw: bool, index: int, text: Raw) -> Part | None:
        if self._shows_raw is None and len(text) > 2 and bytes(text)[:1] == b'"':
            self._shows_raw = is_raw
        return self.parts.setdefault(index, Part()) if self._shows_raw is is_raw else None


class CallText(ItemText):
    """The arguments of a function call, or the input of a custom tool."""

    def __init__(self) -> None:
        self.part = Part()
        self.is_custom = False
        """Whether it is free text for a custom tool."""

    def part_of(self, event: ResponsesEvent) -> Part | None:
        """Return the part of the event's text."""
        if type(event) is upstream.ArgumentsDelta or type(event) is upstream.ArgumentsDone:
            return self.part
        if type(event) is upstream.CustomInputDelta or type(event) is upstream.CustomInputDone:
            self.is_custom = True
            return self.part
        return None

    @property
    def size(self) -> int:
        """How many UTF-8 bytes were sent."""
        return len(self.part.text.encode())
