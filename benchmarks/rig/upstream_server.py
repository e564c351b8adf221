"""A provider made of prebuilt bytes: a raw asyncio server that answers every request as its plan says.

It shares the event loop of the load client, so that both cost one core together and what it saw
(connections that closed, writes it made) can be read without a control channel.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import cycle, islice
from typing import cast

from msgspec import Struct

__all__ = [
    "STAMP",
    "Paced",
    "Refused",
    "Silent",
    "UpstreamServer",
    "Whole",
    "http_chunks",
    "started_upstream",
]

_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n"
)
_END = b"0\r\n\r\n"
_NOT_FOUND = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
STAMP = b"@0000000000000000"
"""In a beat; when it is written, the ``time.perf_counter_ns`` of that moment takes its place."""

_GOLDEN = 0.618034
"""Multiples of it modulo 1 spread evenly: the streams of one plan write at different moments."""


class Whole(Struct, frozen=True):
    """Answer at once, in one write."""

    frames: tuple[bytes, ...]


class Paced(Struct, frozen=True):
    """Answer with a head at once, then with the same beat again and again until ``finish_streams``."""

    head: tuple[bytes, ...]
    beat: tuple[bytes, ...]
    """Written in one write, each frame as an HTTP chunk of its own; the first may contain ``STAMP``."""
    tail: tuple[bytes, ...]
    seconds: float
    """From beat to beat, of one stream."""


class Silent(Struct, frozen=True):
    """Take the request and answer nothing at all."""


class Refused(Struct, frozen=True):
    """Answer at once with a whole HTTP message, such as an error."""

    answer: bytes


def http_chunks(frames: tuple[bytes, ...]) -> bytes:
    """Return frames as HTTP chunks, one each, as providers write them."""
    return b"".join(b"%x\r\n%b\r\n" % (len(frame), frame) for frame in frames)


class UpstreamServer:
    """What the provider shall do, and what it has seen.

    A request whose body contains ``marker-<digits>`` is known by that number in ``closed_at``.
    """

    def __init__(self) -> None:
        self.port = 0
        self.beats = 0
        """Beats written since the start, over all streams."""
        self.requests = 0
        self.open_connections: set[_Connection] = set()
        self.closed_at: dict[int, float] = {}
        """When the connection of a marked request closed, on ``time.perf_counter``."""
        self.set_plan(Silent())

    @property
    def url(self) -> str:
        """The provider's base URL."""
        return f"http://127.0.0.1:{self.port}/v1"

    def set_plan(self, plan: Whole | Paced | Silent | Refused) -> None:
        """Answer all requests from now on like this."""
        self.plan = plan
        self.whole = _HEAD + http_chunks(plan.frames) + _END if isinstance(plan, Whole) else b""
        self.head = _HEAD + http_chunks(plan.head) if isinstance(plan, Paced) else b""
        beat = http_chunks(plan.beat) if isinstance(plan, Paced) else b""
        self._beat_parts = beat.partition(STAMP)

    def next_beat(self) -> bytes:
        """Return what a paced stream writes now."""
        before, stamp, after = self._beat_parts
        return b"%b@%016d%b" % (before, time.perf_counter_ns(), after) if stamp else before

    async def beat_in_turn(self, *, times: int, seconds: float) -> None:
        """Write one beat every so many seconds, each to the next one of the paced streams that are open."""
        loop = asyncio.get_running_loop()
        streams = [connection for connection in self.open_connections if connection.is_paced]
        next_at = loop.time()
        for connection in islice(cycle(streams), times):
            connection.beat()
            next_at += seconds
            await asyncio.sleep(next_at - loop.time())

    def finish_streams(self) -> None:
        """End every paced stream with its tail."""
        for connection in list(self.open_connections):
            connection.finish()


class _Connection(asyncio.Protocol):
    def __init__(self, server: UpstreamServer) -> None:
        self._server = server
        self._loop = asyncio.get_running_loop()
        self._received = bytearray()
        self._awaited_bytes = 0
        self._paced: Paced | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._next_beat_at = 0.0
        self._marker: int | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by inheritance
        self._server.open_connections.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._server.open_connections.discard(self)
        if self._marker is not None:
            self._server.closed_at[self._marker] = time.perf_counter()
        self._stop_beating()

    def data_received(self, data: bytes) -> None:
        received = self._received
        received += data
        if not self._awaited_bytes:
            head_end = received.find(b"\r\n\r\n")
            if head_end < 0:
                return
            length = _LENGTH.search(received, 0, head_end + 2)
            if length is None:  # no POST: other proxies ask at their start which models there are
                received.clear()
                self._transport.write(_NOT_FOUND)
                return
            self._awaited_bytes = head_end + 4 + int(length.group(1))
        if len(received) >= self._awaited_bytes:
            marker = re.search(rb"marker-(\d+)", received)
            self._marker = int(marker.group(1)) if marker else None
            del received[: self._awaited_bytes]
            self._awaited_bytes = 0
            self._answer()

    @property
    def is_paced(self) -> bool:
        return self._paced is not None

    def beat(self) -> None:
        self._transport.write(self._server.next_beat())
        self._server.beats += 1

    def finish(self) -> None:
        paced, self._paced = self._paced, None
        if paced is not None:
            self._stop_beating()
            self._transport.write(http_chunks(paced.tail) + _END)

    def _answer(self) -> None:
        server = self._server
        server.requests += 1
        plan = server.plan
        if isinstance(plan, Whole):
            self._transport.write(server.whole)
        elif isinstance(plan, Refused):
            self._transport.write(plan.answer)
        elif isinstance(plan, Paced):
            self._paced = plan
            self._transport.write(server.head)
            self._next_beat_at = self._loop.time() + plan.seconds * (server.requests * _GOLDEN % 1)
            self._timer = self._loop.call_at(self._next_beat_at, self._write_beat)

    def _write_beat(self) -> None:
        assert self._paced is not None, "a finished stream has no timer"
        self.beat()
        self._next_beat_at += self._paced.seconds
        self._timer = self._loop.call_at(self._next_beat_at, self._write_beat)

    def _stop_beating(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


@asynccontextmanager
async def started_upstream() -> AsyncIterator[UpstreamServer]:
    """Serve on a loopback port for the length of the block."""
    upstream = UpstreamServer()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(upstream), "127.0.0.1", 0, backlog=2048)
    upstream.port = server.sockets[0].getsockname()[1]
    try:
        yield upstream
    finally:
        upstream.finish_streams()
        server.close()
