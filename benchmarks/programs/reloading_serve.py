"""A served proxy that reads its file again on SIGUSR2, and on SIGUSR1 tells what it holds.

After each reading it writes how many there were and how long this one took, in seconds, beside the file as
``reloaded``.

Usage: python benchmarks/programs/reloading_serve.py COUNTS_FILE CONFIG_FILE PORT
"""

import asyncio
import logging
import signal
import sys
import time
from itertools import count
from pathlib import Path

from counted_serve import write_counts

from packyproxy.app import PackyProxy
from packyproxy.cli.server import Stop, bind, calm_the_collector, run_in_loop, serve_app


async def _serve(config_file: Path, port: int) -> int:
    stop = Stop()
    stop.on_signals(signal.SIGTERM)
    proxy = PackyProxy(config_file)
    running: set[asyncio.Task[None]] = set()
    readings = count(1)

    async def read_again() -> None:
        began = time.perf_counter()
        await proxy.reload()
        seconds = time.perf_counter() - began
        unfinished = config_file.with_name("reloaded.new")
        unfinished.write_text(f"{next(readings)} {seconds}")
        unfinished.replace(config_file.with_name("reloaded"))

    def start_reading() -> None:
        task = loop.create_task(read_again())
        running.add(task)
        task.add_done_callback(running.discard)

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR2, start_reading)
    async with proxy:
        calm_the_collector()
        await serve_app(proxy, bind("127.0.0.1", port), stop, grace_seconds=1.0)
    return 0


def main() -> None:
    counts_file, config_file, port = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    logging.getLogger("packyproxy").addHandler(logging.NullHandler())
    signal.signal(signal.SIGUSR1, lambda *_: write_counts(counts_file))
    sys.exit(run_in_loop(lambda: _serve(config_file, port)))


if __name__ == "__main__":
    main()
