"""Which time limit of an exchange falls due next."""

import pytest

from packyproxy.runtime.serving.deadlines import Deadlines, Due
from packyproxy.runtime.time_limits import TimeLimits

LIMITS = TimeLimits()


def stream(accepted_at: float = 0.0) -> Deadlines:
    return Deadlines(LIMITS, accepted_at=accepted_at, is_stream=True)


def whole(accepted_at: float = 0.0) -> Deadlines:
    return Deadlines(LIMITS, accepted_at=accepted_at, is_stream=False)


def test_a_stream_commits_fifteen_seconds_after_it_was_accepted() -> None:
    """The commit deadline counts from the request, not from the attempt."""
    deadlines = stream(accepted_at=100.0)
    deadlines.start_attempt(109.0)
    assert deadlines.next_due() == (115.0, Due.COMMIT)


def test_a_committed_stream_is_kept_alive_after_its_last_write() -> None:
    """Keep-alives count from the last byte the client got."""
    deadlines = stream()
    deadlines.is_committed = True
    deadlines.last_write_at = 20.0
    assert deadlines.next_due() == (35.0, Due.KEEP_ALIVE)


def test_a_whole_answer_has_no_commit_and_no_keep_alive() -> None:
    """Nothing is written before a non-stream answer is complete."""
    deadlines = whole()
    deadlines.start_attempt(1.0)
    assert deadlines.next_due() == (121.0, Due.HEADERS_TIMEOUT)


def test_waiting_for_headers_is_limited_from_the_start_of_the_attempt() -> None:
    """A second attempt gets its own 120 s."""
    deadlines = whole()
    deadlines.start_attempt(1.0)
    deadlines.end_attempt()
    deadlines.start_attempt(50.0)
    assert deadlines.next_due() == (170.0, Due.HEADERS_TIMEOUT)


def test_idleness_counts_from_the_last_byte() -> None:
    """Each upstream read moves the idle deadline."""
    deadlines = whole()
    deadlines.headers_received(2.0)
    deadlines.last_read_at = 40.0
    assert deadlines.next_due() == (340.0, Due.IDLE_TIMEOUT)


def test_a_client_that_does_not_read_is_not_the_upstreams_idleness() -> None:
    """While a write waits, only the client's stall limit runs."""
    deadlines = stream()
    deadlines.is_committed = True
    deadlines.headers_received(2.0)
    deadlines.writing_since = 5.0
    assert deadlines.next_due() == (65.0, Due.CLIENT_STALLED)


def test_between_attempts_only_the_total_runs() -> None:
    """Waiting to retry is neither idle nor slow in its headers."""
    deadlines = whole()
    deadlines.start_attempt(1.0)
    deadlines.end_attempt()
    assert deadlines.next_due() == (3600.0, Due.TOTAL_TIMEOUT)


@pytest.mark.parametrize(("is_stream", "shortest"), [(True, 15.0), (False, 60.0)], ids=["stream", "whole"])
def test_the_shortest_limit_bounds_how_long_the_timer_may_sleep(is_stream: bool, shortest: float) -> None:
    """A limit that starts later than a look at the clock cannot fall due before the next look."""
    assert Deadlines(LIMITS, accepted_at=0.0, is_stream=is_stream).shortest == shortest
