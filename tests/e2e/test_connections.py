"""What becomes of the connections to the upstream, on real sockets."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from packyproxy import PackyProxy
from packyproxy.errors import UpstreamFailed
from packyproxy.providers.request import UpstreamRequest
from packyproxy.runtime.upstream import Upstream
from packyproxy.testing import StreamingASGITransport
from tests.support.servers import PROVIDER_KEY

pytestmark = pytest.mark.e2e

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
EVENTS = (
    b'data: {"type":"response.output_item.added","output_index":0,"item":{"type":"message"}}\n\n'
    b'data: {"type":"response.output_text.delta","output_index":0,"content_index":0,"delta":"hi there"}\n\n'
    b'data: {"type":"response.completed","response":{"status":"completed"}}\n\n'
)
DELTA = b'data: {"type":"response.output_text.delta","output_index":0,"content_index":0,"delta":"more "}\n\n'
END = b"0\r\n\r\n"


def chunk(data: bytes) -> bytes:
    """Frame bytes as one HTTP chunk."""
    return b"%x\r\n%s\r\n" % (len(data), data)


class RawUpstream:
    """A socket that speaks just enough HTTP, and lets the test decide when each write leaves."""

    def __init__(self) -> None:
        self.connections = 0
        self.may_end = asyncio.Event()
        self.is_endless = False
        self.lost = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer requests on one connection until it ends."""
        self.connections += 1
        try:
            while await self._answer(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.lost.set()
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await reader.readexactly(int(length.partition(b":")[2]))
        writer.write(HEAD)
        if self.is_endless:
            while True:
                writer.write(chunk(DELTA))
                await writer.drain()
                await asyncio.sleep(0)
        writer.write(chunk(EVENTS))
        await writer.drain()
        await self.may_end.wait()
        writer.write(END)
        await writer.drain()
        return True


@pytest.fixture
async def upstream() -> AsyncIterator[tuple[RawUpstream, int]]:
    """A raw upstream and its port."""
    raw = RawUpstream()
    server = await asyncio.start_server(raw.serve, "127.0.0.1", 0)
    yield raw, server.sockets[0].getsockname()[1]
    raw.may_end.set()
    server.close()


async def ask(proxy: PackyProxy, **fields: object) -> dict[str, object]:
    """Send one request through the proxy."""
    body = {"model": "gpt-5", "max_tokens": 500, "messages": [{"role": "user", "content": "hi"}], **fields}
    async with httpx.AsyncClient(
        transport=StreamingASGITransport(proxy), base_url="http://proxy.test"
    ) as client:
        answer: dict[str, object] = (await client.post("/v1/messages", json=body)).json()
        return answer


async def finished() -> None:
    """Wait until the proxy has read its last answer to the end."""
    tasks = [task for task in asyncio.all_tasks() if "_read_to_end" in repr(task.get_coro())]
    assert tasks, "nothing was left to read"
    await asyncio.wait(tasks)


def proxy_of(port: int, scheme: str = "http") -> PackyProxy:
    """Return a proxy in front of a port."""
    return PackyProxy(
        {
            "packycode": {
                "enabled": True,
                "base-url": f"{scheme}://127.0.0.1:{port}/v1",
                "credentials": {"openai-api-key": PROVIDER_KEY},
            }
        }
    )


async def test_a_connection_is_used_again(upstream: tuple[RawUpstream, int]) -> None:
    """The end of the HTTP message may come after the last event: the answer does not wait, the connection does."""
    raw, port = upstream
    async with proxy_of(port) as proxy:
        first = await ask(proxy)
        raw.may_end.set()
        await finished()
        second = await ask(proxy)
    assert first["stop_reason"] == second["stop_reason"] == "end_turn"
    assert raw.connections == 1


async def test_an_upstream_that_goes_on_talking_is_cut_off(upstream: tuple[RawUpstream, int]) -> None:
    """An answer that ended at a limit of the client's is not paid for to its end."""
    raw, port = upstream
    raw.is_endless = True
    async with proxy_of(port) as proxy:
        answer = await ask(proxy, max_tokens=3)
        async with asyncio.timeout(5):
            await raw.lost.wait()
    assert answer["stop_reason"] == "max_tokens"


async def test_stopping_does_not_wait_for_what_is_left(upstream: tuple[RawUpstream, int]) -> None:
    """A proxy that ends takes the connections with it, also those that are being finished."""
    raw, port = upstream
    async with proxy_of(port) as proxy:
        await ask(proxy)
    raw.may_end.set()
    async with asyncio.timeout(5):
        await raw.lost.wait()


async def test_a_handshake_that_never_comes_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """TLS has a limit of its own: a port that accepts and says nothing is a 504, not a wait for headers."""
    monkeypatch.setattr("packyproxy.runtime.upstream.engine.CONNECT_SECONDS", 0.1)
    monkeypatch.setattr("packyproxy.runtime.upstream.engine._TLS_SECONDS", 0.1)
    hung_up = asyncio.Event()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        hung_up.set()
        writer.close()

    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    async with server, proxy_of(server.sockets[0].getsockname()[1], "https") as proxy, asyncio.timeout(10):
        answer = await ask(proxy)
        await hung_up.wait()
    error = answer["error"]
    assert isinstance(error, dict)
    assert error["type"] == "timeout_error"


async def test_a_stream_that_breaks_between_two_chunks_is_over_at_once() -> None:
    """As when a gateway writes its own error page into the stream; nobody waits for the idle limit."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(HEAD + chunk(DELTA))
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.write(b"HTTP/1.1 502 Bad Gateway\r\n\r\n")
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    upstream = Upstream()
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1/responses"
    async with server, asyncio.timeout(5):
        response = await upstream.open(UpstreamRequest(url, (), b"{}"))
        assert DELTA == await anext(response)
        with pytest.raises(UpstreamFailed):
            await anext(response)
        await response.aclose()
        await upstream.aclose()
