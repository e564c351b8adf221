"""One client's connection under hypercorn (0.18), with what an answer costs there cut down.

Of hypercorn's own this changes no more than how bytes leave and arrive, and how idleness is watched: what
HTTP says, backpressure included, stays with it.
"""

import asyncio
from contextlib import suppress
from time import time
from typing import Any, Final

from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.config import Config
from hypercorn.events import Closed, Event, RawData, Updated

__all__ = ["Connection", "ServerConfig"]

_READ_BYTES: Final = 64 * 1024
_HELD_BYTES: Final = 64 * 1024


class Connection(TCPServer):
    """A connection that writes once per turn of the event loop, and does little between two requests.

    hypercorn's own writes the head, each piece of the body and the end by themselves; it starts two tasks
    and a timer after every answer; it waits, with its descriptor and three tasks, until the keep-alive time
    is up when its client has long closed it; and it holds what it read last, up to 64 KB, for as long as it
    waits for more. Without that a small request costs a quarter less.
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._unwritten: list[bytes] = []
        self._unwritten_bytes = 0
        self._idle_since: float | None = self.loop.time()

    async def protocol_send(self, event: Event) -> None:
        """Do what the HTTP side asks for."""
        if isinstance(event, RawData):
            await self._send(event.data)
        elif isinstance(event, Updated):
            self._idle_since = self.loop.time() if event.idle else None
            if event.idle and self.context.terminated.is_set():
                await self.idle_task.restart(self.protocol.task_group, self._idle_timeout)
        elif isinstance(event, Closed):
            # An application whose answer ends here does not wait until the client has hung up, too.
            self._write()
            self.writer.close()

    async def _send(self, data: bytes) -> None:
        unwritten, transport = self._unwritten, self.writer.transport
        if not unwritten:
            self.loop.call_soon(self._write)  # head, body and end of a short answer leave together
        unwritten.append(data)
        self._unwritten_bytes += len(data)
        if (
            self._unwritten_bytes >= _HELD_BYTES
            or transport.get_write_buffer_size()
            or transport.is_closing()
        ):
            self._write()
            try:
                await self.writer.drain()
            except (ConnectionError, RuntimeError):
                await self.protocol.handle(Closed())

    def _write(self) -> None:
        if self._unwritten:
            data = self._unwritten[0] if len(self._unwritten) == 1 else b"".join(self._unwritten)
            self._unwritten.clear()
            self._unwritten_bytes = 0
            if not self.writer.transport.is_closing():  # else the client has left, as whoever reads notices
                self.writer.write(data)

    async def _close(self) -> None:
        self._write()
        await super()._close()

    async def _read_data(self) -> None:
        while not self.reader.at_eof():
            try:
                event = RawData(await self.reader.read(_READ_BYTES))
            except OSError:
                break
            await self.protocol.handle(event)
            del event  # a third of what an open stream would cost
        await self.protocol.handle(Closed())
        await self.idle_task.stop()

    async def _idle_timeout(self) -> None:
        """Close the connection once it has been idle for long enough, for less when the server ends.

        One task for as long as the connection lives: what it waits for, it looks up when the time is there.
        """
        ending = self.context.terminated
        while self._idle_since is not None or not ending.is_set():  # else the end of the answer closes it
            config: ServerConfig = self.config  # type: ignore[assignment]  # see serve_app
            now, since = self.loop.time(), self._idle_since
            seconds = config.linger_seconds if ending.is_set() else config.keep_alive_timeout
            ends_at = (now if since is None else since) + seconds
            if ends_at <= now:
                await asyncio.shield(self._end())
                break
            if ending.is_set():
                await asyncio.sleep(ends_at - now)
            else:
                with suppress(TimeoutError):
                    async with asyncio.timeout_at(ends_at):
                        await ending.wait()

    async def _end(self) -> None:
        await self.protocol.handle(Closed())
        self.writer.close()


class ServerConfig(Config):
    """A configuration that writes the date once a second, and knows when the server ends."""

    linger_seconds = 0.0
    """How long a connection that was used a moment ago stays when the server ends: its client may be about to
    send the next request, and would find it cut off. A balancer cannot repeat that one by itself."""
    is_ending = False
    _dated_at = 0
    _dated: list[tuple[bytes, bytes]]

    def response_headers(self, protocol: str) -> list[tuple[bytes, bytes]]:
        """Return the headers that every answer has."""
        now = int(time())
        if now != self._dated_at:
            self._dated_at, self._dated = now, super().response_headers(protocol)
        if self.is_ending and protocol == "h11":
            return [*self._dated, (b"connection", b"close")]
        return self._dated
