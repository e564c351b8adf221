"""What a server spends of its CPU on a piece of work: measured once, for one target.

CPU is the user and system time of the server's processes, so the load client and the upstream, which share
this process, do not count. They are watched all the same: a server that waited for them would not be what is
measured.
"""

import asyncio
import time
from typing import Protocol

from msgspec import Struct

from rig.load_client import ClientConnection, closed_loop
from rig.processes import ServerProcess
from rig.targets import Target
from rig.upstream_server import Paced, UpstreamServer, Whole
from rig.workloads import long_text, unlike

__all__ = ["ClosedLoop", "Cost", "CpuCost", "OpenStreams"]

_SETTLE_SECONDS = 0.1


class Cost(Struct, frozen=True):
    """What was found in one short measurement."""

    microseconds: float
    """CPU of the server, per unit of work."""
    load_share: float
    """The part of one core, in per cent, that client and upstream used meanwhile."""
    reads: float = 1.0
    """Reads of the client per unit of work, where they tell something."""


class CpuCost(Protocol):
    """A workload that can be measured."""

    async def __call__(self, upstream: UpstreamServer, target: Target, process: ServerProcess) -> Cost:
        """Measure a target once."""


class ClosedLoop(Struct, frozen=True, kw_only=True):
    """Requests over some connections, each of which sends its next when its last was answered."""

    answer: tuple[bytes, ...]
    """The frames of every answer, in one write."""
    requests: int
    units_per_request: int = 1
    """Of what a cost is told: 1 for requests, or the number of events."""
    connections: int = 8

    async def __call__(self, upstream: UpstreamServer, target: Target, process: ServerProcess) -> Cost:
        """Measure so many requests, after one on each connection."""
        upstream.set_plan(Whole(self.answer))
        connections, bodies = await target.connections(self.connections), unlike(target.request())
        await closed_loop(connections, bodies, self.connections)
        stopwatch = _Stopwatch(process)
        await closed_loop(connections, bodies, self.requests)
        cost = stopwatch.cost(self.requests * self.units_per_request)
        for connection in connections:
            connection.close()
        return cost


class OpenStreams(Struct, frozen=True, kw_only=True):
    """Streams that all get some events at an equal rate; neither their beginnings nor their ends count."""

    streams: int
    seconds: float
    """From one write of the upstream to its next, of one stream."""
    events: int = 1
    """In each write."""
    is_one_chunk: bool = False
    """All events of a write in one HTTP chunk, instead of a chunk for each."""
    window_seconds: float = 0.5
    """How long is measured."""

    async def __call__(self, upstream: UpstreamServer, target: Target, process: ServerProcess) -> Cost:
        """Open the streams and measure while all of them are open."""
        head, delta, tail = long_text()
        beat = (delta * self.events,) if self.is_one_chunk else (delta,) * self.events
        upstream.set_plan(Paced(head, beat, tail, self.seconds))
        connections, request = await target.connections(self.streams), target.request()
        for connection in connections:
            connection.send(request)
        for connection in connections:
            await connection.wait_content()
        await asyncio.sleep(_SETTLE_SECONDS)
        reads, beats, stopwatch = _reads(connections), upstream.beats, _Stopwatch(process)
        await asyncio.sleep(self.window_seconds)
        beats = upstream.beats - beats
        cost = stopwatch.cost(beats * self.events, (_reads(connections) - reads) / beats)
        upstream.finish_streams()
        for connection in connections:
            await connection.wait_whole()
            connection.close()
        return cost


class _Stopwatch:
    """Runs from its making to ``cost``."""

    def __init__(self, process: ServerProcess) -> None:
        self._process = process
        self._load = time.process_time()
        self._began = time.perf_counter()
        self._server = process.cpu_seconds()

    def cost(self, units: int, reads: float = 1.0) -> Cost:
        server = self._process.cpu_seconds() - self._server
        seconds, load = time.perf_counter() - self._began, time.process_time() - self._load
        return Cost(server / units * 1e6, load / seconds * 100, reads)


def _reads(connections: list[ClientConnection]) -> int:
    return sum(connection.answer.reads for connection in connections)
