"""Names that figures are kept by, so that whoever makes up names cannot make figures grow.

A provider that passes any model on takes whatever a client calls a model. So a bounded number of names is
told apart, and all others are :data:`OTHER`. A quarter of the room is for names that came with a failure:
rubbish that upstreams refuse cannot keep out what they answer to.
"""

from typing import Final, Generic, TypeVar

__all__ = ["MOST_PROVIDERS", "OTHER", "Names", "Targets"]

OTHER: Final = "other"
"""Stands for every name that is not told apart."""

MOST_PROVIDERS: Final = 32
"""They come from the configuration, but each reload may bring new ones."""

_LONGEST: Final = 256
"""As long as the name of a configured model may be."""

K = TypeVar("K", str, tuple[str, str])


class Names:
    """A bounded set of names.

    Args:
        limit: how many there may be besides :data:`OTHER`.
    """

    def __init__(self, limit: int) -> None:
        self._room: _Room[str] = _Room(limit)

    def of(self, name: str, *, is_proven: bool = True) -> str:
        """Return the name to keep figures by: this one if it is known or there is room, else :data:`OTHER`.

        One that is too long, or that cannot be printed, is never kept.

        Args:
            name: any text.
            is_proven: whether somebody has answered to it; of no consequence once it is known.
        """
        if name in self._room.kept:
            return name
        return name if _is_fit(name) and self._room.admits(name, is_proven=is_proven) else OTHER


class Targets:
    """A bounded set of pairs of provider and model.

    Args:
        limit: how many there may be besides those with :data:`OTHER` in them, of which there is one for each
            provider and one more.
    """

    def __init__(self, limit: int) -> None:
        self._providers = Names(MOST_PROVIDERS)
        self._room: _Room[tuple[str, str]] = _Room(limit)

    def of(self, provider: str, model: str, *, is_proven: bool = True) -> tuple[str, str]:
        """Return the pair to keep figures by; a model without room is :data:`OTHER` of its provider.

        Args:
            provider: any text.
            model: likewise.
            is_proven: whether the provider has answered as this model; of no consequence once it is known.
        """
        target = (provider, model)
        if target in self._room.kept:
            return target
        provider = self._providers.of(provider)
        if provider == OTHER:
            return OTHER, OTHER
        is_kept = _is_fit(model) and self._room.admits(target, is_proven=is_proven)
        return target if is_kept else (provider, OTHER)


class _Room(Generic[K]):
    def __init__(self, limit: int) -> None:
        self.kept: set[K] = set()
        self._limit = limit
        self._left_unproven = limit // 4

    def admits(self, key: K, *, is_proven: bool) -> bool:
        """Take a new key in, if there is room for it."""
        if len(self.kept) >= self._limit or not (is_proven or self._left_unproven):
            return False
        self._left_unproven -= not is_proven
        self.kept.add(key)
        return True


def _is_fit(name: str) -> bool:
    """Tell whether a name may be shown: also one that is no Unicode, a lone surrogate, is not printable."""
    return len(name) <= _LONGEST and name.isprintable()
