"""A client without an event loop gets into an app as one on a socket does."""

import asyncio
import gc
import threading
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from types import ModuleType
from typing import Any

import httpx
import httpx2
import pytest

from packyproxy.testing import Moment, ThreadedASGITransport

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

START = {"type": "http.response.start", "status": 200, "headers": [(b"x-case", b"Kept")]}


def body(data: bytes, *, more: bool = True) -> Message:
    """Return a body message."""
    return {"type": "http.response.body", "body": data, "more_body": more}


def client_of(app: App, library: ModuleType = httpx, **options: Any) -> Any:
    """Return a client of an app."""
    return library.Client(transport=ThreadedASGITransport(app), base_url="http://test", **options)


async def echo(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
    """Answer with the request's body."""
    content, more = b"", True
    while more:
        message = await receive()
        content, more = content + message["body"], message["more_body"]
    await send(START)
    await send(body(content, more=False))


def threads_of_apps() -> list[threading.Thread]:
    """Return the threads in which apps run."""
    return [thread for thread in threading.enumerate() if thread.name == "packyproxy.testing"]


@pytest.fixture(autouse=True)
def _no_thread_stays() -> Iterator[None]:
    assert threads_of_apps() == []
    yield
    assert threads_of_apps() == []


@pytest.mark.parametrize("library", [httpx, httpx2])
def test_a_request_is_answered(library: ModuleType) -> None:
    """Either client library gets answers of its own types."""
    with client_of(echo, library) as client:
        response = client.post("/", content=iter([b"one ", b"two"]))
    assert isinstance(response, library.Response)
    assert (200, "one two", "Kept") == (response.status_code, response.text, response.headers["x-case"])


def test_a_body_is_read_while_the_app_still_runs() -> None:
    """The client gets the first bytes before the app has sent the last."""
    go_on: Moment[None] = Moment()

    async def app(_scope: MutableMapping[str, Any], _receive: Receive, send: Send) -> None:
        await send(START)
        await send(body(b"first"))
        await go_on
        await send(body(b"second", more=False))

    with client_of(app) as client, client.stream("GET", "/") as response:
        chunks = response.iter_raw()
        first = next(chunks)
        go_on.happen(None)
        assert (b"first", [b"second"]) == (first, list(chunks))


def test_closing_the_response_early_disconnects_the_app() -> None:
    """The app learns that its client has left."""
    left: Moment[str] = Moment()

    async def app(_scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        await send(START)
        await send(body(b"first"))
        message = await receive()
        while message["type"] == "http.request":
            message = await receive()
        left.happen(message["type"])

    with client_of(app) as client:
        with client.stream("GET", "/") as response:
            next(response.iter_raw())
        assert "http.disconnect" == left.wait()


def test_an_exception_of_the_app_surfaces() -> None:
    """The client meets the app's own exception."""

    async def app(*_: object) -> None:
        raise ValueError("mistake")

    with client_of(app) as client, pytest.raises(ValueError, match="mistake"):
        client.get("/")


def test_an_exception_after_the_client_left_surfaces_at_the_end() -> None:
    """What nobody was there to see is raised when the client closes."""
    left: Moment[None] = Moment()

    async def app(_scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        await send(START)
        await send(body(b"first"))
        while (await receive())["type"] == "http.request":
            pass
        left.happen(None)
        raise ValueError("unseen")

    client = client_of(app)
    with client.stream("GET", "/"):
        pass
    left.wait()
    with pytest.raises(ValueError, match="unseen"):
        client.close()


@pytest.mark.parametrize("library", [httpx, httpx2])
def test_the_read_timeout_of_the_client_holds(library: ModuleType) -> None:
    """Silence for longer than the read timeout ends the request with the library's own error."""

    async def app(*_: object) -> None:
        await Moment[None]()

    with client_of(app, library, timeout=0.001) as client, pytest.raises(library.ReadTimeout):
        client.get("/")


def test_threads_share_a_client() -> None:
    """Requests of several threads run beside each other, each with its own answer."""
    together = threading.Barrier(4, timeout=10)
    arrived: list[Moment[None]] = [Moment() for _ in range(4)]

    async def app(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        arrived[int(scope["path"].strip("/"))].happen(None)
        for each in arrived:
            await each
        await echo(scope, receive, send)

    with client_of(app) as client, ThreadPoolExecutor(4) as pool:

        def ask(number: int) -> str:
            together.wait()
            return str(client.post(f"/{number}", content=str(number)).text)

        assert ["0", "1", "2", "3"] == list(pool.map(ask, range(4)))


def test_the_app_sees_the_context_of_the_caller() -> None:
    """Context variables cross the border of threads, one way."""
    variable: ContextVar[str] = ContextVar("variable")
    seen: list[str] = []

    async def app(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        seen.append(variable.get())
        variable.set("changed")
        await echo(scope, receive, send)

    variable.set("caller")
    with client_of(app) as client:
        client.get("/")
    assert (["caller"], "caller") == (seen, variable.get())


def test_an_app_that_calls_itself_is_told_so() -> None:
    """Blocking in the app's own thread would wait for ever; it is an error instead."""
    client: Any = None

    async def app(_scope: MutableMapping[str, Any], _receive: Receive, _send: Send) -> None:
        client.get("/again")

    client = client_of(app)
    with client, pytest.raises(RuntimeError, match="use an async one"):
        client.get("/")


def test_whoever_stops_waiting_has_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that is interrupted leaves nothing running in the thread of the app."""
    called, left = Moment[None](), Moment[str]()

    async def app(_scope: MutableMapping[str, Any], receive: Receive, _send: Send) -> None:
        called.happen(None)
        message = await receive()
        while message["type"] == "http.request":
            message = await receive()
        left.happen(message["type"])

    submit = asyncio.run_coroutine_threadsafe

    def submit_and_interrupt(*arguments: Any) -> Any:
        running = submit(*arguments)
        running.result = interrupt  # type: ignore[method-assign]  # as Ctrl-C does while it blocks
        return running

    def interrupt(timeout: float | None = None) -> Any:
        called.wait()
        raise KeyboardInterrupt

    with client_of(app, timeout=None) as client:
        with monkeypatch.context() as patch:
            patch.setattr(asyncio, "run_coroutine_threadsafe", submit_and_interrupt)
            with pytest.raises(KeyboardInterrupt):
                client.get("/")
        assert "http.disconnect" == left.wait()


def test_a_response_outlives_its_client() -> None:
    """Whoever keeps only the response can read it to its end."""
    go_on: Moment[None] = Moment()

    async def app(_scope: MutableMapping[str, Any], _receive: Receive, send: Send) -> None:
        await send(START)
        await send(body(b"early "))
        await go_on
        await send(body(b"late", more=False))

    client = client_of(app)
    response = client.send(client.build_request("GET", "/"), stream=True)
    del client
    gc.collect()
    go_on.happen(None)
    assert b"early late" == response.read()
    [thread] = threads_of_apps()
    del response
    gc.collect()
    thread.join()


def test_closing_the_client_ends_an_open_response() -> None:
    """An answer that is still open then can be closed, but not read any more."""

    async def app(_scope: MutableMapping[str, Any], _receive: Receive, send: Send) -> None:
        await send(START)
        await send(body(b"first"))
        await Moment[None]()

    client = client_of(app)
    response = client.send(client.build_request("GET", "/"), stream=True)
    client.close()
    with pytest.raises(RuntimeError, match="was closed"):
        response.read()
    response.close()


def test_closing_the_client_ends_a_request_that_waits() -> None:
    """A thread that waits for an answer is told when another one closes the client."""
    asked: Moment[None] = Moment()

    async def app(*_: object) -> None:
        asked.happen(None)
        await Moment[None]()

    client = client_of(app)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(client.get, "/")
        asked.wait()
        client.close()
        error = waiting.exception(timeout=10)
    assert isinstance(error, RuntimeError | httpx.RemoteProtocolError)


def test_a_transport_is_closed_while_others_begin_to_use_it() -> None:
    """Whoever comes when it is being closed gets a thread of his own, and each close ends its own requests."""
    transport = ThreadedASGITransport(echo)

    def ask(_: int) -> bytes:
        response = transport.handle_request(httpx.Request("POST", "http://test/", content=b"x"))
        try:
            return response.read()
        finally:
            transport.close()

    with ThreadPoolExecutor(4) as pool:
        answers = [pool.submit(ask, number) for number in range(40)]
    transport.close()
    errors = {type(answer.exception()) for answer in answers}
    assert {b"x"} == {answer.result() for answer in answers if answer.exception() is None}
    assert errors <= {type(None), RuntimeError, httpx.RemoteProtocolError}


def test_a_transport_can_be_used_again_after_it_was_closed() -> None:
    """Closing ends the thread, and a later request starts another one."""
    transport = ThreadedASGITransport(echo)
    for content in (b"one", b"two"):
        response = transport.handle_request(httpx.Request("POST", "http://test/", content=content))
        assert content == response.read()
        transport.close()
    transport.close()


def test_a_client_that_nobody_closes_ends_its_thread() -> None:
    """The thread lives no longer than the transport."""
    client = client_of(echo)
    client.get("/")
    [thread] = threads_of_apps()
    del client
    gc.collect()
    thread.join(timeout=10)
    assert not thread.is_alive()
