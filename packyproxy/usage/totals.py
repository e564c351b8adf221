"""What was asked and answered since the start: in total, by provider, model, day, client key and session.

Requests, failures and tokens are those of requests, each once, so that every breakdown adds up to the total:
under the provider who answered, or whose failure the client was told. Attempts count for whoever was asked.
Everything is bounded: names of which there are too many share a row, and old days and sessions go.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from heapq import nlargest
from typing import Final, TypedDict, TypeVar

from msgspec import Struct

from packyproxy.usage.names import MOST_PROVIDERS, OTHER, Names
from packyproxy.usage.records import DAY_SECONDS, AttemptRecord, RequestRecord
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

    def add_attempts(self, records: Sequence[AttemptRecord]) -> None:
        """Count attempts, one or several that are alike."""
        some, count = records[0], len(records)
        provider = self._providers.get(some.provider) or self._meet_provider(some.provider)
        provider.attempts += count
        model = self._models.get(some.model) or self._meet_model(some.model, is_proven=some.is_success)
        model.attempts += count
        self._day(some.ended_at).attempts += count
        if some.failure is not None:
            kind = some.failure.value
            provider.failed_attempts[kind] = provider.failed_attempts.get(kind, 0) + count

    def add_requests(self, records: Sequence[RequestRecord]) -> None:
        """Count requests, one or several that are alike, whoever has served them, if anybody."""
        some = records[0]
        failure = failure_of(some)
        added = _Sums()
        for record in records:
            tokens = record.tokens or NO_TOKENS
            added.attempts += record.attempts
            added.input += tokens.input
            added.cached += tokens.cached
            added.output += tokens.output
            added.reasoning += tokens.reasoning
            if record.session:
                self._add_to_session(record.session, tokens, record.ended_at)
        added.requests = len(records)
        if failure is not None:
            self._failures[failure] = self._failures.get(failure, 0) + added.requests
            if failure in CANCELLED:
                added.cancelled = added.requests
            else:
                added.failures = added.requests
        key = self._keys.get(some.key_id) or self._meet_key(some.key_id)
        key.add(added)
        added.attempts = 0  # of the others, those of whoever was asked count
        provider = self._providers.get(some.provider) or self._meet_provider(some.provider)
        provider.add(added)
        model = self._models.get(some.model) or self._meet_model(some.model, is_proven=failure is None)
        model.add(added)
        self._day(some.ended_at).add(added)

    def report(self, masks: Mapping[str, str], *, sessions: int = _SHOWN_SESSIONS) -> UsageReport:
        """Return the sums.

        Args:
            masks: what may be shown of each client key, by the id that records have.
            sessions: how many are shown at most.
        """
        latest = nlargest(sessions, reversed(self._sessions.items()), key=lambda item: item[1].last_used)
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
        day = int(seconds // DAY_SECONDS)
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
        sums.last_used = max(sums.last_used, now)


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

    def add(self, more: "_Sums") -> None:
        self.requests += more.requests
        self.failures += more.failures
        self.cancelled += more.cancelled
        self.attempts += more.attempts
        self.input += more.input
        self.cached += more.cached
        self.output += more.output
        self.reasoning += more.reasoning

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
        whole.add(part)
    return whole


def _busiest(sums: Mapping[K, S]) -> list[tuple[K, S]]:
    """Return the rows with most requests first; among equals, in the order in which they came."""
    return sorted(sums.items(), key=lambda row: row[1].requests, reverse=True)


def _shown(key_id: str, masks: Mapping[str, str]) -> str | None:
    if not key_id:
        return None
    return OTHER if key_id == OTHER else masks.get(key_id, _REMOVED)


def _date(day: int) -> str:
    return datetime.fromtimestamp(day * DAY_SECONDS, UTC).date().isoformat()
