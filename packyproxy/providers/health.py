"""How a provider fares: the breaker of the provider as a whole, the cooldown of one model there; pure.

:data:`TABLE` is the breaker: where a state goes with each signal. It opens after five failures in a row, lets
one probe through after thirty seconds, and closes with any success. A refused key shuts the provider until it
has another one, which makes it another provider, or is switched off and on. A cooldown is a rest: as long as
the upstream said, as its kind of failure asks for, or doubling from one second.

Times are Unix seconds. States are values; whoever stores them replaces what it read, so that two verdicts at
once are two steps. What cannot be read counts as healthy.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final, assert_never

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from packyproxy.errors import Failure, FailureKind
from packyproxy.translate.failure_table import FAILURES
from packyproxy.wire.error_bodies import impersonal_error

__all__ = [
    "FAILURES_TO_OPEN",
    "HEALTHY",
    "OPEN_SECONDS",
    "PROBE_SECONDS",
    "TABLE",
    "Admission",
    "Breaker",
    "Cooldown",
    "ProviderHealth",
    "ProviderState",
    "Refusal",
    "Signal",
    "admission",
    "available_at",
    "decode_cooldown",
    "decode_health",
    "encode_cooldown",
    "encode_health",
    "health_expires_in_seconds",
    "next_cooldown",
    "next_health",
    "state_of",
]

FAILURES_TO_OPEN: Final = 5
OPEN_SECONDS: Final = 30.0
PROBE_SECONDS: Final = 60.0
"""A probe without a verdict for this long is taken for lost, with the worker that sent it. A slow but living
one costs the provider one more request a minute."""

_VERDICT_SECONDS: Final = 5.0
"""Most probes have their verdict by then, so who is turned away meanwhile is told to come back after this."""
_MEMORY_SECONDS: Final = 3600.0
"""A provider that nobody asked for an hour starts afresh."""
_REJECTED_SECONDS: Final = 30 * 86_400.0
"""For good, but for a store that outlives the provider's configuration."""
_COOLDOWN_MEMORY_SECONDS: Final = 600.0
"""How long after a rest another failure still counts as following the last one."""
_MOST_DOUBLINGS: Final = 30
_TOLD_AGAIN: Final = frozenset(
    {FailureKind.QUOTA, FailureKind.RATE_LIMIT, FailureKind.BILLING, FailureKind.OVERLOADED}
)


class Breaker(StrEnum):
    """What a provider's failures so far mean for the next request."""

    CLOSED = "closed"
    """Requests pass."""
    OPEN = "open"
    """Nothing passes, until it is time for a probe."""
    HALF_OPEN = "half-open"
    """One request passes at a time, as a probe."""
    REJECTED = "rejected"
    """Nothing passes: the key was refused."""


class Signal(StrEnum):
    """What happened to a request at a provider."""

    SUCCESS = "success"
    FAILURE = "failure"
    """One that makes the provider look ill as a whole: ``trips_breaker`` in ``translate.failure_table``."""
    KEY_REFUSED = "key-refused"
    RESTORED = "restored"
    """The operator has switched the provider on: whatever was known of it may be no longer so."""
    PROBE_SENT = "probe-sent"
    PROBE_DROPPED = "probe-dropped"
    """The probe ended without a verdict: its client left, or it failed of something else."""


TABLE: Final[Mapping[tuple[Breaker, Signal], Breaker]] = MappingProxyType(
    {
        (Breaker.CLOSED, Signal.SUCCESS): Breaker.CLOSED,
        (Breaker.CLOSED, Signal.FAILURE): Breaker.OPEN,  # with the fifth in a row; it stays closed until then
        (Breaker.CLOSED, Signal.KEY_REFUSED): Breaker.REJECTED,
        (Breaker.CLOSED, Signal.RESTORED): Breaker.CLOSED,
        (Breaker.CLOSED, Signal.PROBE_SENT): Breaker.CLOSED,
        (Breaker.CLOSED, Signal.PROBE_DROPPED): Breaker.CLOSED,
        # Requests from before it opened still report: good news counts, bad news is no news.
        (Breaker.OPEN, Signal.SUCCESS): Breaker.CLOSED,
        (Breaker.OPEN, Signal.FAILURE): Breaker.OPEN,
        (Breaker.OPEN, Signal.KEY_REFUSED): Breaker.REJECTED,
        (Breaker.OPEN, Signal.RESTORED): Breaker.CLOSED,
        (Breaker.OPEN, Signal.PROBE_SENT): Breaker.HALF_OPEN,
        (Breaker.OPEN, Signal.PROBE_DROPPED): Breaker.OPEN,
        (Breaker.HALF_OPEN, Signal.SUCCESS): Breaker.CLOSED,
        (Breaker.HALF_OPEN, Signal.FAILURE): Breaker.OPEN,
        (Breaker.HALF_OPEN, Signal.KEY_REFUSED): Breaker.REJECTED,
        (Breaker.HALF_OPEN, Signal.RESTORED): Breaker.CLOSED,
        (Breaker.HALF_OPEN, Signal.PROBE_SENT): Breaker.HALF_OPEN,
        (Breaker.HALF_OPEN, Signal.PROBE_DROPPED): Breaker.HALF_OPEN,
        # Good news is of answers that began before, or of health checks, which do not try the key.
        (Breaker.REJECTED, Signal.SUCCESS): Breaker.REJECTED,
        (Breaker.REJECTED, Signal.FAILURE): Breaker.REJECTED,
        (Breaker.REJECTED, Signal.KEY_REFUSED): Breaker.REJECTED,
        (Breaker.REJECTED, Signal.RESTORED): Breaker.CLOSED,
        (Breaker.REJECTED, Signal.PROBE_SENT): Breaker.REJECTED,
        (Breaker.REJECTED, Signal.PROBE_DROPPED): Breaker.REJECTED,
    }
)
"""Every pair of state and signal has its row."""


_GOOD_NEWS: Final = frozenset({Signal.SUCCESS, Signal.RESTORED})


class Admission(StrEnum):
    """Whether a provider may be asked."""

    ADMITTED = "admitted"
    PROBE = "probe"
    """By one request only, which says so first with :attr:`Signal.PROBE_SENT`."""
    SHUT = "shut"


class ProviderState(StrEnum):
    """How a provider stands, in one word; these are all that there are."""

    READY = "ready"
    RESTING = "resting"
    """It may be asked, but a model of it rests, so that others are preferred for that one."""
    OPEN = "open"
    """Its breaker is open: it has failed too often, and is left alone until it is time for a probe."""
    PROBING = "probing"
    """Its breaker is half-open: one request at a time finds out whether it is well again."""
    KEY_REFUSED = "key-refused"
    """It refused the key, and is asked nothing until it has another one or is switched off and on."""
    DISABLED = "disabled"


class ProviderHealth(Struct, frozen=True, kw_only=True):
    """The breaker of one provider."""

    breaker: Breaker = Breaker.CLOSED
    failures: int = 0
    """In a row, across all models."""
    since: float = 0.0
    """When it entered a state other than closed."""
    probe_at: float | None = None
    """Half-open: when the probe was sent that has no verdict yet; None if there is none."""
    kind: FailureKind | None = None
    """What it last failed of."""
    failed_at: float | None = None
    """When the last failure that counted came to light."""


HEALTHY: Final = ProviderHealth()
"""What is assumed of a provider of which nothing is known, and true after every success."""


class Refusal(Struct, frozen=True, kw_only=True):
    """An upstream's own error, as it was told it; ``repr`` shows its status only."""

    status: int
    error_object: bytes
    """As in :class:`~packyproxy.errors.Failure`."""

    def __repr__(self) -> str:
        return f"Refusal(status={self.status!r})"


class Cooldown(Struct, frozen=True, kw_only=True):
    """The rest of one model at one provider."""

    until: float
    failures: int
    """In a row, those counted that came after the rest before."""
    kind: FailureKind
    """What the rest is for."""
    is_own: bool = False
    """Neither the upstream nor its kind of failure names such a time: we only prefer others meanwhile."""
    refusal: Refusal | None = None
    """How the upstream asked for it, where that is of use to whoever meets the rest."""

    def is_over(self, now: float) -> bool:
        """Tell whether the model may be asked for again."""
        return self.until <= now

    def expires_in_seconds(self, now: float) -> float:
        """Return how long a store should keep this."""
        return max(0.0, self.until - now) + _COOLDOWN_MEMORY_SECONDS


def next_health(
    health: ProviderHealth,
    signal: Signal,
    *,
    now: float,
    kind: FailureKind | None = None,
    asked_at: float | None = None,
) -> ProviderHealth:
    """Return the state after a signal.

    Requests that fail together are one incident, not several in a row: a failure counts only if its attempt
    began when the one before it had come to light.

    Args:
        health: the state before.
        signal: what happened.
        now: Unix seconds.
        kind: the failure's, where it is one.
        asked_at: when the attempt began that failed; None: after all that is known.
    """
    is_failure = signal is Signal.FAILURE
    if is_failure and asked_at is not None and health.failed_at is not None and asked_at < health.failed_at:
        return health
    failures = health.failures + is_failure
    breaker = TABLE[health.breaker, signal]
    if breaker is Breaker.OPEN and health.breaker is Breaker.CLOSED and failures < FAILURES_TO_OPEN:
        return replace(health, failures=failures, kind=kind, failed_at=now)
    if breaker is Breaker.CLOSED:
        return HEALTHY if signal in _GOOD_NEWS else health
    if breaker is health.breaker and breaker is not Breaker.HALF_OPEN:
        return health
    return ProviderHealth(
        breaker=breaker,
        failures=failures,
        since=health.since if breaker is health.breaker else now,
        probe_at=now if signal is Signal.PROBE_SENT else None,
        kind=health.kind if breaker is Breaker.HALF_OPEN else kind,
        failed_at=now if is_failure else health.failed_at,
    )


def admission(health: ProviderHealth, now: float) -> Admission:
    """Say whether a provider in this state may be asked."""
    match health.breaker:
        case Breaker.CLOSED:
            return Admission.ADMITTED
        case Breaker.REJECTED:
            return Admission.SHUT
        case Breaker.OPEN:
            probe_from = health.since + OPEN_SECONDS
        case Breaker.HALF_OPEN:
            probe_from = health.probe_at + PROBE_SECONDS if health.probe_at is not None else now
        case _:
            assert_never(health.breaker)
    return Admission.PROBE if probe_from <= now else Admission.SHUT


def available_at(health: ProviderHealth, now: float) -> float | None:
    """Say when it is worth asking a provider again that is shut now.

    None where it is not shut, and where no time is known because its key was refused. While a probe is under
    way its verdict will decide, so that is a guess, and never later than the next probe.
    """
    if admission(health, now) is not Admission.SHUT:
        return None
    if health.breaker is Breaker.OPEN:
        return health.since + OPEN_SECONDS
    if health.probe_at is not None:
        return min(health.probe_at + PROBE_SECONDS, now + _VERDICT_SECONDS)
    return None


def state_of(health: ProviderHealth, *, is_enabled: bool, is_resting: bool) -> ProviderState:
    """Return the word for what is known of a provider; ``is_resting``: some model of it rests."""
    if not is_enabled:
        return ProviderState.DISABLED
    match health.breaker:
        case Breaker.REJECTED:
            return ProviderState.KEY_REFUSED
        case Breaker.OPEN:
            return ProviderState.OPEN
        case Breaker.HALF_OPEN:
            return ProviderState.PROBING
        case Breaker.CLOSED:
            return ProviderState.RESTING if is_resting else ProviderState.READY
        case _:
            assert_never(health.breaker)


def health_expires_in_seconds(health: ProviderHealth) -> float:
    """Return how long a store should keep a state that nothing happens to."""
    return _REJECTED_SECONDS if health.breaker is Breaker.REJECTED else _MEMORY_SECONDS


def next_cooldown(
    cooldown: Cooldown | None, failure: Failure, *, longest_seconds: float, now: float
) -> Cooldown | None:
    """Return the rest that holds after a failure, None if there is none (wire-mapping 8.3, 8.5).

    A failure during a rest comes from a request that was under way when it began. It may prolong the rest,
    but is not another one in a row: many requests that fail together are one incident.

    Args:
        cooldown: the last rest, under way or over.
        failure: what happened now.
        longest_seconds: the limit of the doubling; 0 for no such rests. Waits that the upstream named, and
            those that its kind of failure implies, are kept in full.
        now: Unix seconds.
    """
    rule = FAILURES[failure.kind]
    running = cooldown if cooldown is not None and not cooldown.is_over(now) else None
    if not rule.cooldown:
        return running
    failures = cooldown.failures if cooldown is not None else 0
    if running is None:
        failures += 1
    seconds = _told_seconds(failure, now) or rule.cooldown_seconds
    is_own = seconds is None
    if seconds is None:
        seconds = min(2.0 ** min(failures - 1, _MOST_DOUBLINGS), longest_seconds)
    if now + seconds <= (running.until if running is not None else now):
        return running
    return Cooldown(
        until=now + seconds, failures=failures, kind=failure.kind, is_own=is_own, refusal=_refusal(failure)
    )


def _refusal(failure: Failure) -> Refusal | None:
    """Keep the facts of what an upstream said of its account or its load; its words may quote a client."""
    kind = failure.kind
    if kind not in _TOLD_AGAIN or failure.error_object is None or failure.status is None:
        return None
    error = impersonal_error(failure.error_object, FAILURES[kind].text)
    return Refusal(status=failure.status, error_object=error)


def _told_seconds(failure: Failure, now: float) -> float | None:
    """Return how long the upstream asked to wait; None where it did not, or the time has passed already."""
    seconds = failure.retry_after_seconds if failure.reset_at is None else failure.reset_at - now
    return seconds if seconds is not None and seconds > 0 else None


_ENCODER: Final = msgspec.json.Encoder()
_HEALTH: Final = msgspec.json.Decoder(ProviderHealth)
_COOLDOWN: Final = msgspec.json.Decoder(Cooldown)
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError)


def encode_health(health: ProviderHealth) -> bytes:
    """Write a state for a store."""
    return _ENCODER.encode(health)


def decode_health(data: bytes | None) -> ProviderHealth:
    """Read what :func:`encode_health` wrote; nothing, or anything else, is :data:`HEALTHY`."""
    if data is None:
        return HEALTHY
    try:
        return _HEALTH.decode(data)
    except _UNREADABLE:
        return HEALTHY


def encode_cooldown(cooldown: Cooldown) -> bytes:
    """Write a cooldown for a store."""
    return _ENCODER.encode(cooldown)


def decode_cooldown(data: bytes | None) -> Cooldown | None:
    """Read what :func:`encode_cooldown` wrote; nothing, or anything else, is None."""
    if data is None:
        return None
    try:
        return _COOLDOWN.decode(data)
    except _UNREADABLE:
        return None
