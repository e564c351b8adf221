"""Who is let in where the host decides: ``authorize`` in the place of client keys, or in addition to them."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

import httpx
import pytest

from packyproxy import PackyProxy
from packyproxy.asgi.gateway import Gateway
from packyproxy.asgi.models import Models
from packyproxy.errors import AccessDenied, ClientLeft, InvalidRequest
from packyproxy.runtime import Runtime
from packyproxy.testing import StreamingASGITransport
from tests.support.settings import provider
from tests.support.surfaces import SURFACES, Surface

KEY = "client-key-of-this-test"
RUNTIME = Runtime({})
ROUTES = [
    ("GET" if not route.methods else min(route.methods), route.path.replace("*", "x"))
    for component in (Gateway, Models)
    for route in component(RUNTIME).routes
]
"""Every one that a client key guards."""
CANARY = "canary-8d1f"


def always(answer: object) -> Callable[[Mapping[str, Any]], Any]:
    return lambda _: answer


def later(answer: object) -> Callable[[Mapping[str, Any]], Awaitable[Any]]:
    async def authorize(_: Mapping[str, Any]) -> Any:
        await asyncio.sleep(0)
        return answer

    return authorize


class Later:
    """What may be awaited without being a coroutine."""

    def __init__(self, answer: object) -> None:
        self._answer = answer

    def __await__(self) -> Any:
        yield from asyncio.sleep(0).__await__()
        return self._answer


@pytest.mark.parametrize(
    "authorize", [always(True), later(True), always(Later(True))], ids=["bool", "coroutine", "awaitable"]
)
@pytest.mark.parametrize("surface", SURFACES, ids=str)
async def test_who_is_authorized_is_served(stage: Any, surface: Surface, authorize: Any) -> None:
    """At once, or when that is known; no key is needed where none is configured."""
    scene = stage("ok", hooks={"authorize": authorize})
    assert 200 == (await surface.ask(scene.client)).status_code


@pytest.mark.parametrize(
    "authorize",
    [always(False), later(False), always(None), later(None), always(1), always("yes"), always(later)],
    ids=["no", "no, later", "nothing", "nothing, later", "a number", "a text", "an object"],
)
async def test_only_true_lets_in(stage: Any, authorize: Any) -> None:
    """A function that forgets its return, or returns an anonymous user, opens nothing."""
    scene = stage("never", hooks={"authorize": authorize})
    assert 401 == (await scene.ask()).status_code
    assert [] == scene.upstream.requests


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_every_model_route_asks(stage: Any, method: str, path: str) -> None:
    """Whatever a client key guards, the host guards."""
    scene = stage("never", hooks={"authorize": always(False)})
    assert 401 == (await scene.client.request(method, path)).status_code


@pytest.mark.parametrize("path", ["/", "/healthz", "/readyz", "/v1/nothing"])
async def test_other_routes_do_not_ask(stage: Any, path: str) -> None:
    """Probes come without credentials, and what is not there needs no guard."""
    asked: list[object] = []
    await stage("never", hooks={"authorize": asked.append}).client.get(path)
    assert [] == asked


@pytest.mark.parametrize(
    ("client", "expected"), [(("127.0.0.1", 1), 200), (("192.0.2.7", 1), 401)], ids=["here", "elsewhere"]
)
async def test_metrics_ask_those_from_elsewhere(client: tuple[str, int], expected: int) -> None:
    """As with keys, this machine may always look."""
    proxy = PackyProxy({"packycode": provider(), "metrics": True}, authorize=always(False))
    transport = StreamingASGITransport(proxy, client=client)
    async with httpx.AsyncClient(transport=transport, base_url="http://proxy.test") as http:
        assert expected == (await http.get("/metrics")).status_code


@pytest.mark.parametrize(
    ("key", "answer", "expected"),
    [(KEY, True, 200), (KEY, False, 401), ("wrong", True, 401), ("", True, 401)],
    ids=["both", "key alone", "wrong key", "no key"],
)
async def test_keys_are_needed_too(stage: Any, key: str, answer: bool, expected: int) -> None:
    """The hook opens nothing that the configuration closes; strangers do not even reach it."""
    asked: list[object] = []

    def authorize(scope: object) -> bool:
        asked.append(scope)
        return answer

    scene = stage("ok", config={"api-keys": [KEY]}, hooks={"authorize": authorize})
    reply = await scene.client.post(
        "/v1/chat/completions", json=SURFACES[1].hello, headers={"x-api-key": key}
    )
    assert (expected, int(key == KEY)) == (reply.status_code, len(asked))


@pytest.mark.parametrize("surface", SURFACES, ids=str)
async def test_a_refusal_has_the_clients_shape(stage: Any, surface: Surface) -> None:
    """The status that a wrong key has, and words that do not send anybody to look for a key."""
    scene = stage("never", hooks={"authorize": always(False)})
    reply = await surface.ask(scene.client)
    error = reply.json()["error"]
    if surface.family == "anthropic":
        assert {"type": "authentication_error", "message": "not authorized by this server"} == error
        assert reply.headers["request-id"] == reply.json()["request_id"]
    else:
        assert ("unauthorized", "not authorized by this server") == (error["code"], error["message"])


async def test_a_refusal_is_counted_and_kept(stage: Any) -> None:
    """In the metrics, and in the audit trail with a reason of its own."""
    scene = stage("never", hooks={"authorize": always(False)})
    reply = await scene.ask()
    runtime = scene.proxy.runtime
    (event,) = runtime.audit.report(event="auth_failed").events
    assert ("not_authorized", "127.0.0.1", reply.headers["x-request-id"]) == (
        event.detail["reason"],
        event.detail["address"],
        event.detail["request-id"],
    )
    assert {"gateway": 1, "management": 0} == runtime.recorder.figures().denials


async def test_the_scope_is_the_hosts(stage: Any) -> None:
    """What a middleware of the host's has put into it is there, as the object that it is."""
    user = object()
    seen: list[Any] = []

    def authorize(scope: dict[str, Any]) -> bool:
        seen.append(scope["user"])
        return "user" in scope

    proxy = stage("ok", hooks={"authorize": authorize}).proxy

    async def host(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        await proxy({**scope, "user": user}, receive, send)

    async with httpx.AsyncClient(
        transport=StreamingASGITransport(host), base_url="http://proxy.test"
    ) as client:
        assert 200 == (await SURFACES[0].ask(client)).status_code
    assert [user] == seen


async def test_the_body_is_not_read_before(stage: Any) -> None:
    """A stranger's megabytes are not taken into memory."""
    read_before: list[bool] = []
    has_read = False

    async def authorize(_: object) -> bool:
        await asyncio.sleep(0)
        read_before.append(has_read)
        return True

    proxy = stage("ok", hooks={"authorize": authorize}).proxy

    async def host(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        async def noticing() -> Any:
            nonlocal has_read
            has_read = True
            return await receive()

        await proxy(scope, noticing, send)

    async with httpx.AsyncClient(
        transport=StreamingASGITransport(host), base_url="http://proxy.test"
    ) as client:
        assert 200 == (await SURFACES[0].ask(client)).status_code
    assert ([False], True) == (read_before, has_read)


def raising(error: BaseException, *, is_async: bool) -> Any:
    def authorize(_: object) -> bool:
        raise error

    async def authorize_later(_: object) -> bool:
        await asyncio.sleep(0)
        raise error

    return authorize_later if is_async else authorize


@pytest.mark.parametrize("is_async", [False, True], ids=["at once", "later"])
@pytest.mark.parametrize(
    ("error", "logged"),
    [
        (ValueError(CANARY), "ValueError"),
        (InvalidRequest(CANARY, field=CANARY), "RuntimeError"),
        (AccessDenied(), "RuntimeError"),
        (ClientLeft(CANARY), "RuntimeError"),
        (asyncio.CancelledError(CANARY), "RuntimeError"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
@pytest.mark.parametrize("surface", SURFACES, ids=str)
async def test_a_hook_that_fails_lets_nobody_in(
    stage: Any,
    caplog: pytest.LogCaptureFixture,
    surface: Surface,
    error: BaseException,
    logged: str,
    is_async: bool,
) -> None:
    """Whatever it raises is a 500 in the client's shape, and a line with type and place alone."""
    caplog.set_level(logging.DEBUG)
    scene = stage("never", hooks={"authorize": raising(error, is_async=is_async)})
    reply = await surface.ask(scene.client)
    assert (500, "internal error") == (reply.status_code, reply.json()["error"]["message"])
    (line,) = [each for each in caplog.records if vars(each).get("event") == "internal_error"]
    assert logged == vars(line)["error"]
    assert vars(line)["where"].startswith("test_authorize.py:")
    assert reply.headers["x-request-id"] == vars(line)["request_id"]
    assert CANARY not in caplog.text + reply.text
    assert [] == scene.upstream.requests


async def test_a_cancelled_request_ends_its_hook(stage: Any) -> None:
    """A server that gives a request up gets its cancellation, and the hook hears of it."""
    waiting = asyncio.Event()
    ends: list[str] = []

    async def authorize(_: object) -> bool:
        waiting.set()
        try:
            await asyncio.Event().wait()
        finally:
            ends.append("over")
        return True

    scene = stage("never", hooks={"authorize": authorize})
    asking = asyncio.create_task(scene.proxy(*bare_request()))
    await waiting.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert ["over"] == ends


async def test_a_client_that_leaves_meanwhile_is_not_served(stage: Any) -> None:
    """Its request ends when the hook has answered, and nobody is asked."""
    scene = stage("never", hooks={"authorize": later(True)})
    scope, _, send = bare_request()

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(0)
        return {"type": "http.disconnect"}

    await scene.proxy(scope, receive, send)
    assert [] == scene.upstream.requests


async def test_a_websocket_is_refused_without_asking(stage: Any) -> None:
    """No route speaks it, so nobody need know who wants one."""
    asked: list[object] = []
    sent: list[Any] = []
    scope, receive, _ = bare_request()

    async def send(message: Any) -> None:
        sent.append(message)

    scene = stage("never", hooks={"authorize": asked.append})
    await scene.proxy({**scope, "type": "websocket"}, receive, send)
    assert ([], [{"type": "websocket.close"}]) == (asked, sent)


def bare_request() -> tuple[dict[str, Any], Any, Any]:
    """Return what a server calls the application with; the body never comes."""

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": True}

    async def send(_: Any) -> None:
        pass

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/messages",
        "root_path": "",
        "query_string": b"",
        "headers": [(b"content-length", b"2"), (b"content-type", b"application/json")],
    }
    return scope, receive, send
