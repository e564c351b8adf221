"""Our own connections behind httpx's interface, for those who put something around a transport."""

from collections.abc import AsyncIterator

import httpx

from packyproxy.providers.request import UpstreamRequest
from packyproxy.runtime.upstream.engine import Engine, EngineAnswer

__all__ = ["EngineTransport"]

_WRITTEN_BY_THE_ENGINE = frozenset({b"host", b"content-length", b"transfer-encoding"})


class EngineTransport(httpx.AsyncBaseTransport):
    """An httpx transport over an engine, which it does not own.

    Args:
        engine: sends.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request; its body is sent whole, the answer's body streams.

        Raises:
            httpx.TransportError: there is no answer.
        """
        headers = tuple(
            (name.decode("ascii"), value.decode("latin-1"))
            for name, value in request.headers.raw
            if name.lower() not in _WRITTEN_BY_THE_ENGINE
        )
        answer = await self._engine.send(
            UpstreamRequest(str(request.url), headers, await request.aread(), request.method)
        )
        # The answer does not hold its request, whose body would stay in memory as long as the answer streams.
        return httpx.Response(answer.status, headers=answer.raw_headers, stream=_Body(answer))


class _Body(httpx.AsyncByteStream):
    def __init__(self, answer: EngineAnswer) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while data := await self._answer.read():
            yield data

    async def aclose(self) -> None:
        await self._answer.aclose()
