"""What the log says of an exchange: ids, names, counts and times, never content and never keys.

Every record carries its facts as attributes (``event`` and those beside it), so a JSON formatter can print
them without parsing the text.
"""

import logging
from collections.abc import Iterable

from packyproxy.errors import Failure
from packyproxy.runtime.inbound import Inbound
from packyproxy.runtime.plan import Plan
from packyproxy.translate.contract import Note, Translation
from packyproxy.wire.responses_events import Usage

__all__ = ["Outcome", "log_failure", "log_notes", "log_outcome"]

_log = logging.getLogger("packyproxy")
_CLIENT_ERROR = 400
_CLIENT_CLOSED_REQUEST = 499


class Outcome:
    """What one exchange came to; filled while it runs, logged at its end."""

    def __init__(self, inbound: Inbound, plan: Plan, translation: Translation, *, is_stream: bool) -> None:
        self._accepted_at = inbound.accepted_at
        self._facts: dict[str, object] = {
            "request_id": inbound.request_id,
            "protocol": plan.protocol.name,
            "provider": plan.provider.name,
            "model": plan.resolution.model,
            "effort": translation.effort,
            "is_streaming": is_stream,
            "body_bytes": len(translation.body),
        }
        self.attempts = 0
        self.status = 200
        self.usage: Usage | None = None

    def failed(self, failure: Failure, status: int) -> None:
        """Note the failure the client was given, and under which status."""
        self.status = status
        self._facts["failure"] = failure.kind.value

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
        "request %s (%s, %s): %s in %s s",
        facts["request_id"],
        facts["provider"],
        facts["model"],
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


def log_notes(notes: Iterable[Note], request_id: str, provider: str) -> None:
    """Log what a stream held that is worth knowing, at DEBUG."""
    for note in notes:
        _log.debug(
            "upstream stream: %s %s",
            note.kind,
            note.detail,
            extra={"event": note.kind, "detail": note.detail, "request_id": request_id, "provider": provider},
        )
