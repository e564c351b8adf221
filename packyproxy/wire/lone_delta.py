"""A read of the upstream that is one whole delta and nothing else, recognised at a glance.

Live providers write event by event, and by the time the next one comes the processor's caches hold other
things. So what a lone delta costs is how much is touched for it: this way does without a frame decoder, a
search for what ends where, a decoder that knows every event, and the text of the item's id.
"""

from typing import Protocol, cast

import msgspec
from msgspec import Raw, defstruct, structs

from packyproxy.wire.responses_events import DeltaEvent
from packyproxy.wire.responses_output import UNREADABLE

__all__ = ["LoneDelta", "PlacedDelta"]

_CR = 0x0D  # ``in`` looks for a number far faster than for bytes


class PlacedDelta(Protocol):
    """What is read of a lone delta: its text and where that belongs, as in its event."""

    output_index: int | None
    part_index: int | None
    delta: Raw


class LoneDelta:
    """Recognises deltas of one type, in the form in which nearly every upstream writes them.

    Args:
        cls: the type.
    """

    def __init__(self, cls: type[DeltaEvent]) -> None:
        name = cast("str", cls.__struct_config__.tag)
        # Of data that tells its type first, as all do: a decoder that knows one type does without it.
        self._beginning = b'event: %b\ndata: {"type":"%b"' % (name.encode(), name.encode())
        self._data_at = self._beginning.index(b"{")
        self._decode = msgspec.json.Decoder(_without_item_id(cls, name)).decode

    def read(self, read: bytes) -> PlacedDelta | None:
        """Decode a read that is surely one whole delta of this type; None if it may be anything else."""
        if (
            not read.startswith(self._beginning)
            or read.find(b"\n", self._data_at) != len(read) - 2
            or not read.endswith(b"\n\n")
            or _CR in read
        ):
            return None
        try:
            if not read.isascii():
                read.decode()
            return self._decode(read[self._data_at : -2])
        except UNREADABLE:
            return None


def _without_item_id(cls: type[DeltaEvent], tag: str) -> type[PlacedDelta]:
    """Make a class of the other fields: to skip an id costs less than to make a text of it."""
    fields = [
        (field.name, field.type, msgspec.field(default=field.default, name=field.encode_name))
        for field in structs.fields(cls)
        if field.name != "item_id"
    ]
    namespace = {"part_index": None} if cls.part_index is None else {}
    made = defstruct(
        cls.__name__, fields, namespace=namespace, tag_field="type", tag=tag, gc=False, module=__name__
    )
    return cast("type[PlacedDelta]", made)
