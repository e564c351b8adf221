"""One ``packyproxy serve`` for the whole session, in front of an upstream that each test scripts for itself."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest

from packyproxy.testing import FakeUpstream
from tests.support.servers import Listener, ServeProcess, write_config

HELLO = {"model": "claude-sonnet-5", "max_tokens": 1000, "messages": [{"role": "user", "content": "hi"}]}


@pytest.fixture(scope="session")
def listener() -> Iterator[Listener]:
    """Where the upstream of the session's proxy listens."""
    listener = Listener()
    yield listener
    listener.close()


@pytest.fixture(scope="session")
def proxy(listener: Listener, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServeProcess]:
    """The session's proxy."""
    with ServeProcess(write_config(tmp_path_factory.mktemp("proxy"), listener.url)) as proxy:
        yield proxy


@pytest.fixture
async def upstream(listener: Listener) -> AsyncIterator[FakeUpstream]:
    """The upstream of this test; it says hello unless its ``script`` is replaced."""
    upstream = FakeUpstream("Hello.")
    async with listener.serving(upstream):
        yield upstream
        upstream.release()


class Client:
    """An HTTP client of one server, on real sockets."""

    def __init__(self, url: str) -> None:
        self.http = httpx.AsyncClient(base_url=url, timeout=20)

    async def ask(self, **fields: Any) -> httpx.Response:
        """Send one Messages request and read its whole answer."""
        return await self.http.post("/v1/messages", json={**HELLO, **fields})

    def stream(self, **fields: Any) -> Any:
        """Return a context manager of a streamed answer."""
        return self.http.stream("POST", "/v1/messages", json={**HELLO, "stream": True, **fields})


@pytest.fixture
async def client(proxy: ServeProcess) -> AsyncIterator[Client]:
    """A client of the session's proxy."""
    client = Client(proxy.url)
    yield client
    await client.http.aclose()
