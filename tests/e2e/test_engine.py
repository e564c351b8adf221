"""What our own connections put on the wire, and which of them serve again."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import httpx
import pytest

from packyproxy.errors import UpstreamFailed
from packyproxy.providers.request import UpstreamRequest
from packyproxy.runtime.upstream import Upstream, UpstreamResponse
from packyproxy.runtime.upstream.engine import Engine

pytestmark = pytest.mark.e2e

CERTIFICATE = Path(__file__).parents[1] / "corpus" / "tls" / "localhost.pem"
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
HEADERS = (("content-type", "application/json"), ("accept", "text/event-stream"), ("x-Own", "a b"))


class Wire:
    """A socket that keeps what it was sent and answers each request with bytes."""

    def __init__(self) -> None:
        self.port = 0
        self.answers = [OK]
        """Each serves one request, the last all others; an empty one hangs up."""
        self.received: list[bytes] = []
        self.connections = 0
        self.reads_bodies = True

    @property
    def origin(self) -> str:
        """The URL in front of every path."""
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer on one connection until it ends."""
        self.connections += 1
        try:
            while await self._answer(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(line for line in head.split(b"\r\n") if line.startswith(b"Content-Length: "))
        body = await reader.readexactly(int(length.split()[1])) if self.reads_bodies else b""
        self.received.append(head + body)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        writer.write(answer)
        await writer.drain()
        return bool(answer)


@pytest.fixture
async def wire() -> AsyncIterator[Wire]:
    """A listening socket."""
    wire = Wire()
    server = await asyncio.start_server(wire.serve, "127.0.0.1", 0)
    wire.port = server.sockets[0].getsockname()[1]
    async with asyncio.timeout(10):
        yield wire
    server.close()


@pytest.fixture
async def make() -> AsyncIterator[Callable[..., Upstream]]:
    """Make upstreams that are closed at the end."""
    made: list[Upstream] = []

    def make(**arguments: object) -> Upstream:
        made.append(Upstream(**arguments))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for each in made:
        await each.aclose()


async def _whole(opened: Awaitable[UpstreamResponse]) -> tuple[int, bytes]:
    response = await opened
    body = b"".join([piece async for piece in response])
    await response.finish()
    return response.status, body


async def test_a_request_goes_out_as_it_is_laid_down(wire: Wire, make: Callable[..., Upstream]) -> None:
    """Host first, the headers in their order and writing, the length last, and nothing of the client's own."""
    answer = await _whole(make().open(UpstreamRequest(f"{wire.origin}/v1/r?a=%2F%20b", HEADERS, b"{}")))
    expected = (
        f"POST /v1/r?a=%2F%20b HTTP/1.1\r\nHost: 127.0.0.1:{wire.port}\r\n"
        "content-type: application/json\r\naccept: text/event-stream\r\nx-Own: a b\r\n"
        "Content-Length: 2\r\n\r\n{}"
    ).encode()
    assert ([expected], (200, b"ok")) == (wire.received, answer)


async def test_through_wrappers_the_same_goes_out(wire: Wire, make: Callable[..., Upstream]) -> None:
    """Whoever looks at what passes does not change it."""
    request = UpstreamRequest(f"{wire.origin}/v1/r", HEADERS, b"{}")
    seen: list[httpx.AsyncBaseTransport] = []

    def wrap(transport: httpx.AsyncBaseTransport) -> httpx.AsyncBaseTransport:
        seen.append(transport)
        return transport

    answers = [await _whole(make(wrappers=wrappers).open(request)) for wrappers in ((), (wrap, wrap))]
    assert wire.received[0] == wire.received[1]
    assert ([(200, b"ok")] * 2, 2) == (answers, len(seen))


async def test_a_proxy_is_asked_for_the_whole_url(wire: Wire, make: Callable[..., Upstream]) -> None:
    """It is given its own credentials, and those alone, again on a connection that is used again."""
    upstream = make(proxy_url=f"http://us:pw@127.0.0.1:{wire.port}")
    for _ in range(2):
        await _whole(upstream.open(UpstreamRequest("http://up.test/v1/r", (("a", "b"),), b"{}")))
    expected = (
        b"POST http://up.test/v1/r HTTP/1.1\r\nHost: up.test\r\na: b\r\nContent-Length: 2\r\n"
        b"Proxy-Authorization: Basic dXM6cHc=\r\n\r\n{}"
    )
    assert ([expected, expected], 1) == (wire.received, wire.connections)


@pytest.mark.parametrize("size", [0, 1, 65536, 65537, 3_000_000])
async def test_a_body_of_any_size_arrives(wire: Wire, make: Callable[..., Upstream], size: int) -> None:
    """Small ones leave together with the head, large ones behind it."""
    body = bytes(range(256)) * (size // 256 + 1)
    await _whole(make().open(UpstreamRequest(f"{wire.origin}/", (), body[:size])))
    assert body[:size] == wire.received[0].partition(b"\r\n\r\n")[2]


async def test_what_comes_before_the_answer_is_passed_over(wire: Wire, make: Callable[..., Upstream]) -> None:
    """Early hints and the like are none."""
    wire.answers = [b"HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" + OK]
    assert (200, b"ok") == await _whole(make().open(UpstreamRequest(f"{wire.origin}/", (), b"{}")))


@pytest.mark.parametrize(("method", "is_answered"), [("GET", True), ("POST", False)])
async def test_a_pooled_connection_that_is_closed(
    wire: Wire, make: Callable[..., Upstream], method: str, is_answered: bool
) -> None:
    """A request that changes nothing is asked again; one that might cost twice is not."""
    wire.answers = [OK, b"", OK]
    upstream, request = make(), UpstreamRequest(f"{wire.origin}/", (), b"", method)
    await _whole(upstream.open(request))
    if is_answered:
        assert (200, b"ok") == await _whole(upstream.open(request))
    else:
        with pytest.raises(UpstreamFailed):
            await upstream.open(request)
    assert (2 if is_answered else 1) == wire.connections


async def test_an_answer_before_the_request_is_there_ends_the_connection(
    wire: Wire, make: Callable[..., Upstream]
) -> None:
    """What is left of the body would be taken for the next request."""
    wire.reads_bodies = False
    wire.answers = [b"HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno", OK]
    upstream = make()
    refused = await _whole(upstream.open(UpstreamRequest(f"{wire.origin}/", (), b"x" * 50_000_000)))
    answered = await _whole(upstream.open(UpstreamRequest(f"{wire.origin}/", (), b"{}")))
    assert ((413, b"no"), (200, b"ok"), 2) == (refused, answered, wire.connections)


async def test_a_half_read_answer_ends_its_connection(wire: Wire, make: Callable[..., Upstream]) -> None:
    """Its rest would be taken for the next answer."""
    wire.answers = [b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhal", OK]
    upstream, request = make(), UpstreamRequest(f"{wire.origin}/", (), b"{}")
    response = await upstream.open(request)
    assert b"hal" == await anext(response)
    await response.aclose()
    assert ((200, b"ok"), 2) == (await _whole(upstream.open(request)), wire.connections)


async def test_what_is_no_http_is_no_answer(wire: Wire, make: Callable[..., Upstream]) -> None:
    """Like a port of another service."""
    wire.answers = [b"SSH-2.0-OpenSSH_9.6\r\n\r\n"]
    with pytest.raises(UpstreamFailed):
        await make().open(UpstreamRequest(f"{wire.origin}/", (), b"{}"))


@pytest.mark.parametrize("text", ["a\r\nb: c", "a\nb: c", "a\rb", "a\x85b"])
async def test_no_header_breaks_its_line(wire: Wire, make: Callable[..., Upstream], text: str) -> None:
    """The settings and the allow-list let none through; if one came all the same, nothing would be sent."""
    with pytest.raises(ValueError, match="line break"):
        await make().open(UpstreamRequest(f"{wire.origin}/", (("a", text),), b"{}"))
    assert [] == wire.received


async def test_headers_that_come_twice_are_joined(wire: Wire, make: Callable[..., Upstream]) -> None:
    """They are found by their lower-case names, however they were written."""
    wire.answers = [b"HTTP/1.1 200 OK\r\nX-A: 1\r\nx-a: 2\r\nContent-Length: 0\r\nX-B: \xe9\r\n\r\n"]
    response = await make().open(UpstreamRequest(f"{wire.origin}/", (), b"{}"))
    await response.aclose()
    assert {"x-a": "1, 2", "content-length": "0", "x-b": "\xe9"} == response.headers


async def test_what_is_kept_for_urls_is_bounded(wire: Wire) -> None:
    """Clients choose the query of some."""
    engine = Engine()
    for number in range(300):
        answer = await engine.send(UpstreamRequest(f"{wire.origin}/models?v={number}", (), b"", "GET"))
        while await answer.read():
            pass
        await answer.aclose()
    assert (True, 1) == (len(engine._routes) <= 256, wire.connections)
    await engine.aclose()


async def test_what_still_comes_under_tls_is_no_error() -> None:
    """An answer that is let go before its end leaves nothing behind that asyncio would log when a command ends."""
    peers: list[asyncio.StreamWriter] = []

    async def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peers.append(writer)
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n")

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    engine = Engine(ssl_context=ssl.create_default_context(cafile=CERTIFICATE))
    async with await asyncio.start_server(begin, "127.0.0.1", 0, ssl=context) as server:
        url = f"https://localhost:{server.sockets[0].getsockname()[1]}/v1/responses"
        answer = await engine.send(UpstreamRequest(method="POST", url=url, headers=(), body=b"{}"))
        assert b"hello" == await answer.read()
        lost = answer._lost
        assert lost is not None
        peers[0].write(b"0\r\n\r\n")
        await answer.aclose()
        await asyncio.wait([lost], timeout=5)
        assert lost.exception() is None
        peers[0].transport.abort()
        await engine.aclose()
