"""``packyproxy`` with one addition: on SIGUSR1 it writes the number of its unfinished asyncio tasks to a file.

Usage: python benchmarks/counted_serve.py FILE serve ...
"""

import asyncio
import gc
import signal
import sys
from pathlib import Path

from packyproxy.cli.main import main


def _write_count(*_: object) -> None:
    gc.collect()
    tasks = sum(isinstance(thing, asyncio.Task) and not thing.done() for thing in gc.get_objects())
    written = Path(f"{_file}.new")
    written.write_text(str(tasks))
    written.replace(_file)


if __name__ == "__main__":
    _file = Path(sys.argv.pop(1))
    signal.signal(signal.SIGUSR1, _write_count)
    sys.exit(main(sys.argv[1:]))
