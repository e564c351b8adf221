"""Model discovery under a lifespan: when providers are asked, and what the registry learns."""

import asyncio
from typing import Any

import httpx
import msgspec
import pytest

from packyproxy.app import PackyProxy
from packyproxy.config import config_from_mapping

pytestmark = pytest.mark.virtual_time


class Lists(httpx.AsyncBaseTransport):
    """Providers that list models; None stands for no connection."""

    def __init__(self, **models: list[str] | None) -> None:
        self.models = models
        self.seconds = 0.0
        """How long an answer takes."""
        self.asked: list[str] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        name = request.url.host.partition(".")[0]
        self.asked.append(name)
        models = self.models[name]
        await asyncio.sleep(self.seconds)
        if models is None:
            raise httpx.ConnectError("connection refused", request=request)
        content = msgspec.json.encode(models)
        return httpx.Response(200, stream=httpx.ByteStream(content), request=request)


def settings(*names: str, is_on: bool = True, key: str = "sk-1") -> dict[str, Any]:
    providers = [
        {
            "name": name,
            "enabled": True,
            "base-url": f"http://{name}.test/v1",
            "api-key": key,
        }
        for name in names
    ]
    return {"tppc": {"providers": providers}, "discover-models": is_on}


def registered(proxy: PackyProxy) -> dict[str, tuple[str, ...]]:
    """Return who serves each of the models that are not built in."""
    return {
        model.id: model.providers
        for model in proxy.runtime.snapshot.registry.models()
        if model.id.startswith("new-")
    }


async def test_what_providers_list_is_registered() -> None:
    """Each model with those who list it; nobody waits for that at start."""
    lists = Lists(a=["new-1", "new-2"], b=["new-2"])
    proxy = PackyProxy(settings("a", "b"), transport=lists)
    async with proxy:
        assert {} == registered(proxy)
        await asyncio.sleep(1)
        assert {"new-1": ("a",), "new-2": ("a", "b")} == registered(proxy)


async def test_nothing_is_asked_while_it_is_off() -> None:
    """Discovery is an option, and off by default."""
    lists = Lists(a=["new-1"])
    async with PackyProxy(settings("a", is_on=False), transport=lists):
        await asyncio.sleep(7200)
    assert [] == lists.asked


async def test_it_is_repeated_every_hour() -> None:
    """A model that a provider adds, or takes away, is known an hour later."""
    lists = Lists(a=["new-1"])
    proxy = PackyProxy(settings("a"), transport=lists)
    async with proxy:
        await asyncio.sleep(1)
        lists.models["a"] = ["new-2"]
        await asyncio.sleep(3500)
        assert ["new-1"] == list(registered(proxy))
        await asyncio.sleep(200)
        assert ["new-2"] == list(registered(proxy))
    assert 2 == len(lists.asked)


async def test_a_failure_keeps_what_was_known(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged once, until the provider has answered again."""
    caplog.set_level("INFO", "packyproxy")
    lists = Lists(a=["new-1"])
    proxy = PackyProxy(settings("a"), transport=lists)
    async with proxy:
        await asyncio.sleep(1)
        lists.models["a"] = None
        await asyncio.sleep(3 * 3600)
        assert ["new-1"] == list(registered(proxy))
        lists.models["a"] = ["new-1"]
        await asyncio.sleep(3600)
        lists.models["a"] = None
        await asyncio.sleep(3600)
    lines = [record.getMessage() for record in caplog.records if "discovery" in record.getMessage()]
    assert ["discovery: a did not list its models (unreachable)"] * 2 == lines


async def test_a_reload_asks_again() -> None:
    """At once, and whoever is new is known at once; what was known of the others stays until they answer."""
    lists = Lists(a=["new-1"], b=["new-2"])
    proxy = PackyProxy(settings("a"), transport=lists)
    async with proxy:
        await asyncio.sleep(1)
        lists.models["a"] = None
        proxy.runtime.apply(config_from_mapping(settings("a", "b")))
        await asyncio.sleep(1)
        assert {"new-1": ("a",), "new-2": ("b",)} == registered(proxy)


async def test_a_reload_during_a_round_begins_another_one() -> None:
    """What was asked under the old configuration is not registered under the new one."""
    lists = Lists(a=["new-1"])
    lists.seconds = 5.0
    proxy = PackyProxy(settings("a"), transport=lists)
    async with proxy:
        await asyncio.sleep(2)
        lists.models["a"] = ["new-2"]
        proxy.runtime.apply(config_from_mapping(settings("a", key="sk-2")))
        await asyncio.sleep(4)
        assert {} == registered(proxy)
        await asyncio.sleep(5)
        assert {"new-2": ("a",)} == registered(proxy)


async def test_another_key_makes_another_provider() -> None:
    """What was listed for one key says nothing about another."""
    lists = Lists(a=["new-1"])
    proxy = PackyProxy(settings("a"), transport=lists)
    async with proxy:
        await asyncio.sleep(1)
        lists.models["a"] = None
        proxy.runtime.apply(config_from_mapping(settings("a", key="sk-2")))
        await asyncio.sleep(1)
        assert {} == registered(proxy)


async def test_switched_off_it_is_forgotten() -> None:
    """The registry is as if nobody had been asked."""
    proxy = PackyProxy(settings("a"), transport=Lists(a=["new-1"]))
    async with proxy:
        await asyncio.sleep(1)
        proxy.runtime.apply(config_from_mapping(settings("a", is_on=False)))
        await asyncio.sleep(1)
        assert {} == registered(proxy)


async def test_the_end_ends_it() -> None:
    """No task is left."""
    async with PackyProxy(settings("a"), transport=Lists(a=["new-1"])):
        await asyncio.sleep(1)
    assert 1 == len(asyncio.all_tasks())
