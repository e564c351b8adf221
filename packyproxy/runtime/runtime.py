"""The running proxy: its snapshot, what it has learned, and the connections of each event loop.

Construction is free: no I/O, no task, no connection. Connections belong to the event loop that opened them,
so one runtime may serve several loops; whoever leaves its context closes those of the current loop.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self
from weakref import WeakKeyDictionary

import httpx

from packyproxy.config import Config
from packyproxy.providers.learned import Learned
from packyproxy.providers.provider import Provider
from packyproxy.runtime.snapshot import Snapshot
from packyproxy.runtime.upstream import Upstream
from packyproxy.translate.token_count import ScaleFactors
from packyproxy.version import __version__

__all__ = ["Runtime"]


class Runtime:
    """What the components of one proxy share.

    Args:
        config: a valid configuration.
        client: a caller's own HTTP client for every upstream call; never closed here.
        transport: likewise a transport; tests reach an in-process upstream through it.
    """

    version = __version__

    def __init__(
        self,
        config: Config,
        *,
        client: httpx.AsyncClient | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._snapshot = Snapshot.build(config)
        self._client = client
        self._transport = transport
        self._entered = 0
        self._upstreams: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, Upstream]] = (
            WeakKeyDictionary()
        )
        self.learned = Learned()
        self.token_scales = ScaleFactors()

    @property
    def snapshot(self) -> Snapshot:
        """The configuration in force and what follows from it."""
        return self._snapshot

    def monotonic(self) -> float:
        """Return the event loop's time in seconds: the clock of every deadline."""
        return asyncio.get_running_loop().time()

    def now(self) -> float:
        """Return Unix seconds: the clock of reset times."""
        return time.time()

    def upstream(self, provider: Provider) -> Upstream:
        """Return the connections to a provider on the running loop, made at the first request."""
        of_loop = self._upstreams.setdefault(asyncio.get_running_loop(), {})
        upstream = of_loop.get(provider.id)
        if upstream is None:
            proxy_url = provider.proxy_url.reveal() if provider.proxy_url else None
            upstream = Upstream(client=self._client, transport=self._transport, proxy_url=proxy_url)
            of_loop[provider.id] = upstream
        return upstream

    async def __aenter__(self) -> Self:
        self._entered += 1
        return self

    async def __aexit__(self, *_: object) -> None:
        self._entered -= 1
        if self._entered == 0:
            await self.aclose()

    async def aclose(self) -> None:
        """Close the running loop's connections; a later request opens new ones."""
        for upstream in self._upstreams.pop(asyncio.get_running_loop(), {}).values():
            await upstream.aclose()

    @asynccontextmanager
    async def running(self, _host: object = None) -> AsyncIterator[None]:
        """Run for the length of an ``async with`` block; FastAPI and Starlette take this as ``lifespan=``."""
        async with self:
            yield
