"""Moments as people and programs read them."""

import pytest

from packyproxy.usage.timestamps import timestamp


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.0, "1970-01-01T00:00:00.000Z"),
        (1_795_273_200.0, "2026-11-21T15:00:00.000Z"),
        (1_795_273_200.1239, "2026-11-21T15:00:00.123Z"),
    ],
)
def test_timestamps(seconds: float, expected: str) -> None:
    """Unix seconds are written in UTC, to the millisecond."""
    assert expected == timestamp(seconds)
