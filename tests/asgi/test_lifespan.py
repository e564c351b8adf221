"""The proxy's lifetime under a server, under a host, and under nobody."""

from collections.abc import MutableMapping
from typing import Any

import pytest

from packyproxy.app import PackyProxy
from packyproxy.asgi.lifespan import serve_lifespan

SETTINGS = {
    "packycode": {
        "enabled": True,
        "base-url": "http://upstream.test/v1",
        "credentials": {"openai-api-key": "sk-0123456789"},
    }
}


class Server:
    """The server's side of a lifespan scope."""

    def __init__(self) -> None:
        self.sent: list[MutableMapping[str, Any]] = []
        self._messages = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])

    async def receive(self) -> MutableMapping[str, Any]:
        return next(self._messages)

    async def send(self, message: MutableMapping[str, Any]) -> None:
        self.sent.append(message)


async def test_a_server_starts_and_stops_the_proxy() -> None:
    """Both halves of the lifespan are answered."""
    server = Server()
    await PackyProxy(SETTINGS)({"type": "lifespan"}, server.receive, server.send)
    assert ["lifespan.startup.complete", "lifespan.shutdown.complete"] == [m["type"] for m in server.sent]


class Broken:
    """A resource that fails where it is told to."""

    def __init__(self, *, at_exit: bool) -> None:
        self._at_exit = at_exit

    async def __aenter__(self) -> None:
        if not self._at_exit:
            raise OSError("no")

    async def __aexit__(self, *_: object) -> None:
        raise OSError("no")


@pytest.mark.parametrize(
    ("at_exit", "last"), [(False, "lifespan.startup.failed"), (True, "lifespan.shutdown.failed")]
)
async def test_a_failure_is_said_not_raised(at_exit: bool, last: str) -> None:
    """Raising would leave some servers serving."""
    server = Server()
    await serve_lifespan(Broken(at_exit=at_exit), server.receive, server.send)
    assert last == server.sent[-1]["type"]


async def test_hosts_enter_the_proxy_in_two_ways() -> None:
    """``async with proxy`` and ``lifespan=proxy.lifespan`` nest without harm."""
    proxy = PackyProxy(SETTINGS)
    async with proxy, proxy.lifespan(object()):
        assert proxy.runtime.snapshot.providers.keys() == {"packycode"}
