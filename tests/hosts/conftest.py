"""A host with the proxy in it, served, before a scripted upstream.

A test is run on the whole matrix by marking it `EVERY_CELL` (a host, and how the proxy is placed in it) and
parametrising ``server``; it then asks for ``cell`` and ``client``.
"""

from collections import Counter
from collections.abc import AsyncIterator, Callable
from functools import partial
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

    def __init__(self, host: Host, placing: str, wiring: Wiring) -> None:
        self.upstream = FakeUpstream("Hello.")
        self.life = Life(fails=wiring == "failing")
        self.tenants: Counter[tuple[str, str]] = Counter()
        """How often each of those who are called for a request has seen which context variable of the host."""
        config = {"packycode": provider(), "max-body-bytes": 4096}
        life = None if wiring == "absent" else self.life
        app: ASGIApp
        if placing == "mounted":
            self.proxy = self.life.entered = PackyProxy(config, **self._observers())
            app = host.build(self.proxy, life)
        else:
            around = PackyProxyMiddleware(host.build(None, life), config, prefix=PREFIX, **self._observers())
            app, self.proxy = around, around.proxy
        self.life.watched = self.proxy
        self.app = for_tenant(app)

    @property
    def is_running(self) -> bool:
        """Whether anybody runs the proxy for a lifetime."""
        return self.proxy.runtime.has_lifespan

    def _observers(self) -> dict[str, Any]:
        return {
            "authorize": partial(self._see, "authorize"),
            "on_route": partial(self._see, "on_route"),
            "on_usage": partial(self._see, "on_usage"),
            "transport": _Transport(self.upstream, partial(self._see, "transport")),
        }

    def _see(self, who: str, _: object) -> bool:
        self.tenants[who, TENANT.get()] += 1
        return True


class _Transport(StreamingASGITransport):
    """The way to the upstream; tells somebody of each request."""

    def __init__(self, upstream: FakeUpstream, tell: Callable[[httpx.Request], object]) -> None:
        super().__init__(upstream)
        self._tell = tell

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self._tell(request)
        return await super().handle_async_request(request)


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
