"""Tool lists remembered by their bytes: agents send the same list, tens of kilobytes, at every turn.

One gateway may serve event loops in several threads, and the cache is not made for that, so a lock is held
while it is looked at; never while a list is read.
"""

from collections.abc import Callable, Sized
from threading import Lock
from typing import Generic, TypeVar

from cachetools import LRUCache
from msgspec import Raw

__all__ = ["ToolMemory"]

_T = TypeVar("_T", bound=Sized)

_MAX_MEMORY_BYTES = 8 * 1024 * 1024
"""A hundred sessions of agents with their usual lists."""
_BYTES_PER_TOOL = 500
"""What a remembered tool takes beside its bytes; lists of very small ones are mostly that."""


class ToolMemory(Generic[_T]):
    """Reads each list once.

    Args:
        read: reads a list, whose length is the number of its tools; what it raises is not remembered.
        max_bytes: how much of such lists is kept, the least recently used going first.
    """

    def __init__(self, read: Callable[[Raw], _T], max_bytes: int = _MAX_MEMORY_BYTES) -> None:
        self._read = read
        self._lock = Lock()
        self._lists: LRUCache[bytes, tuple[int, _T]] = LRUCache(max_bytes, getsizeof=lambda entry: entry[0])

    def read(self, tools: Raw) -> _T:
        """Return what ``read`` makes of the list."""
        data = bytes(tools)
        with self._lock:
            found = self._lists.get(data)
        if found is not None:
            return found[1]
        read = self._read(Raw(data))
        size = len(data) + _BYTES_PER_TOOL * len(read)
        if size <= self._lists.maxsize:
            with self._lock:
                self._lists[data] = (size, read)
        return read
