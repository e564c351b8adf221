"""How much memory does an idle open stream cost? (G5)

500 streams have shown their first content and then wait. What counts is the growth of resident memory in
fresh processes, divided by their number, and the most that was resident in all; the pump shows how much of it
is the server's and the HTTP client's.
"""

import asyncio
from collections.abc import Sequence

from goals import OPEN_STREAM, PEAK_MEMORY
from rig.figures import Figure
from rig.load_client import ClientConnection
from rig.processes import DEFAULT_SERVERS, ServerProcess
from rig.targets import Target, started_bench
from rig.upstream_server import Paced, UpstreamServer
from rig.workloads import SURFACES, long_text

__all__ = ["kilobytes_per_stream", "measure"]

_STREAMS = 500
_NEVER = 3600.0
_SETTLE_SECONDS = 0.3
_CONNECTS_AT_ONCE = 50


async def measure(
    *, quick: bool, surfaces: Sequence[str] = tuple(SURFACES), servers: Sequence[str] = DEFAULT_SERVERS
) -> list[Figure]:
    """Open the streams at the pump and at each surface, in fresh processes each time."""
    rounds = 1 if quick else 3
    figures = []
    for server in servers:
        for surface in surfaces:
            pump: list[float] = []
            ours: list[float] = []
            peaks: list[float] = []
            for _ in range(rounds):
                async with started_bench(surfaces=(surface,), server=server) as bench:
                    target = bench.surfaces[surface]
                    for found, asked, process in (
                        (pump, bench.pump, bench.pump_process),
                        (ours, target, bench.proxy_process),
                    ):
                        found.append(await kilobytes_per_stream(bench.upstream, asked, process, _STREAMS))
                    peaks.append(bench.proxy_process.peak_rss_bytes() / 1e6)
            name = f"{server}.{surface}"
            figures += [
                Figure(name=f"{name}.per_stream_of_the_pump", unit="KB", samples=tuple(pump)),
                Figure(name=f"{name}.per_stream", unit="KB", samples=tuple(ours), goal=OPEN_STREAM),
                Figure(name=f"{name}.peak", unit="MB", samples=tuple(peaks), goal=PEAK_MEMORY),
            ]
    return figures


async def kilobytes_per_stream(
    upstream: UpstreamServer, target: Target, process: ServerProcess, streams: int
) -> float:
    """Open idle streams; return what resident memory has grown by, for each of them."""
    head, delta, tail = long_text()
    upstream.set_plan(Paced(head, (delta,), tail, _NEVER))
    request = target.request()
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
