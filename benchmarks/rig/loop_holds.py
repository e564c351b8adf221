"""How long does the event loop of a server process serve nobody else while one request comes through?

The servers run through ``held_run.py``, which measures it from inside.
"""

import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from rig.event_loop import wait_until
from rig.processes import ServerProcess
from rig.targets import Target, started_bench
from rig.upstream_server import Whole
from rig.workloads import small_answer

__all__ = ["HELD_SERVERS", "HeldServer", "started_held_servers"]

HELD_SERVERS = ("hypercorn", "uvicorn")
"""Those that run in the process that was started, and so through a program of ours."""

_PROGRAM = Path(__file__).parent.parent / "programs" / "held_run.py"
_PATIENCE_SECONDS = 5.0


class HeldServer:
    """A server that tells how long its loop was held at a time."""

    def __init__(self, target: Target, process: ServerProcess, file: Path) -> None:
        self.target = target
        self._process = process
        self._file = file

    async def held_ms(self, requests: Iterator[bytes], count: int) -> list[float]:
        """Return the longest hold during each of so many requests, which are alone, one after the other."""
        connection = await self.target.connect()
        held = []
        for _ in range(count):
            await self._longest_ms()
            await connection.exchange(next(requests))
            held.append(await self._longest_ms())
        connection.close()
        return held

    async def _longest_ms(self) -> float:
        """Return the longest hold since the last call."""
        self._file.unlink(missing_ok=True)
        self._process.send_signal(signal.SIGUSR1)
        if not await wait_until(self._file.exists, seconds=_PATIENCE_SECONDS):
            raise RuntimeError("the server did not tell how long its loop was held")
        return float(self._file.read_text()) * 1e3


@asynccontextmanager
async def started_held_servers(surfaces: Sequence[str], server: str) -> AsyncIterator[list[HeldServer]]:
    """Start pump and proxy; yield the pump and each surface of the proxy, which answer shortly."""
    with tempfile.TemporaryDirectory(prefix="packyproxy-bench-") as folder:

        def through(name: str) -> list[str]:
            return [sys.executable, str(_PROGRAM), str(Path(folder) / name)]

        async with started_bench(surfaces=surfaces, server=server, through=through) as bench:
            bench.upstream.set_plan(Whole(small_answer()))
            yield [
                HeldServer(bench.pump, bench.pump_process, Path(folder) / "pump"),
                *(
                    HeldServer(target, bench.proxy_process, Path(folder) / "proxy")
                    for target in bench.surfaces.values()
                ),
            ]
