"""What does observability cost?

With all that is on by default and with ``metrics`` (records, totals, samples, spans, ``tps-log`` as JSON
lines into a file), against nothing of it, not even a look at the clock (``observed_serve.py``). Costs are
CPU time.

- small: a 30 KB request, an answer of 20 events; per request. One ``packyproxy serve`` observes and does not
  observe in turns: the same process, so that nothing else differs, in turns that are short and many, so that
  a busy machine troubles both alike.
- request_log: the same with ``request-log``, a second line for each request
- ev1: one event per network read on many streams; per event. What is added is some hundredth of what an event
  costs as it is served, which no such pair can tell from noise. So the share is that of two measurements:
  what the loop over an answer takes longer while observing (``observed_loop.py``), and what a
  ``packyproxy serve`` spends on an event.
- m50: 50 events in one write; per event
- scrape: one GET of /metrics, as a Prometheus server sends every few seconds
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from goals import OBSERVED_EVENTS, OBSERVED_REQUESTS, Goal
from rig.figures import Figure
from rig.load_client import closed_loop
from rig.observed_loop import quickest_loops
from rig.processes import ServerProcess, started_proxy
from rig.targets import Target, surface_target
from rig.upstream_server import Paced, UpstreamServer, Whole, started_upstream
from rig.workloads import SURFACES, long_text, small_answer, unlike

__all__ = ["measure"]

_CONFIG = """\
metrics: true
tps-log: true
request-log: {request_log}
packycode:
  enabled: true
  base-url: "{upstream_url}"
  credentials: {{openai-api-key: "sk-benchmark"}}
"""
_CONNECTIONS = 8
_BATCH = 100
_STREAMS = {1: 100, 50: 10}
"""By the events of a beat."""
_BEAT_SECONDS = 0.05
_TURN_SECONDS = 0.5
_READS = 1000
_LOOPS = 10
"""Pairs of runs for each turn of served streams: a run takes some milliseconds."""
_SCRAPES = 20
_RELOAD_SECONDS = 1.5
"""A saved file is in force by then."""

Turn = Callable[[bool], Awaitable[float]]
"""Measures once, observing or not: CPU microseconds per unit of work."""


async def measure(*, quick: bool, surfaces: Sequence[str] = ("messages", "responses")) -> list[Figure]:
    """Measure every workload in pairs of on and off."""
    turns, pairs = (2, 6) if quick else (12, 150)
    figures: list[Figure] = []
    async with started_upstream() as upstream:
        config = _CONFIG.format(upstream_url=upstream.url, request_log="false")
        async with started_proxy(upstream.url, config=config, can_stop_observing=True) as process:
            for surface in surfaces:
                target = surface_target(surface, process.port, SURFACES[surface])
                bench = _Bench(upstream, process, target)
                figures += await bench.small_requests("small", pairs)
                await _set_request_log(process, is_on=True)
                figures += await bench.small_requests("request_log", pairs)
                await _set_request_log(process, is_on=False)
                figures += await bench.events(turns, "ev1", 1)
                figures += await bench.events(turns, "m50", 50)
            figures.append(await _scrape(process, 3 if quick else 10))
    return figures


class _Bench:
    def __init__(self, upstream: UpstreamServer, process: ServerProcess, target: Target) -> None:
        self._upstream = upstream
        self._process = process
        self._target = target

    async def small_requests(self, workload: str, pairs: int) -> list[Figure]:
        self._upstream.set_plan(Whole(small_answer()))
        connections = await self._target.connections(_CONNECTIONS)
        bodies = unlike(self._target.request())
        await closed_loop(connections, bodies, _BATCH)

        async def turn(is_on: bool) -> float:
            await self._process.observe(is_on=is_on)
            before = self._process.cpu_seconds()
            await closed_loop(connections, bodies, _BATCH)
            return (self._process.cpu_seconds() - before) / _BATCH * 1e6

        name = f"{workload}.{self._target.name}"
        figures = await _compare(name, "us/req", turn, pairs=pairs, goal=OBSERVED_REQUESTS)
        for connection in connections:
            connection.close()
        return figures

    async def events(self, turns: int, workload: str, events: int) -> list[Figure]:
        """Measure what an event costs as it is served, and what observing adds to that."""
        self._upstream.set_plan(Paced(*_beats(events), _BEAT_SECONDS))
        clients = await self._target.connections(_STREAMS[events])
        for client in clients:
            client.send(self._target.request())
        for client in clients:
            await client.wait_content()
        served = []
        for _ in range(turns):
            beats, before = self._upstream.beats, self._process.cpu_seconds()
            await asyncio.sleep(_TURN_SECONDS)
            beats, spent = self._upstream.beats - beats, self._process.cpu_seconds() - before
            served.append(spent / (beats * events) * 1e6)
        self._upstream.finish_streams()
        for client in clients:
            await client.wait_whole()
            client.close()
        head, beat, tail = _beats(events)
        reads = [b"".join(head), *([b"".join(beat)] * _READS), b"".join(tail)]
        on, off = await quickest_loops(self._target.request(), reads, pairs=_LOOPS * turns)
        added = (on - off) / (_READS * events) * 1e6
        name = f"{workload}.{self._target.name}"
        share = added / _quickest(served) * 100
        return [
            Figure(name=f"{name}.served", unit="us/event", samples=tuple(served)),
            Figure(name=f"{name}.added", unit="us/event", samples=(added,)),
            Figure(name=f"{name}.share", unit="%", samples=(share,), goal=OBSERVED_EVENTS),
        ]


def _beats(events: int) -> tuple[tuple[bytes, ...], tuple[bytes, ...], tuple[bytes, ...]]:
    """Return the beginning of an answer, what each beat brings, and the end."""
    head, delta, tail = long_text()
    return head, (delta,) * events, tail


async def _set_request_log(process: ServerProcess, *, is_on: bool) -> None:
    assert process.config_file is not None, "it serves a file"
    lines = process.config_file.read_text().splitlines()
    lines = [f"request-log: {str(is_on).lower()}" if "request-log" in line else line for line in lines]
    process.config_file.write_text("\n".join(lines))
    await asyncio.sleep(_RELOAD_SECONDS)


async def _compare(name: str, unit: str, turn: Turn, *, pairs: int, goal: Goal) -> list[Figure]:
    """Measure in the order off, on, on, off, ...: what drifts troubles both alike."""
    found: dict[bool, list[float]] = {True: [], False: []}
    for number in range(pairs):
        for is_on in (True, False) if number % 2 else (False, True):
            found[is_on].append(await turn(is_on))
    on, off = _quickest(found[True]), _quickest(found[False])
    return [
        Figure(name=f"{name}.off", unit=unit, samples=tuple(found[False])),
        Figure(name=f"{name}.on", unit=unit, samples=tuple(found[True])),
        Figure(name=f"{name}.added", unit="%", samples=((on / off - 1) * 100,), goal=goal),
    ]


def _quickest(turns: Sequence[float]) -> float:
    """Return the mean of the quickest quarter: what else the machine does can only make a turn slower."""
    quickest = sorted(turns)[: max(1, len(turns) // 4)]
    return sum(quickest) / len(quickest)


async def _scrape(process: ServerProcess, rounds: int) -> Figure:
    """Measure a GET of /metrics, with everything in it that the workloads before have left."""
    found = []
    for _ in range(rounds):
        before = process.cpu_seconds()
        for _ in range(_SCRAPES):
            await _get_metrics(process.port)
        found.append((process.cpu_seconds() - before) / _SCRAPES * 1e3)
    return Figure(name="scrape", unit="ms", samples=tuple(found))


async def _get_metrics(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
    answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.1 200"), answer[:300]
