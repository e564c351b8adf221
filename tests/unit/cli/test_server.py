"""Serving and ending in order, over loopback."""

import asyncio
import logging
import os
import signal
import socket
import sys
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from packyproxy.cli.failures import CommandFailed
from packyproxy.cli.server import (
    Stop,
    bind,
    is_loopback,
    keep_freed_memory,
    local_url,
    loop_name,
    run_in_loop,
    serve_app,
    server_url,
)

PAUSE_SECONDS = 0.05
"""Between two looks: whom asyncio takes in while it closes the port, it drops half made, and Python complains."""
REQUEST = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"


class SlowApp:
    """Sends half an answer, waits to be released, and sends the rest."""

    def __init__(self) -> None:
        self.is_halfway = asyncio.Event()
        self.release = asyncio.Event()
        self.was_cut_off = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"first", "more_body": True})
        self.is_halfway.set()
        try:
            await self.release.wait()
        except asyncio.CancelledError:
            self.was_cut_off.set()
            raise
        await send({"type": "http.response.body", "body": b"second"})


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def is_accepting(port: int) -> bool:
    try:
        async with connected(port):
            return True
    except OSError:
        return False


@asynccontextmanager
async def halfway(
    app: Any, slow: SlowApp, stop: Stop, grace_seconds: float, request: bytes = REQUEST
) -> AsyncIterator[tuple[Any, Any, int]]:
    """Serve, and send a request whose answer stands half-way; yields the server, the reader and the port."""
    listener = bind("127.0.0.1", 0)
    port = listener.getsockname()[1]
    server = asyncio.create_task(serve_app(app, listener, stop, grace_seconds=grace_seconds))
    async with connected(port) as (reader, writer):
        writer.write(request)
        await slow.is_halfway.wait()
        yield server, reader, port


async def test_a_running_answer_is_finished_and_no_new_one_begun() -> None:
    """Asked to stop, the server closes its port and lets the stream come to its end."""
    app, stop = SlowApp(), Stop()
    async with asyncio.timeout(10), halfway(app, app, stop, 5.0) as (server, reader, port):
        stop.ask()
        while await is_accepting(port):  # noqa: ASYNC110 - nobody in this process is told
            await asyncio.sleep(PAUSE_SECONDS)
        app.release.set()
        answer = await reader.read()
        await server
    assert b"second" in answer
    assert not app.was_cut_off.is_set()


@pytest.mark.parametrize(("grace_seconds", "asks"), [(60.0, 2), (0.05, 1)], ids=["insisting", "out of grace"])
async def test_a_running_answer_is_cut_off(
    grace_seconds: float, asks: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Asked twice, or once and out of patience, the server ends without the answer, and says so and no more."""
    app, stop = SlowApp(), Stop()
    async with asyncio.timeout(10), halfway(app, app, stop, grace_seconds) as (server, _, _port):
        for _ in range(asks):
            stop.ask()
        await server
        await app.was_cut_off.wait()
    assert ["cut_off"] == [record.event for record in caplog.records if record.levelno >= logging.WARNING]  # type: ignore[attr-defined]


async def test_who_only_waits_is_not_cut_off(caplog: pytest.LogCaptureFixture) -> None:
    """Without grace, a connection on which nothing is asked ends with the server, and nothing is said of it."""
    listener, stop = bind("127.0.0.1", 0), Stop()
    server = asyncio.create_task(serve_app(SlowApp(), listener, stop, grace_seconds=0.0))
    async with asyncio.timeout(10), connected(listener.getsockname()[1]) as (reader, _):
        stop.ask()
        await server
        assert b"" == await reader.read()
    assert [] == [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_a_loop_without_signals_hears_of_them_by_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows' event loop takes no handlers; whoever asks is heard all the same."""
    loop, stop, heard = asyncio.get_running_loop(), Stop(), []

    def refuse(*_: object) -> None:
        raise NotImplementedError

    before = signal.getsignal(signal.SIGUSR2)
    monkeypatch.setattr(loop, "add_signal_handler", refuse, raising=False)
    try:
        stop.on_signals(signal.SIGUSR2, first=lambda: heard.append("first"))
        os.kill(os.getpid(), signal.SIGUSR2)
        async with asyncio.timeout(10):
            await stop.asked.wait()
    finally:
        signal.signal(signal.SIGUSR2, before)
    assert ["first"] == heard


async def test_a_worker_is_told_apart_who_asks_from_who_insists() -> None:
    """One signal is a wish however often it comes; only the other one ends answers at once."""
    stop, loop = Stop(), asyncio.get_running_loop()
    stop.obey(ask=signal.SIGUSR2, insist=signal.SIGUSR1)
    try:
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGUSR2)
            await stop.asked.wait()
        await asyncio.sleep(0)
        assert not stop.insisted.is_set()
        os.kill(os.getpid(), signal.SIGUSR1)
        async with asyncio.timeout(10):
            await stop.insisted.wait()
    finally:
        for number in (signal.SIGUSR1, signal.SIGUSR2):
            loop.remove_signal_handler(number)


async def test_a_connection_that_its_client_closes_is_closed() -> None:
    """Between two requests, too: nothing of it waits for the keep-alive time."""
    app, stop = SlowApp(), Stop()
    app.release.set()
    async with asyncio.timeout(10), halfway(app, app, stop, 5.0) as (server, reader, port):
        await reader.readuntil(b"0\r\n\r\n")
        before = len(asyncio.all_tasks())
        async with connected(port) as (other_reader, writer):
            writer.write(REQUEST)
            await other_reader.readuntil(b"0\r\n\r\n")
            assert len(asyncio.all_tasks()) > before
        while True:
            if len(asyncio.all_tasks()) <= before:
                break
            await asyncio.sleep(0)
        stop.ask()
        await server


async def test_a_request_is_not_kept_while_its_answer_streams() -> None:
    """The connection lets go of what it read last before it waits for more."""
    size = 30_000
    request = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n" % size + bytes(size)
    slow, stop = SlowApp(), Stop()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while scope["type"] == "http" and (await receive())["more_body"]:
            pass
        await slow(scope, receive, send)

    tracemalloc.start()
    try:
        async with asyncio.timeout(10), halfway(app, slow, stop, 5.0, request) as (server, _, _port):
            streams = tracemalloc.Filter(inclusive=True, filename_pattern=asyncio.streams.__file__)
            kept = [trace.size for trace in tracemalloc.take_snapshot().filter_traces([streams]).traces]
            slow.release.set()
            stop.ask()
            await server
    finally:
        tracemalloc.stop()
    assert max(kept) < size


async def test_an_app_that_fails_to_start_is_told() -> None:
    """A failing lifespan is an error of the command, not a server without an app."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no"})

    with pytest.raises(CommandFailed, match="the server ended with LifespanFailureError"):
        await serve_app(app, bind("127.0.0.1", 0), Stop(), grace_seconds=1.0)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        ("LOCALHOST.", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.1", False),
        ("localhost.example", False),
    ],
)
def test_loopback_is_recognised(host: str, expected: bool) -> None:
    """Only addresses that no other machine can reach count."""
    assert expected == is_loopback(host)


@pytest.mark.parametrize(
    ("family", "host", "shown"),
    [
        (socket.AF_INET, "127.0.0.1", "127.0.0.1"),
        (socket.AF_INET, "0.0.0.0", "127.0.0.1"),
        (socket.AF_INET6, "::1", "[::1]"),
        (socket.AF_INET6, "::", "[::1]"),
    ],
)
def test_the_printed_url_works_on_this_machine(family: int, host: str, shown: str) -> None:
    """The real port, and an address that a client can use."""
    if family == socket.AF_INET6 and not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    with bind(host, 0) as listener:
        assert f"http://{shown}:{listener.getsockname()[1]}" == server_url(listener)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8317"),
        ("0.0.0.0", "http://127.0.0.1:8317"),
        ("::", "http://[::1]:8317"),
        ("::1", "http://[::1]:8317"),
        ("proxy.example", "http://proxy.example:8317"),
    ],
)
def test_the_url_for_clients_on_this_machine(host: str, url: str) -> None:
    """An address that stands for all is not one to connect to."""
    assert url == local_url(host, 8317)


def test_an_address_of_another_machine_cannot_be_bound() -> None:
    """The error names host and port, and which setting to change."""
    said = (
        r"cannot listen on 192\.0\.2\.1 port 0 \(.*\): it is no address of this machine: set host or --host"
    )
    with pytest.raises(CommandFailed, match=said):
        bind("192.0.2.1", 0)


def test_a_name_without_address_cannot_be_bound() -> None:
    """The error says which setting to change."""
    with pytest.raises(CommandFailed, match="set host or --host"):
        bind("no-such-host.invalid", 0)


@pytest.mark.parametrize("is_installed", [True, False])
def test_the_loop_that_runs_has_the_name_that_is_told(
    monkeypatch: pytest.MonkeyPatch, is_installed: bool
) -> None:
    """uvloop's where it is installed, else asyncio's own."""
    if not is_installed:
        monkeypatch.setitem(sys.modules, "uvloop", None)
    modules = []

    async def look() -> int:
        modules.append(type(asyncio.get_running_loop()).__module__.partition(".")[0])
        return 3

    assert 3 == run_in_loop(look)
    assert [loop_name()] == modules == ["uvloop" if is_installed else "asyncio"]


class Allocator:
    """Stands for the C library."""

    def __init__(self) -> None:
        self.options: dict[int, int] = {}

    def mallopt(self, option: int, value: int) -> int:
        """Keep what is asked for."""
        self.options[option] = value
        return 1


def test_freed_memory_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Up to a bound, and not that of bodies beyond any usual size."""
    library = Allocator()
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr("ctypes.CDLL", lambda _: library)
    keep_freed_memory()
    assert {-1: 16 << 20, -3: 4 << 20} == library.options


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_another_allocator_is_left_alone(platform: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as that of Alpine Linux, which has no such options."""
    asked: list[object] = []

    def load(name: object) -> object:
        asked.append(name)
        return object()

    monkeypatch.setattr("sys.platform", platform)
    monkeypatch.setattr("ctypes.CDLL", load)
    keep_freed_memory()
    assert (platform == "linux") == bool(asked)
