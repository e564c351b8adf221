"""Every row of wire-mapping 8.3: what is recognised, done about it, and told to each family of clients."""

from typing import Any, NamedTuple

import msgspec
import pytest

from packyproxy.errors import Failure, FailureKind, Tried
from packyproxy.providers.repair import History, Repair, RetryAfter, Sent, decide
from packyproxy.translate.failure_table import FAILURES
from packyproxy.translate.failures import (
    classify_error_object,
    classify_response,
    exhausted_response,
    transport_failure,
)

_NOW = 1_893_546_000.0
_SENT = Sent(effort="high", efforts=("low", "medium", "high"), has_reasoning=True)
_INVALID = "invalid_request_error"
_DOUBLING = "doubling"
_HTML = b"<html><title>Bad gateway</title></html>"


class _Row(NamedTuple):
    """One row; ``rests`` is None, a number of seconds, or doubling from a second on."""

    kind: str
    act: str
    rests: float | str | None
    trips_breaker: bool
    anthropic: tuple[int, str]
    openai: tuple[int, str, str | None]
    signals: dict[str, Failure]


def _json(**error: Any) -> bytes:
    return msgspec.json.encode({"error": error})


def _detail(text: str) -> bytes:
    return msgspec.json.encode({"detail": text})


def _http(status: int, body: bytes = b"", **headers: str) -> Failure:
    return classify_response(status, {name.replace("_", "-"): headers[name] for name in headers}, body)


def _stream(body: bytes) -> Failure:
    return classify_error_object(body)


def _transport(kind: str) -> Failure:
    return transport_failure(FailureKind(kind), "h.example")


_ROWS = [
    _Row("context_overflow", "give up", None, False, (400, _INVALID), (400, _INVALID, "context_length_exceeded"), {
        "code": _http(400, _json(code="context_length_exceeded", message="x")),
        "code-too-large": _http(413, _json(code="context_too_large")),
        "code-in-stream": _stream(_json(code="context_window_exceeded")),
        "window-under-500": _http(500, _json(type="server_error", message="Your input exceeds the context window of it")),
        "length": _http(400, _json(message="maximum context length is 5")),
        "long": _http(400, _detail("Prompt is too long")),
        "tokens": _http(400, _detail("Too many tokens")),
    }),
    _Row("invalid_reasoning", "mend, give up", None, False, (400, _INVALID), (400, _INVALID, "invalid_encrypted_content"), {
        "code": _http(400, _json(code="invalid_encrypted_content")),
        "code-in-stream": _stream(_json(code="invalid_encrypted_content")),
        "verified": _http(400, _json(message="The encrypted content gAAA could not be verified.")),
        "decrypted": _http(400, _json(message="Encrypted content could not be decrypted")),
        "alone": _http(400, _json(message="Item 'rs_1' was provided without its required following item.")),
    }),
    _Row("invalid_reasoning", "mend, give up", None, False, (400, _INVALID), (400, _INVALID, "thinking_signature_invalid"), {
        "signature": _stream(_json(code="thinking_signature_invalid")),
    }),
    _Row("instructions_refused", "mend, give up", None, False, (400, _INVALID), (400, _INVALID, None), {
        "text": _http(400, _detail("Instructions are not valid")),
    }),
    _Row("effort_refused", "mend, give up", None, False, (400, _INVALID), (400, _INVALID, "unsupported_value"), {
        "param": _http(400, _json(code="unsupported_value", param="reasoning.effort", message="Unsupported value: 'xhigh'")),
    }),
    _Row("unsupported_parameter", "mend, give up", None, False, (400, _INVALID), (400, _INVALID, "unsupported_parameter"), {
        "detail": _http(400, _detail("Unsupported parameter: service_tier")),
        "422": _http(422, b'{"detail":[{"loc":["body","temperature"],"msg":"Extra inputs are not permitted"}]}'),
    }),
    _Row("invalid_request", "give up", None, False, (400, _INVALID), (400, _INVALID, None), {
        "400": _http(400),
        "422": _http(422),
        "parameter-not-optional": _http(400, _detail("Unsupported parameter: metadata")),
        "in-stream": _stream(_json(type=_INVALID, message="no")),
    }),
    _Row("invalid_request", "give up", None, False, (400, _INVALID), (400, _INVALID, "missing_required_parameter"), {
        "code": _http(400, _json(code="missing_required_parameter", type=_INVALID, message="no")),
    }),
    *(
        _Row("content_refused", "give up", None, False, (400, _INVALID), (400, _INVALID, code), {
            code: _http(status, _json(code=code)),
            f"{code}-in-stream": _stream(_json(code=code)),
        })
        for status, code in [
            (403, "cyber_policy"), (400, "bio_policy"), (400, "misalignment_policy_violation"), (400, "invalid_prompt"),
            (400, "invalid_image_url"), (400, "image_parse_error"), (400, "unsupported_image_media_type"),
            (400, "empty_image_file"),
        ]
    ),
    _Row("credentials_rejected", "next", None, False, (502, "api_error"), (502, "server_error", "upstream_auth"), {
        "401": _http(401),
        "401-html": _http(401, _HTML),
        "key-code": _http(400, _json(code="invalid_api_key", type=_INVALID)),
        "unauthorized-code": _stream(_json(code="unauthorized")),
    }),
    _Row("forbidden", "next", None, False, (403, "permission_error"), (403, "permission_error", "upstream_forbidden"), {
        "403": _http(403),
        "403-html": _http(403, _HTML),
        "403-code": _http(403, _json(code="unsupported_country_region_territory")),
    }),
    _Row("client_restricted", "next", None, False, (403, "permission_error"), (403, "permission_error", "upstream_forbidden"), {
        "text": _http(403, _json(message="This group only allows Codex official clients")),
    }),
    _Row("client_restricted", "next", None, False,
         (403, "permission_error"), (403, "permission_error", "codex_access_restricted"), {
        "code": _http(403, _json(code="codex_access_restricted")),
    }),
    _Row("usage_not_included", "next", None, False, (403, "permission_error"), (403, "permission_error", "usage_not_included"), {
        "type": _http(429, _json(type="usage_not_included")),
        "code": _stream(_json(code="usage_not_included")),
    }),
    _Row("billing", "next", 3600, False, (402, "billing_error"), (429, "insufficient_quota", "insufficient_quota"), {
        "402": _http(402),
        "quota-code": _http(429, _json(code="insufficient_quota", type="insufficient_quota")),
        "quota-type": _http(403, _json(type="insufficient_quota")),
        "hard-limit": _http(400, _json(code="billing_hard_limit_reached")),
        "payment": _stream(_json(code="payment_required")),
        "one-api-account": _http(403, _json(code="insufficient_user_quota", type="one_api_error")),
        "one-api-key": _http(403, _json(code="pre_consume_token_quota_failed", type="new_api_error")),
    }),
    _Row("model_not_found", "next", None, False, (404, "not_found_error"), (404, _INVALID, "model_not_found"), {
        "code": _http(503, _json(code="model_not_found", message="No channel")),
        "exists": _http(404, _json(message="The model `gpt-9` does not exist")),
        "404-names-it": _http(404, _json(message="You have no access to this model")),
        "unknown-under-400": _http(400, _json(message="Unknown model: gpt-9")),
        "codex-under-400": _http(400, _detail("The 'gpt-9' model is not supported when using Codex with an account.")),
    }),
    _Row("wrong_url", "next", None, False, (502, "api_error"), (502, "server_error", None), {
        "404": _http(404, b"404 page not found"),
        "404-html": _http(404, b"<title>Our business model</title>"),
        "405": _http(405),
    }),
    _Row("not_offered", "next", None, False, (404, "not_found_error"), (404, _INVALID, "not_found"), {
        "judged": Failure(kind=FailureKind.NOT_OFFERED, status=404),
    }),
    _Row("too_large", "give up", None, False, (413, "request_too_large"), (413, _INVALID, "request_too_large"), {
        "413": _http(413, _HTML),
    }),
    _Row("request_timeout", "repeat, next", _DOUBLING, True, (504, "timeout_error"), (504, "server_error", None), {
        "408": _http(408),
    }),
    _Row("conflict", "repeat, next", None, False, (502, "api_error"), (502, "server_error", None), {
        "409": _http(409),
        "425": _http(425),
    }),
    _Row("quota", "next", 60, False, (429, "rate_limit_error"), (429, "rate_limit_error", "usage_limit_reached"), {
        "type": _http(429, _json(type="usage_limit_reached")),
        "code": _http(200, _json(code="usage_limit_reached")),
        "type-under-400": _http(400, _json(type="usage_limit_reached")),
        "text": _http(429, _json(type="rate_limit_error", message="You've hit your usage limit.")),
        "with-a-short-reset": _http(429, _json(type="usage_limit_reached", resets_in_seconds=1)),
    }),
    _Row("rate_limit", "next", 5, False, (429, "rate_limit_error"), (429, "rate_limit_error", "rate_limit_exceeded"), {
        "429": _http(429),
        "retry-after-is-long": _http(429, retry_after="6"),
        "code-in-stream": _stream(_json(code="rate_limit_exceeded")),
        "slow-down": _http(429, _json(code="slow_down")),
        "tokens-per-minute": _http(429, _json(message="Too many tokens, please wait before trying again.")),
        "server-error-type": _http(429, _json(type="server_error", message="oops")),
        "type-under-400": _http(400, _json(type="rate_limit_error", message="oops")),
        "status-in-event": _stream(b'{"type":"error","status":429,"error":{"message":"x"}}'),
    }),
    _Row("rate_limit", "repeat after 3 s, next", 5, False,
         (429, "rate_limit_error"), (429, "rate_limit_error", "rate_limit_exceeded"), {
        "retry-after-is-short": _http(429, retry_after="3"),
        "codex-window": _http(429, x_codex_primary_used_percent="100", x_codex_primary_reset_after_seconds="3"),
        "codex-moment": _http(429, x_codex_secondary_used_percent="100", x_codex_secondary_reset_at=str(_NOW + 3)),
        "body-moment": _http(429, _json(code="rate_limit_exceeded", resets_at=_NOW + 3)),
        "body-span": _http(429, _json(code="rate_limit_exceeded", resets_in_seconds=3)),
        "text": _stream(_json(code="rate_limit_exceeded", message="Please try again in 3s.")),
    }),
    _Row("overloaded", "repeat after 1 s, next", _DOUBLING, False,
         (529, "overloaded_error"), (503, "server_error", "server_overloaded"), {
        "code": _stream(_json(code="server_is_overloaded")),
        "type": _http(529, _json(type="overloaded_error")),
        "unavailable-type": _http(500, _json(type="service_unavailable_error")),
        "slow-down": _http(503, _json(code="slow_down")),
        "slow-down-in-stream": _stream(_json(code="slow_down")),
        "capacity-under-400": _http(400, _json(message="Selected model is at capacity.")),
        "529": _http(529),
    }),
    _Row("server_error", "repeat, next", _DOUBLING, True, (502, "api_error"), (502, "server_error", None), {
        "500": _http(500),
        "502": _http(502),
        **{str(status): _http(status) for status in range(520, 525)},
        "522-html": _http(522, _HTML),
        "200-html": _http(200, _HTML),
        "400-html": _http(400, _HTML),
        "no-code": _stream(b"{}"),
        "null": _stream(b"null"),
        "unknown-code": _stream(_json(code="brand_new")),
        "code-in-stream": _stream(_json(code="server_error", message="oops")),
        "code-under-503": _http(503, _json(code="server_error")),
    }),
    _Row("gateway_timeout", "repeat, next", _DOUBLING, True, (504, "timeout_error"), (504, "server_error", None), {
        "504": _http(504, _HTML),
    }),
    _Row("unavailable", "repeat, next", _DOUBLING, True, (529, "overloaded_error"), (503, "server_error", None), {
        "503": _http(503),
        "server-error-type": _http(503, _json(type="server_error", message="oops")),
    }),
    _Row("upstream_refused", "give up", None, False, (502, "api_error"), (502, "server_error", None), {
        "vector-store": _stream(_json(code="vector_store_timeout")),
        "residency": _stream(_json(code="data_residency_mismatch")),
        "unheard-of": _http(418),
    }),
    _Row("redirect", "give up", None, True, (502, "api_error"), (502, "server_error", None), {
        "301": _http(301),
        "307": _http(307),
    }),
    _Row("unreachable", "repeat, next", _DOUBLING, True, (502, "api_error"), (502, "server_error", "upstream_unreachable"), {
        "transport": _transport("unreachable"),
    }),
    _Row("tls", "next", None, True, (502, "api_error"), (502, "server_error", "upstream_tls"), {
        "transport": _transport("tls"),
    }),
    *(
        _Row(kind, "next", _DOUBLING, True, (504, "timeout_error"), (504, "server_error", "timeout"), {
            "transport": _transport(kind),
        })
        for kind in ("connect_timeout", "headers_timeout", "idle_timeout")
    ),
    _Row("total_timeout", "give up", None, False, (504, "timeout_error"), (504, "server_error", "timeout"), {
        "transport": _transport("total_timeout"),
    }),
    *(
        _Row(kind, "repeat, next", _DOUBLING, True, (502, "api_error"), (502, "server_error", None), {
            "transport": _transport(kind),
        })
        for kind in ("truncated", "cancelled")
    ),
    _Row("bad_stream", "next", _DOUBLING, True, (502, "api_error"), (502, "server_error", None), {
        "transport": _transport("bad_stream"),
    }),
]  # fmt: skip


def _act(failure: Failure) -> str:
    """Say what the proxy does before first content: at the same provider, and after that."""
    decision = decide(failure, History(), _SENT, retries_allowed=1, now=_NOW)
    first = ""
    if isinstance(decision, Repair):
        first = "mend, "
    elif isinstance(decision, RetryAfter):
        first = f"repeat after {decision.seconds:g} s, " if decision.seconds else "repeat, "
    return first + ("next" if FAILURES[failure.kind].fails_over else "give up")


def _error(failure: Failure, family: Any) -> tuple[int, dict[str, Any]]:
    response = exhausted_response(
        [Tried(provider="pc", failure=failure)],
        family,
        request_id="req_1",
        now=_NOW,
        input_tokens_estimate=100,
        context_window=272_000,
        max_tokens=None,
    )
    return response.status, msgspec.json.decode(response.body)["error"]


@pytest.mark.parametrize(
    ("row", "failure"),
    [
        pytest.param(row, failure, id=f"{row.kind}-{name}")
        for row in _ROWS
        for name, failure in row.signals.items()
    ],
)
def test_row(row: _Row, failure: Failure) -> None:
    """A signal is recognised, treated and told as its row says."""
    rule = FAILURES[failure.kind]
    status, shown = _error(failure, "anthropic")
    other_status, other = _error(failure, "openai")
    assert row[:-1] == (
        failure.kind.value,
        _act(failure),
        (rule.cooldown_seconds or _DOUBLING) if rule.cooldown else None,
        rule.trips_breaker,
        (status, shown["type"]),
        (other_status, other["type"], other["code"]),
    )


def test_every_kind_has_a_row() -> None:
    """No failure can occur that the table, or this test of it, does not know."""
    assert (set(FailureKind), set(FailureKind)) == (set(FAILURES), {FailureKind(row.kind) for row in _ROWS})


@pytest.mark.parametrize("kind", FailureKind)
def test_only_what_may_pass_makes_a_provider_rest(kind: FailureKind) -> None:
    """A fault of the request, or one that only the operator can mend, is no reason to wait."""
    rule = FAILURES[kind]
    assert not (rule.cooldown and (rule.is_lasting or not rule.fails_over))


@pytest.mark.parametrize("kind", FailureKind)
def test_cooldown_is_what_the_client_is_told_at_most(kind: FailureKind) -> None:
    """A client that waits as told does not find its provider still resting from that failure alone."""
    rule = FAILURES[kind]
    assert (rule.cooldown_seconds or 0.0) <= (rule.implied_wait_seconds or 0.0)
