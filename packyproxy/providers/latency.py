"""How quickly providers have answered lately: seconds to first content, per provider and model.

What was not measured for five minutes is forgotten, so that one who was slow is tried again. Each process
measures for itself: workers of one machine see the same network, and nothing breaks where they differ.
"""

from collections import OrderedDict
from typing import Final

__all__ = ["Latencies"]

_FORGOTTEN_AFTER_SECONDS: Final = 300.0
_NEWEST_SHARE: Final = 0.3
"""Of the newest measurement in the average; five make up five sixths of it."""
_MAX_TARGETS: Final = 1024
"""Pairs of provider and model; model names may come from clients."""


class Latencies:
    """The moving averages; times are Unix seconds, and always arguments."""

    def __init__(self) -> None:
        self._averages: OrderedDict[tuple[str, str], tuple[float, float]] = OrderedDict()
        """The average in seconds, and when it was last added to; the latest last."""

    def note(self, provider_id: str, model: str, seconds: float, now: float) -> None:
        """Add a measurement."""
        target = (provider_id, model)
        average = self.of(provider_id, model, now)
        if average is not None:
            seconds = average + _NEWEST_SHARE * (seconds - average)
        self._averages.pop(target, None)
        self._averages[target] = (seconds, now)
        if len(self._averages) > _MAX_TARGETS:
            self._averages.popitem(last=False)

    def of(self, provider_id: str, model: str, now: float) -> float | None:
        """Return the seconds to first content to be expected of a target; None if nobody knows."""
        found = self._averages.get((provider_id, model))
        if found is None or found[1] + _FORGOTTEN_AFTER_SECONDS <= now:
            return None
        return found[0]
