"""How much CPU does the proxy spend per request and per upstream event, compared with a byte relay?

Proxy and pump run on the same server and the same upstream HTTP client, and are measured in turns: the pump,
each surface, the pump again. Compare the ratios of one run; the microseconds depend on the machine and on
what else it does. Workloads:

- small: a 30 KB request, an answer of 20 events; per request
- ev1: one event per network read at an equal rate on many streams, as live providers write; per event
- m50: 50 events in one write, each an HTTP chunk of its own, as after a stall; per event
- mix: reasoning, text, two tool calls, 20 KB of echoed instructions, in one write; per event, with request
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from figures import Figure
from load_client import ClientConnection, closed_loop
from processes import ServerProcess
from targets import Bench, Target, started_bench
from upstream_server import Paced, UpstreamServer, Whole
from workloads import SURFACES, long_text, mixed_answer, small_answer, unlike

__all__ = ["measure"]

_SMALL_CONNECTIONS = 8
_EV1_STREAMS = 100
_EV1_SECONDS = 0.05
_M50_STREAMS = 10
_M50_SECONDS = 0.05
_SETTLE_SECONDS = 0.3

_GOALS = {
    ("messages", "small"): 2.0,
    ("messages", "ev1"): 1.6,
    ("chat", "ev1"): 3.0,
    ("chat", "m50"): 3.0,
    ("chat", "mix"): 3.0,
    ("responses", "ev1"): 1.3,
    ("responses", "m50"): 1.3,
}
"""At most so many times the pump, by surface and workload."""

Cost = Callable[[Target, ServerProcess], Awaitable[float]]
"""Measures a target once: CPU microseconds per unit of work."""


async def measure(*, quick: bool, surfaces: Sequence[str] = tuple(SURFACES)) -> list[Figure]:
    """Measure every workload in rounds of the pump and each surface."""
    async with started_bench(surfaces=surfaces) as bench:
        costs = _Costs(bench.upstream, quick=quick)
        rounds = 3 if quick else 9
        figures = await _compare(bench, "small", costs.of_small_requests, "us/req", rounds)
        figures += await _compare(bench, "ev1", costs.of_single_events, "us/event", rounds)
        figures += await _compare(bench, "m50", costs.of_bursts, "us/event", rounds)
        figures += await _compare(bench, "mix", costs.of_mixed_answers, "us/event", rounds)
    reads = tuple(costs.reads_per_event)
    return [*figures, Figure(name="ev1.reads_per_event", unit="reads", samples=reads)]


async def _compare(bench: Bench, workload: str, cost: Cost, unit: str, rounds: int) -> list[Figure]:
    pump: list[float] = []
    found: dict[str, list[float]] = {surface: [] for surface in bench.surfaces}
    for _ in range(rounds):
        pump.append(await cost(bench.pump, bench.pump_process))
        for surface, target in bench.surfaces.items():
            found[surface].append(await cost(target, bench.proxy_process))
    figures = [Figure(name=f"{workload}.pump", unit=unit, samples=tuple(pump))]
    for surface, ours in found.items():
        ratios = tuple(own / bare for own, bare in zip(ours, pump, strict=True))
        name, goal = f"{workload}.{surface}", _GOALS.get((surface, workload))
        figures.append(Figure(name=name, unit=unit, samples=tuple(ours)))
        figures.append(Figure(name=f"{name}.ratio", unit="x", samples=ratios, goal=goal))
    return figures


class _Costs:
    def __init__(self, upstream: UpstreamServer, *, quick: bool) -> None:
        self._upstream = upstream
        self._small_requests = 200 if quick else 500
        self._mixed_requests = 40 if quick else 100
        self._window_seconds = 0.7 if quick else 2.0
        self.reads_per_event: list[float] = []
        """Of ev1, as the client saw it; below 1 the machine was too busy to deliver events one by one."""

    async def of_small_requests(self, target: Target, process: ServerProcess) -> float:
        return await self._of_closed_loop(target, process, small_answer(), self._small_requests)

    async def of_mixed_answers(self, target: Target, process: ServerProcess) -> float:
        answer = mixed_answer()
        return await self._of_closed_loop(target, process, answer, self._mixed_requests) / len(answer)

    async def of_single_events(self, target: Target, process: ServerProcess) -> float:
        return await self._of_streams(target, process, events=1, streams=_EV1_STREAMS, seconds=_EV1_SECONDS)

    async def of_bursts(self, target: Target, process: ServerProcess) -> float:
        return await self._of_streams(target, process, events=50, streams=_M50_STREAMS, seconds=_M50_SECONDS)

    async def _of_closed_loop(
        self, target: Target, process: ServerProcess, answer: tuple[bytes, ...], requests: int
    ) -> float:
        """Return microseconds per request."""
        self._upstream.set_plan(Whole(answer))
        connections, bodies = await target.connections(_SMALL_CONNECTIONS), unlike(target.request())
        await closed_loop(connections, bodies, _SMALL_CONNECTIONS)
        before = process.cpu_seconds()
        await closed_loop(connections, bodies, requests)
        spent = process.cpu_seconds() - before
        for connection in connections:
            connection.close()
        return spent / requests * 1e6

    async def _of_streams(
        self, target: Target, process: ServerProcess, *, events: int, streams: int, seconds: float
    ) -> float:
        """Return microseconds per event while all streams are open; neither start nor end counts."""
        head, delta, tail = long_text()
        self._upstream.set_plan(Paced(head, (delta,) * events, tail, seconds))
        connections, request = await target.connections(streams), target.request()
        for connection in connections:
            connection.send(request)
        for connection in connections:
            await connection.wait_content()
        await asyncio.sleep(_SETTLE_SECONDS)
        reads, beats, before = _reads(connections), self._upstream.beats, process.cpu_seconds()
        await asyncio.sleep(self._window_seconds)
        beats, spent = self._upstream.beats - beats, process.cpu_seconds() - before
        if events == 1:
            self.reads_per_event.append((_reads(connections) - reads) / beats)
        self._upstream.finish_streams()
        for connection in connections:
            await connection.wait_whole()
            connection.close()
        return spent / (beats * events) * 1e6


def _reads(connections: list[ClientConnection]) -> int:
    return sum(connection.answer.reads for connection in connections)
