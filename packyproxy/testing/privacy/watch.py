"""Look at texts for canaries, and count what was looked at; no text is kept, so no leak is quoted."""

import threading
from collections import Counter
from collections.abc import Callable
from typing import Literal, get_args

from msgspec import Struct

from packyproxy.testing.privacy.canaries import Canary, Category, find_canaries

__all__ = ["PLACES", "Place", "Sighting", "Watch", "is_of", "nothing"]

Place = Literal[
    "log records",
    "warnings",
    "standard output",
    "exceptions",
    "answers to clients",
    "management answers",
    "metrics",
    "OpenTelemetry",
    "files",
    "objects",
    "memory",
    "network",
]
PLACES: tuple[Place, ...] = get_args(Place)
"""Where something can leak to; ``objects`` are their ``repr``."""


class Sighting(Struct, frozen=True, order=True):
    """A canary where it does not belong."""

    place: Place
    kind: str
    owner: int


class Watch:
    """What was seen so far, by any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.looks: Counter[Place] = Counter()
        """How many things were looked at."""
        self.sightings: set[Sighting] = set()

    def see(
        self,
        place: Place,
        *texts: str | bytes,
        allows: Callable[[Canary], bool] | None = None,
        count: int = 1,
    ) -> None:
        """Look at something.

        Args:
            place: where it is.
            texts: everything that it shows.
            allows: tells which canaries may be there; by default none.
            count: how many things it is.
        """
        found = frozenset[Canary]().union(*map(find_canaries, texts))
        wrong = {Sighting(place, each.kind, each.owner) for each in found if not (allows and allows(each))}
        with self._lock:
            self.looks[place] += count
            self.sightings |= wrong

    def report(self, place: Place, kind: str) -> None:
        """Note something that is wrong without a canary, such as a connection to anywhere."""
        with self._lock:
            self.sightings.add(Sighting(place, kind, -1))


def nothing(_: Canary) -> bool:
    """Allow no canary."""
    return False


def is_of(owner: int, category: Category = "content") -> Callable[[Canary], bool]:
    """Allow what somebody has said, or was given, to be in what is theirs."""
    return lambda canary: canary.owner == owner and canary.category == category
