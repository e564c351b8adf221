"""What is noted of an attempt and of a request once they have ended: ids, names, counts and times.

Every figure is made from these two records: log lines, tokens per second, totals, metrics, spans. They hold
nothing that a client or a model has said, and no key; a client's session is a hash.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from packyproxy.errors import FailureKind
from packyproxy.usage.tokens import Tokens

__all__ = [
    "DAY_SECONDS",
    "GAP_BOUNDS",
    "NO_GAPS",
    "AttemptRecord",
    "RequestRecord",
    "alike_attempts",
    "alike_requests",
]

DAY_SECONDS: Final = 86_400

GAP_BOUNDS: Final = tuple(0.001 * 2**power for power in range(15))
"""Upper bounds of the buckets of :attr:`AttemptRecord.gaps` in seconds: 1 ms, 2 ms, 4 ms ... 16.4 s."""

NO_GAPS: Final = (0,) * (len(GAP_BOUNDS) + 1)
"""One count per bucket, and one for longer gaps."""


class AttemptRecord(Struct, frozen=True, kw_only=True, gc=False):
    """One try at one provider, which has ended."""

    request_id: str
    protocol: str
    """What the client speaks: a name of ``translate.protocols.PROTOCOLS``."""
    provider: str
    provider_id: str
    model: str
    """The upstream's model id; ``""`` where none was named."""
    is_streaming: bool
    """Whether the client asked for a stream; upstream it is one in any case."""
    sent_at: float
    """When the upstream request was sent, in Unix seconds."""
    duration_seconds: float
    """From sending until the attempt ended."""
    first_output_seconds: float | None = None
    """From sending until the first model output that the client is shown; None without any."""
    stream_seconds: float = 0.0
    """From the first to the last read of the upstream that gave output, also reasoning that the client is not
    shown; 0 if one read gave it all."""
    gaps: tuple[int, ...] = NO_GAPS
    """How many pauses between two reads with output fell into each bucket of :data:`GAP_BOUNDS`."""
    tokens: Tokens | None = None
    """The upstream's own count; None if it gave none."""
    failure: FailureKind | None = None
    status: int | None = None
    """The upstream's HTTP status, where it refused."""
    is_cut_off: bool = False
    """Whether we ended it: its client left, or another provider was quicker."""

    @property
    def ended_at(self) -> float:
        """When it ended, in Unix seconds."""
        return self.sent_at + self.duration_seconds

    @property
    def has_output(self) -> bool:
        """Whether the model said anything."""
        return self.first_output_seconds is not None

    @property
    def is_success(self) -> bool:
        """Whether it was answered to the end."""
        return self.failure is None and not self.is_cut_off


class RequestRecord(Struct, frozen=True, kw_only=True, gc=False):
    """One request of a client, answered or given up; what a host's ``on_usage`` is given."""

    request_id: str
    """The answer's ``x-request-id``."""
    protocol: str
    """What the client speaks: a name of ``translate.protocols.PROTOCOLS``."""
    is_streaming: bool
    """Whether the client asked for a stream."""
    key_id: str = ""
    """The first 16 digits of the SHA-256 of the client key that was shown; ``""`` where none is needed."""
    session: str = ""
    """A hash of what names the conversation, another one after a restart; ``""`` where nobody was asked."""
    provider: str | None = None
    """Who answered, or whose failure was told; None if nobody was asked."""
    model: str | None = None
    """The upstream's model id; None if nobody was asked."""
    effort: str | None = None
    """The reasoning effort that was asked for."""
    status: int
    """What the client was given, or would have been if its stream had not begun; 499 if it left."""
    failure: str | None = None
    """A value of :class:`~packyproxy.errors.FailureKind`, which ``invalid_request`` is too, ``client_left``,
    ``client_stalled``, ``no_provider`` (none is enabled) or ``internal_error``."""
    attempts: int = 0
    """How often a provider was asked, with repeats."""
    body_bytes: int = 0
    """Size of the last upstream request."""
    ended_at: float
    """Unix seconds."""
    duration_seconds: float
    """From accepting the request until its end."""
    first_output_seconds: float | None = None
    """From accepting the request until its first model output was there."""
    tokens: Tokens | None = None
    """What the answer took and gave, as the upstream counted it; None if it did not. What other attempts may
    have cost is not in it."""


def alike_attempts(records: Iterable[AttemptRecord]) -> Iterable[list[AttemptRecord]]:
    """Sort records into those that differ in ids, times within a day, output and tokens alone."""
    groups: defaultdict[object, list[AttemptRecord]] = defaultdict(list)
    for record in records:
        day = int(record.ended_at // DAY_SECONDS)
        groups[record.provider, record.model, record.protocol, record.failure, record.is_cut_off, day].append(
            record
        )
    return groups.values()


def alike_requests(records: Iterable[RequestRecord]) -> Iterable[list[RequestRecord]]:
    """Sort records into those that differ in ids, sessions, times within a day, output and tokens alone."""
    groups: defaultdict[object, list[RequestRecord]] = defaultdict(list)
    for record in records:
        day = int(record.ended_at // DAY_SECONDS)
        groups[
            record.provider, record.model, record.protocol, record.key_id, record.failure, record.status, day
        ].append(record)
    return groups.values()
