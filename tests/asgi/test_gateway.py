"""What stands before a model is asked: routes, keys, bodies, and the routes that need none of them."""

import gzip
import json
import logging
import zlib
from collections.abc import Callable, MutableMapping
from typing import Any

import pytest

from packyproxy import PackyProxy

Setting = Callable[..., Any]

HELLO = {"model": "gpt-5", "max_tokens": 100, "messages": [{"role": "user", "content": "hi"}]}
KEYS = {"api-keys": ["client-key-one", "client-key-two"]}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"x-api-key": "wrong"}, 401),
        ({"authorization": "Bearer wrong"}, 401),
        ({"authorization": "Basic client-key-one"}, 401),
        ({"x-api-key": "client-key-one"}, 200),
        ({"authorization": "Bearer client-key-two"}, 200),
        ({"authorization": "bearer client-key-two"}, 200),
        ({"x-api-key": "wrong", "authorization": "Bearer client-key-one"}, 200),
    ],
    ids=["none", "wrong-key", "wrong-bearer", "basic", "key", "bearer", "lower-case", "one-of-two"],
)
async def test_a_client_key_is_asked_for(stage: Setting, headers: dict[str, str], status: int) -> None:
    """Either header will do, and one valid key is enough (wire-mapping 12.1)."""
    scene = stage("ok", config=KEYS)
    assert status == (await scene.client.post("/v1/messages", json=HELLO, headers=headers)).status_code


async def test_an_unknown_client_is_told_so_in_its_own_shape(stage: Setting) -> None:
    """The refusal is Anthropic's, with a request id, and nothing was read or asked."""
    scene = stage("ok", config=KEYS)
    answer = await scene.client.post("/v1/messages", content=b"not even json", headers={"x-api-key": "no"})
    error = {"type": "authentication_error", "message": "invalid x-api-key"}
    assert {"type": "error", "error": error, "request_id": answer.headers["request-id"]} == answer.json()
    assert [] == scene.upstream.requests


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/gpt-5", "/v1/messages/count_tokens"])
async def test_every_model_route_asks_for_a_key(stage: Setting, path: str) -> None:
    """Nobody lists or counts without one either."""
    method = "POST" if path.endswith("tokens") else "GET"
    assert (await stage("ok", config=KEYS).client.request(method, path)).status_code == 401


@pytest.mark.parametrize("path", ["/", "/healthz", "/readyz"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_status_routes_need_no_key(stage: Setting, path: str, method: str) -> None:
    """Claude Code probes ``HEAD /`` before it has any; probes of an orchestrator never have one."""
    answer = await stage("ok", config=KEYS).client.request(method, path)
    assert answer.status_code == 200
    assert (method == "HEAD") is (answer.content == b"")


async def test_without_a_provider_nothing_is_ready(stage: Setting) -> None:
    """A file without an enabled provider runs, says so, and refuses requests with the next step."""
    scene = stage("ok", config={"packycode": {"enabled": False}})
    assert (await scene.client.get("/readyz")).status_code == 503
    assert (await scene.client.get("/healthz")).status_code == 200
    answer = await scene.client.post("/v1/messages", json=HELLO)
    assert (503, "false") == (answer.status_code, answer.headers["x-should-retry"])
    assert "no provider is enabled" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("method", "path", "headers", "status", "is_anthropic"),
    [
        ("GET", "/v1/messages", {}, 405, True),
        ("POST", "/v1/messages/batches", {}, 404, True),
        ("POST", "/v1/files", {}, 404, True),
        ("POST", "/v1/embeddings", {}, 404, False),
        ("POST", "/v1/embeddings", {"anthropic-version": "2023-06-01"}, 404, True),
        ("POST", "/v1/embeddings", {"user-agent": "claude-cli/2.1"}, 404, True),
        ("POST", "/v1/embeddings", {"x-api-key": "k"}, 404, True),
        ("POST", "/v1/embeddings", {"x-api-key": "k", "authorization": "Bearer k"}, 404, False),
        ("DELETE", "/v1/models", {}, 405, False),
        ("GET", "/v1/chat/completions", {"anthropic-version": "2023-06-01"}, 405, False),
        ("PUT", "/v1/responses", {"x-api-key": "k"}, 405, False),
        ("GET", "/v1/responses/compact", {"x-api-key": "k"}, 405, False),
        ("GET", "/alpha/search", {"user-agent": "claude-cli/2.1"}, 405, False),
    ],
)
async def test_unknown_routes_answer_in_the_askers_shape(
    stage: Setting, method: str, path: str, headers: dict[str, str], status: int, is_anthropic: bool
) -> None:
    """404 and 405 have the error shape of whoever asks (wire-mapping 0.1, 10.1)."""
    answer = await stage("ok").client.request(method, path, headers=headers)
    assert status == answer.status_code
    assert is_anthropic is ("type" in answer.json())


@pytest.mark.parametrize("path", ["/messages", "/v1/messages/", "/v1/messages?beta=true"])
async def test_aliases_of_the_messages_route(stage: Setting, path: str) -> None:
    """Without ``/v1``, with a slash, with any query: the same route."""
    assert (await stage("ok").client.post(path, json=HELLO)).status_code == 200


OF_OPENAI = {
    "/chat/completions": HELLO,
    "/responses": {"model": "gpt-5", "input": "hi"},
    "/responses/compact": {"model": "gpt-5", "input": []},
    "/responses/input_tokens": {"model": "gpt-5", "input": "hi"},
    "/alpha/search": {"commands": {}},
}


@pytest.mark.parametrize("prefix", ["", "/v1"])
@pytest.mark.parametrize("path", OF_OPENAI)
async def test_the_routes_of_openai(stage: Setting, prefix: str, path: str) -> None:
    """With and without ``/v1``, which base URLs of the Codex CLI often lack."""
    answer = await stage("ok").client.post(prefix + path, json=OF_OPENAI[path])
    assert (200, "application/json") == (answer.status_code, answer.headers["content-type"])


@pytest.mark.parametrize("path", OF_OPENAI)
async def test_errors_of_a_route_have_its_own_shape(stage: Setting, path: str) -> None:
    """Whatever the headers look like: what asks for OpenAI's routes reads OpenAI's errors."""
    headers = {"anthropic-version": "2023-06-01", "x-api-key": "k", "content-type": "application/json"}
    for scene, status in ((stage("ok"), 400), (stage("ok", config=KEYS), 401)):
        answer = await scene.client.post(path, content=b"{", headers=headers)
        assert (status, ["error"]) == (answer.status_code, [*answer.json()])
        assert {"message", "type", "param", "code"} == answer.json()["error"].keys()
        assert "request-id" not in answer.headers


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/responses/resp_1"),
        ("DELETE", "/v1/responses/resp_1"),
        ("POST", "/v1/responses/resp_1/cancel"),
        ("GET", "/responses/resp_1/input_items?limit=3"),
    ],
)
async def test_responses_are_not_stored(stage: Setting, method: str, path: str) -> None:
    """What asks for a stored response is told that there are none (wire-mapping 7.2)."""
    answer = await stage("ok").client.request(method, path, headers={"x-api-key": "k"})
    expected = {
        "message": "responses are not stored by this gateway",
        "type": "invalid_request_error",
        "param": None,
        "code": "not_found",
    }
    assert (404, {"error": expected}) == (answer.status_code, answer.json())


async def test_a_search_without_a_model_goes_to_anybody(ensemble: Setting) -> None:
    """Providers are asked in their order; one without such a route is passed over, and not asked again."""
    scene = ensemble({"a": "x", "b": "Found."}, upstreams={"a": {"lacks": {"search"}}})
    answers = [await scene.client.post("/v1/alpha/search", json={"commands": {}}) for _ in range(2)]
    assert [{"output": "Found."}] * 2 == [answer.json() for answer in answers]
    assert {"a": 1, "b": 2} == scene.calls()
    assert b'{"commands":{}}' == scene.upstreams["b"].last_request.raw
    assert ("b", None) == tuple(
        answers[0].headers.get(f"x-packyproxy-{name}") for name in ("provider", "upstream-model")
    )


async def test_a_search_with_a_model_goes_to_who_serves_it(ensemble: Setting) -> None:
    """The name is read as in any request."""
    models = {"a": {"models": [{"id": "gpt-5"}]}, "b": {"models": [{"id": "gpt-5.5"}]}}
    scene = ensemble({"a": "x", "b": "Found."}, providers=models)
    answer = await scene.client.post("/v1/alpha/search", json={"model": "gpt-5.5", "commands": {}})
    assert ({"output": "Found."}, {"a": 0, "b": 1}) == (answer.json(), scene.calls())


@pytest.mark.parametrize("path", ["/v1/responses/compact", "/v1/alpha/search"])
async def test_what_nobody_offers_is_not_found(ensemble: Setting, path: str) -> None:
    """The text says what is missing; the next request asks nobody."""
    lacking = {"lacks": {"compact", "search"}}
    scene = ensemble({"a": "x", "b": "x"}, upstreams={"a": lacking, "b": lacking})
    body = OF_OPENAI[path.removeprefix("/v1")]
    for _ in range(2):
        answer = await scene.client.post(path, json=body)
        error = answer.json()["error"]
        assert (404, "not_found") == (answer.status_code, error["code"])
        assert "is not supported by any configured provider" in error["message"]
    assert {"a": 1, "b": 1} == scene.calls()


@pytest.mark.parametrize(
    ("body", "headers", "status", "message"),
    [
        (b"{", {}, 400, "invalid JSON"),
        (b"", {}, 400, "invalid JSON"),
        (b"[]", {}, 400, "request body must be a JSON object"),
        (b'{"model":"\xff"}', {}, 400, "request body is not valid UTF-8"),
        (b"[" * 200_000, {}, 400, ""),
        (b"{}", {}, 400, "model: field required"),
        (
            json.dumps({**HELLO, "messages": []}).encode(),
            {},
            400,
            "messages: at least one message is required",
        ),
        (b"{}", {"content-type": "text/plain"}, 415, "content-type must be application/json"),
        (b"{}", {"content-encoding": "br"}, 415, "content-encoding must be identity, gzip, deflate or zstd"),
        (b"{}", {"content-encoding": "gzip"}, 400, ""),
    ],
    ids=["cut", "empty", "array", "utf8", "deep", "no-model", "no-message", "type", "encoding", "not-gzip"],
)
async def test_bad_bodies_are_refused_exactly(
    stage: Setting, body: bytes, headers: dict[str, str], status: int, message: str
) -> None:
    """Each bad body has its own answer, and the next request is served."""
    scene = stage("ok")
    answer = await scene.client.post(
        "/v1/messages", content=body, headers={"content-type": "application/json", **headers}
    )
    assert status == answer.status_code
    assert message in answer.json()["error"]["message"]
    assert (await scene.client.post("/v1/messages", json=HELLO)).status_code == 200


@pytest.mark.parametrize("encoding", ["identity", "gzip", "deflate"])
async def test_compressed_bodies_are_read(stage: Setting, encoding: str) -> None:
    """What a client compresses is decompressed (wire-mapping 0.6)."""
    plain = json.dumps(HELLO).encode()
    body = {"identity": plain, "gzip": gzip.compress(plain), "deflate": zlib.compress(plain)}[encoding]
    headers = {"content-type": "application/json", "content-encoding": encoding}
    assert (await stage("ok").client.post("/v1/messages", content=body, headers=headers)).status_code == 200


@pytest.mark.parametrize("how", ["length", "chunked", "bomb"])
async def test_oversized_bodies_are_refused(stage: Setting, how: str) -> None:
    """The limit holds for what is announced, for what arrives and for what it decompresses to."""
    scene = stage("ok", config={"max-body-bytes": 100_000})
    headers = {"content-type": "application/json"}
    content: Any = b" " * 200_000
    if how == "chunked":

        async def pieces() -> Any:
            for _ in range(20):
                yield b" " * 10_000

        content = pieces()
    elif how == "bomb":
        content = gzip.compress(b" " * 50_000_000)
        assert len(content) < 100_000
        headers["content-encoding"] = "gzip"
    answer = await scene.client.post("/v1/messages", content=content, headers=headers)
    assert (413, "request_too_large") == (answer.status_code, answer.json()["error"]["type"])


async def test_the_models_come_in_two_shapes(stage: Setting) -> None:
    """Anthropic's shape for its clients, OpenAI's for all others (row 56)."""
    client = stage("ok").client
    openai = (await client.get("/v1/models")).json()
    anthropic = (
        await client.get("/v1/models?limit=1000", headers={"anthropic-version": "2023-06-01"})
    ).json()
    assert ("list", "model") == (openai["object"], openai["data"][0]["object"])
    assert ("model", False) == (anthropic["data"][0]["type"], anthropic["has_more"])
    assert "anthropic-gpt-5" in [model["id"] for model in anthropic["data"]]


async def test_one_model_is_shown_or_not_found(stage: Setting) -> None:
    """An unknown id is 404 with the nearest ones."""
    client = stage("ok").client
    assert (await client.get("/v1/models/gpt-5")).json()["id"] == "gpt-5"
    refusal = await client.get("/v1/models/gpt-55x")
    assert (404, "model_not_found") == (refusal.status_code, refusal.json()["error"]["code"])


async def test_tokens_are_counted_without_the_upstream(stage: Setting) -> None:
    """``hi`` is 8 tokens, whoever asks and whatever the limit (wire-mapping 9)."""
    scene = stage("ok")
    count = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    assert {"input_tokens": 8} == (await scene.client.post("/v1/messages/count_tokens", json=count)).json()
    managed = {**count, "context_management": {"edits": []}}
    assert {"input_tokens": 8, "context_management": {"original_input_tokens": 8}} == (
        await scene.client.post("/v1/messages/count_tokens", json=managed)
    ).json()
    assert [] == scene.upstream.requests


async def test_request_ids_are_on_every_answer(stage: Setting) -> None:
    """Ours under both names, the client's own echoed if it is printable."""
    answer = await stage("ok").client.post(
        "/v1/messages", json=HELLO, headers={"x-client-request-id": "abc-1"}
    )
    assert answer.headers["request-id"] == answer.headers["x-request-id"]
    assert answer.headers["x-request-id"].startswith("req_")
    assert answer.headers["x-client-request-id"] == "abc-1"


async def test_cross_origin_requests_are_off_unless_allowed(stage: Setting) -> None:
    """A browser page may call the proxy only where ``cors-origins`` names it."""
    origin = {"origin": "https://app.example"}
    closed = await stage("ok").client.post("/v1/messages", json=HELLO, headers=origin)
    opened = await stage("ok", config={"cors-origins": ["https://app.example"]}).client.post(
        "/v1/messages", json=HELLO, headers=origin
    )
    assert "access-control-allow-origin" not in closed.headers
    assert opened.headers["access-control-allow-origin"] == "https://app.example"


async def test_a_wrong_method_names_the_right_ones(stage: Setting) -> None:
    """A 405 carries ``allow``."""
    assert (await stage("ok").client.get("/v1/messages")).headers["allow"] == "POST"


async def test_a_refusal_is_logged_by_its_place(stage: Setting, caplog: pytest.LogCaptureFixture) -> None:
    """An operator sees which request was refused, with which status and where in the body it was wrong."""
    caplog.set_level(logging.INFO, logger="packyproxy")
    answer = await stage("ok").client.post("/v1/messages", json={**HELLO, "messages": "wrong"})
    [record] = [record for record in caplog.records if getattr(record, "event", "") == "refused"]
    assert f"request {answer.headers['request-id']} refused: 400 (messages)" == record.getMessage()


async def test_a_client_that_left_is_not_refused(caplog: pytest.LogCaptureFixture) -> None:
    """A refusal that nobody is there to read is no error of anybody's."""
    caplog.set_level(logging.INFO, logger="packyproxy")

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def send(_: MutableMapping[str, Any]) -> None:
        raise OSError("connection lost")

    scope = {"type": "http", "method": "GET", "path": "/nowhere", "headers": [], "query_string": b""}
    await PackyProxy({"packycode": {"enabled": False}})(scope, receive, send)
    events = [getattr(record, "event", None) for record in caplog.records]
    assert ["refused", "client_left"] == events[-2:]
