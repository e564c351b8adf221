"""Every host x mounted or middleware x every server: clients get what the proxy says, as soon as it says it."""

import asyncio
from typing import Any

import httpx
import pytest

from packyproxy.testing import Fault
from tests.support.asgi_servers import ALL_SERVERS
from tests.support.hosts import EVERY_CELL, Host
from tests.support.streams import read_until
from tests.support.surfaces import MESSAGES, SURFACES

pytestmark = [EVERY_CELL, pytest.mark.parametrize("server", ALL_SERVERS)]

SOON_SECONDS = 5.0

REFUSALS = {
    ("POST", "/llm/v1/messages/nothing", b"{}"): (404, "not_found_error"),
    ("POST", "/llm/v1/nothing", b"{}"): (404, "invalid_request_error"),
    ("GET", "/llm/v1/messages", b""): (405, "invalid_request_error"),
    ("GET", "/llm/v1/chat/completions/", b""): (405, "invalid_request_error"),
    ("POST", "/llm/v1/messages", b" " * 5000): (413, "request_too_large"),
    ("POST", "/llm/v1/responses/", b" " * 5000): (413, "invalid_request_error"),
    ("GET", "/llm/v0/management/status", b""): (404, "invalid_request_error"),
}
"""Requests that cannot be served, with the status and the error's type, each in the shape of its protocol."""


async def test_every_protocol_is_served(client: httpx.AsyncClient) -> None:
    """All three answer as a whole and as a stream; the models are listed."""
    found = {}
    for surface in SURFACES:
        whole = await client.post(f"/llm{surface.path}", json=surface.hello)
        stream = await client.post(f"/llm{surface.path}/", json={**surface.hello, "stream": True})
        found[surface.name] = [
            (answer.status_code, answer.headers["content-type"].partition(";")[0], "Hello" in answer.text)
            for answer in (whole, stream)
        ]
    models = await client.get("/llm/v1/models")
    both = [(200, "application/json", True), (200, "text/event-stream", True)]
    assert {surface.name: both for surface in SURFACES} == found
    assert (200, "list") == (models.status_code, models.json()["object"])


async def test_nothing_redirects(client: httpx.AsyncClient, host: Host, placing: str) -> None:
    """The mount itself is answered, and what is below it, whether a path ends with a slash or not."""
    paths = ["/llm", "/llm/", "/llm/healthz", "/llm/healthz/"]
    expected = dict.fromkeys(paths, 200)
    if placing == "mounted" and host.redirects_mount:
        expected["/llm"] = 307
    assert expected == {path: (await client.head(path)).status_code for path in paths}


async def test_refusals_are_the_clients_own(client: httpx.AsyncClient) -> None:
    """What cannot be served is told in the shape of the client's protocol, and never by the host's handlers."""
    found = {}
    for method, path, content in REFUSALS:
        answer = await client.request(method, path, content=content)
        found[method, path, content] = (answer.status_code, answer.json()["error"]["type"])
    assert REFUSALS == found


async def test_events_arrive_one_by_one(cell: Any, client: httpx.AsyncClient) -> None:
    """The first words are read while the upstream is silent about the next ones: nothing is held back."""
    cell.upstream.script = Fault.stall("First and then second.", after_events=5)
    async with asyncio.timeout(SOON_SECONDS), ask(client) as response:
        pieces = response.aiter_text()
        await read_until(pieces, "First ")
        assert "open" == cell.upstream.last_request.fate
        cell.upstream.release()
        await read_until(pieces, "event: message_stop")


async def test_leaving_closes_the_upstream(cell: Any, client: httpx.AsyncClient) -> None:
    """A client that leaves in mid-stream ends the upstream request at once."""
    cell.upstream.script = Fault.stall("First and then second.", after_events=5)
    async with asyncio.timeout(SOON_SECONDS):
        async with ask(client) as response:
            await read_until(response.aiter_text(), "First ")
        assert "disconnected" == await cell.upstream.last_request.ended()


def ask(client: httpx.AsyncClient) -> Any:
    """Return a context manager of a streamed answer."""
    return client.stream("POST", f"/llm{MESSAGES.path}", json={**MESSAGES.hello, "stream": True})
