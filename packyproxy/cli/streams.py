"""The standard streams of a command, whatever it was started with."""

import os
import sys
from io import TextIOWrapper

__all__ = ["forget_output", "prepare_streams"]


def prepare_streams() -> None:
    """Make stdout and stderr take every text.

    One that was closed at the start takes it and drops it. A character that its encoding lacks, of a path for
    instance, is written as its number.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8"))
        elif isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def forget_output() -> None:
    """Drop what stdout still holds: it cannot be written, at exit neither."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
