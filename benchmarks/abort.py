"""Does a client that leaves close its upstream at once, and does nothing stay behind?

Twenty clients leave in the same moment, in each phase of an answer; the time is from there until the
upstream sees its connection close. Then a thousand leave, and what the proxy process holds is compared.
"""

import asyncio
import time
from itertools import count

from event_loop import wait_until
from figures import Figure
from msgspec import Struct
from processes import ServerProcess
from targets import Bench, started_bench
from upstream_server import Paced, Silent
from workloads import long_text, messages_request

__all__ = ["measure"]

_CLIENTS = 20
_GOAL_MS = 50.0
_PATIENCE_SECONDS = 2.0
"""An upstream still open after this is counted as closed then, which misses the goal."""
_ARRIVAL_SECONDS = 10.0
_SETTLE_SECONDS = 0.5
_BATCH = 50
_WARM_UP_ABORTS = 800
"""After so many, memory has reached what batches of fifty at once need."""
_NEVER = 3600.0

_GROWTH_GOALS = {"tasks": 0.0, "objects": 100.0, "open_files": 0.0, "rss": 4.0}
"""Objects are exact but for caches: a tenth of one per abort is no leak. Memory varies by 2 MB by itself."""
_GROWTH_UNITS = {"tasks": "tasks", "objects": "objects", "open_files": "files", "rss": "MB"}


class _Phase(Struct, frozen=True):
    name: str
    plan: Silent | Paced
    is_stream: bool = True
    shows_content: bool = False


async def measure(*, quick: bool) -> list[Figure]:
    """Measure the four phases, then look for growth."""
    markers = count()
    figures = []
    async with started_bench(counts_objects=True) as bench:
        for phase in _phases():
            times = await _leave(bench, phase, _CLIENTS, markers)
            figures.append(Figure(name=f"{phase.name}.closed_after", unit="ms", samples=tuple(times)))
            figures.append(
                Figure(name=f"{phase.name}.slowest", unit="ms", samples=(max(times),), goal=_GOAL_MS)
            )
        figures += await _growth(bench, 400 if quick else 1000, markers)
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


async def _leave(bench: Bench, phase: _Phase, clients: int, markers: "count[int]") -> list[float]:
    """Let clients leave together; return the milliseconds until each one's upstream was closed."""
    upstream = bench.upstream
    upstream.set_plan(phase.plan)
    numbers = [next(markers) for _ in range(clients)]
    connections = await bench.proxy.connections(clients)
    expected = upstream.requests + clients
    for number, connection in zip(numbers, connections, strict=True):
        connection.send(messages_request(marker=number, is_stream=phase.is_stream))
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


async def _growth(bench: Bench, aborts: int, markers: "count[int]") -> list[Figure]:
    """Compare what the process holds before and after many aborts, a quarter of them in each phase."""
    phases = _phases()

    async def leave_often(times: int) -> None:
        for number in range(times // _BATCH):
            await _leave(bench, phases[number % len(phases)], _BATCH, markers)

    await leave_often(_WARM_UP_ABORTS)
    before = await _holdings(bench.proxy_process)
    await leave_often(aborts)
    after = await _holdings(bench.proxy_process)
    return [
        Figure(
            name=f"growth_after_{aborts}.{name}",
            unit=_GROWTH_UNITS[name],
            samples=(after[name] - before[name],),
            goal=goal,
        )
        for name, goal in _GROWTH_GOALS.items()
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
