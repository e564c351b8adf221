"""What frameworks put around an application, around ours: answers still stream, and leaving still ends them."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request
from litestar import Litestar, asgi
from litestar.config.compression import CompressionConfig
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import Mount

from packyproxy import PackyProxy
from packyproxy.asgi.types import ASGIApp
from packyproxy.testing import FakeUpstream, Fault, StreamingASGITransport
from tests.support.asgi_servers import ALL_SERVERS, Server
from tests.support.settings import provider
from tests.support.streams import read_until
from tests.support.surfaces import MESSAGES

SOON_SECONDS = 5.0
HEADERS = {"accept-encoding": "gzip"}


def gzip(proxy: PackyProxy) -> ASGIApp:
    """Starlette's compression, which leaves event streams alone."""
    return Starlette(routes=[Mount("/llm", proxy)], middleware=[Middleware(GZipMiddleware, minimum_size=1)])


def litestar_gzip(proxy: PackyProxy) -> ASGIApp:
    """Litestar's compression, which flushes what it compresses."""
    mount = asgi("/llm", is_mount=True, copy_scope=True)(proxy)
    compression = CompressionConfig(backend="gzip", minimum_size=1)
    return Litestar([mount], compression_config=compression, logging_config=None)


def base_http(proxy: PackyProxy) -> ASGIApp:
    """FastAPI's usual middleware, twice: it moves the answer through tasks of its own."""
    app = FastAPI()
    app.mount("/llm", proxy)

    @app.middleware("http")
    async def note(request: Request, call_next: Any) -> Any:
        response = await call_next(request)
        response.headers["x-noted"] = "yes"
        return response

    return BaseHTTPMiddleware(app, note)


pytestmark = [
    pytest.mark.parametrize("layer", [gzip, litestar_gzip, base_http]),
    pytest.mark.parametrize("server", ALL_SERVERS),
    # Litestar never closes the compressor of an answer that is broken off; Python 3.13 and 3.14 complain of that.
    pytest.mark.filterwarnings(
        "ignore:Exception ignored (in.|while calling deallocator) <(gzip|function Gzip)"
        ":pytest.PytestUnraisableExceptionWarning"
    ),
]


@pytest.fixture
def upstream() -> FakeUpstream:
    """An upstream that falls silent in mid-answer."""
    return FakeUpstream(Fault.stall("First and then second.", after_events=5))


@pytest.fixture
async def client(
    layer: Callable[[PackyProxy], ASGIApp], server: Server, upstream: FakeUpstream
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the proxy in its layers."""
    proxy = PackyProxy({"packycode": provider()}, transport=StreamingASGITransport(upstream))
    async with asyncio.timeout(SOON_SECONDS * 5), server(layer(proxy)) as client:
        yield client
    if layer is litestar_gzip:
        gc.collect()  # so that what is left over is found now


def ask(client: httpx.AsyncClient) -> Any:
    """Return a context manager of a streamed answer."""
    body = {**MESSAGES.hello, "stream": True}
    return client.stream("POST", "/llm/v1/messages", json=body, headers=HEADERS)


async def test_events_arrive_one_by_one(client: httpx.AsyncClient, upstream: FakeUpstream) -> None:
    """Nothing waits for the end of the answer."""
    async with asyncio.timeout(SOON_SECONDS), ask(client) as response:
        pieces = response.aiter_text()
        await read_until(pieces, "First ")
        upstream.release()
        await read_until(pieces, "event: message_stop")


async def test_leaving_a_stream_closes_the_upstream(
    client: httpx.AsyncClient, upstream: FakeUpstream
) -> None:
    """The layers pass the news on, at once."""
    async with asyncio.timeout(SOON_SECONDS):
        async with ask(client) as response:
            await read_until(response.aiter_text(), "First ")
        assert "disconnected" == await upstream.last_request.ended()


async def test_leaving_before_the_answer_closes_the_upstream(
    client: httpx.AsyncClient, upstream: FakeUpstream
) -> None:
    """Before its first byte too, and no layer complains that there was no answer."""
    async with asyncio.timeout(SOON_SECONDS):
        asking = asyncio.create_task(client.post("/llm/v1/messages", json=MESSAGES.hello))
        request = await upstream.received()
        await request.stalled()
        asking.cancel()
        assert "disconnected" == await request.ended()
