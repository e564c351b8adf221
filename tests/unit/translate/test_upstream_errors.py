"""The upstream's own error as clients of the Responses API read it, and as Chat clients do not (wire-mapping 7.3)."""

from typing import Any

import msgspec
import pytest

from packyproxy.errors import Failure, FailureKind, Tried
from packyproxy.translate.failures import (
    ErrorResponse,
    classify_error_object,
    classify_response,
    mask_secrets,
    transport_failure,
)
from tests.support.exhausted import NOW, error_in, message_in, respond, respond_to

_INVALID = "invalid_request_error"
_USAGE_LIMIT = {
    "type": "usage_limit_reached",
    "message": "The usage limit has been reached",
    "plan_type": "plus",
    "resets_at": NOW + 7200,
    "resets_in_seconds": 7200,
    "eligible_promo": None,
}


def _http(status: int, error: Any = None, **headers: str) -> Failure:
    body = b"" if error is None else msgspec.json.encode({"error": error})
    return classify_response(status, {name.replace("_", "-"): headers[name] for name in headers}, body)


def _own(failure: Failure, **changes: Any) -> ErrorResponse:
    return respond_to(failure, "openai", keeps_upstream_error=True, **changes)


def _form(kind: str, message: str, code: str | None = None, param: str | None = None) -> dict[str, Any]:
    return {"message": message, "type": kind, "param": param, "code": code}


_PC = " (provider: pc)"
_UNPAID = {"message": "pay", "type": "insufficient_quota", "param": None, "code": "insufficient_quota"}


@pytest.mark.parametrize(
    ("status", "error", "own_status", "chat_status", "chat"),
    [
        pytest.param(
            400,
            {"message": "too long", "code": "context_length_exceeded", "param": "input", "type": _INVALID},
            400,
            400,
            _form(_INVALID, "too long", "context_length_exceeded", "input"),
            id="context",
        ),
        pytest.param(
            400,
            {"message": "could not be verified", "code": "invalid_encrypted_content"},
            400,
            400,
            _form(_INVALID, "could not be verified" + _PC, "invalid_encrypted_content"),
            id="reasoning",
        ),
        pytest.param(
            400,
            {"message": "Unsupported parameter: 'top_p'", "code": "unsupported_value", "param": "top_p"},
            400,
            400,
            _form(_INVALID, "Unsupported parameter: 'top_p'" + _PC, "unsupported_parameter", "top_p"),
            id="parameter",
        ),
        pytest.param(
            422,
            {"message": "no", "code": "bad_item", "param": "input[3].type"},
            422,
            400,
            _form(_INVALID, "no" + _PC, "bad_item", "input[3].type"),
            id="request",
        ),
        pytest.param(
            403,
            {"message": "no", "code": "cyber_policy"},
            403,
            400,
            _form(_INVALID, "no" + _PC, "cyber_policy"),
            id="policy",
        ),
        pytest.param(
            403,
            {"message": "no", "param": "model"},
            403,
            403,
            _form("permission_error", "no" + _PC, "upstream_forbidden", "model"),
            id="forbidden",
        ),
        pytest.param(
            429,
            {"message": "upgrade", "type": "usage_not_included", "plan_type": "free"},
            429,
            403,
            _form("permission_error", "upgrade" + _PC, "usage_not_included"),
            id="not-included",
        ),
        pytest.param(
            402,
            _UNPAID,
            402,
            429,
            _form("insufficient_quota", "pay" + _PC, "insufficient_quota"),
            id="billing",
        ),
        pytest.param(
            404,
            {"message": "no such", "code": "model_not_found", "param": "model"},
            404,
            404,
            _form(_INVALID, "no such" + _PC, "model_not_found", "model"),
            id="model",
        ),
        pytest.param(
            413,
            {"message": "large"},
            413,
            413,
            _form(_INVALID, "large" + _PC, "request_too_large"),
            id="large",
        ),
        pytest.param(
            409, {"message": "again"}, 409, 502, _form("server_error", "again" + _PC), id="conflict"
        ),
        pytest.param(
            429,
            _USAGE_LIMIT,
            429,
            429,
            _form(
                "rate_limit_error",
                "usage limit reached for pc (plan plus); resets at 2030-01-02T03:00:00Z (in 2h); wait or enable "
                "another provider",
                "usage_limit_reached",
            ),
            id="quota",
        ),
        pytest.param(
            429,
            {"message": "slow", "code": "rate_limit_exceeded"},
            429,
            429,
            _form("rate_limit_error", "slow" + _PC, "rate_limit_exceeded"),
            id="rate",
        ),
        pytest.param(
            503,
            {"message": "busy", "code": "server_is_overloaded"},
            503,
            503,
            _form("server_error", "busy" + _PC, "server_overloaded"),
            id="overloaded",
        ),
        pytest.param(
            529,
            {"message": "busy", "type": "overloaded_error"},
            529,
            503,
            _form("server_error", "busy" + _PC, "server_overloaded"),
            id="529",
        ),
        pytest.param(500, {"message": "oops"}, 500, 502, _form("server_error", "oops" + _PC), id="500"),
        pytest.param(503, {"message": "oops"}, 503, 503, _form("server_error", "oops" + _PC), id="503"),
        pytest.param(504, {"message": "late"}, 504, 504, _form("server_error", "late" + _PC), id="504"),
        pytest.param(408, {"message": "late"}, 408, 504, _form("server_error", "late" + _PC), id="408"),
        pytest.param(418, {"message": "tea"}, 418, 502, _form("server_error", "tea" + _PC), id="418"),
    ],
)
def test_an_error_object_is_shown_as_it_came(
    status: int, error: dict[str, Any], own_status: int, chat_status: int, chat: dict[str, Any]
) -> None:
    """Clients of the Responses API get the upstream's status and object, those of Chat the form of 8.3."""
    failure = _http(status, error)
    own, told = _own(failure), respond_to(failure, "openai")
    assert (own_status, {"error": error}) == (own.status, msgspec.json.decode(own.body))
    assert (chat_status, chat) == (told.status, error_in(told))


@pytest.mark.parametrize(
    ("failure", "status", "error"),
    [
        pytest.param(
            _http(401, {"message": "Incorrect API key", "code": "invalid_api_key"}),
            502,
            _form("server_error", "upstream rejected the gateway's credentials" + _PC, "upstream_auth"),
            id="401",
        ),
        pytest.param(
            _http(400, {"message": "Incorrect API key", "code": "invalid_api_key"}),
            502,
            _form("server_error", "upstream rejected the gateway's credentials" + _PC, "upstream_auth"),
            id="key-under-400",
        ),
        pytest.param(
            _http(404, {"message": "Not Found"}),
            502,
            _form(
                "server_error",
                "the upstream has no Responses endpoint there: check the provider's base-url" + _PC,
            ),
            id="wrong-url",
        ),
        pytest.param(
            _http(302, {"message": "elsewhere"}),
            502,
            _form(
                "server_error",
                "the upstream answered with a redirect, which is never followed: check the provider's base-url"
                + _PC,
            ),
            id="redirect",
        ),
    ],
)
def test_what_the_operator_must_mend_is_told_in_our_words(
    failure: Failure, status: int, error: dict[str, Any]
) -> None:
    """An upstream's words about the gateway's key or address are not for its clients."""
    response = _own(failure)
    assert (status, error) == (response.status, error_in(response))


@pytest.mark.parametrize(
    "failure",
    [
        pytest.param(classify_response(429, {}, b'{"detail":"slow down"}'), id="detail"),
        pytest.param(classify_response(429, {}, b'{"error":"slow down"}'), id="text"),
        pytest.param(classify_response(503, {}, b"<html><title>busy</title>"), id="html"),
        pytest.param(classify_response(500, {}, b""), id="empty"),
        pytest.param(classify_response(200, {}, b'{"error":{"message":"no"}}'), id="under-200"),
        pytest.param(classify_response(999, {}, b'{"error":{"message":"no"}}'), id="no-status"),
        pytest.param(classify_error_object(b'{"error":{"code":"rate_limit_exceeded"}}'), id="stream"),
        *(pytest.param(transport_failure(FailureKind(kind)), id=kind) for kind in ("unreachable", "tls")),
    ],
)
def test_without_an_error_object_both_surfaces_are_told_the_same(failure: Failure) -> None:
    """Only the error object of an HTTP refusal is shown as it came."""
    assert respond_to(failure, "openai") == _own(failure)


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        pytest.param(classify_response(429, {}, b'{"detail":"usage limit"}'), {}, id="detail"),
        pytest.param(
            classify_response(429, {"retry-after": "1.5"}, b'{"error":"usage limit"}'),
            {"resets_at": int(NOW) + 2},
            id="header",
        ),
        pytest.param(
            classify_error_object(
                b'{"code":"usage_limit_reached","plan_type":"pro","resets_at":"1893553199.5"}'
            ),
            {"plan_type": "pro", "resets_at": int(NOW) + 7200},
            id="stream",
        ),
    ],
)
def test_a_used_up_quota_has_one_form(failure: Failure, told: dict[str, object]) -> None:
    """However it was told, the Codex CLI knows it by its type, and reads the plan and the time in the object."""
    response = _own(failure)
    error = error_in(response)
    assert error.pop("message").startswith("usage limit reached for ")
    known = {"type": "usage_limit_reached", "code": "usage_limit_reached", "param": None}
    assert (429, {**known, **told}) == (response.status, error)


def test_the_status_401_is_never_shown() -> None:
    """A client would ask its user for another key of the gateway's."""
    response = _own(_http(401, _USAGE_LIMIT))
    assert (429, _USAGE_LIMIT) == (response.status, error_in(response))


def test_in_a_stream_the_code_of_the_row_is_told() -> None:
    """There clients read ``code``, which an object that names a type may lack."""
    error = error_in(_own(_http(429, _USAGE_LIMIT), in_stream=True))
    assert "usage_limit_reached" == error["code"]


@pytest.mark.parametrize(
    ("failure", "headers"),
    [
        pytest.param(
            _http(429, _USAGE_LIMIT),
            {
                b"retry-after": b"7200",
                b"x-should-retry": b"false",
                b"x-ratelimit-remaining-requests": b"0",
                b"x-ratelimit-reset-requests": b"7200s",
            },
            id="quota",
        ),
        pytest.param(
            _http(429, {"code": "rate_limit_exceeded"}, retry_after="2"),
            {b"retry-after": b"2", b"x-should-retry": b"true"},
            id="rate-limit",
        ),
        pytest.param(
            _http(503, {"code": "server_is_overloaded"}),
            {b"retry-after": b"5", b"x-should-retry": b"true"},
            id="overloaded",
        ),
        pytest.param(
            _http(400, {"message": "Selected model is at capacity"}),
            {b"retry-after": b"5", b"x-should-retry": b"true"},
            id="overloaded-under-400",
        ),
        pytest.param(
            _http(503, {"code": "server_error"}, retry_after="7"),
            {b"retry-after": b"7", b"x-should-retry": b"true"},
            id="broken-under-503",
        ),
        pytest.param(_http(500, {"message": "oops"}), {b"x-should-retry": b"true"}, id="broken"),
        pytest.param(
            _http(402, _UNPAID), {b"retry-after": b"3600", b"x-should-retry": b"false"}, id="billing"
        ),
        pytest.param(_http(418, {"message": "tea"}), {b"x-should-retry": b"false"}, id="unheard-of"),
        pytest.param(_http(400, {"message": "no"}), {}, id="request"),
        pytest.param(
            _http(429, {"type": "usage_not_included"}),
            {b"x-should-retry": b"false"},
            id="forbidden-under-429",
        ),
    ],
)
def test_headers_beside_an_error_object(failure: Failure, headers: dict[bytes, bytes]) -> None:
    """When to come back is told as beside any other error, whatever the status that it came with."""
    assert headers == dict(_own(failure).headers)


def _resting(
    provider: str, kind: str, rests_seconds: float, error: dict[str, Any] | None = None, status: int = 429
) -> Tried:
    failure = Failure(
        kind=FailureKind(kind),
        status=None if error is None else status,
        error_object=None if error is None else msgspec.json.encode(error),
    )
    return Tried(provider=provider, failure=failure, was_asked=False, available_at=NOW + rests_seconds)


def test_a_resting_provider_tells_the_object_again() -> None:
    """Whoever meets the rest reads the error that began it, with the span that is left of it."""
    response = respond(_resting("a", "quota", 40.5, _USAGE_LIMIT), family="openai", keeps_upstream_error=True)
    assert (429, {**_USAGE_LIMIT, "resets_in_seconds": 41}, b"41") == (
        response.status,
        error_in(response),
        dict(response.headers)[b"retry-after"],
    )


_BUSY = {"code": "server_is_overloaded", "message": "busy"}


@pytest.mark.parametrize(
    ("tried", "status", "told"),
    [
        pytest.param(
            [_resting("a", "quota", 900, {"code": "a"}), _resting("b", "quota", 90, {"code": "b"})],
            429,
            "b",
            id="earliest-quota",
        ),
        pytest.param(
            [_resting("a", "billing", 9, {"code": "a"}, 402), _resting("b", "quota", 90, {"code": "b"})],
            429,
            "b",
            id="quota-before-billing",
        ),
        pytest.param([_resting("a", "billing", 9, {"code": "a"}, 402)], 402, "a", id="billing"),
        pytest.param(
            [_resting("a", "quota", 9, {"code": "a"}), _resting("b", "overloaded", 90, _BUSY, 503)],
            503,
            "server_is_overloaded",
            id="overload-before-quota",
        ),
        pytest.param(
            [_resting("a", "quota", 9, {"code": "a"}), _resting("b", "idle_timeout", 90)],
            503,
            None,
            id="silence-before-quota",
        ),
        pytest.param([_resting("a", "quota", 9)], 429, "usage_limit_reached", id="no-object"),
    ],
)
def test_of_several_resting_providers_one_is_told(tried: list[Tried], status: int, told: str | None) -> None:
    """The object is that of the provider which decides the answer; without one the form of 8.3 is told."""
    response = respond(*tried, family="openai", keeps_upstream_error=True)
    assert (status, told) == (response.status, error_in(response).get("code"))


def test_a_rest_without_an_object_says_when_it_ends() -> None:
    """A limit that was told in another form rests in the form that the Codex CLI reads."""
    response = respond(_resting("a", "quota", 40.5), family="openai", keeps_upstream_error=True)
    error = error_in(response)
    assert (429, "usage_limit_reached", NOW + 41) == (response.status, error["type"], error["resets_at"])


def test_chat_clients_read_of_rests_in_our_words() -> None:
    """A stored object changes nothing for who is not shown it."""
    told = [
        respond(_resting("a", "quota", 40.5, error, 400), family="openai") for error in (_USAGE_LIMIT, None)
    ]
    assert told[0] == told[1]


_COMPACT = "compact is not supported by any configured provider"


def _lacking(provider: str) -> Tried:
    failure = Failure(
        kind=FailureKind.NOT_OFFERED, message=_COMPACT, status=404, error_object=b'{"message":"Not Found"}'
    )
    return Tried(provider=provider, failure=failure)


@pytest.mark.parametrize("count", [1, 3])
def test_what_nobody_offers(count: int) -> None:
    """It is told of all providers at once, and not as what one of them said."""
    response = respond(
        *(_lacking(f"p{index}") for index in range(count)), family="openai", keeps_upstream_error=True
    )
    assert (404, _form(_INVALID, _COMPACT, "not_found"), ((b"x-should-retry", b"false"),)) == (
        response.status,
        error_in(response),
        response.headers,
    )


@pytest.mark.parametrize(
    ("others", "status", "message"),
    [
        pytest.param(
            [Tried(provider="b", failure=transport_failure(FailureKind.TLS))],
            502,
            "TLS verification failed (provider: b); also tried: a (the provider does not offer this)",
            id="asked",
        ),
        pytest.param(
            [_resting("b", "quota", 60)],
            429,
            "no provider can serve now: a (the provider does not offer this), b (resting until "
            "2030-01-02T01:01:00Z after: usage limit reached); try again in 1m",
            id="resting",
        ),
    ],
)
def test_who_may_offer_it_is_told_first(others: list[Tried], status: int, message: str) -> None:
    """Where somebody else might have served the request, it is not said that nobody can."""
    response = respond(_lacking("a"), *others, family="openai", keeps_upstream_error=True)
    assert (status, message) == (response.status, message_in(response))


_KEY = "pk_live_1234"


def test_an_error_object_holds_no_secret() -> None:
    """A key that the upstream quotes is masked in every member, escaped or not."""
    body = (
        b'{"error":{"message":"key pk_live_1234","code":"pk_live_1234","x":["\\u0070k_live_1234","sk-abcd"]}}'
    )
    response = _own(classify_response(400, {}, body, secrets=[_KEY]))
    assert {"message": "key ***", "code": "***", "x": ["***", "***"]} == error_in(response)


@pytest.mark.parametrize("is_kept", [False, True], ids=["chat", "responses"])
def test_a_failure_read_without_its_secrets_is_masked_later(*, is_kept: bool) -> None:
    """Text, code, parameter and object may each quote the key."""
    body = msgspec.json.encode({"error": dict.fromkeys(("message", "code", "param", "plan_type"), _KEY)})
    failure = mask_secrets(classify_response(400, {}, body), [_KEY])
    response = respond_to(failure, "openai", keeps_upstream_error=is_kept)
    assert (False, None) == (_KEY.encode() in response.body, failure.plan_type)


def test_repr_hides_the_object() -> None:
    """Upstream words may quote the client's content."""
    assert "canary" not in repr(_http(400, {"message": "canary"}))


def test_overflow_without_a_text() -> None:
    """A bare code is explained in our words to clients that read no numbers."""
    failure = classify_response(400, {}, b'{"error":{"code":"context_length_exceeded"}}')
    assert "the input exceeds the model's context window" == message_in(respond_to(failure, "openai"))
