"""Context overflow, quotas and rate limits: the numbers, sentences and headers of wire-mapping 8.4 and 8.5."""

from typing import Any

import msgspec
import pytest

from packyproxy.errors import Failure, FailureKind
from packyproxy.translate.contract import Family
from packyproxy.translate.failure_choice import wait_seconds
from packyproxy.translate.failures import classify_response
from tests.support.exhausted import NOW, message_in, respond_to


def _quota(headers: dict[str, str] | None = None, **error: Any) -> Failure:
    body = msgspec.json.encode({"error": {"type": "usage_limit_reached", **error}})
    return classify_response(429, headers or {}, body)


def _overflow(message: str) -> Failure:
    return classify_response(400, {}, msgspec.json.encode({"error": {"message": message}}))


_SUM = (
    "This model's maximum context length is 200000 tokens. However, you requested 201000 tokens (191000 in the "
    "messages, 10000 in the completion)."
)


@pytest.mark.parametrize(
    ("message", "facts", "sentence"),
    [
        pytest.param(
            "Your input exceeds the context window of this model.",
            {},
            "prompt is too long: 272001 tokens > 272000 maximum",
            id="no-numbers",
        ),
        pytest.param(
            "Your input exceeds the context window of this model.",
            {"input_tokens_estimate": 300_000},
            "prompt is too long: 300000 tokens > 272000 maximum",
            id="estimate",
        ),
        pytest.param(
            "This model's maximum context length is 128000 tokens, however your messages resulted in 130,500 tokens.",
            {},
            "prompt is too long: 130500 tokens > 128000 maximum",
            id="both-numbers",
        ),
        pytest.param(
            "prompt is too long: 210000 tokens > 200000 maximum",
            {},
            "prompt is too long: 210000 tokens > 200000 maximum",
            id="anthropic-text",
        ),
        pytest.param(
            "maximum context length is 128000",
            {"input_tokens_estimate": 5},
            "prompt is too long: 128001 tokens > 128000 maximum",
            id="limit-only",
        ),
        pytest.param(
            _SUM,
            {"max_tokens": 10_000},
            "input length and `max_tokens` exceed context limit: 191000 + 10000 > 200000, decrease input length or "
            "`max_tokens` and try again",
            id="input-plus-output",
        ),
        pytest.param(
            "maximum context length is 200000 tokens; you requested 201000 tokens including max_tokens",
            {"max_tokens": 10_000},
            "input length and `max_tokens` exceed context limit: 190001 + 10000 > 200000, decrease input length or "
            "`max_tokens` and try again",
            id="sum-only",
        ),
        pytest.param(
            "exceeds the context window",
            {"input_tokens_estimate": 100, "max_tokens": 64_000},
            "prompt is too long: 272001 tokens > 272000 maximum",
            id="output-limit-was-not-sent",
        ),
        pytest.param(
            _SUM,
            {"max_tokens": None},
            "prompt is too long: 200001 tokens > 200000 maximum",
            id="no-output-limit",
        ),
        pytest.param(
            "exceeds the context window",
            {"input_tokens_estimate": 100, "max_tokens": 64_000, "max_tokens_was_sent": True},
            "input length and `max_tokens` exceed context limit: 208001 + 64000 > 272000, decrease input length or "
            "`max_tokens` and try again",
            id="output-limit-was-sent",
        ),
        pytest.param(
            "exceeds the context window",
            {"input_tokens_estimate": 280_000, "max_tokens": 64_000, "max_tokens_was_sent": True},
            "prompt is too long: 280000 tokens > 272000 maximum",
            id="input-alone-is-too-long",
        ),
    ],
)
def test_overflow_sentence(message: str, facts: dict[str, Any], sentence: str) -> None:
    """Claude Code reads both numbers from an exact sentence, the first above the second."""
    assert sentence == message_in(respond_to(_overflow(message), **facts))


def test_overflow_keeps_the_upstreams_text_for_openai() -> None:
    """OpenAI clients know overflow by its code and keep the text."""
    assert _SUM == message_in(respond_to(_overflow(_SUM), "openai"))


@pytest.mark.parametrize(
    ("headers", "error", "wait"),
    [
        pytest.param({"retry-after-ms": "1500", "retry-after": "9"}, {}, 1.5, id="retry-after-ms"),
        pytest.param({"retry-after": "7.5"}, {"resets_in_seconds": 99}, 7.5, id="retry-after-seconds"),
        pytest.param({"retry-after": "Wed, 02 Jan 2030 01:00:30 GMT"}, {}, 30, id="retry-after-date"),
        pytest.param({"retry-after": "soon"}, {"resets_in_seconds": 99}, 99, id="retry-after-unreadable"),
        pytest.param({}, {"resets_at": NOW + 7200, "resets_in_seconds": 1}, 7200, id="resets-at"),
        pytest.param({}, {"resets_at": (NOW + 7200) * 1000}, 7200, id="resets-at-milliseconds"),
        pytest.param({}, {"resets_at": NOW - 5}, 0, id="resets-at-past"),
        pytest.param({}, {"resets_at": 1e300, "resets_in_seconds": "3600"}, 3600, id="resets-in-seconds"),
        pytest.param(
            {"x-codex-primary-used-percent": "100", "x-codex-primary-reset-at": str(NOW + 60)},
            {},
            60,
            id="codex-at",
        ),
        pytest.param(
            {
                "x-codex-primary-used-percent": "100.0",
                "x-codex-primary-reset-after-seconds": "90",
                "x-codex-secondary-used-percent": "100",
                "x-codex-secondary-reset-after-seconds": "80",
            },
            {},
            90,
            id="codex-later-of-two",
        ),
        pytest.param(
            {
                "x-codex-primary-used-percent": "99",
                "x-codex-primary-reset-after-seconds": "90",
                "x-codex-secondary-used-percent": "100",
                "x-codex-secondary-reset-after-seconds": "80",
            },
            {},
            80,
            id="codex-full-one",
        ),
        pytest.param(
            {
                "x-codex-primary-used-percent": "100",
                "x-codex-primary-reset-after-seconds": "90",
                "x-codex-secondary-used-percent": "100",
                "x-codex-secondary-reset-at": str(NOW + 80),
            },
            {},
            80,
            id="codex-mixed",
        ),
        pytest.param(
            {
                "x-codex-primary-used-percent": "100",
                "x-codex-primary-reset-at": str(NOW + 50),
                "x-codex-secondary-used-percent": "100",
                "x-codex-secondary-reset-at": str(NOW + 40),
            },
            {},
            50,
            id="codex-later-moment",
        ),
        pytest.param({"x-codex-primary-used-percent": "100"}, {}, 60, id="codex-without-time"),
        pytest.param({}, {"message": "Please try again in 1.898s."}, 1.898, id="text-seconds"),
        pytest.param({}, {"message": "try again in 250ms"}, 0.25, id="text-milliseconds"),
        pytest.param({}, {"message": "Try again in 6m0s"}, 360, id="text-minutes"),
        pytest.param({}, {"message": "try again in 2 hours 5 minutes."}, 7500, id="text-words"),
        pytest.param({}, {"message": "try again in 1 day and 2 hours"}, 93_600, id="text-days"),
        pytest.param({"retry-after": "inf"}, {}, 60, id="nothing-usable"),
    ],
)
def test_quota_reset_time(headers: dict[str, str], error: dict[str, Any], wait: float) -> None:
    """The sources of a reset time are asked in their order; a quota without any is 60 seconds."""
    assert wait == pytest.approx(wait_seconds(_quota(headers, **error), NOW))


@pytest.mark.parametrize(
    ("status", "wait"),
    [
        pytest.param(429, 5.0, id="rate-limit"),
        pytest.param(402, 3600.0, id="billing"),
        pytest.param(503, 5.0, id="unavailable"),
        pytest.param(500, None, id="server-error"),
    ],
)
def test_implied_wait(status: int, wait: float | None) -> None:
    """A kind may imply a wait that the upstream did not name."""
    assert wait == wait_seconds(classify_response(status, {}, b""), NOW)


def test_full_window_delays_limits_only() -> None:
    """A used-up window beside a server error says nothing about that error."""
    headers = {"x-codex-primary-used-percent": "100", "x-codex-primary-reset-after-seconds": "90"}
    assert wait_seconds(classify_response(500, headers, b""), NOW) is None


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        pytest.param(
            {"plan_type": "plus", "resets_at": 1_893_553_445},
            "usage limit reached for pc (plan plus); resets at 2030-01-02T03:04:05Z (in 2h 5m); wait or enable another "
            "provider",
            id="all",
        ),
        pytest.param({}, "usage limit reached for pc; wait or enable another provider", id="nothing-known"),
        pytest.param(
            {"resets_in_seconds": 45},
            "usage limit reached for pc; resets at 2030-01-02T01:00:45Z (in 45s); wait or enable another provider",
            id="seconds",
        ),
        pytest.param(
            {"resets_in_seconds": 300},
            "usage limit reached for pc; resets at 2030-01-02T01:05:00Z (in 5m); wait or enable another provider",
            id="minutes",
        ),
        pytest.param(
            {"resets_in_seconds": 200_000},
            "usage limit reached for pc; resets at 2030-01-04T08:33:20Z (in 2d 8h); wait or enable another provider",
            id="days",
        ),
    ],
)
def test_quota_sentence(error: dict[str, Any], sentence: str) -> None:
    """The quota sentence tells who, until when and what to do, and leaves out what nobody said."""
    failure = _quota(message="The usage limit has been reached", **error)
    assert (sentence, sentence) == (
        message_in(respond_to(failure)),
        message_in(respond_to(failure, "openai")),
    )


def test_rate_limit_keeps_the_upstreams_text() -> None:
    """A rate limit is explained by whoever set it."""
    failure = classify_response(429, {}, b'{"error":{"message":"30 requests per minute"}}')
    assert "30 requests per minute (provider: pc)" == message_in(respond_to(failure))


def test_rate_limit_without_text() -> None:
    """A silent 429 is a rate limit in words."""
    assert "rate limit reached (provider: pc)" == message_in(respond_to(classify_response(429, {}, b"")))


_RESET = b"2030-01-02T03:00:00Z"


@pytest.mark.parametrize(
    ("failure", "family", "headers"),
    [
        pytest.param(
            _quota(resets_at=NOW + 7200),
            "anthropic",
            {
                b"retry-after": b"7200",
                b"x-should-retry": b"false",
                b"anthropic-ratelimit-requests-limit": b"0",
                b"anthropic-ratelimit-requests-remaining": b"0",
                b"anthropic-ratelimit-requests-reset": _RESET,
            },
            id="quota-a",
        ),
        pytest.param(
            _quota(resets_at=NOW + 7200),
            "openai",
            {
                b"retry-after": b"7200",
                b"x-should-retry": b"false",
                b"x-ratelimit-remaining-requests": b"0",
                b"x-ratelimit-reset-requests": b"7200s",
            },
            id="quota-o",
        ),
        pytest.param(
            classify_response(429, {"retry-after": "0.2"}, b""),
            "anthropic",
            {b"retry-after": b"1", b"x-should-retry": b"true"},
            id="rate-limit-short",
        ),
        pytest.param(
            classify_response(429, {"retry-after": "60"}, b""),
            "openai",
            {b"retry-after": b"60", b"x-should-retry": b"true"},
            id="rate-limit-one-minute",
        ),
        pytest.param(
            classify_response(503, {"retry-after": "61"}, b""),
            "anthropic",
            {b"retry-after": b"61", b"x-should-retry": b"false"},
            id="unavailable-long",
        ),
        pytest.param(
            classify_response(529, {}, b""),
            "anthropic",
            {b"retry-after": b"5", b"x-should-retry": b"true"},
            id="overloaded",
        ),
        pytest.param(
            classify_response(402, {}, b""), "anthropic", {b"x-should-retry": b"false"}, id="billing-a"
        ),
        pytest.param(
            classify_response(402, {}, b""),
            "openai",
            {b"retry-after": b"3600", b"x-should-retry": b"false"},
            id="billing-o",
        ),
        pytest.param(
            classify_response(500, {}, b""), "anthropic", {b"x-should-retry": b"true"}, id="server-error"
        ),
        pytest.param(
            classify_response(504, {}, b""), "anthropic", {b"x-should-retry": b"true"}, id="timeout"
        ),
        pytest.param(
            classify_response(401, {}, b""), "anthropic", {b"x-should-retry": b"false"}, id="credentials"
        ),
        pytest.param(classify_response(400, {}, b""), "anthropic", {}, id="client-error"),
        pytest.param(Failure(kind=FailureKind.CONTEXT_OVERFLOW), "anthropic", {}, id="context"),
    ],
)
def test_headers(failure: Failure, family: Family, headers: dict[bytes, bytes]) -> None:
    """Clients learn when to come back, and whether to."""
    assert headers == dict(respond_to(failure, family).headers)


def test_far_future_is_still_a_date() -> None:
    """No reset time, however far, breaks the answer."""
    failure = Failure(kind=FailureKind.QUOTA, retry_after_seconds=2.53e11)
    assert b"9999-12-31T23:59:59Z" == dict(respond_to(failure).headers)[b"anthropic-ratelimit-requests-reset"]
