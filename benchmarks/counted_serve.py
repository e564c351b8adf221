"""``packyproxy`` with one addition: on SIGUSR1 it writes the number of its unfinished asyncio tasks to a file.

Usage: python benchmarks/counted_serve.py FILE serve ...
"""

import asyncio
import gc
import os
import signal
import sys

from packyproxy.cli.main import main


def _write_count(*_: object) -> None:
    gc.collect()
    tasks = sum(isinstance(thing, asyncio.Task) and not thing.done() for thing in gc.get_objects())
    path = sys.argv[0]
    with open(f"{path}.new", "w") as file:
        file.write(str(tasks))
    os.replace(f"{path}.new", path)


if __name__ == "__main__":
    del sys.argv[0]
    signal.signal(signal.SIGUSR1, _write_count)
    sys.exit(main(sys.argv[1:]))
