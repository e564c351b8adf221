"""How values are spread: counts per bucket, in the way of Prometheus and OpenTelemetry."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import accumulate
from operator import add

__all__ = ["Histogram"]


class Histogram:
    """Counts of values by size, and their sum.

    Args:
        bounds: upper bounds of the buckets, each belonging to its bucket; larger values have one more.
    """

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    @property
    def count(self) -> int:
        """How many values there were."""
        return sum(self.counts)

    def observe(self, values: Sequence[float]) -> None:
        """Count some values."""
        counts, bounds = self.counts, self.bounds
        for value in values:
            counts[bisect_left(bounds, value)] += 1
        self.sum += sum(values)

    def merge(self, counts: Iterable[int], total: float) -> None:
        """Add the counts of a histogram with the same bounds, and the sum of its values."""
        self.counts = list(map(add, self.counts, counts))
        self.sum += total

    def copy(self) -> "Histogram":
        """Return one with the same values, to be read while values are added to this one."""
        copied = Histogram(self.bounds)
        copied.counts, copied.sum = self.counts.copy(), self.sum
        return copied

    def cumulative(self) -> list[tuple[float, int]]:
        """Return how many values do not exceed each bound, infinity at the end."""
        return list(zip((*self.bounds, float("inf")), accumulate(self.counts), strict=True))
