"""What the audit trail holds after requests, reloads and refusals; every part is real but the upstreams."""

import asyncio
from typing import Any

import httpx
import pytest

from packyproxy.app import PackyProxy
from packyproxy.config import config_from_mapping
from packyproxy.testing import Fault, StreamingASGITransport, Turn
from tests.support.settings import provider

KEY = "client-canary-key"


def events(proxy: PackyProxy, *names: str) -> list[tuple[str, str | None]]:
    """Return the names of the events, the oldest first, and whom they are about."""
    report = proxy.runtime.audit.report()
    return [
        (event.event, event.provider)
        for event in reversed(report.events)
        if event.event in names or not names
    ]


def detail(proxy: PackyProxy, name: str) -> dict[str, Any]:
    """Return the facts of the newest event of a name."""
    return dict(proxy.runtime.audit.report(event=name).events[0].detail)


async def test_failures_and_failovers_are_kept(ensemble: Any) -> None:
    """Who failed, how, and who was asked then, by the id of the request."""
    stage = ensemble({"a": Fault.status(500), "b": Turn("from b")}, config={"request-retry": 0})
    answer = await stage.ask()
    assert [("upstream_failure", "a"), ("failover", "a")] == events(
        stage.proxy, "upstream_failure", "failover"
    )
    request_id = answer.headers["request-id"]
    assert {
        "failure": "server_error",
        "status": 500,
        "model": "gpt-5",
        "request-id": request_id,
    } == detail(stage.proxy, "upstream_failure")
    expected = {"failure": "server_error", "next-provider": "b", "request-id": request_id}
    assert expected == detail(stage.proxy, "failover")


async def test_a_breaker_that_opens_is_kept(ensemble: Any, unreachable: object) -> None:
    """With the failure that did it."""
    stage = ensemble({"a": unreachable}, config={"max-retry-interval": 0, "request-retry": 0})
    for _ in range(6):
        await stage.ask()
    assert [("breaker", "a")] == events(stage.proxy, "breaker", "key_refused")
    expected = {"before": "closed", "after": "open", "failure": "unreachable"}
    assert expected == detail(stage.proxy, "breaker")


async def test_a_refused_key_is_kept_once(ensemble: Any) -> None:
    """The provider is not asked again, so there is nothing more to tell."""
    stage = ensemble({"a": Fault.status(401)})
    for _ in range(3):
        await stage.ask()
    assert [("key_refused", "a")] == events(stage.proxy, "key_refused")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/messages"),
        ("POST", "/v1/messages/count_tokens"),
        ("POST", "/v1/chat/completions"),
        ("POST", "/v1/responses"),
        ("GET", "/v1/responses/resp_1"),
        ("GET", "/v1/models"),
        ("GET", "/v1/models/gpt-5"),
    ],
)
@pytest.mark.parametrize(
    ("headers", "reason"),
    [({}, "no_key"), ({"x-api-key": "canary-guess"}, "unknown_key")],
    ids=["no key", "wrong key"],
)
async def test_clients_without_a_known_key_are_kept(
    stage: Any, method: str, path: str, headers: dict[str, str], reason: str
) -> None:
    """Whatever they ask for; with their address, and without the key that they tried."""
    scene = stage(config={"api-keys": [KEY]})
    answer = await scene.client.request(method, path, headers=headers)
    found = detail(scene.proxy, "auth_failed")
    assert (401, "127.0.0.1", reason, answer.headers["x-request-id"], 1) == (
        answer.status_code,
        found["address"],
        found["reason"],
        found["request-id"],
        found["count"],
    )
    assert "canary" not in str(scene.proxy.runtime.audit.report())


async def test_clients_with_a_key_leave_no_trace(stage: Any) -> None:
    """The audit trail is no access log."""
    scene = stage(config={"api-keys": [KEY]})
    await scene.client.post("/v1/messages", json={}, headers={"x-api-key": KEY})
    assert [("models_registered", "packycode")] == events(scene.proxy)


async def test_what_is_served_is_told_at_the_start() -> None:
    """With the lifespan, once, however often it is entered and however many requests come."""
    proxy = PackyProxy({"packycode": provider(models=["gpt-5", "gpt-5-mini"])})
    assert [] == events(proxy)
    async with proxy, proxy:
        assert [("models_registered", "packycode")] == events(proxy)
    assert {"models": 2, "ids": ("gpt-5", "gpt-5-mini")} == detail(proxy, "models_registered")
    async with proxy:
        assert 1 == len(events(proxy))


async def test_without_a_lifespan_the_first_request_is_the_start() -> None:
    """A host that never runs it gets the same events."""
    proxy = PackyProxy({"packycode": provider()})
    async with httpx.AsyncClient(
        transport=StreamingASGITransport(proxy), base_url="http://proxy.test"
    ) as client:
        await client.get("/healthz")
        await client.get("/healthz")
    assert [("models_registered", "packycode")] == events(proxy)


async def test_a_change_is_kept_with_what_follows_from_it() -> None:
    """One event for all that was changed, then who was switched, then what is served now."""
    proxy = PackyProxy({"packycode": provider()})
    after = config_from_mapping(
        {
            "debug": True,
            "packycode": {**provider(), "enabled": False},
            "tppc": {
                "providers": [
                    {
                        "name": "b",
                        "enabled": True,
                        "base-url": "https://b.test/v1",
                        "api-key": "sk-canary-of-b",
                    }
                ]
            },
        }
    )
    await asyncio.to_thread(proxy.runtime.apply, after)
    assert [
        ("config_changed", None),
        ("provider_disabled", "packycode"),
        ("provider_enabled", "b"),
        ("models_registered", "b"),
    ] == events(proxy)
    expected = ("packycode.enabled: true -> false", "tppc.providers[b]: added", "debug: false -> true")
    assert {"number": 2, "source": "dict", "changes": expected} == detail(proxy, "config_changed")


async def test_discovered_models_are_told_of_by_provider() -> None:
    """Only for whom something is new."""
    proxy = PackyProxy({"packycode": provider()})
    proxy.runtime.set_discovered({"packycode": ("brand-new",)})
    proxy.runtime.set_discovered({"packycode": ("brand-new",)})
    assert [("models_registered", "packycode")] == events(proxy)
    assert "brand-new" == detail(proxy, "models_registered")["ids"][-1]


@pytest.mark.parametrize(
    ("settings", "password", "is_managed"),
    [({}, None, False), ({}, "a-password", True), ({"secret-key": "a-management-key"}, None, True)],
    ids=["off", "password", "key"],
)
@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens"])
async def test_without_a_provider_clients_hear_how_to_enable_one(
    stage: Any,
    settings: dict[str, Any],
    password: str | None,
    is_managed: bool,
    path: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Through the management API too, while that is on."""
    monkeypatch.delenv("MANAGEMENT_PASSWORD", raising=False)
    if password is not None:
        monkeypatch.setenv("MANAGEMENT_PASSWORD", password)
    scene = stage(config={"packycode": {"enabled": False}, "remote-management": settings})
    body = {"model": "gpt-5", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
    answer = await scene.client.post(path, json=body)
    more = " or with PATCH /v0/management/providers/{name}" if is_managed else ""
    expected = f"no provider is enabled: enable one in config.yaml{more}"
    assert (503, expected) == (answer.status_code, answer.json()["error"]["message"])
