"""packyproxy as one ASGI application: the components, put together over one runtime."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from os import PathLike, fspath
from typing import Any, Self

import httpx
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from packyproxy.asgi.dispatch import dispatch
from packyproxy.asgi.gateway import Gateway
from packyproxy.asgi.lifespan import serve_lifespan
from packyproxy.asgi.models import Models
from packyproxy.asgi.routes import RouteTable
from packyproxy.asgi.status import Status
from packyproxy.config import Config, config_from_mapping, load_config
from packyproxy.config.yaml_file import find_file
from packyproxy.runtime.runtime import Runtime

__all__ = ["PackyProxy"]


class PackyProxy:
    """The proxy as an ASGI application: mount it, or serve it on its own.

    Args:
        config: a path to config.yaml, a :class:`Config`, a mapping in the file's shape, or None to look for
            the file in the usual places.
        client: your own ``httpx.AsyncClient`` for upstream calls; you close it.
        transport: your own httpx transport for upstream calls; you close it.

    Raises:
        ConfigError: with every problem found in the configuration.
    """

    def __init__(
        self,
        config: "Config | Mapping[str, Any] | str | PathLike[str] | None" = None,
        *,
        client: httpx.AsyncClient | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        settings = _read_config(config)
        self.runtime = Runtime(settings, client=client, transport=transport)
        components = (Gateway(self.runtime), Models(self.runtime), Status(self.runtime))
        self._table = RouteTable(route for component in components for route in component.routes)
        self._http: ASGIApp = self._answer
        if settings.cors_origins:
            self._http = CORSMiddleware(
                self._answer, allow_origins=settings.cors_origins, allow_methods=["*"], allow_headers=["*"]
            )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI scope; a websocket is refused, since no route here speaks it."""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "lifespan":
            await serve_lifespan(self.runtime, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close"})

    def lifespan(self, host: object = None) -> AbstractAsyncContextManager[None]:
        """Return what a host runs for its lifetime: ``FastAPI(lifespan=proxy.lifespan)``."""
        return self.runtime.running(host)

    async def __aenter__(self) -> Self:
        await self.runtime.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.runtime.__aexit__(None, None, None)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        await dispatch(self._table, scope, receive, send)


def _read_config(config: Config | Mapping[str, Any] | str | PathLike[str] | None) -> Config:
    if isinstance(config, Config):
        return config
    if isinstance(config, Mapping):
        return config_from_mapping(config)
    return load_config(find_file(None if config is None else fspath(config)))
