"""JSON arrays of tagged objects to structs: one fast decode, and a slow walk only where one is not known.

What an unknown ``type`` means is the caller's business: it is refused where content would be lost, and
skipped where an old history must stay replayable (wire-mapping 1.5, 6.2).
"""

from types import UnionType
from typing import Generic, TypeVar, get_args

from msgspec import Raw, Struct, ValidationError, json

from packyproxy.errors import InvalidRequest
from packyproxy.translate.decoding import decode_part, safe_name, too_deep

__all__ = ["TaggedLists", "unknown_type"]

_T = TypeVar("_T", bound=Struct)


class _Tag(Struct, frozen=True):
    type: str


_RAW_LIST = json.Decoder(list[Raw])
_TAG = json.Decoder(_Tag)


def unknown_type(noun: str, kind: str, field: str) -> InvalidRequest:
    """Return the refusal of an object of a type that is not known where it stood, at ``field``."""
    return InvalidRequest(f'unknown {noun} type "{safe_name(kind)}"', field=f"{field}.type")


class TaggedLists(Generic[_T]):
    """Decodes arrays of one union of structs.

    Args:
        union: of structs that are told apart by ``type``.
        noun: what an entry is called in a refusal, e.g. ``content block``.
        with_brackets: name places as ``decoding.decode_body`` does with this.
    """

    def __init__(self, union: UnionType, *, noun: str, with_brackets: bool = False) -> None:
        self._noun = noun
        self._with_brackets = with_brackets
        self._known = frozenset(entry.__struct_config__.tag for entry in get_args(union))
        self._decode_all: json.Decoder[list[_T]] = json.Decoder(list[union])  # type: ignore[valid-type]  # built at run time
        self._one: json.Decoder[_T] = json.Decoder(union)

    def read(self, content: Raw, field: str, *, skipped: list[str] | None = None) -> list[_T]:
        """Decode the array that stood at ``field``.

        Args:
            content: the array.
            field: its path in the body.
            skipped: takes the types of unknown entries, which are then left out; None refuses them.

        Raises:
            InvalidRequest: not an array, a field has the wrong type, or an unknown entry was not to be
                skipped.
        """
        try:
            return self._decode_all.decode(content)
        except ValidationError:
            entries = decode_part(_RAW_LIST, content, field, with_brackets=self._with_brackets)
        except RecursionError:
            raise too_deep(field) from None
        read: list[_T] = []
        for at, entry in enumerate(entries):
            where = f"{field}[{at}]" if self._with_brackets else f"{field}.{at}"
            kind = decode_part(_TAG, entry, where, with_brackets=self._with_brackets).type
            if kind in self._known:
                read.append(decode_part(self._one, entry, where, with_brackets=self._with_brackets))
            elif skipped is None:
                raise unknown_type(self._noun, kind, where)
            else:
                skipped.append(kind)
        return read
