"""An upstream's answer, whichever way it came."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Protocol, Self

import httpx

from packyproxy.errors import FailureKind, UpstreamFailed
from packyproxy.translate.failures import transport_failure

__all__ = ["Answer", "HttpxAnswer", "UpstreamResponse"]

_ERROR_BODY_BYTES = 256 * 1024
"""No provider explains a refusal at greater length; the rest of such a body is not read."""
_ERROR_BODY_SECONDS = 10.0
"""A refusal is written at once; what is late is not worth the wait."""
_LEFTOVER_BYTES = 1024
_LEFTOVER_SECONDS = 0.5
"""The end of a chunked body is five bytes, and sent with the last event or right after it."""


class Answer(Protocol):
    """What every way to an upstream brings back."""

    @property
    def status(self) -> int:
        """The status code."""
        ...

    @property
    def raw_headers(self) -> Iterable[tuple[bytes, bytes]]:
        """The headers as they came."""
        ...

    @property
    def is_read(self) -> bool:
        """Whether it is known to have been read to the end of the HTTP message."""
        ...

    async def read(self) -> bytes:
        """Return the next bytes of the body, or ``b""`` at its end; raises an ``httpx.TransportError``."""
        ...

    async def aclose(self) -> None:
        """Let go of it, read or not."""
        ...


class HttpxAnswer:
    """The answer of a caller's client or transport.

    Args:
        response: with a stream that nobody else reads.
    """

    is_read = False  # that the stream has ended is known only once somebody asks for more

    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        self._pieces: AsyncIterator[bytes] = aiter(response.stream)  # type: ignore[arg-type]
        self.status: int = response.status_code
        self.raw_headers: list[tuple[bytes, bytes]] = response.headers.raw

    async def read(self) -> bytes:
        """Return the next piece that is not empty."""
        async for piece in self._pieces:
            if piece:
                return piece
        return b""

    async def aclose(self) -> None:
        """Close the response."""
        await self._response.aclose()


class UpstreamResponse:
    """One answer whose headers have arrived; iterate over it for the body, then ``aclose`` or ``finish`` it.

    Args:
        answer: what came.
        finishing: holds the tasks of ``finish`` while they run.
        closed: called once, when nothing more comes of it.
    """

    def __init__(
        self, answer: Answer, finishing: set[asyncio.Task[None]], closed: Callable[[], None]
    ) -> None:
        self._answer = answer
        self._finishing = finishing
        self._closed = closed
        self._is_closed = False
        self.status = answer.status
        self.headers: Mapping[str, str] = _by_lower_name(answer.raw_headers)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        """Return the next bytes as they arrived.

        Raises:
            UpstreamFailed: the connection broke.
        """
        try:
            data = await self._answer.read()
        except httpx.TransportError as error:
            raise UpstreamFailed(transport_failure(FailureKind.TRUNCATED)) from error
        if not data:
            raise StopAsyncIteration
        return data

    async def read_error_body(self) -> bytes:
        """Read a refusal's body, as far as any refusal goes (256 KiB).

        A broken connection ends it early, and so does one that falls silent for longer than a client should
        wait.
        """
        body = bytearray()
        try:
            async with asyncio.timeout(_ERROR_BODY_SECONDS):
                async for piece in self:
                    body += piece
                    if len(body) >= _ERROR_BODY_BYTES:
                        break
        except (UpstreamFailed, TimeoutError):
            pass  # the status alone still tells what happened
        return bytes(body[:_ERROR_BODY_BYTES])

    async def aclose(self) -> None:
        """End the upstream request; at once when its answer was not read to the end."""
        try:
            await self._answer.aclose()
        finally:
            if not self._is_closed:
                self._is_closed = True
                self._closed()

    async def finish(self) -> None:
        """End a request whose answer is whole, so that its connection can serve the next one.

        After the last event comes the end of the HTTP message, often a moment later. It is waited for beside
        the exchange, briefly; an upstream that goes on talking is cut off.
        """
        if self._answer.is_read:
            await self.aclose()
            return
        task = asyncio.get_running_loop().create_task(self._read_to_end())
        self._finishing.add(task)
        task.add_done_callback(self._finishing.discard)

    async def _read_to_end(self) -> None:
        left = _LEFTOVER_BYTES
        try:
            async with asyncio.timeout(_LEFTOVER_SECONDS):
                async for piece in self:
                    left -= len(piece)
                    if left < 0:
                        break
        except (UpstreamFailed, TimeoutError):
            pass  # then the connection is not used again
        finally:
            await self.aclose()


def _by_lower_name(raw_headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Return headers by their lower-case names, the values of repeated ones joined as HTTP joins them."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in raw_headers:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers
