"""How much memory does an idle open stream cost?

All streams have shown their first content and then wait. What counts is the growth of resident memory in
fresh processes, divided by their number; the pump shows how much of it is the server's and the HTTP client's.
"""

import asyncio

from figures import Figure
from load_client import ClientConnection
from processes import ServerProcess
from targets import Target, started_bench
from upstream_server import Paced, UpstreamServer
from workloads import long_text, messages_request

__all__ = ["measure"]

_NEVER = 3600.0
_SETTLE_SECONDS = 0.3
_CONNECTS_AT_ONCE = 50


async def measure(*, quick: bool) -> list[Figure]:
    """Open the streams at the pump and at the proxy, in fresh processes each time."""
    streams = 200 if quick else 500
    found: dict[str, list[float]] = {"pump": [], "proxy": []}
    peaks = []
    for _ in range(1 if quick else 3):
        async with started_bench() as bench:
            for target, process in ((bench.pump, bench.pump_process), (bench.proxy, bench.proxy_process)):
                found[target.name].append(
                    await _kilobytes_per_stream(bench.upstream, target, process, streams)
                )
            peaks.append(bench.proxy_process.peak_rss_bytes() / 1e6)
    return [
        Figure(name="pump.per_stream", unit="KB", samples=tuple(found["pump"])),
        Figure(name="proxy.per_stream", unit="KB", samples=tuple(found["proxy"]), goal=90.0),
        Figure(name=f"proxy.peak_with_{streams}", unit="MB", samples=tuple(peaks), goal=100.0),
    ]


async def _kilobytes_per_stream(
    upstream: UpstreamServer, target: Target, process: ServerProcess, streams: int
) -> float:
    head, delta, tail = long_text()
    upstream.set_plan(Paced(head, (delta,), tail, _NEVER))
    request = messages_request()
    before = process.rss_bytes()
    connections: list[ClientConnection] = []
    while len(connections) < streams:
        opened = await target.connections(min(_CONNECTS_AT_ONCE, streams - len(connections)))
        for connection in opened:
            connection.send(request)
        for connection in opened:
            await connection.wait_content()
        connections += opened
    await asyncio.sleep(_SETTLE_SECONDS)
    grown = process.rss_bytes() - before
    upstream.finish_streams()
    for connection in connections:
        await connection.wait_whole()
        connection.close()
    return grown / streams / 1e3
