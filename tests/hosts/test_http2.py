"""HTTP/2, where many requests share a connection: a client leaves one of them, and the others go on."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived

from packyproxy import PackyProxy
from packyproxy.testing import FakeUpstream, Fault, StreamingASGITransport
from tests.support.asgi_servers import under_hypercorn
from tests.support.settings import provider
from tests.support.surfaces import MESSAGES

pytestmark = pytest.mark.e2e

SOON_SECONDS = 5.0


class Connection:
    """A client's side; httpx has one, but does not tell the server that it leaves (0.28)."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._h2 = H2Connection(H2Configuration(client_side=True))
        self._h2.initiate_connection()
        self._read: dict[int, bytes] = {}

    def ask(self) -> int:
        """Ask for a streamed answer; return the number of the stream."""
        body = json.dumps({**MESSAGES.hello, "stream": True}).encode()
        stream = self._h2.get_next_available_stream_id()
        head = {":method": "POST", ":path": "/v1/messages", ":scheme": "http", ":authority": "host.test"}
        self._h2.send_headers(stream, [*head.items(), ("content-length", str(len(body)))])
        self._h2.send_data(stream, body, end_stream=True)
        self._read[stream] = b""
        self._flush()
        return stream

    async def read_until(self, stream: int, words: bytes) -> None:
        """Read on until some words have arrived on a stream."""
        while words not in self._read[stream]:
            for event in self._h2.receive_data(await self._reader.read(65536)):
                if isinstance(event, DataReceived):
                    self._read[event.stream_id] += event.data
            self._flush()

    def leave(self, stream: int) -> None:
        """Reset one stream."""
        self._h2.reset_stream(stream)
        self._flush()

    def _flush(self) -> None:
        self._writer.write(self._h2.data_to_send())


@pytest.fixture
def upstream() -> FakeUpstream:
    """An upstream that falls silent in mid-answer."""
    return FakeUpstream(Fault.stall("First and then second.", after_events=5))


@pytest.fixture
async def connection(upstream: FakeUpstream) -> AsyncIterator[Connection]:
    """A connection to the proxy under hypercorn."""
    proxy = PackyProxy({"packycode": provider()}, transport=StreamingASGITransport(upstream))
    async with under_hypercorn(proxy) as client:
        reader, writer = await asyncio.open_connection(client.base_url.host, client.base_url.port)
        yield Connection(reader, writer)
        upstream.release()
        writer.close()


async def test_one_of_two_is_left(connection: Connection, upstream: FakeUpstream) -> None:
    """Its upstream request is closed at once; the other answer arrives to its end."""
    async with asyncio.timeout(SOON_SECONDS):
        left, stays = connection.ask(), connection.ask()
        await connection.read_until(left, b"First ")
        await connection.read_until(stays, b"First ")
        connection.leave(left)
        assert "disconnected" == await upstream.requests[0].ended()
        assert "open" == upstream.requests[1].fate
        upstream.release()
        await connection.read_until(stays, b"event: message_stop")
