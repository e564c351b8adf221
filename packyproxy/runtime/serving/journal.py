"""What the log says of an exchange: ids, names, counts and times, never content and never keys.

Every record carries its facts as attributes (``event`` and those beside it), so a JSON formatter can print
them without parsing the text.
"""

import logging
from collections.abc import Iterable

from packyproxy.errors import Failure
from packyproxy.runtime.inbound import Inbound
from packyproxy.translate.contract import Note
from packyproxy.wire.responses_events import Usage

__all__ = [
    "Outcome",
    "log_failover",
    "log_failure",
    "log_hedge",
    "log_notes",
    "log_outcome",
]

_log = logging.getLogger("packyproxy")
_CLIENT_ERROR = 400
_CLIENT_CLOSED_REQUEST = 499


class Outcome:
    """What one exchange came to; filled while it runs, logged at its end."""

    def __init__(self, inbound: Inbound, protocol: str, *, is_stream: bool) -> None:
        self._accepted_at = inbound.accepted_at
        self._facts: dict[str, object] = {
            "request_id": inbound.request_id,
            "protocol": protocol,
            "provider": None,
            "model": None,
            "effort": None,
            "is_streaming": is_stream,
            "body_bytes": 0,
        }
        self.attempts = 0
        self.status = 200
        self.usage: Usage | None = None

    def asks(self, provider: str, model: str, *, effort: str | None, body_bytes: int) -> None:
        """Note who is asked now; whoever is asked last stands for the request."""
        facts = self._facts
        facts["provider"], facts["model"] = provider, model
        facts["effort"], facts["body_bytes"] = effort, body_bytes

    def failed(self, failure: Failure, status: int, *, provider: str | None, model: str | None) -> None:
        """Note the failure the client was given, under which status, and whose it is if anybody was asked."""
        self.status = status
        self._facts["failure"] = failure.kind.value
        self._facts["provider"], self._facts["model"] = provider, model

    def client_left(self, *, is_stalled: bool) -> None:
        """Note that nobody was left to answer."""
        self.status = _CLIENT_CLOSED_REQUEST
        self._facts["failure"] = "client_stalled" if is_stalled else "client_left"

    def facts(self, now: float) -> dict[str, object]:
        """Return everything noted, with the status and the duration in seconds."""
        tokens = {}
        if self.usage is not None:
            tokens = {"input_tokens": self.usage.input_tokens, "output_tokens": self.usage.output_tokens}
        return {
            "event": "request",
            **self._facts,
            **tokens,
            "attempts": self.attempts,
            "status": self.status,
            "request_duration_seconds": round(now - self._accepted_at, 3),
        }


def log_outcome(outcome: Outcome, now: float, *, is_wanted: bool) -> None:
    """Log one line per request: always one that failed, the rest if ``is_wanted`` (``request-log``)."""
    if not is_wanted and outcome.status < _CLIENT_ERROR:
        return
    facts = outcome.facts(now)
    _log.info(
        "request %s (%s): %s in %s s",
        facts["request_id"],
        f"{facts['provider']}, {facts['model']}" if facts["provider"] is not None else "nobody was asked",
        facts["status"],
        facts["request_duration_seconds"],
        extra=facts,
    )


def log_failure(failure: Failure, request_id: str, provider: str, model: str) -> None:
    """Log one failed attempt: its kind and status, not the upstream's words, which may quote content."""
    _log.warning(
        "upstream failure: %s%s (provider %s, model %s)",
        failure.kind.value,
        "" if failure.status is None else f", HTTP {failure.status}",
        provider,
        model,
        extra={
            "event": "upstream_failure",
            "failure": failure.kind.value,
            "request_id": request_id,
            "provider": provider,
            "model": model,
            "status": failure.status,
        },
    )


def log_failover(before: str, after: str, failure: Failure, request_id: str) -> None:
    """Log that another provider is asked because one has failed."""
    _log.warning(
        "failover from %s to %s after: %s",
        before,
        after,
        failure.kind.value,
        extra={
            "event": "failover",
            "request_id": request_id,
            "provider": before,
            "next_provider": after,
            "failure": failure.kind.value,
        },
    )


def log_hedge(loser: str, winner: str | None, seconds: float, request_id: str) -> None:
    """Log that a hedged attempt was cancelled: what it cost, the provider may charge."""
    _log.info(
        "hedged: %s was cancelled after %.3f s, %s answered",
        loser,
        seconds,
        winner or "nobody",
        extra={
            "event": "hedge",
            "request_id": request_id,
            "provider": loser,
            "winner": winner,
            "seconds": round(seconds, 3),
        },
    )


def log_notes(notes: Iterable[Note], request_id: str, provider: str) -> None:
    """Log what a stream held that is worth knowing, at DEBUG."""
    for note in notes:
        _log.debug(
            "upstream stream: %s %s",
            note.kind,
            note.detail,
            extra={"event": note.kind, "detail": note.detail, "request_id": request_id, "provider": provider},
        )
