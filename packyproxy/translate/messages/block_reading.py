"""Content arrays to blocks: one fast decode, and a slow walk only when something in the array is not known.

An unknown ``type`` is refused on the user's side, where content would be lost, and skipped on the
assistant's, where an old history must stay replayable (wire-mapping 1.5).
"""

from types import UnionType
from typing import Generic, TypeVar, get_args

from msgspec import Raw, Struct, ValidationError, json

from packyproxy.errors import InvalidRequest
from packyproxy.translate.decoding import decode_part, safe_name, too_deep
from packyproxy.wire.messages import Block, ResultBlock, SystemBlock

__all__ = ["MESSAGE_BLOCKS", "RESULT_BLOCKS", "SYSTEM_BLOCKS", "BlockReader", "unknown_block"]

_T = TypeVar("_T", bound=Struct)


class _Tag(Struct, frozen=True):
    type: str


_RAW_LIST = json.Decoder(list[Raw])
_TAG = json.Decoder(_Tag)


def unknown_block(kind: str, field: str) -> InvalidRequest:
    """Return the refusal of a block of a type that is not known at this place."""
    return InvalidRequest(f'unknown content block type "{safe_name(kind)}"', field=f"{field}.type")


class BlockReader(Generic[_T]):
    """Decodes arrays of one union of blocks."""

    def __init__(self, union: UnionType) -> None:
        self._known = frozenset(block.__struct_config__.tag for block in get_args(union))
        self._decode_all: json.Decoder[list[_T]] = json.Decoder(list[union])  # type: ignore[valid-type]  # built at run time
        self._one: json.Decoder[_T] = json.Decoder(union)

    def read(self, content: Raw, field: str, *, skipped: list[str] | None = None) -> list[_T]:
        """Decode the array that stood at ``field``.

        Args:
            content: the array.
            field: its path in the body.
            skipped: takes the types of unknown blocks, which are then left out; None refuses them.

        Raises:
            InvalidRequest: not an array, a field has the wrong type, or an unknown block was not to be
                skipped.
        """
        try:
            return self._decode_all.decode(content)
        except ValidationError:
            blocks = decode_part(_RAW_LIST, content, field)
        except RecursionError:
            raise too_deep(field) from None
        read: list[_T] = []
        for at, block in enumerate(blocks):
            where = f"{field}.{at}"
            kind = decode_part(_TAG, block, where).type
            if kind in self._known:
                read.append(decode_part(self._one, block, where))
            elif skipped is None:
                raise unknown_block(kind, where)
            else:
                skipped.append(kind)
        return read


MESSAGE_BLOCKS: BlockReader[Block] = BlockReader(Block)
"""Blocks of user and assistant messages."""

SYSTEM_BLOCKS: BlockReader[SystemBlock] = BlockReader(SystemBlock)
"""Blocks of system messages in mid-conversation."""

RESULT_BLOCKS: BlockReader[ResultBlock] = BlockReader(ResultBlock)
"""Blocks inside a tool result."""
