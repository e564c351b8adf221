"""Answers over real sockets: streams in their time, clients that leave, upstreams that break."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from packyproxy.testing import FakeUpstream, Fault, Turn
from tests.support.servers import PROVIDER_KEY, ServeProcess, free_port, write_config

pytestmark = pytest.mark.e2e

SOON_SECONDS = 1.0
"""How soon the upstream request of a client that left is over."""


async def read_until(pieces: AsyncIterator[str], words: str) -> str:
    """Read a stream until some words have arrived."""
    text = ""
    while words not in text:
        text += await anext(pieces)
    return text


async def test_a_whole_answer(upstream: FakeUpstream, client: Any) -> None:
    """A request without ``stream`` gets one JSON message; the upstream sees the provider's key and a stream."""
    upstream.script = Turn("Hello.", reasoning=["Greet."])
    response = await client.ask()
    request = upstream.last_request
    assert (200, "application/json") == (response.status_code, response.headers["content-type"])
    assert [{"type": "text", "text": "Hello."}] == response.json()["content"]
    assert (f"Bearer {PROVIDER_KEY}", True) == (request.headers["authorization"], request.body["stream"])


async def test_a_stream_arrives_while_it_is_made(upstream: FakeUpstream, client: Any) -> None:
    """Words reach the client while the upstream is still at the next ones, and the stream ends with message_stop."""
    upstream.script = Fault.stall("First and then second.", after_events=5)
    async with client.stream() as response:
        pieces = response.aiter_text()
        await read_until(pieces, "First ")
        upstream.last_request.release()
        text = await read_until(pieces, "event: message_stop")
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert text.endswith('event: message_stop\ndata: {"type":"message_stop"}\n\n')


async def test_the_probe_of_claude_code_is_answered(client: Any) -> None:
    """``HEAD /``, which Claude Code sends at its start, is 200 without a body."""
    response = await client.http.head("/")
    assert (200, b"") == (response.status_code, response.content)


@pytest.mark.parametrize("after_events", [0, 2, 7], ids=["before-headers", "before-content", "in-mid-text"])
async def test_leaving_a_stream_closes_the_upstream(
    upstream: FakeUpstream, client: Any, after_events: int
) -> None:
    """A client that leaves a stream closes the upstream request within a second, whatever had arrived."""
    upstream.script = Fault.stall("A long answer that nobody waits for.", after_events=after_events)
    asking = asyncio.create_task(_read_all(client))
    request = await upstream.received()
    await request.stalled()
    asking.cancel()
    async with asyncio.timeout(SOON_SECONDS):
        assert await request.ended() == "disconnected"


async def _read_all(client: Any) -> None:
    async with client.stream() as response:
        await response.aread()


async def test_leaving_a_whole_answer_closes_the_upstream(upstream: FakeUpstream, client: Any) -> None:
    """A client that leaves while its JSON answer is being collected closes the upstream request within a second."""
    upstream.script = Fault.stall("A long answer that nobody waits for.", after_events=7)
    asking = asyncio.create_task(client.ask())
    request = await upstream.received()
    await request.stalled()
    asking.cancel()
    async with asyncio.timeout(SOON_SECONDS):
        assert await request.ended() == "disconnected"


async def test_a_far_reset_is_told(upstream: FakeUpstream, client: Any) -> None:
    """A usage limit is a 429 that says when it ends, to the reader, to SDKs and to retry logic."""
    upstream.script = Fault.usage_limit(resets_in_seconds=7200)
    # A model of its own: it rests afterwards, and the proxy is the session's.
    response = await client.ask(stream=True, model="gpt-quota-1")
    message = response.json()["error"]["message"]
    assert (429, "false") == (response.status_code, response.headers["x-should-retry"])
    assert 7200 == pytest.approx(int(response.headers["retry-after"]), abs=2)
    assert message.startswith("usage limit reached for packycode (plan plus); resets at ")


async def test_a_reset_connection_is_an_error_event(tmp_path: Path) -> None:
    """A TCP reset in mid-answer ends the stream with ``event: error``, and with nothing that looks like an end."""
    seen = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n" + _FIRST_WORDS)
        await writer.drain()
        await seen.wait()
        connection: socket.socket = writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    config = write_config(tmp_path, f"http://127.0.0.1:{port}")
    async with server, httpx.AsyncClient() as http:
        with ServeProcess(config) as proxy:
            body = {
                "model": "m",
                "max_tokens": 9,
                "stream": True,
                "messages": [{"role": "user", "content": "hi"}],
            }
            async with http.stream("POST", f"{proxy.url}/v1/messages", json=body) as response:
                pieces = response.aiter_text()
                await read_until(pieces, "Half")
                seen.set()
                rest = "".join([piece async for piece in pieces])
    assert rest.startswith("event: error\n")
    assert '"type":"api_error","message":"Upstream stream ended before response.completed' in rest
    assert "message_stop" not in rest


_FIRST_WORDS = (
    b'data: {"type":"response.created","response":{"id":"resp_1","status":"in_progress","output":[]}}\n\n'
    b'data: {"type":"response.output_item.added","output_index":0,'
    b'"item":{"type":"message","id":"msg_1","role":"assistant","content":[],"status":"in_progress"}}\n\n'
    b'data: {"type":"response.output_text.delta","item_id":"msg_1","output_index":0,"content_index":0,'
    b'"delta":"Half an answer"}\n\n'
)


async def test_an_upstream_that_is_down(tmp_path: Path) -> None:
    """A refused connection is a 502 with a text that names the provider."""
    config = write_config(tmp_path, f"http://127.0.0.1:{free_port()}")
    body = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
    async with httpx.AsyncClient() as http:
        with ServeProcess(config) as proxy:
            response = await http.post(f"{proxy.url}/v1/messages", json=body)
    assert (502, "api_error") == (response.status_code, response.json()["error"]["type"])
    assert response.json()["error"]["message"] == "could not connect to the upstream (provider: packycode)"
