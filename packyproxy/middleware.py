"""The proxy around an application of yours: it answers what is its own, and hands on everything else.

The host gets its scopes, ``receive`` and ``send`` as they came; only its lifespan passes through here, so
that the proxy starts before it and stops after it. Websockets are always the host's.
"""

from urllib.parse import unquote

import httpx

from packyproxy.app import PackyProxy
from packyproxy.asgi.lifespan import serve_lifespan_around
from packyproxy.asgi.management.request import PREFIX as MANAGEMENT
from packyproxy.asgi.paths import is_below, route_path, scope_below
from packyproxy.asgi.types import ASGIApp, Receive, Scope, Send
from packyproxy.runtime.hooks import Authorize, OnRoute, OnUsage
from packyproxy.runtime.runtime import ConfigSource

__all__ = ["PackyProxyMiddleware"]


class PackyProxyMiddleware:
    """ASGI middleware that serves the proxy beside a host application.

    ``app = PackyProxyMiddleware(host, "config.yaml", prefix="/llm")``, or, in FastAPI and Starlette,
    ``app.add_middleware(PackyProxyMiddleware, config="config.yaml", prefix="/llm")``. The proxy starts before
    the host and stops after it, also where the host has no lifespan.

    Args:
        app: the host; it gets every scope that is not the proxy's.
        config: as :class:`PackyProxy` takes it, like all that follow but ``prefix``.
        prefix: the path below which everything is the proxy's, ``/llm`` for example. Without one, its routes
            below ``/v1`` and ``/v0/management`` are, and nothing else.
        authorize: see there.
        on_route: see there.
        on_usage: see there.
        client: see there.
        transport: see there.

    Raises:
        ConfigError: with every problem found in the configuration.
        TypeError: a hook, the client or the transport cannot be used as one.
        ValueError: the prefix does not begin with a slash, ends with one, has two in a row, or is encoded.
    """

    def __init__(
        self,
        app: ASGIApp,
        config: ConfigSource = None,
        *,
        prefix: str = "",
        authorize: Authorize | None = None,
        on_route: OnRoute | None = None,
        on_usage: OnUsage | None = None,
        client: httpx.AsyncClient | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._prefix = _valid(prefix)
        self.app = app
        """The host."""
        self.proxy = PackyProxy(
            config,
            authorize=authorize,
            on_route=on_route,
            on_usage=on_usage,
            client=client,
            transport=transport,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI scope."""
        kind = scope["type"]
        if kind == "http":
            ours = await self._ours(scope)
            if ours is not None:
                await self.proxy(ours, receive, send)
                return
        elif kind == "lifespan":
            await serve_lifespan_around(self.proxy.runtime, self.app, scope, receive, send)
            return
        await self.app(scope, receive, send)

    async def _ours(self, scope: Scope) -> Scope | None:
        """Return the scope of a request as the proxy takes it; None for one that is the host's."""
        if self._prefix:
            return scope_below(scope, self._prefix)
        path = route_path(scope)
        if is_below(path, MANAGEMENT):
            await self.proxy.runtime.catch_up()  # the key that makes these routes may be new
        elif not path.startswith("/v1/"):
            return None
        return scope if self.proxy.has_route(path) else None


def _valid(prefix: str) -> str:
    fixed = "/".join(("", *filter(None, unquote(prefix).split("/"))))
    if prefix != fixed:
        raise ValueError(
            "prefix must begin with a slash, not end with one, nor have two in a row or a character that is "
            f"percent-encoded: write prefix={fixed!r}"
        )
    return prefix
