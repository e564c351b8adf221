"""How much later does the first content come through the proxy than directly, and through the pump? (G8)

The upstream answers at once, in one write; the time is from writing the request to the read that shows
content. One request at a time, in turns of fifty: direct, the pump, each surface. Differences are taken
within each turn.
"""

from collections.abc import Sequence

from goals import ADDED_LATENCY, ADDED_LATENCY_P99
from rig.figures import Figure, percentile
from rig.processes import DEFAULT_SERVERS
from rig.targets import Bench, Target, started_bench
from rig.upstream_server import Whole
from rig.workloads import SURFACES, small_answer

__all__ = ["measure"]

_REQUESTS_PER_TURN = 50


async def measure(
    *, quick: bool, surfaces: Sequence[str] = tuple(SURFACES), servers: Sequence[str] = DEFAULT_SERVERS
) -> list[Figure]:
    """Measure direct calls, the pump and each surface in turns."""
    figures = []
    for server in servers:
        async with started_bench(surfaces=surfaces, server=server) as bench:
            figures += await _measure(bench, turns=6 if quick else 20)
    return figures


async def _measure(bench: Bench, *, turns: int) -> list[Figure]:
    bench.upstream.set_plan(Whole(small_answer()))
    targets = (bench.direct, bench.pump, *bench.surfaces.values())
    times: dict[str, list[float]] = {target.name: [] for target in targets}
    for _ in range(turns):
        for target in targets:
            times[target.name] += await _first_contents(target)
    figures = []
    for name, found in times.items():
        label, p99 = f"{bench.server}.{name}", percentile(found, 0.99)
        figures.append(Figure(name=f"{label}.first_content", unit="ms", samples=tuple(found)))
        figures.append(Figure(name=f"{label}.p99", unit="ms", samples=(p99,)))
        if name in bench.surfaces:
            added = _added(found, times["pump"])
            over_direct = _added(found, times["direct"])
            added_p99 = p99 - percentile(times["pump"], 0.99)
            figures += [
                Figure(name=f"{label}.added_over_direct", unit="ms", samples=over_direct),
                Figure(name=f"{label}.added_over_pump", unit="ms", samples=added, goal=ADDED_LATENCY),
                Figure(
                    name=f"{label}.added_over_pump.p99",
                    unit="ms",
                    samples=(added_p99,),
                    goal=ADDED_LATENCY_P99,
                ),
            ]
    return figures


def _added(ours: Sequence[float], theirs: Sequence[float]) -> tuple[float, ...]:
    return tuple(own - bare for own, bare in zip(ours, theirs, strict=True))


async def _first_contents(target: Target) -> list[float]:
    """Return the milliseconds to the first content of one turn's requests, on one connection."""
    connection, request = await target.connect(), target.request()
    times = []
    for _ in range(_REQUESTS_PER_TURN):
        answer = await connection.exchange(request)
        assert answer.content_seconds is not None, "an answer that ended well showed content"
        times.append(answer.content_seconds * 1e3)
    connection.close()
    return times
