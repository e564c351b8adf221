"""A proxy that is recorded: every upstream that it asks, through its own transport and through a caller's."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from packyproxy import PackyProxy
from packyproxy.testing import FakeUpstream, Fault, StreamingASGITransport, Turn
from packyproxy.testing.cassettes.cassette import Cassette
from packyproxy.testing.cassettes.recording import Tape

BODIES: dict[str, dict[str, Any]] = {
    "/v1/messages": {"max_tokens": 99, "messages": [{"role": "user", "content": "Hello"}]},
    "/v1/chat/completions": {"messages": [{"role": "user", "content": "Hello"}]},
    "/v1/responses": {"input": "Hello"},
}


class Upstreams(httpx.AsyncBaseTransport):
    """Two upstreams, told apart by their hosts."""

    def __init__(self, **upstreams: FakeUpstream) -> None:
        self._transports = {f"{name}.test": StreamingASGITransport(each) for name, each in upstreams.items()}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Ask the one that is meant."""
        return await self._transports[request.url.host].handle_async_request(request)


def settings() -> dict[str, Any]:
    """Return a configuration with two providers, of whom the first is not asked twice."""
    providers = [
        {"name": name, "enabled": True, "base-url": f"http://{name}.test/v1", "api-key": "sk-1"}
        for name in ("one", "two")
    ]
    return {"tppc": {"providers": providers}, "request-retry": 0}


async def answers(transport: httpx.AsyncBaseTransport, path: str, tape: Tape | None = None) -> bytes:
    """Return what a new proxy answers to a streamed request."""
    proxy = PackyProxy(settings(), transport=transport)
    if tape is not None:
        proxy.runtime.transport_wrappers.append(tape.wrap)
    asking = httpx.AsyncClient(transport=StreamingASGITransport(proxy), base_url="http://proxy.test")
    async with proxy, asking:
        response = await asking.post(path, json={"model": "gpt-5", "stream": True, **BODIES[path]})
        assert 200 == response.status_code
        return response.content


@pytest.mark.parametrize("path", BODIES)
async def test_a_failover_plays_again(path: str, tmp_path: Path) -> None:
    """Both providers are asked as before, and the client gets as many bytes in as many lines."""
    first = FakeUpstream(Fault.overloaded())
    second = FakeUpstream(Turn("A secret", reasoning="Hmm"))
    tape = await asyncio.to_thread(Tape, tmp_path / "c.jsonl")
    original = await answers(Upstreams(one=first, two=second), path, tape)
    await asyncio.to_thread(tape.close)
    cassette = await asyncio.to_thread(Cassette.load, tmp_path / "c.jsonl")
    assert [(1, 503), (2, 200)] == [
        (each.request.upstream, each.answer and each.answer.status) for each in cassette.exchanges
    ]
    upstream = cassette.upstream()
    replayed = await answers(Upstreams(one=upstream, two=upstream), path)
    assert b"A secret" not in replayed
    assert list(map(len, original.splitlines())) == list(map(len, replayed.splitlines()))
