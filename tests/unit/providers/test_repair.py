"""What follows a failed attempt (wire-mapping 0.2, 1.3, 1.6, 2.4, 8.3)."""

from typing import Any

import pytest

from packyproxy.errors import Failure, FailureKind
from packyproxy.providers.repair import Decision, GiveUp, History, Repair, RetryAfter, Sent, decide
from packyproxy.translate.contract import AttemptFacts

_NOW = 1_000_000.0
_UNTRIED = History()
_PLAIN = Sent()


def _failure(kind: str, **facts: Any) -> Failure:
    return Failure(kind=FailureKind(kind), **facts)


def _decide(
    failure: Failure, history: History = _UNTRIED, sent: Sent = _PLAIN, retries_allowed: int = 3
) -> Decision:
    return decide(failure, history, sent, retries_allowed=retries_allowed, now=_NOW)


@pytest.mark.parametrize(
    ("kind", "seconds"),
    [
        ("server_error", 0.0),
        ("unavailable", 0.0),
        ("gateway_timeout", 0.0),
        ("request_timeout", 0.0),
        ("conflict", 0.0),
        ("unreachable", 0.0),
        ("truncated", 0.0),
        ("cancelled", 0.0),
        ("overloaded", 1.0),
    ],
)
def test_repeated_once(kind: str, seconds: float) -> None:
    """These kinds are repeated on the same provider, and only once each."""
    failure = _failure(kind)
    first = _decide(failure)
    assert isinstance(first, RetryAfter)
    assert (seconds, GiveUp()) == (first.seconds, _decide(failure, first.history))


@pytest.mark.parametrize(
    "kind",
    [
        "context_overflow",
        "invalid_request",
        "content_refused",
        "credentials_rejected",
        "forbidden",
        "client_restricted",
        "usage_not_included",
        "billing",
        "model_not_found",
        "wrong_url",
        "too_large",
        "quota",
        "rate_limit",
        "upstream_refused",
        "redirect",
        "tls",
        "connect_timeout",
        "headers_timeout",
        "idle_timeout",
        "total_timeout",
        "bad_stream",
    ],
)
def test_never_repeated(kind: str) -> None:
    """Asking the same provider again would change nothing, or nobody knows when it would."""
    assert GiveUp() == _decide(_failure(kind))


@pytest.mark.parametrize(
    ("failure", "seconds"),
    [
        pytest.param(_failure("rate_limit", retry_after_seconds=2.0), 2.0, id="rate-limit-short"),
        pytest.param(_failure("rate_limit", retry_after_seconds=5.0), 5.0, id="rate-limit-longest"),
        pytest.param(_failure("rate_limit", retry_after_seconds=5.1), None, id="rate-limit-long"),
        pytest.param(_failure("rate_limit", reset_at=_NOW + 3), 3.0, id="rate-limit-moment"),
        pytest.param(_failure("rate_limit", reset_at=_NOW - 3), 0.0, id="rate-limit-over"),
        pytest.param(_failure("overloaded", retry_after_seconds=0.2), 1.0, id="overload-at-least-a-second"),
        pytest.param(_failure("overloaded", retry_after_seconds=3.0), 3.0, id="overload-named"),
        pytest.param(_failure("unavailable", retry_after_seconds=30.0), None, id="unavailable-long"),
    ],
)
def test_wait_before_a_repeat(failure: Failure, seconds: float | None) -> None:
    """A time that the upstream named is kept, up to five seconds; a longer one ends the attempt."""
    decision = _decide(failure)
    assert seconds == (decision.seconds if isinstance(decision, RetryAfter) else None)


def test_operator_limits_repeats() -> None:
    """``request-retry: 0`` repeats nothing."""
    assert GiveUp() == _decide(_failure("server_error"), retries_allowed=0)


def test_repeats_of_different_kinds_add_up() -> None:
    """The limit counts all repeats of one request."""
    history = History(repeated=(FailureKind.SERVER_ERROR,))
    assert GiveUp() == _decide(_failure("overloaded"), history, retries_allowed=1)


def test_repairs_are_no_repeats() -> None:
    """A repair is made even where repeats are forbidden."""
    decision = _decide(_failure("invalid_reasoning"), sent=Sent(has_reasoning=True), retries_allowed=0)
    assert isinstance(decision, Repair)


def test_three_parameters_are_removed_at_most() -> None:
    """Each refused parameter is removed once, three in one request."""
    history, sent = History(), Sent()
    removed: list[str | None] = []
    for parameter in ("phase", "strict", "detail", "top_p"):
        decision = _decide(_failure("unsupported_parameter", param=parameter), history, sent)
        if isinstance(decision, Repair):
            removed.append(decision.remove_parameter)
            history, sent = decision.history, Sent(facts=decision.apply(sent.facts))
    assert (["phase", "strict", "detail"], frozenset({"phase", "strict", "detail"})) == (
        removed,
        sent.facts.removed_parameters,
    )


def test_removed_parameter_is_not_removed_again() -> None:
    """A complaint about what was not sent cannot be mended."""
    sent = Sent(facts=AttemptFacts(removed_parameters=frozenset({"phase"})))
    assert GiveUp() == _decide(_failure("unsupported_parameter", param="phase"), sent=sent)


@pytest.mark.parametrize(
    ("kind", "sent", "facts"),
    [
        pytest.param(
            "invalid_reasoning",
            Sent(has_reasoning=True),
            AttemptFacts(without_reasoning=True),
            id="reasoning",
        ),
        pytest.param("instructions_refused", Sent(), AttemptFacts(), id="instructions"),
        pytest.param(
            "effort_refused",
            Sent(effort="xhigh", efforts=("low", "high", "xhigh")),
            AttemptFacts(effort_override="high"),
            id="effort-down",
        ),
        pytest.param(
            "effort_refused",
            Sent(effort="low", efforts=("low", "high")),
            AttemptFacts(effort_override="high"),
            id="effort-up-from-the-bottom",
        ),
    ],
)
def test_repaired_once(kind: str, sent: Sent, facts: AttemptFacts) -> None:
    """Reasoning, instructions and effort are each mended once."""
    failure = _failure(kind)
    decision = _decide(failure, sent=sent)
    assert isinstance(decision, Repair)
    assert (facts, kind == "instructions_refused", GiveUp()) == (
        decision.apply(AttemptFacts()),
        decision.uses_developer,
        _decide(failure, decision.history, sent),
    )


@pytest.mark.parametrize(
    ("kind", "sent"),
    [
        pytest.param("unsupported_parameter", Sent(), id="no-parameter-named"),
        pytest.param("invalid_reasoning", Sent(), id="no-reasoning-sent"),
        pytest.param("instructions_refused", Sent(system_as="developer"), id="already-developer"),
        pytest.param("effort_refused", Sent(), id="no-effort-sent"),
        pytest.param("effort_refused", Sent(effort="low", efforts=("low",)), id="no-other-effort"),
    ],
)
def test_nothing_to_repair(kind: str, sent: Sent) -> None:
    """Sending the same request again is no repair."""
    assert GiveUp() == _decide(_failure(kind), sent=sent)
