"""A client of prebuilt bytes: it sends a request, counts what comes and knows the end by its last bytes.

It does not parse the answer, so that it never is the bottleneck; that answers are right is what tests are
for. A status other than 200, and a connection that ends early, fail the benchmark.
"""

import asyncio
import time
from collections.abc import Iterator
from typing import TypeVar, cast

from msgspec import Struct

__all__ = ["Answer", "ClientConnection", "closed_loop", "connect"]

_END = b"\r\n0\r\n\r\n"
_DEADLINE_SECONDS = 30.0


class Answer(Struct):
    """What was seen of one answer; times are in seconds since the request was written."""

    received_bytes: int = 0
    reads: int = 0
    content_seconds: float | None = None
    """Until the first content; None while there is none."""


class ClientConnection(asyncio.Protocol):
    """One keep-alive connection; one request at a time."""

    def __init__(self, content_mark: bytes, ending: bytes) -> None:
        self._content_mark = content_mark
        self._ending = ending
        self._loop = asyncio.get_running_loop()
        self._tail = b""
        self._written_at = 0.0
        self._is_closing = False
        self.answer = Answer()
        self.content: asyncio.Future[None] = self._loop.create_future()
        """Done once the running answer shows content."""
        self.whole: asyncio.Future[Answer] = self._loop.create_future()
        """Done once the running answer has ended well."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by inheritance

    def connection_lost(self, error: Exception | None) -> None:
        if not self._is_closing and self.answer.reads and not self.whole.done():
            self._fail(
                ConnectionError(f"the answer was cut off after {self.answer.received_bytes} bytes: {error}")
            )

    def data_received(self, data: bytes) -> None:
        answer = self.answer
        if answer.reads == 0 and not data.startswith(b"HTTP/1.1 200"):
            self._fail(RuntimeError(f"not a 200: {data[:600]!r}"))
            return
        answer.reads += 1
        answer.received_bytes += len(data)
        if answer.content_seconds is None and self._content_mark in data:
            answer.content_seconds = time.perf_counter() - self._written_at
            if not self.content.done():
                self.content.set_result(None)
        self._tail = tail = data[-128:] if len(data) >= 128 else (self._tail + data)[-128:]
        if tail.endswith(_END):
            if self._ending not in tail:
                self._fail(RuntimeError(f"the answer ended with {tail!r}"))
            elif not self.whole.done():
                self.whole.set_result(answer)

    def send(self, request: bytes) -> None:
        """Write a request; its answer is in ``answer``, ``content`` and ``whole``."""
        self._tail = b""
        self.answer = Answer()
        self.content = self._loop.create_future()
        self.whole = self._loop.create_future()
        self._written_at = time.perf_counter()
        self._transport.write(request)

    async def exchange(self, request: bytes) -> Answer:
        """Send a request and wait for the end of its answer."""
        self.send(request)
        async with asyncio.timeout(_DEADLINE_SECONDS):
            return await self.whole

    async def wait_content(self) -> None:
        """Wait until the running answer shows content."""
        async with asyncio.timeout(_DEADLINE_SECONDS):
            await self.content

    async def wait_whole(self) -> None:
        """Wait for the end of the running answer."""
        async with asyncio.timeout(_DEADLINE_SECONDS):
            await self.whole

    def close(self) -> None:
        """Leave, also in the middle of an answer."""
        self._is_closing = True
        self._transport.close()

    def _fail(self, error: Exception) -> None:
        self._is_closing = True
        for future in (self.content, self.whole):
            if not future.done():
                future.set_exception(error)
                future.exception()  # only one of the two is awaited
        self._transport.abort()


C = TypeVar("C", bound=ClientConnection)


async def connect(port: int, *, content_mark: bytes, ending: bytes, kind: type[C]) -> C:
    """Open a connection of some kind to a loopback port."""
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(lambda: kind(content_mark, ending), "127.0.0.1", port)
    return connection


async def closed_loop(connections: list[ClientConnection], requests: Iterator[bytes], count: int) -> None:
    """Send so many requests over the connections, each sending its next when its last was answered."""
    left = count

    async def work(connection: ClientConnection) -> None:
        nonlocal left
        while left > 0:
            left -= 1
            await connection.exchange(next(requests))

    async with asyncio.TaskGroup() as group:
        for connection in connections:
            group.create_task(work(connection))
