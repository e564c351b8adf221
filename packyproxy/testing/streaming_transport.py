"""An HTTP client transport that runs an ASGI app in-process and streams its answer while it is produced.

``httpx.ASGITransport`` collects the whole body first, so nothing about a stream (order in time, backpressure,
a client that leaves) can be tested with it. Here the app runs in a task of its own and the two sides meet in
one bounded buffer, as they would on a socket. What a server does, this does: after the client left,
``receive()`` answers ``http.disconnect`` and ``send()`` returns without effect; an app that returns early
cuts the connection. Exceptions of the app reach the client unchanged. Works with clients of ``httpx`` and of
its continuation ``httpx2``.
"""

import asyncio
import sys
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from functools import cache
from types import ModuleType
from typing import Any

import httpx

__all__ = ["DEFAULT_BUFFER_BYTES", "StreamingASGITransport", "client_library"]

_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]
_App = Callable[[MutableMapping[str, Any], _Receive, _Send], Awaitable[None]]

DEFAULT_BUFFER_BYTES = 64 * 1024
"""What hypercorn and uvicorn hold back for one connection before ``send`` waits."""


class StreamingASGITransport(httpx.AsyncBaseTransport):
    """Serve a client's requests with an ASGI app, without sockets.

    ``httpx.AsyncClient(transport=StreamingASGITransport(app), base_url="http://test")``. The app's lifespan
    is not run. The client's read timeout counts time without a byte from the app. ``aclose`` ends apps that
    are still running on this event loop, and raises the first exception that an app met after its client had
    left.

    Args:
        app: the ASGI app.
        root_path: the prefix a host would have set.
        client: address and port that the app sees as its peer.
        buffer_bytes: how much the app may be ahead of the client before its ``send`` waits.
    """

    def __init__(
        self,
        app: Callable[..., Awaitable[None]],
        *,
        root_path: str = "",
        client: tuple[str, int] = ("127.0.0.1", 50000),
        buffer_bytes: int = DEFAULT_BUFFER_BYTES,
    ) -> None:
        self._app: _App = app
        self._root_path = root_path
        self._client = client
        self._buffer_bytes = buffer_bytes
        self._exchanges: set[_Exchange] = set()
        self._failed: list[_Exchange] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Start the app on one request and return its answer as soon as the headers are known."""
        library = client_library(request)
        exchange = _Exchange(
            self._app, self._scope(request), request, library, self._buffer_bytes, self._ended
        )
        self._exchanges.add(exchange)
        try:
            status, headers = await exchange.head()
        except BaseException:
            exchange.disconnect()
            raise
        response: httpx.Response = library.Response(
            status,
            headers=headers,
            stream=_stream_type(library)(exchange),
            extensions={"http_version": b"HTTP/1.1"},
        )
        return response

    async def aclose(self) -> None:
        """Cancel what still runs, and raise what an app raised after its client had left."""
        loop = asyncio.get_running_loop()
        running = [each.task for each in tuple(self._exchanges) if each.task.get_loop() is loop]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        unseen = [exchange.error for exchange in self._failed if not exchange.error_was_seen]
        self._failed.clear()
        for error in unseen:
            if error is not None:
                raise error

    def _ended(self, exchange: "_Exchange") -> None:
        self._exchanges.discard(exchange)
        if exchange.error is not None:
            self._failed.append(exchange)

    def _scope(self, request: httpx.Request) -> MutableMapping[str, Any]:
        url = request.url
        port = url.port or (443 if url.scheme == "https" else 80)
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": request.method,
            "scheme": url.scheme,
            "path": url.path,
            "raw_path": url.raw_path.partition(b"?")[0],
            "query_string": url.query,
            "root_path": self._root_path,
            "headers": [(name.lower(), value) for name, value in request.headers.raw],
            "client": self._client,
            "server": (url.host, port),
            "extensions": {},
        }


class _Exchange:
    """One run of the app: its task, and the buffer between it and the client."""

    def __init__(
        self,
        app: _App,
        scope: MutableMapping[str, Any],
        request: httpx.Request,
        library: ModuleType,
        buffer_bytes: int,
        ended: Callable[["_Exchange"], None],
    ) -> None:
        self._request_chunks: AsyncIterator[bytes] = aiter(request.stream)  # type: ignore[arg-type]  # checked by the client
        self._request_is_read = False
        self._library = library
        self._read_timeout: float | None = request.extensions.get("timeout", {}).get("read")
        self._buffer_bytes = buffer_bytes
        self._ended = ended
        self._head: tuple[int, list[tuple[bytes, bytes]]] | None = None
        self._chunks: deque[bytes] = deque()
        self._buffered = 0
        self._is_complete = False
        self._head_is_sent = False
        self.error: Exception | None = None
        self.error_was_seen = False
        self._client_left = asyncio.Event()
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self.task = asyncio.create_task(self._run(app, scope))

    async def _run(self, app: _App, scope: MutableMapping[str, Any]) -> None:
        try:
            await app(scope, self._receive, self._send)
        except Exception as error:  # noqa: BLE001 - guards nothing: it is raised again on the client's side
            self.error = error
        finally:
            self._news.set()
            self._ended(self)

    async def _receive(self) -> _Message:
        if not self._request_is_read and not self._client_left.is_set():
            try:
                chunk = await anext(self._request_chunks)
            except StopAsyncIteration:
                self._request_is_read = True
                return {"type": "http.request", "body": b"", "more_body": False}
            return {"type": "http.request", "body": chunk, "more_body": True}
        await self._client_left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: _Message) -> None:
        if self._client_left.is_set():
            # A write to a dead socket is taken, too, but gives the app a turn to hear of the disconnect.
            await asyncio.sleep(0)
            return
        if message["type"] == "http.response.start":
            self._head = (message["status"], [(bytes(n), bytes(v)) for n, v in message.get("headers", ())])
            # The status line leaves a real server together with the first body message.
            return
        if message["type"] != "http.response.body" or self._head is None or self._is_complete:
            problem = f"unexpected ASGI message {message['type']!r}"
            raise RuntimeError(problem)
        body = bytes(message.get("body", b""))
        if body:
            self._chunks.append(body)
            self._buffered += len(body)
        self._is_complete = not message.get("more_body", False)
        self._head_is_sent = True
        self._news.set()
        if self._is_complete:
            return
        if self._buffered >= self._buffer_bytes:
            self._room.clear()
            await self._room.wait()
        else:
            # Lets the reader run: a socket write gives the other side its turn, too.
            await asyncio.sleep(0)

    async def head(self) -> tuple[int, list[tuple[bytes, bytes]]]:
        """Wait for the status line."""
        while not self._head_is_sent:
            self._check_app("Server disconnected without sending a response.")
            await self._wait_for_news()
        assert self._head is not None
        return self._head

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body as the app sends it."""
        while True:
            while self._chunks:
                chunk = self._chunks.popleft()
                self._buffered -= len(chunk)
                if self._buffered < self._buffer_bytes:
                    self._room.set()
                yield chunk
            if self._is_complete:
                if self.error is not None:
                    self._raise_app_error()
                return
            self._check_app(
                "peer closed connection without sending complete message body (incomplete chunked read)"
            )
            await self._wait_for_news()

    def disconnect(self) -> None:
        """Tell the app that the client has left; harmless when it has ended."""
        self._client_left.set()
        self._room.set()
        self._chunks.clear()
        self._buffered = 0

    async def _wait_for_news(self) -> None:
        try:
            async with asyncio.timeout(self._read_timeout):
                await self._news.wait()
        except TimeoutError as error:
            message = "no byte within the read timeout"
            raise self._library.ReadTimeout(message) from error
        self._news.clear()

    def _check_app(self, cut: str) -> None:
        if self.error is not None:
            self._raise_app_error()
        if self.task.done():
            raise self._library.RemoteProtocolError(cut)

    def _raise_app_error(self) -> None:
        assert self.error is not None
        self.error_was_seen = True
        raise self.error


def client_library(request: httpx.Request) -> ModuleType:
    """Find the client library, as its responses and errors must be of its own types."""
    return sys.modules[type(request).__module__.partition(".")[0]]


@cache
def _stream_type(library: ModuleType) -> Callable[[_Exchange], httpx.AsyncByteStream]:
    class ResponseStream(library.AsyncByteStream):  # type: ignore[misc, name-defined]
        def __init__(self, exchange: _Exchange) -> None:
            self._exchange = exchange

        async def __aiter__(self) -> AsyncIterator[bytes]:
            async for chunk in self._exchange.chunks():
                yield chunk

        async def aclose(self) -> None:
            self._exchange.disconnect()

    return ResponseStream
