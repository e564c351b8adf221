"""Four ways to serve an ASGI app in the event loop of a test, the last three over real sockets.

``in_process`` does what a server does with a lifespan, and no more. hypercorn, uvicorn and granian run as their own
documentation runs them in a loop that is there already. Ports come from the system. Whoever leaves the context has
waited for the server's end.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext, suppress
from typing import Any, Protocol

import httpx
import hypercorn.asyncio
import hypercorn.asyncio.run
import hypercorn.asyncio.tcp_server
import pytest
import uvicorn
from granian.constants import Interfaces
from granian.server.embed import Server as GranianServer
from hypercorn.config import Config as HypercornConfig

from packyproxy.asgi.types import ASGIApp, Receive, Scope, Send
from packyproxy.testing import StreamingASGITransport

__all__ = [
    "ALL_SERVERS",
    "REAL_SERVERS",
    "Server",
    "StartFailed",
    "in_process",
    "under_granian",
    "under_hypercorn",
    "under_uvicorn",
]

_START_SECONDS = 10
_END_SECONDS = 5


class Server(Protocol):
    """Serves an app for the length of a block, below ``root_path`` as the server understands it."""

    def __call__(
        self, app: ASGIApp, *, root_path: str = ""
    ) -> AbstractAsyncContextManager[httpx.AsyncClient]:
        """Return the block's context, which yields a client."""
        ...


class StartFailed(Exception):
    """The app said that it cannot start, as text."""


@asynccontextmanager
async def in_process(
    app: ASGIApp, *, has_lifespan: bool = True, root_path: str = ""
) -> AsyncIterator[httpx.AsyncClient]:
    """Serve without sockets; without ``has_lifespan`` as a server does that knows of none.

    An app that raises or returns instead of answering the startup has no lifespan, and is served all the same.

    Raises:
        StartFailed: the app said so.
    """
    state: dict[str, Any] = {}
    running: set[asyncio.Task[Any] | None] = set()

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        task = asyncio.current_task()
        running.add(task)
        try:
            await app({**scope, "state": state.copy()}, receive, send)
        finally:
            running.discard(task)

    transport = StreamingASGITransport(serve, root_path=root_path)
    client = httpx.AsyncClient(transport=transport, base_url="http://host.test", timeout=None)
    async with _lifespan(app, state) if has_lifespan else nullcontext(), client:
        yield client
        async with asyncio.timeout(_END_SECONDS):  # an app may have work left after its answer
            await asyncio.gather(*filter(None, running))


@asynccontextmanager
async def _lifespan(app: ASGIApp, state: dict[str, Any]) -> AsyncIterator[None]:
    lifespan = _Lifespan(app, state)
    try:
        await lifespan.start()
        yield
        await lifespan.stop()
    finally:
        await lifespan.end()


class _Lifespan:
    """The server's side of a lifespan scope."""

    def __init__(self, app: ASGIApp, state: dict[str, Any]) -> None:
        self._to_app: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._to_server: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": state}
        self._app = asyncio.ensure_future(app(scope, self._to_app.get, self._to_server.put))

    async def start(self) -> None:
        """Say startup; an answer that never comes is no lifespan."""
        if await self._say("startup") is None:
            await asyncio.wait([self._app])
            self._app.exception()  # seen: that is how an app says so

    async def stop(self) -> None:
        """Say shutdown, and wait for the app's end."""
        if not self._app.done():
            assert await self._say("shutdown") is not None
            await self._app
        assert self._to_server.empty(), "everything is answered once"

    async def end(self) -> None:
        """Cancel what still runs, as the end of a loop does: Quart waits on after a failed start."""
        self._app.cancel()
        await asyncio.gather(self._app, return_exceptions=True)

    async def _say(self, what: str) -> dict[str, Any] | None:
        await self._to_app.put({"type": f"lifespan.{what}"})
        answer = asyncio.ensure_future(self._to_server.get())
        await asyncio.wait([answer, self._app], return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            answer.cancel()
            return None
        message = answer.result()
        if message["type"] == f"lifespan.{what}.failed":
            raise StartFailed(message.get("message", ""))
        assert f"lifespan.{what}.complete" == message["type"]
        return message


@asynccontextmanager
async def under_hypercorn(app: ASGIApp, *, root_path: str = "") -> AsyncIterator[httpx.AsyncClient]:
    """Serve under hypercorn, as it comes: without what ``packyproxy serve`` makes better in it."""
    listener = _listener()
    url = _url(listener)
    config = HypercornConfig()
    config.bind = [f"fd://{listener.detach()}"]
    config.errorlog = None
    config.graceful_timeout = 1.0
    config.root_path = root_path
    stop = asyncio.Event()
    with pytest.MonkeyPatch.context() as patch:
        original = hypercorn.asyncio.tcp_server.TCPServer
        patch.setattr(hypercorn.asyncio.run, "TCPServer", original)
        serving = hypercorn.asyncio.serve(app, config, shutdown_trigger=stop.wait, mode="asgi")
        async with _client_of(url, serving, stop.set) as client:
            yield client


@asynccontextmanager
async def under_uvicorn(app: ASGIApp, *, root_path: str = "") -> AsyncIterator[httpx.AsyncClient]:
    """Serve under uvicorn."""
    config = uvicorn.Config(app, log_config=None, root_path=root_path, timeout_graceful_shutdown=_END_SECONDS)
    server = uvicorn.Server(config)

    async def serve(listener: socket.socket) -> None:
        with suppress(SystemExit):  # how it ends when the app cannot start
            await server.serve([listener])

    def stop() -> None:
        server.should_exit = True

    with _listener() as listener:
        async with _client_of(_url(listener), serve(listener), stop) as client:
            yield client


@asynccontextmanager
async def under_granian(app: ASGIApp, *, root_path: str = "") -> AsyncIterator[httpx.AsyncClient]:
    """Serve under granian, which does its I/O on threads of its own and calls the app on this loop."""
    # It takes no socket and does not tell its port. It shares one that is bound already, and whoever does not
    # listen there gets no connection.
    with socket.socket() as reserved:
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        reserved.bind(("127.0.0.1", 0))
        server = GranianServer(
            app,
            port=reserved.getsockname()[1],
            interface=Interfaces.ASGI,
            log_enabled=False,
            url_path_prefix=root_path or None,
        )
        async with _client_of(_url(reserved), server.serve(), server.stop) as client:
            yield client


def _listener() -> socket.socket:
    # Named TCP, as asyncio makes them: only then it turns Nagle's algorithm off, which costs 40 ms a request.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    return listener  # the server listens when it has started


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()
    return f"http://{host}:{port}"


@asynccontextmanager
async def _client_of(
    url: str, serving: Coroutine[Any, Any, object], stop: Callable[[], object]
) -> AsyncIterator[httpx.AsyncClient]:
    """Run a server, yield a client once it accepts connections, then stop it and wait for its end."""
    server = asyncio.create_task(serving)
    try:
        await _accepting(url, server)
        async with httpx.AsyncClient(base_url=url, timeout=_START_SECONDS) as client:
            yield client
    finally:
        if not server.done():
            stop()
            async with asyncio.timeout(_END_SECONDS):
                await server


async def _accepting(url: str, server: asyncio.Task[Any]) -> None:
    """Wait until the lifespan's startup is over and connections are accepted."""
    host, _, port = url.removeprefix("http://").partition(":")
    async with asyncio.timeout(_START_SECONDS):
        while not server.done():
            try:
                _, writer = await asyncio.open_connection(host, int(port))
            except ConnectionRefusedError:
                await asyncio.sleep(0.01)
            else:
                writer.close()
                await writer.wait_closed()
                return
    server.exception()  # seen: hypercorn and granian raise
    raise StartFailed("the server ended")


REAL_SERVERS = [
    pytest.param(under_hypercorn, id="hypercorn", marks=pytest.mark.e2e),
    pytest.param(under_uvicorn, id="uvicorn", marks=pytest.mark.e2e),
    pytest.param(under_granian, id="granian", marks=pytest.mark.e2e),
]
ALL_SERVERS = [pytest.param(in_process, id="in-process"), *REAL_SERVERS]
