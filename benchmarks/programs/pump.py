"""The yardstick: an ASGI byte relay on the proxy's server and its HTTP client, without anything in between.

What the proxy costs above it is translation, limits, identities and the watch over the client. It does not
notice a client that leaves.

Usage: python benchmarks/programs/pump.py PORT UPSTREAM_URL, for the server of ``packyproxy serve``
"""

import signal
import sys
from typing import Any

from packyproxy.providers.request import UpstreamRequest
from packyproxy.runtime.upstream import Upstream

__all__ = ["Pump"]

_REQUEST_HEADERS = (
    ("content-type", "application/json"),
    ("accept", "text/event-stream"),
    ("accept-encoding", "identity"),
    ("user-agent", "pump"),
    ("authorization", "Bearer sk-benchmark"),
)
_RESPONSE_HEADERS = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache")]


class Pump:
    """Relay the body of every POST to an upstream, and its answer back."""

    def __init__(self, upstream_url: str) -> None:
        self._url = f"{upstream_url}/responses"
        self._upstream = Upstream()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self._serve_lifespan(receive, send)
        elif scope["method"] == "POST":
            await self._relay(receive, send)
        else:
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
            await send({"type": "http.response.body", "body": b""})

    async def _relay(self, receive: Any, send: Any) -> None:
        # The body is not kept while the answer streams.
        response = await self._upstream.open(
            UpstreamRequest(self._url, _REQUEST_HEADERS, await _read_body(receive))
        )
        try:
            await send(
                {"type": "http.response.start", "status": response.status, "headers": _RESPONSE_HEADERS}
            )
            async for chunk in response:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        finally:
            await response.aclose()

    async def _serve_lifespan(self, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._upstream.aclose()
        await send({"type": "lifespan.shutdown.complete"})


async def _read_body(receive: Any) -> bytes:
    pieces = []
    while True:
        message = await receive()
        pieces.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(pieces)


def main() -> None:
    from packyproxy.cli.server import (
        Stop,
        bind,
        calm_the_collector,
        keep_freed_memory,
        run_in_loop,
        serve_app,
    )

    port, upstream_url = int(sys.argv[1]), sys.argv[2]

    async def serve() -> int:
        stop = Stop()
        stop.on_signals(signal.SIGTERM)
        calm_the_collector()
        keep_freed_memory()
        await serve_app(Pump(upstream_url), bind("127.0.0.1", port), stop, grace_seconds=1.0)
        return 0

    sys.exit(run_in_loop(serve))


if __name__ == "__main__":
    main()
