"""What the README shows: three lines put the proxy into an application; one does where it has no place for it."""

from fastapi import FastAPI
from litestar import Litestar, asgi
from quart import Quart
from starlette.applications import Starlette

from packyproxy import PackyProxy, PackyProxyMiddleware
from packyproxy.asgi.types import ASGIApp
from packyproxy.testing import FakeUpstream, StreamingASGITransport
from tests.support.asgi_servers import in_process
from tests.support.settings import provider
from tests.support.surfaces import MESSAGES

CONFIG = {"packycode": provider()}
UPSTREAM = StreamingASGITransport(FakeUpstream("Hello."))


async def test_fastapi() -> None:
    """FastAPI takes the lifespan and mounts the proxy."""
    proxy = PackyProxy(CONFIG, transport=UPSTREAM)
    app = FastAPI(lifespan=proxy.lifespan)
    app.mount("/llm", proxy)
    await talk(app, proxy)


async def test_starlette() -> None:
    """Starlette takes the same three."""
    proxy = PackyProxy(CONFIG, transport=UPSTREAM)
    app = Starlette(lifespan=proxy.lifespan)
    app.mount("/llm", proxy)
    await talk(app, proxy)


async def test_litestar() -> None:
    """Litestar has its own way of mounting, and takes the same lifespan."""
    proxy = PackyProxy(CONFIG, transport=UPSTREAM)
    mount = asgi("/llm", is_mount=True, copy_scope=True)(proxy)
    app = Litestar([mount], lifespan=[proxy.lifespan], logging_config=None)  # its own would be every test's
    await talk(app, proxy)


async def test_any_application() -> None:
    """The middleware takes any application, and lives its lifespan with it."""
    host = Quart("host")
    app = PackyProxyMiddleware(host, CONFIG, prefix="/llm", transport=UPSTREAM)
    await talk(app, app.proxy)


async def test_no_application() -> None:
    """The proxy is an application itself."""
    proxy = PackyProxy(CONFIG, transport=UPSTREAM)
    await talk(proxy, proxy, prefix="")


async def talk(app: ASGIApp, proxy: PackyProxy, *, prefix: str = "/llm") -> None:
    """Have the first words with an application, and see that the proxy starts and stops with it."""
    async with in_process(app) as client:
        answer = await client.post(f"{prefix}{MESSAGES.path}", json=MESSAGES.hello)
        assert proxy.runtime.has_lifespan
    assert [{"type": "text", "text": "Hello."}] == answer.json()["content"]
    assert not proxy.runtime.has_lifespan
