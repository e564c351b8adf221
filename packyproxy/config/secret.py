"""Values that must never be readable by accident."""

from collections.abc import Iterator, Mapping
from typing import Final, Self

__all__ = ["MASK", "HeaderMap", "Secret"]

MASK: Final = "***"
_SHOWN_CHARACTERS = 4
_LONG_ENOUGH_TO_SHOW = 12


class Secret:
    """A key or password; only ``reveal`` gives it away.

    ``str`` and ``repr`` show ``***``, for 12 or more characters followed by the last four. A pickled secret
    is its mask. msgspec refuses to encode it; with ``enc_hook=str`` it is its mask.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the value itself; never log, format or store it."""
        return self._value

    def __str__(self) -> str:
        if len(self._value) < _LONG_ENOUGH_TO_SHOW:
            return MASK
        return MASK + self._value[-_SHOWN_CHARACTERS:]

    def __repr__(self) -> str:
        return f"Secret('{self}')"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __bool__(self) -> bool:
        return bool(self._value)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> tuple[type["Secret"], tuple[str]]:
        return (Secret, (str(self),))


class HeaderMap(Mapping[str, str]):
    """Header names and values as the operator wrote them; ``repr`` shows names only: values may be keys."""

    __slots__ = ("_items",)

    def __init__(self, items: Mapping[str, str] | None = None) -> None:
        self._items = dict(items or {})

    def __getitem__(self, name: str) -> str:
        return self._items[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __repr__(self) -> str:
        return f"HeaderMap({', '.join(self._items)})"
