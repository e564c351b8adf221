"""Which output item an event is about (wire-mapping 4.1, 4.8).

The key is ``output_index`` if the event has one, else the item's id, else the newest open item of the fitting
kind: some relays leave out the one, some change the other from event to event.
"""

from collections import defaultdict, deque
from collections.abc import Mapping
from typing import Any, Generic, TypeVar

from packyproxy.translate.items import Answer, Item
from packyproxy.wire.responses_output import OutputItem

__all__ = ["ItemTable"]

I = TypeVar("I", bound=Item[Any])  # noqa: E741 - an item


class ItemTable(Generic[I]):
    """All items of one answer, in order of first appearance.

    Args:
        answer: what they share.
        classes: how the protocol shows an upstream's item type.
        ignored: the class of all other types.
    """

    def __init__(self, answer: Answer, classes: Mapping[str, type[I]], ignored: type[I]) -> None:
        self.items: list[I] = []
        self.ignored = ignored
        self._answer = answer
        self._classes = classes
        self._by_index: dict[int, I] = {}
        self._by_id: dict[str, I] = {}

    def find(self, output_index: int | None, item_id: str | None) -> I | None:
        """Return the item with that key; both halves of the key name it once both were seen."""
        if output_index is None:
            return self._by_id.get(item_id) if item_id else None
        found = self._by_index.get(output_index)
        if found is None and item_id:
            alias = self._by_id.get(item_id)
            if alias is not None and alias.output_index is None:
                found = alias
                found.output_index = output_index
                self._by_index[output_index] = found
        if found is not None and item_id and found.item_id is None:
            found.item_id = item_id
            self._by_id.setdefault(item_id, found)
        return found

    def find_announced(self, output_index: int | None, item: OutputItem) -> I | None:
        """Return the item that an ``added`` or ``done`` event is about.

        Some relays give every item the same index: another type, or another id after the first item's end,
        shows that the index was used again.
        """
        known = self.find(output_index, item.id)
        if known is None or output_index is None or not item.type:
            return known
        is_other_id = bool(item.id and known.item_id and item.id != known.item_id)
        is_reused = type(known) is not self.class_for(item.type) or (known.is_done and is_other_id)
        return None if is_reused else known

    def newest(self, cls: type[I]) -> I | None:
        """Return the newest item of that class that is not done."""
        return next((item for item in reversed(self.items) if type(item) is cls and not item.is_done), None)

    def register(self, cls: type[I], output_index: int | None, item_id: str | None) -> I:
        """Add an item of which nothing but its key is known."""
        item = cls(self._answer)
        self.items.append(item)
        if output_index is not None:
            item.output_index = output_index
            self._by_index[output_index] = item
        if item_id:
            item.item_id = item_id
            self._by_id.setdefault(item_id, item)
        return item

    def class_for(self, item_type: str) -> type[I]:
        """Return the class for an upstream item type."""
        return self._classes.get(item_type, self.ignored)

    def match_final(self, output: list[OutputItem]) -> list[tuple[I | None, OutputItem]]:
        """Pair the items of a finished response with those that were streamed, None where there is no such.

        Items pair by id first and then, kind by kind, in order, since ids may differ between events.
        """
        by_id = [self._by_id.get(item.id) if item.id else None for item in output]
        if None not in by_id:  # the ids usually agree
            return list(zip(by_id, output, strict=True))
        taken = {id(found) for found in by_id if found is not None}
        rest: dict[type[I], deque[I]] = defaultdict(deque)
        for streamed in self.items:
            if id(streamed) not in taken:
                rest[type(streamed)].append(streamed)
        matches: list[tuple[I | None, OutputItem]] = []
        for item, found in zip(output, by_id, strict=True):
            unmatched = rest[self.class_for(item.type)]
            matches.append((found or (unmatched.popleft() if unmatched else None), item))
        return matches
