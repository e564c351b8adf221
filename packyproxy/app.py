"""packyproxy as one ASGI application: the components, put together over one runtime."""

from collections.abc import Awaitable, Mapping
from contextlib import AbstractAsyncContextManager
from os import PathLike, fspath
from typing import Any, Self

import httpx
from starlette.types import Receive, Scope, Send

from packyproxy.asgi.cors import Cors
from packyproxy.asgi.dispatch import dispatch
from packyproxy.asgi.gateway import Gateway
from packyproxy.asgi.lifespan import serve_lifespan
from packyproxy.asgi.management.component import Management
from packyproxy.asgi.models import Models
from packyproxy.asgi.routes import RouteTable
from packyproxy.asgi.status import Status
from packyproxy.config import Config, config_from_mapping
from packyproxy.config.changes import Change
from packyproxy.runtime.reload.config_file import ConfigFile
from packyproxy.runtime.runtime import Runtime

__all__ = ["PackyProxy"]


class PackyProxy:
    """The proxy as an ASGI application: mount it, or serve it on its own.

    Args:
        config: a path to config.yaml, or None to look for it in the usual places; either is followed: a
            change applies within a second. Under the file lie the environment (``PACKYCODE_*``) and the
            files of the Codex CLI. A :class:`Config`, or a mapping in the file's shape, counts as it is.
        client: your own ``httpx.AsyncClient`` for upstream calls; you close it.
        transport: your own httpx transport for upstream calls; you close it.

    Raises:
        ConfigError: with every problem found in the configuration.
    """

    def __init__(
        self,
        config: "Config | ConfigFile | Mapping[str, Any] | str | PathLike[str] | None" = None,
        *,
        client: httpx.AsyncClient | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.runtime = Runtime(_origin(config), client=client, transport=transport)
        runtime = self.runtime
        components = (Gateway(runtime), Models(runtime), Status(runtime), Management(runtime))
        self._table = RouteTable(route for component in components for route in component.routes)
        self._http = Cors(self._answer, self.runtime)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI scope; a websocket is refused, since no route here speaks it."""
        if scope["type"] == "http":
            await self.runtime.catch_up()
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._answer(scope, receive, send)
        elif scope["type"] == "lifespan":
            await serve_lifespan(self.runtime, receive, send)

    def lifespan(self, host: object = None) -> AbstractAsyncContextManager[None]:
        """Return what a host runs for its lifetime: ``FastAPI(lifespan=proxy.lifespan)``."""
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


def _origin(
    config: Config | ConfigFile | Mapping[str, Any] | str | PathLike[str] | None,
) -> Config | ConfigFile:
    if isinstance(config, Config | ConfigFile):
        return config
    if isinstance(config, Mapping):
        return config_from_mapping(config)
    return ConfigFile(None if config is None else fspath(config))
