"""How much later than through the pump does an event reach the client, while many streams run? (G8)

100 streams of 20 events a second each, as live providers write. The upstream writes the time into every
event; the delay is from there to the read of the client, which runs in the same process and on the same
clock. What is added is the difference to the pump before and after, of medians and of 99th percentiles.
"""

import asyncio
import re
import time
from collections.abc import Sequence
from itertools import pairwise

from goals import ADDED_DELAY, ADDED_DELAY_P99
from rig.figures import Figure, percentile
from rig.load_client import ClientConnection
from rig.processes import DEFAULT_SERVERS
from rig.targets import Bench, Target, started_bench
from rig.upstream_server import Paced
from rig.workloads import SURFACES, long_text, stamped_delta

__all__ = ["measure"]

_STREAMS = 100
_BEAT_SECONDS = 0.05
_SETTLE_SECONDS = 0.1
_STAMP = re.compile(rb"@(\d{16})")
_PERCENTILES = {"p50": (0.5, ADDED_DELAY), "p99": (0.99, ADDED_DELAY_P99)}


async def measure(
    *, quick: bool, surfaces: Sequence[str] = tuple(SURFACES), servers: Sequence[str] = DEFAULT_SERVERS
) -> list[Figure]:
    """Measure the pump and each surface in turns."""
    rounds, window_seconds = (3, 0.4) if quick else (11, 0.5)
    figures = []
    for server in servers:
        async with started_bench(surfaces=surfaces, server=server) as bench:
            pump = [await _delays(bench, bench.pump, window_seconds)]
            found: dict[str, list[list[float]]] = {surface: [] for surface in bench.surfaces}
            for _ in range(rounds):
                for surface, target in bench.surfaces.items():
                    found[surface].append(await _delays(bench, target, window_seconds))
                pump.append(await _delays(bench, bench.pump, window_seconds))
            figures += _figures(server, pump, found)
    return figures


class _Watching(ClientConnection):
    """A connection that sees how long events were on their way."""

    def __init__(self, content_mark: bytes, ending: bytes) -> None:
        super().__init__(content_mark, ending)
        self.delays_ms: list[float] = []

    def data_received(self, data: bytes) -> None:
        now = time.perf_counter_ns()
        self.delays_ms += [(now - int(written_at)) / 1e6 for written_at in _STAMP.findall(data)]
        super().data_received(data)


async def _delays(bench: Bench, target: Target, window_seconds: float) -> list[float]:
    """Return the milliseconds that each event took while all streams were open."""
    head, _, tail = long_text()
    bench.upstream.set_plan(Paced(head, (stamped_delta(),), tail, _BEAT_SECONDS))
    connections, request = [await target.connect_as(_Watching) for _ in range(_STREAMS)], target.request()
    for connection in connections:
        connection.send(request)
    for connection in connections:
        await connection.wait_content()
    await asyncio.sleep(_SETTLE_SECONDS)
    for connection in connections:
        connection.delays_ms.clear()
    await asyncio.sleep(window_seconds)
    delays = [delay for connection in connections for delay in connection.delays_ms]
    bench.upstream.finish_streams()
    for connection in connections:
        await connection.wait_whole()
        connection.close()
    return delays


def _figures(server: str, pump: list[list[float]], found: dict[str, list[list[float]]]) -> list[Figure]:
    figures = []
    for name, (share, goal) in _PERCENTILES.items():
        bare = [percentile(delays, share) for delays in pump]
        figures.append(Figure(name=f"{server}.pump.{name}", unit="ms", samples=tuple(bare)))
        for surface, rounds in found.items():
            ours = [percentile(delays, share) for delays in rounds]
            added = (own - sum(around) / 2 for own, around in zip(ours, pairwise(bare), strict=True))
            figure = f"{server}.{surface}.{name}"
            figures.append(Figure(name=figure, unit="ms", samples=tuple(ours)))
            figures.append(Figure(name=f"{figure}.added", unit="ms", samples=tuple(added), goal=goal))
    return figures
