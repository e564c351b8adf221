"""The transport of synchronous clients into an ASGI app, which runs on an event loop in a thread of its own.

Everything else is as with ``StreamingASGITransport``, which does the work on that loop: events come one by
one, and a client that closes its response early has left. Code under test that blocks is what this is for; a
client that awaits takes the other one. The app sees the context variables of whoever calls.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from concurrent.futures import CancelledError, Future
from functools import cache, partial
from threading import Lock, RLock, Thread, current_thread
from types import ModuleType
from typing import Any, Final, TypeVar
from weakref import finalize

import httpx

from packyproxy.testing.streaming_transport import (
    DEFAULT_BUFFER_BYTES,
    StreamingASGITransport,
    client_library,
)

__all__ = ["ThreadedASGITransport"]

_T = TypeVar("_T")

_CLOSED: Final = "the transport was closed while this request ran"


class ThreadedASGITransport(httpx.BaseTransport):
    """Serve a synchronous client's requests with an ASGI app, without sockets.

    ``httpx.Client(transport=ThreadedASGITransport(app), base_url="http://test")``; threads may share it. The
    thread of the app starts with the first request, and ends with ``close``, which does what ``aclose`` of
    ``StreamingASGITransport`` does. The body of a request is read whole before the app sees it.

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
        self._make_transport = partial(
            StreamingASGITransport, app, root_path=root_path, client=client, buffer_bytes=buffer_bytes
        )
        self._thread: _LoopThread | None = None
        self._starting = Lock()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Start the app on one request and return its answer as soon as the headers are known."""
        request.read()
        thread = self._running()
        answer = thread.run(thread.transport.handle_async_request(request))
        library = client_library(request)
        response: httpx.Response = library.Response(
            answer.status_code,
            headers=answer.headers,
            stream=_stream_type(library)(self, thread, answer.stream),
            extensions=answer.extensions,
        )
        return response

    def close(self) -> None:
        """End the thread and what runs there, and raise what an app raised after its client had left."""
        with self._starting:
            thread, self._thread = self._thread, None
        if thread is not None:
            try:
                thread.run(thread.transport.aclose())
            finally:
                thread.stop()
                thread.join()

    def _running(self) -> "_LoopThread":
        with self._starting:
            if self._thread is None:
                self._thread = _LoopThread(self._make_transport())
                # A client that nobody closes: its thread ends with it, at the latest with the process.
                finalize(self, self._thread.stop)
            return self._thread


class _LoopThread:
    """An event loop in a thread, until it is stopped, and the transport that is used there."""

    def __init__(self, transport: StreamingASGITransport) -> None:
        self.transport = transport
        started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()
        self._thread = Thread(target=_run_loop, args=(started,), name="packyproxy.testing", daemon=True)
        self._thread.start()
        self._loop, self._stopping = started.result()
        self._submitting = RLock()
        """Reentrant: the garbage collector may stop this in the middle of anything."""
        self.is_stopped = False

    def run(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        """Run a coroutine there, and wait for it.

        Raises:
            RuntimeError: it is stopped; or the caller is in that very thread, and would wait for itself.
        """
        with self._submitting:
            if self.is_stopped or current_thread() is self._thread:
                coroutine.close()
                if self.is_stopped:
                    raise RuntimeError(_CLOSED)
                raise RuntimeError("an app cannot call itself with a synchronous client: use an async one")
            running = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return running.result()
        except CancelledError:
            raise RuntimeError(_CLOSED) from None
        except BaseException:
            running.cancel()  # where the waiting was interrupted; it may have ended
            raise

    def stop(self) -> None:
        """Let the thread end; what still runs there is cancelled."""
        with self._submitting:
            if not self.is_stopped:
                self.is_stopped = True
                self._loop.call_soon_threadsafe(self._stopping.set)

    def join(self) -> None:
        """Wait until the thread has ended."""
        self._thread.join()


def _run_loop(started: "Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]]") -> None:
    async def run() -> None:
        stopping = asyncio.Event()
        started.set_result((asyncio.get_running_loop(), stopping))
        await stopping.wait()

    asyncio.run(run())


@cache
def _stream_type(
    library: ModuleType,
) -> Callable[[ThreadedASGITransport, _LoopThread, Any], httpx.SyncByteStream]:
    class ResponseStream(library.SyncByteStream):  # type: ignore[misc, name-defined]
        def __init__(
            self, transport: ThreadedASGITransport, thread: _LoopThread, stream: httpx.AsyncByteStream
        ) -> None:
            self._transport = transport  # which must not be collected while this is read
            self._thread = thread
            self._stream = stream

        def __iter__(self) -> Iterator[bytes]:
            chunks = aiter(self._stream)
            while (chunk := self._thread.run(_next(chunks))) is not None:
                yield chunk

        def close(self) -> None:
            if not self._thread.is_stopped:
                self._thread.run(self._stream.aclose())

    return ResponseStream


async def _next(chunks: AsyncIterator[bytes]) -> bytes | None:
    return await anext(chunks, None)
