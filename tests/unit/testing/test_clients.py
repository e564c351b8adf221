"""Clients of both SDKs lead into an app, also one that the proxy is mounted in."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from types import ModuleType
from typing import Any

import anthropic
import httpx
import httpx2
import openai
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse
from starlette.routing import Mount, Route

from packyproxy.testing import (
    FakeUpstream,
    anthropic_client,
    openai_client,
    sync_anthropic_client,
    sync_openai_client,
)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

CHAT: dict[str, Any] = {"model": "gpt-5", "messages": [{"role": "user", "content": "hi"}]}


async def where(scope: MutableMapping[str, Any], _receive: Receive, send: Send) -> None:
    """Say in the error of a 404 where a request has come, and with which key."""
    headers = dict(scope["headers"])
    key = headers.get(b"x-api-key") or headers.get(b"authorization", b"-")
    headers_of_answer = [(b"content-type", b"text/plain")]
    await send({"type": "http.response.start", "status": 404, "headers": headers_of_answer})
    place = headers[b"host"] + scope["path"].encode() + b" " + key.removeprefix(b"Bearer ")
    await send({"type": "http.response.body", "body": place, "more_body": False})


ANTHROPIC = pytest.mark.parametrize(
    ("options", "place"),
    [
        ({}, "testserver/v1/messages any-value"),
        ({"path": "/llm", "api_key": "sk-1"}, "testserver/llm/v1/messages sk-1"),
        ({"api_key": None, "auth_token": "token"}, "testserver/v1/messages token"),
    ],
    ids=["root", "mounted", "other credentials"],
)
OPENAI = pytest.mark.parametrize(
    ("options", "place"),
    [
        ({}, "testserver/v1/chat/completions any-value"),
        ({"path": "/llm/v1", "api_key": "sk-1"}, "testserver/llm/v1/chat/completions sk-1"),
    ],
    ids=["root", "mounted"],
)


@ANTHROPIC
async def test_an_anthropic_client_asks_the_app(options: dict[str, Any], place: str) -> None:
    """Its requests go below the path that the proxy is mounted at, with its credentials."""
    async with anthropic_client(where, **options) as client:
        with pytest.raises(anthropic.NotFoundError) as caught:
            await client.messages.create(**CHAT, max_tokens=1)
    assert place == caught.value.response.text


@ANTHROPIC
def test_a_synchronous_anthropic_client_asks_the_app(options: dict[str, Any], place: str) -> None:
    """What holds for one that awaits holds for one that blocks."""
    with sync_anthropic_client(where, **options) as client, pytest.raises(anthropic.NotFoundError) as caught:
        client.messages.create(**CHAT, max_tokens=1)
    assert place == caught.value.response.text


@OPENAI
async def test_an_openai_client_asks_the_app(options: dict[str, Any], place: str) -> None:
    """Its requests go below the path that the proxy is mounted at, with its credentials."""
    async with openai_client(where, **options) as client:
        with pytest.raises(openai.NotFoundError) as caught:
            await client.chat.completions.create(**CHAT)
    assert place == caught.value.response.text


@OPENAI
def test_a_synchronous_openai_client_asks_the_app(options: dict[str, Any], place: str) -> None:
    """What holds for one that awaits holds for one that blocks."""
    with sync_openai_client(where, **options) as client, pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(**CHAT)
    assert place == caught.value.response.text


async def test_an_upstream_can_be_asked_without_a_proxy() -> None:
    """A fake upstream is an app like others, which speaks the Responses API."""
    upstream = FakeUpstream(mode="platform")
    answer = await openai_client(upstream).responses.create(model="gpt-5", input="echo this")
    assert ("echo this", ["echo this"]) == (answer.output_text, upstream.last_request.texts)


def test_redirections_of_the_app_are_followed() -> None:
    """As the SDKs do by default: an application may move its mount."""
    app = Starlette(routes=[Route("/v1/{rest:path}", _moved, methods=["POST"]), Mount("/llm", where)])
    with pytest.raises(anthropic.NotFoundError) as moved:
        asyncio.run(anthropic_client(app).messages.create(**CHAT, max_tokens=1))
    with sync_openai_client(app) as client, pytest.raises(openai.NotFoundError) as moved_too:
        client.chat.completions.create(**CHAT)
    assert [
        "testserver/llm/v1/messages any-value",
        "testserver/llm/v1/chat/completions any-value",
    ] == [moved.value.response.text, moved_too.value.response.text]


async def _moved(request: Request) -> RedirectResponse:
    return RedirectResponse(f"/llm{request.url.path}")


def test_the_clients_are_as_the_sdk_makes_them_but_ask_once() -> None:
    """Timeouts are the SDK's own; further options reach it; nothing is repeated, which would sleep."""
    client = anthropic_client(where)
    usual = anthropic.AsyncAnthropic(api_key="any-value")
    assert (usual.timeout, 0) == (client.timeout, client.max_retries)
    other = openai_client(where, max_retries=1, timeout=3.0)
    assert (3.0, 1) == (other.timeout, other.max_retries)


@pytest.mark.parametrize("make", [anthropic_client, openai_client, sync_anthropic_client, sync_openai_client])
def test_a_missing_sdk_is_named(make: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the SDK the error says what to install."""
    name = make.__name__.removeprefix("sync_").removesuffix("_client")
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ModuleNotFoundError, match=f"pip install {name}$"):
        make(where)


def test_what_an_sdk_itself_lacks_is_not_blamed_on_its_absence(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """An SDK that is there but cannot be imported says so in its own words."""
    folder = tmp_path_factory.mktemp("broken")
    (folder / "openai.py").write_text("import no_such_module", "utf-8")
    monkeypatch.delitem(sys.modules, "openai")
    monkeypatch.syspath_prepend(folder)
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        openai_client(where)


@pytest.mark.parametrize("library", [httpx, httpx2])
def test_sdks_on_either_library_are_served(library: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Older SDKs get a client of httpx, newer ones of httpx2."""
    sdk: Any = ModuleType("openai")
    sdk.DefaultHttpxClient = type("DefaultHttpxClient", (library.Client,), {"__module__": "openai"})
    sdk.AsyncOpenAI = sdk.OpenAI = lambda **options: options["http_client"]
    monkeypatch.setitem(sys.modules, "openai", sdk)
    with sync_openai_client(where) as client:
        assert isinstance(client, library.Client)
        assert "testserver/a -" == client.get("http://testserver/a").text
    assert isinstance(openai_client(where), library.AsyncClient)
