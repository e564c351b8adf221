"""The proxy in-process before a scripted upstream, asked in bytes: what is checked here is every byte it says."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from packyproxy import PackyProxy
from packyproxy.testing import FakeUpstream, Script, StreamingASGITransport
from tests.support.settings import provider


class Stage:
    """A client, the proxy and an upstream."""

    def __init__(self, script: Script | None) -> None:
        self.upstream = FakeUpstream(script)
        self.proxy = PackyProxy({"packycode": provider()}, transport=StreamingASGITransport(self.upstream))
        self.client = httpx.AsyncClient(
            transport=StreamingASGITransport(self.proxy), base_url="http://proxy.test/v1", timeout=None
        )

    async def post(self, path: str, body: dict[str, Any]) -> httpx.Response:
        """Send a request and read its whole answer."""
        return await self.client.post(path, json=body)


@pytest.fixture
async def stage() -> AsyncIterator[Callable[[Script | None], Stage]]:
    """Return a function that sets the stage for a script."""
    stages: list[Stage] = []

    def make(script: Script | None = None) -> Stage:
        stages.append(Stage(script))
        return stages[-1]

    yield make
    for made in stages:
        await made.client.aclose()
        await made.proxy.runtime.aclose()
