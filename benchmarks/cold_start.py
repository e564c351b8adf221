"""What does it cost to import packyproxy and to have it waiting?

Imports are timed inside fresh interpreters, so the interpreter's own start does not count. ``serve`` is
timed from exec to the first 200 of /readyz, and its memory is read while it waits, before any request.
"""

import asyncio
import subprocess
import sys

from goals import IDLE_MEMORY, IMPORT, Goal
from rig.figures import Figure
from rig.processes import clean_environment, started_proxy

__all__ = ["measure"]

_TIMED = "import time; began = time.perf_counter(); {statement}; print(time.perf_counter() - began)"
_NOBODY = "http://127.0.0.1:9/v1"
_SETTLE_SECONDS = 0.5


async def measure(*, quick: bool) -> list[Figure]:
    """Time imports and starts in fresh processes."""
    imports, starts = (5, 2) if quick else (15, 5)
    ready, idle = [], []
    for number in range(starts + 1):
        async with started_proxy(_NOBODY) as proxy:
            if number == 0:  # writes the byte code
                continue
            await asyncio.sleep(_SETTLE_SECONDS)
            ready.append(proxy.ready_seconds * 1e3)
            idle.append(proxy.rss_bytes() / 1e6)
    return [
        _import_time("import packyproxy", imports, goal=IMPORT),
        _import_time("from packyproxy import Config", imports),
        _import_time("from packyproxy import PackyProxy", imports),
        Figure(name="serve.ready", unit="ms", samples=tuple(ready)),
        Figure(name="serve.idle_rss", unit="MB", samples=tuple(idle), goal=IDLE_MEMORY),
    ]


def _import_time(statement: str, times: int, *, goal: Goal | None = None) -> Figure:
    command = [sys.executable, "-c", _TIMED.format(statement=statement)]
    runs = [
        subprocess.run(command, check=True, capture_output=True, text=True, env=clean_environment())
        for _ in range(times + 1)
    ]
    milliseconds = tuple(float(run.stdout) * 1e3 for run in runs[1:])  # the first writes the byte code
    return Figure(name=statement, unit="ms", samples=milliseconds, goal=goal)
