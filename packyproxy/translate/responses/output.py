"""The items of an answer that were done, and what they tell of it (wire-mapping 4.8, 4.10, 5.2)."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import msgspec
from msgspec import Raw

from packyproxy.translate.text_limits import likely_tokens
from packyproxy.wire.responses_events import ItemAdded, ItemDone, decode_event
from packyproxy.wire.responses_output import UNREADABLE, OutputItem, read_fields, read_part

__all__ = ["DoneItems"]

_MAX_OPEN = 4096

_ANSWERS = frozenset(
    {
        "apply_patch_call",
        "computer_call",
        "custom_tool_call",
        "function_call",
        "local_shell_call",
        "message",
        "shell_call",
    }
)
"""The types of items that a client can go on with."""

_LIST = msgspec.json.Decoder(list[Raw])


class DoneItems:
    """Keep the items of ``response.output_item.done`` for the response that leaves them out.

    Args:
        max_bytes: when the items are larger, they are forgotten, and no output is filled any more; None keeps
            any size.
    """

    def __init__(self, *, max_bytes: int | None) -> None:
        self.has_answer = False
        """Whether a message or a call that the client executes was done."""
        self._max_bytes = max_bytes
        self._bytes = 0
        self._forgotten_bytes = 0
        self._events: dict[tuple[float, int], bytes] | None = {}
        """The data of each, by output index; items without one follow, in order."""
        self._open: set[int | str | None] = set()
        self._is_uncounted = False

    @property
    def are_whole(self) -> bool:
        """Whether no item was begun that is not done."""
        return not self._open and not self._is_uncounted

    @property
    def count(self) -> int:
        """How many are kept."""
        return len(self._events or ())

    @property
    def output(self) -> list[Raw] | None:
        """The items in their order; None when they were too large to keep."""
        events = self._events
        if events is None:
            return None
        return [item for key in sorted(events) if (item := _item_in(events[key])) is not None]

    @property
    def shown_tokens(self) -> int:
        """An estimate of the text and arguments in the items."""
        return likely_tokens(self._forgotten_bytes + _shown_bytes(self._events))

    def begin(self, event: ItemAdded) -> None:
        """Take an item that begins."""
        if len(self._open) < _MAX_OPEN:
            self._open.add(_key_of(event))
        else:
            self._is_uncounted = True

    def add(self, event: ItemDone, data: bytes) -> None:
        """Take an item that is done; one that repeats an output index replaces the earlier one.

        Args:
            event: what the data says.
            data: JSON in valid Unicode; the item is kept as it is written there.
        """
        self._open.discard(_key_of(event))
        self.has_answer = self.has_answer or event.item.type in _ANSWERS
        if not event.item.type and _item_in(data) is None:
            return
        events, index = self._events, event.output_index
        if events is None:
            self._forgotten_bytes += _shown_bytes_of(event.item)
            return
        # The item is cut out of its data when it is needed, which is nearly never.
        events[(float("inf"), len(events)) if index is None else (index, 0)] = data
        self._bytes += len(data)
        if self._max_bytes is not None and self._bytes > self._max_bytes:
            self._forgotten_bytes = _shown_bytes(events)
            self._events = None

    def missing_from(self, output: Raw | None) -> list[Raw] | None:
        """Return the items if ``output``, that of the finished response, has fewer; else None."""
        items = self.output
        if not items:
            return None
        return items if len(_read_list(output)) < len(items) else None


def _key_of(event: ItemAdded | ItemDone) -> int | str | None:
    return event.item.id if event.output_index is None else event.output_index


def _read_list(value: Raw | None) -> Sequence[Raw]:
    if value is None:
        return ()
    try:
        return _LIST.decode(value)
    except UNREADABLE:
        return ()


def _item_in(data: bytes) -> Raw | None:
    """Return the item that an event holds; None if that is no object."""
    item = (read_fields(data) or {}).get("item")
    return None if item is None or read_fields(item) is None else item


def _shown_bytes(events: Mapping[Any, bytes] | None) -> int:
    """Return how much of the items of some events their reader is shown."""
    return sum(_shown_bytes_of(cast("ItemDone", decode_event(data)).item) for data in (events or {}).values())


def _shown_bytes_of(item: OutputItem) -> int:
    """Return how much of an item its reader is shown, without quotes."""
    parts = [read_part(part) for part in item.content or ()]
    texts = [item.arguments, item.input, *(text for part in parts for text in (part.text, part.refusal))]
    return sum(len(text) - 2 for text in map(bytes, texts) if text[:1] == b'"')
