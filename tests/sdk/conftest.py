"""The anthropic and the openai SDK in front of the proxy, a scripted upstream behind it; all in one process."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import anthropic
import httpx2
import openai
import pytest

from packyproxy import PackyProxy
from packyproxy.testing import FakeUpstream, Script, StreamingASGITransport
from tests.support.settings import provider


class Stage:
    """A client of each SDK, the proxy and an upstream."""

    def __init__(self, script: Script | None, config: dict[str, Any], api_key: str) -> None:
        self.upstream = FakeUpstream(script)
        settings: dict[str, Any] = {"packycode": provider(), **config}
        self.proxy = PackyProxy(settings, transport=StreamingASGITransport(self.upstream))
        transport: Any = StreamingASGITransport(
            self.proxy
        )  # fits clients of httpx2, but is typed for those of httpx
        self.http = httpx2.AsyncClient(transport=transport, base_url="http://proxy.test")
        self.sdk = anthropic.AsyncAnthropic(
            api_key=api_key, base_url="http://proxy.test", http_client=self.http, max_retries=0
        )
        self.openai = openai.AsyncOpenAI(
            api_key=api_key, base_url="http://proxy.test/v1", http_client=self.http, max_retries=0
        )

    @property
    def bodies(self) -> list[dict[str, Any]]:
        """The request bodies that the upstream has seen."""
        return [request.body for request in self.upstream.requests]


@pytest.fixture
async def stage() -> AsyncIterator[Callable[..., Stage]]:
    """Return a function that sets the stage: ``stage(script, config={...}, api_key="...")``."""
    stages: list[Stage] = []

    def make(
        script: Script | None = None, *, config: dict[str, Any] | None = None, api_key: str = "any-value"
    ) -> Stage:
        stages.append(Stage(script, config or {}, api_key))
        return stages[-1]

    yield make
    for made in stages:
        await made.sdk.close()
        await made.proxy.runtime.aclose()
