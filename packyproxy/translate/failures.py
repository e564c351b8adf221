"""From an upstream's signal to a :class:`Failure`, and from that to what each family of clients is told.

Implements wire-mapping 8.1 and 8.3-8.6; :mod:`.failure_signals` recognises, :mod:`.failure_table` holds the
rows. No clock is read: the current time is an argument wherever a moment and a span have to meet.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from math import ceil

from msgspec import Struct
from msgspec.structs import replace

from packyproxy.errors import AccessDenied, Failure, FailureKind, InvalidRequest, NoProvider
from packyproxy.translate.contract import Family
from packyproxy.translate.failure_signals import context_numbers, failure_kind, reset_time
from packyproxy.translate.failure_table import FAILURES, FailureRule
from packyproxy.wire.error_bodies import (
    UpstreamError,
    clean_text,
    read_error,
    write_anthropic_error,
    write_openai_error,
)

__all__ = [
    "ErrorResponse",
    "classify_error_object",
    "classify_response",
    "error_response",
    "internal_error_response",
    "mask_secrets",
    "refusal_response",
    "transport_failure",
    "wait_seconds",
]

_LIMITS = frozenset({FailureKind.QUOTA, FailureKind.RATE_LIMIT})
_LONG_WAIT_SECONDS = 60
"""A client that is told of a longer wait is also told not to try (wire-mapping 8.5)."""
_RETRY_AFTER_STATUSES = frozenset({429, 503, 529})
_RETRYABLE_STATUSES = frozenset({429, 502, 503, 504, 529})
_NO_PROVIDER = "no provider is enabled: enable one in config.yaml"
_CLIENT_HINT = "this provider restricts clients; see its terms and the provider's headers setting"


class ErrorResponse(Struct, frozen=True, kw_only=True):
    """An error as its client's protocol writes it.

    ``headers`` are those that only this error has; the caller adds content type, length and the request ids.
    """

    status: int
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes


def classify_response(
    status: int, headers: Mapping[str, str], body: bytes, *, secrets: Sequence[str] = ()
) -> Failure:
    """Say what an HTTP answer that is no success means (wire-mapping 8.2, 8.3).

    Args:
        status: as received; a 2xx is an answer whose body turned out to be an error or HTML.
        headers: names in lower case, or a mapping that ignores case.
        body: decompressed; any bytes.
        secrets: the provider's key and whatever else must not be shown.
    """
    return _classify(read_error(body, secrets=secrets), status, headers)


def classify_error_object(error: bytes, *, status: int | None = None, secrets: Sequence[str] = ()) -> Failure:
    """Say what an error inside a stream means: a ``response.error``, or the data of an ``error`` event.

    Args:
        error: JSON, with the error nested under ``error`` or flat; any bytes.
        status: the HTTP status, if the error came in a body of its own.
        secrets: as for :func:`classify_response`.
    """
    return _classify(read_error(error, secrets=secrets), status, {})


def transport_failure(kind: FailureKind, detail: str = "") -> Failure:
    """Make the failure of an attempt that got no answer, or none that could be read.

    Args:
        kind: what happened.
        detail: the host for :attr:`FailureKind.TLS`; other kinds show it only for a broken stream format.
    """
    message = FAILURES[kind].text
    if kind is FailureKind.TLS and detail:
        message = f"{message} for {detail}"
    elif kind is FailureKind.BAD_STREAM and detail:
        message = f"{message}: {detail}"
    return Failure(kind=kind, message=clean_text(message))


def mask_secrets(failure: Failure, secrets: Sequence[str]) -> Failure:
    """Return the failure with ``secrets`` masked in its text; it was read where they were unknown."""
    message = clean_text(failure.message, secrets)
    return failure if message == failure.message else replace(failure, message=message)


def wait_seconds(failure: Failure, now: float) -> float | None:
    """Return how long to wait before asking again, by the upstream's word or by kind (wire-mapping 8.5).

    None when nothing speaks for any particular time.

    Args:
        failure: what the upstream answered.
        now: Unix seconds.
    """
    if failure.reset_at is not None:
        return max(0.0, failure.reset_at - now)
    if failure.retry_after_seconds is not None:
        return failure.retry_after_seconds
    return FAILURES[failure.kind].implied_wait_seconds


def error_response(
    failure: Failure,
    family: Family,
    *,
    provider: str | None,
    request_id: str,
    now: float,
    input_tokens_estimate: int,
    context_window: int,
    max_tokens: int | None,
    max_tokens_was_sent: bool = False,
    in_stream: bool = False,
) -> ErrorResponse:
    """Write what a client is told about a failed upstream (wire-mapping 8.1, 8.3-8.6).

    Args:
        failure: the failure to show.
        family: whose shape to write.
        provider: the provider's name; None leaves it out.
        request_id: stands in Anthropic bodies.
        now: Unix seconds.
        input_tokens_estimate: the local count of the request, used when the upstream named no number.
        context_window: the model's, used likewise.
        max_tokens: the client's limit of the answer, if it has one.
        max_tokens_was_sent: the upstream was given that limit, so it may have counted it.
        in_stream: the status line is spent; the error type is then one that clients retry on (wire-mapping
            8.6).
    """
    rule = FAILURES[failure.kind]
    wait = wait_seconds(failure, now)
    overflow = ""
    if failure.kind is FailureKind.CONTEXT_OVERFLOW:
        counted = max_tokens if max_tokens_was_sent or failure.counts_output else None
        overflow = _overflow_message(failure, input_tokens_estimate, context_window, counted)
    if family == "anthropic":
        status, kind = rule.anthropic
        if in_stream and kind == "timeout_error":
            kind = "api_error"
        message = overflow or _message(failure, rule, provider, now)
        body = write_anthropic_error(kind, message, request_id=request_id)
    else:
        status, kind, code = rule.openai
        if rule.keeps_code:
            code = failure.code or code
        message = (overflow and failure.message) or overflow or _message(failure, rule, provider, now)
        body = write_openai_error(kind, message, code=code, param=failure.param)
    return ErrorResponse(status=status, headers=_headers(failure, rule, family, status, wait, now), body=body)


def refusal_response(
    error: InvalidRequest | AccessDenied | NoProvider, family: Family, request_id: str
) -> ErrorResponse:
    """Write what a client is told when its request went nowhere (``inbound`` in wire-mapping 8.3)."""
    if isinstance(error, AccessDenied):
        message = str(error) or "invalid x-api-key"
        if family == "anthropic":
            body = write_anthropic_error("authentication_error", message, request_id=request_id)
        else:
            body = write_openai_error("invalid_request_error", message, code="invalid_api_key")
        return ErrorResponse(status=401, body=body)
    if isinstance(error, NoProvider):
        message = str(error) or _NO_PROVIDER
        if family == "anthropic":
            body = write_anthropic_error("api_error", message, request_id=request_id)
        else:
            body = write_openai_error("server_error", message, code="no_provider")
        return ErrorResponse(status=503, headers=((b"x-should-retry", b"false"),), body=body)
    if family == "anthropic":
        kind = _INBOUND_TYPES.get(error.status, "invalid_request_error")
        body = write_anthropic_error(kind, error.message, request_id=request_id, details=error.details)
    else:
        code = error.code or _INBOUND_CODES.get(error.status)
        body = write_openai_error(
            "invalid_request_error", error.message, code=code, param=error.field or None
        )
    return ErrorResponse(status=error.status, body=body)


def internal_error_response(family: Family, request_id: str) -> ErrorResponse:
    """Write what a client is told about a bug of ours: nothing but that it is one."""
    if family == "anthropic":
        body = write_anthropic_error("api_error", "internal error", request_id=request_id)
    else:
        body = write_openai_error("server_error", "internal error")
    return ErrorResponse(status=500, body=body)


_INBOUND_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
}
_INBOUND_CODES = {413: "request_too_large"}


def _classify(error: UpstreamError, status: int | None, headers: Mapping[str, str]) -> Failure:
    kind, param = failure_kind(error, status)
    reset = reset_time(headers, error, is_limit=kind in _LIMITS)
    numbers = context_numbers(error.message) if kind is FailureKind.CONTEXT_OVERFLOW else None
    # A success whose body is an error says nothing by its status.
    said_status = error.status if status is None or status < 300 else status
    fallback = FAILURES[kind].text or (f"HTTP {said_status}" if said_status else "the upstream failed")
    return Failure(
        kind=kind,
        message=error.message or fallback,
        status=status,
        code=error.code,
        param=param,
        plan_type=error.plan_type,
        reset_at=reset.at,
        retry_after_seconds=reset.after_seconds,
        tokens=numbers.tokens if numbers else None,
        tokens_limit=numbers.limit if numbers else None,
        counts_output=numbers is not None and numbers.counts_output,
    )


def _message(failure: Failure, rule: FailureRule, provider: str | None, now: float) -> str:
    if failure.kind is FailureKind.QUOTA:
        return _quota_message(failure, provider, now)
    text = rule.text if rule.hides_upstream_text else failure.message or rule.text or "the upstream failed"
    if failure.kind is FailureKind.CLIENT_RESTRICTED:
        text = f"{text}: {_CLIENT_HINT}"
    return f"{text} (provider: {provider})" if provider else text


def _quota_message(failure: Failure, provider: str | None, now: float) -> str:
    """Write the sentence of wire-mapping 8.5; parts that the upstream did not tell are left out."""
    text = "usage limit reached"
    if provider:
        text += f" for {provider}"
    if failure.plan_type:
        text += f" (plan {failure.plan_type})"
    if failure.reset_at is not None or failure.retry_after_seconds is not None:
        wait = wait_seconds(failure, now) or 0.0
        text += f"; resets at {_rfc3339(now + wait)} (in {_span_text(wait)})"
    return f"{text}; wait or enable another provider"


def _overflow_message(failure: Failure, estimate: int, context_window: int, max_tokens: int | None) -> str:
    """Write the sentence that Claude Code reads the numbers from (wire-mapping 8.4).

    ``max_tokens`` is None unless the upstream counted it. The sentence with it makes Claude Code lower it,
    which helps only while the input alone would fit.
    """
    limit = failure.tokens_limit or context_window
    tokens = failure.tokens or estimate
    if max_tokens is not None and tokens < limit:
        tokens = max(tokens, limit - max_tokens + 1, 0)
        return (
            f"input length and `max_tokens` exceed context limit: {tokens} + {max_tokens} > {limit}, "
            "decrease input length or `max_tokens` and try again"
        )
    return f"prompt is too long: {max(tokens, limit + 1)} tokens > {limit} maximum"


def _headers(
    failure: Failure, rule: FailureRule, family: Family, status: int, wait: float | None, now: float
) -> tuple[tuple[bytes, bytes], ...]:
    headers: list[tuple[bytes, bytes]] = []
    seconds = max(1, ceil(wait)) if wait is not None else None
    if seconds is not None and status in _RETRY_AFTER_STATUSES:
        headers.append((b"retry-after", b"%d" % seconds))
    if rule.is_lasting or (wait is not None and wait > _LONG_WAIT_SECONDS):
        headers.append((b"x-should-retry", b"false"))
    elif status in _RETRYABLE_STATUSES:
        headers.append((b"x-should-retry", b"true"))
    if failure.kind is FailureKind.QUOTA and seconds is not None and wait is not None:
        if family == "anthropic":
            headers += [
                (b"anthropic-ratelimit-requests-limit", b"0"),
                (b"anthropic-ratelimit-requests-remaining", b"0"),
                (b"anthropic-ratelimit-requests-reset", _rfc3339(now + wait).encode()),
            ]
        else:
            headers += [
                (b"x-ratelimit-remaining-requests", b"0"),
                (b"x-ratelimit-reset-requests", b"%ds" % seconds),
            ]
    return tuple(headers)


_LAST_SECOND = 253_402_300_799


def _rfc3339(unix: float) -> str:
    moment = datetime.fromtimestamp(min(ceil(unix), _LAST_SECOND), UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _span_text(seconds: float) -> str:
    """Write a span in at most two units, rounded up, e.g. ``2h 5m``."""
    for large, large_unit, small, small_unit in _SPAN_UNITS:
        if seconds >= large:
            count, rest = divmod(ceil(seconds / small), large // small)
            return f"{count}{large_unit} {rest}{small_unit}" if rest else f"{count}{large_unit}"
    return f"{ceil(seconds)}s"


_SPAN_UNITS = ((86400, "d", 3600, "h"), (3600, "h", 60, "m"), (60, "m", 1, "s"))
