"""Does a client that stops reading make the proxy keep what it does not take?

The upstream pushes an answer of 30 MB as fast as it is taken; the client reads the first bytes and then
nothing for a while. What stands in the kernel's socket buffers is not the proxy's memory; the rest has to
wait at the upstream. Then the client goes on, and must get all of it. Each target is measured in a process
that has answered nothing but small requests before.

- growth: of resident memory while one client has stalled, at most
- growth_each_of_10: while 10 clients have stalled, for each of them

With --quick, on the first server.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Sequence

from goals import STALLED_READER
from rig.figures import Figure
from rig.load_client import ClientConnection
from rig.processes import DEFAULT_SERVERS, ServerProcess
from rig.targets import Target, started_bench
from rig.upstream_server import Whole
from rig.workloads import SURFACES, text_answer

__all__ = ["measure"]

_EVENTS = 100_000
"""About 30 MB as the upstream writes them."""
_READERS = 10
_STALL_SECONDS = 0.7
_LOOK_SECONDS = 0.01
_LEAST_SHARE = 0.99
"""Of the bytes of another client, since the pieces in which an answer comes have heads of their own."""


class _StallingConnection(ClientConnection):
    """A client that stops reading with the first bytes of an answer, until it is told to go on."""

    def __init__(self, content_mark: bytes, ending: bytes) -> None:
        super().__init__(content_mark, ending)
        self.has_stalled = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self.has_stalled.is_set():
            self.has_stalled.set()
            self._transport.pause_reading()

    def go_on(self) -> None:
        """Read again."""
        self._transport.resume_reading()


async def measure(
    *,
    quick: bool,
    surfaces: Sequence[str] = tuple(SURFACES),
    servers: Sequence[str] = DEFAULT_SERVERS,
) -> list[Figure]:
    """Stall one reader, then many, of each surface and of the pump."""
    found: defaultdict[str, list[float]] = defaultdict(list)
    plan = Whole(text_answer(_EVENTS))
    for server in servers[:1] if quick else servers:
        for _ in range(1 if quick else 3):
            for number, surface in enumerate(surfaces):
                async with started_bench(surfaces=(surface,), server=server) as bench:
                    bench.upstream.set_plan(plan)
                    pairs = [(bench.surfaces[surface], bench.proxy_process)]
                    if not number:
                        pairs.insert(0, (bench.pump, bench.pump_process))
                    for target, process in pairs:
                        for name, grown in (await _growths(target, process)).items():
                            found[f"{server}.{target.name}.{name}"].append(grown)
    return [
        Figure(
            name=name,
            unit="MB",
            samples=tuple(samples),
            goal=STALLED_READER if name.endswith(".growth") and ".pump." not in name else None,
        )
        for name, samples in found.items()
    ]


async def _growths(target: Target, process: ServerProcess) -> dict[str, float]:
    before = process.rss_bytes()
    alone = await _stall(target, 1)
    stalled = await _peak(process, asyncio.sleep(_STALL_SECONDS))
    await _finish(alone)
    many = await _stall(target, _READERS)
    together = await _peak(process, asyncio.sleep(_STALL_SECONDS))
    sizes = await _finish(many)
    if min(sizes) < _LEAST_SHARE * max(sizes):
        raise RuntimeError(f"{target.name} gave some clients less than others: {sorted(sizes)} bytes")
    return {
        "growth": (stalled - before) / 1e6,
        f"growth_each_of_{_READERS}": (together - before) / _READERS / 1e6,
    }


async def _stall(target: Target, count: int) -> list[_StallingConnection]:
    """Ask for so many answers and read the beginning of each, and nothing more."""
    loop = asyncio.get_running_loop()
    connections: list[_StallingConnection] = []
    for _ in range(count):
        _, connection = await loop.create_connection(
            lambda: _StallingConnection(target.content_mark, target.ending), "127.0.0.1", target.port
        )
        connection.send(target.request())
        connections.append(connection)
    for connection in connections:
        await connection.has_stalled.wait()
    return connections


async def _finish(connections: Sequence[_StallingConnection]) -> list[int]:
    """Let clients read on to the end of their answers; return how many bytes each of them got."""
    for connection in connections:
        connection.go_on()
    for connection in connections:
        await connection.wait_whole()
        connection.close()
    return [connection.answer.received_bytes for connection in connections]


async def _peak(process: ServerProcess, meanwhile: Awaitable[object]) -> int:
    """Return the most resident memory that was seen until something is done."""
    doing = asyncio.ensure_future(meanwhile)
    most = process.rss_bytes()
    while not doing.done():
        await asyncio.wait({doing}, timeout=_LOOK_SECONDS)
        most = max(most, process.rss_bytes())
    await doing
    return most
