"""The validator alone: ``POST /validate``, guarded by the management key."""

from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from packyproxy import PackyProxy
from packyproxy.asgi import Validator
from packyproxy.testing import StreamingASGITransport
from tests.support.settings import provider

KEY = "management-key-0123"
SETTINGS: dict[str, Any] = {"remote-management": {"secret-key": KEY}, "packycode": provider()}
SHOWN = {"x-management-key": KEY}
MASKED = {**SETTINGS, "packycode": provider(credentials={"openai-api-key": "***6789"})}


async def ask(app: Any, method: str = "POST", path: str = "/validate", **more: Any) -> httpx.Response:
    async with httpx.AsyncClient(
        transport=StreamingASGITransport(app), base_url="http://host.test"
    ) as client:
        return await client.request(method, path, **{"headers": SHOWN, **more})


@pytest.fixture
def proxy() -> PackyProxy:
    """Return a proxy with a management key."""
    return PackyProxy(SETTINGS)


@pytest.mark.parametrize("config", [SETTINGS, MASKED, {}], ids=["whole", "masked", "empty"])
async def test_a_good_configuration_has_no_problems(proxy: PackyProxy, config: dict[str, Any]) -> None:
    """A mask stands for the stored secret."""
    response = await ask(Validator(proxy.runtime), json=config)
    assert (200, {"ok": True, "problems": []}) == (response.status_code, response.json())


async def test_every_problem_is_told_with_its_fix(proxy: PackyProxy) -> None:
    """They are those that saving it would be refused for; nothing is saved or applied."""
    before = proxy.runtime.snapshot
    response = await ask(
        Validator(proxy.runtime), json={"port": "x", "packycode": provider(**{"base-url": "x"})}
    )
    assert (200, False) == (response.status_code, response.json()["ok"])
    assert {"port", "packycode.base-url"} == {problem["field"] for problem in response.json()["problems"]}
    assert all(
        problem["code"] and problem["message"] and problem["fix"] for problem in response.json()["problems"]
    )
    assert before is proxy.runtime.snapshot


async def test_yaml_will_do(proxy: PackyProxy) -> None:
    """It is what a file holds."""
    headers = {**SHOWN, "content-type": "application/yaml"}
    response = await ask(Validator(proxy.runtime), content=b"port: 8317\ndebug: maybe\n", headers=headers)
    assert ["debug"] == [problem["field"] for problem in response.json()["problems"]]


async def test_it_says_the_same_as_the_management_api(proxy: PackyProxy) -> None:
    """One function answers both."""
    config = {"port": -1, "nonsense": 1}
    answers = [
        await ask(Validator(proxy.runtime), json=config),
        await ask(proxy, path="/v0/management/config/validate", json=config),
    ]
    assert answers[0].json() == answers[1].json()
    assert {answer.status_code for answer in answers} == {200}


@pytest.mark.parametrize(
    ("method", "path", "headers", "expected"),
    [
        ("POST", "/validate", {}, (401, "unauthorized")),
        ("GET", "/validate", SHOWN, (405, "method_not_allowed")),
        ("POST", "/validate", {**SHOWN, "x-forwarded-for": "192.0.2.1"}, (403, "forbidden")),
    ],
    ids=["no-key", "method", "remote"],
)
async def test_it_is_guarded_like_the_management_api(
    proxy: PackyProxy, method: str, path: str, headers: dict[str, str], expected: tuple[int, str]
) -> None:
    """The same door, in the same shapes."""
    response = await ask(Validator(proxy.runtime), method, path, headers=headers, content=b"{}")
    assert expected == (response.status_code, response.json()["error"])


@pytest.mark.parametrize("path", ["/v0/management/status", "/", "/validate/more"])
async def test_it_serves_nothing_else(proxy: PackyProxy, path: str) -> None:
    """What a host did not mount is not there."""
    assert 404 == (await ask(Validator(proxy.runtime), path=path)).status_code


async def test_without_a_key_it_is_not_there() -> None:
    """As the management API."""
    assert 404 == (await ask(Validator(PackyProxy({}).runtime), json={})).status_code


async def test_it_can_be_mounted(proxy: PackyProxy) -> None:
    """Under a path of the host's choice."""
    host = Starlette(routes=[Mount("/tools", Validator(proxy.runtime))])
    assert 200 == (await ask(host, path="/tools/validate", json={})).status_code


async def test_the_whole_proxy_leaves_the_path_to_its_host(proxy: PackyProxy) -> None:
    """There the validator is a route of the management API."""
    assert 404 == (await ask(proxy, json={})).status_code
