"""What does the proxy cost on each server, event loop and number of workers?

All of them run at once and are measured in turns, so that one bad moment of the machine meets all. Two
workers cannot be twice as quick on two cores, which they share with client and upstream: of them, look at the
CPU per request, which should stay what it is, and at the memory (what they share counts for each).

- small: a 30 KB request, an answer of 20 events in one write; per request
- ev1: one event per network read, 2,000 a second on 100 streams; per event
- m50: 50 events in one write, 200 such writes a second on 10 streams; per event
- closed: from the moment in which twenty clients leave to the closing of the last of their upstreams
"""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from abort import closing_times
from msgspec import Struct
from open_streams import kilobytes_per_stream
from rig.cpu_cost import ClosedLoop, CpuCost, OpenStreams
from rig.figures import Figure, short
from rig.load_client import closed_loop
from rig.processes import SERVERS, ServerProcess, started_proxy
from rig.saturation import saturated
from rig.targets import Target, surface_target
from rig.upstream_server import UpstreamServer, Whole, started_upstream
from rig.workloads import SURFACES, small_answer, unlike

__all__ = ["measure"]

_WARM_UP_REQUESTS = 200
_STREAMS = 100
_IDLE_SECONDS = 0.5
_CLOSINGS = 3


class _Setting(Struct, frozen=True):
    server: str
    loop: str = "uvloop"
    workers: int = 1

    @property
    def name(self) -> str:
        return f"{self.server}.{self.loop}.{self.workers}"


class _Running(Struct, frozen=True):
    name: str
    process: ServerProcess
    target: Target
    idle_megabytes: float
    kilobytes_per_stream: float


async def measure(
    *, quick: bool, surfaces: Sequence[str] = ("messages",), servers: Sequence[str] = SERVERS
) -> list[Figure]:
    """Measure every setting of every server in turns, for each surface."""
    figures = []
    for surface in surfaces:
        found = await _measure(surface, servers, quick=quick)
        _print_overview(surface, found)
        figures += found
    return figures


async def _measure(surface: str, servers: Sequence[str], *, quick: bool) -> list[Figure]:
    settings = [
        setting
        for server in servers
        for setting in (_Setting(server), _Setting(server, "asyncio"), _Setting(server, workers=2))
    ]
    async with AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(started_upstream())
        running = [
            await stack.enter_async_context(_started(setting, upstream, surface)) for setting in settings
        ]
        figures = [
            figure
            for one in running
            for figure in (
                _figure(one, "ready", "ms", [one.process.ready_seconds * 1e3]),
                _figure(one, "idle_rss", "MB", [one.idle_megabytes]),
                _figure(one, "per_stream", "KB", [one.kilobytes_per_stream]),
            )
        ]
        for name, unit, cost, rounds in _workloads(quick=quick):
            figures += await _in_turns(upstream, running, name, unit, cost, rounds)
        return figures + await _under_load(upstream, running, 2 if quick else 5)


@asynccontextmanager
async def _started(setting: _Setting, upstream: UpstreamServer, surface: str) -> AsyncIterator[_Running]:
    """Run the proxy in a setting; read its memory idle, and with streams after some requests."""
    with tempfile.TemporaryDirectory(prefix="packyproxy-bench-") as folder:
        environment = {}
        if setting.server == "hypercorn" and setting.loop == "asyncio":
            # packyproxy serve takes uvloop when it finds it; here it finds this instead.
            (Path(folder) / "uvloop.py").write_text("raise ImportError")
            environment = {"PYTHONPATH": os.pathsep.join((folder, os.environ.get("PYTHONPATH", "")))}
        async with started_proxy(
            upstream.url,
            server=setting.server,
            loop=setting.loop,
            workers=setting.workers,
            environment=environment,
        ) as process:
            await asyncio.sleep(_IDLE_SECONDS)
            idle = process.rss_bytes()
            target = surface_target(surface, process.port, SURFACES[surface])
            upstream.set_plan(Whole(small_answer()))
            connections = await target.connections(8)
            await closed_loop(connections, unlike(target.request()), _WARM_UP_REQUESTS)
            for connection in connections:
                connection.close()
            # Early, since memory that load has left free would be used again.
            per_stream = await kilobytes_per_stream(upstream, target, process, _STREAMS)
            yield _Running(f"{setting.name}.{surface}", process, target, idle / 1e6, per_stream)


def _workloads(*, quick: bool) -> tuple[tuple[str, str, CpuCost, int], ...]:
    """Return the name, the unit, the measure and the rounds of each workload."""
    window, rounds = (0.3, 2) if quick else (0.4, 5)
    small = ClosedLoop(answer=small_answer(), requests=150)
    single = OpenStreams(streams=100, seconds=0.05, window_seconds=window)
    bursts = OpenStreams(streams=10, seconds=0.05, events=50, window_seconds=window)
    return (
        ("small", "us/req", small, rounds),
        ("ev1", "us/event", single, rounds),
        ("m50", "us/event", bursts, rounds),
    )


async def _in_turns(
    upstream: UpstreamServer,
    running: Sequence[_Running],
    name: str,
    unit: str,
    cost: CpuCost,
    rounds: int,
) -> list[Figure]:
    found: dict[str, list[float]] = {one.name: [] for one in running}
    for _ in range(rounds):
        for one in running:
            measured = await cost(upstream, one.target, one.process)
            found[one.name].append(measured.microseconds)
    return [_figure(one, name, unit, found[one.name]) for one in running]


async def _under_load(upstream: UpstreamServer, running: Sequence[_Running], rounds: int) -> list[Figure]:
    """Measure the most requests a second, and how soon upstreams are closed when clients leave."""
    figures = []
    for one in running:
        speeds = [await saturated(upstream, one.target, one.process, requests=300) for _ in range(rounds)]
        closings = [max(await closing_times(upstream, one.target)) for _ in range(_CLOSINGS)]
        figures += [
            _figure(one, "requests", "req/s", [speed.requests_per_second for speed in speeds]),
            _figure(one, "per_core", "req/s", [speed.per_core for speed in speeds]),
            _figure(one, "closed", "ms", closings),
        ]
    return figures


def _print_overview(surface: str, figures: Sequence[Figure]) -> None:
    """Print one line per setting, with the medians."""
    rows: dict[str, dict[str, str]] = {}
    for figure in figures:
        setting, _, what = figure.name.partition(f".{surface}.")
        rows.setdefault(setting, {})[f"{what} {figure.unit}"] = short(figure.median)
    columns = list(next(iter(rows.values())))
    print(f"\n{surface}\n  {'server.loop.workers':<22}" + "".join(f"{name:>18}" for name in columns))
    for setting, row in rows.items():
        print(f"  {setting:<22}" + "".join(f"{row[name]:>18}" for name in columns))


def _figure(one: _Running, what: str, unit: str, samples: Sequence[float]) -> Figure:
    return Figure(name=f"{one.name}.{what}", unit=unit, samples=tuple(samples))
