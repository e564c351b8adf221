"""The proxy around an application of yours: it answers what is its own, and hands on everything else."""

import httpx
from starlette.types import ASGIApp, Receive, Scope, Send

from packyproxy.app import PackyProxy
from packyproxy.runtime.hooks import Authorize, OnRoute, OnUsage
from packyproxy.runtime.runtime import ConfigSource

__all__ = ["PackyProxyMiddleware"]


class PackyProxyMiddleware:
    """ASGI middleware that serves the proxy beside a host application.

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
        ValueError: the prefix does not begin with a slash, or ends with one.
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
        self.app = app
        self.proxy = PackyProxy(
            config,
            authorize=authorize,
            on_route=on_route,
            on_usage=on_usage,
            client=client,
            transport=transport,
        )
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI scope."""
        await self.app(scope, receive, send)
