"""A websocket's handshake over a real connection: refused in HTTP, at once."""

import asyncio
import json

import pytest

from tests.support.servers import ServeProcess

pytestmark = pytest.mark.e2e

HANDSHAKE = (
    "GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: Upgrade\r\nupgrade: websocket\r\n"
    "sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


async def shake_hands(url: str, path: str) -> tuple[int, bytes]:
    """Ask for a websocket; return the status and the body of the answer."""
    host, _, port = url.removeprefix("http://").partition(":")
    async with asyncio.timeout(10):
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(HANDSHAKE.format(path=path).encode())
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            int(line.partition(b":")[2])
            for line in head.splitlines()
            if line.lower().startswith(b"content-length")
        )
        body = await reader.readexactly(length)
        writer.close()
        await writer.wait_closed()
    return int(head.split()[1]), body


@pytest.mark.parametrize("path", ["/v1/responses", "/responses"])
async def test_the_codex_cli_is_told_to_use_http(proxy: ServeProcess, path: str) -> None:
    """The server passes our answer to the handshake on, so nobody waits for the end of a time limit."""
    status, body = await shake_hands(proxy.url, path)
    assert (426, "websocket_unsupported") == (status, json.loads(body)["error"]["code"])
