"""How does the cost of a request grow with its body, and how long does a large one keep others waiting?

- slope: CPU of the process per KB of body, by least squares over 10 KB to 2 MB, against the pump's slope of
  the same round
- held: the longest time for which the event loop serves nobody else while one request of 1 MB comes through,
  from its first byte to the end of its answer

What grows is the history of a coding agent (``conversations.py``); the answer is always the same 20 events.
"""

import statistics
from collections.abc import Sequence

from conversations import request_of_size
from figures import Figure
from load_client import closed_loop
from loop_holds import HeldServer, started_held_servers
from processes import ServerProcess
from targets import Bench, Target, started_bench
from upstream_server import Whole
from workloads import SURFACES, small_answer, unlike

__all__ = ["SIZES", "cost_by_size", "measure"]

SIZES = (10_000, 30_000, 100_000, 300_000, 600_000, 1_000_000, 1_500_000, 2_000_000)
"""Bytes of body."""

_HELD_BYTES = 1_000_000
_HELD_GOAL_MS = 3.0
_SLOPE_GOAL = 2.0
_BYTES_PER_SAMPLE = 6_000_000
_MOST_REQUESTS = 100


async def measure(*, quick: bool, surfaces: Sequence[str] = tuple(SURFACES)) -> list[Figure]:
    """Measure slopes in turns of the pump and each surface, then holds."""
    figures = []
    async with started_bench(surfaces=surfaces) as bench:
        figures += await _slopes(bench, rounds=2 if quick else 7)
    async with started_held_servers(tuple(surfaces)) as servers:
        figures += [await _held(server, 10 if quick else 40) for server in servers]
    return figures


async def cost_by_size(target: Target, process: ServerProcess, surface: str) -> list[float]:
    """Return CPU microseconds per request for each of ``SIZES``; requests come one after the other."""
    costs = []
    for size in SIZES:
        count = max(3, min(_MOST_REQUESTS, _BYTES_PER_SAMPLE // size))
        connections, requests = await target.connections(1), unlike(request_of_size(surface, size))
        await closed_loop(connections, requests, 1)
        before = process.cpu_seconds()
        await closed_loop(connections, requests, count)
        costs.append((process.cpu_seconds() - before) / count * 1e6)
        connections[0].close()
    return costs


async def _slopes(bench: Bench, *, rounds: int) -> list[Figure]:
    bench.upstream.set_plan(Whole(small_answer()))
    pump: list[float] = []
    found: dict[str, list[float]] = {surface: [] for surface in bench.surfaces}
    for _ in range(rounds):
        pump.append(_slope(await cost_by_size(bench.pump, bench.pump_process, "messages")))
        for surface, target in bench.surfaces.items():
            found[surface].append(_slope(await cost_by_size(target, bench.proxy_process, surface)))
    figures = [Figure(name="pump.slope", unit="us/KB", samples=tuple(pump))]
    for surface, slopes in found.items():
        ratios = tuple(ours / bare for ours, bare in zip(slopes, pump, strict=True))
        figures.append(Figure(name=f"{surface}.slope", unit="us/KB", samples=tuple(slopes)))
        figures.append(Figure(name=f"{surface}.slope.ratio", unit="x", samples=ratios, goal=_SLOPE_GOAL))
    return figures


def _slope(costs: Sequence[float]) -> float:
    return statistics.linear_regression([size / 1e3 for size in SIZES], costs).slope


async def _held(server: HeldServer, count: int) -> Figure:
    surface = server.target.name if server.target.name in SURFACES else "messages"
    requests = unlike(request_of_size(surface, _HELD_BYTES))
    await server.held_ms(requests, 3)
    return Figure(
        name=f"{server.target.name}.held_by_1_mb",
        unit="ms",
        samples=tuple(await server.held_ms(requests, count)),
        goal=_HELD_GOAL_MS if server.target.name in SURFACES else None,
    )
