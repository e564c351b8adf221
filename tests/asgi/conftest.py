"""The proxy in-process before a scripted upstream: real parts everywhere but at the two edges of the network."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from packyproxy.app import PackyProxy
from packyproxy.testing import FakeUpstream, Script, StreamingASGITransport

HELLO = {"model": "claude-sonnet-4-5", "max_tokens": 1000, "messages": [{"role": "user", "content": "hi"}]}


class Stage:
    """A client, the proxy and an upstream."""

    def __init__(self, script: Script | None, config: dict[str, Any], upstream: dict[str, Any]) -> None:
        self.upstream = FakeUpstream(script, **upstream)
        settings: dict[str, Any] = {
            "packycode": {
                "enabled": True,
                "base-url": "http://upstream.test/v1",
                "credentials": {"openai-api-key": "sk-provider-0123456789"},
            },
            **config,
        }
        self.proxy = PackyProxy(settings, transport=StreamingASGITransport(self.upstream))
        self.client = httpx.AsyncClient(
            transport=StreamingASGITransport(self.proxy), base_url="http://proxy.test", timeout=None
        )

    async def ask(self, **fields: Any) -> httpx.Response:
        """Send one Messages request and read its whole answer."""
        return await self.client.post("/v1/messages", json={**HELLO, **fields})

    def stream(self, **fields: Any) -> Any:
        """Return a context manager of a streamed answer."""
        return self.client.stream("POST", "/v1/messages", json={**HELLO, "stream": True, **fields})

    async def events(self, **fields: Any) -> list[str]:
        """Return the names of the frames of one streamed answer."""
        async with self.stream(**fields) as response:
            body = (await response.aread()).decode()
        return [line.removeprefix("event: ") for line in body.splitlines() if line.startswith("event: ")]


@pytest.fixture
async def stage() -> AsyncIterator[Callable[..., Stage]]:
    """Return a function that sets the stage: ``stage(script, config={...}, upstream={...})``."""
    stages: list[Stage] = []

    def make(
        script: Script | None = None,
        *,
        config: dict[str, Any] | None = None,
        upstream: dict[str, Any] | None = None,
    ) -> Stage:
        stages.append(Stage(script, config or {}, upstream or {}))
        return stages[-1]

    yield make
    for made in stages:
        await made.client.aclose()
        await made.proxy.runtime.aclose()
