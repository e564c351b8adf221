"""What the log says of requests and attempts: ids, names, counts and times, never content and never keys.

Every record carries its facts as attributes (``event`` and those beside it), so a JSON formatter can print
them without parsing the text. What an operator may want to look up later is logged by ``observation.audit``.
"""

import logging
from collections.abc import Callable, Iterable

from packyproxy.runtime.observation.log_line import LogLine
from packyproxy.translate.contract import Note
from packyproxy.usage.records import AttemptRecord, RequestRecord
from packyproxy.usage.timestamps import timestamp
from packyproxy.usage.tps import Tps

__all__ = ["WriteLine", "give_to_handlers", "log_hedge", "log_notes", "log_request", "log_tps"]

_log = logging.getLogger("packyproxy")

WriteLine = Callable[[float, str, tuple[object, ...], dict[str, object]], None]
"""Takes a line of the log, at INFO: when it came up in Unix seconds, its text with a ``%`` format for each of
its arguments, these, and its facts."""


def give_to_handlers(_: float, text: str, args: tuple[object, ...], facts: dict[str, object]) -> None:
    """Give a line to every handler there is, as of now."""
    _log.handle(LogLine(text, args, facts))


def log_request(record: RequestRecord, write: WriteLine = give_to_handlers) -> None:
    """Log what a request came to; ``write`` takes the line."""
    if not _log.isEnabledFor(logging.INFO):
        return
    provider = record.provider
    seconds = _milliseconds(record.duration_seconds)
    facts: dict[str, object] = {
        "event": "request",
        "request_id": record.request_id,
        "protocol": record.protocol,
        "provider": provider,
        "model": record.model,
        "effort": record.effort,
        "is_streaming": record.is_streaming,
        "attempts": record.attempts,
        "status": record.status,
        "body_bytes": record.body_bytes,
        "request_duration_seconds": seconds,
    }
    if record.failure is not None:
        facts["failure"] = record.failure
    if record.first_output_seconds is not None:
        facts["first_output_seconds"] = _milliseconds(record.first_output_seconds)
    tokens = record.tokens
    if tokens is not None:
        facts["input_tokens"], facts["cached_tokens"] = tokens.input, tokens.cached
        facts["output_tokens"], facts["reasoning_tokens"] = tokens.output, tokens.reasoning
    who = f"{provider}, {record.model}" if provider is not None else "nobody was asked"
    args = (record.request_id, who, record.status, seconds)
    write(record.ended_at, "request %s (%s): %s in %s s", args, facts)


def log_tps(record: AttemptRecord, tps: Tps | None, write: WriteLine = give_to_handlers) -> None:
    """Log how many tokens per second an attempt gave; null where the upstream counted none."""
    if not _log.isEnabledFor(logging.INFO):
        return
    tokens = record.tokens
    ended_at = record.ended_at
    provider_model = f"{record.provider}/{record.model}"
    window = (
        ("stream", record.stream_seconds) if record.is_streaming else ("request", record.duration_seconds)
    )
    facts: dict[str, object] = {
        "event": "per-request-tps",
        "request_id": record.request_id,
        "provider": record.provider,
        "model": record.model,
        "provider_model": provider_model,
        "is_streaming": record.is_streaming,
        "request_duration_seconds": _milliseconds(record.duration_seconds),
        "stream_duration_seconds": _milliseconds(record.stream_seconds),
        "input_tokens": None,
        "output_tokens": None,
        "total_tokens": None,
        "tps_completion": None,
        "tps_total": None,
        "measured_at": timestamp(ended_at),
    }
    if tokens is None or tps is None:
        write(ended_at, "%s: the upstream counted no tokens (%s %.2f s)", (provider_model, *window), facts)
        return
    facts["input_tokens"], facts["output_tokens"] = tokens.input, tokens.output
    facts["total_tokens"] = tokens.input + tokens.output
    facts["tps_completion"], facts["tps_total"] = tps.completion, tps.total
    args = (provider_model, tokens.output, tps.completion, *window)
    write(ended_at, "%s: %s tokens, %.2f tokens/s (%s %.2f s)", args, facts)


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


def _milliseconds(seconds: float) -> float:
    """Round to three decimals; ``round`` takes twice as long."""
    return int(seconds * 1000 + 0.5) / 1000
