"""How many small requests a second does one process answer, and is the load generator fast enough to tell?

A request of 30 KB and an answer of 20 events, on 16 connections that always have one waiting. On two cores
the server has one to itself, and client and upstream share the other: ``core_used`` says how much of its core
the server had, ``load_generator`` how much of theirs client and upstream used, and ``direct`` how many
requests they manage without anything in between.
"""

import time
from collections.abc import Sequence

from rig.figures import Figure
from rig.load_client import closed_loop
from rig.processes import DEFAULT_SERVERS, ServerProcess
from rig.saturation import Saturation, saturated
from rig.targets import Bench, Target, started_bench
from rig.upstream_server import Whole
from rig.workloads import SURFACES, small_answer, unlike

__all__ = ["measure"]

_CONNECTIONS = 16


async def measure(
    *, quick: bool, surfaces: Sequence[str] = tuple(SURFACES), servers: Sequence[str] = DEFAULT_SERVERS
) -> list[Figure]:
    """Measure the load generator alone, the pump and each surface in turns."""
    rounds, requests = (3, 300) if quick else (9, 600)
    figures = []
    for server in servers:
        async with started_bench(surfaces=surfaces, server=server) as bench:
            targets: list[tuple[Target, ServerProcess]] = [(bench.pump, bench.pump_process)]
            targets += [(target, bench.proxy_process) for target in bench.surfaces.values()]
            direct = []
            found: dict[str, list[Saturation]] = {target.name: [] for target, _ in targets}
            for _ in range(rounds):
                direct.append(await _direct_rate(bench, requests))
                for target, process in targets:
                    found[target.name].append(
                        await saturated(
                            bench.upstream, target, process, requests=requests, connections=_CONNECTIONS
                        )
                    )
        figures.append(Figure(name=f"{server}.direct.requests", unit="req/s", samples=tuple(direct)))
        for name, rounds_found in found.items():
            figures += _figures(f"{server}.{name}", rounds_found)
    return figures


async def _direct_rate(bench: Bench, requests: int) -> float:
    """Return the requests a second that client and upstream manage together."""
    bench.upstream.set_plan(Whole(small_answer()))
    connections, bodies = await bench.direct.connections(_CONNECTIONS), unlike(bench.direct.request())
    await closed_loop(connections, bodies, _CONNECTIONS)
    began = time.perf_counter()
    await closed_loop(connections, bodies, requests)
    rate = requests / (time.perf_counter() - began)
    for connection in connections:
        connection.close()
    return rate


def _figures(name: str, rounds: list[Saturation]) -> list[Figure]:
    numbers = {
        ("requests", "req/s"): [found.requests_per_second for found in rounds],
        ("per_core", "req/s"): [found.per_core for found in rounds],
        ("core_used", "% core"): [found.cores * 100 for found in rounds],
        ("load_generator", "% core"): [found.load_cores * 100 for found in rounds],
    }
    return [
        Figure(name=f"{name}.{what}", unit=unit, samples=tuple(samples))
        for (what, unit), samples in numbers.items()
    ]
