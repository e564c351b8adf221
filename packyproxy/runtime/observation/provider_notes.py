"""What happened lately at each provider: its last failure, whether its key was accepted, how quick it was.

Noted by the provider's id, so a provider with another key is one of whom nothing is known. Nothing is decided
by this: what decides is in ``runtime.routing``. Each process notes what it sees.
"""

import threading
from typing import Final

from msgspec import Struct

from packyproxy.errors import Failure, FailureKind
from packyproxy.providers.latency import Latencies
from packyproxy.usage.records import AttemptRecord

__all__ = ["LastError", "ProviderNotebook", "ProviderNotes"]

_MOST_PROVIDERS: Final = 1024
"""A reload may make new ones."""
_ALL_MODELS: Final = ""


class LastError(Struct, frozen=True, kw_only=True):
    """The last thing that went wrong at a provider; it stays when things go well again."""

    kind: FailureKind
    status: int | None
    """The upstream's HTTP status, where it refused."""
    at: float
    """Unix seconds."""


class ProviderNotes(Struct, frozen=True, kw_only=True):
    """What was noted of one provider."""

    last_error: LastError | None = None
    is_key_accepted: bool | None = None
    """None: no answer has told."""
    key_checked_at: float | None = None
    """When that was found out last, in Unix seconds."""


_NOTHING: Final = ProviderNotes()


class ProviderNotebook:
    """The notes on all providers; may be used from any thread."""

    def __init__(self) -> None:
        self._writing = threading.Lock()
        self._notes: dict[str, ProviderNotes] = {}
        """By provider id; whom nothing was noted of for the longest time comes first."""
        self._latencies = Latencies()
        """Of all models of a provider together, unlike what routing goes by."""

    def of(self, provider_id: str) -> ProviderNotes:
        """Return what was noted of a provider."""
        with self._writing:
            return self._notes.get(provider_id, _NOTHING)

    def latency_seconds(self, provider_id: str, now: float) -> float | None:
        """Return how long a provider takes to show anything; None if it did not in the last minutes."""
        with self._writing:
            return self._latencies.of(provider_id, _ALL_MODELS, now)

    def note(self, *records: AttemptRecord) -> None:
        """Take note of attempts that have ended, in their order.

        Of successes in a row the last one tells enough, and one that was cut off before any output nothing.
        """
        answered: dict[str, AttemptRecord] = {}
        with self._writing:
            for record in records:
                if record.failure is not None:
                    earlier = answered.pop(record.provider_id, None)
                    if earlier is not None:
                        self._note(earlier)
                    self._note(record)
                elif record.has_output or not record.is_cut_off:
                    answered[record.provider_id] = record
            for record in answered.values():
                self._note(record)

    def note_trial(self, provider_id: str, failure: Failure | None, *, at: float) -> None:
        """Take note of how the provider did in a request of our own; None: it gave a whole answer."""
        kind, status = (None, None) if failure is None else (failure.kind, failure.status)
        with self._writing:
            self._take(provider_id, kind, status, at=at, has_answered=failure is None)

    def _note(self, record: AttemptRecord) -> None:
        at = record.ended_at
        if record.first_output_seconds is not None:
            self._latencies.note(record.provider_id, _ALL_MODELS, record.first_output_seconds, at)
        self._take(
            record.provider_id,
            record.failure,
            record.status,
            at=at,
            has_answered=record.failure is None or record.has_output,
        )

    def _take(
        self, provider_id: str, kind: FailureKind | None, status: int | None, *, at: float, has_answered: bool
    ) -> None:
        notes = self._notes.pop(provider_id, _NOTHING)
        last_error = notes.last_error if kind is None else LastError(kind=kind, status=status, at=at)
        is_key_accepted, key_checked_at = notes.is_key_accepted, notes.key_checked_at
        if has_answered or kind is FailureKind.CREDENTIALS_REJECTED:
            is_key_accepted, key_checked_at = has_answered, at
        self._notes[provider_id] = ProviderNotes(
            last_error=last_error, is_key_accepted=is_key_accepted, key_checked_at=key_checked_at
        )
        if len(self._notes) > _MOST_PROVIDERS:
            del self._notes[next(iter(self._notes))]
