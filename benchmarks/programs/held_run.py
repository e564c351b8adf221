"""Run a Python program and measure how long its event loop is held at a time.

On the first SIGUSR1 a callback begins to put itself back into the loop each time it is run, so that it is run
once in every round of the loop. From one run to the next nobody else is served: a connection that has
something to say waits so long. On SIGUSR1 the longest such time since the last SIGUSR1 is written to FILE, in
seconds. It is CPU time, of the thread: since the loop never sleeps meanwhile, that is what the wall clock
would show on a machine that does nothing else.

Usage: python benchmarks/programs/held_run.py FILE PROGRAM ...
       where PROGRAM is a script with its arguments, also as "python SCRIPT ..." or "python -m MODULE ..."
"""

import asyncio
import runpy
import signal
import sys
import time
from pathlib import Path

__all__ = ["LoopHolds"]


class LoopHolds:
    """The longest time for which the loop was held, from one asking to the next."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._loop: asyncio.AbstractEventLoop | None = None
        self._seen_at = 0.0
        self._longest = 0.0

    def tell(self, *_: object) -> None:
        """Write the longest time so far and forget it; called first, begin to look."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self._loop.call_soon_threadsafe(self._look)
        unfinished = self._file.with_suffix(".new")
        unfinished.write_text(str(self._longest))
        unfinished.replace(self._file)
        self._seen_at, self._longest = time.thread_time(), 0.0

    def _look(self) -> None:
        assert self._loop is not None, "nobody asked"
        now = time.thread_time()
        self._longest = max(self._longest, now - self._seen_at)
        self._seen_at = now
        self._loop.call_soon(self._look)


def main() -> None:
    signal.signal(signal.SIGUSR1, LoopHolds(Path(sys.argv[1])).tell)
    program = sys.argv[2:]
    if Path(program[0]).resolve() == Path(sys.executable).resolve():
        del program[0]
    if program[0] == "-m":
        sys.argv = program[1:]
        runpy.run_module(program[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = program
        sys.path[0] = str(Path(program[0]).parent)
        runpy.run_path(program[0], run_name="__main__")


if __name__ == "__main__":
    main()
