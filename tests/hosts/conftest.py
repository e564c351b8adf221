"""A host with the proxy in it, served, before a scripted upstream.

A test is run on the whole matrix by marking it `EVERY_CELL` (a host, and how the proxy is placed in it) and
parametrising ``server``; it then asks for ``cell`` and ``client``.
"""

from collections.abc import AsyncIterator
from typing import Any, Literal, TypeAlias

import httpx
import pytest

from packyproxy import PackyProxy, PackyProxyMiddleware
from packyproxy.asgi.types import ASGIApp
from packyproxy.testing import FakeUpstream, StreamingASGITransport
from tests.support.asgi_servers import Server, in_process
from tests.support.hosts import PREFIX, TENANT, Host, Life, for_tenant
from tests.support.settings import provider

Wiring: TypeAlias = Literal["used", "absent", "failing"]
"""What the host does with its lifespan: starts the proxy and itself, has none, or cannot start."""


class Cell:
    """One cell of the matrix: a host, the proxy in it, its upstream, and what they have noted."""

    def __init__(self, host: Host, placing: str, wiring: Wiring, **settings: Any) -> None:
        self.upstream = FakeUpstream("Hello.")
        self.tenants: list[str] = []
        """The host's context variable, as it was when the upstream was asked."""
        config = {"packycode": provider(), "max-body-bytes": 4096, **settings}
        transport = _Upstream(self)
        app: ASGIApp
        if placing == "mounted":
            self.proxy = PackyProxy(config, transport=transport)
            self.life = Life(self.proxy, fails=wiring == "failing")
            app = host.build(self.proxy, None if wiring == "absent" else self.life)
        else:
            self.life = Life(fails=wiring == "failing")
            alone = host.build(None, None if wiring == "absent" else self.life)
            around = PackyProxyMiddleware(alone, config, prefix=PREFIX, transport=transport)
            app, self.proxy = around, around.proxy
            self.life.watched = self.proxy
        self.app = for_tenant(app)

    @property
    def is_running(self) -> bool:
        """Whether anybody runs the proxy for a lifetime."""
        return self.proxy.runtime.has_lifespan


class _Upstream(httpx.AsyncBaseTransport):
    """The way to the upstream, which notes in whose name it is gone."""

    def __init__(self, cell: Cell) -> None:
        self._cell = cell
        self._way = StreamingASGITransport(cell.upstream)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self._cell.tenants.append(TENANT.get())
        return await self._way.handle_async_request(request)


@pytest.fixture
def wiring() -> Wiring:
    """What the host does with its lifespan, unless a test says otherwise."""
    return "used"


@pytest.fixture
def server() -> Server:
    """What serves the host, unless a test says otherwise."""
    return in_process


@pytest.fixture
def cell(host: Host, placing: str, wiring: Wiring) -> Cell:
    """The cell of this test."""
    if wiring != "absent" and placing == "middleware" and not host.has_lifespan:
        wiring = "absent"
    return Cell(host, placing, wiring)


@pytest.fixture
async def client(cell: Cell, server: Server) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the host, which is being served."""
    async with server(cell.app) as client:
        yield client
        cell.upstream.release()
