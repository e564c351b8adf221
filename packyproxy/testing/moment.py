"""Waiting for what happens once, on any event loop or on a thread that has none."""

import asyncio
from collections.abc import Generator
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from typing import Any, Generic, TypeVar

__all__ = ["Moment"]

_T = TypeVar("_T")


class Moment(Generic[_T]):
    """What a test waits for: ``await`` it, or call :meth:`wait` where no event loop runs.

    It may happen on another event loop or thread than that of whoever waits.
    """

    def __init__(self) -> None:
        self._future: Future[_T] = Future()
        # From now on it cannot be cancelled: who stops waiting leaves it to the others.
        self._future.set_running_or_notify_cancel()

    def happen(self, value: _T) -> None:
        """Let everybody who waits have this value; only the first call counts."""
        with suppress(InvalidStateError):
            self._future.set_result(value)

    def __await__(self) -> Generator[Any, None, _T]:
        if not self._future.done():
            yield from asyncio.wrap_future(self._future)
        return self._future.result()

    def wait(self, timeout: float | None = 10.0) -> _T:
        """Wait on this thread, at most so many seconds.

        Raises:
            RuntimeError: an event loop runs on this thread, and would stand still.
            TimeoutError: it has not happened by then.
        """
        if not self._future.done() and _runs_loop():
            raise RuntimeError("an event loop runs here: await this instead")
        return self._future.result(timeout)


def _runs_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
