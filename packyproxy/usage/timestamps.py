"""Moments as people and programs read them."""

from datetime import UTC, datetime
from functools import lru_cache

__all__ = ["timestamp"]


def timestamp(seconds: float) -> str:
    """Write Unix seconds as ISO 8601 in UTC, to the millisecond: ``2026-11-21T15:00:00.000Z``."""
    second, microseconds = divmod(round(seconds * 1_000_000), 1_000_000)
    return f"{_second(second)}.{microseconds // 1000:03}Z"


@lru_cache(maxsize=4)
def _second(seconds: int) -> str:
    # A busy proxy writes the same second many times.
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
