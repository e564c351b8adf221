"""The request that goes upstream (wire-mapping 12.2, 12.3)."""

from typing import Any

import pytest

from packyproxy.config.schema import ProviderConfig
from packyproxy.config.secret import HeaderMap, Secret
from packyproxy.providers.provider import Provider
from packyproxy.providers.request import UpstreamRequest, models_request, responses_request


def _provider(**changes: Any) -> Provider:
    facts: dict[str, Any] = {
        "kind": "packycode",
        "name": "packycode",
        "base_url": "https://h.example/v1/",
        "api_key": Secret("sk-1"),
    }
    return Provider.from_config(ProviderConfig(**(facts | changes)))


def _request(prompt_cache_key: str | None = "k-1", **changes: Any) -> UpstreamRequest:
    return responses_request(
        _provider(**changes), b"{}", prompt_cache_key=prompt_cache_key, request_id="req_1", version="0.1"
    )


def test_headers_are_exactly_these() -> None:
    """The headers are an allow-list, so nothing a client sends can reach an upstream."""
    assert {
        "authorization": "Bearer sk-1",
        "content-type": "application/json",
        "accept": "text/event-stream",
        "accept-encoding": "identity",
        "user-agent": "packyproxy/0.1",
        "openai-beta": "responses=experimental",
        "x-client-request-id": "req_1",
        "session_id": "k-1",
        "conversation_id": "k-1",
    } == dict(_request().headers)


def test_url_and_body() -> None:
    """The Responses path is appended to the base URL and the body goes as it is."""
    request = _request()
    assert ("https://h.example/v1/responses", b"{}") == (request.url, request.body)


@pytest.mark.parametrize("key", ["a\r\nx: y", "é", "\0"], ids=["line-break", "not-ascii", "nul"])
def test_cache_key_that_no_header_can_carry(key: str) -> None:
    """A cache key of the client's that would break the headers stays in the body."""
    assert {"session_id", "conversation_id"}.isdisjoint(dict(_request(key).headers))


def test_other_paths_and_answers() -> None:
    """An operation with a path of its own that answers at once is asked for JSON."""
    request = responses_request(
        _provider(),
        b"{}",
        path="/responses/compact",
        is_stream=False,
        prompt_cache_key=None,
        request_id="req_1",
        version="0.1",
    )
    assert "https://h.example/v1/responses/compact" == request.url
    assert "application/json" == dict(request.headers)["accept"]


def test_chosen_client_headers_replace_ours() -> None:
    """What a protocol chose of the client's headers wins over ours, an empty value removes one, the key stays."""
    chosen = {"user-agent": "codex_exec/0.169.0", "openai-beta": "", "originator": "codex_exec"}
    request = responses_request(
        _provider(headers=HeaderMap({"originator": "operator"})),
        b"{}",
        prompt_cache_key=None,
        request_id="req_1",
        version="0.1",
        client_headers={**chosen, "authorization": "Bearer client"},
    )
    assert {
        "authorization": "Bearer sk-1",
        "content-type": "application/json",
        "accept": "text/event-stream",
        "accept-encoding": "identity",
        "user-agent": "codex_exec/0.169.0",
        "x-client-request-id": "req_1",
        "originator": "operator",
    } == dict(request.headers)


def test_models_are_asked_for_without_a_body() -> None:
    """The model list lies beside the Responses path and is asked for with the key, but without content."""
    request = models_request(_provider(), request_id="req_1", version="0.1")
    assert ("GET", "https://h.example/v1/models", b"") == (request.method, request.url, request.body)
    assert {
        "authorization": "Bearer sk-1",
        "accept": "application/json",
        "accept-encoding": "identity",
        "user-agent": "packyproxy/0.1",
        "openai-beta": "responses=experimental",
        "x-client-request-id": "req_1",
    } == dict(request.headers)


def test_models_can_be_asked_for_with_a_query_and_headers_of_the_client() -> None:
    """The query is taken as it is; the client's headers replace ours or remove them, but never the key."""
    request = models_request(
        _provider(),
        request_id="req_1",
        version="0.1",
        query="client_version=1",
        client_headers={"user-agent": "codex_exec/1", "openai-beta": "", "authorization": "Bearer theirs"},
    )
    headers = dict(request.headers)
    assert "https://h.example/v1/models?client_version=1" == request.url
    assert ("codex_exec/1", None, "Bearer sk-1") == (
        headers["user-agent"],
        headers.get("openai-beta"),
        headers["authorization"],
    )


def test_without_cache_key_there_is_no_session() -> None:
    """Session headers repeat the body's key and are absent with it."""
    assert {"session_id", "conversation_id"}.isdisjoint(dict(_request(None).headers))


def test_provider_without_auth_gets_no_key() -> None:
    """``requires-openai-auth: false`` sends no authorization even where a key is known."""
    assert "authorization" not in dict(_request(requires_openai_auth=False).headers)


@pytest.mark.parametrize(
    ("name", "value", "sent"),
    [
        pytest.param("User-Agent", "codex_exec/1", "codex_exec/1", id="replaces-ours"),
        pytest.param("originator", "codex_exec", "codex_exec", id="adds"),
        pytest.param("Authorization", "Bearer other", "Bearer sk-1", id="not-the-key"),
        pytest.param("Content-Length", "7", None, id="not-the-framing"),
    ],
)
def test_operator_headers(name: str, value: str, sent: str | None) -> None:
    """The operator's headers win over all but the key and the body's framing."""
    assert sent == dict(_request(headers=HeaderMap({name: value})).headers).get(name.lower())


def test_each_header_occurs_once() -> None:
    """A header given in another case replaces ours instead of joining it."""
    names = [name for name, _ in _request(headers=HeaderMap({"ACCEPT": "*/*", "User-agent": "x"})).headers]
    assert sorted(set(names)) == sorted(names)


def test_repr_shows_neither_key_nor_body() -> None:
    """A request may be logged."""
    assert "UpstreamRequest(url='https://h.example/v1/responses')" == repr(_request())
