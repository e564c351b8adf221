"""What lets a background task wait for the next thing to do, or for a reload that changes what that is."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Self

from packyproxy.config import Config
from packyproxy.runtime.background.tasks import RuntimeView

__all__ = ["ReloadSignal"]


class ReloadSignal:
    """Wakes its task when a configuration comes into force; an async context manager."""

    def __init__(self, runtime: RuntimeView) -> None:
        self._runtime = runtime
        self._loop = asyncio.get_running_loop()
        self._is_set = asyncio.Event()
        self._unlisten: Callable[[], None]

    async def __aenter__(self) -> Self:
        self._unlisten = self._runtime.listen(self._reloaded)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._unlisten()

    async def wait(self, seconds: float | None) -> None:
        """Wait for a time, or with None for ever; a reload since the last wait ends it at once."""
        try:
            async with asyncio.timeout(seconds):
                await self._is_set.wait()
        except TimeoutError:
            return
        self._is_set.clear()

    def _reloaded(self, _: Config) -> None:
        # Reloads happen on any thread, and a loop may have ended without its tasks.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._is_set.set)
