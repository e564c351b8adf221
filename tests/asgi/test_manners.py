"""The proxy as a guest: it changes nothing of the process that it is in, and two of them do not know each other."""

import asyncio
import copy
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount

from packyproxy import PackyProxy, PackyProxyMiddleware
from packyproxy.runtime.observation.survey import survey
from packyproxy.testing import FakeUpstream, Fault, StreamingASGITransport
from tests.support.process_facts import process_facts
from tests.support.settings import provider

ROOT = Path(__file__).parents[2]
HELLO = {"model": "claude-sonnet-4-5", "max_tokens": 1000, "messages": [{"role": "user", "content": "hi"}]}
BUSY: dict[str, Any] = {
    "packycode": provider(),
    "debug": True,
    "metrics": True,
    "health-check": {"enabled": True, "interval": 10},
    "discover-models": True,
    "remote-management": {"secret-key": "m-0123456789"},
}
"""With all that might want something of its process."""

GUEST = """
import asyncio, threading
from tests.support.process_facts import process_facts
asyncio.run(asyncio.sleep(0))  # which chooses the kind of event loop
before = process_facts()
import packyproxy.asgi, packyproxy.cli, packyproxy.runtime, packyproxy.testing, packyproxy.transcode, packyproxy.translate
from packyproxy import Config, PackyProxy, PackyProxyMiddleware, RequestRecord, RouteDecision
from packyproxy.testing import FakeUpstream, StreamingASGITransport

async def main():
    async def host(scope, receive, send):
        raise NotImplementedError
    async with PackyProxyMiddleware(host, {}, prefix="/llm").proxy:
        pass

asyncio.run(main())
after = process_facts()
print([name for name in before if before[name] != after[name]], threading.active_count())
"""


def test_importing_it_changes_nothing() -> None:
    """Nor does starting and stopping: of logging, signals, hooks, environment, warnings and the like."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", GUEST],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ("[] 1\n", "") == (done.stdout, done.stderr)


async def _ask(app: Any, path: str = "/v1/messages", **headers: str) -> int:
    transport = StreamingASGITransport(app)
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    async with httpx.AsyncClient(transport=transport, base_url="http://host.test", headers=headers) as client:
        if path.startswith("/v0"):
            return (await client.get(path)).status_code
        return (await client.post(path, json=HELLO)).status_code


def _proxy(script: Any = "Hello.", **config: Any) -> PackyProxy:
    settings = {"packycode": provider(), **config}
    return PackyProxy(settings, transport=StreamingASGITransport(FakeUpstream(script)))


@pytest.mark.parametrize("is_started", [True, False], ids=["started", "not started"])
def test_using_it_changes_nothing(is_started: bool) -> None:
    """While it serves, and afterwards, of the process and of the event loop."""
    seen: list[dict[str, object]] = []
    loops: list[tuple[object, ...]] = []

    def look() -> None:
        loop = asyncio.get_running_loop()
        seen.append(process_facts())
        loops.append((loop.get_exception_handler(), loop.get_task_factory(), loop.get_debug()))

    async def serve() -> None:
        look()
        middleware = PackyProxyMiddleware(
            Starlette(), BUSY, prefix="/llm", transport=StreamingASGITransport(FakeUpstream("Hello."))
        )
        if is_started:
            await middleware.proxy.__aenter__()
        assert 200 == await _ask(middleware, "/llm/v1/messages")
        assert 404 == await _ask(middleware, "/elsewhere")
        look()
        if is_started:
            await middleware.proxy.__aexit__(None, None, None)
        look()

    threads = threading.active_count()
    asyncio.run(serve())
    assert ([seen[0]] * 3, [loops[0]] * 3) == (seen, loops)
    assert threads == threading.active_count()


async def test_the_state_of_a_scope_is_left_alone() -> None:
    """It is the host's, for its routes, whichever way its request goes."""
    state: dict[str, object] = {"of": "the host"}
    seen: list[object] = []

    async def host(scope: Any, receive: Any, send: Any) -> None:
        await PlainTextResponse(str(scope["state"] is state))(scope, receive, send)

    middleware = PackyProxyMiddleware(host, {}, prefix="/llm")

    async def server(scope: Any, receive: Any, send: Any) -> None:
        scope["state"] = state
        await middleware(scope, receive, send)
        seen.append(scope["state"])

    for path in ("/llm/v1/models", "/elsewhere"):
        await _ask(server, path)
    assert (True, {"of": "the host"}) == (all(each is state for each in seen), state)


async def test_the_hosts_exception_handlers_hear_of_nothing() -> None:
    """Not of a wrong path, nor of a refusal, nor of a bug of ours: all are answered in our own shape."""
    heard: list[object] = []

    async def hear(_: Request, error: Exception) -> PlainTextResponse:
        heard.append(error)
        return PlainTextResponse("the host's", 299)

    def fail(_: object) -> bool:
        raise ValueError("a hook of the host's")

    proxies = [_proxy(), _proxy(**{"api-keys": ["client-key-0123456789"]})]
    failing = PackyProxy({"packycode": provider()}, authorize=fail)
    routes = [Mount("/a", proxies[0]), Mount("/b", proxies[1]), Mount("/c", failing)]
    handlers = dict.fromkeys((404, 405, 401, 500, Exception), hear)
    app = Starlette(routes=routes, exception_handlers=handlers)
    paths = ("/a/nowhere", "/a/v1/models", "/b/v1/messages", "/c/v1/messages")
    assert [404, 405, 401, 500] == [await _ask(app, path) for path in paths]
    assert [] == heard


async def test_two_proxies_have_keys_of_their_own() -> None:
    """For clients, and for management."""
    keys = ("client-a-0123456789", "client-b-0123456789")
    first, second = (
        _proxy(**{"api-keys": [key], "remote-management": {"secret-key": f"m-{key}"}}) for key in keys
    )
    asked = [await _ask(proxy, x_api_key=key) for proxy in (first, second) for key in keys]
    managed = [
        await _ask(proxy, "/v0/management/status", x_management_key=f"m-{key}")
        for proxy in (first, second)
        for key in keys
    ]
    assert ([200, 401, 401, 200], [200, 401, 401, 200]) == (asked, managed)


async def test_two_proxies_have_providers_of_their_own() -> None:
    """A key that is refused to one of them, at the same URL, is not refused to the other."""
    first, second = _proxy(Fault.unauthorized()), _proxy()
    statuses = [await _ask(proxy) for proxy in (first, second)]
    states = [each.state.value for proxy in (first, second) for each in await survey(proxy.runtime)]
    assert (True, 200) == (statuses[0] >= 400, statuses[1])
    assert ["key-refused", "ready"] == states


async def test_two_proxies_count_for_themselves() -> None:
    """Requests, speeds and events."""
    first, second = _proxy(), _proxy()
    for _ in range(3):
        await _ask(first)
    await _ask(second)
    second.runtime.apply(PackyProxy({"debug": True}).runtime.snapshot.config)
    runtimes = (first.runtime, second.runtime)
    assert [3, 1] == [runtime.recorder.usage({}).total.requests for runtime in runtimes]
    assert [3, 1] == [len(runtime.recorder.tps()) for runtime in runtimes]
    assert [0, 1] == [len(runtime.audit.report(event="config_changed").events) for runtime in runtimes]


async def test_two_proxies_live_on_their_own() -> None:
    """One that stops, or gets another configuration, is none of the other's business."""
    first, second = _proxy(), _proxy()
    async with second:
        async with first:
            first.runtime.apply(PackyProxy({}).runtime.snapshot.config)
        assert (False, True) == (first.runtime.has_lifespan, second.runtime.has_lifespan)
        assert (503, 200) == (await _ask(first), await _ask(second))


@pytest.mark.parametrize("copy_of", [copy.deepcopy, pickle.dumps])
def test_a_proxy_is_not_copied(copy_of: Callable[[PackyProxy], object]) -> None:
    """Who tries, by giving it to a process of ``multiprocessing`` for example, is told what to do instead."""
    with pytest.raises(TypeError, match="make one there"):
        copy_of(_proxy())
