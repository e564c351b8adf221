"""The catalogue of models that the Codex CLI asks for: passed on from a provider that has one, else not found."""

from collections.abc import Callable
from typing import Any

import pytest

from packyproxy.testing import Fault

Setting = Callable[..., Any]

PATH = "/v1/models?client_version=0.169.0"
CODEX = {
    "authorization": "Bearer client-key-one",
    "originator": "codex_exec",
    "user-agent": "codex_exec/0.169.0 (Linux)",
    "session-id": "s-1",
    "cookie": "a=b",
}
NOT_FOUND = {
    "error": {
        "message": "no provider offers a Codex model catalogue",
        "type": "invalid_request_error",
        "param": None,
        "code": "not_found",
    }
}


@pytest.mark.parametrize("path", [PATH, "/models?client_version=0.169.0", PATH + "&extra=1"])
async def test_the_catalogue_is_passed_on(stage: Setting, path: str) -> None:
    """It comes byte for byte, with its version, and only the client's version is asked with."""
    scene = stage("ok", upstream={"models": ["gpt-5.5"]})
    answer = await scene.client.get(path, headers=CODEX)
    assert (200, {"models": [{"slug": "gpt-5.5", "display_name": "gpt-5.5"}]}) == (
        answer.status_code,
        answer.json(),
    )
    (asked,) = scene.upstream.model_requests
    assert ("/v1/models", "client_version=0.169.0", b"") == (asked.path, asked.query, asked.raw)
    assert (answer.headers["etag"], "application/json") == (
        '"fake-catalogue-1"',
        answer.headers["content-type"],
    )


async def test_it_is_asked_for_in_the_name_of_the_codex_cli(stage: Setting) -> None:
    """The provider sees the client and its session, our key, and nothing that is not for it."""
    scene = stage("ok")
    await scene.client.get(PATH, headers=CODEX)
    headers = scene.upstream.model_requests[0].headers
    shown = ("originator", "user-agent", "session-id", "authorization", "cookie", "openai-beta")
    assert ["codex_exec", CODEX["user-agent"], "s-1", "Bearer sk-provider-0123456789", None, None] == [
        headers.get(name) for name in shown
    ]


async def test_other_clients_are_not_passed_off_as_the_codex_cli(stage: Setting) -> None:
    """Without its mark the question is our own."""
    scene = stage("ok")
    await scene.client.get(PATH, headers={"user-agent": "curl/8"})
    assert scene.upstream.model_requests[0].headers["user-agent"].startswith("packyproxy/")


async def test_a_version_is_encoded(stage: Setting) -> None:
    """What a client writes there stays one value of the query."""
    scene = stage("ok")
    await scene.client.get("/v1/models?client_version=1%262%20x")
    assert "client_version=1%262+x" == scene.upstream.model_requests[0].query


@pytest.mark.parametrize(
    "upstream",
    [{"lacks": {"catalogue"}}, {"lacks": {"models"}}, {"api_key": "another"}],
    ids=["usual-list", "404", "401"],
)
async def test_without_a_catalogue_it_is_not_found(stage: Setting, upstream: dict[str, Any]) -> None:
    """On a 404 the Codex CLI uses the list it brings along; the usual list would be an empty one to it."""
    scene = stage("ok", upstream=upstream)
    answer = await scene.client.get(PATH, headers={"x-api-key": "k"})
    assert (404, NOT_FOUND) == (answer.status_code, answer.json())


async def test_the_first_provider_that_has_one_gives_it(ensemble: Setting, unreachable: object) -> None:
    """Providers are asked in routing order, and those that cannot answer are passed over."""
    scene = ensemble(
        {"a": unreachable, "b": "ok", "c": "ok", "d": "ok"},
        upstreams={"b": {"lacks": {"catalogue"}}, "c": {"models": ["of-c"]}, "d": {"models": ["of-d"]}},
    )
    answer = await scene.client.get(PATH)
    assert ["of-c"] == [model["slug"] for model in answer.json()["models"]]
    assert {"a": 1, "b": 1, "c": 1, "d": 0} == scene.calls()


async def test_asking_leaves_no_mark_on_a_providers_health(ensemble: Setting, unreachable: object) -> None:
    """However often it fails, nobody is passed over for it."""
    scene = ensemble({"a": unreachable})
    for _ in range(10):
        await scene.client.get(PATH)
    assert (10, 200) == (scene.calls()["a"], (await scene.client.get("/readyz")).status_code)


async def test_a_provider_that_refused_its_key_is_not_asked(ensemble: Setting) -> None:
    """Nor is any other that is known to be ill."""
    scene = ensemble({"a": Fault.unauthorized(), "b": "ok"}, upstreams={"b": {"models": ["of-b"]}})
    await scene.ask(model="gpt-5")
    answer = await scene.client.get(PATH)
    assert ["of-b"] == [model["slug"] for model in answer.json()["models"]]
    assert [] == scene.upstreams["a"].model_requests


async def test_the_catalogue_asks_for_a_key(stage: Setting) -> None:
    """As every route of models does, in the words of OpenAI."""
    scene = stage("ok", config={"api-keys": ["client-key-one"]})
    assert [401, 200] == [
        (await scene.client.get(PATH, headers=headers)).status_code
        for headers in ({"authorization": "Bearer no"}, CODEX)
    ]
    assert 1 == len(scene.upstream.model_requests)
