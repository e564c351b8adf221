"""``packyproxy`` with one addition: on SIGUSR1 it writes how many tasks and Python objects it holds.

Before that it collects garbage and gives memory that nobody uses back to the system, so that what stays
resident is what is held.

Usage: python benchmarks/programs/counted_serve.py FILE serve ...
"""

import asyncio
import ctypes
import gc
import signal
import sys
from contextlib import suppress
from pathlib import Path

from packyproxy.cli.main import main

__all__ = ["write_counts"]


def write_counts(file: Path) -> None:
    """Write the numbers of unfinished tasks and of objects, after all that is unused was given back."""
    gc.collect()
    with suppress(OSError, AttributeError):  # not the GNU C library
        ctypes.CDLL(None).malloc_trim(0)
    things = gc.get_objects()
    tasks = sum(isinstance(thing, asyncio.Task) and not thing.done() for thing in things)
    unfinished = file.with_suffix(".new")
    unfinished.write_text(f"{tasks} {len(things)}")
    unfinished.replace(file)


if __name__ == "__main__":
    counts_file = Path(sys.argv.pop(1))
    signal.signal(signal.SIGUSR1, lambda *_: write_counts(counts_file))
    sys.exit(main(sys.argv[1:]))
