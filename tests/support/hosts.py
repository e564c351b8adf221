"""The hosts of the matrix: one small application in six frameworks, with the proxy mounted in it, or without.

Each answers ``GET /hello`` and ``GET /broken``, has handlers of its own for what is not there and for what a page
raises, a middleware of its own, and notes its start and its end. `HOSTS` is the table.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext
from contextvars import ContextVar
from typing import Any

import litestar
import pytest
import quart
from fastapi import FastAPI
from fastapi import Request as FastAPIRequest
from litestar.datastructures import State
from msgspec import Struct
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket

from packyproxy import PackyProxy
from packyproxy.asgi.types import ASGIApp, Receive, Scope, Send
from tests.support import django_site

__all__ = ["EVERY_CELL", "HOSTS", "PREFIX", "TENANT", "Host", "Life", "beside", "for_tenant"]

PREFIX = "/llm"

TENANT: ContextVar[str] = ContextVar("TENANT", default="nobody")
"""What a host knows of a request; only tasks of that request see it."""


class Life:
    """What a host does at its start and at its end, written down with whether the proxy ran."""

    def __init__(self, *, fails: bool = False) -> None:
        self.events: list[tuple[str, bool]] = []
        self.watched: PackyProxy | None = None
        self.entered: PackyProxy | None = None
        """The proxy that the host starts itself, as one does that mounts it."""
        self._fails = fails

    @asynccontextmanager
    async def __call__(self, host: Any = None) -> AsyncIterator[dict[str, Any]]:
        """Live; yields the host's state."""
        async with self.entered or nullcontext():
            self._note("start")
            if self._fails:
                raise OSError("the host has no database")
            yield {"database": "open"}
            self._note("stop")

    def _note(self, event: str) -> None:
        proxy = self.watched
        self.events.append((event, proxy is not None and proxy.runtime.has_lifespan))


class Stamp:
    """The host's own ASGI middleware: it puts a header on every answer that it sees."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def stamped(message: Any) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], (b"x-stamp", b"host")]}
            await send(message)

        await self._app(scope, receive, stamped if scope["type"] == "http" else send)


def for_tenant(app: ASGIApp) -> ASGIApp:
    """Return an app around another one that says by a context variable for whom a request is."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        token = TENANT.set("tenant-1")
        await app(scope, receive, send)
        TENANT.reset(token)

    return serve


def beside(proxy: ASGIApp, host: ASGIApp) -> ASGIApp:
    """Return an app that takes what is below the prefix to the proxy, and all else, the lifespan too, to the host."""

    async def dispatch(scope: Scope, receive: Receive, send: Send) -> None:
        root = scope.get("root_path", "")
        if scope["type"] == "http" and f"{scope['path'].removeprefix(root)}/".startswith(f"{PREFIX}/"):
            await proxy({**scope, "root_path": root + PREFIX}, receive, send)
        else:
            await host(scope, receive, send)

    return dispatch


def _starlette(proxy: ASGIApp | None, life: Life | None) -> ASGIApp:
    async def hello(request: Request) -> JSONResponse:
        return JSONResponse({"host": "starlette", "database": getattr(request.state, "database", None)})

    async def broken(request: Request) -> JSONResponse:
        raise LookupError("a bug of the host")

    mounts = [] if proxy is None else [Mount(PREFIX, proxy)]
    return Starlette(
        routes=[Route("/hello", hello), Route("/broken", broken), WebSocketRoute("/echo", _echo), *mounts],
        middleware=[Middleware(Stamp)],
        exception_handlers={404: _no_page, LookupError: _mend},
        lifespan=life,
    )


def _fastapi(proxy: ASGIApp | None, life: Life | None) -> ASGIApp:
    app = FastAPI(lifespan=life, exception_handlers={404: _no_page, LookupError: _mend})
    app.add_middleware(Stamp)

    @app.get("/hello")
    async def hello(request: FastAPIRequest) -> dict[str, Any]:
        return {"host": "fastapi", "database": getattr(request.state, "database", None)}

    @app.get("/broken")
    async def broken() -> None:
        raise LookupError("a bug of the host")

    app.add_api_websocket_route("/echo", _echo)
    if proxy is not None:
        app.mount(PREFIX, proxy)
    return app


async def _echo(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text(await websocket.receive_text())
    await websocket.close()


async def _no_page(request: Request, error: Exception) -> PlainTextResponse:
    return PlainTextResponse("the host has no such page", 404)


async def _mend(request: Request, error: Exception) -> PlainTextResponse:
    return PlainTextResponse("mended by the host", 418)


def _litestar(proxy: ASGIApp | None, life: Life | None) -> ASGIApp:
    @asynccontextmanager
    async def living(app: litestar.Litestar) -> AsyncIterator[None]:
        assert life is not None
        async with life(app) as state:
            app.state.update(state)
            yield

    @litestar.get("/hello", sync_to_thread=False)
    def hello(state: State) -> dict[str, Any]:
        return {"host": "litestar", "database": state.get("database")}

    @litestar.get("/broken", sync_to_thread=False)
    def broken() -> None:
        raise LookupError("a bug of the host")

    @litestar.websocket("/echo")
    async def echo(socket: litestar.WebSocket) -> None:
        await socket.accept()
        await socket.send_text(await socket.receive_text())
        await socket.close()

    def no_page(request: Any, error: Exception) -> litestar.Response[str]:
        return litestar.Response("the host has no such page", status_code=404)

    def mend(request: Any, error: Exception) -> litestar.Response[str]:
        return litestar.Response("mended by the host", status_code=418)

    mounts = [] if proxy is None else [litestar.asgi(PREFIX, is_mount=True, copy_scope=True)(proxy)]
    return litestar.Litestar(
        route_handlers=[hello, broken, echo, *mounts],
        middleware=[Stamp],
        exception_handlers={404: no_page, LookupError: mend},
        lifespan=[] if life is None else [living],
        openapi_config=None,
        logging_config=None,
    )


def _quart(proxy: ASGIApp | None, life: Life | None) -> ASGIApp:
    app = quart.Quart("quart")
    state: dict[str, Any] = {}

    @app.get("/hello")
    async def hello() -> dict[str, Any]:
        return {"host": "quart", "database": state.get("database")}

    @app.get("/broken")
    async def broken() -> str:
        raise LookupError("a bug of the host")

    @app.websocket("/echo")
    async def echo() -> None:
        await quart.websocket.send(await quart.websocket.receive())

    @app.errorhandler(404)
    async def no_page(error: Exception) -> tuple[str, int]:
        return "the host has no such page", 404

    @app.errorhandler(LookupError)
    async def mend(error: Exception) -> tuple[str, int]:
        return "mended by the host", 418

    if life is not None:

        @app.while_serving
        async def living() -> AsyncGenerator[None]:
            async with life(app) as found:
                state.update(found)
                yield

    inner: Any = app.asgi_app
    app.asgi_app = Stamp(inner if proxy is None else beside(proxy, inner))  # type: ignore[method-assign]  # as Quart's documentation does it
    return app


def _plain(proxy: ASGIApp | None, life: Life | None) -> ASGIApp:
    async def host(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" and life is not None:
            await _live(life, scope, receive, send)
        elif scope["type"] == "websocket":
            await _echo(WebSocket(scope, receive, send))
        elif scope["type"] != "http":
            raise NotImplementedError(scope["type"])  # what most small apps come to
        elif scope["path"].endswith("/hello"):
            page = JSONResponse({"host": "plain", "database": scope.get("state", {}).get("database")})
            await page(scope, receive, send)
        elif scope["path"].endswith("/broken"):
            await PlainTextResponse("mended by the host", 418)(scope, receive, send)
        else:
            await PlainTextResponse("the host has no such page", 404)(scope, receive, send)

    return Stamp(host if proxy is None else beside(proxy, host))


async def _live(life: Life, scope: Scope, receive: Receive, send: Send) -> None:
    assert "lifespan.startup" == (await receive())["type"]
    try:
        async with life() as state:
            scope["state"].update(state)
            await send({"type": "lifespan.startup.complete"})
            assert "lifespan.shutdown" == (await receive())["type"]
    except OSError as error:
        await send({"type": "lifespan.startup.failed", "message": str(error)})
    else:
        await send({"type": "lifespan.shutdown.complete"})


def _django(proxy: ASGIApp | None, life: Life | None) -> ASGIApp:
    host = django_site.application()

    async def living(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" and life is not None:
            await _live(life, scope, receive, send)
        else:
            await host(scope, receive, send)

    return Stamp(host if proxy is None else beside(proxy, living))


class Host(Struct, frozen=True):
    """One framework; ``str`` is its name."""

    name: str
    build: Callable[[ASGIApp | None, Life | None], ASGIApp]
    """Given what to mount below ``/llm``, if anything, and what to do at start and end, if anything."""
    has_lifespan: bool = True
    """Whether the framework itself has a start and an end; what stands beside it may."""
    redirects_mount: bool = False
    """Whether its router answers the bare mount, ``/llm``, with a redirect to ``/llm/`` before we see it."""
    has_websockets: bool = True
    mounts_segments: bool = True
    """Whether its mount takes whole segments only; else ``/llmx`` is below ``/llm``."""

    def __str__(self) -> str:
        return self.name


HOSTS = (
    Host("starlette", _starlette, redirects_mount=True),
    Host("fastapi", _fastapi, redirects_mount=True),
    Host("litestar", _litestar, mounts_segments=False),
    Host("quart", _quart),
    Host("plain", _plain),
    Host("django", _django, has_lifespan=False, has_websockets=False),
)

EVERY_CELL = pytest.mark.parametrize(
    ("host", "placing"),
    [
        pytest.param(host, placing, id=f"{host}-{placing}")
        for host in HOSTS
        for placing in ("mounted", "middleware")
    ],
)
"""Runs a test in each host, with the proxy mounted below ``/llm`` and as middleware with that prefix."""
