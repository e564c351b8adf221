"""Every host x mounted or middleware: what is the host's own works as it did without the proxy."""

import asyncio
import json
from typing import Any

import httpx
import pytest

from tests.support.asgi_servers import in_process
from tests.support.hosts import EVERY_CELL, Host, Life
from tests.support.surfaces import MESSAGES

pytestmark = EVERY_CELL


async def test_its_pages_and_handlers_answer(
    cell: Any, client: httpx.AsyncClient, host: Host, placing: str
) -> None:
    """Its routes, its handlers of errors, its state and its middleware are those of the host without us."""
    paths = ["/hello", "/broken", "/nothing", "/v1/models"]
    if placing == "middleware" or host.mounts_segments:
        paths.append("/llmx/v1/models")
    life = Life()
    async with in_process(host.build(None, life if host.has_lifespan else None)) as alone:
        expected = [await look(alone, path) for path in paths]
    assert expected == [await look(client, path) for path in paths]
    assert {"host": str(host), "database": "open" if host.has_lifespan else None} == json.loads(
        expected[0][1]
    )


async def look(client: httpx.AsyncClient, path: str) -> tuple[int, str, dict[str, str]]:
    """Return all there is to see of a page."""
    answer = await client.get(path)
    return answer.status_code, answer.text, {k: v for k, v in answer.headers.items() if k != "date"}


async def test_its_context_variables_survive(cell: Any, client: httpx.AsyncClient) -> None:
    """Whatever is called for a request, hooks and the way to the upstream, sees the variables of its host."""
    for is_stream in (False, True):
        await client.post("/llm/v1/messages", json={**MESSAGES.hello, "stream": is_stream})
    called = ("authorize", "on_route", "transport", "on_usage")
    assert {(who, "tenant-1"): 2 for who in called} == cell.tenants


async def test_its_websockets_are_its_own(cell: Any, host: Host) -> None:
    """A websocket beside the proxy is opened, echoes, and is closed as before."""
    if not host.has_websockets:
        pytest.skip(f"{host} speaks no websockets")
    to_app = [{"type": "websocket.connect"}, {"type": "websocket.receive", "text": "hello"}]
    from_app: list[Any] = []
    closed = asyncio.Event()

    async def receive() -> Any:
        if not to_app:
            await closed.wait()
            return {"type": "websocket.disconnect", "code": 1000}
        return to_app.pop(0)

    async def send(message: Any) -> None:
        from_app.append(message)
        if message["type"] == "websocket.close":
            closed.set()

    await cell.app(WEBSOCKET, receive, send)
    assert ["accept", "send", "close"] == [m["type"].removeprefix("websocket.") for m in from_app]
    assert "hello" == from_app[1]["text"]


async def test_the_management_api_asks_for_its_key(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a management key the routes are there, and refuse in the shape of that API."""
    monkeypatch.setenv("MANAGEMENT_PASSWORD", "a-management-password")
    answer = await client.get("/llm/v0/management/status")
    assert (401, "unauthorized") == (answer.status_code, answer.json()["error"])


WEBSOCKET = {
    "type": "websocket",
    "asgi": {"version": "3.0", "spec_version": "2.3"},
    "http_version": "1.1",
    "scheme": "ws",
    "path": "/echo",
    "raw_path": b"/echo",
    "query_string": b"",
    "root_path": "",
    "headers": [(b"host", b"host.test")],
    "client": ("127.0.0.1", 50000),
    "server": ("127.0.0.1", 80),
    "subprotocols": [],
    "state": {},
    "extensions": {},
}
