"""The audit trail: what has happened to the proxy and to its providers lately; bounded, and without a secret.

What strangers can bring about (refused keys) and what comes in masses (failures of providers) have shares of
their own, so that neither pushes out what the operator has done. Refusals of one address within a minute are
one event that counts them.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from ipaddress import ip_network
from operator import attrgetter
from typing import Final, Literal

from msgspec import Struct

from packyproxy.usage.timestamps import timestamp

__all__ = ["AuditEvent", "AuditReport", "AuditTrail", "EventName", "Fact", "Value"]

EventName = Literal[
    "auth_failed",
    "breaker",
    "config_changed",
    "config_invalid",
    "config_missing",
    "config_picked_up",
    "config_recovered",
    "failover",
    "key_refused",
    "management_auth_failed",
    "management_banned",
    "management_key_hashed",
    "management_key_plain",
    "models_registered",
    "provider_disabled",
    "provider_enabled",
    "upstream_failure",
]
"""The same names as the log's ``event`` attributes."""

Value = str | int | float | tuple[str, ...]
"""What a fact may be, as it is shown."""
Fact = str | int | float | Sequence[str] | None
"""What it may be as it is given."""

_REFUSALS: Final = frozenset({"auth_failed", "management_auth_failed", "management_banned"})
_FAILURES: Final = frozenset({"upstream_failure", "failover"})
_MOST_REFUSALS: Final = 200
_MOST_FAILURES: Final = 400
_MOST_OTHERS: Final = 400
_COUNTED_SECONDS: Final = 60.0
"""How long refusals of one address are counted in one event."""
_MOST_TEXTS: Final = 50
"""Lines of one change, names of one provider's models."""
_LONGEST_TEXT: Final = 300


class AuditEvent(Struct, frozen=True, kw_only=True, rename="kebab"):
    """One event of the audit trail."""

    at: str
    """UTC, as in ``2026-11-21T15:00:00.123Z``; of an event that counts, the last time."""
    event: EventName
    provider: str | None
    """Whom it is about; null where it is about none."""
    detail: Mapping[str, Value]
    """The facts; which there are follows from the event."""


class AuditReport(Struct, frozen=True, kw_only=True, rename="kebab"):
    """What the audit trail holds."""

    events: tuple[AuditEvent, ...]
    """The newest first."""


class _Entry:
    """An event as it is kept; one that counts is changed with each further time."""

    __slots__ = ("address", "at", "began_at", "count", "detail", "event", "number", "provider")

    def __init__(
        self,
        event: EventName,
        at: float,
        provider: str | None,
        detail: dict[str, Value],
        *,
        number: int,
        address: str | None = None,
    ) -> None:
        self.event: EventName = event
        self.at = self.began_at = at
        self.provider = provider
        self.detail = detail
        self.number = number
        self.address = address
        self.count = 1

    def shown(self) -> AuditEvent:
        detail = self.detail
        if self.event in _REFUSALS:
            detail = {**detail, "count": self.count, "since": timestamp(self.began_at)}
        return AuditEvent(at=timestamp(self.at), event=self.event, provider=self.provider, detail=detail)


class AuditTrail:
    """The last thousand events; not safe for threads by itself."""

    def __init__(self) -> None:
        self._refusals: deque[_Entry] = deque(maxlen=_MOST_REFUSALS)
        self._failures: deque[_Entry] = deque(maxlen=_MOST_FAILURES)
        self._others: deque[_Entry] = deque(maxlen=_MOST_OTHERS)
        self._count = 0

    def add(
        self,
        event: EventName,
        *,
        at: float,
        provider: str | None = None,
        detail: Mapping[str, Fact],
    ) -> None:
        """Add an event.

        Args:
            event: its name.
            at: Unix seconds.
            provider: whom it is about.
            detail: facts by ``snake_case`` names, shown in ``kebab-case``; None is left out.
        """
        entry = _Entry(event, at, provider, _bounded(detail), number=self._next())
        (self._failures if event in _FAILURES else self._others).append(entry)

    def add_refusal(
        self, event: EventName, address: str | None, *, at: float, detail: Mapping[str, Fact]
    ) -> bool:
        """Add that somebody was refused, or count one more; returns whether it was a new event.

        The addresses of one IPv6 network (/64) count as one: whoever has one of them has them all.

        Args:
            event: its name.
            address: of the peer, an IP address; None if it is not known.
            at: Unix seconds.
            detail: as for ``add``.
        """
        origin = _origin(address)
        shown = {"address": address, **detail}
        for entry in reversed(self._refusals):
            if not 0 <= at - entry.began_at < _COUNTED_SECONDS:
                break
            if entry.event == event and entry.address == origin:
                entry.count += 1
                entry.at, entry.number, entry.detail = at, self._next(), _bounded(shown)
                return False
        self._refusals.append(_Entry(event, at, None, _bounded(shown), number=self._next(), address=origin))
        return True

    def report(
        self, *, limit: int | None = None, event: str | None = None, provider: str | None = None
    ) -> AuditReport:
        """Return the newest events, all of them by default, or those of one name or about one provider."""
        entries = [
            entry
            for ring in (self._refusals, self._failures, self._others)
            for entry in ring
            if (event is None or entry.event == event) and (provider is None or entry.provider == provider)
        ]
        entries.sort(key=attrgetter("number"), reverse=True)
        return AuditReport(events=tuple(entry.shown() for entry in entries[:limit]))

    def _next(self) -> int:
        self._count += 1
        return self._count


def _bounded(detail: Mapping[str, Fact]) -> dict[str, Value]:
    return {name.replace("_", "-"): _cut(value) for name, value in detail.items() if value is not None}


def _cut(value: str | float | Sequence[str]) -> Value:
    if isinstance(value, int | float):
        return value
    if isinstance(value, str):
        return value if len(value) <= _LONGEST_TEXT else f"{value[:_LONGEST_TEXT]}..."
    texts = tuple(str(_cut(text)) for text in value[:_MOST_TEXTS])
    rest = len(value) - len(texts)
    return (*texts, f"and {rest} more") if rest else texts


def _origin(address: str | None) -> str | None:
    """Return what the refusals of one stranger have in common."""
    if address is None or ":" not in address:
        return address
    return str(ip_network((address.partition("%")[0], 64), strict=False))
