"""``packyproxy`` with one addition: on SIGUSR1 it writes the number of its unfinished asyncio tasks to a file.

Usage: python benchmarks/counted_serve.py FILE serve ...
"""

import asyncio
import gc
import signal
import sys
from pathlib import Path

from packyproxy.cli.main import main


def _write_count(file: Path) -> None:
    gc.collect()
    tasks = sum(isinstance(thing, asyncio.Task) and not thing.done() for thing in gc.get_objects())
    unfinished = file.with_suffix(".new")
    unfinished.write_text(str(tasks))
    unfinished.replace(file)


if __name__ == "__main__":
    count_file = Path(sys.argv.pop(1))
    signal.signal(signal.SIGUSR1, lambda *_: _write_count(count_file))
    sys.exit(main(sys.argv[1:]))
