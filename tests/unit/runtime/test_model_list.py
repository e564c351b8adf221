"""Asking a provider for its models: what is sent, what is read, and what that says of its health."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import httpx
import pytest

from packyproxy.config.schema import ProviderConfig
from packyproxy.config.secret import Secret
from packyproxy.errors import Failure, FailureKind
from packyproxy.providers.provider import Provider
from packyproxy.runtime.model_list import (
    Catalogue,
    ModelList,
    Verdict,
    fetch_catalogue,
    fetch_models,
    verdict_on,
)
from packyproxy.runtime.upstream import Upstream
from packyproxy.testing import FakeUpstream, StreamingASGITransport

KEY = "sk-provider-0123456789"
PROVIDER = Provider.from_config(
    ProviderConfig(kind="packycode", name="p", base_url="http://upstream.test/v1", api_key=Secret(KEY))
)
_Answer = Callable[[httpx.Request], Awaitable[httpx.Response]]


class Answering(httpx.AsyncBaseTransport):
    """Answers every request in one way and keeps it."""

    def __init__(
        self,
        status: int = 200,
        content: bytes = b"",
        headers: Mapping[str, str] | None = None,
        error: type[httpx.TransportError] | None = None,
    ) -> None:
        self._status = status
        self._content = content
        self._headers = dict(headers or {})
        self._error = error
        self.requests: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Keep the request and answer it."""
        self.requests.append(request)
        if self._error is not None:
            raise self._error("no", request=request)
        stream = httpx.ByteStream(self._content)
        return httpx.Response(self._status, headers=self._headers, stream=stream, request=request)


async def fetch(transport: httpx.AsyncBaseTransport) -> ModelList | Failure:
    return await fetch_models(Upstream(transport=transport), PROVIDER, version="0.1")


async def test_the_models_are_read() -> None:
    """The list of a codex relay that checks the key."""
    upstream = FakeUpstream(api_key=KEY, models=["gpt-5", "gpt-5-codex"])
    assert ModelList(models=("gpt-5", "gpt-5-codex")) == await fetch(StreamingASGITransport(upstream))


async def test_the_question_has_no_body_and_the_key() -> None:
    """It is a GET beside the Responses path."""
    transport = Answering(content=b"{}")
    await fetch(transport)
    (request,) = transport.requests
    assert ("GET", "http://upstream.test/v1/models", b"") == (
        request.method,
        str(request.url),
        request.content,
    )
    assert f"Bearer {KEY}" == request.headers["authorization"]


@pytest.mark.parametrize(
    ("status", "content", "headers", "kind", "verdict"),
    [
        pytest.param(
            401, b'{"detail":"Unauthorized"}', {}, FailureKind.CREDENTIALS_REJECTED, "REACHABLE", id="401"
        ),
        pytest.param(403, b"{}", {}, FailureKind.FORBIDDEN, "REACHABLE", id="403"),
        pytest.param(404, b"{}", {}, None, "REACHABLE", id="404"),
        pytest.param(405, b"{}", {}, None, "REACHABLE", id="405"),
        pytest.param(429, b"{}", {}, FailureKind.RATE_LIMIT, "REACHABLE", id="429"),
        pytest.param(302, b"", {"location": "/login"}, FailureKind.REDIRECT, "REACHABLE", id="302"),
        pytest.param(500, b"", {}, FailureKind.SERVER_ERROR, "ILL", id="500"),
        pytest.param(503, b"", {}, FailureKind.UNAVAILABLE, "ILL", id="503"),
        pytest.param(200, b"<html>", {}, FailureKind.BAD_STREAM, "REACHABLE", id="a page for people"),
        pytest.param(200, b"", {}, FailureKind.BAD_STREAM, "REACHABLE", id="nothing"),
        pytest.param(
            200, b"[" + b" " * 2**20, {}, FailureKind.BAD_STREAM, "REACHABLE", id="more than anyone lists"
        ),
        pytest.param(
            200, b"{}", {"content-encoding": "gzip"}, FailureKind.BAD_STREAM, "REACHABLE", id="broken gzip"
        ),
    ],
)
async def test_refusals_are_failures(
    status: int, content: bytes, headers: dict[str, str], kind: FailureKind | None, verdict: str
) -> None:
    """Only 5xx makes a provider that answers ill; anything else may concern the list alone."""
    outcome = await fetch(Answering(status, content, headers))
    assert isinstance(outcome, Failure)
    assert status == outcome.status
    assert kind in {None, outcome.kind}
    assert Verdict[verdict] is verdict_on(outcome)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        pytest.param(httpx.ConnectError, FailureKind.UNREACHABLE, id="refused"),
        pytest.param(httpx.ConnectTimeout, FailureKind.CONNECT_TIMEOUT, id="timeout"),
    ],
)
async def test_no_connection_means_ill(error: type[httpx.TransportError], kind: FailureKind) -> None:
    """Nobody can be served over a connection that does not come about."""
    outcome = await fetch(Answering(error=error))
    assert isinstance(outcome, Failure)
    assert (kind, Verdict.ILL) == (outcome.kind, verdict_on(outcome))


@pytest.mark.virtual_time
async def test_silence_means_ill() -> None:
    """An answer that does not come within ten seconds counts as none, and the upstream is closed."""
    upstream = Silent()
    outcome = await fetch(StreamingASGITransport(upstream))
    assert isinstance(outcome, Failure)
    assert (FailureKind.HEADERS_TIMEOUT, Verdict.ILL) == (outcome.kind, verdict_on(outcome))


class Silent:
    """An upstream that takes a request and never answers."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass


async def test_a_list_means_well() -> None:
    """Whatever is listed: an empty list is an answer as well."""
    outcome = await fetch(Answering(content=b'{"data":[]}'))
    assert (ModelList(models=()), Verdict.WELL) == (outcome, verdict_on(outcome))


async def test_a_compressed_list_is_read() -> None:
    """Some relays compress although they are asked not to."""
    import gzip

    transport = Answering(content=gzip.compress(b'["gpt-5"]'), headers={"content-encoding": "gzip"})
    assert ModelList(models=("gpt-5",)) == await fetch(transport)


async def test_a_key_in_a_refusal_is_masked() -> None:
    """A relay that quotes the key does not get it into our texts."""
    outcome = await fetch(Answering(401, b'{"error":{"message":"bad key ' + KEY.encode() + b'"}}'))
    assert isinstance(outcome, Failure)
    assert KEY not in outcome.message


async def fetch_for_codex(transport: httpx.AsyncBaseTransport) -> Catalogue | None:
    return await fetch_catalogue(
        Upstream(transport=transport),
        PROVIDER,
        version="0.1",
        client_version="0.169.0",
        client_headers={"user-agent": "codex_exec/0.169.0", "openai-beta": ""},
    )


async def test_the_catalogue_is_asked_for_as_the_client_asks() -> None:
    """Its version is the query, and its headers replace ours."""
    transport = Answering(content=b'{"models":[]}')
    await fetch_for_codex(transport)
    (request,) = transport.requests
    assert "http://upstream.test/v1/models?client_version=0.169.0" == str(request.url)
    assert ("codex_exec/0.169.0", None) == (
        request.headers["user-agent"],
        request.headers.get("openai-beta"),
    )


async def test_a_catalogue_is_kept_as_it_is() -> None:
    """Bytes and versions; nothing else of the provider's headers."""
    body = b'{ "models" : [{"slug": "gpt-5.5"}], "x": 1.10}'
    headers = {"etag": '"1"', "x-models-etag": "2", "set-cookie": "a=b"}
    expected = Catalogue(body=body, headers=(("etag", '"1"'), ("x-models-etag", "2")))
    assert expected == await fetch_for_codex(Answering(content=body, headers=headers))


@pytest.mark.parametrize(
    ("status", "content", "headers"),
    [
        pytest.param(200, b'{"object":"list","data":[]}', {}, id="the usual list"),
        pytest.param(200, b"[]", {}, id="no object"),
        pytest.param(200, b'{"models":null}', {}, id="no list"),
        pytest.param(200, b'{"models":[', {}, id="cut"),
        pytest.param(200, b"[" * 200_000, {}, id="deep"),
        pytest.param(200, b"<html>", {}, id="a page for people"),
        pytest.param(200, b'{"models":[]}', {"content-encoding": "gzip"}, id="broken gzip"),
        pytest.param(200, b'{"models":[]}' + b" " * 2**23, {}, id="too large"),
        pytest.param(201, b'{"models":[]}', {}, id="another status"),
        pytest.param(404, b'{"models":[]}', {}, id="404"),
    ],
)
async def test_anything_else_is_no_catalogue(status: int, content: bytes, headers: dict[str, str]) -> None:
    """The next provider may have one."""
    assert None is await fetch_for_codex(Answering(status, content, headers))


async def test_without_a_connection_there_is_no_catalogue() -> None:
    """Nobody is told why: the Codex CLI has a list of its own."""
    assert None is await fetch_for_codex(Answering(error=httpx.ConnectError))


@pytest.mark.virtual_time
async def test_a_catalogue_is_waited_for_briefly() -> None:
    """After five seconds the Codex CLI would have given up."""
    clock = asyncio.get_running_loop().time
    before = clock()
    assert None is await fetch_for_codex(StreamingASGITransport(Silent()))
    assert 5.0 == pytest.approx(clock() - before)
