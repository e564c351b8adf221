"""What a store of shared state provides: so little that memory, Redis or a table of SQL can each be one.

Keys are short texts, values are bytes that their owner encodes; the store understands neither. A caller
never holds a lock: who wants to change a value reads it, decides, and replaces exactly what it read, or
starts over. So several event loops, threads or processes may share one store.
"""

from collections.abc import Sequence
from typing import Protocol

__all__ = ["Store"]


class Store(Protocol):
    """A key-value store whose entries expire; an expired entry is absent.

    A store may forget an entry early (memory is bounded, a server may restart), so nothing may be kept here
    that somebody must not lose.
    """

    async def read(self, keys: Sequence[str]) -> list[bytes | None]:
        """Return the value of each key, None where there is none, in one round trip."""
        ...

    async def write(self, key: str, value: bytes, *, expires_in_seconds: float) -> None:
        """Set a value whatever was there; the last writer wins."""
        ...

    async def replace(
        self, key: str, value: bytes | None, *, instead_of: bytes | None, expires_in_seconds: float
    ) -> bool:
        """Set a value only if the present one still is ``instead_of``, as one step that nobody comes between.

        Args:
            key: whose value.
            value: the new one; None deletes the entry.
            instead_of: what the caller read; None if there was nothing.
            expires_in_seconds: counts anew from now.

        Returns:
            Whether it was set; if not, somebody else was faster, and the caller reads again.
        """
        ...
