"""Every host x mounted or middleware x what becomes of its lifespan: who starts and stops, and in which order."""

import logging
from typing import Any

import httpx
import pytest

from tests.support.asgi_servers import ALL_SERVERS, REAL_SERVERS, Server, StartFailed, in_process
from tests.support.hosts import EVERY_CELL, Host
from tests.support.surfaces import MESSAGES

pytestmark = EVERY_CELL


@pytest.fixture(autouse=True)
def _applies(host: Host, placing: str, wiring: str) -> None:
    if wiring != "absent" and placing == "middleware" and not host.has_lifespan:
        pytest.skip(f"{host} has no lifespan of its own, so what is around it cannot use it")


@pytest.mark.parametrize("wiring", ["used"])
@pytest.mark.parametrize("server", ALL_SERVERS)
async def test_host_and_proxy_live_together(cell: Any, server: Server) -> None:
    """The host starts and stops once, within the lifetime of the proxy, which ends with it."""
    async with server(cell.app) as client:
        assert (200, True) == ((await ask(client)).status_code, cell.is_running)
    assert [("start", True), ("stop", True)] == cell.life.events
    assert not cell.is_running


@pytest.mark.parametrize("wiring", ["failing"])
async def test_a_host_that_cannot_start_is_heard(cell: Any) -> None:
    """The server is told, in the host's words, and nothing of the proxy goes on."""
    with pytest.raises(StartFailed, match="the host has no database"):
        async with in_process(cell.app):
            raise AssertionError("nothing was to be served")
    assert ([("start", True)], False) == (cell.life.events, cell.is_running)


@pytest.mark.parametrize("wiring", ["failing"])
@pytest.mark.parametrize("server", REAL_SERVERS)
async def test_no_server_serves_a_host_that_cannot_start(cell: Any, server: Server) -> None:
    """Told so, each ends instead."""
    with pytest.raises(StartFailed):
        async with server(cell.app):
            raise AssertionError("nothing was to be served")


@pytest.mark.parametrize("wiring", ["absent"])
@pytest.mark.parametrize("server", ALL_SERVERS)
async def test_a_host_without_a_lifespan(cell: Any, placing: str, server: Server) -> None:
    """A middleware lives for as long as the server says; a mount is not told, and starts at its first request."""
    async with server(cell.app) as client:
        assert (200, placing == "middleware") == ((await ask(client)).status_code, cell.is_running)
    assert not cell.is_running


@pytest.mark.parametrize("wiring", ["absent"])
async def test_a_server_without_a_lifespan(cell: Any, caplog: pytest.LogCaptureFixture) -> None:
    """The proxy starts at the first request, says once in the log what is missing, and serves."""
    caplog.set_level(logging.INFO, "packyproxy")
    async with in_process(cell.app, has_lifespan=False) as client:
        answers = [await ask(client) for _ in range(3)]
    assert [200, 200, 200] == [answer.status_code for answer in answers]
    assert 1 == sum("lifespan=proxy.lifespan" in message for message in caplog.messages)
    assert not cell.is_running


async def ask(client: httpx.AsyncClient) -> httpx.Response:
    """Ask for a whole answer."""
    return await client.post("/llm/v1/messages", json=MESSAGES.hello)
