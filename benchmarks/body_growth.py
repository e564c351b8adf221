"""How does the cost of a request grow with its body, and how long does a large one keep others waiting?

- slope: CPU of the process per KB of body, by least squares over 10 KB to 2 MB, and how many times the pump's
  slope of the same round that is
- held_by_1_mb: the longest time for which the event loop serves nobody else while one request of 1 MB comes
  through, from its first byte to the end of its answer; in CPU time, the median over many requests

With --quick, on the first server.

What grows is the history of a coding agent (``conversations.py``); the answer is always the same 20 events.
"""

import statistics
from collections.abc import Sequence

from goals import BODY_SLOPE, LOOP_HELD
from rig.conversations import request_of_size
from rig.figures import Figure
from rig.growth_axes import request_sizes
from rig.loop_holds import HELD_SERVERS, HeldServer, started_held_servers
from rig.processes import DEFAULT_SERVERS
from rig.targets import Bench, started_bench
from rig.workloads import SURFACES, unlike

__all__ = ["measure"]

_HELD_BYTES = 1_000_000
_WARM_UP_BYTES = 2_000_000
_WARM_UP_REQUESTS = 5


async def measure(
    *,
    quick: bool,
    surfaces: Sequence[str] = tuple(SURFACES),
    servers: Sequence[str] = DEFAULT_SERVERS,
) -> list[Figure]:
    """Measure slopes in turns of the pump and each surface, then holds."""
    figures = []
    for server in servers[:1] if quick else servers:
        async with started_bench(surfaces=surfaces, server=server) as bench:
            figures += await _slopes(bench, rounds=1 if quick else 5)
        if server in HELD_SERVERS:
            async with started_held_servers(surfaces, server) as held_servers:
                figures += [
                    await _held(f"{server}.{held.target.name}", held, 8 if quick else 40)
                    for held in held_servers
                ]
    return figures


async def _slopes(bench: Bench, *, rounds: int) -> list[Figure]:
    asked = [(bench.pump, bench.pump_process, "messages")]
    asked += [(target, bench.proxy_process, surface) for surface, target in bench.surfaces.items()]
    found: dict[str, list[float]] = {target.name: [] for target, _, _ in asked}
    for _ in range(rounds):
        for target, process, surface in asked:
            points = await request_sizes(bench.upstream, target, process, surface)
            found[target.name].append(statistics.linear_regression(*zip(*points, strict=True)).slope)
    figures = []
    for name, slopes in found.items():
        figures.append(Figure(name=f"{bench.server}.{name}.slope", unit="us/KB", samples=tuple(slopes)))
        if name in bench.surfaces:
            ratios = tuple(ours / bare for ours, bare in zip(slopes, found["pump"], strict=True))
            ratio = f"{bench.server}.{name}.slope.ratio"
            figures.append(Figure(name=ratio, unit="x", samples=ratios, goal=BODY_SLOPE))
    return figures


async def _held(name: str, server: HeldServer, count: int) -> Figure:
    surface = server.target.name if server.target.name in SURFACES else "messages"
    requests = unlike(request_of_size(surface, _HELD_BYTES))
    await server.held_ms(unlike(request_of_size(surface, _WARM_UP_BYTES)), _WARM_UP_REQUESTS)
    held = tuple(await server.held_ms(requests, count))
    goal = LOOP_HELD if server.target.name in SURFACES else None
    return Figure(name=f"{name}.held_by_1_mb", unit="ms", samples=held, goal=goal)
