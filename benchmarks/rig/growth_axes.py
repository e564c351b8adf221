"""What growth is measured along: each function takes a server through the sizes of its axis, in order.

A busy machine makes some measurements dearer and none cheaper, and often does so for seconds. So an axis is
taken in several passes, and a point is the least that its size cost in any of them.
"""

import asyncio
import statistics
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from msgspec import Struct

from rig.conversations import request_of_size, session_requests
from rig.event_loop import wait_until
from rig.load_client import ClientConnection
from rig.processes import ServerProcess
from rig.targets import Target
from rig.upstream_server import Paced, UpstreamServer, Whole
from rig.workloads import long_text, small_answer, text_answer, unlike

__all__ = ["Points", "answer_lengths", "open_streams", "request_sizes", "session_turns"]

Points = list[tuple[float, float]]
"""Sizes and what they cost."""

_BODY_BYTES = (10_000, 30_000, 100_000, 300_000, 600_000, 1_000_000, 1_500_000, 2_000_000)
_BYTES_PER_BATCH = 6_000_000
_ANSWER_EVENTS = (20, 60, 200, 600, 2_000, 6_000, 20_000)
_EVENTS_PER_BATCH = 40_000
_MOST_REQUESTS = 30
_PASSES = 5

_OPEN_STREAMS = (1, 3, 10, 30, 100, 300, 600, 1_000)
_CONNECTS_AT_ONCE = 50
_BEAT_SECONDS = 0.002
_BEATS_PER_SAMPLE = 20
_SETTLE_SECONDS = 0.1
_NEVER = 3600.0
_PATIENCE_SECONDS = 5.0

_SESSIONS = 4
_TURNS = 200
_STRETCHES = ((1, 2), (3, 5), (6, 12), (13, 25), (26, 50), (51, 100), (101, 150), (151, _TURNS))
"""The turns that make a point together, from the first to the last: the short ones tell what is fixed."""


class _Batch(Struct):
    """Requests of one size, each a little different, and what they are answered."""

    size: float
    plan: Whole
    requests: Iterator[bytes]
    count: int


async def request_sizes(
    upstream: UpstreamServer, target: Target, process: ServerProcess, surface: str
) -> Points:
    """Return CPU microseconds per request by KB of its body; every answer is the same.

    All passes but the first meet a server that has seen larger requests, as one has that runs for long. The C
    library gives memory back at once that was never needed before, and takes it again page by page: otherwise
    each size would be dearer than those below it for that alone, most of all in the pump.
    """
    plan = Whole(small_answer())
    batches = [
        _Batch(size / 1e3, plan, unlike(request_of_size(surface, size)), _BYTES_PER_BATCH // size)
        for size in _BODY_BYTES
    ]
    return await _costs(upstream, target, process, batches)


async def answer_lengths(upstream: UpstreamServer, target: Target, process: ServerProcess) -> Points:
    """Return CPU microseconds per request by the events of its answer, which comes in one write."""
    batches = [
        _Batch(events, Whole(text_answer(events)), unlike(target.request()), _EVENTS_PER_BATCH // events)
        for events in _ANSWER_EVENTS
    ]
    return await _costs(upstream, target, process, batches)


async def open_streams(
    upstream: UpstreamServer, target: Target, process: ServerProcess, *, samples: int
) -> tuple[Points, Points]:
    """Return CPU and memory by the number of open streams, each of which stays open until the last has come.

    CPU is that of a second in which each stream brings one event, in microseconds: as many times what an
    event costs. Events come at the same rate whatever that number is, to one stream
    after the other, since an event costs more where they are rare. Memory is resident, in MB, of a process
    that never had more streams before.
    """
    head, delta, tail = long_text()
    upstream.set_plan(Paced(head, (delta,), tail, _NEVER))
    connections: list[ClientConnection] = []
    costs: Points = []
    memory: Points = []
    for streams in _OPEN_STREAMS:
        while len(connections) < streams:
            connections += await _opened(target, min(_CONNECTS_AT_ONCE, streams - len(connections)))
        await asyncio.sleep(_SETTLE_SECONDS)
        memory.append((streams, process.rss_bytes() / 1e6))
        spent = []
        for _ in range(samples):
            before = process.cpu_seconds()
            await upstream.beat_in_turn(times=_BEATS_PER_SAMPLE, seconds=_BEAT_SECONDS)
            spent.append((process.cpu_seconds() - before) / _BEATS_PER_SAMPLE * 1e6)
        costs.append((streams, streams * min(spent)))
    upstream.finish_streams()
    for connection in connections:
        await connection.wait_whole()
        connection.close()
    return costs, memory


async def session_turns(
    upstream: UpstreamServer, target: Target, process: ServerProcess, surface: str
) -> tuple[Points, Points]:
    """Return CPU microseconds per request by its KB, and by its turn, over a session of 200 turns."""
    upstream.set_plan(Whole(small_answer()))
    requests = list(session_requests(surface, _TURNS))
    sessions = []
    for _ in range(_SESSIONS):
        connection = await target.connect()
        costs = [await _microseconds(process, connection, (request,)) for request in requests]
        connection.close()
        sessions.append(costs)
    costs = _medians([min(found) for found in zip(*sessions, strict=True)])
    sizes, turns = _medians([len(request) / 1e3 for request in requests]), _medians(range(1, _TURNS + 1))
    return list(zip(sizes, costs, strict=True)), list(zip(turns, costs, strict=True))


async def _costs(
    upstream: UpstreamServer, target: Target, process: ServerProcess, batches: Sequence[_Batch]
) -> Points:
    """Return the CPU microseconds of a request of each batch, the least of all passes."""
    passes = []
    connection = await target.connect()
    for _ in range(_PASSES):
        costs = []
        for batch in batches:
            upstream.set_plan(batch.plan)
            count = min(_MOST_REQUESTS, batch.count)
            spent = await _microseconds(process, connection, islice(batch.requests, count))
            costs.append(spent / count)
        passes.append(costs)
    connection.close()
    sizes = [batch.size for batch in batches]
    return list(zip(sizes, map(min, zip(*passes, strict=True)), strict=True))


async def _microseconds(
    process: ServerProcess, connection: ClientConnection, requests: Iterable[bytes]
) -> float:
    """Return the CPU time from before some requests until the server has nothing more to do for them.

    The kernel tells the CPU time of a thread exactly only while that does not run.
    """
    before = process.cpu_seconds()
    for request in requests:
        await connection.exchange(request)
    await wait_until(lambda: not _is_running(process.pid), seconds=_PATIENCE_SECONDS)
    return (process.cpu_seconds() - before) * 1e6


def _is_running(pid: int) -> bool:
    threads = Path(f"/proc/{pid}/task").iterdir()
    return any((thread / "stat").read_text().rpartition(") ")[2].startswith("R") for thread in threads)


async def _opened(target: Target, count: int) -> list[ClientConnection]:
    """Open streams together and wait for the first content of each."""
    connections, request = await target.connections(count), target.request()
    for connection in connections:
        connection.send(request)
    for connection in connections:
        await connection.wait_content()
    return connections


def _medians(values: Sequence[float]) -> list[float]:
    """Return the median of each stretch of turns that makes a point."""
    return [statistics.median(values[first - 1 : last]) for first, last in _STRETCHES]
