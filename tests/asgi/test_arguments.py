"""What a host hands in, hooks and its own way to the upstream, is used however the proxy is made."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from packyproxy import PackyProxy, PackyProxyMiddleware
from packyproxy.asgi import Gateway
from packyproxy.runtime import Runtime
from packyproxy.testing import FakeUpstream, StreamingASGITransport
from tests.support.settings import provider
from tests.support.surfaces import MESSAGES

CONFIG = {"packycode": provider()}


async def host(scope: Any, receive: Any, send: Any) -> None:
    """Be never asked."""
    raise AssertionError("this request is the proxy's")


MAKERS = {
    "proxy": PackyProxy,
    "middleware": lambda config, **given: PackyProxyMiddleware(host, config, **given),
    "component": lambda config, **given: Gateway(Runtime(config, **given)),
}
WAYS: dict[str, Callable[[httpx.AsyncBaseTransport], Any]] = {
    "client": lambda transport: httpx.AsyncClient(transport=transport),
    "transport": lambda transport: transport,
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
@pytest.mark.parametrize("way", WAYS)
async def test_what_a_host_hands_in_is_used(make: Callable[..., Any], way: str) -> None:
    """Each hook is called once for a request, which goes the host's own way."""
    upstream = FakeUpstream("Hello.")
    called: list[str] = []

    def authorize(scope: object) -> bool:
        called.append("authorize")
        return True

    app = make(
        CONFIG,
        authorize=authorize,
        on_route=lambda decision: called.append(type(decision).__name__),
        on_usage=lambda record: called.append(type(record).__name__),
        **{way: WAYS[way](StreamingASGITransport(upstream))},
    )
    assert 200 == (await ask(app)).status_code
    assert ["authorize", "RouteDecision", "RequestRecord"] == called
    assert ["completed"] == [request.fate for request in upstream.requests]


async def test_a_client_of_the_host_stays_open() -> None:
    """The proxy stops, and the client goes on for whoever made it."""
    client = httpx.AsyncClient(transport=StreamingASGITransport(FakeUpstream("Hello.")))
    proxy = PackyProxy(CONFIG, client=client)
    for _ in range(2):
        async with proxy:
            assert 200 == (await ask(proxy)).status_code
    assert not client.is_closed
    await client.aclose()


async def ask(app: Any) -> httpx.Response:
    """Ask for a whole answer."""
    async with httpx.AsyncClient(
        transport=StreamingASGITransport(app), base_url="http://host.test"
    ) as client:
        return await client.post(MESSAGES.path, json=MESSAGES.hello)
