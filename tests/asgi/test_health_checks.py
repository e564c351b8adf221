"""Active health checks under a lifespan: when providers are asked, and what follows from their answers."""

import asyncio
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import httpx
import pytest

from packyproxy.app import PackyProxy
from packyproxy.config import config_from_mapping
from packyproxy.errors import Failure, FailureKind
from packyproxy.providers.provider import Provider
from packyproxy.runtime.background.health_checks import CheckSchedule
from packyproxy.runtime.observation.survey import survey

pytestmark = pytest.mark.virtual_time


class Upstreams(httpx.AsyncBaseTransport):
    """Providers that answer ``GET /models`` with a status each; None stands for no connection, 0 for silence."""

    def __init__(self, **statuses: int | None) -> None:
        self.statuses: dict[str, int | None] = statuses
        self.asked: list[tuple[str, float]] = []
        """Who was asked, and when on the loop's clock."""
        self.abandoned: list[str] = []
        """Whose silence was not waited for to its end."""

    def count(self, name: str) -> int:
        """Return how often one was asked."""
        return [asked for asked, _ in self.asked].count(name)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        name = request.url.host.partition(".")[0]
        assert ("GET", "/v1/models") == (request.method, request.url.path)
        self.asked.append((name, asyncio.get_running_loop().time()))
        status = self.statuses[name]
        if status is None:
            raise httpx.ConnectError("connection refused", request=request)
        if status == 0:
            try:
                await asyncio.sleep(3600)
            finally:
                self.abandoned.append(name)
        return httpx.Response(status, stream=httpx.ByteStream(b'{"data":[]}'), request=request)


def settings(names: Sequence[str], **health_check: Any) -> dict[str, Any]:
    providers = [
        {"name": name, "enabled": True, "base-url": f"http://{name}.test/v1", "api-key": f"sk-{name}"}
        for name in names
    ]
    return {
        "tppc": {"providers": providers},
        "health-check": {"enabled": True, "interval": 60, **health_check},
    }


def proxy_before(upstreams: Upstreams, **health_check: Any) -> PackyProxy:
    return PackyProxy(settings(list(upstreams.statuses), **health_check), transport=upstreams)


async def can_serve(proxy: PackyProxy, name: str) -> bool:
    return await proxy.runtime.routing.can_serve([proxy.runtime.snapshot.providers[name]])


async def test_nothing_is_asked_while_it_is_off() -> None:
    """Health checks are an option, and off by default."""
    upstreams = Upstreams(a=200)
    async with proxy_before(upstreams, enabled=False):
        await asyncio.sleep(3600)
    assert [] == upstreams.asked


async def test_nothing_is_asked_without_a_lifespan() -> None:
    """A proxy that nobody started runs no tasks."""
    upstreams = Upstreams(a=200)
    proxy_before(upstreams)
    await asyncio.sleep(3600)
    assert [] == upstreams.asked


async def test_every_provider_is_asked_once_per_interval() -> None:
    """Each at moments of its own, a minute apart."""
    upstreams = Upstreams(a=200, b=200, c=None)
    async with proxy_before(upstreams):
        await asyncio.sleep(599)
    for name in upstreams.statuses:
        moments = [at for asked, at in upstreams.asked if asked == name]
        assert [60.0] * 9 == pytest.approx([after - before for before, after in pairwise(moments)])
    assert 3 == len({at for _, at in upstreams.asked[:3]})


async def test_providers_that_are_off_are_left_alone() -> None:
    """Only enabled ones are checked."""
    upstreams = Upstreams(a=200, b=200)
    config = settings(["a", "b"])
    config["tppc"]["providers"][1]["enabled"] = False
    async with PackyProxy(config, transport=upstreams):
        await asyncio.sleep(599)
    assert (10, 0) == (upstreams.count("a"), upstreams.count("b"))


@pytest.mark.parametrize("status", [None, 0, 500, 503], ids=["no connection", "silence", "500", "503"])
async def test_an_ill_provider_is_left_out(status: int | None) -> None:
    """Five checks in a row that fail open its breaker; the others go on serving."""
    upstreams = Upstreams(a=status, b=200)
    async with proxy_before(upstreams) as proxy:
        await asyncio.sleep(200)
        assert await can_serve(proxy, "a")
        await asyncio.sleep(65)
        assert (False, True) == (await can_serve(proxy, "a"), await can_serve(proxy, "b"))


async def test_what_a_check_found_is_noted() -> None:
    """Who wonders why a provider is left out sees it, although no client has met it."""
    async with proxy_before(Upstreams(a=503)) as proxy:
        await asyncio.sleep(10)
        (report,) = await survey(proxy.runtime)
    assert report.last_error is not None
    assert (FailureKind.UNAVAILABLE, 503, None) == (
        report.last_error.kind,
        report.last_error.status,
        report.is_key_accepted,
    )


async def test_a_provider_that_is_well_again_is_asked_again() -> None:
    """One good check closes the breaker: no client has to try it first."""
    upstreams = Upstreams(a=None)
    async with proxy_before(upstreams, interval=5) as proxy:
        await asyncio.sleep(24)
        assert not await can_serve(proxy, "a")
        upstreams.statuses["a"] = 200
        await asyncio.sleep(5)
        assert await can_serve(proxy, "a")


@pytest.mark.parametrize("status", [302, 401, 403, 404, 405, 429])
async def test_other_refusals_are_no_verdict(status: int) -> None:
    """A provider without a model list, or with one that is out of bounds, may serve nevertheless."""
    upstreams = Upstreams(a=status)
    async with proxy_before(upstreams) as proxy:
        await asyncio.sleep(3600)
        assert await can_serve(proxy, "a")


async def test_other_refusals_do_not_make_it_well_either() -> None:
    """They leave a breaker that requests have opened as it is."""
    upstreams = Upstreams(a=404)
    async with proxy_before(upstreams, interval=10) as proxy:
        provider = proxy.runtime.snapshot.providers["a"]
        for _ in range(5):
            await proxy.runtime.routing.check_failed(provider, Failure(kind=FailureKind.UNREACHABLE))
        await asyncio.sleep(20)
        assert not await can_serve(proxy, "a")


async def test_a_slow_provider_holds_nobody_up() -> None:
    """Providers are checked independently, also when a check takes longer than the interval."""
    upstreams = Upstreams(slow=0, quick=200)
    async with proxy_before(upstreams, interval=2):
        await asyncio.sleep(19.9)
    assert (2, 10) == (upstreams.count("slow"), upstreams.count("quick"))


async def test_a_reload_takes_effect_at_once() -> None:
    """Switched on while it runs, with another interval, other providers, and off again."""
    upstreams = Upstreams(a=200, b=200)
    async with proxy_before(upstreams, enabled=False) as proxy:
        await asyncio.sleep(100)
        proxy.runtime.apply(config_from_mapping(settings(["a"], interval=10)))
        await asyncio.sleep(99)
        assert (10, 0) == (upstreams.count("a"), upstreams.count("b"))
        proxy.runtime.apply(config_from_mapping(settings(["b"], interval=5)))
        await asyncio.sleep(49)
        assert (10, 10) == (upstreams.count("a"), upstreams.count("b"))
        proxy.runtime.apply(config_from_mapping(settings(["b"], enabled=False)))
        await asyncio.sleep(600)
        assert (10, 10) == (upstreams.count("a"), upstreams.count("b"))


async def test_the_end_ends_it() -> None:
    """A check that is under way is cancelled, and no task is left."""
    upstreams = Upstreams(a=0)
    async with proxy_before(upstreams, interval=10):
        await asyncio.sleep(5)
        assert [] == upstreams.abandoned
    assert (["a"], 1) == (upstreams.abandoned, len(asyncio.all_tasks()))


async def test_only_changes_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    """A line when a provider falls ill and one when it is well again, at INFO; none for every check."""
    caplog.set_level("DEBUG", "packyproxy")
    upstreams = Upstreams(a=200)
    async with proxy_before(upstreams):
        for status in (200, 500, 200):
            upstreams.statuses["a"] = status
            await asyncio.sleep(180)
    lines = [record for record in caplog.records if getattr(record, "event", "") == "health_check"]
    assert ["health check: a is ill (server_error)", "health check: a is well"] == [
        line.getMessage() for line in lines
    ]
    assert {"INFO"} == {line.levelname for line in lines}


def _provider(provider_id: str) -> Provider:
    return Provider(id=provider_id, name=provider_id, base_url="", api_key=None, reasoning_scope="")


@pytest.mark.parametrize(
    ("interval", "latest"), [(60.0, 5.0), (10.0, 1.0)], ids=["five seconds", "a tenth of the interval"]
)
def test_the_first_check_comes_early(interval: float, latest: float) -> None:
    """Nobody waits a whole interval for the first verdict."""
    schedule = CheckSchedule()
    providers = [_provider(f"{number:012x}") for number in range(1000)]
    at_once = schedule.due(providers, interval=interval, now=0.0)
    later = schedule.due(providers, interval=interval, now=latest)
    assert (1, 999) == (len(at_once), len(later))


def test_a_shorter_interval_counts_from_the_last_check() -> None:
    """A reload does not put checks off."""
    schedule = CheckSchedule()
    provider = _provider("000000000000")
    assert [provider] == schedule.due([provider], interval=60.0, now=0.0)
    assert 10.0 == schedule.seconds_left(interval=10.0, now=0.0)
    assert [provider] == schedule.due([provider], interval=10.0, now=10.0)


def test_without_providers_there_is_nothing_to_wait_for() -> None:
    """Nobody is checked until a reload."""
    schedule = CheckSchedule()
    assert [] == schedule.due([], interval=60.0, now=0.0)
    assert schedule.seconds_left(interval=60.0, now=0.0) is None
