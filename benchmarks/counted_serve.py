"""``packyproxy`` with one addition: on SIGUSR1 it writes how many tasks and Python objects it holds.

Usage: python benchmarks/counted_serve.py FILE serve ...
"""

import asyncio
import gc
import signal
import sys
from pathlib import Path

from packyproxy.cli.main import main

__all__ = ["write_counts"]


def write_counts(file: Path) -> None:
    """Write the numbers of unfinished tasks and of objects, garbage collected first."""
    gc.collect()
    things = gc.get_objects()
    tasks = sum(isinstance(thing, asyncio.Task) and not thing.done() for thing in things)
    unfinished = file.with_suffix(".new")
    unfinished.write_text(f"{tasks} {len(things)}")
    unfinished.replace(file)


if __name__ == "__main__":
    counts_file = Path(sys.argv.pop(1))
    signal.signal(signal.SIGUSR1, lambda *_: write_counts(counts_file))
    sys.exit(main(sys.argv[1:]))
