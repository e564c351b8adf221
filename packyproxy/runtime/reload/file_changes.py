"""Decide from what files look like, and when, whether they have changed and stand still.

A writer may be half-way through: a change counts once the file is still for 50 ms, that is, seen alike at two
looks that far apart, or last written that long ago. A file that has become empty is waited for longer: a
shell empties the target of ``command > config.yaml`` before the command says anything. Links are followed, so
a swapped link is a changed file.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Final

from msgspec import Struct

__all__ = ["STILL_SECONDS", "Look", "Sighting", "Signature", "Signatures", "judge", "sign"]

STILL_SECONDS: Final = 0.05
_EMPTY_STILL_SECONDS: Final = 0.5
"""An empty file is a valid configuration, of no provider; it still has to be in force within a second."""


class Signature(Struct, frozen=True):
    """What tells two states of a file apart without reading it."""

    device: int
    inode: int
    size: int
    modified_ns: int
    changed_ns: int
    """When anything about it changed, its permissions too: what could not be read may be readable now."""


Signatures = Mapping[Path, Signature | None]
"""By file as it was named; None for one that is not there."""


class Look(StrEnum):
    """What a look at the files comes to."""

    SAME = "same"
    """As they were when they were last read."""
    PENDING = "pending"
    """Changed, but perhaps not whole yet: look again ``STILL_SECONDS`` later."""
    CHANGED = "changed"
    """Changed and still: read them now."""


class Sighting(Struct, frozen=True):
    """What is remembered from look to look."""

    read: Signatures | None = None
    """As the files were when they were last read; None: nobody knows."""
    seen: Signatures | None = None
    since: float = 0.0
    """When ``seen`` was first seen, on a clock in seconds that never goes back."""


def sign(paths: Iterable[Path]) -> Signatures:
    """Look at files; one that cannot be looked at is taken for absent."""
    return {path: _signature(path) for path in paths}


def judge(before: Sighting, seen: Signatures, *, clock: float, now: float) -> tuple[Sighting, Look]:
    """Say what a look at the files means.

    Args:
        before: the sighting of the look before; ``Sighting()`` at the first one.
        seen: the files as they are.
        clock: the moment of the look on the clock of ``Sighting.since``.
        now: the same moment in Unix seconds, the clock of the files' times.
    """
    if seen == before.read:
        return Sighting(read=before.read, seen=seen, since=clock), Look.SAME
    since = before.since if seen == before.seen else clock
    sighting = Sighting(read=before.read, seen=seen, since=since)
    rest_seconds = _EMPTY_STILL_SECONDS if _has_emptied(before.read, seen) else STILL_SECONDS
    # A timer may fire a tick early.
    has_rested = clock - since >= rest_seconds - 0.001
    is_still = has_rested or _were_written_before(now - rest_seconds, before.read, seen)
    return sighting, Look.CHANGED if is_still else Look.PENDING


def _has_emptied(read: Signatures | None, seen: Signatures) -> bool:
    """Tell whether a file that differs is empty."""
    return any(
        signature is not None and signature.size == 0 and (read is None or read.get(path) != signature)
        for path, signature in seen.items()
    )


def _were_written_before(moment: float, read: Signatures | None, seen: Signatures) -> bool:
    """Tell whether every file that differs is there, and is older than a moment in Unix seconds.

    At the first look, what is not there has not vanished.
    """
    for path, signature in seen.items():
        if read is not None and read.get(path) == signature:
            continue
        if signature is None:
            if read is not None:
                return False
        elif signature.modified_ns > moment * 1e9:
            return False
    return True


def _signature(path: Path) -> Signature | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return Signature(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
