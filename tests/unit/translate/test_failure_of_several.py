"""One error for several providers: which failure is told, who else is named, when to come back."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from packyproxy.errors import Failure, FailureKind, Tried
from packyproxy.translate.contract import Family
from packyproxy.translate.failure_choice import most_useful
from packyproxy.translate.failure_table import FAILURES, Usefulness
from packyproxy.translate.failures import ErrorResponse, classify_response
from tests.support.exhausted import NOW, message_in, respond


def _asked(kind: str, provider: str = "a", *, rests_seconds: float | None = None, **failure: Any) -> Tried:
    """Make the record of a provider that was asked; its cooldown is counted from now."""
    at = None if rests_seconds is None else NOW + rests_seconds
    return Tried(provider=provider, failure=Failure(kind=FailureKind(kind), **failure), available_at=at)


def _passed(kind: str, provider: str = "a", *, rests_seconds: float | None = None) -> Tried:
    """Make the record of a provider that was passed over."""
    at = None if rests_seconds is None else NOW + rests_seconds
    failure = Failure(kind=FailureKind(kind), message=FAILURES[FailureKind(kind)].text)
    return Tried(provider=provider, failure=failure, was_asked=False, available_at=at)


def _told(response: ErrorResponse) -> tuple[int, str]:
    return response.status, msgspec.json.decode(response.body)["error"]["type"]


_ORDER = [
    "context_overflow",
    "invalid_request",
    "forbidden",
    "quota",
    "rate_limit",
    "overloaded",
    "idle_timeout",
    "server_error",
    "model_not_found",
    "credentials_rejected",
]
"""One kind of each rank, the most useful first."""


@pytest.mark.parametrize(
    ("more", "less"),
    [
        pytest.param(more, less, id=f"{more}-over-{less}")
        for index, more in enumerate(_ORDER)
        for less in _ORDER[index + 1 :]
    ],
)
def test_the_most_useful_failure_wins(more: str, less: str) -> None:
    """What the client can act on is told first, whoever was asked first."""
    one, other = _asked(more, "one"), _asked(less, "other")
    assert ("one", "one") == (most_useful([one, other]).provider, most_useful([other, one]).provider)


def test_of_two_quotas_the_earlier_reset_wins() -> None:
    """Between equals the client hears of the one that is over first."""
    tried = [
        _asked("quota", "late", rests_seconds=900, reset_at=NOW + 900),
        _asked("quota", "early", reset_at=NOW + 90),
        _asked("quota", "unknown"),
    ]
    assert "early" == most_useful(tried).provider


@pytest.mark.parametrize("kind", ["not_offered", "invalid_reasoning"])
@pytest.mark.parametrize("other", [*map(_asked, _ORDER), _passed("quota", rests_seconds=9)])
def test_who_is_unable_is_told_last(kind: str, other: Tried) -> None:
    """That a provider lacks an endpoint, or cannot read what another one has encrypted, hides no other failure."""
    unable = _asked(kind, "unable")
    assert other == most_useful([unable, other]) == most_useful([other, unable])


def test_who_lacks_the_endpoint_is_told_after_who_cannot_read() -> None:
    """The endpoint is there, so it is the history that nobody can read."""
    tried = [_asked("not_offered", "lacks"), _asked("invalid_reasoning", "unread")]
    assert "unread" == most_useful(tried).provider


def test_of_equals_the_first_wins() -> None:
    """Nothing speaks for the later of two equal failures."""
    assert "one" == most_useful([_asked("tls", "one"), _asked("wrong_url", "two")]).provider


def test_who_was_asked_counts_before_who_was_not() -> None:
    """A fresh answer says more about this request than an old one."""
    assert "asked" == most_useful([_passed("quota", "resting"), _asked("tls", "asked")]).provider


@pytest.mark.parametrize("family", ["anthropic", "openai"])
@pytest.mark.parametrize("rests_seconds", [None, 0.5])
def test_a_single_provider_is_not_told_as_one_of_several(family: Family, rests_seconds: float | None) -> None:
    """Where only one was asked its text stands alone, whatever its cooldown."""
    response = respond(
        _asked("server_error", message="oops", status=500, rests_seconds=rests_seconds), family=family
    )
    assert ("oops (provider: a)", ((b"x-should-retry", b"true"),)) == (message_in(response), response.headers)


@pytest.mark.parametrize(
    ("tried", "message"),
    [
        pytest.param(
            [_asked("server_error", "a", message="oops"), _asked("unreachable", "b", message="secret host")],
            "oops (provider: a); also tried: b (could not connect to the upstream)",
            id="both-asked",
        ),
        pytest.param(
            [
                _asked("server_error", "a", message="oops", status=500, rests_seconds=2),
                _asked("server_error", "b", message="our words only", status=502, rests_seconds=1),
            ],
            "our words only (provider: b); also tried: a (HTTP 500); try again in 1s",
            id="told-by-status",
        ),
        pytest.param(
            [
                _asked("server_error", "a", status=502, message="oops"),
                _asked("server_error", "b", status=200),
            ],
            "oops (provider: a); also tried: b (the upstream failed)",
            id="a-success-is-no-reason",
        ),
        pytest.param(
            [
                _passed("overloaded", "b", rests_seconds=7),
                _passed("credentials_rejected", "c"),
                _asked("idle_timeout", "a", message="the upstream fell silent", rests_seconds=30),
            ],
            "the upstream fell silent (provider: a); also tried: b (resting until 2030-01-02T01:00:07Z after: "
            "the upstream is overloaded), c (not asked after: upstream rejected the gateway's credentials); "
            "try again in 7s",
            id="some-passed-over",
        ),
        pytest.param(
            [
                _asked("quota", "a", plan_type="plus", reset_at=NOW + 36_000, rests_seconds=36_000),
                _asked("server_error", "b", rests_seconds=2),
            ],
            "usage limit reached for a (plan plus); resets at 2030-01-02T11:00:00Z (in 10h); wait or enable "
            "another provider; also tried: b (the upstream failed); try again in 2s",
            id="another-is-back-before-the-quota",
        ),
        pytest.param(
            [
                _asked("quota", "a", reset_at=NOW + 60, rests_seconds=60),
                _asked("quota", "b", reset_at=NOW + 90, rests_seconds=90),
            ],
            "usage limit reached for a; resets at 2030-01-02T01:01:00Z (in 1m); wait or enable another provider; "
            "also tried: b (usage limit reached)",
            id="the-quota-says-when",
        ),
        pytest.param(
            [
                _asked(
                    "rate_limit", "a", message="Try again in 3s.", retry_after_seconds=3.0, rests_seconds=3
                ),
                _asked("rate_limit", "b", retry_after_seconds=9.0, rests_seconds=9),
            ],
            "Try again in 3s. (provider: a); also tried: b (rate limit reached)",
            id="the-upstream-says-when",
        ),
        pytest.param(
            [
                _asked("invalid_request", "a", message="No such tool"),
                _asked("overloaded", "b", rests_seconds=2),
            ],
            "No such tool (provider: a); also tried: b (the upstream is overloaded)",
            id="no-time-mends-the-request",
        ),
        pytest.param(
            [_asked("wrong_url", "a"), _asked("credentials_rejected", "b")],
            "the upstream has no Responses endpoint there: check the provider's base-url (provider: a); "
            "also tried: b (upstream rejected the gateway's credentials)",
            id="no-time-mends-the-configuration",
        ),
        pytest.param(
            [_asked("unreachable", str(number)) for number in range(8)],
            "could not connect to the upstream (provider: 0); also tried: "
            + ", ".join(f"{number} (could not connect to the upstream)" for number in range(1, 6))
            + " and 2 more",
            id="many",
        ),
    ],
)
def test_who_else_was_tried_is_named(tried: list[Tried], message: str) -> None:
    """The text goes on with the others, in our words, and ends with when to come back."""
    assert (message, message) == (message_in(respond(*tried)), message_in(respond(*tried, family="openai")))


def test_nothing_follows_the_overflow_sentence() -> None:
    """Claude Code reads that sentence as a whole, and OpenAI clients get the upstream's as it is."""
    tried = [_asked("quota", "a"), _asked("context_overflow", "b", message="exceeds the context window")]
    assert ("prompt is too long: 272001 tokens > 272000 maximum", "exceeds the context window") == (
        message_in(respond(*tried)),
        message_in(respond(*tried, family="openai")),
    )


@pytest.mark.parametrize(
    ("tried", "retry_after", "should_retry"),
    [
        pytest.param(
            [_asked("quota", rests_seconds=36_000, reset_at=NOW + 36_000), _passed("overloaded", rests_seconds=2)],
            b"2",
            b"true",
            id="another-is-back-before-the-quota",
        ),
        pytest.param(
            [_asked("quota", rests_seconds=900, reset_at=NOW + 900), _asked("quota", reset_at=NOW + 90)],
            b"90",
            b"false",
            id="earliest-of-long-waits",
        ),
        pytest.param(
            [_asked("overloaded", rests_seconds=1)], b"5", b"true", id="client-waits-longer-than-the-cooldown"
        ),
        pytest.param([_asked("overloaded", rests_seconds=16)], b"16", b"true", id="client-waits-for-the-cooldown"),
        pytest.param([_asked("overloaded", rests_seconds=61)], b"61", b"false", id="long-cooldown"),
        pytest.param(
            [_asked("forbidden"), _asked("overloaded", rests_seconds=8)], b"8", b"true", id="forbidden-and-overloaded"
        ),
        pytest.param(
            [_asked("billing", rests_seconds=3600), _passed("server_error", rests_seconds=1.5)],
            b"2",
            b"true",
            id="no-credit-and-resting",
        ),
        pytest.param(
            [_asked("tls", rests_seconds=30), _passed("server_error", rests_seconds=4)], b"4", b"true", id="tls-and-resting"
        ),
        pytest.param(
            [_asked("forbidden"), _asked("server_error")], b"1", b"true", id="another-may-serve-at-once"
        ),
        pytest.param([_asked("forbidden"), _asked("tls")], None, None, id="nothing-passes"),
        pytest.param([_asked("tls", rests_seconds=30), _asked("wrong_url")], None, b"false", id="operators-faults"),
        pytest.param(
            [_asked("forbidden"), _passed("quota", rests_seconds=7200)], None, b"false", id="forbidden-and-quota"
        ),
        pytest.param(
            [_asked("invalid_request"), _asked("overloaded", rests_seconds=8)], None, None, id="the-clients-fault"
        ),
        pytest.param(
            [_asked("server_error", rests_seconds=1), _asked("unreachable", rests_seconds=8)],
            None,
            b"true",
            id="no-retry-after-beside-502",
        ),
    ],
)  # fmt: skip
def test_when_to_come_back(tried: list[Tried], retry_after: bytes | None, should_retry: bytes | None) -> None:
    """The earliest moment at which anybody may serve decides, unless the request itself is at fault."""
    headers = dict(respond(*tried).headers)
    assert (retry_after, should_retry) == (headers.get(b"retry-after"), headers.get(b"x-should-retry"))


@pytest.mark.parametrize(
    ("family", "header", "value"),
    [
        pytest.param(
            "anthropic", b"anthropic-ratelimit-requests-reset", b"2030-01-02T01:00:02Z", id="anthropic"
        ),
        pytest.param("openai", b"x-ratelimit-reset-requests", b"2s", id="openai"),
    ],
)
def test_quota_headers_name_the_earliest_moment(family: Family, header: bytes, value: bytes) -> None:
    """A quota of hours does not hide that another provider is back in seconds."""
    tried = [_asked("quota", reset_at=NOW + 36_000), _passed("server_error", "b", rests_seconds=2)]
    assert value == dict(respond(*tried, family=family).headers)[header]


@pytest.mark.parametrize(
    ("tried", "anthropic", "openai"),
    [
        pytest.param(
            [_passed("quota", rests_seconds=600), _passed("quota", rests_seconds=60)],
            (429, "rate_limit_error"),
            (429, "rate_limit_error"),
            id="quotas",
        ),
        pytest.param(
            [_passed("quota", rests_seconds=600), _passed("billing", rests_seconds=60)],
            (429, "rate_limit_error"),
            (429, "rate_limit_error"),
            id="quota-and-billing",
        ),
        pytest.param(
            [_passed("billing", rests_seconds=60)], (402, "billing_error"), (429, "insufficient_quota"), id="billing"
        ),
        pytest.param(
            [_passed("quota", rests_seconds=600), _passed("idle_timeout", rests_seconds=60)],
            (529, "overloaded_error"),
            (503, "server_error"),
            id="quota-and-timeout",
        ),
        pytest.param(
            [_passed("quota", rests_seconds=600), _passed("credentials_rejected")],
            (429, "rate_limit_error"),
            (429, "rate_limit_error"),
            id="quota-and-rejected-key",
        ),
        pytest.param(
            [_passed("server_error", rests_seconds=1)], (529, "overloaded_error"), (503, "server_error"), id="server-error"
        ),
        pytest.param(
            [_passed("credentials_rejected")], (502, "api_error"), (502, "server_error"), id="rejected-key"
        ),
        pytest.param([_passed("tls", rests_seconds=30)], (502, "api_error"), (502, "server_error"), id="tls"),
    ],
)  # fmt: skip
def test_nobody_was_asked(tried: list[Tried], anthropic: tuple[int, str], openai: tuple[int, str]) -> None:
    """Providers that rest are told as a limit if limits are all that passes, else as an overload."""
    assert (anthropic, openai) == (_told(respond(*tried)), _told(respond(*tried, family="openai")))


@pytest.mark.parametrize(
    ("tried", "message"),
    [
        pytest.param(
            [_passed("server_error", "pc", rests_seconds=0.5)],
            "no provider can serve now: pc (resting until 2030-01-02T01:00:01Z after: the upstream failed); "
            "try again in 1s",
            id="one",
        ),
        pytest.param(
            [
                _passed("quota", "a", rests_seconds=7500),
                _passed("credentials_rejected", "b"),
                _passed("unreachable", "c", rests_seconds=12),
            ],
            "no provider can serve now: a (resting until 2030-01-02T03:05:00Z after: usage limit reached), b (not "
            "asked after: upstream rejected the gateway's credentials), c (resting until 2030-01-02T01:00:12Z "
            "after: could not connect to the upstream); try again in 12s",
            id="several",
        ),
        pytest.param(
            [_passed("credentials_rejected", "a"), _passed("tls", "b", rests_seconds=30)],
            "TLS verification failed (provider: b); also tried: a (not asked after: upstream rejected the gateway's "
            "credentials)",
            id="operators-faults",
        ),
    ],
)
def test_who_rests_is_named(tried: list[Tried], message: str) -> None:
    """Where nobody was asked the text says who rests, why and until when."""
    assert message == message_in(respond(*tried))


@pytest.mark.parametrize(
    ("tried", "headers"),
    [
        pytest.param(
            [_passed("quota", rests_seconds=600), _passed("rate_limit", rests_seconds=4)],
            {b"retry-after": b"4", b"x-should-retry": b"true"},
            id="rate-limit-passes-first",
        ),
        pytest.param(
            [_passed("quota", rests_seconds=61), _passed("rate_limit", rests_seconds=90)],
            {
                b"retry-after": b"61",
                b"x-should-retry": b"false",
                b"anthropic-ratelimit-requests-limit": b"0",
                b"anthropic-ratelimit-requests-remaining": b"0",
                b"anthropic-ratelimit-requests-reset": b"2030-01-02T01:01:01Z",
            },
            id="quota-passes-first",
        ),
        pytest.param(
            [_passed("server_error", rests_seconds=7), _passed("credentials_rejected")],
            {b"retry-after": b"7", b"x-should-retry": b"true"},
            id="overload",
        ),
        pytest.param([_passed("credentials_rejected")], {b"x-should-retry": b"false"}, id="rejected-key"),
        pytest.param([_passed("tls", rests_seconds=9)], {b"x-should-retry": b"false"}, id="tls"),
    ],
)
def test_headers_where_nobody_was_asked(tried: list[Tried], headers: dict[bytes, bytes]) -> None:
    """Resting providers say when the first of them is back."""
    assert headers == dict(respond(*tried).headers)


def test_type_inside_a_stream_of_several() -> None:
    """After the status line a timeout has a type that clients know from streams."""
    response = respond(_asked("idle_timeout"), _asked("server_error"), in_stream=True)
    assert "api_error" == _told(response)[1]


_TRIED = st.builds(
    Tried,
    provider=st.sampled_from(["a", "b"]),
    failure=st.builds(
        classify_response,
        st.integers(200, 599),
        st.just({}) | st.just({"retry-after": "30"}),
        st.just(b"") | st.just(b'{"error":{"message":"upstream words"}}'),
    )
    | st.builds(Failure, kind=st.sampled_from(FailureKind)),
    was_asked=st.booleans(),
    available_at=st.none() | st.floats(NOW - 10, NOW + 1e6),
)


@given(tried=st.lists(_TRIED, min_size=1, max_size=8), family=st.sampled_from(["anthropic", "openai"]))
def test_any_outcome_can_be_told(tried: list[Tried], family: Family) -> None:
    """Whoever failed and rests, the client gets one error on one line that never says only that all failed."""
    response = respond(*tried, family=family)
    message = message_in(response)
    assert (True, [message], False) == (
        400 <= response.status < 600,
        message.splitlines(),
        "all providers failed" in message,
    )


@given(tried=st.lists(_TRIED, min_size=2, max_size=8))
def test_a_client_is_never_sent_away_longer_than_needed(tried: list[Tried]) -> None:
    """No wait that is told exceeds that of any provider which waiting brings back."""
    told = dict(respond(*tried).headers).get(b"retry-after")
    rests = [
        one.available_at - NOW
        for one in tried
        if one.available_at is not None and not one.was_asked and not FAILURES[one.failure.kind].is_lasting
    ]
    if FAILURES[most_useful(tried).failure.kind].rank < Usefulness.REQUEST:
        assert told is None or all(int(told) <= max(1, rest + 1) for rest in rests)
