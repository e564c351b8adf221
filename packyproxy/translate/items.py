"""What the output items of an answer have in common, however a protocol shows them (wire-mapping 3.2, 4.5).

An item is given its events in order, ending with its ``ItemDone``, or with ``finish`` when the upstream never
said that it was done. It ignores events of other kinds of items.
"""

from abc import ABC, abstractmethod
from typing import ClassVar, Generic, TypeVar

from packyproxy.translate.contract import Note, StreamFacts
from packyproxy.translate.held_events import HeldEvents
from packyproxy.translate.item_text import CallText, ItemText
from packyproxy.translate.parts import Part
from packyproxy.translate.text_limits import TextLimiter, text_limiter
from packyproxy.translate.tool_names import repeated_id, tool_use_id
from packyproxy.wire import responses_events as upstream
from packyproxy.wire.responses_events import ResponsesEvent
from packyproxy.wire.responses_output import OutputItem

__all__ = ["Answer", "CallItem", "Item", "StreamedItem"]

_MAX_NOTES = 32


class Answer:
    """What the items of one answer share."""

    def __init__(self, facts: StreamFacts, answer_id: str) -> None:
        self.facts = facts
        self.answer_id = answer_id
        self.limiter: TextLimiter | None = text_limiter(facts.stop_sequences, facts.max_text_tokens)
        self.tool_ids: list[str] = []
        """Ids of the tool calls shown, in order; their number decides how the answer ends."""
        self.notes: list[Note] = []

    @property
    def is_stopped(self) -> bool:
        """Whether the text met a limit of the client's."""
        return self.limiter is not None and self.limiter.stop is not None

    def note(self, note: Note) -> None:
        """Remember a finding once; a hostile stream could make up a new one for every event."""
        if note not in self.notes and len(self.notes) < _MAX_NOTES:
            self.notes.append(note)


A = TypeVar("A", bound=Answer)
T = TypeVar("T", bound=ItemText)


class Item(Generic[A]):
    """What every item has; on its own, an item that shows nothing."""

    is_answer: ClassVar[bool] = False
    """Whether a finished item of this class makes an answer that the upstream did not end well (4.8)."""

    def __init__(self, answer: A) -> None:
        self.answer = answer
        self.output_index: int | None = None
        self.item_id: str | None = None
        self.is_done = False
        """Whether the upstream said so."""
        self.is_finished = False
        """Whether everything was written."""
        self.has_begun = False
        """Whether the item is, or was, the one that writes."""
        self.held: HeldEvents | None = None
        """What came before its turn, if anything did."""

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

    def framing(self) -> tuple[bytes, bytes]:
        """Return what stands before and after the deltas of the part that ``open_part`` returned."""
        raise AssertionError("an item without a short cut")

    def shown_bytes(self) -> int:
        """Return how many UTF-8 bytes of text and arguments were shown that no limiter has counted."""
        return 0


class StreamedItem(Item[A], Generic[A, T], ABC):  # noqa: PYI059 - an order that fits beside other ABCs
    """An item whose text comes in deltas, in one part or several."""

    text: T
    """Set by the class that knows its kind."""

    @abstractmethod
    def write(self, event: ResponsesEvent, literal: bytes) -> bytes:
        """Show text that an event adds."""

    def take(self, event: ResponsesEvent) -> bytes:
        """Write what one event adds."""
        if type(event) is upstream.ItemDone:
            return self.finish(event.item)
        literal = self.text.add(event)
        if not literal:
            return self.checked(literal)
        return self.write(event.event if type(event) is upstream.BrokenDelta else event, literal)

    def checked(self, literal: bytes | None) -> bytes:
        """Return a literal of the text, ``b""`` when the upstream contradicts itself."""
        if literal is None:
            self.answer.note(Note("contradicting_text"))
            return b""
        return literal


class CallItem(StreamedItem[A, CallText], ABC):
    """A call of a client's tool; it opens as soon as the call has an id and a name."""

    is_answer = True

    def __init__(self, answer: A) -> None:
        super().__init__(answer)
        self.text = CallText()
        self.is_open = False
        self._call_id: str | None = None
        self._name: str | None = None
        self._waiting: list[bytes] = []
        """Literals of arguments that came before the call could open."""

    @property
    def client_name(self) -> str:
        """The tool's name as the client knows it."""
        name = self._name or ""
        return self.answer.facts.original_names.get(name, name)

    @abstractmethod
    def show_opening(self, call_id: str) -> bytes:
        """Write what tells of the call before its arguments."""

    @abstractmethod
    def show(self, literal: bytes) -> bytes:
        """Write a piece of the arguments of the open call."""

    def introduce(self, item: OutputItem) -> None:
        """Take the call's id and name."""
        self.text.is_custom = self.text.is_custom or item.type == "custom_tool_call"
        self._call_id = self._call_id or item.call_id
        self._name = self._name or item.name

    def begin(self) -> bytes:
        """Open the call if it is known."""
        return self.open() if not self.is_open and self._call_id and self._name else b""

    def take(self, event: ResponsesEvent) -> bytes:
        """Write what one event adds."""
        if type(event) is upstream.ArgumentsDone:
            self._name = self._name or event.name
        return self.begin() + super().take(event)

    def write(self, event: ResponsesEvent, literal: bytes) -> bytes:
        """Show text that an event adds."""
        return self.argue(literal)

    def is_callable(self, item: OutputItem | None) -> bool:
        """Take the upstream's final word on who is called, and tell whether that is known at all."""
        if item is not None:
            self.introduce(item)
        if not self._name:
            self.is_finished = True
            self.answer.note(Note("ignored_item", "function_call"))
        return bool(self._name)

    def open(self) -> bytes:
        """Open the call, with what waited for it; the last resort when the upstream told no id."""
        answer = self.answer
        wanted = tool_use_id(
            self._call_id,
            item_id=self.item_id,
            message_id=answer.answer_id,
            output_index=self.output_index or 0,
        )
        call_id = repeated_id(wanted, answer.tool_ids)
        answer.tool_ids.append(call_id)
        self.is_open = True
        waiting, self._waiting = self._waiting, []
        return self.show_opening(call_id) + b"".join(map(self.show, waiting))

    def argue(self, literal: bytes) -> bytes:
        """Show a piece of the arguments, or keep it until the call can open."""
        if not literal:
            return b""
        if self.is_open:
            return self.show(literal)
        self._waiting.append(literal)
        return b""

    def shown_bytes(self) -> int:
        """Return how many UTF-8 bytes of arguments were shown."""
        return self.text.size
