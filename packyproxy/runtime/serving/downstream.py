"""The client's side of a streamed answer: committed once, written in order, kept alive in between.

Nothing is sent before the commit point (wire-mapping 0.5): the first content, or the commit deadline. Until
then a failure can still become a real HTTP status.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

from packyproxy.runtime.serving.deadlines import Deadlines, Due
from packyproxy.runtime.serving.watch import Watch

__all__ = ["Client", "Downstream", "Headers"]

Headers = list[tuple[bytes, bytes]]
"""Response headers with lower-case names, as ASGI wants them."""


class Client(Protocol):
    """The connection to one client; the ASGI floor provides it.

    Both kinds of writes may raise ``ClientLeft``, and on most servers never do.
    """

    async def start(self, status: int, headers: Headers) -> None:
        """Send the status line and headers."""
        ...

    async def write(self, data: bytes, *, is_last: bool = False) -> None:
        """Send body bytes; returns when the server has taken them."""
        ...

    async def wait_gone(self) -> None:
        """Return once the client's connection has ended."""
        ...


class Downstream:
    """Write one event stream to a client.

    Args:
        client: where the bytes go.
        deadlines: told of every write.
        head: returns the headers of the 200, asked once, at the commit.
        opening: returns the frames that precede any content, asked once, at the commit.
        keep_alive: returns the frame that only shows life.
        before_content: called once, before the first content.
    """

    def __init__(
        self,
        client: Client,
        deadlines: Deadlines,
        *,
        head: Callable[[], Headers],
        opening: Callable[[], bytes],
        keep_alive: Callable[[], bytes],
        before_content: Callable[[], None],
    ) -> None:
        self._client = client
        self._deadlines = deadlines
        self._head = head
        self._opening = opening
        self._keep_alive = keep_alive
        self._before_content: Callable[[], None] | None = before_content
        self._time = asyncio.get_running_loop().time
        self.watch: Watch | None = None
        """Set once the exchange is being watched; interjections write through this object too."""

    @property
    def is_committed(self) -> bool:
        """Whether the status line is spent."""
        return self._deadlines.is_committed

    async def write(self, data: bytes, *, is_last: bool) -> None:
        """Write content; commits if that has not happened yet. ``is_last`` ends the answer."""
        deadlines, watch = self._deadlines, self.watch
        if self._before_content is not None:
            self._before_content()
            self._before_content = None
        if watch is not None:
            if watch.interjection is not None:
                await watch.settle()
            if is_last:
                watch.let_client_go()
        if not deadlines.is_committed:
            data = await self._commit(data)
        # The same four lines as in ``interject``: every event of a stream comes this way, so it is short.
        deadlines.writing_since = self._time()
        await self._client.write(data, is_last=is_last)
        deadlines.last_write_at = self._time()
        deadlines.writing_since = None

    async def fail(self, data: bytes) -> None:
        """End the answer with an error, which is no content."""
        self._before_content = None
        await self.write(data, is_last=True)

    async def settle(self) -> None:
        """Wait for a commit or keep-alive that is being written, so that ``is_committed`` holds."""
        if self.watch is not None:
            await self.watch.settle()

    async def interject(self, due: Due) -> None:
        """Commit without content, or show life: what the watch calls when its timer says so."""
        deadlines = self._deadlines
        data = await self._commit(b"") if due is Due.COMMIT else self._keep_alive()
        deadlines.writing_since = self._time()
        await self._client.write(data, is_last=False)
        deadlines.last_write_at = self._time()
        deadlines.writing_since = None

    async def _commit(self, data: bytes) -> bytes:
        """Spend the status line; returns what goes out first, which is never nothing."""
        self._deadlines.is_committed = True
        self._deadlines.writing_since = self._time()
        await self._client.start(200, self._head())
        return self._opening() + data or self._keep_alive()
