"""Decide which time limit of an exchange falls due next (wire-mapping 0.5, 8.7).

Pure: every time is an argument, in seconds of one monotonic clock. The shell around it (``.watch``) keeps a
single timer for the earliest moment, so the relay pays two attribute stores per upstream read and nothing
more.
"""

from enum import Enum
from math import inf

from packyproxy.runtime.time_limits import TimeLimits

__all__ = ["Deadlines", "Due"]


class Due(Enum):
    """What has to happen now."""

    COMMIT = "commit"
    """Spend the status line: the client has waited long enough for a first sign of life."""
    KEEP_ALIVE = "keep_alive"
    HEADERS_TIMEOUT = "headers_timeout"
    IDLE_TIMEOUT = "idle_timeout"
    TOTAL_TIMEOUT = "total_timeout"
    CLIENT_STALLED = "client_stalled"
    CLIENT_GONE = "client_gone"
    """Never due by time: the client's connection ended."""


class Deadlines:
    """The clock readings of one exchange, and what follows from them.

    Non-stream answers have neither a commit deadline nor keep-alives: nothing is written until they are
    whole.
    """

    __slots__ = (
        "_accepted_at",
        "_is_stream",
        "is_answering",
        "is_committed",
        "last_read_at",
        "last_write_at",
        "limits",
        "waiting_for_headers_since",
        "writing_since",
    )

    def __init__(self, limits: TimeLimits, *, accepted_at: float, is_stream: bool) -> None:
        self.limits = limits
        self._accepted_at = accepted_at
        self._is_stream = is_stream
        self.is_committed = False
        self.is_answering = False
        """Set once the outcome is known: nothing may come between its frames any more."""
        self.waiting_for_headers_since: float | None = None
        """Set while an attempt waits for the upstream's response headers."""
        self.last_read_at: float | None = None
        """When the running attempt last received a byte; None while none streams."""
        self.last_write_at = accepted_at
        self.writing_since: float | None = None
        """Set while a write to the client has not been taken."""

    @property
    def shortest(self) -> float:
        """The shortest of the limits that run here, in seconds."""
        limits = self.limits
        times = [limits.headers, limits.idle, limits.total, limits.client_stall]
        return min([*times, limits.commit, limits.keep_alive] if self._is_stream else times)

    def start_attempt(self, now: float) -> None:
        """Begin to wait for the headers of a new attempt."""
        self.waiting_for_headers_since = now
        self.last_read_at = None

    def headers_received(self, now: float) -> None:
        """Begin to watch for idleness instead of for headers."""
        self.waiting_for_headers_since = None
        self.last_read_at = now

    def end_attempt(self) -> None:
        """Stop watching the upstream: between attempts only the client's limits run."""
        self.waiting_for_headers_since = None
        self.last_read_at = None

    def next_due(self) -> tuple[float, Due]:
        """Return the earliest moment at which something is due, and what; failures win a tie."""
        limits = self.limits
        if self.is_answering:
            # The last bytes are being written: a limit of the upstream's would only put others behind them.
            stalled_at = inf if self.writing_since is None else self.writing_since + limits.client_stall
            return stalled_at, Due.CLIENT_STALLED
        at, due = self._accepted_at + limits.total, Due.TOTAL_TIMEOUT
        since = self.waiting_for_headers_since
        if since is not None and since + limits.headers < at:
            at, due = since + limits.headers, Due.HEADERS_TIMEOUT
        since = self.last_read_at
        # A client that does not take its bytes keeps us from reading; that is not the upstream's idleness.
        if since is not None and self.writing_since is None and since + limits.idle < at:
            at, due = since + limits.idle, Due.IDLE_TIMEOUT
        since = self.writing_since
        if since is not None:
            if since + limits.client_stall < at:
                at, due = since + limits.client_stall, Due.CLIENT_STALLED
        elif self._is_stream:
            if not self.is_committed:
                if self._accepted_at + limits.commit < at:
                    at, due = self._accepted_at + limits.commit, Due.COMMIT
            elif self.last_write_at + limits.keep_alive < at:
                at, due = self.last_write_at + limits.keep_alive, Due.KEEP_ALIVE
        return at, due
