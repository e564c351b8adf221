"""The transport behaves towards client and app as a server on a socket does."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import httpx2
import pytest

from packyproxy.testing import StreamingASGITransport

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

START = {"type": "http.response.start", "status": 200, "headers": [(b"x-case", b"Kept")]}


def body(data: bytes, *, more: bool = True) -> Message:
    """Return a body message."""
    return {"type": "http.response.body", "body": data, "more_body": more}


async def read(receive: Receive) -> bytes:
    """Read the request body."""
    chunks = b""
    message: Message
    while True:
        message = await receive()
        chunks += message["body"]
        if not message["more_body"]:
            return bytes(chunks)


def client_of(app: App, **options: Any) -> httpx.AsyncClient:
    """Return a client of an app."""
    return httpx.AsyncClient(transport=StreamingASGITransport(app, **options), base_url="http://test:81")


async def test_the_scope_describes_the_request() -> None:
    """The app sees what a server would have made of the request."""
    seen: dict[str, Any] = {}

    async def app(scope: MutableMapping[str, Any], _receive: Receive, send: Send) -> None:
        seen.update(scope)
        await send(START)
        await send(body(b"", more=False))

    async with client_of(app, root_path="/llm") as client:
        await client.post("/a%20b?c=d", headers={"X-One": "1"}, content=b"")
    assert ("POST", "/a b", b"/a%20b", b"c=d", "/llm", ("test", 81)) == tuple(
        seen[key] for key in ("method", "path", "raw_path", "query_string", "root_path", "server")
    )
    assert (b"x-one", b"1") in seen["headers"]


async def test_the_request_body_reaches_the_app_in_chunks() -> None:
    """A streamed request body arrives as it was cut."""
    chunks: list[bytes] = []

    async def app(_scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        while (message := await receive())["more_body"]:
            chunks.append(message["body"])
        await send(START)
        await send(body(b"", more=False))

    async def content() -> AsyncIterator[bytes]:
        yield b"one"
        yield b"two"

    async with client_of(app) as client:
        await client.post("/", content=content())
    assert [b"one", b"two"] == chunks


async def test_the_body_is_readable_while_the_app_still_runs() -> None:
    """The client gets the first bytes before the app has sent the last."""
    go_on = asyncio.Event()

    async def app(_scope: MutableMapping[str, Any], _receive: Receive, send: Send) -> None:
        await send(START)
        await send(body(b"first"))
        await go_on.wait()
        await send(body(b"second", more=False))

    async with client_of(app) as client, client.stream("GET", "/") as response:
        chunks = response.aiter_raw()
        first = await anext(chunks)
        go_on.set()
        rest = [chunk async for chunk in chunks]
    assert (b"first", [b"second"], "Kept") == (first, rest, response.headers["x-case"])


async def test_closing_the_response_early_disconnects_the_app() -> None:
    """The app learns from ``receive`` that its client has left, and what it sends then goes nowhere."""
    news: list[str] = []
    ended = asyncio.Event()

    async def app(_scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        await read(receive)
        await send(START)
        await send(body(b"first"))
        news.append((await receive())["type"])
        await send(body(b"nobody listens"))
        ended.set()

    async with client_of(app) as client:
        async with client.stream("GET", "/"):
            pass
        await ended.wait()
    assert ["http.disconnect"] == news


async def test_a_client_that_gives_up_before_the_answer_disconnects_the_app() -> None:
    """Cancelling the request while the app has not answered is a disconnect, too."""
    started, left = asyncio.Event(), asyncio.Event()

    async def app(_scope: MutableMapping[str, Any], receive: Receive, _send: Send) -> None:
        await read(receive)
        started.set()
        assert (await receive())["type"] == "http.disconnect"
        left.set()

    async with client_of(app) as client:
        request = asyncio.create_task(client.get("/"))
        await started.wait()
        request.cancel()
        await left.wait()
    assert left.is_set()


async def test_a_slow_client_slows_the_app() -> None:
    """The app is never further ahead than the buffer."""
    sent = 0

    async def app(_scope: MutableMapping[str, Any], _receive: Receive, send: Send) -> None:
        nonlocal sent
        await send(START)
        for _ in range(50):
            await send(body(b"x" * 10))
            sent += 1
        await send(body(b"", more=False))

    async with client_of(app, buffer_bytes=40) as client, client.stream("GET", "/") as response:
        for _ in range(100):
            await asyncio.sleep(0)
        ahead = sent
        await response.aread()
    assert (3, 50) == (ahead, sent)


async def test_a_client_that_leaves_frees_an_app_that_waits_for_room() -> None:
    """Backpressure does not outlive the client."""
    ended = asyncio.Event()

    async def app(_scope: MutableMapping[str, Any], _receive: Receive, send: Send) -> None:
        await send(START)
        await send(body(b"x" * 100))
        ended.set()

    async with client_of(app, buffer_bytes=10) as client:
        async with client.stream("GET", "/"):
            assert not ended.is_set()
        await ended.wait()


@pytest.mark.parametrize(
    "sent",
    [[], [START], [START, body(b"x")], [START, body(b"x", more=False)]],
    ids=["nothing", "head", "part", "whole"],
)
@pytest.mark.parametrize("is_slow", [False, True], ids=["quick client", "slow client"])
async def test_an_exception_of_the_app_surfaces(sent: list[Message], is_slow: bool) -> None:
    """The client meets the app's own exception wherever it happens; at the latest when it closes."""

    async def app(_scope: MutableMapping[str, Any], _receive: Receive, send: Send) -> None:
        for message in sent:
            await send(message)
        raise LookupError("app")

    async def ask() -> None:
        async with client_of(app) as client, client.stream("GET", "/") as response:
            for _ in range(10 * is_slow):
                await asyncio.sleep(0)
            await response.aread()

    with pytest.raises(LookupError, match="app"):
        await ask()


async def test_an_exception_after_the_client_left_surfaces_at_the_end() -> None:
    """What nobody was there to see is raised when the transport closes, once."""

    async def app(_scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        await read(receive)
        await send(START)
        await send(body(b"x"))
        await receive()
        raise LookupError("late")

    transport = StreamingASGITransport(app)
    client = httpx.AsyncClient(transport=transport, base_url="http://test")
    async with client.stream("GET", "/"):
        pass
    await asyncio.sleep(0)
    with pytest.raises(LookupError, match="late"):
        await transport.aclose()
    await client.aclose()


@pytest.mark.parametrize(
    ("sent", "text"),
    [([], "without sending a response"), ([START, body(b"x")], "incomplete chunked read")],
    ids=["before the head", "in the body"],
)
async def test_an_app_that_returns_early_cuts_the_connection(sent: list[Message], text: str) -> None:
    """An unfinished answer is a protocol error for the client, as on a socket."""

    async def app(_scope: MutableMapping[str, Any], _receive: Receive, send: Send) -> None:
        for message in sent:
            await send(message)

    async with client_of(app) as client:
        with pytest.raises(httpx.RemoteProtocolError, match=text):
            await client.get("/")


async def _silent(_scope: MutableMapping[str, Any], receive: Receive, _send: Send) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


@pytest.mark.virtual_time
async def test_the_read_timeout_of_the_client_holds() -> None:
    """Silence for longer than the read timeout ends the request, without real waiting."""
    async with client_of(_silent) as client:
        started = asyncio.get_running_loop().time()
        with pytest.raises(httpx.ReadTimeout):
            await client.get("/", timeout=httpx.Timeout(None, read=300))
        assert 300 == round(asyncio.get_running_loop().time() - started)


async def test_closing_the_transport_ends_apps_that_still_run() -> None:
    """Nothing outlives the client."""
    cancelled = asyncio.Event()

    async def app(_scope: MutableMapping[str, Any], _receive: Receive, send: Send) -> None:
        try:
            await send(START)
            await send(body(b"x"))
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async with client_of(app) as client, client.stream("GET", "/"):
        pass
    assert cancelled.is_set()


async def test_clients_of_the_continuation_are_served_with_its_own_types() -> None:
    """An httpx2 client, which newer SDKs use, gets httpx2 answers and errors."""

    async def app(_scope: MutableMapping[str, Any], _receive: Receive, send: Send) -> None:
        await send(START)
        await send(body(b"whole"))

    async with httpx2.AsyncClient(transport=StreamingASGITransport(app), base_url="http://test") as client:  # type: ignore[arg-type]
        with pytest.raises(httpx2.RemoteProtocolError):
            await client.get("/")


@pytest.mark.parametrize(
    "message", [body(b"x"), {"type": "http.response.push"}], ids=["body first", "unknown"]
)
async def test_messages_out_of_order_are_the_apps_error(message: Message) -> None:
    """An app that breaks the ASGI protocol hears of it."""

    async def app(_scope: MutableMapping[str, Any], _receive: Receive, send: Send) -> None:
        await send(message)

    async with client_of(app) as client:
        with pytest.raises(RuntimeError, match="unexpected ASGI message"):
            await client.get("/")


def test_closing_on_one_event_loop_leaves_the_others_alone() -> None:
    """A transport may be shared by loops in several threads; each ends what is its own."""
    answering, go_on = threading.Event(), threading.Event()

    async def app(_scope: MutableMapping[str, Any], _receive: Receive, send: Send) -> None:
        await send(START)
        await send(body(b"early "))
        answering.set()
        await asyncio.to_thread(go_on.wait)
        await send(body(b"late", more=False))

    transport = StreamingASGITransport(app)

    async def ask() -> bytes:
        client = httpx.AsyncClient(transport=transport, base_url="http://test")
        return (await client.get("/")).content

    with ThreadPoolExecutor(1) as thread:
        answer = thread.submit(asyncio.run, ask())
        answering.wait()
        asyncio.run(transport.aclose())
        go_on.set()
        assert b"early late" == answer.result()
