"""A read of the upstream that is one whole delta and nothing else, recognised at a glance.

Live providers write event by event, and by the time the next one comes the processor's caches hold other
things. So what a lone delta costs is how much is touched for it: this way does without a frame decoder, a
search for what ends where, a decoder that knows every event, and the text of the item's id.
"""

from typing import Generic, Protocol, TypeVar, cast

import msgspec
from msgspec import Raw, Struct, defstruct, structs

from packyproxy.wire.responses_events import DeltaEvent
from packyproxy.wire.responses_output import UNREADABLE

__all__ = ["LoneDelta", "LoneFrame", "PlacedDelta"]

_Read = TypeVar("_Read")

_CR = 0x0D  # ``in`` looks for a number far faster than for bytes


class PlacedDelta(Protocol):
    """What is read of a lone delta: its text and where that belongs, as in its event."""

    output_index: int | None
    part_index: int | None
    delta: Raw


class LoneFrame(Generic[_Read]):
    """Recognises frames of one type, in the form in which nearly every upstream writes them.

    Args:
        cls: a struct of what is read of their data, tagged with the type.
    """

    def __init__(self, cls: type[_Read]) -> None:
        name = cast("str", cast("type[Struct]", cls).__struct_config__.tag)
        # Of data that tells its type first, as all do: a decoder that knows one type does without it.
        self._beginning = b'event: %b\ndata: {"type":"%b"' % (name.encode(), name.encode())
        self._data_at = self._beginning.index(b"{")
        self._decode = msgspec.json.Decoder(cls).decode

    def read(self, read: bytes) -> _Read | None:
        """Decode a read that is surely one whole frame of this type; None if it may be anything else."""
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


class LoneDelta(LoneFrame[PlacedDelta]):
    """Recognises deltas of one type, and reads their text and where it belongs.

    Args:
        cls: the type.
    """

    def __init__(self, cls: type[DeltaEvent]) -> None:
        super().__init__(_without_item_id(cls))


def _without_item_id(cls: type[DeltaEvent]) -> type[PlacedDelta]:
    """Make a class of the other fields: to skip an id costs less than to make a text of it."""
    tag = cast("str", cls.__struct_config__.tag)
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
