"""What is read out of an upstream's error and shown of it, and errors of our own (wire-mapping 8.3, 8.6)."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from packyproxy.errors import AccessDenied, Failure, FailureKind, InvalidRequest, NoProvider
from packyproxy.translate.contract import Family
from packyproxy.translate.failures import (
    classify_error_object,
    classify_response,
    internal_error_response,
    mask_secrets,
    refusal_response,
    transport_failure,
)
from tests.support.exhausted import error_in, respond_to

_INVALID = "invalid_request_error"


def _json(**error: Any) -> bytes:
    return msgspec.json.encode({"error": error})


def _detail(text: str) -> bytes:
    return msgspec.json.encode({"detail": text})


@pytest.mark.parametrize(
    ("kind", "detail", "message"),
    [
        ("unreachable", "h", "could not connect to the upstream"),
        ("tls", "h.example", "TLS verification failed for h.example"),
        ("connect_timeout", "h", "timed out while connecting to the upstream"),
        ("headers_timeout", "", "the upstream did not answer in time"),
        ("idle_timeout", "", "the upstream fell silent"),
        ("total_timeout", "", "the request took longer than the total time limit"),
        ("truncated", "", "Upstream stream ended before response.completed"),
        ("cancelled", "", "The upstream cancelled the response"),
        ("bad_stream", "x", "the upstream broke the stream's format: x"),
    ],
)
def test_transport_failure(kind: str, detail: str, message: str) -> None:
    """An attempt without a readable answer has its own texts."""
    failure = transport_failure(FailureKind(kind), detail)
    assert f"{message} (provider: pc)" == error_in(respond_to(failure))["message"]


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
    response = respond_to(classify_response(status, headers, body))
    message = error_in(response)["message"]
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
        == error_in(respond_to(Failure(kind=FailureKind(kind), message="x"), in_stream=True))["type"]
    )


def test_provider_is_named_after_the_upstreams_text() -> None:
    """The message starts with what happened and ends with who said it."""
    failure = classify_response(400, {}, _detail("No such tool"))
    assert "No such tool (provider: pc)" == error_in(respond_to(failure))["message"]


def test_upstream_text_about_credentials_is_hidden() -> None:
    """A refusal of the gateway's key shows our words only."""
    failure = classify_response(401, {}, _json(message="Incorrect API key for org-canary"))
    assert (
        "upstream rejected the gateway's credentials (provider: pc)"
        == error_in(respond_to(failure))["message"]
    )


def test_restricted_clients_get_a_hint() -> None:
    """Who runs the gateway learns where to look."""
    failure = classify_response(403, {}, _json(message="only allows Codex official clients"))
    assert (
        "only allows Codex official clients: this provider restricts clients; see its terms and the provider's "
        "headers setting (provider: pc)"
    ) == error_in(respond_to(failure))["message"]


def test_an_empty_body_is_told_by_its_status() -> None:
    """Without any text the status is what happened."""
    assert "HTTP 500 (provider: pc)" == error_in(respond_to(classify_response(500, {}, b"")))["message"]


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
            {"type": _INVALID, "message": "invalid API key", "code": "invalid_api_key", "param": None},
            id="key-o",
        ),
        pytest.param(
            AccessDenied(is_by_host=True),
            "anthropic",
            401,
            {"type": "authentication_error", "message": "not authorized by this server"},
            id="host-a",
        ),
        pytest.param(
            AccessDenied(is_by_host=True),
            "openai",
            401,
            {
                "type": _INVALID,
                "message": "not authorized by this server",
                "code": "unauthorized",
                "param": None,
            },
            id="host-o",
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
            NoProvider(is_managed=True),
            "anthropic",
            503,
            {
                "type": "api_error",
                "message": "no provider is enabled: enable one in config.yaml "
                "or with PATCH /v0/management/providers/{name}",
            },
            id="provider-managed",
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
    assert (status, expected) == (response.status, error_in(response))


def test_missing_provider_is_not_worth_a_retry() -> None:
    """Clients are told not to repeat what only the operator can mend."""
    assert ((b"x-should-retry", b"false"),) == refusal_response(NoProvider(), "anthropic", "req_1").headers


@pytest.mark.parametrize(("family", "kind"), [("anthropic", "api_error"), ("openai", "server_error")])
def test_internal_error(family: Family, kind: str) -> None:
    """A bug of ours is a 500 that says nothing else."""
    response = internal_error_response(family, "req_1")
    error = error_in(response)
    assert (500, kind, "internal error") == (response.status, error["type"], error["message"])
