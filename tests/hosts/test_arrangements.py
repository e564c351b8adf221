"""Ways to put hosts and proxies together that differ from one proxy below one prefix."""

from collections.abc import Callable
from functools import partial
from typing import Any

import httpx
import pytest
from fastapi import Depends, FastAPI, HTTPException
from hypercorn.middleware import DispatcherMiddleware
from litestar import Litestar, asgi
from litestar.exceptions import PermissionDeniedException
from litestar.middleware import DefineMiddleware
from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Mount

from packyproxy import PackyProxy, PackyProxyMiddleware
from packyproxy.asgi.types import ASGIApp
from packyproxy.testing import FakeUpstream, StreamingASGITransport
from tests.support.asgi_servers import REAL_SERVERS, Server, in_process
from tests.support.hosts import EVERY_CELL, HOSTS, Host
from tests.support.settings import provider
from tests.support.surfaces import MESSAGES


def options(words: str = "Hello.") -> dict[str, Any]:
    """Return what makes a proxy before an upstream that says some words."""
    return {"config": {"packycode": provider()}, "transport": StreamingASGITransport(FakeUpstream(words))}


litestar = partial(Litestar, logging_config=None)
"""Litestar without its own logging, which would be that of every other test."""


async def ask(client: httpx.AsyncClient, prefix: str = "/llm") -> str:
    """Ask for a whole answer below a prefix; return its words, or its status where it has none."""
    answer = await client.post(f"{prefix}{MESSAGES.path}", json=MESSAGES.hello)
    return str(answer.json()["content"][0]["text"]) if answer.status_code == 200 else str(answer.status_code)


@EVERY_CELL
@pytest.mark.parametrize("path", ["/site/llm", "/llm"], ids=["whole-path", "path-below"])
async def test_a_server_with_a_root_path(cell: Any, host: Host, placing: str, path: str) -> None:
    """Behind ``/site`` some servers, as ASGI says, give the whole path, and some what is below it: both are served."""
    async with in_process(cell.app, root_path="/site") as client:
        assert "Hello." == await ask(client, path)


@pytest.mark.parametrize("server", REAL_SERVERS)
async def test_servers_with_a_root_path(server: Server) -> None:
    """What stands in front of a server may cut its root path from what it forwards; each then serves what is left."""
    proxy = PackyProxy(**options())
    app = FastAPI(lifespan=proxy.lifespan)
    app.mount("/llm", proxy)
    async with server(app, root_path="/site") as client:
        assert "Hello." == await ask(client)


@pytest.mark.parametrize("host", HOSTS, ids=str)
async def test_a_middleware_without_a_prefix(host: Host) -> None:
    """The proxy's routes below ``/v1`` are its own; every other path is the host's, also an unknown one there."""
    app = PackyProxyMiddleware(host.build(None, None), **options())
    async with in_process(app) as client:
        assert "Hello." == await ask(client, "")
        statuses = {
            path: (await client.get(path)).status_code for path in ("/hello", "/", "/healthz", "/v1/none")
        }
    assert {"/hello": 200, "/": 404, "/healthz": 404, "/v1/none": 404} == statuses


def two_mounts() -> ASGIApp:
    """FastAPI with two proxies, of which one is started by the host."""
    first, second = PackyProxy(**options("one")), PackyProxy(**options("two"))
    app = FastAPI(lifespan=first.lifespan)
    app.mount("/first", first)
    app.mount("/second", second)
    return app


def two_middlewares() -> ASGIApp:
    """One middleware around another one."""
    inner = PackyProxyMiddleware(Starlette(), **options("one"), prefix="/first")
    return PackyProxyMiddleware(inner, **options("two"), prefix="/second")


@pytest.mark.parametrize("arrangement", [two_mounts, two_middlewares])
async def test_two_proxies_in_one_host(arrangement: Callable[[], ASGIApp]) -> None:
    """Each answers below its own prefix, from its own provider."""
    async with in_process(arrangement()) as client:
        assert ("one", "two") == (await ask(client, "/first"), await ask(client, "/second"))


def starlette_in_fastapi(proxy: PackyProxy) -> ASGIApp:
    """A mount in a mount."""
    app = FastAPI(lifespan=proxy.lifespan)
    app.mount("/api", Starlette(routes=[Mount("/llm", proxy)]))
    return app


def starlette_in_litestar(proxy: PackyProxy) -> ASGIApp:
    """A mount in one that cuts the path and tells nobody."""
    inner = Starlette(routes=[Mount("/llm", proxy)])
    return litestar([asgi("/api", is_mount=True, copy_scope=True)(inner)], lifespan=[proxy.lifespan])


@pytest.mark.parametrize("arrangement", [starlette_in_fastapi, starlette_in_litestar])
async def test_a_proxy_in_a_sub_application(arrangement: Callable[[PackyProxy], ASGIApp]) -> None:
    """Two mounts deep it is served as one deep."""
    async with in_process(arrangement(PackyProxy(**options()))) as client:
        assert "Hello." == await ask(client, "/api/llm")
        assert 405 == (await client.get("/api/llm/v1/messages")).status_code


async def test_a_middleware_in_a_mount() -> None:
    """Its prefix counts from there."""
    app = FastAPI()
    app.mount("/api", PackyProxyMiddleware(Starlette(), **options(), prefix="/llm"))
    async with in_process(app) as client:
        assert ("Hello.", "404") == (await ask(client, "/api/llm"), await ask(client, "/llm"))


@pytest.mark.parametrize("framework", [Starlette, FastAPI])
async def test_a_middleware_among_others(framework: Callable[[], Any]) -> None:
    """``add_middleware`` takes it; what is added after it is around it, as CORS here."""
    app = framework()
    app.add_middleware(PackyProxyMiddleware, prefix="/llm", **options())
    app.add_middleware(CORSMiddleware, allow_origins=["https://page.test"], allow_methods=["POST"])
    asks = {"origin": "https://page.test", "access-control-request-method": "POST"}
    async with in_process(app) as client:
        before = await client.options("/llm/v1/messages", headers=asks)
        answer = await client.post(
            "/llm/v1/messages", json=MESSAGES.hello, headers={"origin": asks["origin"]}
        )
    assert (200, 200) == (before.status_code, answer.status_code)
    assert ["https://page.test"] * 2 == [a.headers["access-control-allow-origin"] for a in (before, answer)]


async def test_litestars_middlewares_are_of_its_routes() -> None:
    """Litestar calls a middleware for paths that it has: below ours it has none, so the proxy goes around the app."""
    here = DefineMiddleware(PackyProxyMiddleware, prefix="/llm", **options())
    around = PackyProxyMiddleware(litestar([]), prefix="/llm", **options())
    async with in_process(litestar([], middleware=[here])) as inside, in_process(around) as outside:
        assert ("404", "Hello.") == (await ask(inside), await ask(outside))


async def test_litestars_own_scope() -> None:
    """Without ``copy_scope`` the proxy gets the scope of the host itself, and leaves it as it is."""
    app = litestar([asgi("/llm", is_mount=True, copy_scope=False)(PackyProxy(**options()))])
    async with in_process(app) as client:
        assert "Hello." == await ask(client)


def guarded_fastapi(proxy: PackyProxy) -> ASGIApp:
    """FastAPI with a dependency that lets nobody in."""

    async def refuse() -> None:
        raise HTTPException(403)

    app = FastAPI(dependencies=[Depends(refuse)])
    app.mount("/llm", proxy)
    return app


def guarded_litestar(proxy: PackyProxy) -> ASGIApp:
    """Litestar with a guard that lets nobody in."""

    def refuse(connection: Any, handler: Any) -> None:
        raise PermissionDeniedException

    return litestar([asgi("/llm", is_mount=True, copy_scope=True)(proxy)], guards=[refuse])


@pytest.mark.parametrize(("arrangement", "answer"), [(guarded_fastapi, "Hello."), (guarded_litestar, "403")])
async def test_what_guards_routes_of_the_host(
    arrangement: Callable[[PackyProxy], ASGIApp], answer: str
) -> None:
    """Litestar's guards stand before a mount as well, FastAPI's dependencies do not: there ``authorize`` is for that."""
    async with in_process(arrangement(PackyProxy(**options()))) as client:
        assert answer == await ask(client)


async def test_hypercorns_dispatcher() -> None:
    """It gives the lifespan to each of its applications, and the proxy takes it like any other."""
    proxy = PackyProxy(**options())
    app = DispatcherMiddleware({"/llm": proxy, "": Starlette()})  # type: ignore[dict-item]  # its scopes are TypedDicts
    async with in_process(app) as client:
        assert ("Hello.", True) == (await ask(client), proxy.runtime.has_lifespan)
    assert not proxy.runtime.has_lifespan
