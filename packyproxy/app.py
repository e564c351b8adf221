"""packyproxy as one ASGI application: the components, put together over one runtime."""

from collections.abc import Awaitable
from contextlib import AbstractAsyncContextManager
from typing import Self

import httpx

from packyproxy.asgi.cors import Cors
from packyproxy.asgi.dispatch import dispatch
from packyproxy.asgi.gateway import Gateway
from packyproxy.asgi.lifespan import serve_lifespan
from packyproxy.asgi.management.component import Management
from packyproxy.asgi.models import Models
from packyproxy.asgi.routes import RouteTable
from packyproxy.asgi.status import Status
from packyproxy.asgi.types import Receive, Scope, Send
from packyproxy.config.changes import Change
from packyproxy.runtime.hooks import Authorize, OnRoute, OnUsage
from packyproxy.runtime.runtime import ConfigSource, Runtime

__all__ = ["PackyProxy"]


class PackyProxy:
    """The proxy as an ASGI application: mount it in one of yours, or serve it on its own.

    Three lines mount it in FastAPI and in Starlette::

        proxy = PackyProxy("config.yaml")
        app = FastAPI(lifespan=proxy.lifespan)
        app.mount("/llm", proxy)

    Making one reads the configuration and does nothing else. It runs from when ``lifespan``, or
    ``async with proxy``, is entered until it is left by all who entered it; without that it starts with the
    first request, and nothing runs in the background. Several event loops may use it at a time.

    Args:
        config: a path to config.yaml, or None to look for it in the usual places; either is followed: a
            change applies within a second. Under the file lie the environment (``PACKYCODE_*``) and the
            files of the Codex CLI. A :class:`Config`, or a mapping in the file's shape, counts as it is.
        authorize: given the ASGI scope of a request for a model, or for the list of models, returns, now or
            when awaited, whether it is let in; the client keys of the configuration, if any, are needed too.
        on_route: told who is asked for a request, as a :class:`RouteDecision`.
        on_usage: told what a request came to, as a :class:`RequestRecord`.
        client: your own ``httpx.AsyncClient`` for upstream calls; you close it, and see to it that it can be
            used on every event loop that serves requests.
        transport: your own httpx transport for upstream calls; likewise.

    Raises:
        ConfigError: with every problem found in the configuration.
        TypeError: a hook cannot be called, or is an ``async def`` where nobody waits for it; the client or
            the transport is a synchronous one, or there are both.
    """

    def __init__(
        self,
        config: ConfigSource = None,
        *,
        authorize: Authorize | None = None,
        on_route: OnRoute | None = None,
        on_usage: OnUsage | None = None,
        client: httpx.AsyncClient | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.runtime = Runtime(
            config,
            authorize=authorize,
            on_route=on_route,
            on_usage=on_usage,
            client=client,
            transport=transport,
        )
        """What the components share; further ones of ``packyproxy.asgi`` may be made over it."""
        runtime = self.runtime
        components = (Gateway(runtime), Models(runtime), Status(runtime), Management(runtime))
        self._table = RouteTable(route for component in components for route in component.routes)
        self._http = Cors(self._answer, self.runtime)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI scope; a websocket is refused, since no route here speaks it.

        Raises:
            NotImplementedError: the scope is of another type; so ASGI wants applications to say that.
        """
        if scope["type"] == "http":
            await self.runtime.catch_up()
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._answer(scope, receive, send)
        elif scope["type"] == "lifespan":
            await serve_lifespan(self.runtime, receive, send)
        else:
            raise NotImplementedError(f"packyproxy serves no ASGI scope of type {scope['type']!r}")

    def has_route(self, path: str) -> bool:
        """Tell whether a path, as ``asgi.paths.route_path`` reads it, is served here at this moment."""
        return self._table.knows(path)

    def lifespan(self, host: object = None) -> AbstractAsyncContextManager[None]:
        """Return what a host runs for its lifetime: ``FastAPI(lifespan=proxy.lifespan)``.

        Litestar takes ``lifespan=[proxy.lifespan]``. A host that has a lifespan of its own writes
        ``async with proxy`` in it.
        """
        return self.runtime.running(host)

    async def reload(self) -> tuple[Change, ...]:
        """Read the configuration's files now, whether they seem to have changed or not; return what changed.

        Raises:
            ConfigError: with every problem; the configuration in force stays.
        """
        return await self.runtime.reload()

    async def __aenter__(self) -> Self:
        await self.runtime.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.runtime.__aexit__(None, None, None)

    def _answer(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        return dispatch(self._table, scope, receive, send)
