"""How bytes leave and when connections end, over loopback."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from packyproxy.cli.connection import ServerConfig
from packyproxy.cli.server import Stop, bind, serve_app

REQUEST = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"
END = b"0\r\n\r\n"
PIECE = b"x" * 30_000


class Answering:
    """Answers with these pieces, and waits before the last when it is told to."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = pieces
        self.sent = 0
        self.may_end = asyncio.Event()
        self.may_end.set()
        self.has_begun = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        self.has_begun.set()
        for piece in self.pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            self.sent += 1
        await self.may_end.wait()
        await send({"type": "http.response.body", "body": b""})


@asynccontextmanager
async def served(
    app: Any, *, linger_seconds: float = 0.0
) -> AsyncIterator[tuple[int, Stop, "asyncio.Task[None]"]]:
    """Serve an app; yields the port, what ends the server, and the server."""
    listener, stop = bind("127.0.0.1", 0), Stop()
    port = listener.getsockname()[1]
    server = asyncio.create_task(
        serve_app(app, listener, stop, grace_seconds=60.0, linger_seconds=linger_seconds)
    )
    try:
        async with asyncio.timeout(10):
            yield port, stop, server
    finally:
        stop.ask()
        stop.ask()
        await server


async def test_a_short_answer_leaves_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Head, body and end are one write."""
    async with served(Answering(b"body")) as (port, _, _server):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(REQUEST)
        writes: list[bytes] = []
        write = asyncio.StreamWriter.write

        def note(self: asyncio.StreamWriter, data: bytes) -> None:
            writes.append(data)
            write(self, data)

        monkeypatch.setattr(asyncio.StreamWriter, "write", note)
        answer = await reader.readuntil(END)
        writer.close()
    assert [answer] == writes


@pytest.mark.parametrize("requests_before", [0, 1], ids=["new connection", "used connection"])
async def test_a_request_on_its_way_when_the_server_ends_is_answered(
    requests_before: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection that was opened or used a moment ago gets one more answer, which says that it is the last."""
    async with served(Answering(b"body"), linger_seconds=60.0) as (port, stop, server):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(requests_before):
            writer.write(REQUEST)
            await reader.readuntil(END)
        monkeypatch.setattr("packyproxy.cli.server._LAST_ACCEPT_SECONDS", 0.0)
        stop.ask()
        for _ in range(50):  # far more turns of the loop than it takes to close what is idle
            await asyncio.sleep(0)
        writer.write(REQUEST)
        answer = await reader.read()
        writer.close()
        await server
    assert answer.endswith(END)
    assert b"\r\nconnection: close\r\n" in answer.lower()


async def test_who_sends_nothing_is_waited_for_no_longer_than_that() -> None:
    """The server ends when connections that nobody uses have had their time."""
    async with served(Answering(b"body"), linger_seconds=0.05) as (port, stop, server):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(REQUEST)
        await reader.readuntil(END)
        stop.ask()
        await server
        assert b"" == await reader.read()
        writer.close()


async def test_what_is_there_does_not_wait_for_more() -> None:
    """The first event is the client's while the answer is still being made."""
    app = Answering(b"first")
    app.may_end.clear()
    async with served(app) as (port, _, _server):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(REQUEST)
        await reader.readuntil(b"first\r\n")
        app.may_end.set()
        assert END == await reader.readexactly(len(END))
        writer.close()


async def test_a_long_answer_arrives_whole() -> None:
    """Also one that the application sends faster than its client takes it."""
    async with served(Answering(*[PIECE] * 400)) as (port, _, _server):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(REQUEST)
        await reader.readuntil(b"\r\n\r\n")
        chunk = b"%x\r\n%b\r\n" % (len(PIECE), PIECE)
        assert chunk * 400 + END == await reader.readexactly(len(chunk) * 400 + len(END))
        writer.close()


async def test_a_client_that_does_not_read_holds_the_application_back() -> None:
    """What waits for it is what the sockets hold, and little more."""
    app = Answering(*[PIECE] * 2000)
    async with served(app) as (port, _, _server):
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_connection(asyncio.Protocol, "127.0.0.1", port)
        transport.pause_reading()
        transport.write(REQUEST)
        await app.has_begun.wait()
        before, turns_without_progress = -1, 0
        while turns_without_progress < 300:
            await asyncio.sleep(0)
            turns_without_progress = turns_without_progress + 1 if app.sent == before else 0
            before = app.sent
        held_back_at = app.sent
        transport.abort()
    assert held_back_at < 1000


async def test_several_requests_at_once_are_answered_in_order() -> None:
    """A client need not wait for one answer before it sends the next request."""
    async with served(Answering(b"body")) as (port, _, _server):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(REQUEST * 3)
        answers = [await reader.readuntil(END) for _ in range(3)]
        writer.close()
    assert [True] * 3 == [b"4\r\nbody\r\n" in answer for answer in answers]


async def test_a_last_answer_arrives_whole_and_ends_the_connection() -> None:
    """A client that says it will not ask again is given everything before the server hangs up."""
    async with served(Answering(*[PIECE] * 100)) as (port, _, _server):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(REQUEST.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n"))
        answer = await reader.read()
        writer.close()
    assert (100, True) == (answer.count(PIECE), answer.endswith(END))


async def test_an_idle_connection_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the keep-alive time, counted from the last answer."""
    monkeypatch.setattr("packyproxy.cli.server._KEEP_ALIVE_SECONDS", 0.05)
    async with served(Answering(b"body")) as (port, _, _server):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(REQUEST)
        await reader.readuntil(END)
        assert b"" == await reader.read()
        writer.close()


async def test_an_answer_may_take_longer_than_idleness(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is idle that is being answered."""
    monkeypatch.setattr("packyproxy.cli.server._KEEP_ALIVE_SECONDS", 0.05)
    app = Answering(b"body")
    app.may_end.clear()
    async with served(app) as (port, _, _server):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(REQUEST)
        await app.has_begun.wait()
        asyncio.get_running_loop().call_later(0.2, app.may_end.set)
        assert (await reader.readuntil(END)).endswith(END)
        writer.close()


@pytest.mark.parametrize("has_asked", [True, False], ids=["after an answer", "before any"])
async def test_an_idle_connection_ends_with_the_server(has_asked: bool) -> None:
    """Whoever stops the server does not wait for those that only stay connected."""
    async with served(Answering(b"body")) as (port, stop, server):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        # A first connection that was answered says that the other has been accepted, too.
        other_reader, other_writer = await asyncio.open_connection("127.0.0.1", port)
        (writer if has_asked else other_writer).write(REQUEST)
        await (reader if has_asked else other_reader).readuntil(END)
        stop.ask()
        assert b"" == await reader.read()
        await server
        writer.close()
        other_writer.close()


async def test_a_client_that_leaves_early_harms_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """What was to be written to it is dropped without a word."""
    app = Answering(b"first")
    app.may_end.clear()
    async with served(app) as (port, stop, server):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(REQUEST)
        await reader.readuntil(b"first\r\n")
        writer.transport.abort()
        with suppress(OSError):
            await writer.wait_closed()
        app.may_end.set()
        stop.ask()
        await server
    assert [] == [record for record in caplog.records if record.levelname in {"WARNING", "ERROR"}]


def test_the_date_is_that_of_the_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is written once for all answers of a second."""
    now = [1_000_000_000.9]
    monkeypatch.setattr("packyproxy.cli.connection.time", lambda: now[0])
    monkeypatch.setattr("hypercorn.config.time", lambda: now[0])
    config = ServerConfig()
    first, second = config.response_headers("h11"), config.response_headers("h11")
    now[0] = 1_000_000_001.0
    assert first is second
    assert (b"date", b"Sun, 09 Sep 2001 01:46:41 GMT") in config.response_headers("h11")
