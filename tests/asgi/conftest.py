"""The proxy in-process before a scripted upstream: real parts everywhere but at the two edges of the network."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from packyproxy.app import PackyProxy
from packyproxy.testing import FakeUpstream, Script, StreamingASGITransport
from tests.support.management import PASSWORD, Console
from tests.support.settings import provider

HELLO = {"model": "claude-sonnet-4-5", "max_tokens": 1000, "messages": [{"role": "user", "content": "hi"}]}


class Stage:
    """A client, the proxy and an upstream."""

    def __init__(
        self, script: Script | None, config: dict[str, Any], upstream: dict[str, Any], hooks: dict[str, Any]
    ) -> None:
        self.upstream = FakeUpstream(script, **upstream)
        settings: dict[str, Any] = {"packycode": provider(), **config}
        self.proxy = PackyProxy(settings, transport=StreamingASGITransport(self.upstream), **hooks)
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


class Network(httpx.AsyncBaseTransport):
    """The upstreams that can be reached, by name; the way to any other ends in its exception."""

    def __init__(self, upstreams: Mapping[str, FakeUpstream], errors: Mapping[str, Exception]) -> None:
        self._hosts = {name: StreamingASGITransport(upstream) for name, upstream in upstreams.items()}
        self._errors = errors
        self.requests: Counter[str] = Counter()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Carry one request to its host."""
        name = request.url.host.partition(".")[0]
        self.requests[name] += 1
        if name in self._errors:
            raise self._errors[name]
        return await self._hosts[name].handle_async_request(request)


UNREACHABLE = httpx.ConnectError("connection refused")
"""Stands for the script of an upstream where nobody listens."""


class Ensemble(Stage):
    """A client, the proxy and several upstreams: one provider of ``tppc`` for each name."""

    def __init__(
        self,
        scripts: Mapping[str, Any],
        config: dict[str, Any],
        providers: Mapping[str, dict[str, Any]],
        upstreams: Mapping[str, dict[str, Any]],
        hooks: dict[str, Any],
    ) -> None:
        self.upstreams = {
            name: FakeUpstream(script, **upstreams.get(name, {}))
            for name, script in scripts.items()
            if not isinstance(script, Exception)
        }
        self._providers: list[dict[str, Any]] = [
            {
                "name": name,
                "enabled": True,
                "base-url": f"http://{name}.test/v1",
                "api-key": f"sk-{name}-0123456789",
                **providers.get(name, {}),
            }
            for name in scripts
        ]
        self.settings: dict[str, Any] = {"tppc": {"providers": self._providers}, **config}
        errors = {name: script for name, script in scripts.items() if isinstance(script, Exception)}
        self.network = Network(self.upstreams, errors)
        self.proxy = PackyProxy(self.settings, transport=self.network, **hooks)
        self.client = httpx.AsyncClient(
            transport=StreamingASGITransport(self.proxy), base_url="http://proxy.test", timeout=None
        )

    def calls(self) -> dict[str, int]:
        """Return how many requests were sent to each upstream."""
        return {provider["name"]: self.network.requests[provider["name"]] for provider in self._providers}


@pytest.fixture
async def ensemble() -> AsyncIterator[Callable[..., Ensemble]]:
    """Return a function that sets the stage for several providers.

    ``ensemble({"a": script, "b": UNREACHABLE}, config={...}, providers={"a": {...}}, upstreams={"a": {...}},
    hooks={...})``; an exception in the place of a script is what the way to that upstream ends in.
    """
    made: list[Ensemble] = []

    def make(
        scripts: Mapping[str, Any],
        *,
        config: dict[str, Any] | None = None,
        providers: Mapping[str, dict[str, Any]] | None = None,
        upstreams: Mapping[str, dict[str, Any]] | None = None,
        hooks: dict[str, Any] | None = None,
    ) -> Ensemble:
        made.append(Ensemble(scripts, config or {}, providers or {}, upstreams or {}, hooks or {}))
        return made[-1]

    yield make
    for each in made:
        await each.client.aclose()
        await each.proxy.runtime.aclose()


@pytest.fixture
def unreachable() -> object:
    """Return what stands for the script of an upstream where nobody listens."""
    return UNREACHABLE


@pytest.fixture
async def stage() -> AsyncIterator[Callable[..., Stage]]:
    """Return a function that sets the stage: ``stage(script, config={...}, upstream={...}, hooks={...})``."""
    stages: list[Stage] = []

    def make(
        script: Script | None = None,
        *,
        config: dict[str, Any] | None = None,
        upstream: dict[str, Any] | None = None,
        hooks: dict[str, Any] | None = None,
    ) -> Stage:
        stages.append(Stage(script, config or {}, upstream or {}, hooks or {}))
        return stages[-1]

    yield make
    for made in stages:
        await made.client.aclose()
        await made.proxy.runtime.aclose()


@pytest.fixture
async def console(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Console]:
    """Return a client of the management API, over a file of its own."""
    monkeypatch.setenv("MANAGEMENT_PASSWORD", PASSWORD)
    monkeypatch.setenv("CODEX_HOME", str(tmp_path / "no-codex"))
    made = await asyncio.to_thread(Console, tmp_path / "config.yaml")
    yield made
    await made.aclose()
