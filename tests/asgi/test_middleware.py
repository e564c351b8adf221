"""The proxy around a host: whose a scope is, and that the host gets its own as it came."""

import asyncio
import json
import os
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from packyproxy import Config, PackyProxyMiddleware
from packyproxy.config import config_from_mapping
from packyproxy.testing import FakeUpstream, StreamingASGITransport
from tests.support.settings import provider

HELLO = {"model": "claude-sonnet-4-5", "max_tokens": 1000, "messages": [{"role": "user", "content": "hi"}]}
MANAGED: dict[str, Any] = {"remote-management": {"secret-key": "m-0123456789"}}


class Host:
    """An application that notes what it is called with, and answers 299 to what is HTTP."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, Any, Any]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one scope."""
        self.calls.append((scope, receive, send))
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 299, "headers": []})
            await send({"type": "http.response.body", "body": b"the host's"})


def around(host: Any, prefix: str = "", **config: Any) -> PackyProxyMiddleware:
    """Return the proxy around a host, before a scripted upstream."""
    settings = {"packycode": provider(), **config}
    return PackyProxyMiddleware(
        host, settings, prefix=prefix, transport=StreamingASGITransport(FakeUpstream("Hello."))
    )


def client_of(app: Any) -> httpx.AsyncClient:
    """Return a client of an application; its paths travel as they are written."""
    return httpx.AsyncClient(transport=StreamingASGITransport(app), base_url="http://host.test")


async def status_of(app: Any, path: str, method: str = "GET", root_path: str = "") -> int:
    """Return the status of the answer to a request with exactly this path."""
    answers: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        answers.append(message)

    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "root_path": root_path,
        "query_string": b"",
        "headers": [],
        "client": ("127.0.0.1", 1234),
    }
    await app(scope, receive, send)
    status: int = answers[0]["status"]
    return status


@pytest.mark.parametrize(
    ("path", "status"),
    {
        "models": ("/v1/models", 200),
        "a trailing slash": ("/v1/models/", 200),
        "a model": ("/v1/models/gpt-5.5", 200),
        "the wrong method": ("/v1/messages", 405),
        "root": ("/", 299),
        "health": ("/healthz", 299),
        "readiness": ("/readyz", 299),
        "metrics": ("/metrics", 299),
        "an alias": ("/models", 299),
        "another alias": ("/messages", 299),
        "v1 alone": ("/v1", 299),
        "v1 and a slash": ("/v1/", 299),
        "unknown below v1": ("/v1/users", 299),
        "a longer segment": ("/v1/messages2", 299),
        "two slashes before": ("//v1/models", 299),
        "two slashes within": ("/v1//models", 299),
        "two slashes after": ("/v1/messages//", 299),
        "a path that ends alike": ("/api/v1/models", 299),
        "management without a key": ("/v0/management/status", 299),
    }.values(),
    ids=str,
)
async def test_without_a_prefix_only_known_routes_are_the_proxys(path: str, status: int) -> None:
    """Whatever else there is below ``/v1`` is the host's, and so is all that is not."""
    assert status == await status_of(around(Host(), metrics=True), path)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v0/management", 401),
        ("/v0/management/", 401),
        ("/v0/management/no-such", 401),
        ("/v0/managements", 299),
        ("/v0", 299),
    ],
)
async def test_with_a_management_key_all_below_its_path_is_the_proxys(path: str, status: int) -> None:
    """Who shows no key does not learn which routes there are."""
    assert status == await status_of(around(Host(), **MANAGED), path)


async def test_a_management_key_counts_from_the_next_request_on() -> None:
    """A key that is set makes the routes the proxy's, and one that goes gives them back to the host."""
    middleware = around(Host())
    seen = [await status_of(middleware, "/v0/management/status")]
    before = middleware.proxy.runtime.snapshot.config
    middleware.proxy.runtime.apply(config_from_mapping({"packycode": provider(), **MANAGED}))
    seen.append(await status_of(middleware, "/v0/management/status"))
    middleware.proxy.runtime.apply(before)
    seen.append(await status_of(middleware, "/v0/management/status"))
    assert [299, 401, 299] == seen


@pytest.mark.virtual_time
async def test_a_management_key_in_the_file_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where nothing runs in the background, and by the very request that it lets in."""
    monkeypatch.setenv("CODEX_HOME", str(tmp_path))
    path = tmp_path / "config.yaml"
    path.write_text(json.dumps({"packycode": provider()}), "utf-8")
    os.utime(path, (1, 1))
    middleware = PackyProxyMiddleware(Host(), path)
    seen = [await status_of(middleware, "/v0/management/status")]
    path.write_text(json.dumps({"packycode": provider(), **MANAGED}), "utf-8")
    os.utime(path, (2, 2))
    await asyncio.sleep(1.0)
    seen.append(await status_of(middleware, "/v0/management/status"))
    assert [299, 401] == seen


@pytest.mark.parametrize(
    ("path", "status"),
    {
        "the prefix": ("/llm", 200),
        "the prefix and a slash": ("/llm/", 200),
        "models": ("/llm/v1/models", 200),
        "a trailing slash": ("/llm/v1/models/", 200),
        "an alias": ("/llm/models", 200),
        "health": ("/llm/healthz", 200),
        "the wrong method": ("/llm/v1/messages", 405),
        "unknown": ("/llm/users", 404),
        "two slashes after the prefix": ("/llm//v1/models", 404),
        "two slashes at the end": ("/llm/v1/models//", 404),
        "the prefix twice": ("/llm/llm/v1/models", 404),
        "management without a key": ("/llm/v0/management/status", 404),
        "a longer segment": ("/llms", 299),
        "two slashes before": ("//llm/v1/models", 299),
        "the root": ("/", 299),
        "the route itself": ("/v1/models", 299),
        "further in": ("/api/llm/v1/models", 299),
    }.values(),
    ids=str,
)
async def test_all_below_a_prefix_is_the_proxys(path: str, status: int) -> None:
    """Whole segments count; what the proxy does not know there gets its own 404."""
    assert status == await status_of(around(Host(), "/llm"), path)


@pytest.mark.parametrize("prefix", ["", "/llm", "/a/b"])
@pytest.mark.parametrize("path", ["", "/", "//", "/v1", "/v1/models/", "/v1/messages/", "//v1/models", "/x/"])
async def test_nothing_is_ever_redirected(prefix: str, path: str) -> None:
    """Whatever the slashes, the answer is one."""
    status = await status_of(around(Host(), prefix, metrics=True, **MANAGED), (prefix + path) or "/")
    assert not 300 <= status < 400


@pytest.mark.parametrize(
    ("path", "root_path", "prefix", "status"),
    {
        "the path has it": ("/x/llm/v1/models", "/x", "/llm", 200),
        "the path has it, no prefix": ("/x/v1/models", "/x", "", 200),
        "it ends with a slash": ("/x/llm/v1/models", "/x/", "/llm", 200),
        "the path lacks it": ("/llm/v1/models", "/x", "/llm", 200),
        "the path lacks it, no prefix": ("/v1/models", "/x", "", 200),
        "it is called like the prefix": ("/llm/llm/v1/models", "/llm", "/llm", 200),
        "below it is the host": ("/x/v1/models", "/x", "/llm", 299),
        "half of a segment": ("/xy/llm/v1/models", "/x", "/llm", 299),
    }.values(),
    ids=str,
)
async def test_a_root_path_is_not_looked_at(path: str, root_path: str, prefix: str, status: int) -> None:
    """A server's ``--root-path`` and a mount of the host's stand before all, whether the path repeats them or not."""
    assert status == await status_of(around(Host(), prefix), path, root_path=root_path)


@pytest.mark.parametrize("path", ["/x/llm/v1/models", "/llm/v1/models"])
async def test_a_hook_sees_the_scope_of_a_mount(path: str) -> None:
    """The prefix is part of the root path, which the path begins with, whatever the server does."""
    seen: list[tuple[str, str]] = []

    def authorize(scope: Any) -> bool:
        seen.append((scope["root_path"], scope["path"]))
        return True

    middleware = PackyProxyMiddleware(Host(), {}, prefix="/llm", authorize=authorize)
    assert 200 == await status_of(middleware, path, root_path="/x")
    assert [("/x/llm", "/x/llm/v1/models")] == seen


@pytest.mark.parametrize(
    "scope",
    [
        {"type": "http", "method": "GET", "path": "/llms", "headers": [], "query_string": b""},
        {"type": "websocket", "path": "/llm/v1/responses", "headers": [], "query_string": b""},
        {"type": "websocket", "path": "/chat", "headers": [], "query_string": b""},
        {"type": "webtransport", "path": "/llm"},
    ],
    ids=lambda scope: f"{scope['type']} {scope['path']}",
)
async def test_the_host_gets_its_scopes_untouched(scope: dict[str, Any]) -> None:
    """The same objects: scope, receive and send; websockets and what nobody knows yet are always the host's."""
    host, before = Host(), dict(scope)

    async def receive() -> Any:
        raise AssertionError("nobody asks for a message")

    async def send(message: Any) -> None:
        pass

    await around(host, "/llm")(scope, receive, send)
    [(its_scope, its_receive, its_send)] = host.calls
    assert its_scope is scope
    assert (its_receive, its_send) == (receive, send)
    assert before == scope


async def test_the_proxys_scope_is_a_copy() -> None:
    """Who stands around the middleware sees the path and the root path that the server gave."""
    seen: list[tuple[str, str]] = []
    middleware = around(Host(), "/llm")

    async def outer(scope: Any, receive: Any, send: Any) -> None:
        await middleware(scope, receive, send)
        seen.append((scope["path"], scope["root_path"]))

    assert 200 == await status_of(outer, "/x/llm/v1/models", root_path="/x")
    assert [("/x/llm/v1/models", "/x")] == seen


@pytest.mark.parametrize("prefix", ["", "/llm"])
async def test_an_answer_streams_through(prefix: str) -> None:
    """A model is asked through the middleware, as without it."""
    async with client_of(around(Host(), prefix)) as client:
        answer = await client.post(f"{prefix}/v1/messages", json={**HELLO, "stream": True})
    assert (200, True) == (answer.status_code, "Hello." in answer.text)


@pytest.mark.parametrize("prefix", ["llm", "/llm/", "/", "llm/", "//", "//llm", "/%6clm"])
def test_a_prefix_that_cannot_be_meant_is_refused(prefix: str) -> None:
    """The text says what to write instead."""
    fixed = "/llm" if "lm" in prefix else ""
    with pytest.raises(ValueError, match="prefix") as refused:
        around(Host(), prefix)
    assert str(refused.value).endswith(f"write prefix={fixed!r}")


def test_what_the_middleware_is_made_of_can_be_had() -> None:
    """The host, and the proxy with its runtime."""
    host = Host()
    middleware = around(host)
    assert (host, ["packycode"]) == (middleware.app, list(middleware.proxy.runtime.snapshot.providers))


def test_all_that_the_proxy_takes_is_taken() -> None:
    """An argument that there is not is Python's own error."""
    with pytest.raises(TypeError, match="prefixes"):
        PackyProxyMiddleware(Host(), Config(), prefixes="/llm")  # type: ignore[call-arg]


async def test_a_framework_adds_it_to_its_stack() -> None:
    """Starlette makes it of a class and arguments; the routes of the application stay where they are."""

    async def hello(_: Request) -> PlainTextResponse:
        return PlainTextResponse("hello")

    app = Starlette(routes=[Route("/hello", hello), Route("/v1/users", hello)])
    app.add_middleware(PackyProxyMiddleware, config={"packycode": provider()})
    statuses = [await status_of(app, path) for path in ("/hello", "/v1/users", "/v1/models", "/v1/nothing")]
    assert [200, 200, 200, 404] == statuses


async def test_it_stands_inside_of_a_mount() -> None:
    """An application that has it may be mounted itself: what was cut off before is the root path."""
    inner = Starlette(middleware=[Middleware(PackyProxyMiddleware, config={}, prefix="/llm")])
    outer = Starlette(routes=[Mount("/team", inner)])
    assert [200, 404] == [await status_of(outer, path) for path in ("/team/llm/v1/models", "/llm/v1/models")]
