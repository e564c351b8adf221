"""What was asked and answered since the start: in total, by provider, model, day, client key and session.

Requests, failures and tokens are those of requests, each once, so that every breakdown adds up to the total:
under the provider who answered, or whose failure the client was told. Attempts count for whoever was asked.
Everything is bounded: names of which there are too many share a row, and old days and sessions go.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Final, TypedDict, TypeVar

from msgspec import Struct

from packyproxy.usage.names import MOST_PROVIDERS, OTHER, Names
from packyproxy.usage.records import AttemptRecord, RequestRecord
from packyproxy.usage.timestamps import timestamp
from packyproxy.usage.tokens import NO_TOKENS, Tokens, cache_hit_rate

__all__ = [
    "CANCELLED",
    "REFUSED",
    "DayUsage",
    "KeyUsage",
    "ModelUsage",
    "ProviderUsage",
    "SessionUsage",
    "Totals",
    "UsageCounts",
    "UsageReport",
    "failure_of",
]

REFUSED: Final = "refused"
"""The failure of a request that was refused before anybody was asked for it."""

CANCELLED: Final = frozenset({"client_left", "client_stalled"})
"""Failures that are the doing of the client: nobody was left to answer."""

_MOST_MODELS: Final = 256
_MOST_KEYS: Final = 256
_MOST_DAYS: Final = 90
_MOST_SESSIONS: Final = 1024
_SHOWN_SESSIONS: Final = 20
_DAY_SECONDS: Final = 86_400
_REMOVED: Final = "removed"

K = TypeVar("K")
S = TypeVar("S", bound="_Sums")


class UsageCounts(Struct, frozen=True, kw_only=True, rename="kebab"):
    """Sums over some requests."""

    requests: int
    failures: int
    """Of the requests: those that ended in an error."""
    cancelled: int
    """Of the requests: those whose client left, or took no bytes for too long."""
    attempts: int
    """Upstream requests, those included that failed, were repeated or lost a hedge."""
    input_tokens: int
    """As all tokens, of the answers that the upstream has counted."""
    cached_tokens: int
    output_tokens: int
    reasoning_tokens: int
    cache_hit_rate: float | None
    """Cached of the input tokens, from 0 to 1; None without any."""


# Rows are not ``kw_only``: so what a row is of stands before its counts in JSON.
class ProviderUsage(UsageCounts, frozen=True, rename="kebab"):
    """The requests that one provider served, or failed to."""

    provider: str | None
    """None where nobody was asked."""
    failed_attempts: Mapping[str, int]
    """How often it failed, by kind; a request may have been served by another one all the same."""


class ModelUsage(UsageCounts, frozen=True, rename="kebab"):
    """The requests that were served as one model."""

    model: str | None
    """The upstream's model id; None where nobody was asked."""


class KeyUsage(UsageCounts, frozen=True, rename="kebab"):
    """The requests with one client key."""

    key: str | None
    """Masked; ``removed`` for keys that are no longer configured, None where none is needed."""


class DayUsage(UsageCounts, frozen=True, rename="kebab"):
    """The requests that ended on one day."""

    day: str
    """In UTC: ``2026-11-21``."""


class SessionUsage(Struct, frozen=True, kw_only=True, rename="kebab"):
    """How well one conversation uses the prompt cache."""

    session: str
    """A hash."""
    requests: int
    input_tokens: int
    cached_tokens: int
    cache_hit_rate: float | None
    last_used: str


class UsageReport(Struct, frozen=True, kw_only=True, rename="kebab"):
    """Everything since ``since``, as the management API shows it."""

    since: str
    total: UsageCounts
    failures: Mapping[str, int]
    """Failed and cancelled requests by what went wrong."""
    providers: tuple[ProviderUsage, ...]
    models: tuple[ModelUsage, ...]
    """These and the next with most requests first, days and sessions with the latest first."""
    client_keys: tuple[KeyUsage, ...]
    days: tuple[DayUsage, ...]
    sessions: tuple[SessionUsage, ...]


def failure_of(record: RequestRecord) -> str | None:
    """Return what a request failed of; None if it did not."""
    if record.failure is None and record.status >= 400:
        return REFUSED
    return record.failure


class Totals:
    """The sums.

    Args:
        since: when they begin, in Unix seconds.
    """

    def __init__(self, since: float) -> None:
        self._since = since
        self._failures: dict[str, int] = {}
        self._providers: dict[str | None, _ProviderSums] = {}
        self._models: dict[str | None, _Sums] = {}
        self._keys: dict[str, _Sums] = {}
        self._days: dict[int, _Sums] = {}
        self._sessions: OrderedDict[str, _SessionSums] = OrderedDict()
        self._provider_names = Names(MOST_PROVIDERS)
        self._model_names = Names(_MOST_MODELS)
        self._key_names = Names(_MOST_KEYS)

    def add_attempt(self, record: AttemptRecord) -> None:
        """Count an attempt."""
        provider = self._providers.get(record.provider) or self._meet_provider(record.provider)
        provider.attempts += 1
        model = self._models.get(record.model) or self._meet_model(record.model, is_proven=record.is_success)
        model.attempts += 1
        self._day(record.sent_at + record.duration_seconds).attempts += 1
        if record.failure is not None:
            kind = record.failure.value
            provider.failed_attempts[kind] = provider.failed_attempts.get(kind, 0) + 1

    def add_request(self, record: RequestRecord) -> None:
        """Count a request, whoever has served it, if anybody."""
        failure = failure_of(record)
        tokens = record.tokens or NO_TOKENS
        provider = self._providers.get(record.provider) or self._meet_provider(record.provider)
        provider.add(tokens, failure)
        model = self._models.get(record.model) or self._meet_model(record.model, is_proven=failure is None)
        model.add(tokens, failure)
        self._day(record.ended_at).add(tokens, failure)
        key = self._keys.get(record.key_id) or self._meet_key(record.key_id)
        key.attempts += record.attempts
        key.add(tokens, failure)
        if failure is not None:
            self._failures[failure] = self._failures.get(failure, 0) + 1
        if record.session:
            self._add_to_session(record.session, tokens, record.ended_at)

    def report(self, masks: Mapping[str, str], *, sessions: int = _SHOWN_SESSIONS) -> UsageReport:
        """Return the sums.

        Args:
            masks: what may be shown of each client key, by the id that records have.
            sessions: how many are shown at most.
        """
        latest = list(reversed(self._sessions.items()))[:sessions]
        return UsageReport(
            since=timestamp(self._since),
            total=UsageCounts(**_sum(self._providers.values()).counts()),
            failures=dict(sorted(self._failures.items())),
            providers=tuple(
                ProviderUsage(
                    provider=name, failed_attempts=dict(sorted(sums.failed_attempts.items())), **sums.counts()
                )
                for name, sums in _busiest(self._providers)
            ),
            models=tuple(ModelUsage(model=name, **sums.counts()) for name, sums in _busiest(self._models)),
            client_keys=tuple(
                KeyUsage(key=_shown(key_id, masks), **sums.counts()) for key_id, sums in _busiest(self._keys)
            ),
            days=tuple(
                DayUsage(day=_date(day), **sums.counts())
                for day, sums in sorted(self._days.items(), reverse=True)
            ),
            sessions=tuple(sums.usage(session) for session, sums in latest),
        )

    def _meet_provider(self, name: str | None) -> "_ProviderSums":
        kept = name if name is None else self._provider_names.of(name)
        return self._providers.setdefault(kept, _ProviderSums())

    def _meet_model(self, name: str | None, *, is_proven: bool) -> "_Sums":
        kept = name if name is None else self._model_names.of(name, is_proven=is_proven)
        return self._models.setdefault(kept, _Sums())

    def _meet_key(self, key_id: str) -> "_Sums":
        return self._keys.setdefault(self._key_names.of(key_id), _Sums())

    def _day(self, seconds: float) -> "_Sums":
        day = int(seconds // _DAY_SECONDS)
        sums = self._days.get(day)
        if sums is None:
            sums = self._days[day] = _Sums()
            if len(self._days) > _MOST_DAYS:
                del self._days[min(self._days)]
        return sums

    def _add_to_session(self, session: str, tokens: Tokens, now: float) -> None:
        sums = self._sessions.get(session)
        if sums is None:
            sums = self._sessions[session] = _SessionSums()
            if len(self._sessions) > _MOST_SESSIONS:
                self._sessions.popitem(last=False)
        else:
            self._sessions.move_to_end(session)
        sums.requests += 1
        sums.input += tokens.input
        sums.cached += tokens.cached
        sums.last_used = now


class _Counts(TypedDict):
    """The members of :class:`UsageCounts`."""

    requests: int
    failures: int
    cancelled: int
    attempts: int
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    reasoning_tokens: int
    cache_hit_rate: float | None


class _Sums:
    __slots__ = ("attempts", "cached", "cancelled", "failures", "input", "output", "reasoning", "requests")

    def __init__(self) -> None:
        self.requests = self.failures = self.cancelled = self.attempts = 0
        self.input = self.cached = self.output = self.reasoning = 0

    def add(self, tokens: Tokens, failure: str | None) -> None:
        self.requests += 1
        if failure is not None:
            if failure in CANCELLED:
                self.cancelled += 1
            else:
                self.failures += 1
        if tokens is not NO_TOKENS:
            self.input += tokens.input
            self.cached += tokens.cached
            self.output += tokens.output
            self.reasoning += tokens.reasoning

    def counts(self) -> _Counts:
        return _Counts(
            requests=self.requests,
            failures=self.failures,
            cancelled=self.cancelled,
            attempts=self.attempts,
            input_tokens=self.input,
            cached_tokens=self.cached,
            output_tokens=self.output,
            reasoning_tokens=self.reasoning,
            cache_hit_rate=cache_hit_rate(self.cached, self.input),
        )


class _ProviderSums(_Sums):
    __slots__ = ("failed_attempts",)

    def __init__(self) -> None:
        super().__init__()
        self.failed_attempts: dict[str, int] = {}


class _SessionSums:
    __slots__ = ("cached", "input", "last_used", "requests")

    def __init__(self) -> None:
        self.requests = self.input = self.cached = 0
        self.last_used = 0.0

    def usage(self, session: str) -> SessionUsage:
        return SessionUsage(
            session=session,
            requests=self.requests,
            input_tokens=self.input,
            cached_tokens=self.cached,
            cache_hit_rate=cache_hit_rate(self.cached, self.input),
            last_used=timestamp(self.last_used),
        )


def _sum(parts: Iterable[_Sums]) -> _Sums:
    whole = _Sums()
    for part in parts:
        for name in _Sums.__slots__:
            setattr(whole, name, getattr(whole, name) + getattr(part, name))
    return whole


def _busiest(sums: Mapping[K, S]) -> list[tuple[K, S]]:
    """Return the rows with most requests first; among equals, in the order in which they came."""
    return sorted(sums.items(), key=lambda row: row[1].requests, reverse=True)


def _shown(key_id: str, masks: Mapping[str, str]) -> str | None:
    if not key_id:
        return None
    return OTHER if key_id == OTHER else masks.get(key_id, _REMOVED)


def _date(day: int) -> str:
    return datetime.fromtimestamp(day * _DAY_SECONDS, UTC).date().isoformat()
