"""The way to the provider and what it answers. Each row breaks one thing; words and next step are doctor's."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from packyproxy.testing import FakeUpstream, Fault, ReceivedRequest
from tests.support.newcomer import Command, configure, doctor
from tests.support.servers import PROVIDER_KEY, Listener, free_port

pytestmark = pytest.mark.e2e

CERTIFICATES = Path(__file__).parents[2] / "corpus" / "tls"


@pytest.mark.parametrize(
    ("base_url", "words", "next_step"),
    [
        pytest.param(
            "https://no-such-host.invalid/v1",
            "name         the name no-such-host.invalid is not known",
            "correct the host in base-url",
            id="name",
        ),
        pytest.param(
            "http://127.0.0.1:{free}/v1", "the connection was refused", "check base-url, proxy-url", id="port"
        ),
    ],
)
async def test_nobody_is_there(
    base_url: str, words: str, next_step: str, packyproxy: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What fails is named, and that packyproxy does not take the way out that is set for others."""
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    configure(base_url.format(free=free_port()))
    code, output = await doctor(packyproxy)
    assert (1, "something to mend: provider packycode") == (code, output.splitlines()[-1])
    assert words in output
    assert f"what to do   {next_step}" in output
    assert "HTTPS_PROXY  set here and not used: set the provider's proxy-url to it" in output


@asynccontextmanager
async def tls_server(certificate: str) -> AsyncIterator[int]:
    """Listen on loopback with a certificate of the corpus; returns the port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATES / certificate)

    async def close(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(close, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


@pytest.mark.parametrize(
    ("host", "certificate", "trusted", "words", "next_step"),
    [
        pytest.param(
            "localhost", "localhost.pem", "", "is self-signed", "set SSL_CERT_FILE to a file", id="untrusted"
        ),
        pytest.param(
            "localhost",
            "expired.pem",
            "expired.pem",
            "has expired",
            "the clock of this machine",
            id="expired",
        ),
        pytest.param(
            "127.0.0.1",
            "localhost.pem",
            "localhost.pem",
            "is for another address",
            "correct the host in base-url",
            id="wrong name",
        ),
    ],
)
async def test_a_certificate_that_will_not_do(
    host: str,
    certificate: str,
    trusted: str,
    words: str,
    next_step: str,
    packyproxy: Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each has its own words and its own remedy."""
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATES / trusted))
    async with tls_server(certificate) as port:
        configure(f"https://{host}:{port}/v1")
        code, output = await doctor(packyproxy)
    assert 1 == code
    assert f"failed  TLS         the certificate {words}" in output
    assert next_step in output.partition("what to do")[2]


async def test_no_tls_where_it_is_asked_for(listener: Listener, packyproxy: Command) -> None:
    """The other scheme is what to try."""
    async with listener.serving(FakeUpstream("OK")):
        configure(listener.url.replace("http:", "https:"))
        code, output = await doctor(packyproxy)
    assert (1, True) == (code, "the port does not speak TLS" in output)
    assert "begin base-url with http://" in output


def refusing_effort(request: ReceivedRequest) -> Fault:
    """Refuse whatever effort is asked for."""
    error = {
        "message": f"Unsupported value: '{request.body['reasoning']['effort']}' is not supported with this model.",
        "param": "reasoning.effort",
        "code": "unsupported_value",
    }
    return Fault.answer(400, {"error": error})


def chat_completion() -> Fault:
    """Answer as an API does that knows nothing of Responses."""
    return Fault.answer(200, {"object": "chat.completion", "choices": []})


@pytest.mark.parametrize(
    ("script", "words", "next_step"),
    [
        pytest.param(Fault.unauthorized(), "HTTP 401: Incorrect API key", "get a valid key", id="key"),
        pytest.param(Fault.forbidden(), "HTTP 403: This group only allows", "its terms decide", id="clients"),
        pytest.param(
            Fault.status(403, "no"),
            "HTTP 403: no",
            "ask the provider what this key may be used for",
            id="403",
        ),
        pytest.param(
            Fault.status(402, "Insufficient balance"),
            "HTTP 402: Insufficient",
            "pay the provider",
            id="credit",
        ),
        pytest.param(
            Fault.usage_limit(resets_in_seconds=7200),
            "HTTP 429: The usage limit",
            "wait until 20",
            id="limit",
        ),
        pytest.param(
            Fault.status(429, "slow down"), "HTTP 429: slow down", "wait, or enable another", id="rate limit"
        ),
        pytest.param(Fault.status(500, "oh"), "HTTP 500: oh", "try again later", id="500"),
        pytest.param(Fault.overloaded(), "HTTP 503: Our servers", "try again later", id="503"),
        pytest.param(
            Fault.status(404, "The model 'gpt-5' does not exist", code="model_not_found"),
            "HTTP 404: The model 'gpt-5' does not exist",
            "set defaults.model to a model that the provider has",
            id="model",
        ),
        pytest.param(refusing_effort, "HTTP 400: Unsupported value", "list the efforts", id="effort"),
        pytest.param(
            Fault.status(400, "Unsupported parameter: store", param="store"),
            "HTTP 400: Unsupported parameter",
            "set defaults.model or profile to what it accepts",
            id="parameter",
        ),
        pytest.param(
            Fault.end("OK"), "ended before response.completed", "ask the provider whether", id="no end"
        ),
        pytest.param(chat_completion(), "JSON is no response", "whether it streams the Responses", id="chat"),
    ],
)
async def test_what_a_provider_refuses(
    script: Any, words: str, next_step: str, listener: Listener, upstream: FakeUpstream, packyproxy: Command
) -> None:
    """Its own words, and what to do about them; in JSON as well. The key is not shown."""
    upstream.script = script
    configure(f"{listener.url}/v1")
    code, output = await doctor(packyproxy)
    assert 1 == code
    assert words in output
    assert next_step in output.partition("what to do")[2]
    code, output = await doctor(packyproxy, "--json")
    (report,) = json.loads(output)["providers"]
    assert (1, False, True) == (code, report["ok"], next_step in report["next-step"])
    assert PROVIDER_KEY not in output


async def test_the_models_that_there_are(
    listener: Listener, upstream: FakeUpstream, packyproxy: Command
) -> None:
    """Where the provider lists other models than the one it was asked for, they are named."""
    upstream.script = Fault.status(503, "No available channel for model gpt-9 under group default")
    configure(f"{listener.url}/v1", provider={"defaults": {"model": "gpt-9"}})
    _, output = await doctor(packyproxy)
    assert "what to do  the provider does not list gpt-9: set defaults.model to one of gpt-5" in output


class OnlyBelowV1:
    """A provider whose API is below /v1, with its web site everywhere else."""

    def __init__(self, status: int) -> None:
        self._status = status
        self._api = FakeUpstream("OK")

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        if scope["type"] != "http" or scope["path"].startswith("/v1/"):
            await self._api(scope, receive, send)
            return
        headers = [(b"content-type", b"text/html")]
        await send({"type": "http.response.start", "status": self._status, "headers": headers})
        await send({"type": "http.response.body", "body": b"<html><title>Welcome</title></html>"})


@pytest.mark.parametrize("status", [200, 404, 405])
async def test_an_address_without_its_path(status: int, listener: Listener, packyproxy: Command) -> None:
    """Where the web site answers and the API is below it, its address is named, and is the right one."""
    async with listener.serving(OnlyBelowV1(status)):
        configure(listener.url)
        code, output = await doctor(packyproxy)
        assert 1 == code
        assert f"set base-url to {listener.url}/v1: the provider lists its models there" in output
        configure(f"{listener.url}/v1")
        assert 0 == (await doctor(packyproxy))[0]


async def test_an_address_that_leads_to_a_page(listener: Listener, packyproxy: Command) -> None:
    """Where nothing better is found, what belongs there is said."""
    async with listener.serving(OnlyBelowV1(200)):
        configure(f"{listener.url}/api")
        _, output = await doctor(packyproxy)
    assert "the upstream answered with HTML" in output
    assert "what to do  correct base-url: the address up to, not including, /responses" in output


async def test_a_provider_that_is_silent(
    listener: Listener, upstream: FakeUpstream, packyproxy: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is given up after a minute, here sooner."""
    monkeypatch.setattr("packyproxy.runtime.examination.trial._ANSWER_SECONDS", 0.2)
    upstream.script = Fault.stall("OK", after_events=0)
    configure(f"{listener.url}/v1")
    code, output = await doctor(packyproxy)
    assert (1, True) == (code, "try again later; if it lasts" in output.partition("what to do")[2])
