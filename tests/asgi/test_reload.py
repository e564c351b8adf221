"""A configuration that changes while requests are served."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from packyproxy.app import PackyProxy
from packyproxy.asgi.gateway import Gateway
from packyproxy.asgi.models import Models
from packyproxy.asgi.status import Status
from packyproxy.config import config_from_mapping
from packyproxy.errors import ConfigError
from packyproxy.runtime.reload.config_file import ConfigFile
from packyproxy.runtime.runtime import Runtime
from packyproxy.testing import FakeUpstream, Fault, StreamingASGITransport

HELLO = {"model": "claude-sonnet-4-5", "max_tokens": 1000, "messages": [{"role": "user", "content": "hi"}]}
NAMES = ("a", "b")


def settings(*, enabled: str = "a", **more: Any) -> dict[str, Any]:
    """Return a configuration of two providers, of which those named in ``enabled`` are switched on."""
    providers = [
        {
            "name": name,
            "enabled": name in enabled,
            "base-url": f"http://{name}.test/v1",
            "api-key": f"sk-{name}-0123456789",
        }
        for name in NAMES
    ]
    return {"tppc": {"providers": providers}, **more}


class Network(httpx.AsyncBaseTransport):
    """The upstreams by host."""

    def __init__(self, hosts: Mapping[str, httpx.AsyncBaseTransport]) -> None:
        self._hosts = hosts

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Carry a request to its host."""
        return await self._hosts[request.url.host].handle_async_request(request)


class Scene:
    """A client, the proxy, two upstreams that say who they are, and the proxy's file."""

    def __init__(self, path: Path, **first: Any) -> None:
        self.path = path
        self.saved_at = 0
        self.upstreams = {name: FakeUpstream(f"This is {name}.") for name in NAMES}
        self.save(**first)
        hosts = {
            f"{name}.test": StreamingASGITransport(upstream) for name, upstream in self.upstreams.items()
        }
        self.proxy = PackyProxy(path, transport=Network(hosts))
        self.client = client_of(self.proxy)

    def save(self, **changed: Any) -> None:
        """Write the file, as if a while ago, each time a bit later; JSON is YAML."""
        self.saved_at += 1
        self.path.write_text(json.dumps(settings(**changed)))
        os.utime(self.path, (self.saved_at, self.saved_at))

    async def ask(self, **fields: Any) -> httpx.Response:
        """Send one Messages request and read its whole answer."""
        return await self.client.post("/v1/messages", json={**HELLO, **fields})

    async def who(self) -> str | None:
        """Ask, and return the name of the provider that answered."""
        name: str | None = (await self.ask()).headers.get("x-packyproxy-provider")
        return name


def client_of(app: Any) -> httpx.AsyncClient:
    """Return a client of an ASGI app in this process."""
    return httpx.AsyncClient(
        transport=StreamingASGITransport(app), base_url="http://proxy.test", timeout=None
    )


@pytest.fixture
async def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator["SetScene"]:
    """Return a function that sets the scene with the settings of the first configuration."""
    monkeypatch.setenv("CODEX_HOME", str(tmp_path))
    made: list[Scene] = []

    async def make(**first: Any) -> Scene:
        made.append(await asyncio.to_thread(Scene, tmp_path / "config.yaml", **first))
        return made[-1]

    yield make
    for each in made:
        await each.client.aclose()
        await each.proxy.runtime.aclose()


def shown_text(body: str) -> str:
    """Return the text of a streamed answer."""
    deltas = [line.removeprefix("data: ") for line in body.splitlines() if '"text_delta"' in line]
    return "".join(json.loads(delta)["delta"]["text"] for delta in deltas)


SetScene = Callable[..., Awaitable[Scene]]


async def test_disabling_and_restoring_hold_for_the_next_request(scene: SetScene) -> None:
    """The quick way to take a provider out of service, and back in."""
    stage = await scene(enabled="ab")
    found = [await stage.who()]
    for enabled in ("b", "ab", ""):
        stage.save(enabled=enabled)
        await stage.proxy.reload()
        found.append(await stage.who())
    assert ["a", "b", "a", None] == found


async def test_models_come_and_go_with_their_providers(scene: SetScene) -> None:
    """Each configuration registers anew what its providers serve, each model once, and nothing of who is off."""
    stage = await scene(enabled="ab")
    registered, listed = [], []
    for enabled in ("ab", "b", "ab", ""):
        stage.save(enabled=enabled)
        await stage.proxy.reload()
        models = stage.proxy.runtime.snapshot.registry.models()
        registered.append([model.providers for model in models if model.id == "gpt-5"])
        ids = [model["id"] for model in (await stage.client.get("/v1/models")).json()["data"]]
        listed.append(ids.count("gpt-5"))
    assert [[("a", "b")], [("b",)], [("a", "b")], []] == registered
    assert [1, 1, 1, 0] == listed


async def test_a_request_in_flight_keeps_its_provider(scene: SetScene) -> None:
    """What began on one configuration ends on it, whatever comes into force meanwhile."""
    stage = await scene()
    upstream = stage.upstreams["a"]
    upstream.script = Fault.stall("This is a.", after_events=5)
    async with stage.client.stream("POST", "/v1/messages", json={**HELLO, "stream": True}) as response:
        pieces = response.aiter_text()
        text = await anext(pieces)
        stage.save(enabled="b")
        await stage.proxy.reload()
        assert "b" == await stage.who()
        upstream.release()
        text += "".join([piece async for piece in pieces])
    assert "a" == response.headers["x-packyproxy-provider"]
    assert "error" not in text
    assert text.endswith('event: message_stop\ndata: {"type":"message_stop"}\n\n')


@pytest.mark.virtual_time
async def test_without_a_lifespan_requests_notice(scene: SetScene) -> None:
    """A change holds for the very request that looks, which is one a second."""
    stage = await scene()
    assert "a" == await stage.who()
    stage.save(enabled="b")
    await asyncio.sleep(1.0)
    assert "b" == await stage.who()


@pytest.mark.virtual_time
async def test_under_a_lifespan_a_task_notices(scene: SetScene) -> None:
    """No request has to look."""
    stage = await scene()
    async with stage.proxy:
        stage.save(enabled="b")
        await asyncio.sleep(1.0)
        assert ["b"] == list(stage.proxy.runtime.snapshot.providers)


@pytest.mark.virtual_time
@pytest.mark.parametrize(
    ("component", "path"), [(Gateway, "/v1/messages"), (Models, "/v1/models"), (Status, "/readyz")]
)
async def test_each_component_notices_by_itself(
    scene: SetScene, component: Callable[[Runtime], Any], path: str
) -> None:
    """Mounted alone and without a lifespan, it looks on its requests."""
    stage = await scene()
    runtime = Runtime(await asyncio.to_thread(ConfigFile, str(stage.path)))
    stage.save(enabled="")
    async with client_of(component(runtime)) as client:
        await client.get(path)
    assert {} == runtime.snapshot.providers


async def test_an_invalid_file_changes_nothing_for_clients(scene: SetScene) -> None:
    """The caller of ``reload`` hears of it; requests are served as before."""
    stage = await scene()
    stage.path.write_text("tppc: [")
    with pytest.raises(ConfigError):
        await stage.proxy.reload()
    assert "a" == await stage.who()


async def test_ready_means_that_a_provider_can_serve(scene: SetScene) -> None:
    """One that is enabled but shut is not enough; one that comes with a reload is."""
    stage = await scene(enabled="a")
    stage.upstreams["a"].script = Fault.unauthorized()
    await stage.ask()
    found = [(await stage.client.get("/readyz")).json()["status"]]
    for enabled in ("", "b"):
        stage.save(enabled=enabled)
        await stage.proxy.reload()
        found.append((await stage.client.get("/readyz")).json()["status"])
    assert ["no provider can serve at the moment", "no provider is enabled", "ready"] == found


async def status_of_a_large_body(stage: Scene) -> object:
    return (await stage.ask(messages=[{"role": "user", "content": "x" * 5000}])).status_code


async def status_without_a_key(stage: Scene) -> object:
    return (await stage.ask()).status_code


async def allowed_origin(stage: Scene) -> object:
    headers = {"origin": "https://web.test", "access-control-request-method": "POST"}
    response = await stage.client.options("/v1/messages", headers=headers)
    return response.headers.get("access-control-allow-origin")


async def named_provider(stage: Scene) -> object:
    return await stage.who()


FOLLOWING = {
    "max-body-bytes": ({"max-body-bytes": 4096}, status_of_a_large_body, 200, 413),
    "api-keys": ({"api-keys": ["sk-client-0001"]}, status_without_a_key, 200, 401),
    "cors-origins": ({"cors-origins": ["https://web.test"]}, allowed_origin, None, "https://web.test"),
    "expose-route-headers": ({"expose-route-headers": False}, named_provider, "a", None),
}


@pytest.mark.parametrize(("setting", "look", "before", "after"), FOLLOWING.values(), ids=FOLLOWING.keys())
async def test_settings_follow(
    scene: SetScene,
    setting: dict[str, Any],
    look: Callable[[Scene], Any],
    before: object,
    after: object,
) -> None:
    """Each of them holds from the next request on, and no longer once it is taken back."""
    stage = await scene()
    found = [await look(stage)]
    for more in (setting, {}):
        stage.save(**more)
        await stage.proxy.reload()
        found.append(await look(stage))
    assert [before, after, before] == found


async def test_request_log_follows(scene: SetScene, caplog: pytest.LogCaptureFixture) -> None:
    """A line per request, from the next one on."""
    stage = await scene()
    caplog.set_level("INFO", "packyproxy")
    for wanted in (False, True):
        stage.save(**{"request-log": wanted})
        await stage.proxy.reload()
        await stage.ask()
        await stage.client.get("/healthz")  # by its answer, the request before has come to its log line
    assert 1 == sum(getattr(record, "event", "") == "request" for record in caplog.records)


async def test_a_body_still_arriving_keeps_its_provider(ensemble: Any) -> None:
    """A request belongs to the configuration that its key was checked against, however slowly its body comes."""
    stage = ensemble({"a": "Hello.", "b": "Hello."})
    providers = [
        dict(provider, enabled=provider["name"] == "b") for provider in stage.settings["tppc"]["providers"]
    ]

    async def body() -> AsyncIterator[bytes]:
        data = json.dumps(HELLO).encode()
        yield data[:10]
        stage.proxy.runtime.apply(config_from_mapping({"tppc": {"providers": providers}}))
        yield data[10:]

    headers = {"content-type": "application/json"}
    slow = await stage.client.post("/v1/messages", content=body(), headers=headers)
    following = await stage.ask()
    assert ["a", "b"] == [answer.headers["x-packyproxy-provider"] for answer in (slow, following)]


CLIENTS = 50
RELOADS = 300


async def test_reloads_under_load_harm_no_request() -> None:
    """50 clients stream without a pause: each answer is whole and is of the provider that its header names."""
    upstreams = {name: FakeUpstream(f"This is {name}, and no other.") for name in NAMES}
    hosts = {f"{name}.test": StreamingASGITransport(upstream) for name, upstream in upstreams.items()}
    configs = [
        config_from_mapping(
            settings(enabled=NAMES[number.bit_count() % 2], **{"max-body-bytes": 9000 + number})
        )
        for number in range(RELOADS)
    ]
    proxy = PackyProxy(configs[0], transport=Network(hosts))
    client = client_of(proxy)
    served = dict.fromkeys(NAMES, 0)
    is_over = False

    async def stream() -> None:
        while not is_over:
            async with client.stream("POST", "/v1/messages", json={**HELLO, "stream": True}) as response:
                body = (await response.aread()).decode()
            name = response.headers["x-packyproxy-provider"]
            assert (200, f"This is {name}, and no other.") == (response.status_code, shown_text(body))
            assert body.endswith('event: message_stop\ndata: {"type":"message_stop"}\n\n')
            served[name] += 1

    async with asyncio.TaskGroup() as group:
        for _ in range(CLIENTS):
            group.create_task(stream())
        for config in configs[1:]:
            proxy.runtime.apply(config)
            await asyncio.sleep(0)
        is_over = True
    await client.aclose()
    await proxy.runtime.aclose()
    assert RELOADS == proxy.runtime.reload_state.number
    assert all(served.values())
