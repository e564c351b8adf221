"""Moments as people and programs read them."""

from datetime import UTC, datetime

__all__ = ["timestamp"]


def timestamp(seconds: float) -> str:
    """Write Unix seconds as ISO 8601 in UTC, to the millisecond: ``2026-11-21T15:00:00.000Z``."""
    return f"{datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"
