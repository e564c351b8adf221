"""Recognise an upstream's error and read the numbers in it (wire-mapping 0.2, 8.3, 8.4, 8.5).

Asked in this order, whatever the HTTP status: a code or type that names one row, the text, a type that only
names a family of errors, the status. Family names (``rate_limit_error``) come after the text because relays
put them on everything; the types ``server_error`` and ``invalid_request_error`` say less than any status.
"""

import re
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from math import isfinite
from types import MappingProxyType

from msgspec import Struct

from packyproxy.errors import FailureKind as Kind
from packyproxy.wire.error_bodies import UpstreamError

__all__ = [
    "OPTIONAL_PARAMETERS",
    "ContextNumbers",
    "ResetTime",
    "context_numbers",
    "failure_kind",
    "optional_parameter",
    "reset_time",
]

OPTIONAL_PARAMETERS = frozenset(
    {
        "max_output_tokens",
        "temperature",
        "top_p",
        "service_tier",
        "prompt_cache_key",
        "client_metadata",
        "text.verbosity",
        "reasoning.summary",
        "parallel_tool_calls",
        "include[web_search_call.action.sources]",
        "phase",
        "detail",
        "strict",
        "truncation",
        "max_tool_calls",
    }
)
"""What may be left out of a request when an upstream refuses it (wire-mapping 0.2)."""

_NAMED: Mapping[str, Kind] = MappingProxyType(
    {
        "context_length_exceeded": Kind.CONTEXT_OVERFLOW,
        "context_too_large": Kind.CONTEXT_OVERFLOW,
        "context_window_exceeded": Kind.CONTEXT_OVERFLOW,
        "invalid_encrypted_content": Kind.INVALID_REASONING,
        "thinking_signature_invalid": Kind.INVALID_REASONING,
        "cyber_policy": Kind.CONTENT_REFUSED,
        "bio_policy": Kind.CONTENT_REFUSED,
        "misalignment_policy_violation": Kind.CONTENT_REFUSED,
        "content_policy_violation": Kind.CONTENT_REFUSED,
        "invalid_prompt": Kind.CONTENT_REFUSED,
        "invalid_api_key": Kind.CREDENTIALS_REJECTED,
        "unauthorized": Kind.CREDENTIALS_REJECTED,
        "codex_access_restricted": Kind.CLIENT_RESTRICTED,
        "usage_not_included": Kind.USAGE_NOT_INCLUDED,
        "insufficient_quota": Kind.BILLING,
        "billing_hard_limit_reached": Kind.BILLING,
        "payment_required": Kind.BILLING,
        # The two codes of relays built on One API, under 403.
        "insufficient_user_quota": Kind.BILLING,
        "pre_consume_token_quota_failed": Kind.BILLING,
        "model_not_found": Kind.MODEL_NOT_FOUND,
        "usage_limit_reached": Kind.QUOTA,
        "rate_limit_exceeded": Kind.RATE_LIMIT,
        "server_is_overloaded": Kind.OVERLOADED,
        "overloaded_error": Kind.OVERLOADED,
        "service_unavailable_error": Kind.OVERLOADED,
        "slow_down": Kind.OVERLOADED,
        "vector_store_timeout": Kind.UPSTREAM_REFUSED,
        "data_residency_mismatch": Kind.UPSTREAM_REFUSED,
    }
)
_IMAGE_CODE = re.compile(
    r"invalid_(base64_)?image|image_|unsupported_image_media_type|empty_image_file|failed_to_download_image"
)
_FAMILIES: Mapping[str, Kind] = MappingProxyType(
    {
        "rate_limit_error": Kind.RATE_LIMIT,
        "authentication_error": Kind.CREDENTIALS_REJECTED,
        "permission_error": Kind.FORBIDDEN,
        "billing_error": Kind.BILLING,
        "timeout_error": Kind.GATEWAY_TIMEOUT,
        "request_too_large": Kind.TOO_LARGE,
    }
)
_REQUEST_CODE = re.compile(r"(invalid|unsupported|unknown|missing)_.+")
"""Codes that blame the request; believed only where no status does it better."""

_STATUSES: Mapping[int, Kind] = MappingProxyType(
    {
        400: Kind.INVALID_REQUEST,
        401: Kind.CREDENTIALS_REJECTED,
        402: Kind.BILLING,
        403: Kind.FORBIDDEN,
        404: Kind.WRONG_URL,
        405: Kind.WRONG_URL,
        408: Kind.REQUEST_TIMEOUT,
        409: Kind.CONFLICT,
        413: Kind.TOO_LARGE,
        422: Kind.INVALID_REQUEST,
        425: Kind.CONFLICT,
        429: Kind.RATE_LIMIT,
        503: Kind.UNAVAILABLE,
        504: Kind.GATEWAY_TIMEOUT,
        529: Kind.OVERLOADED,
    }
)
_RATE_LIMIT_STATUS = 429
_BLAMES_REQUEST = frozenset({None, 400, 422})
"""Statuses under which a text about a parameter is believed; None is a failure inside a stream."""

_TEXTS: tuple[tuple[re.Pattern[str], Kind], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), kind)
    for pattern, kind in (
        (
            r"context window|context length|maximum context|prompt is too long|too many tokens",
            Kind.CONTEXT_OVERFLOW,
        ),
        (r"encrypted content.*(verif|decrypt)|without its required following item", Kind.INVALID_REASONING),
        (r"instructions are not valid", Kind.INSTRUCTIONS_REFUSED),
        (r"only allows codex official clients", Kind.CLIENT_RESTRICTED),
        (r"usage limit", Kind.QUOTA),
        (r"model is at capacity", Kind.OVERLOADED),
        (
            (
                r"\bmodel:?\s*[`'\"]?[\w./:\-]*[`'\"]?\s+"
                r"((does|do) not exist|(is |was )?not found|is not supported when)"
                r"|\bunknown model\b"
            ),
            Kind.MODEL_NOT_FOUND,
        ),
    )
)
_TOKENS_PER_TIME = re.compile(r"too many tokens", re.IGNORECASE)

_REFUSES = re.compile(
    r"unsupported|unknown|unrecognized|unexpected|(not|n't) (supported|support|permitted|allowed|recognized)",
    re.IGNORECASE,
)
_WORD = re.compile(
    r"([`'\"]|(?:parameters?|arguments?|fields?|supplied|keys?):?\s*)?([A-Za-z_][\w.\[\]\-]*)", re.IGNORECASE
)
_ORDINARY_WORDS = frozenset({"phase", "detail", "strict", "truncation"})
"""Parameters that are English words too: a text names them only in quotes or after ``parameter``."""
_INDEX = re.compile(r"\[\d*\]$")
_SOURCES = "web_search_call.action.sources"


class ContextNumbers(Struct, frozen=True, kw_only=True):
    """What a complaint about the context window counted."""

    tokens: int | None = None
    """The input's; None where only a sum with the output was named."""
    limit: int | None = None
    counts_output: bool = False
    """The complaint is about input *plus* output."""


class ResetTime(Struct, frozen=True, kw_only=True):
    """When to come back, as the upstream said: a moment, a span, or neither."""

    at: float | None = None
    """Unix seconds."""
    after_seconds: float | None = None


def failure_kind(error: UpstreamError, status: int | None) -> tuple[Kind, str | None]:
    """Return the row that an upstream's error belongs to, and the parameter it is about.

    The parameter is one of :data:`OPTIONAL_PARAMETERS` for an unsupported one, else as the upstream named it.

    Args:
        error: the body as read.
        status: the HTTP status; None inside a stream, where a status that the body names is used.
    """
    if status is None or status < 300:
        status = error.status
    for name in (error.code, error.type):
        kind = _named_kind(name, status)
        if kind is not None:
            return kind, error.param
    if not error.is_html:
        kind = _kind_of_text(error.message, status)
        if kind is not None:
            return kind, error.param
        if status in _BLAMES_REQUEST:
            if _names_effort(error):
                return Kind.EFFORT_REFUSED, error.param
            parameter = optional_parameter(error)
            if parameter is not None:
                return Kind.UNSUPPORTED_PARAMETER, parameter
    if error.code == "server_error":  # as a type it stands beside every status and says nothing
        return Kind.SERVER_ERROR, error.param
    for name in (error.code, error.type):
        if name is not None and name in _FAMILIES:
            return _FAMILIES[name], error.param
    return _kind_of_status(error, status), error.param


def _named_kind(name: str | None, status: int | None) -> Kind | None:
    if name is None:
        return None
    if name == "slow_down" and status == _RATE_LIMIT_STATUS:
        return Kind.RATE_LIMIT
    if _IMAGE_CODE.match(name):
        return Kind.CONTENT_REFUSED
    return _NAMED.get(name)


def _kind_of_text(message: str, status: int | None) -> Kind | None:
    for pattern, kind in _TEXTS:
        found = pattern.search(message)
        # "Too many tokens, please wait" under 429 speaks of tokens per minute.
        if found and not (status == _RATE_LIMIT_STATUS and _TOKENS_PER_TIME.fullmatch(found[0])):
            return kind
    return None


def _names_effort(error: UpstreamError) -> bool:
    return "reasoning.effort" in (error.param or "") or "reasoning.effort" in error.message


def _kind_of_status(error: UpstreamError, status: int | None) -> Kind:
    if status is None:
        blames_request = any(
            name == "invalid_request_error" or (name and _REQUEST_CODE.fullmatch(name))
            for name in (error.code, error.type)
        )
        return Kind.INVALID_REQUEST if blames_request else Kind.SERVER_ERROR
    if 300 <= status < 400:
        return Kind.REDIRECT
    if error.is_html and _STATUSES.get(status) is Kind.INVALID_REQUEST:
        return Kind.SERVER_ERROR  # some gateway on the way, not the API
    if status == 404 and not error.is_html and re.search(r"\bmodel\b", error.message, re.IGNORECASE):
        return Kind.MODEL_NOT_FOUND
    kind = _STATUSES.get(status)
    if kind is None:
        kind = Kind.UPSTREAM_REFUSED if 400 <= status < 500 else Kind.SERVER_ERROR
    return kind


def optional_parameter(error: UpstreamError) -> str | None:
    """Return the optional parameter that an error calls unsupported, if it names one (wire-mapping 0.2)."""
    if not _REFUSES.search(f"{error.code or ''} {error.message}".replace("_", " ")):
        return None
    if error.param is not None:
        if error.param.startswith("include") and _SOURCES in error.message:
            return f"include[{_SOURCES}]"
        return _canonical(error.param)
    for before, word in _WORD.findall(error.message):
        name = _canonical(word.rstrip("."))
        if name is not None and (before or word not in _ORDINARY_WORDS):
            return name
    return None


def _canonical(path: str) -> str | None:
    """Reduce a path such as ``input[3].phase`` to the member of the optional set that it ends in."""
    path = _INDEX.sub("", path)
    if path.endswith(_SOURCES):
        return f"include[{_SOURCES}]"
    if path in OPTIONAL_PARAMETERS:
        return path
    last = path.rpartition(".")[2]
    return last if last in {"phase", "detail", "strict"} else None


_COUNT = r"(\d[\d,]*)"
_LIMITS = re.compile(
    r"(?:maximum (?:context length|context window|input length)"
    r"|context (?:length|window)(?: limit| size)?|limit)"
    rf"\s*(?:is|of|:)?\s*{_COUNT}|> {_COUNT}(?: tokens)? maximum",
    re.IGNORECASE,
)
_INPUT = re.compile(
    rf"{_COUNT}(?: tokens)? (?:in|from|of) (?:the |your )?(?:messages|input|prompt)"
    rf"|prompt is too long:? {_COUNT}",
    re.IGNORECASE,
)
_OUTPUT = re.compile(r"\b(?:completion|output|max_tokens|max_output_tokens)\b", re.IGNORECASE)
_TOTAL = re.compile(
    rf"(?:requested|resulted in|request has|contains?|used)(?: about)? {_COUNT} tokens", re.IGNORECASE
)


def context_numbers(message: str) -> ContextNumbers:
    """Read the numbers of ``maximum context length is 272000 ... you requested 300000`` and its like."""
    tokens = _first_count(_INPUT, message)
    total = _first_count(_TOTAL, message)
    counts_output = (tokens is not None or total is not None) and _OUTPUT.search(message) is not None
    return ContextNumbers(
        tokens=total if tokens is None and not counts_output else tokens,
        limit=_first_count(_LIMITS, message),
        counts_output=counts_output,
    )


def _first_count(pattern: re.Pattern[str], text: str) -> int | None:
    found = pattern.search(text)
    if found is None:
        return None
    digits = next(group for group in found.groups() if group).replace(",", "")
    return int(digits) if len(digits) <= 12 else None


_AGAIN = re.compile(
    r"try again in ((?:\d+(?:\.\d+)?\s*(?:ms|[smhd])[a-z]*[\s,]*(?:and\s+)?)+)", re.IGNORECASE
)
_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|milli|[smhd])", re.IGNORECASE)
_SPAN_SECONDS = {"ms": 0.001, "milli": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_LATEST = 253_402_300_799.0
"""The last second of the year 9999: what no calendar shows is no reset time."""
_FIRST_MILLISECONDS = 1e11
"""Unix times above this (the year 5138) are milliseconds."""


def reset_time(headers: Mapping[str, str], error: UpstreamError, *, is_limit: bool) -> ResetTime:
    """Find when the upstream may be asked again; its sources are asked in the order of wire-mapping 8.5.

    Args:
        headers: lower-case names.
        error: the body as read.
        is_limit: the failure is a quota or rate limit; only then the ``x-codex-*`` windows and the text
            count.
    """
    for reset in (_from_retry_after(headers), _moment(error.resets_at), _span(error.resets_in_seconds)):
        if reset is not None:
            return reset
    if is_limit:
        for reset in (_from_codex_windows(headers), _from_text(error.message)):
            if reset is not None:
                return reset
    return ResetTime()


def _from_retry_after(headers: Mapping[str, str]) -> ResetTime | None:
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return _span(milliseconds / 1000)
    value = headers.get("retry-after")
    seconds = _number(value)
    if value is None or seconds is not None:
        return _span(seconds)
    try:
        date = parsedate_to_datetime(value)
        return _moment((date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError):
        return None


def _from_codex_windows(headers: Mapping[str, str]) -> ResetTime | None:
    resets: list[ResetTime] = []
    for window in ("primary", "secondary"):
        prefix = f"x-codex-{window}-"
        used = _number(headers.get(f"{prefix}used-percent"))
        if used is None or used < 100:
            continue
        at = _moment(_number(headers.get(f"{prefix}reset-at")))
        reset = at or _span(_number(headers.get(f"{prefix}reset-after-seconds")))
        if reset is not None:
            resets.append(reset)
    if len(resets) < 2:
        return resets[0] if resets else None
    first, second = resets
    if first.at is not None and second.at is not None:
        return max(resets, key=lambda reset: reset.at or 0)
    if first.after_seconds is not None and second.after_seconds is not None:
        return max(resets, key=lambda reset: reset.after_seconds or 0)
    return second  # not comparable without a clock; the secondary window is the longer one


def _from_text(message: str) -> ResetTime | None:
    found = _AGAIN.search(message)
    if found is None:
        return None
    return _span(sum(float(count) * _SPAN_SECONDS[unit.lower()] for count, unit in _SPAN.findall(found[1])))


def _moment(unix: float | None) -> ResetTime | None:
    if unix is not None and unix > _FIRST_MILLISECONDS:
        unix /= 1000
    return None if unix is None or not 0 <= unix <= _LATEST else ResetTime(at=unix)


def _span(seconds: float | None) -> ResetTime | None:
    return None if seconds is None or not 0 <= seconds <= _LATEST else ResetTime(after_seconds=seconds)


def _number(text: str | None) -> float | None:
    try:
        number = float(text) if text is not None else None
    except ValueError:
        return None
    return number if number is not None and isfinite(number) and number >= 0 else None
