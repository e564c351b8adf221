"""Tasks that run beside the requests, on the event loop that started them, until that loop stops them."""

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Protocol

from packyproxy.config import Config
from packyproxy.providers.provider import Provider
from packyproxy.runtime.observation.provider_notes import ProviderNotebook
from packyproxy.runtime.routing import Routing
from packyproxy.runtime.snapshot import Snapshot
from packyproxy.runtime.upstream import Upstream

__all__ = ["Background", "RuntimeView"]

_Duty = Callable[[], Coroutine[Any, Any, None]]

_log = logging.getLogger("packyproxy")


class RuntimeView(Protocol):
    """What a duty sees of the runtime that it serves."""

    version: str
    routing: Routing

    @property
    def provider_notes(self) -> ProviderNotebook:
        """What happened lately at each provider."""
        ...

    @property
    def snapshot(self) -> Snapshot:
        """The configuration in force and what follows from it."""
        ...

    def monotonic(self) -> float:
        """Return the event loop's time in seconds."""
        ...

    def now(self) -> float:
        """Return Unix seconds."""
        ...

    def upstream(self, provider: Provider) -> Upstream:
        """Return the connections to a provider."""
        ...

    def listen(self, listener: Callable[[Config], None]) -> Callable[[], None]:
        """Call ``listener`` with each configuration that comes into force; returns what ends that."""
        ...

    def set_discovered(self, discovered: Mapping[str, tuple[str, ...]]) -> None:
        """Let the registry know which models the providers list themselves, by the provider's name."""
        ...


class Background:
    """Run duties that go on until they are cancelled, each on one loop of those that start them.

    Args:
        duties: what to run, by name.
    """

    def __init__(self, duties: Mapping[str, _Duty]) -> None:
        self._duties = duties
        self._starting = threading.Lock()
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def is_running(self, name: str) -> bool:
        """Tell whether a duty is being done, on whichever loop."""
        task = self._tasks.get(name)
        return task is not None and not task.done() and not task.get_loop().is_closed()

    def start(self) -> None:
        """Start, on the running loop, what is not running anywhere."""
        loop = asyncio.get_running_loop()
        with self._starting:
            for name, duty in self._duties.items():
                if not self.is_running(name):
                    task = loop.create_task(duty(), name=f"packyproxy {name}")
                    task.add_done_callback(_log_its_end)
                    self._tasks[name] = task

    async def stop(self) -> None:
        """Cancel what the running loop runs, and wait for its end."""
        loop = asyncio.get_running_loop()
        with self._starting:
            ours = {name: task for name, task in self._tasks.items() if task.get_loop() is loop}
            for name, task in ours.items():
                task.cancel()
                del self._tasks[name]
        if ours:
            await asyncio.wait(ours.values())


def _log_its_end(task: asyncio.Task[None]) -> None:
    """Log a duty that failed by its name and the error's type: the error's text may quote content."""
    error = None if task.cancelled() else task.exception()
    if error is not None:
        _log.error(
            "internal error: %s ended with %s",
            task.get_name(),
            type(error).__name__,
            extra={"event": "internal_error", "task": task.get_name(), "error": type(error).__name__},
        )
