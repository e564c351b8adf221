"""Does a client that leaves close its upstream at once, and does nothing stay behind? (G7)

Twenty clients leave in the same moment, in each phase of an answer; the time is from there until the
upstream sees its connection close. Then a thousand leave, and what the proxy process holds is compared.
"""

import asyncio
import time
from collections.abc import Sequence
from itertools import count, product

from goals import ABORT, ABORT_LEFTOVERS, ABORT_MEMORY, ABORT_OBJECTS
from msgspec import Struct
from rig.event_loop import wait_until
from rig.figures import Figure
from rig.processes import DEFAULT_SERVERS, ServerProcess
from rig.targets import Bench, Target, started_bench
from rig.upstream_server import Paced, Silent, UpstreamServer
from rig.workloads import SURFACES, long_text

__all__ = ["closing_times", "measure"]

_CLIENTS = 20
_PATIENCE_SECONDS = 2.0
"""An upstream still open after this is counted as closed then, which misses the goal."""
_ARRIVAL_SECONDS = 10.0
_SETTLE_SECONDS = 0.5
_BATCH = 50
_WARM_UP_ABORTS = 800
"""After so many, memory has reached what batches of fifty at once need."""
_NEVER = 3600.0
_markers = count()
"""Each request has its own."""

_GROWTH = {
    "tasks": ("tasks", ABORT_LEFTOVERS),
    "objects": ("objects", ABORT_OBJECTS),
    "open_files": ("files", ABORT_LEFTOVERS),
    "rss": ("MB", ABORT_MEMORY),
}
"""The unit and the goal of each thing that must not stay behind."""


class _Phase(Struct, frozen=True):
    name: str
    plan: Silent | Paced
    is_stream: bool = True
    shows_content: bool = False


async def measure(
    *, quick: bool, surfaces: Sequence[str] = tuple(SURFACES), servers: Sequence[str] = DEFAULT_SERVERS
) -> list[Figure]:
    """Measure the phases on every surface, then look for growth."""
    figures = []
    for server in servers:
        async with started_bench(surfaces=surfaces, server=server, counts_objects=True) as bench:
            figures += await _closings(bench)
            figures += await _growth(bench, 400 if quick else 1000)
    return figures


async def closing_times(upstream: UpstreamServer, target: Target) -> list[float]:
    """Let clients leave in the middle of their answers; return how long each upstream stays open, in ms."""
    (phase,) = (phase for phase in _phases() if phase.shows_content)
    return await _leave(upstream, target, phase, _CLIENTS)


async def _closings(bench: Bench) -> list[Figure]:
    figures = []
    for surface, target in bench.surfaces.items():
        slowest = 0.0
        for phase in _phases():
            times = await _leave(bench.upstream, target, phase, _CLIENTS)
            name = f"{bench.server}.{surface}.{phase.name}"
            figures.append(Figure(name=name, unit="ms", samples=tuple(times)))
            slowest = max(slowest, *times)
        name = f"{bench.server}.{surface}.slowest"
        figures.append(Figure(name=name, unit="ms", samples=(slowest,), goal=ABORT))
    return figures


def _phases() -> tuple[_Phase, ...]:
    head, delta, tail = long_text()
    waiting = Paced(head[:2], (delta,), tail, _NEVER)
    return (
        _Phase("before_headers", Silent()),
        _Phase("before_content", waiting),
        _Phase("mid_stream", Paced(head, (delta,), tail, 0.05), shows_content=True),
        _Phase("not_streaming", waiting, is_stream=False),
    )


async def _leave(upstream: UpstreamServer, target: Target, phase: _Phase, clients: int) -> list[float]:
    """Let clients leave together; return the milliseconds until each one's upstream was closed."""
    upstream.set_plan(phase.plan)
    numbers = [next(_markers) for _ in range(clients)]
    connections = await target.connections(clients)
    expected = upstream.requests + clients
    for number, connection in zip(numbers, connections, strict=True):
        connection.send(target.request(marker=number, is_stream=phase.is_stream))
    if not await wait_until(lambda: upstream.requests >= expected, seconds=_ARRIVAL_SECONDS):
        raise RuntimeError(f"{expected - upstream.requests} of {clients} requests never reached the upstream")
    if phase.shows_content:
        for connection in connections:
            await connection.wait_content()
    await asyncio.sleep(0.05)
    left_at = time.perf_counter()
    for connection in connections:
        connection.close()
    await wait_until(lambda: upstream.closed_at.keys() >= set(numbers), seconds=_PATIENCE_SECONDS)
    return [
        (upstream.closed_at.pop(number, left_at + _PATIENCE_SECONDS) - left_at) * 1e3 for number in numbers
    ]


async def _growth(bench: Bench, aborts: int) -> list[Figure]:
    """Compare what the process holds before and after many aborts, as many in each phase of each surface."""
    kinds = list(product(bench.surfaces.values(), _phases()))

    async def leave_often(times: int) -> None:
        for number in range(times // _BATCH):
            target, phase = kinds[number % len(kinds)]
            await _leave(bench.upstream, target, phase, _BATCH)

    await leave_often(_WARM_UP_ABORTS)
    before = await _holdings(bench.proxy_process)
    await leave_often(aborts)
    after = await _holdings(bench.proxy_process)
    return [
        Figure(
            name=f"{bench.server}.growth_after_{aborts}.{name}",
            unit=unit,
            samples=(after[name] - before[name],),
            goal=goal,
        )
        for name, (unit, goal) in _GROWTH.items()
    ]


async def _holdings(process: ServerProcess) -> dict[str, float]:
    await asyncio.sleep(_SETTLE_SECONDS)
    tasks, objects = await process.object_counts()
    return {
        "tasks": tasks,
        "objects": objects,
        "open_files": process.open_files(),
        "rss": process.rss_bytes() / 1e6,
    }
