"""Which connections are kept when the providers change, and when the others close."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from packyproxy.config import config_from_mapping
from packyproxy.errors import UpstreamFailed
from packyproxy.providers.provider import Provider
from packyproxy.providers.request import UpstreamRequest
from packyproxy.runtime.pools import Pools
from packyproxy.runtime.upstream import Upstream, UpstreamResponse
from packyproxy.runtime.upstream.response import HttpxAnswer

REQUEST = UpstreamRequest("https://a.test/v1/responses", (), b"{}")


class Body(httpx.AsyncByteStream):
    """One piece; the end comes when somebody asks for more."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b"data"


class FakeEngine:
    """Stands for the connections that an upstream opens for itself."""

    made: list["FakeEngine"]

    def __init__(self, *, proxy_url: str | None = None) -> None:
        self.proxy_url = proxy_url
        self.is_open = False
        self.closed = 0
        self.may_close = asyncio.Event()
        self.may_close.set()
        self.error: Exception | None = None
        self.made.append(self)

    async def send(self, request: UpstreamRequest) -> HttpxAnswer:
        self.is_open = True
        if self.error is not None:
            raise self.error
        return HttpxAnswer(httpx.Response(200, stream=Body()))

    async def aclose(self) -> None:
        if self.is_open:
            self.is_open = False
            await self.may_close.wait()
            self.closed += 1


@pytest.fixture(autouse=True)
def engines(monkeypatch: pytest.MonkeyPatch) -> list[FakeEngine]:
    """Return every engine that was made, in order."""
    monkeypatch.setattr(FakeEngine, "made", [], raising=False)
    monkeypatch.setattr("packyproxy.runtime.upstream.upstream.Engine", FakeEngine)
    return FakeEngine.made


def provider(name: str, **settings: Any) -> Provider:
    """Return a provider at a host of its own."""
    entry = {"name": name, "enabled": True, "base-url": f"https://{name}.test/v1", "api-key": "sk-1"}
    config = config_from_mapping({"tppc": {"providers": [entry | settings]}})
    return Provider.from_config(config.providers[0])


def new_pools() -> Pools:
    """Return pools of upstreams that open their own engines."""
    return Pools(lambda proxy_url: Upstream(proxy_url=proxy_url))


def serving(*providers: Provider) -> Pools:
    """Return pools that serve these providers."""
    pools = new_pools()
    pools.serve({each.name: each for each in providers})
    return pools


async def opened(pools: Pools, each: Provider) -> UpstreamResponse:
    """Open an answer of a provider."""
    return await pools.upstream(each).open(REQUEST)


async def settle() -> None:
    """Let tasks that are ready run."""
    for _ in range(5):
        await asyncio.sleep(0)


A, B = provider("a"), provider("b")

SAME_WAY = {
    "priority": {"priority": 9},
    "models": {"models": ["gpt-5"]},
    "weight": {"weight": 3},
    "key": {"api-key": "sk-2"},
    "headers": {"headers": {"x-a": "b"}},
}
OTHER_WAY = {
    "base-url": {"base-url": "https://elsewhere.test/v1"},
    "proxy-url": {"proxy-url": "http://proxy.test:3128"},
}


@pytest.mark.parametrize("settings", SAME_WAY.values(), ids=SAME_WAY.keys())
async def test_connections_survive_what_they_do_not_depend_on(settings: dict[str, Any]) -> None:
    """A provider that changes in anything but its URL and its proxy keeps its pool."""
    pools = serving(A)
    before = pools.upstream(A)
    changed = provider("a", **settings)
    pools.serve({"a": changed})
    assert before is pools.upstream(changed)


@pytest.mark.parametrize("settings", OTHER_WAY.values(), ids=OTHER_WAY.keys())
async def test_another_way_is_another_pool(settings: dict[str, Any], engines: list[FakeEngine]) -> None:
    """A new URL or proxy takes new connections, and the old ones close."""
    pools = serving(A)
    await (await opened(pools, A)).aclose()
    changed = provider("a", **settings)
    pools.serve({"a": changed})
    await (await opened(pools, changed)).aclose()
    await settle()
    assert [1, 0] == [engine.closed for engine in engines]
    assert settings.get("proxy-url") == engines[1].proxy_url


async def test_the_connections_of_a_dropped_provider_close_after_its_last_answer(
    engines: list[FakeEngine],
) -> None:
    """Answers that are still open hold them."""
    pools = serving(A, B)
    first, second = await opened(pools, A), await opened(pools, A)
    pools.serve({"b": B})
    await first.aclose()
    await settle()
    assert 0 == engines[0].closed
    await second.aclose()
    await second.aclose()
    await settle()
    assert (1, False) == (engines[0].closed, engines[0].is_open)


async def test_the_rest_of_an_answer_counts_as_open(engines: list[FakeEngine]) -> None:
    """What is read beside the exchange, up to the end of the HTTP message, is not cut off."""
    pools = serving(A)
    answer = await opened(pools, A)
    pools.serve({})
    await answer.finish()
    assert 0 == engines[0].closed
    await settle()
    assert 1 == engines[0].closed


async def test_a_failed_request_is_not_open(engines: list[FakeEngine]) -> None:
    """A provider that cannot be reached holds nothing."""
    pools = serving(A)
    upstream = pools.upstream(A)
    engines[0].error = httpx.ConnectError("no")
    with pytest.raises(UpstreamFailed):
        await upstream.open(REQUEST)
    pools.serve({})
    await settle()
    assert 1 == engines[0].closed


async def test_an_exchange_that_began_before_may_still_ask(engines: list[FakeEngine]) -> None:
    """A dropped provider gets connections that close right after."""
    pools = serving(B)
    late = await opened(pools, A)
    await settle()
    assert 0 == engines[0].closed
    await late.aclose()
    await settle()
    assert 1 == engines[0].closed


async def test_a_request_while_the_connections_close_is_served_and_closed_too(
    engines: list[FakeEngine],
) -> None:
    """It opens connections anew, and they do not stay either."""
    pools = serving(A)
    await (await opened(pools, A)).aclose()
    engines[0].may_close.clear()
    pools.serve({})
    await settle()
    await (await opened(pools, A)).aclose()
    engines[0].may_close.set()
    await settle()
    assert (2, False) == (engines[0].closed, engines[0].is_open)


async def test_a_provider_that_comes_back_finds_its_connections(engines: list[FakeEngine]) -> None:
    """Disabled and restored while an answer runs, it keeps its pool."""
    pools = serving(A)
    answer = await opened(pools, A)
    pools.serve({})
    pools.serve({"a": A})
    await answer.aclose()
    await settle()
    assert (0, 1) == (engines[0].closed, len(engines))


async def test_dropped_pools_are_forgotten(engines: list[FakeEngine]) -> None:
    """However often the providers change, what is kept does not grow."""
    pools = new_pools()
    for number in range(100):
        each = provider("a", **{"base-url": f"https://host-{number}.test/v1"})
        pools.serve({"a": each})
        await (await opened(pools, each)).aclose()
        await settle()
    assert len(pools) <= 2
    assert 99 == sum(engine.closed for engine in engines)


async def test_closing_waits_for_what_closes_already(engines: list[FakeEngine]) -> None:
    """At the end nothing is left running."""
    pools = serving(A)
    await (await opened(pools, A)).aclose()
    engines[0].may_close.clear()
    pools.serve({})
    await settle()
    asyncio.get_running_loop().call_soon(engines[0].may_close.set)
    await pools.aclose()
    assert 1 == engines[0].closed


async def test_closing_goes_on_when_it_is_cancelled(engines: list[FakeEngine]) -> None:
    """A server may lose its patience; what it had asked for is done all the same."""
    pools = serving(A, B)
    for each in (A, B):
        await (await opened(pools, each)).aclose()
    for engine in engines:
        engine.may_close.clear()
    closing = asyncio.create_task(pools.aclose())
    await settle()
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    for engine in engines:
        engine.may_close.set()
    await settle()
    assert [1, 1] == [engine.closed for engine in engines]


async def test_a_failure_to_close_is_told(engines: list[FakeEngine], monkeypatch: pytest.MonkeyPatch) -> None:
    """After all others have been closed."""
    pools = serving(A, B)
    for each in (A, B):
        await (await opened(pools, each)).aclose()

    async def fail() -> None:
        raise OSError("no")

    monkeypatch.setattr(engines[0], "aclose", fail)
    with pytest.raises(OSError, match="no"):
        await pools.aclose()
    assert 1 == engines[1].closed


async def test_a_callers_own_transport_is_never_closed() -> None:
    """Retiring an upstream closes only what it opened itself."""
    transport = httpx.MockTransport(lambda _: httpx.Response(200, stream=Body()))
    upstream = Upstream(transport=transport)
    upstream.retire()
    response = await upstream.open(REQUEST)
    await response.aclose()
    assert upstream.is_idle
