"""The store in this process's memory: bounded, and gone with the process.

When it is full, the entry that was neither read nor written for longest goes first. What is asked for at
every request (the health of configured providers) therefore stays, however many sessions clients make up.

One runtime may serve event loops in several threads, and neither the cache nor "compare, then set" is one
step there, so each call holds a lock; never across an ``await``, so within one thread nobody waits for it.
"""

from collections.abc import Callable, Sequence
from threading import Lock

from cachetools import LRUCache

__all__ = ["MemoryStore"]

_MAX_ENTRIES = 16_384
"""Sessions of the last hour, in the main; each takes about 300 bytes."""


class MemoryStore:
    """A :class:`~packyproxy.store.contract.Store` in memory."""

    def __init__(self, *, clock: Callable[[], float], max_entries: int = _MAX_ENTRIES) -> None:
        """Start empty.

        Args:
            clock: seconds since any fixed moment.
            max_entries: at least 1.
        """
        self._clock = clock
        self._lock = Lock()
        self._entries: LRUCache[str, tuple[bytes, float]] = LRUCache(max_entries)
        """Value and the clock's time at which it expires; expired ones stay until pushed out."""

    async def read(self, keys: Sequence[str]) -> list[bytes | None]:
        """Return the value of each key, None where there is none."""
        get, now = self._entries.get, self._clock()
        with self._lock:
            return [entry[0] if (entry := get(key)) is not None and now < entry[1] else None for key in keys]

    async def write(self, key: str, value: bytes, *, expires_in_seconds: float) -> None:
        """Set a value whatever was there."""
        now = self._clock()
        with self._lock:
            self._entries[key] = (value, now + expires_in_seconds)

    async def replace(
        self, key: str, value: bytes | None, *, instead_of: bytes | None, expires_in_seconds: float
    ) -> bool:
        """Set a value, or delete it if it is None, only if the present one still is ``instead_of``."""
        now = self._clock()
        with self._lock:
            entry = self._entries.get(key)
            present = entry[0] if entry is not None and now < entry[1] else None
            if present != instead_of:
                return False
            if value is not None:
                self._entries[key] = (value, now + expires_in_seconds)
            elif entry is not None:
                del self._entries[key]
            return True
