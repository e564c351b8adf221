"""From an upstream's signal to a :class:`Failure`, and from that to what each family of clients is told.

Implements wire-mapping 8.1 and 8.3-8.6; :mod:`.failure_signals` recognises, :mod:`.failure_table` holds the
rows, :mod:`.failure_choice` chooses among several, :mod:`.failure_texts` has the sentences. No clock
is read: the current time is an argument wherever a moment and a span have to meet.
"""

from collections.abc import Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from packyproxy.errors import AccessDenied, Failure, FailureKind, InvalidRequest, NoProvider, Tried
from packyproxy.translate.contract import Family
from packyproxy.translate.failure_choice import retry_headers, tell
from packyproxy.translate.failure_signals import context_numbers, failure_kind, reset_time
from packyproxy.translate.failure_table import FAILURES, LIMITS
from packyproxy.translate.failure_texts import no_provider_text, overflow_text, reset_second
from packyproxy.wire.error_bodies import (
    UpstreamError,
    clean_text,
    error_object,
    read_error,
    wrap_error_object,
    write_anthropic_error,
    write_openai_error,
    write_usage_limit,
)
from packyproxy.wire.masking import mask_bytes, mask_text

__all__ = [
    "ErrorResponse",
    "classify_error_object",
    "classify_response",
    "exhausted_response",
    "failure_response",
    "internal_error_response",
    "mask_secrets",
    "refusal_response",
    "transport_failure",
]

_UNAUTHORISED = 401
"""Never shown for an upstream's refusal: the client would ask its user for another key of ours."""

_NOT_BY_THE_HOST = "not authorized by this server"


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
    failure = _classify(read_error(body, secrets=secrets), status, headers)
    return replace(failure, error_object=error_object(body, secrets)) if 400 <= status < 600 else failure


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
    """Return the failure with ``secrets`` masked wherever upstream words stand; they were unknown before."""
    error = failure.error_object
    return replace(
        failure,
        message=clean_text(failure.message, secrets),
        code=_without(failure.code, secrets),
        param=_without(failure.param, secrets),
        plan_type=_without(failure.plan_type, secrets),
        error_object=None if error is None else mask_bytes(error, secrets),
    )


def exhausted_response(
    tried: Sequence[Tried],
    family: Family,
    *,
    request_id: str,
    now: float,
    input_tokens_estimate: int,
    context_window: int,
    max_tokens: int | None,
    max_tokens_was_sent: bool = False,
    in_stream: bool = False,
    keeps_upstream_error: bool = False,
) -> ErrorResponse:
    """Write what a client is told when no provider served its request (wire-mapping 8.1, 8.3-8.6).

    The most useful failure decides status, type, code and the beginning of the text; whoever may serve first
    decides when to come back.

    Args:
        tried: who was asked or passed over, at least one, in the order to name them.
        family: whose shape to write.
        request_id: stands in Anthropic bodies.
        now: Unix seconds.
        input_tokens_estimate: the local count of the request, used when the upstream named no number.
        context_window: the model's, used likewise.
        max_tokens: the client's limit of the answer, if it has one.
        max_tokens_was_sent: the upstream was given that limit, so it may have counted it.
        in_stream: the status line is spent; the error type is then one that clients retry on (wire-mapping
            8.6).
        keeps_upstream_error: show the upstream's own status and error object, where it sent one that a client
            may see, and else a used-up quota in the form that the Codex CLI reads (wire-mapping 7.3).
    """
    told = tell(tried, now)
    failure = told.failure
    message = told.text
    if failure.kind is FailureKind.CONTEXT_OVERFLOW and (family == "anthropic" or not failure.message):
        counted = max_tokens if max_tokens_was_sent or failure.counts_output else None
        message = overflow_text(failure, input_tokens_estimate, context_window, counted)
    if family == "anthropic":
        row_status, body = _anthropic_error(failure, message, request_id=request_id, in_stream=in_stream)
    else:
        row_status, body = _openai_error(failure, message, now=now, tells_codex=keeps_upstream_error)
    status = row_status
    own = failure.error_object if keeps_upstream_error and not in_stream and _is_telling(failure) else None
    if own is not None:
        body = wrap_error_object(own)
        if failure.status is not None and failure.status != _UNAUTHORISED:
            status = failure.status
    headers = retry_headers(told, family, row_status, status, now)
    return ErrorResponse(status=status, headers=headers, body=body)


def failure_response(
    failure: Failure, family: Family, *, request_id: str, now: float, in_stream: bool = False
) -> ErrorResponse:
    """Write what a client is told when the only upstream failed and nothing is known of the request.

    Args:
        failure: of ``Transcoder.failure``, or of :func:`classify_response`.
        family: whose shape to write: the ``family`` of the client's protocol.
        request_id: stands in Anthropic bodies.
        now: Unix seconds.
        in_stream: the client has seen content; ``StreamWriter.fail`` makes frames of the result.
    """
    return exhausted_response(
        (Tried(provider="upstream", failure=failure),),
        family,
        request_id=request_id,
        now=now,
        input_tokens_estimate=0,
        context_window=0,
        max_tokens=None,
        in_stream=in_stream,
    )


def refusal_response(
    error: InvalidRequest | AccessDenied | NoProvider, family: Family, request_id: str
) -> ErrorResponse:
    """Write what a client is told when its request went nowhere (``inbound`` in wire-mapping 8.3)."""
    if isinstance(error, AccessDenied):
        return ErrorResponse(status=401, body=_denial(error, family, request_id))
    if isinstance(error, NoProvider):
        message = no_provider_text(is_managed=error.is_managed)
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


def _denial(error: AccessDenied, family: Family, request_id: str) -> bytes:
    if family == "anthropic":
        text = _NOT_BY_THE_HOST if error.is_by_host else "invalid x-api-key"
        return write_anthropic_error("authentication_error", text, request_id=request_id)
    if error.is_by_host:
        return write_openai_error("invalid_request_error", _NOT_BY_THE_HOST, code="unauthorized")
    return write_openai_error("invalid_request_error", "invalid API key", code="invalid_api_key")


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
    reset = reset_time(headers, error, is_limit=kind in LIMITS)
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


def _anthropic_error(
    failure: Failure, message: str, *, request_id: str, in_stream: bool
) -> tuple[int, bytes]:
    """Return status and body of the failure's row."""
    status, kind = FAILURES[failure.kind].anthropic
    if in_stream and kind == "timeout_error":
        kind = "api_error"
    return status, write_anthropic_error(kind, message, request_id=request_id)


def _openai_error(failure: Failure, message: str, *, now: float, tells_codex: bool) -> tuple[int, bytes]:
    """Return status and body of the failure's row; ``tells_codex``: a used-up quota as that reads it."""
    rule = FAILURES[failure.kind]
    status, kind, code = rule.openai
    if tells_codex and failure.kind is FailureKind.QUOTA:
        resets_at = reset_second(failure, now)
        return status, write_usage_limit(message, plan_type=failure.plan_type, resets_at=resets_at)
    if rule.keeps_code:
        code = failure.code or code
    return status, write_openai_error(kind, message, code=code, param=failure.param)


def _without(name: str | None, secrets: Sequence[str]) -> str | None:
    """Return a name that holds no secret."""
    return name if name is None or mask_text(name, secrets) == name else None


def _is_telling(failure: Failure) -> bool:
    """Tell whether the upstream's own error is for clients, not about what the operator has set up."""
    rule = FAILURES[failure.kind]
    return rule.names_provider and not rule.hides_upstream_text
