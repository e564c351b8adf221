"""Websockets are refused: in HTTP where the server can answer so, and else by not accepting them."""

import json
from collections.abc import Callable, MutableMapping
from typing import Any

import pytest

from packyproxy import PackyProxy
from packyproxy.asgi.gateway import Gateway
from packyproxy.asgi.models import Models
from packyproxy.config import config_from_mapping
from packyproxy.runtime.runtime import Runtime

SETTINGS: dict[str, Any] = {"packycode": {"enabled": False}, "api-keys": ["client-key-one"]}
CAN_ANSWER: dict[str, Any] = {"websocket.http.response": {}}


async def shake_hands(app: Any, path: str, **scope: Any) -> list[MutableMapping[str, Any]]:
    """Ask an app for a websocket and return what it sends."""
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    await app({"type": "websocket", "path": path, "headers": [], "query_string": b"", **scope}, receive, send)
    return sent


@pytest.mark.parametrize("path", ["/v1/responses", "/responses", "/v1/responses/", "/v1/chat/completions"])
async def test_the_handshake_is_answered_in_http(path: str) -> None:
    """426 makes the Codex CLI go on over HTTP at once; no key is asked for, since there is nothing to have."""
    start, body = await shake_hands(PackyProxy(SETTINGS), path, extensions=CAN_ANSWER)
    error = json.loads(body["body"])["error"]
    assert ("websocket.http.response.start", 426) == (start["type"], start["status"])
    assert ("websocket.http.response.body", False) == (body["type"], body["more_body"])
    assert ("websocket_unsupported", "invalid_request_error") == (error["code"], error["type"])
    headers = dict(start["headers"])
    assert (b"application/json", str(len(body["body"])).encode()) == (
        headers[b"content-type"],
        headers[b"content-length"],
    )
    assert headers[b"x-request-id"].startswith(b"req_")


async def test_an_unknown_path_is_not_found() -> None:
    """It is answered as any other request for it."""
    start, _ = await shake_hands(PackyProxy(SETTINGS), "/nowhere", extensions=CAN_ANSWER)
    assert 404 == start["status"]


@pytest.mark.parametrize(
    "scope", [{}, {"extensions": {}}, {"extensions": None}], ids=["none", "empty", "null"]
)
async def test_a_server_that_cannot_answer_closes(scope: dict[str, Any]) -> None:
    """A close before acceptance refuses the handshake."""
    sent = await shake_hands(PackyProxy(SETTINGS), "/v1/responses", **scope)
    assert [{"type": "websocket.close"}] == sent


@pytest.mark.parametrize("component", [Gateway, Models])
async def test_components_refuse_websockets_too(component: Callable[[Runtime], Any]) -> None:
    """A host that mounts one alone passes it every scope below its mount."""
    app = component(Runtime(config_from_mapping(SETTINGS)))
    path = app.routes[0].path
    (start, _) = await shake_hands(app, f"/llm{path}", root_path="/llm", extensions=CAN_ANSWER)
    assert 426 == start["status"]


@pytest.mark.parametrize(
    ("method", "upgrade", "status"),
    [("GET", "websocket", 426), ("GET", "WebSocket", 426), ("GET", "h2c", 405), ("POST", "websocket", 401)],
)
async def test_servers_without_websockets_pass_the_handshake_on(
    stage: Callable[..., Any], method: str, upgrade: str, status: int
) -> None:
    """It is an HTTP request then; HTTP lets a server leave ``upgrade`` alone where the request can be answered."""
    client = stage("ok", config={"api-keys": ["client-key-one"]}).client
    headers = {"connection": "upgrade", "upgrade": upgrade}
    answer = await client.request(method, "/v1/responses", headers=headers)
    assert status == answer.status_code


async def test_where_a_get_is_answered_upgrade_is_left_alone(stage: Callable[..., Any]) -> None:
    """A model list is one with and without it."""
    answer = await stage("ok").client.get("/v1/models", headers={"upgrade": "websocket"})
    assert 200 == answer.status_code
