"""What belongs to an event loop: one of a thing for each, and which loops have entered.

Loops may run in several threads at once. No lock is needed: each changes what is its own, and each step on a
dictionary is one step. A thing may hold its loop, so weak references would let both live on for ever; loops
that have closed are forgotten when another one comes.
"""

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

__all__ = ["Entries", "PerLoop"]

_T = TypeVar("_T")


class PerLoop(Generic[_T]):
    """One of a thing for each event loop that has asked for it.

    Args:
        make: makes one, on its loop.
        abandon: given one whose loop has closed, when that is noticed.
    """

    def __init__(self, make: Callable[[], _T], abandon: Callable[[_T], object] | None = None) -> None:
        self._make = make
        self._abandon = abandon
        self._things: dict[asyncio.AbstractEventLoop, _T] = {}

    def here(self) -> _T:
        """Return the running loop's, made at the first call."""
        loop = asyncio.get_running_loop()
        thing = self._things.get(loop)
        if thing is None:
            self._sweep()
            thing = self._things[loop] = self._make()
        return thing

    def pop(self, loop: asyncio.AbstractEventLoop) -> _T | None:
        """Forget the thing of a loop, and return it if there was one."""
        return self._things.pop(loop, None)

    def by_loop(self) -> dict[asyncio.AbstractEventLoop, _T]:
        """Return what there is at this moment; some of the loops may have closed."""
        return self._things.copy()

    def _sweep(self) -> None:
        for loop in self._things.copy():
            if loop.is_closed() and (thing := self.pop(loop)) is not None and self._abandon is not None:
                self._abandon(thing)


class Entries:
    """How often each event loop has entered something that it has not left again."""

    def __init__(self) -> None:
        self._counts: dict[asyncio.AbstractEventLoop, int] = {}

    def enter(self) -> None:
        """Count the running loop in, once more."""
        loop = asyncio.get_running_loop()
        for other in self._counts.copy():
            if other.is_closed():
                self._counts.pop(other, None)
        self._counts[loop] = self._counts.get(loop, 0) + 1

    def leave(self) -> bool:
        """Count the running loop out, once; returns whether that was its last entry.

        Raises:
            RuntimeError: it has not entered.
        """
        loop = asyncio.get_running_loop()
        count = self._counts.pop(loop, 0)
        if not count:
            raise RuntimeError("packyproxy was left on an event loop that has not entered it")
        if count > 1:
            self._counts[loop] = count - 1
        return count == 1

    def loops(self) -> list[asyncio.AbstractEventLoop]:
        """Return those that are inside, and open."""
        return [loop for loop in self._counts.copy() if not loop.is_closed()]

    def has_entered(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Tell whether a loop is inside."""
        return loop in self._counts
