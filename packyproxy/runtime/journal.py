"""What the log says of an exchange: ids, names, counts and times, never content and never keys.

Every record carries its facts as attributes (``event`` and those beside it), so a JSON formatter can print them
without parsing the text.
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
_CLIENT_CLOSED_REQUEST = 499


class Outcome:
    """What one exchange came to; filled while it runs, logged at its end."""

    def __init__(self, inbound: Inbound, protocol: str) -> None:
        self._inbound = inbound
        self._facts: dict[str, object] = {"request_id": inbound.request_id, "protocol": protocol, "attempts": 0}
        self.status = 200

    def begin(self, plan: Plan, translation: Translation) -> None:
        """Note what the request became."""
        self._facts |= {
            "provider": plan.provider.name,
            "model": plan.target.model,
            "effort": translation.effort,
            "is_streaming": plan.request.is_stream,
            "body_bytes": len(translation.body),
        }

    def count_attempt(self) -> None:
        """Note that one more upstream request was made."""
        self._facts["attempts"] = int(str(self._facts["attempts"])) + 1

    def succeeded(self, usage: Usage | None) -> None:
        """Note a whole answer and the upstream's numbers."""
        if usage is not None:
            self._facts |= {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens}

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
        seconds = round(now - self._inbound.accepted_at, 3)
        return {"event": "request", **self._facts, "status": self.status, "request_duration_seconds": seconds}


def log_outcome(outcome: Outcome, now: float, *, is_wanted: bool) -> None:
    """Log one line per request: always what failed, the rest with ``request-log``."""
    if not is_wanted and outcome.status < 400:
        return
    facts = outcome.facts(now)
    line = "request %s %s: %s in %ss" % (facts["request_id"], facts.get("model"), facts["status"], facts["request_duration_seconds"])  # noqa: E501, UP031
    _log.info(line, extra=facts)


def log_failure(failure: Failure, request_id: str, provider: str, model: str) -> None:
    """Log one failed attempt: its kind and status, not the upstream's words, which may quote content."""
    _log.warning(
        "upstream failure: %s (provider %s, model %s, status %s)",
        failure.kind.value,
        provider,
        model,
        failure.status,
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
