"""What do other proxies cost for the same translations? (G4) Asked only with ``--peer NAME=PATH``.

The peer and the proxy stand before the same upstream, check the same client key and answer the same requests
in turns: the peer, then the proxy on each server. Ratios are the proxy's cost through the peer's, of one
round. Before that the text and the tool calls that come out of each must be those of the upstream. Workloads:

- small: a 30 KB request, an answer of 20 events in one write; per request
- ev1: one event per network read, 400 a second on 20 streams, which a slow peer still delivers one by one
- m50: 50 events in one write, on 10 streams, which get their next when all of them have passed on their last;
  per event
- mix: a whole answer of reasoning, text and two tool calls in one write; per event, the request included
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from abort import closing_times
from goals import PEER_BURSTS, PEER_MIXED_ANSWERS, PEER_SINGLE_EVENTS, PEER_SMALL_REQUESTS, Goal
from msgspec import Struct
from open_streams import kilobytes_per_stream
from rig import peer_litellm
from rig.cpu_cost import ClosedLoop, Cost, CpuCost, OpenStreams
from rig.figures import Figure
from rig.load_client import ClientConnection, closed_loop
from rig.processes import DEFAULT_SERVERS, ServerProcess, started_proxy
from rig.said import losses
from rig.saturation import saturated
from rig.targets import Target
from rig.upstream_server import Paced, UpstreamServer, Whole, started_upstream
from rig.workloads import SURFACES, MakeRequest, mixed_answer, small_answer, unlike

__all__ = ["PEERS", "measure"]

PEERS = {"litellm": peer_litellm}
"""By the name that ``--peer`` calls it."""

_CLIENT_KEY = "sk-client-5f0c1b7a9e3d48c2b6a1f4e7d8c9b0a1"
"""What LiteLLM takes for a safe key."""
_CONFIG = """\
api-keys: ["{key}"]
packycode:
  enabled: true
  base-url: "{url}"
  credentials: {{openai-api-key: "sk-benchmark"}}
"""
_TRANSLATED = ("messages", "chat")
"""The surfaces that the goals are about; Responses is passed on, by peers too, and asked for by name only."""
_WARM_UP_REQUESTS = 50
_STREAMS = 100
_CLOSINGS = 3
_BURST_STREAMS = 10
_BURST_EVENTS = 50
_DEADLINE_SECONDS = 30.0
_NEVER = 3600.0
_IDLE_SECONDS = 1.0


class _Workload(Struct, frozen=True, kw_only=True):
    name: str
    unit: str
    ours: CpuCost
    theirs: CpuCost
    """The same; fewer requests."""
    goal: Goal | None = None


class _Contender(Struct, frozen=True):
    name: str
    process: ServerProcess
    targets: dict[str, Target]
    """By surface."""


async def measure(
    *,
    quick: bool,
    surfaces: Sequence[str] = _TRANSLATED,
    servers: Sequence[str] = DEFAULT_SERVERS,
    peers: Mapping[str, str] | None = None,
) -> list[Figure]:
    """Measure each peer and the proxy in turns."""
    if not peers:
        print("\nno peer to measure beside: " + "; ".join(peer.HOW_TO_INSTALL for peer in PEERS.values()))
    figures = []
    for name, path in (peers or {}).items():
        if name not in PEERS:
            raise SystemExit(f"no such peer: {name}; there are {', '.join(PEERS)}")
        print(f"\nbeside {name} {PEERS[name].version(Path(path))}")
        figures += await _beside(name, Path(path), quick=quick, surfaces=surfaces, servers=servers)
    return figures


async def _beside(
    name: str, path: Path, *, quick: bool, surfaces: Sequence[str], servers: Sequence[str]
) -> list[Figure]:
    async with AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(started_upstream())
        peer = PEERS[name]
        process = await stack.enter_async_context(peer.started(path, upstream.url, client_key=_CLIENT_KEY))
        them = _contender(name, process, surfaces, peer.MARKS)
        config, us = _CONFIG.format(key=_CLIENT_KEY, url=upstream.url), []
        for server in servers:
            proxy = started_proxy(upstream.url, server=server, config=config)
            us.append(_contender(server, await stack.enter_async_context(proxy), surfaces, {}))
        await asyncio.sleep(_IDLE_SECONDS)
        figures = []
        for contender in (them, *us):
            figures += await _at_rest(upstream, contender, surfaces[0])
            await _require_translation(upstream, contender)
        for surface in surfaces:
            for workload in _workloads(quick=quick):
                rounds = 3 if quick else 7
                figures += await _compare(upstream, them, us, surface, workload, rounds)
        for contender, requests in ((them, 40), *((one, 1000) for one in us)):
            figures += await _under_load(upstream, contender, surfaces[0], requests)
        return figures


def _contender(
    name: str, process: ServerProcess, surfaces: Sequence[str], marks: Mapping[str, tuple[bytes, bytes]]
) -> _Contender:
    targets = {}
    for surface in map(SURFACES.__getitem__, surfaces):
        content, ending = marks.get(surface.name, (surface.content_mark, surface.ending))
        request = _with_key(surface.request)
        targets[surface.name] = Target(surface.name, process.port, content, ending, request)
    return _Contender(name, process, targets)


def _with_key(request: MakeRequest) -> MakeRequest:
    def make(*, body_bytes: int = 30_000, marker: int | None = None, is_stream: bool = True) -> bytes:
        made = request(body_bytes=body_bytes, marker=marker, is_stream=is_stream)
        return made.replace(b"client-key-1", _CLIENT_KEY.encode(), 1)

    return make


async def _at_rest(upstream: UpstreamServer, contender: _Contender, surface: str) -> list[Figure]:
    """Measure memory: after the start, and of open streams once some requests have loaded what loads late."""
    name, process, target = contender.name, contender.process, contender.targets[surface]
    idle = process.rss_bytes() / 1e6
    upstream.set_plan(Whole(small_answer()))
    connection = await target.connect()
    await closed_loop([connection], unlike(target.request()), _WARM_UP_REQUESTS)
    connection.close()
    per_stream = await kilobytes_per_stream(upstream, target, process, _STREAMS)
    return [
        _figure(f"{name}.ready", "s", [process.ready_seconds]),
        _figure(f"{name}.idle_rss", "MB", [idle]),
        _figure(f"{name}.{surface}.per_stream", "KB", [per_stream]),
    ]


async def _require_translation(upstream: UpstreamServer, contender: _Contender) -> None:
    """Say what a contender loses of an answer; stop at one that loses what it is asked for."""
    for surface, target in contender.targets.items():
        lost = await losses(upstream, target)
        if lost:
            print(f"  {contender.name} {surface}: the upstream's {' and '.join(lost)} did not come through")
        if set(lost) - {"reasoning"}:
            raise RuntimeError(f"{contender.name} does not translate {surface}")


async def _under_load(
    upstream: UpstreamServer, contender: _Contender, surface: str, requests: int
) -> list[Figure]:
    """Measure the most requests a second, and how soon upstreams are closed when twenty clients leave."""
    name, target = f"{contender.name}.{surface}", contender.targets[surface]
    found = await saturated(upstream, target, contender.process, requests=requests)
    closings = [max(await closing_times(upstream, target)) for _ in range(_CLOSINGS)]
    return [
        _figure(f"{name}.requests_per_second", "req/s", [found.requests_per_second]),
        _figure(f"{name}.per_core", "req/s", [found.per_core]),
        _figure(f"{name}.closed", "ms", closings),
    ]


async def _compare(
    upstream: UpstreamServer,
    them: _Contender,
    us: Sequence[_Contender],
    surface: str,
    workload: _Workload,
    rounds: int,
) -> list[Figure]:
    theirs: list[float] = []
    ours: dict[str, list[float]] = {one.name: [] for one in us}
    for _ in range(rounds):
        cost = await workload.theirs(upstream, them.targets[surface], them.process)
        theirs.append(cost.microseconds)
        for one in us:
            cost = await workload.ours(upstream, one.targets[surface], one.process)
            ours[one.name].append(cost.microseconds)
    what, unit = f"{surface}.{workload.name}", workload.unit
    figures = [_figure(f"{them.name}.{what}", unit, theirs)]
    for name, costs in ours.items():
        ratios = [own / other for own, other in zip(costs, theirs, strict=True)]
        goal = workload.goal if surface in _TRANSLATED else None
        figures.append(_figure(f"{name}.{what}", unit, costs))
        figures.append(_figure(f"{name}.{what}.of_{them.name}", "x", ratios, goal))
    return figures


def _workloads(*, quick: bool) -> tuple[_Workload, ...]:
    small, mixed = small_answer(), mixed_answer()

    def mix(requests: int) -> ClosedLoop:
        return ClosedLoop(answer=mixed, requests=requests, units_per_request=len(mixed), connections=4)

    single = OpenStreams(streams=20, seconds=0.05, window_seconds=0.5 if quick else 1.0)
    return (
        _Workload(
            name="small",
            unit="us/req",
            ours=ClosedLoop(answer=small, requests=200),
            theirs=ClosedLoop(answer=small, requests=24),
            goal=PEER_SMALL_REQUESTS,
        ),
        _Workload(name="ev1", unit="us/event", ours=single, theirs=single, goal=PEER_SINGLE_EVENTS),
        _Workload(
            name="m50",
            unit="us/event",
            ours=_Bursts(writes=60),
            theirs=_Bursts(writes=4),
            goal=PEER_BURSTS,
        ),
        _Workload(name="mix", unit="us/event", ours=mix(60), theirs=mix(8), goal=PEER_MIXED_ANSWERS),
    )


class _Bursts(Struct, frozen=True, kw_only=True):
    """Bursts on open streams, at the pace of who passes them on; per event.

    Their words differ: there are proxies that end an answer which repeats itself.
    """

    writes: int
    """To each stream."""

    async def __call__(self, upstream: UpstreamServer, target: Target, process: ServerProcess) -> Cost:
        frames = small_answer()
        upstream.set_plan(Paced(frames[:6], frames[6:16] * 5, frames[16:], _NEVER))
        connections = [await target.connect_as(_Counting) for _ in range(_BURST_STREAMS)]
        for connection in connections:
            connection.send(target.request())
        for connection in connections:
            await connection.wait_content()
        await self._write_once(upstream, connections)
        cpu, load, began = process.cpu_seconds(), time.process_time(), time.perf_counter()
        for _ in range(self.writes):
            await self._write_once(upstream, connections)
        cpu, load = process.cpu_seconds() - cpu, time.process_time() - load
        load_share = load / (time.perf_counter() - began) * 100
        upstream.finish_streams()
        for connection in connections:
            await connection.wait_whole()
            connection.close()
        return Cost(cpu / (self.writes * len(connections) * _BURST_EVENTS) * 1e6, load_share)

    async def _write_once(self, upstream: UpstreamServer, connections: Sequence["_Counting"]) -> None:
        arrivals = [connection.expect(_BURST_EVENTS) for connection in connections]
        await upstream.beat_in_turn(times=len(connections), seconds=0.0)
        async with asyncio.timeout(_DEADLINE_SECONDS):
            await asyncio.gather(*arrivals)


class _Counting(ClientConnection):
    """A connection that counts events with content."""

    def __init__(self, content_mark: bytes, ending: bytes) -> None:
        super().__init__(content_mark, ending)
        self._mark = content_mark
        self._rest = b""
        self._missing = 0
        self._arrival = self._loop.create_future()

    def expect(self, events: int) -> asyncio.Future[None]:
        """Return what is done once so many more have come."""
        self._missing = events
        self._arrival = self._loop.create_future()
        return self._arrival

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        seen = self._rest + data
        self._missing -= seen.count(self._mark)
        self._rest = seen[-len(self._mark) + 1 :]  # too short for a mark: none is counted twice
        if self._missing <= 0 and not self._arrival.done():
            self._arrival.set_result(None)


def _figure(name: str, unit: str, samples: Sequence[float], goal: Goal | None = None) -> Figure:
    return Figure(name=name, unit=unit, samples=tuple(samples), goal=goal)
