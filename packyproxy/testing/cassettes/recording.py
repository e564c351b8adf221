"""Records what upstreams are asked and answer into a cassette, without its content (docs/cassettes.md).

A :class:`Tape` stands around the transports of a proxy. What passes is held in memory until its exchange has
ended; then it is redacted and written by a thread, so nothing waits for it and no content reaches the file.
"""

import os
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from errno import EINVAL
from os import PathLike
from pathlib import Path
from typing import Final, Self

import httpx

from packyproxy.testing.cassettes.cassette import (
    End,
    Read,
    RecordedAnswer,
    RecordedExchange,
    first_line,
    write_exchange,
)
from packyproxy.testing.cassettes.recorded_request import RecordedRequest, summarise
from packyproxy.testing.cassettes.redaction import Redactor
from packyproxy.wire.content_encoding import DecompressionFailed, Decompressor

__all__ = ["RecordingTransport", "Tape"]

_MODE: Final = 0o600
_UNCHANGED: Final = frozenset({"", "identity"})


class Tape:
    """A cassette that is being recorded; ``close`` it to have all of it written.

    Args:
        path: where a new file is made, which only its owner may read.
        replaces: write over a file that is there, once there is an exchange to write.

    Raises:
        FileExistsError: there is a file, and it shall not be replaced.
        OSError: it cannot be written, or is a device, a pipe or a folder.
    """

    def __init__(self, path: str | PathLike[str], *, replaces: bool = False) -> None:
        self._path = Path(path)
        self.is_new = not (replaces and self._path.exists())
        """Whether there was no file."""
        if not self.is_new and not self._path.is_file():
            raise OSError(EINVAL, "Not a regular file")
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | (0 if replaces else os.O_EXCL)
        self._file = os.open(path, flags, _MODE)
        self._has_begun = False
        try:
            if self.is_new:
                self._begin()
        except OSError:
            os.close(self._file)
            self._path.unlink()
            raise
        self.is_closed = False
        self.exchanges = 0
        """How many have been written."""
        self.problem: str | None = None
        """Why nothing more is written, if so."""
        self._redactor = Redactor()
        self._upstreams: dict[str, int] = {}
        # One thread: exchanges are written one after the other, and ids numbered in that order.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="packyproxy-tape")

    def wrap(self, transport: httpx.AsyncBaseTransport) -> "RecordingTransport":
        """Return a transport that does what ``transport`` does and records it here."""
        return RecordingTransport(transport, self)

    def close(self) -> None:
        """Write what has ended, and end the recording; blocks meanwhile."""
        if not self.is_closed:
            self.is_closed = True
            self._thread.shutdown()
            os.close(self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def note_request(self, request: httpx.Request, body: bytes) -> "Future[RecordedRequest]":
        """Begin to look at a request: called by the transport."""
        at, url = time.time(), request.url
        origin = f"{url.scheme}://{url.netloc.decode(errors='replace')}"
        return self._thread.submit(self._summarise, at, origin, request.method, url.path, body)

    def note_end(self, take: "_Take") -> None:
        """Begin to write an exchange that has ended: called by the transport."""
        with suppress(RuntimeError):  # it ended after the recording
            self._thread.submit(self._write, take)

    def _summarise(self, at: float, origin: str, method: str, path: str, body: bytes) -> RecordedRequest:
        number = self._upstreams.setdefault(origin, len(self._upstreams) + 1)
        return summarise(at=at, upstream=number, method=method, path=path, body=body)

    def _write(self, take: "_Take") -> None:
        if self.problem is not None:
            return
        try:
            lines = write_exchange(take.redacted(self._redactor))
            if not self._has_begun:
                self._begin()
            self._put(lines)
        except OSError as error:
            self.problem = (error.strerror or type(error).__name__).lower()
        except Exception as error:  # noqa: BLE001 - a bug of ours must cost the recording, not the answer
            self.problem = f"internal error: {type(error).__name__}"
        else:
            self.exchanges += 1

    def _begin(self) -> None:
        os.ftruncate(self._file, 0)
        self._path.chmod(_MODE)
        self._put(first_line())
        self._has_begun = True

    def _put(self, lines: bytes) -> None:
        while lines:
            lines = lines[os.write(self._file, lines) :]


class RecordingTransport(httpx.AsyncBaseTransport):
    """A transport around another one, made by ``Tape.wrap``; closing it closes the other one."""

    def __init__(self, transport: httpx.AsyncBaseTransport, tape: Tape) -> None:
        self._transport = transport
        self._tape = tape

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request and record what comes of it, until the tape is closed."""
        if self._tape.is_closed:
            return await self._transport.handle_async_request(request)
        take = _Take(self._tape, request, await request.aread())
        try:
            response = await self._transport.handle_async_request(request)
        except BaseException as error:
            take.end("cut" if isinstance(error, httpx.TransportError) else "left")
            raise
        assert isinstance(response.stream, httpx.AsyncByteStream)
        take.answered(response)
        response.stream = _RecordedBody(response.stream, take)
        return response

    async def aclose(self) -> None:
        """Close the other transport."""
        await self._transport.aclose()


class _Take:
    """An exchange while it goes on; what has been read is held here, and nowhere else."""

    def __init__(self, tape: Tape, request: httpx.Request, body: bytes) -> None:
        self._tape = tape
        self._began_at = time.perf_counter()
        self._request = tape.note_request(request, body)
        self._answered_ms = 0.0
        self._status = 0
        self._headers: list[tuple[str, str]] = []
        self._encoding = ""
        self._reads: list[Read] = []
        self._end: End | None = None
        self._ended_ms = 0.0

    def answered(self, response: httpx.Response) -> None:
        self._answered_ms = self._ms()
        self._status = response.status_code
        self._headers = response.headers.multi_items()
        self._encoding = response.headers.get("content-encoding", "").strip().lower()

    def read(self, data: bytes) -> None:
        self._reads.append(Read(self._ms(), data))

    def end(self, how: End) -> None:
        """End it; only the first call counts."""
        if self._end is None:
            self._end = how
            self._ended_ms = self._ms()
            self._tape.note_end(self)

    def redacted(self, redactor: Redactor) -> RecordedExchange:
        """Return what may be written."""
        request, end = self._request.result(), self._end or "left"
        if not self._status:
            return RecordedExchange(request=request, end=end, ms=self._ended_ms)
        kept = redactor.headers(self._headers)
        reads: list[Read] = []
        decompressed = ""
        if self._encoding in _UNCHANGED:
            reads = self._reads
        else:
            try:
                reads.extend(_decompressed(self._reads, self._encoding))
                decompressed = self._encoding
            except DecompressionFailed:
                end = "cut"
        answer = RecordedAnswer(
            ms=self._answered_ms,
            status=self._status,
            headers=kept.values,
            other_headers=kept.others,
            decompressed=decompressed,
        )
        body = memoryview(redactor.body(b"".join(read.data for read in reads)))
        cut: list[Read] = []
        for read in reads:
            cut.append(Read(read.ms, bytes(body[: len(read.data)])))
            body = body[len(read.data) :]
        return RecordedExchange(request=request, answer=answer, reads=cut, end=end, ms=self._ended_ms)

    def _ms(self) -> float:
        return round((time.perf_counter() - self._began_at) * 1000, 1)


class _RecordedBody(httpx.AsyncByteStream):
    def __init__(self, stream: httpx.AsyncByteStream, take: _Take) -> None:
        self._stream = stream
        self._pieces = aiter(stream)
        self._take = take

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        try:
            data = await self._pieces.__anext__()
        except StopAsyncIteration:
            self._take.end("complete")
            raise
        except httpx.TransportError:
            self._take.end("cut")
            raise
        self._take.read(data)
        return data

    async def aclose(self) -> None:
        self._take.end("left")
        await self._stream.aclose()


def _decompressed(reads: list[Read], encoding: str) -> Iterator[Read]:
    decompressor = Decompressor(encoding)
    for read in reads:
        data = b"".join(decompressor.feed(read.data))
        if data:
            yield Read(read.ms, data)
