"""Upstream signals, and what each family of clients is told about them (wire-mapping 8.3, 8.6)."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from packyproxy.errors import AccessDenied, Failure, FailureKind, InvalidRequest, NoProvider, Tried
from packyproxy.translate.contract import Family
from packyproxy.translate.failure_table import FAILURES
from packyproxy.translate.failures import (
    ErrorResponse,
    classify_error_object,
    classify_response,
    exhausted_response,
    internal_error_response,
    mask_secrets,
    refusal_response,
    transport_failure,
)

_NOW = 1_893_546_000.0

_INVALID = "invalid_request_error"


def _json(**error: Any) -> bytes:
    return msgspec.json.encode({"error": error})


def _detail(text: str) -> bytes:
    return msgspec.json.encode({"detail": text})


def _respond(failure: Failure, family: Family = "anthropic", **changes: Any) -> ErrorResponse:
    facts: dict[str, Any] = {
        "request_id": "req_1",
        "now": _NOW,
        "input_tokens_estimate": 100,
        "context_window": 272_000,
        "max_tokens": None,
    }
    return exhausted_response([Tried(provider="pc", failure=failure)], family, **(facts | changes))


def _error(response: ErrorResponse) -> dict[str, Any]:
    error: dict[str, Any] = msgspec.json.decode(response.body)["error"]
    return error


_HTML = b"<html><title>Bad gateway</title></html>"

# (status or None for a stream, body) -> kind, (Anthropic status, type), (OpenAI status, type, code)
_ROWS: list[Any] = [
    pytest.param(400, _json(code="context_length_exceeded", message="x"), "context_overflow",
                 (400, _INVALID), (400, _INVALID, "context_length_exceeded"), id="context-code"),
    pytest.param(None, _json(code="context_window_exceeded"), "context_overflow",
                 (400, _INVALID), (400, _INVALID, "context_length_exceeded"), id="context-code-in-stream"),
    pytest.param(500, _json(type="server_error", message="Your input exceeds the context window of this model"),
                 "context_overflow", (400, _INVALID), (400, _INVALID, "context_length_exceeded"), id="context-text"),
    pytest.param(400, _detail("Prompt is too long"), "context_overflow",
                 (400, _INVALID), (400, _INVALID, "context_length_exceeded"), id="context-detail"),
    pytest.param(400, _json(code="invalid_encrypted_content"), "invalid_reasoning",
                 (400, _INVALID), (400, _INVALID, "invalid_encrypted_content"), id="reasoning-code"),
    pytest.param(None, _json(code="thinking_signature_invalid"), "invalid_reasoning",
                 (400, _INVALID), (400, _INVALID, "thinking_signature_invalid"), id="signature-code"),
    pytest.param(400, _json(message="The encrypted content gAAA could not be verified."), "invalid_reasoning",
                 (400, _INVALID), (400, _INVALID, "invalid_encrypted_content"), id="reasoning-verified"),
    pytest.param(400, _json(message="Encrypted content could not be decrypted"), "invalid_reasoning",
                 (400, _INVALID), (400, _INVALID, "invalid_encrypted_content"), id="reasoning-decrypted"),
    pytest.param(400, _json(message="Item 'rs_1' was provided without its required following item."),
                 "invalid_reasoning",
                 (400, _INVALID), (400, _INVALID, "invalid_encrypted_content"), id="reasoning-alone"),
    pytest.param(400, _detail("Instructions are not valid"), "instructions_refused",
                 (400, _INVALID), (400, _INVALID, None), id="instructions"),
    pytest.param(400, _json(code="unsupported_value", param="reasoning.effort", message="Unsupported value: 'xhigh'"),
                 "effort_refused", (400, _INVALID), (400, _INVALID, "unsupported_value"), id="effort"),
    pytest.param(400, _detail("Unsupported parameter: service_tier"), "unsupported_parameter",
                 (400, _INVALID), (400, _INVALID, "unsupported_parameter"), id="parameter"),
    pytest.param(400, _detail("Unsupported parameter: metadata"), "invalid_request",
                 (400, _INVALID), (400, _INVALID, None), id="parameter-not-optional"),
    pytest.param(400, _json(code="missing_required_parameter", type=_INVALID, message="no"), "invalid_request",
                 (400, _INVALID), (400, _INVALID, "missing_required_parameter"), id="400-other"),
    pytest.param(422, b"", "invalid_request", (400, _INVALID), (400, _INVALID, None), id="422"),
    pytest.param(None, _json(type=_INVALID, message="no"), "invalid_request",
                 (400, _INVALID), (400, _INVALID, None), id="invalid-request-in-stream"),
    pytest.param(403, _json(code="cyber_policy"), "content_refused",
                 (400, _INVALID), (400, _INVALID, "cyber_policy"), id="policy"),
    pytest.param(None, _json(code="invalid_prompt"), "content_refused",
                 (400, _INVALID), (400, _INVALID, "invalid_prompt"), id="prompt"),
    pytest.param(400, _json(code="image_parse_error"), "content_refused",
                 (400, _INVALID), (400, _INVALID, "image_parse_error"), id="image"),
    pytest.param(400, _json(code="invalid_image_url"), "content_refused",
                 (400, _INVALID), (400, _INVALID, "invalid_image_url"), id="image-url"),
    pytest.param(401, b"", "credentials_rejected",
                 (502, "api_error"), (502, "server_error", "upstream_auth"), id="401"),
    pytest.param(400, _json(code="invalid_api_key", type=_INVALID), "credentials_rejected",
                 (502, "api_error"), (502, "server_error", "upstream_auth"), id="key-code"),
    pytest.param(403, b"", "forbidden",
                 (403, "permission_error"), (403, "permission_error", "upstream_forbidden"), id="403"),
    pytest.param(403, _json(message="This group only allows Codex official clients"), "client_restricted",
                 (403, "permission_error"), (403, "permission_error", "upstream_forbidden"), id="clients-text"),
    pytest.param(403, _json(code="codex_access_restricted"), "client_restricted",
                 (403, "permission_error"), (403, "permission_error", "codex_access_restricted"), id="clients-code"),
    pytest.param(429, _json(type="usage_not_included"), "usage_not_included",
                 (403, "permission_error"), (403, "permission_error", "usage_not_included"), id="plan"),
    pytest.param(402, b"", "billing",
                 (402, "billing_error"), (429, "insufficient_quota", "insufficient_quota"), id="402"),
    pytest.param(429, _json(code="insufficient_quota", type="insufficient_quota"), "billing",
                 (402, "billing_error"), (429, "insufficient_quota", "insufficient_quota"), id="no-credit"),
    pytest.param(503, _json(code="model_not_found", message="No channel"), "model_not_found",
                 (404, "not_found_error"), (404, _INVALID, "model_not_found"), id="model-code"),
    pytest.param(404, _json(message="The model `gpt-9` does not exist"), "model_not_found",
                 (404, "not_found_error"), (404, _INVALID, "model_not_found"), id="model-text"),
    pytest.param(404, _json(message="You have no access to this model"), "model_not_found",
                 (404, "not_found_error"), (404, _INVALID, "model_not_found"), id="model-404"),
    pytest.param(404, b"404 page not found", "wrong_url", (502, "api_error"), (502, "server_error", None), id="404"),
    pytest.param(405, b"", "wrong_url", (502, "api_error"), (502, "server_error", None), id="405"),
    pytest.param(413, _HTML, "too_large",
                 (413, "request_too_large"), (413, _INVALID, "request_too_large"), id="413"),
    pytest.param(408, b"", "request_timeout", (504, "timeout_error"), (504, "server_error", None), id="408"),
    pytest.param(409, b"", "conflict", (502, "api_error"), (502, "server_error", None), id="409"),
    pytest.param(425, b"", "conflict", (502, "api_error"), (502, "server_error", None), id="425"),
    pytest.param(429, _json(type="usage_limit_reached"), "quota",
                 (429, "rate_limit_error"), (429, "rate_limit_error", "usage_limit_reached"), id="quota-type"),
    pytest.param(400, _json(type="usage_limit_reached"), "quota",
                 (429, "rate_limit_error"), (429, "rate_limit_error", "usage_limit_reached"), id="quota-under-400"),
    pytest.param(429, _json(type="rate_limit_error", message="You've hit your usage limit."), "quota",
                 (429, "rate_limit_error"), (429, "rate_limit_error", "usage_limit_reached"), id="quota-text"),
    pytest.param(429, b"", "rate_limit",
                 (429, "rate_limit_error"), (429, "rate_limit_error", "rate_limit_exceeded"), id="429"),
    pytest.param(None, _json(code="rate_limit_exceeded"), "rate_limit",
                 (429, "rate_limit_error"), (429, "rate_limit_error", "rate_limit_exceeded"), id="rate-in-stream"),
    pytest.param(429, _json(code="slow_down"), "rate_limit",
                 (429, "rate_limit_error"), (429, "rate_limit_error", "rate_limit_exceeded"), id="slow-down-429"),
    pytest.param(429, _json(message="Too many tokens, please wait before trying again."), "rate_limit",
                 (429, "rate_limit_error"), (429, "rate_limit_error", "rate_limit_exceeded"), id="tokens-per-minute"),
    pytest.param(503, _json(code="slow_down"), "overloaded",
                 (529, "overloaded_error"), (503, "server_error", "server_overloaded"), id="slow-down"),
    pytest.param(None, _json(code="server_is_overloaded"), "overloaded",
                 (529, "overloaded_error"), (503, "server_error", "server_overloaded"), id="overloaded-code"),
    pytest.param(500, _json(type="service_unavailable_error"), "overloaded",
                 (529, "overloaded_error"), (503, "server_error", "server_overloaded"), id="unavailable-type"),
    pytest.param(400, _json(message="Selected model is at capacity."), "overloaded",
                 (529, "overloaded_error"), (503, "server_error", "server_overloaded"), id="capacity-under-400"),
    pytest.param(529, b"", "overloaded",
                 (529, "overloaded_error"), (503, "server_error", "server_overloaded"), id="529"),
    pytest.param(500, b"", "server_error", (502, "api_error"), (502, "server_error", None), id="500"),
    pytest.param(502, b"", "server_error", (502, "api_error"), (502, "server_error", None), id="502"),
    pytest.param(522, _HTML, "server_error", (502, "api_error"), (502, "server_error", None), id="522-html"),
    pytest.param(200, _HTML, "server_error", (502, "api_error"), (502, "server_error", None), id="200-html"),
    pytest.param(400, _HTML, "server_error", (502, "api_error"), (502, "server_error", None), id="400-html"),
    pytest.param(504, _HTML, "gateway_timeout", (504, "timeout_error"), (504, "server_error", None), id="504"),
    pytest.param(503, b"", "unavailable", (529, "overloaded_error"), (503, "server_error", None), id="503"),
    pytest.param(None, b"{}", "server_error", (502, "api_error"), (502, "server_error", None), id="no-code"),
    pytest.param(None, b"null", "server_error", (502, "api_error"), (502, "server_error", None), id="null"),
    pytest.param(None, _json(code="brand_new"), "server_error",
                 (502, "api_error"), (502, "server_error", None), id="unknown-code"),
    pytest.param(None, _json(code="server_error", message="oops"), "server_error",
                 (502, "api_error"), (502, "server_error", None), id="server-error-code"),
    pytest.param(503, _json(type="server_error", message="oops"), "unavailable",
                 (529, "overloaded_error"), (503, "server_error", None), id="server-error-type-under-503"),
    pytest.param(429, _json(type="server_error", message="oops"), "rate_limit",
                 (429, "rate_limit_error"), (429, "rate_limit_error", "rate_limit_exceeded"),
                 id="server-error-type-under-429"),
    pytest.param(400, _json(type="rate_limit_error", message="oops"), "rate_limit",
                 (429, "rate_limit_error"), (429, "rate_limit_error", "rate_limit_exceeded"), id="rate-type-under-400"),
    pytest.param(None, _json(code="vector_store_timeout"), "upstream_refused",
                 (502, "api_error"), (502, "server_error", None), id="vector-store"),
    pytest.param(None, _json(code="data_residency_mismatch"), "upstream_refused",
                 (502, "api_error"), (502, "server_error", None), id="residency"),
    pytest.param(418, b"", "upstream_refused", (502, "api_error"), (502, "server_error", None), id="unheard-of"),
    pytest.param(301, b"", "redirect", (502, "api_error"), (502, "server_error", None), id="redirect"),
    pytest.param(None, b'{"type":"error","status":429,"error":{"message":"x"}}', "rate_limit",
                 (429, "rate_limit_error"), (429, "rate_limit_error", "rate_limit_exceeded"), id="status-in-event"),
]  # fmt: skip


@pytest.mark.parametrize(("status", "body", "kind", "anthropic", "openai"), _ROWS)
def test_upstream_signal(
    status: int | None,
    body: bytes,
    kind: str,
    anthropic: tuple[int, str],
    openai: tuple[int, str, str | None],
) -> None:
    """Each row of wire-mapping 8.3 is recognised and told to both families."""
    failure = classify_error_object(body) if status is None else classify_response(status, {}, body)
    shown = _respond(failure)
    other = _respond(failure, "openai")
    assert (kind, anthropic, openai) == (
        failure.kind.value,
        (shown.status, _error(shown)["type"]),
        (other.status, _error(other)["type"], _error(other)["code"]),
    )


@pytest.mark.parametrize(
    ("kind", "detail", "message", "anthropic", "openai"),
    [
        (
            "unreachable",
            "h",
            "could not connect to the upstream",
            (502, "api_error"),
            (502, "upstream_unreachable"),
        ),
        (
            "tls",
            "h.example",
            "TLS verification failed for h.example",
            (502, "api_error"),
            (502, "upstream_tls"),
        ),
        (
            "connect_timeout",
            "h",
            "timed out while connecting to the upstream",
            (504, "timeout_error"),
            (504, "timeout"),
        ),
        (
            "headers_timeout",
            "",
            "the upstream did not answer in time",
            (504, "timeout_error"),
            (504, "timeout"),
        ),
        ("idle_timeout", "", "the upstream fell silent", (504, "timeout_error"), (504, "timeout")),
        (
            "total_timeout",
            "",
            "the request took longer than the total time limit",
            (504, "timeout_error"),
            (504, "timeout"),
        ),
        ("truncated", "", "Upstream stream ended before response.completed", (502, "api_error"), (502, None)),
        ("cancelled", "", "The upstream cancelled the response", (502, "api_error"), (502, None)),
        ("bad_stream", "x", "the upstream broke the stream's format: x", (502, "api_error"), (502, None)),
    ],
)
def test_transport_failure(
    kind: str, detail: str, message: str, anthropic: tuple[int, str], openai: tuple[int, str | None]
) -> None:
    """An attempt without a readable answer has its own texts."""
    failure = transport_failure(FailureKind(kind), detail)
    shown, other = _respond(failure), _respond(failure, "openai")
    assert (f"{message} (provider: pc)", anthropic, openai) == (
        _error(shown)["message"],
        (shown.status, _error(shown)["type"]),
        (other.status, _error(other)["code"]),
    )


def test_every_kind_has_a_row() -> None:
    """No failure can occur that the table does not know."""
    assert set(FailureKind) == set(FAILURES)


@pytest.mark.parametrize(
    ("message", "param", "parameter"),
    [
        ("Unsupported parameter: max_output_tokens", None, "max_output_tokens"),
        (
            "Unsupported parameter: 'temperature' is not supported with this model.",
            "temperature",
            "temperature",
        ),
        ("Unknown parameter: 'input[3].phase'.", "input[3].phase", "phase"),
        ("Unknown parameter: 'input[0].content[1].detail'.", None, "detail"),
        ("Unrecognized request argument supplied: top_p", None, "top_p"),
        ("'text.verbosity' is not supported", None, "text.verbosity"),
        ("Unsupported parameter: 'reasoning.summary'", "reasoning.summary", "reasoning.summary"),
        ("Unsupported value: 'tools[0].strict'", "tools[0].strict", "strict"),
        (
            "Unsupported value: 'web_search_call.action.sources'",
            "include[1]",
            "include[web_search_call.action.sources]",
        ),
        ("'prompt_cache_key': Extra inputs are not permitted", None, "prompt_cache_key"),
        ("client_metadata isn't supported", None, "client_metadata"),
        ("Unknown value 'web_search_call.action.sources'", None, "include[web_search_call.action.sources]"),
    ],
)
def test_unsupported_parameter_is_named(message: str, param: str | None, parameter: str) -> None:
    """Whatever the wording, the failure names the member of the optional set."""
    failure = classify_response(400, {}, _json(message=message, param=param))
    assert (FailureKind.UNSUPPORTED_PARAMETER, parameter) == (failure.kind, failure.param)


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ("Unsupported parameter: 'model'", "model"),
        ("Invalid 'temperature': must be below 2", "temperature"),
        ("Unknown item type; see the detail above", None),
        ("Unsupported parameter: tool_choice", None),
    ],
)
def test_other_complaints_remove_nothing(message: str, param: str | None) -> None:
    """A bad value, an ordinary word or a required parameter is no unsupported optional one."""
    assert FailureKind.INVALID_REQUEST is classify_response(400, {}, _json(message=message, param=param)).kind


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "error",
                    "response",
                    "detail",
                    "message",
                    "code",
                    "type",
                    "param",
                    "resets_at",
                    "status",
                    "x",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=10,
)


@given(
    status=st.integers(100, 599),
    headers=st.dictionaries(
        st.sampled_from(
            ["retry-after", "retry-after-ms", "x-codex-primary-used-percent", "x-codex-primary-reset-at"]
        ),
        st.text(max_size=12) | st.integers().map(str),
    ),
    body=st.binary(max_size=60) | _VALUES.map(msgspec.json.encode),
)
def test_any_answer_can_be_told(status: int, headers: dict[str, str], body: bytes) -> None:
    """Whatever an upstream answers, its client gets an error status and a message on one line."""
    response = _respond(classify_response(status, headers, body))
    message = _error(response)["message"]
    assert (True, [message]) == (400 <= response.status < 600, message.splitlines())


@pytest.mark.parametrize(
    ("kind", "in_stream_type"),
    [
        ("idle_timeout", "api_error"),
        ("truncated", "api_error"),
        ("overloaded", "overloaded_error"),
        ("quota", "rate_limit_error"),
        ("invalid_request", _INVALID),
    ],
)
def test_type_inside_a_stream(kind: str, in_stream_type: str) -> None:
    """After the status line a retryable cause has a type that clients know from streams."""
    assert (
        in_stream_type
        == _error(_respond(Failure(kind=FailureKind(kind), message="x"), in_stream=True))["type"]
    )


def test_provider_is_named_after_the_upstreams_text() -> None:
    """The message starts with what happened and ends with who said it."""
    failure = classify_response(400, {}, _detail("No such tool"))
    assert "No such tool (provider: pc)" == _error(_respond(failure))["message"]


def test_upstream_text_about_credentials_is_hidden() -> None:
    """A refusal of the gateway's key shows our words only."""
    failure = classify_response(401, {}, _json(message="Incorrect API key for org-canary"))
    assert (
        "upstream rejected the gateway's credentials (provider: pc)" == _error(_respond(failure))["message"]
    )


def test_restricted_clients_get_a_hint() -> None:
    """Who runs the gateway learns where to look."""
    failure = classify_response(403, {}, _json(message="only allows Codex official clients"))
    assert (
        "only allows Codex official clients: this provider restricts clients; see its terms and the provider's "
        "headers setting (provider: pc)"
    ) == _error(_respond(failure))["message"]


def test_an_empty_body_is_told_by_its_status() -> None:
    """Without any text the status is what happened."""
    assert "HTTP 500 (provider: pc)" == _error(_respond(classify_response(500, {}, b"")))["message"]


def test_an_error_under_a_success_is_not_told_by_its_status() -> None:
    """The status 200 would explain nothing; one that the body names does."""
    bare, named = (
        classify_response(200, {}, body) for body in (b'{"error":{}}', b'{"error":{},"status":502}')
    )
    assert ("the upstream failed", "HTTP 502") == (bare.message, named.message)


def test_secrets_are_masked() -> None:
    """The provider's key does not reach the failure, from an answer or from a stream."""
    body = _json(message="bad key pk_live_1234")
    answered = classify_response(400, {}, body, secrets=["pk_live_1234"])
    streamed = mask_secrets(classify_error_object(body), ["pk_live_1234"])
    assert ("bad key ***", "bad key ***") == (answered.message, streamed.message)


@pytest.mark.parametrize(
    ("error", "family", "status", "expected"),
    [
        pytest.param(
            AccessDenied(),
            "anthropic",
            401,
            {"type": "authentication_error", "message": "invalid x-api-key"},
            id="key-a",
        ),
        pytest.param(
            AccessDenied(),
            "openai",
            401,
            {"type": _INVALID, "message": "invalid x-api-key", "code": "invalid_api_key", "param": None},
            id="key-o",
        ),
        pytest.param(
            InvalidRequest("field required", field="model"),
            "anthropic",
            400,
            {"type": _INVALID, "message": "model: field required"},
            id="field-a",
        ),
        pytest.param(
            InvalidRequest("field required", field="model"),
            "openai",
            400,
            {"type": _INVALID, "message": "model: field required", "code": None, "param": "model"},
            id="field-o",
        ),
        pytest.param(
            InvalidRequest("no threads", details={"error_code": "x"}),
            "anthropic",
            400,
            {"type": _INVALID, "message": "no threads", "details": {"error_code": "x"}},
            id="details",
        ),
        pytest.param(
            InvalidRequest("model: x is not known here", status=404, code="model_not_found"),
            "anthropic",
            404,
            {"type": "not_found_error", "message": "model: x is not known here"},
            id="model-a",
        ),
        pytest.param(
            InvalidRequest("model: x is not known here", status=404, code="model_not_found"),
            "openai",
            404,
            {
                "type": _INVALID,
                "message": "model: x is not known here",
                "code": "model_not_found",
                "param": None,
            },
            id="model-o",
        ),
        pytest.param(
            InvalidRequest("method not allowed", status=405),
            "anthropic",
            405,
            {"type": _INVALID, "message": "method not allowed"},
            id="method",
        ),
        pytest.param(
            InvalidRequest("too large", status=413),
            "anthropic",
            413,
            {"type": "request_too_large", "message": "too large"},
            id="large-a",
        ),
        pytest.param(
            InvalidRequest("too large", status=413),
            "openai",
            413,
            {"type": _INVALID, "message": "too large", "code": "request_too_large", "param": None},
            id="large-o",
        ),
        pytest.param(
            NoProvider(),
            "anthropic",
            503,
            {"type": "api_error", "message": "no provider is enabled: enable one in config.yaml"},
            id="provider-a",
        ),
        pytest.param(
            NoProvider(),
            "openai",
            503,
            {
                "type": "server_error",
                "message": "no provider is enabled: enable one in config.yaml",
                "code": "no_provider",
                "param": None,
            },
            id="provider-o",
        ),
    ],
)
def test_refusal(
    error: InvalidRequest | AccessDenied | NoProvider, family: Family, status: int, expected: dict[str, Any]
) -> None:
    """A request that goes nowhere is refused in its client's own shape."""
    response = refusal_response(error, family, "req_1")
    assert (status, expected) == (response.status, _error(response))


def test_missing_provider_is_not_worth_a_retry() -> None:
    """Clients are told not to repeat what only the operator can mend."""
    assert ((b"x-should-retry", b"false"),) == refusal_response(NoProvider(), "anthropic", "req_1").headers


@pytest.mark.parametrize(("family", "kind"), [("anthropic", "api_error"), ("openai", "server_error")])
def test_internal_error(family: Family, kind: str) -> None:
    """A bug of ours is a 500 that says nothing else."""
    response = internal_error_response(family, "req_1")
    error = _error(response)
    assert (500, kind, "internal error") == (response.status, error["type"], error["message"])
